//! A plain client on a serial device.

use std::os::fd::OwnedFd;
use std::path::Path;
use std::time::{Duration, Instant};

use rustix::event::{PollFd, PollFlags, Timespec, poll};
use rustix::fs::{Mode, OFlags, open};
use rustix::io::Errno;
use rustix::termios::{ControlModes, OptionalActions, tcgetattr, tcsetattr};

const LIMIT: Duration = Duration::from_secs(60);

/// Not handed down: a child of another test would hold the terminal open.
const FLAGS: OFlags = OFlags::RDWR.union(OFlags::NOCTTY).union(OFlags::NONBLOCK).union(OFlags::CLOEXEC);

pub struct Client {
    device: OwnedFd,
    received: Vec<u8>,
}

impl Client {
    pub fn open(path: &Path, baud_hz: u32) -> Self {
        let device = open(path, FLAGS, Mode::empty()).unwrap();
        let mut settings = tcgetattr(&device).unwrap();
        settings.make_raw();
        settings.set_speed(baud_hz).unwrap();
        tcsetattr(&device, OptionalActions::Now, &settings).unwrap();
        Self { device, received: Vec::new() }
    }

    pub fn set_baud(&self, baud_hz: u32) {
        let mut settings = tcgetattr(&self.device).unwrap();
        settings.set_speed(baud_hz).unwrap();
        tcsetattr(&self.device, OptionalActions::Now, &settings).unwrap();
    }

    /// Calls until the modem answers, as programs do that have changed the rate: the terminal's other side learns of it a
    /// little later, and what is sent before then is garbage to it.
    pub fn call_until_answered(&mut self) {
        let started = Instant::now();
        while !self.take().ends_with(b"\r\nOK\r\n") {
            assert!(started.elapsed() < LIMIT, "no answer at the new rate");
            self.write(b"AT\r");
            self.quiet(Duration::from_millis(300));
        }
    }

    pub fn heed_cts(&self) {
        let mut settings = tcgetattr(&self.device).unwrap();
        settings.control_modes |= ControlModes::CRTSCTS;
        tcsetattr(&self.device, OptionalActions::Now, &settings).unwrap();
    }

    fn poll(&self, flags: PollFlags, timeout: Duration) -> PollFlags {
        let mut polled = [PollFd::new(&self.device, flags)];
        let nanoseconds = i64::from(timeout.subsec_nanos());
        poll(&mut polled, Some(&Timespec { tv_sec: timeout.as_secs() as i64, tv_nsec: nanoseconds })).unwrap();
        polled[0].revents()
    }

    fn read(&mut self, timeout: Duration) -> usize {
        if !self.poll(PollFlags::IN, timeout).contains(PollFlags::IN) {
            return 0;
        }
        let mut buffer = [0; 4096];
        let count = rustix::io::read(&self.device, &mut buffer).unwrap();
        self.received.extend(&buffer[..count]);
        count
    }

    fn try_write(&self, bytes: &[u8]) -> usize {
        match rustix::io::write(&self.device, bytes) {
            Ok(count) => count,
            Err(Errno::AGAIN) => 0,
            Err(error) => panic!("{error}"),
        }
    }

    pub fn write(&self, mut bytes: &[u8]) {
        let started = Instant::now();
        while !bytes.is_empty() {
            assert!(started.elapsed() < LIMIT, "nobody reads");
            self.poll(PollFlags::OUT, Duration::from_secs(1));
            bytes = &bytes[self.try_write(bytes)..];
        }
    }

    /// Writes until there is no room for so long; gives how much went.
    pub fn write_what_fits(&self, bytes: &[u8], pause: Duration) -> usize {
        let mut written = 0;
        while written < bytes.len() && self.poll(PollFlags::OUT, pause).contains(PollFlags::OUT) {
            written += self.try_write(&bytes[written..]);
        }
        written
    }

    /// Writes all of it and reads so many bytes.
    pub fn write_while_reading(&mut self, mut bytes: &[u8], count: usize) -> Vec<u8> {
        let started = Instant::now();
        while self.received.len() < count {
            assert!(started.elapsed() < LIMIT, "{} bytes came", self.received.len());
            bytes = &bytes[self.try_write(bytes)..];
            self.read(Duration::from_millis(20));
        }
        self.take()
    }

    /// What was received and not yet looked at.
    pub fn take(&mut self) -> Vec<u8> {
        std::mem::take(&mut self.received)
    }

    /// Receives until nothing has come for so long.
    pub fn quiet(&mut self, pause: Duration) {
        while self.read(pause) > 0 {}
    }

    fn receive_until(&mut self, is_enough: impl Fn(&[u8]) -> bool, what: &str) -> Vec<u8> {
        let started = Instant::now();
        while !is_enough(&self.received) {
            let text = String::from_utf8_lossy(&self.received);
            assert!(started.elapsed() < LIMIT, "{what}: no end in {text:?}");
            self.read(Duration::from_millis(100));
        }
        self.take()
    }

    /// Sends a command and gives its response, which may hold URCs.
    pub fn command(&mut self, command: &str) -> String {
        self.write(format!("{command}\r").as_bytes());
        String::from_utf8_lossy(&self.response(command)).into_owned()
    }

    fn response(&mut self, command: &str) -> Vec<u8> {
        let ended = |bytes: &[u8]| {
            let text = String::from_utf8_lossy(bytes);
            let error = text.rfind("ERROR").is_some_and(|at| text[at..].ends_with("\r\n"));
            error || ["\r\nOK\r\n", "\r\n@"].iter().any(|end| text.ends_with(end))
        };
        self.receive_until(ended, command)
    }

    /// A command that must succeed.
    pub fn ok(&mut self, command: &str) -> String {
        let response = self.command(command);
        assert!(response.ends_with("\r\nOK\r\n"), "{command}: {response:?}");
        response
    }

    /// Sends a command, once a while, until its response has this in it.
    pub fn until(&mut self, command: &str, text: &str) {
        let started = Instant::now();
        loop {
            assert!(started.elapsed() < LIMIT, "{command} never says {text}");
            self.write(format!("{command}\r").as_bytes());
            self.quiet(Duration::from_millis(100));
            if String::from_utf8_lossy(&self.take()).contains(text) {
                return;
            }
        }
    }

    /// A command with a prompt, and its payload.
    pub fn payload(&mut self, command: &str, payload: &[u8], line: &str) {
        assert!(self.command(command).ends_with("\r\n@"), "{command}");
        std::thread::sleep(Duration::from_millis(50));
        self.write(payload);
        let response = self.response(command);
        assert!(String::from_utf8_lossy(&response).contains(line), "{command}: {response:?}");
    }

    /// The data of `+USORD: n,length,"data"`, which may be any bytes; empty if there is none.
    pub fn read_socket(&mut self, command: &str) -> Vec<u8> {
        self.write(format!("{command}\r").as_bytes());
        let parsed = |bytes: &[u8]| -> Option<(usize, usize)> {
            let head = b"+USORD: ";
            let at = bytes.windows(head.len()).position(|w| w == head)? + head.len();
            let rest = &bytes[at..];
            let end = rest.iter().position(|b| *b == b'\r')?;
            let length_end =
                rest.iter().enumerate().filter(|(_, b)| **b == b',').nth(1).map_or(end, |(i, _)| i.min(end));
            let length = std::str::from_utf8(rest.get(2..length_end)?).ok()?.parse().ok()?;
            let data = if length == 0 { at + length_end } else { at + length_end + 2 };
            Some((data, length))
        };
        let whole = |bytes: &[u8]| {
            parsed(bytes).is_some_and(|(data, length)| {
                bytes.get(data + length..).is_some_and(|rest| rest.ends_with(b"\r\nOK\r\n"))
            })
        };
        let bytes = self.receive_until(whole, command);
        let (data, length) = parsed(&bytes).unwrap();
        bytes[data..data + length].to_vec()
    }
}
