"""Python's own HTTP client against the server at the address given: arguments host and port."""

import email.utils
import http.client
import sys

client = http.client.HTTPConnection(sys.argv[1], int(sys.argv[2]), timeout=30)


def ask(method, path, expected, **more):
    client.request(method, path, **more)
    response = client.getresponse()
    assert response.status == expected, (method, path, response.status)
    return response, response.read()


client.connect()
connection = client.sock
response, body = ask("GET", "/", 200)
assert body == b"hello\n"
assert email.utils.parsedate_to_datetime(response.getheader("Date")).year == 2020
assert ask("GET", "/big?x", 200)[1] == b"x" * 100_000
response, body = ask("HEAD", "/big", 200)
assert (response.getheader("Content-Length"), body) == ("100000", b"")
ask("POST", "/post", 204, body=b"a,b\nc,d\n", headers={"Content-Type": "text/csv"})
ask("POST", "/post", 204, body=iter([b"a,b\n", b"c,d\n"]), encode_chunked=True)
ask("GET", "/none", 404)
assert ask("DELETE", "/", 405)[0].getheader("Allow") == "GET, HEAD"
ask("BREW", "/", 501)
assert client.sock is connection, "all that on one connection"
ask("GET", "/", 200, headers={"Connection": "close"})
assert client.sock is None
ask("POST", "/post", 413, body=b"x" * 70_000)
print("all as it should be")
