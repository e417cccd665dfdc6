"""Malformed HTTP against `loopfour serve`: none of it gets a 5xx, hangs, makes the server panic, or smuggles a second request
in. Only the standard library speaks here, byte by byte.
"""

import concurrent.futures
import json
import os
import re
import socket
import subprocess
import sys
import tempfile
import time

import recorder

KEY = "wfk_" + "M" * 32
# The server closes a connection whose headers are late after 10 s, and gives up a late body after 30 s.
PATIENCE = 40
HOST = "Host: localhost\r\n"
AUTH = f"x-api-key: {KEY}\r\n"
JSON = "Content-Type: application/json\r\n"
CHUNKED = "Transfer-Encoding: chunked\r\n"
NEXT = "GET /smuggled HTTP/1.1\r\nHost: localhost\r\n\r\n"
REFUSED = range(400, 500)
ANY = range(200, 500)


class Case:
    """One connection: what is sent, the statuses that may come, and how many answers at most."""

    def __init__(self, name, sent, statuses=REFUSED, answers=1, silent=False):
        self.name, self.statuses, self.answers, self.silent = name, statuses, answers, silent
        self.sent = sent if isinstance(sent, bytes) else sent.encode()


def post(headers, body, path="/api/v1/workflows/validate"):
    return f"POST {path} HTTP/1.1\r\n{HOST}{AUTH}{JSON}{headers}\r\n{body}"


def sized(body, path="/api/v1/workflows/validate", extra=""):
    raw = body if isinstance(body, bytes) else body.encode()
    head = f"POST {path} HTTP/1.1\r\n{HOST}{AUTH}{JSON}{extra}Content-Length: {len(raw)}\r\n\r\n"
    return head.encode() + raw


def get(target="/healthz", headers="", method="GET", version="HTTP/1.1"):
    return f"{method} {target} {version}\r\n{HOST}{headers}\r\n"


def request_lines():
    lines = [
        "", " ", "GET", "GET ", "GET /", "GET / ", "GET  / HTTP/1.1", "GET / HTTP/1.1 ", "GET\t/\tHTTP/1.1", " GET / HTTP/1.1",
        "GET / HTTP/1.2", "GET / HTTP/2.0", "GET / HTTP/0.9", "GET / HTTP/9.9", "GET / HTTP/1", "GET / HTTP/11", "GET / HTTP/-1.1",
        "GET / http/1.1", "GET / HTTPS/1.1", "GET / FOO/1.1", "GET / HTTP/1.1.1", "GET / HTTP/\u0661.1", "GET /a b HTTP/1.1",
        "GET healthz HTTP/1.1", "GET * HTTP/1.1", "GET ? HTTP/1.1", "GET # HTTP/1.1", "GET //healthz HTTP/1.1", "GET \\healthz HTTP/1.1",
        "GET http:///healthz HTTP/1.1", "GET http://[::1 HTTP/1.1", "GET http://a:b@c:d/ HTTP/1.1", "GET :80 HTTP/1.1",
        "CONNECT localhost:80 HTTP/1.1", "CONNECT / HTTP/1.1", "TRACE / HTTP/1.1", "OPTIONS * HTTP/1.1", "PRI * HTTP/2.0", "FOO / HTTP/1.1",
        "get /healthz HTTP/1.1", "G\u00cbT / HTTP/1.1", "G(T / HTTP/1.1", "\x00 / HTTP/1.1", "GET /\x00 HTTP/1.1", "GET /\x7f HTTP/1.1",
        "GET /\u00e9 HTTP/1.1", "X" * 70000 + " / HTTP/1.1", "GET /" + "a" * 70000 + " HTTP/1.1", "GET /?" + "a" * 70000 + " HTTP/1.1",
        "GET / HTTP/1.1\x00", "{}", "\x16\x03\x01\x02\x00\x01\x00\x01\xfc\x03\x03", "PRI * HTTP/2.0\r\n\r\nSM",
    ]
    for line in lines:
        yield Case(f"request line {line[:40]!r}", f"{line}\r\n{HOST}\r\n", ANY, silent=True)
    for ending in ["\n\n", "\r\r", "\n\r\n\r", "\r\n\n", "\n\r\n", "\r\n\r", "\x0b\x0c\r\n\r\n"]:
        yield Case(f"line ending {ending!r}", f"GET /healthz HTTP/1.1{ending}", ANY, silent=True)


def paths():
    targets = [
        "/..", "/../../etc/passwd", "/%2e%2e/", "/%2e%2e%2fetc", "/%00", "/%", "/%1", "/%zz", "/%ff", "/%c0%af", "/%u0041", "/.",
        "/./healthz", "/healthz/", "/healthz/..", "/HEALTHZ", "/healthz%20", "/healthz;x=1", "/healthz?", "/healthz??", "/healthz#a",
        "/api/v1", "/api/v1/", "/api//v1/runs", "/api/v1/runs/%00", "/api/v1/runs/%2f", "/api/v1/runs/..%2fkeys", "/api/v1/runs/" + "a" * 8000,
        "/api/v1/runs?limit=", "/api/v1/runs?limit=-1", "/api/v1/runs?limit=1&limit=2", "/api/v1/runs?cursor=%00", "/api/v1/runs?%ff=%ff",
        "/api/v1/runs?=", "/api/v1/runs?&&&&", "/api/v1/runs?limit=99999999999999999999", "/api/v1/runs?cursor=" + "A" * 9000,
        "/api/v1/runs?limit=1%00", "/api/v1/workflows/wf_00000000-0000-0000-0000-000000000000/versions/-1",
        "/api/v1/workflows/wf_00000000-0000-0000-0000-000000000000/versions/4294967296", "/docs/../openapi.json", "/docs/%2e%2e/",
        "/webhooks/stripe/x", "/webhooks/", "http://localhost/healthz", "http://evil.example/healthz", "//evil.example/healthz",
    ]
    for target in targets:
        yield Case(f"target {target[:60]}", get(target, AUTH), ANY)


def headers():
    rows = [
        "A", ":", ": b", " a: b", "a : b", "a\t: b", "a b: c", "a:\x00", "a: \x00b", "a: b\rc", "a: b\r\n c: d", "a: b\r\n\tc", "a: \x7f",
        "\u00e9: b", "a: \u00e9", "a@b: c", "(a): b", '"a": b', "a:" + "b" * 20000, "a" * 20000 + ": b", "Host: a", "Host:", "Host: a b",
        "Host: a\r\nHost: b", "Connection: close, close", "Connection: \x01", "Upgrade: h2c\r\nConnection: Upgrade", "Upgrade: websocket",
        "Expect: 100-continue", "Expect: 200-ok", "Expect: ", "TE: trailers", "Trailer: a", "Content-Encoding: gzip", "Accept: " + "a," * 5000,
        "Accept-Encoding: *;q=0", "Range: bytes=0-", "If-Match: \"", "Cookie: " + "a=b; " * 3000, "Cookie: loopfour_session=\x01",
        "Cookie: loopfour_session=a\r\nCookie: loopfour_session=b", "Origin: null", "x-api-key: ", "x-api-key: a\r\nx-api-key: b",
        f"x-api-key: {KEY}\r\nx-api-key: {KEY}", "x-api-key: \u00e9", "x-forwarded-for: 1.1.1.1", "x-request-id: \"><script>",
        "Proxy-Connection: keep-alive", "Content-Length: 0\r\nContent-Length: 0", "Authorization: Basic",
    ]
    for row in rows:
        yield Case(f"header {row[:40]!r}", f"GET /api/v1/me HTTP/1.1\r\n{HOST}{row}\r\n\r\n", ANY)
    yield Case("101 headers", get("/healthz", "".join(f"h{n}: v\r\n" for n in range(101))), ANY)
    yield Case("10000 headers", get("/healthz", "".join(f"h{n}: v\r\n" for n in range(10000))))
    yield Case("1 MiB of headers", get("/healthz", f"a: {'b' * (1 << 20)}\r\n"))
    yield Case("no host", "GET /healthz HTTP/1.1\r\n\r\n", ANY)
    yield Case("HTTP/1.0", "GET /healthz HTTP/1.0\r\n\r\n", ANY)


def lengths():
    rows = [
        "-1", "+2", "0x2", "2.0", "2 ", "02", "2,2", "2, 2", "2;", "", "two", "99999999999999999999", "18446744073709551616", "1e1", "2\x00",
        "\u0662", "2\r\nContent-Length: 3", "3\r\nContent-Length: 2", "2\r\nContent-Length: 2", "1048577", "9223372036854775807",
    ]
    # These say the same thing, so what follows is a second request.
    equal = {"2 ", "02", "2\r\nContent-Length: 2"}
    for row in rows:
        yield Case(f"length {row!r}", post(f"Content-Length: {row}\r\n", "{}" + NEXT), ANY, answers=2 if row in equal else 1)
    yield Case("a length and no body", post("Content-Length: 10\r\n", ""), REFUSED)
    yield Case("half a body", post("Content-Length: 10\r\n", "{}"), REFUSED)
    yield Case("a body without length", post("", "{}" + "\r\n"), ANY, answers=2)
    yield Case("a GET with a body", get("/api/v1/me", AUTH + "Content-Length: 2\r\n") + "{}", ANY)
    yield Case("half a header", f"GET /healthz HTTP/1.1\r\n{HOST}a: b", REFUSED, silent=True)
    yield Case("nothing at all", "", REFUSED, silent=True)
    yield Case("a body over the limit", sized("x" * ((1 << 20) + 1)), REFUSED)


def chunks():
    rows = [
        "2\r\n{}\r\n0\r\n\r\n", "2;a=b\r\n{}\r\n0\r\n\r\n", "02\r\n{}\r\n0\r\n\r\n", "2 \r\n{}\r\n0\r\n\r\n", "2\n{}\n0\n\n", "2\r{}\r0\r\r",
        "+2\r\n{}\r\n0\r\n\r\n", "-2\r\n{}\r\n0\r\n\r\n", "0x2\r\n{}\r\n0\r\n\r\n", "g\r\n{}\r\n0\r\n\r\n", "\r\n{}\r\n0\r\n\r\n", "2\r\n{}0\r\n\r\n",
        "2\r\n{}x\r\n0\r\n\r\n", "1\r\n{}\r\n0\r\n\r\n", "3\r\n{}\r\n0\r\n\r\n", "ffffffffffffffff\r\n{}", "10000000000000000\r\n{}", "100001\r\n{}",
        "2\r\n{}\r\n", "2\r\n{}\r\n0\r\n", "2\r\n{}\r\n0\r\na: b\r\n\r\n", "2\r\n{}\r\n0\r\nContent-Length: 9\r\n\r\n", "2\r\n{}\r\n0\r\n\x00\r\n\r\n",
        "2;" + "a" * 20000 + "\r\n{}\r\n0\r\n\r\n", "1\r\n \r\n" * 2000 + "2\r\n{}\r\n0\r\n\r\n", "2\r\n{}\r\n0\r\n" + "t: v\r\n" * 3000 + "\r\n", "2;\x00\r\n{}\r\n0\r\n\r\n",
    ]
    for row in rows:
        yield Case(f"chunks {row[:40]!r}", post(CHUNKED, row), ANY)
    codings = [
        "Transfer-Encoding: identity\r\n", "Transfer-Encoding: gzip\r\n", "Transfer-Encoding: gzip, chunked\r\n", "Transfer-Encoding: chunked, gzip\r\n",
        "Transfer-Encoding: chunked, chunked\r\n", "Transfer-Encoding: xchunked\r\n", "Transfer-Encoding: \"chunked\"\r\n", "Transfer-Encoding : chunked\r\n",
        "Transfer-Encoding:\tchunked\r\n", "Transfer-Encoding: \x0bchunked\r\n", "Transfer-Encoding: chunked\x00\r\n", "Transfer-Encoding: CHUNKED\r\n",
        "Transfer-Encoding:\r\n chunked\r\n", "Transfer-Encoding: chunked\r\nTransfer-Encoding: identity\r\n", "Transfer_Encoding: chunked\r\n",
        "X: y\rTransfer-Encoding: chunked\r\n", "Transfer-Encoding: ,chunked\r\n", "Transfer-Encoding: chunked;q=1\r\n",
    ]
    for coding in codings:
        yield Case(f"coding {coding[:50]!r}", post(coding + "Content-Length: 12\r\n", "2\r\n{}\r\n0\r\n\r\n"), ANY, silent=True)
    # Whoever stands before the server may believe the length; then what comes after the last chunk is the body's.
    for name, both in {
        "length first": f"Content-Length: 60\r\n{CHUNKED}",
        "length last": f"{CHUNKED}Content-Length: 60\r\n",
        "a short length": f"Content-Length: 4\r\n{CHUNKED}",
        "a length of 0": f"Content-Length: 0\r\n{CHUNKED}",
        "two codings": f"{CHUNKED}Transfer-Encoding: identity\r\nContent-Length: 60\r\n",
        "obsolete folding": "Content-Length: 60\r\nTransfer-Encoding:\r\n chunked\r\n",
    }.items():
        yield Case(f"smuggled: {name}", post(both, "2\r\n{}\r\n0\r\n\r\n" + NEXT), ANY, answers=1)
    old = f"POST /api/v1/workflows/validate HTTP/1.0\r\n{AUTH}{JSON}{CHUNKED}\r\n2\r\n{{}}\r\n0\r\n\r\n{NEXT}"
    yield Case("smuggled: chunks in HTTP/1.0", old, ANY, answers=1)


def bodies():
    deep = "[" * 100 + "]" * 100
    rows = [
        b"", b" ", b"\xef\xbb\xbf{}", b"\xff\xfe{\x00}\x00", b"\xc3\x28", b"\xed\xa0\x80", b"{", b"}", b"[]", b"null", b"\"a\"", b"1e999", b"{\"a\":1,\"a\":2}",
        b"{\"a\":\"\\ud800\"}", b"{\"a\":\"\x00\"}", b"{'a':1}", b"{\"a\":NaN}", b"{\"a\":01}", b"{\"a\":1,}", b"{}{}", b"{} x", b"//\n{}", deep.encode(),
        b"[" * 500000, b"{\"a\":" * 100000, b"{\"" + b"a" * 100000 + b"\":1}", b"{\"a\":" + b"9" * 100000 + b"}", b"{\"a\":0." + b"1" * 100000 + b"}",
        b"\"" + b"\\u0000" * 10000 + b"\"", b"<xml/>", b"a=b&c=d", b"\x1f\x8b\x08\x00", bytes(range(256)),
    ]
    for row in rows:
        yield Case(f"body {row[:30]!r}", sized(row), ANY)
        yield Case(f"body of a workflow {row[:30]!r}", sized(row, "/api/v1/workflows"), ANY)
    for kind in ["text/plain", "application/xml", "application/json; charset=utf-16", "application/json;", "multipart/form-data", "\u00e9", ";", "*/*"]:
        head = f"POST /api/v1/workflows HTTP/1.1\r\n{HOST}{AUTH}Content-Type: {kind}\r\nContent-Length: 2\r\n\r\n{{}}"
        yield Case(f"content type {kind!r}", head, REFUSED)


def pipelines():
    one = get("/healthz")
    yield Case("three at once", one * 3, ANY, answers=3)
    yield Case("a good one, then none", one + "\x00\x00", ANY, answers=2)
    yield Case("blank lines before", "\r\n\r\n" + one, ANY)
    yield Case("one after a close", get("/healthz", "Connection: close\r\n") + one, ANY, answers=1)
    yield Case("one after a refusal", "BAD\r\n\r\n" + one, ANY, answers=1)
    yield Case("one after a body over the limit", post("Content-Length: 2000000\r\n", NEXT), REFUSED, answers=1)
    yield Case("expects 100 and sends nothing", post("Expect: 100-continue\r\nContent-Length: 2\r\n", ""), range(100, 500), answers=2)
    yield Case("expects 100 over the limit", post("Expect: 100-continue\r\nContent-Length: 99999999\r\n", ""), REFUSED)


def cases():
    for group in (request_lines, paths, headers, lengths, chunks, bodies, pipelines):
        yield from group()


def exchange(address, case):
    """Sends it, and reads until the server closes, or has nothing more to say and waits for the rest."""
    with socket.create_connection(address, timeout=PATIENCE) as connection:
        received = b""
        try:
            connection.sendall(case.sent)
            deadline = time.monotonic() + PATIENCE
            while time.monotonic() < deadline:
                # Once it has answered it may keep the connection open; a short silence ends the exchange then.
                connection.settimeout(1.5 if whole(received) else max(0.1, deadline - time.monotonic()))
                part = connection.recv(65536)
                if not part:
                    return received, True
                received += part
        except socket.timeout:
            return received, False
        except (ConnectionResetError, BrokenPipeError):
            return received, True
    return received, False


def whole(received):
    head, separator, body = received.partition(b"\r\n\r\n")
    length = re.search(rb"(?im)^content-length: (\d+)", head)
    return bool(separator) and len(body) >= int(length[1] if length else 0) and not head.startswith(b"HTTP/1.1 100")


def answers(received):
    return [int(status) for status in re.findall(rb"HTTP/1\.[01] (\d{3})", received)]


def judge(case, received, closed):
    """What is wrong with what came back, if anything is."""
    statuses = answers(received)
    if any(status >= 500 for status in statuses):
        return f"answered {statuses}"
    if not statuses:
        return None if closed and case.silent else "neither answered nor closed" if not closed else "closed without an answer"
    if len(statuses) > case.answers:
        return f"{len(statuses)} answers: {statuses}"
    if statuses[0] not in case.statuses:
        return f"answered {statuses[0]}"
    for head in re.findall(rb"(?s)HTTP/1\.[01] .*?\r\n\r\n", received):
        # What the parser refuses by itself has no body.
        if b"content-type: application/json" in head.lower() and b"x-request-id: " not in head.lower():
            return "an answer without x-request-id"
    for word in (b"panicked", b"SELECT ", b"/src/", b"stack backtrace"):
        if word in received:
            return f"the answer shows {word.decode()!r}"
    return None


def main():
    with tempfile.TemporaryDirectory() as directory:
        log = open(f"{directory}/log", "w+")
        environment = {**os.environ, "LOOPFOUR_API_KEY": KEY, "LOOPFOUR_RATE_LIMITS": "off", "RUST_BACKTRACE": "0"}
        command = [recorder.LOOPFOUR, "serve", "--sandbox", "--listen", "127.0.0.1:0", "--data", f"{directory}/data"]
        server = subprocess.Popen(command, stdout=subprocess.PIPE, stderr=log, text=True, env=environment, cwd=directory)
        try:
            ready = server.stdout.readline()
            port = int(re.search(r"127\.0\.0\.1:(\d+)", ready)[1])
            address = ("127.0.0.1", port)
            wanted = list(cases())
            with concurrent.futures.ThreadPoolExecutor(len(wanted)) as pool:
                results = list(pool.map(lambda case: (case, *exchange(address, case)), wanted))
            failed = [(case.name, problem) for case, *result in results if (problem := judge(case, *result))]
            alive = Case("a good request afterwards", get("/healthz"), range(200, 300))
            if problem := judge(alive, *exchange(address, alive)):
                failed.append((alive.name, problem))
            if server.poll() is not None:
                failed.append(("the server", f"ended with {server.returncode}"))
        finally:
            server.terminate()
            server.wait(20)
        log.seek(0)
        failed += [("the log", line.strip()) for line in log if "panic" in line or " ERROR " in line]
    for name, problem in failed:
        print(f"malformed HTTP: {name}: {problem}")
    print(f"requests of malformed HTTP: {len(wanted)}, {len(failed)} failed")
    sys.exit(bool(failed))


main()
