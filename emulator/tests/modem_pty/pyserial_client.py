"""A client of the modem on pyserial: TCP and UDP to the echo service. Ends with the line "done"."""

import sys
import time

import serial


class Modem:
    def __init__(self, path):
        self.port = serial.Serial(path, 115200, timeout=30, rtscts=True)

    def until(self, *ends):
        got = b""
        while not any(got.endswith(end) for end in ends):
            byte = self.port.read(1)
            assert byte, got
            got += byte
        return got

    def command(self, text):
        self.port.write(text.encode() + b"\r\n")
        return self.until(b"\r\nOK\r\n", b"ERROR\r\n", b"\r\n@").decode(errors="replace")

    def ok(self, text):
        got = self.command(text)
        assert got.endswith("\r\nOK\r\n"), (text, got)
        return got

    def payload(self, text, data):
        assert self.command(text).endswith("\r\n@"), text
        time.sleep(0.05)
        self.port.write(data)
        self.until(b"\r\nOK\r\n")

    def pending(self, command, count):
        """Waits until a socket has so many bytes."""
        while f": 0,{count}\r" not in self.ok(f"AT+{command}=0,0"):
            time.sleep(0.05)

    def data(self, text, quotes_before):
        """The bytes between the last quotes of a socket's answer."""
        self.port.write(text.encode() + b"\r\n")
        head = b"".join(self.until(b'"') for _ in range(quotes_before + 1))
        data = self.port.read(int(head.rstrip(b',"').split(b",")[-1]))
        self.until(b"\r\nOK\r\n")
        return data


def main(path):
    modem = Modem(path)
    modem.ok("AT")
    modem.ok("ATE0")
    modem.ok("AT+CMEE=2")
    while "+CGATT: 1" not in modem.ok("AT+CGATT?"):
        time.sleep(0.1)
    modem.ok('AT+UPSD=0,1,"apn"')
    modem.ok("AT+UPSDA=0,3")

    assert "+USOCR: 0" in modem.ok("AT+USOCR=6")
    modem.ok('AT+USOCO=0,"192.0.2.7",7')
    sent = bytes(range(256)) * 4
    modem.payload("AT+USOWR=0,1024", sent)
    modem.pending("USORD", 1024)
    assert modem.data("AT+USORD=0,1024", 0) == sent
    modem.ok("AT+USOCL=0")

    assert "+USOCR: 0" in modem.ok("AT+USOCR=17")
    modem.payload('AT+USOST=0,"192.0.2.7",7,5', b"a\r\n\0b")
    modem.pending("USORF", 5)
    assert modem.data("AT+USORF=0,5", 2) == b"a\r\n\0b"
    modem.ok("AT+USOCL=0")
    print("done")


main(sys.argv[1])
