"""Signatures of webhooks, both ways: what Stripe's official Python and Node SDKs and the official Standard Webhooks libraries
sign, `loopfour serve` takes; what LoopFour signs, they take. What is altered, old, foreign, unsigned or too large is refused
and leaves nothing but a count.
"""

import base64
import datetime
import http.client
import http.server
import json
import os
import queue
import subprocess
import sys
import tempfile
import threading
import time

import standardwebhooks
import stripe

import openid
import recorder

KEY = "wfk_" + "W" * 32
SECRETS = ["whsec_first_of_the_company", "whsec_second_of_the_company"]
CUSTOM = "whsec_" + base64.b64encode(b"c" * 32).decode()
PATIENCE = 30
checked = 0


def same(what, found, expected):
    global checked
    checked += 1
    if found != expected:
        sys.exit(f"{what}: {found!r}, not {expected!r}")


class Node:
    """The official Node libraries, in a process of their own."""

    def __init__(self):
        script = str(recorder.HERE / "webhooks" / "signer.mjs")
        self.process = subprocess.Popen(["node", script], stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True)

    def ask(self, what, **asked):
        self.process.stdin.write(json.dumps({"what": what, **asked}) + "\n")
        self.process.stdin.flush()
        return json.loads(self.process.stdout.readline())


class Receiver:
    """Takes whatever is posted to it on loopback."""

    def __init__(self):
        self.came = came = queue.Queue()

        class Handler(http.server.BaseHTTPRequestHandler):
            def do_POST(self):
                body = self.rfile.read(int(self.headers["content-length"]))
                came.put(({name.lower(): value for name, value in self.headers.items()}, body.decode()))
                self.send_response(200)
                self.send_header("content-length", "0")
                self.end_headers()

            def log_message(self, *_):
                pass

        self.server = http.server.ThreadingHTTPServer(("127.0.0.1", 0), Handler)
        self.url = f"http://127.0.0.1:{self.server.server_address[1]}/"
        threading.Thread(target=self.server.serve_forever, daemon=True).start()

    def next(self, wanted):
        """The next one of that type."""
        ends = time.monotonic() + PATIENCE
        while (left := ends - time.monotonic()) > 0:
            try:
                headers, body = self.came.get(timeout=left)
            except queue.Empty:
                break
            if json.loads(body)["type"] == wanted:
                return headers, body
        sys.exit(f"no {wanted} came within {PATIENCE} s")


class LoopFour:
    def __init__(self, folder):
        port = openid.free_port()
        self.base = f"127.0.0.1:{port}"
        with open(f"{folder}/loopfour.toml", "w") as file:
            file.write(f'outbound_allow = ["127.0.0.1"]\nlisten = "{self.base}"\n')
        environment = {
            "PATH": os.environ["PATH"],
            "LOOPFOUR_API_KEY": KEY,
            "LOOPFOUR_SANDBOX": "true",
            "STRIPE_WEBHOOK_SECRET": ",".join(SECRETS),
        }
        self.run = dict(cwd=folder, env=environment)
        self.process = openid.Process(recorder.LOOPFOUR, "serve", stderr=open(f"{folder}/log", "w"), **self.run)
        self.company = self.api("GET", "/me")["company"]["id"]

    def command(self, *arguments, given=None):
        done = subprocess.run(
            [recorder.LOOPFOUR, *arguments], capture_output=True, text=True, timeout=PATIENCE, input=given, **self.run
        )
        if done.returncode != 0:
            sys.exit(f"loopfour {' '.join(arguments)}: {done.stderr}")
        return done.stdout

    def api(self, method, path, body=None):
        status, text = self.send(f"/api/v1{path}", {"x-api-key": KEY}, json.dumps(body) if body else "", method)
        if status not in (200, 201, 202):
            sys.exit(f"{method} {path}: {status} {text}")
        return json.loads(text)["data"]

    def events(self):
        """How many events are kept, and how many were refused."""
        status, text = self.send("/api/v1/events?limit=100", {"x-api-key": KEY}, "", "GET")
        answer = json.loads(text)
        return len(answer["data"]), sum(one["count"] for one in answer["meta"]["refused"])

    def send(self, path, headers, body, method="POST"):
        connection = http.client.HTTPConnection(self.base, timeout=PATIENCE)
        raw = body.encode() if isinstance(body, str) else body
        try:
            connection.request(method, path, raw, {"content-type": "application/json", **headers})
            answer = connection.getresponse()
            return answer.status, answer.read().decode()
        except (BrokenPipeError, ConnectionResetError):
            # A body that is too large is refused before it is read.
            return 413, ""
        finally:
            connection.close()

    def stripe(self, header, body):
        headers = {} if header is None else {"stripe-signature": header}
        return self.send(f"/webhooks/stripe/{self.company}", headers, body)[0]

    def custom(self, headers, body):
        return self.send(f"/webhooks/custom/{self.company}/orders", headers, body)[0]


def event(number):
    return json.dumps(
        {
            "id": f"evt_check{number}",
            "object": "event",
            "api_version": recorder.VERSION,
            "created": int(time.time()),
            "livemode": False,
            "type": "invoice.paid",
            "data": {"object": {"id": "in_1", "object": "invoice", "amount_paid": 9900, "customer_name": "Ærø £ 日本"}},
        },
        ensure_ascii=False,
    )


def by_python(payload, secret, timestamp):
    signature = stripe.WebhookSignature._compute_signature(f"{timestamp}.{payload}", secret)
    return f"t={timestamp},v1={signature}"


def stripes(server, node):
    now = int(time.time())
    number = iter(range(1000))

    def by_node(payload, secret, timestamp):
        return node.ask("stripe_sign", payload=payload, secret=secret, timestamp=timestamp)["ok"]

    def takes(what, header, body):
        before = server.events()[0]
        same(what, server.stripe(header, body), 200)
        same(f"{what}: it is kept", server.events()[0], before + 1)

    for name, sign in [("Python", by_python), ("Node", by_node)]:
        for secret in SECRETS:
            body = event(next(number))
            takes(f"signed by {name} with {secret}", sign(body, secret, now), body)
        body = event(next(number))
        wrong = sign(body, "whsec_other", now)
        right = sign(body, SECRETS[0], now)
        takes(f"{name}: the second of two candidates", f"{wrong},{right.split(',')[1]}", body)
        body = event(next(number))
        takes(f"{name}: 290 seconds old", sign(body, SECRETS[0], now - 290), body)
        body = event(next(number))
        takes(f"{name}: of the future", sign(body, SECRETS[0], now + 3600), body)

        body = event(next(number))
        good = sign(body, SECRETS[0], now)
        kept, refused = server.events()
        bad = {
            "altered body": (good, body.replace("9900", "9901")),
            "old": (sign(body, SECRETS[0], now - 310), body),
            "wrong secret": (sign(body, "whsec_other", now), body),
            "missing header": (None, body),
            "empty header": ("", body),
            "upper case": (good.split("v1=")[0] + "v1=" + good.split("v1=")[1].upper(), body),
            "v0 alone": (good.replace("v1=", "v0="), body),
            "no timestamp": (good.split(",")[1], body),
            "another timestamp": (good.replace(f"t={now}", f"t={now + 1}"), body),
        }
        for what, (header, sent) in bad.items():
            same(f"{name}: {what}", server.stripe(header, sent), 401)
        same(f"{name}: they leave a count", server.events(), (kept, refused + len(bad)))
        for what, sent in {"no event": '{"id": "in_1"}', "a list": "[]", "no JSON": "hello"}.items():
            same(f"{name}: {what}", server.stripe(sign(sent, SECRETS[0], now), sent), 400)
        large = " " * 10 * 1024 * 1024
        same(f"{name}: 10 MB", server.stripe(sign(large, SECRETS[0], now), large), 413)
        same(f"{name}: a header of 64 KB", server.stripe(good + ",v1=" + "a" * 65536, body) in (401, 431), True)
        same(f"{name}: none of it is kept", server.events()[0], kept)


def standard(server, node):
    now = int(time.time())
    server.command("webhook-secrets", "set", "custom", "orders", given=CUSTOM)
    step = {"id": "read", "action": "stripe.getBalance", "config": {}}
    trigger = {"type": "webhook", "provider": "custom", "path": "orders"}
    workflow = server.api("POST", "/workflows", {"name": "Orders", "trigger": trigger, "steps": [step]})["id"]
    server.api("POST", f"/workflows/{workflow}/activate")

    def by_python(payload, id, timestamp):
        at = datetime.datetime.fromtimestamp(timestamp, datetime.timezone.utc)
        return standardwebhooks.Webhook(CUSTOM).sign(id, at, payload)

    def by_node(payload, id, timestamp):
        return node.ask("standard_sign", payload=payload, secret=CUSTOM, id=id, timestamp=timestamp)["ok"]

    for name, sign in [("Python", by_python), ("Node", by_node)]:
        body = '{"type":"order.made","total":9900}'

        def headers(id, timestamp, signature):
            return {"webhook-id": id, "webhook-timestamp": str(timestamp), "webhook-signature": signature}

        good = sign(body, f"msg_{name}", now)
        same(f"Standard Webhooks, signed by {name}", server.custom(headers(f"msg_{name}", now, good), body), 200)
        many = f"v1,{base64.b64encode(b'x' * 32).decode()} {good}"
        same(f"{name}: the second of two", server.custom(headers(f"msg_{name}", now, many), body), 200)
        kept = server.events()[0]
        old = now - 310
        for what, given, sent in [
            ("altered body", headers(f"msg_{name}", now, good), body.replace("9900", "9901")),
            ("another id", headers("msg_other", now, good), body),
            ("another time", headers(f"msg_{name}", now + 1, good), body),
            ("old", headers(f"msg_{name}", old, sign(body, f"msg_{name}", old)), body),
            ("no signature", {"webhook-id": "a", "webhook-timestamp": str(now)}, body),
            ("no headers", {}, body),
        ]:
            same(f"{name}: {what}", server.custom(given, sent), 401)
        same(f"{name}: none of it is kept", server.events()[0], kept)


def ours(server, node, folder):
    # The offline Stripe signs as Stripe does.
    receiver = Receiver()
    with open(f"{folder}/loopfour-data/sandbox/address") as file:
        address = file.read()
    client = stripe.StripeClient("sk_test_checks", base_addresses={"api": address})
    made = client.v1.webhook_endpoints.create({"url": receiver.url, "enabled_events": ["invoice.paid"]})
    server.command("trigger", "stripe", "invoice.paid")
    headers, body = receiver.next("invoice.paid")
    header = headers["stripe-signature"]
    event = stripe.Webhook.construct_event(body, header, made.secret)
    same("Python takes what the offline Stripe signs", event.type, "invoice.paid")
    taken = node.ask("stripe_verify", payload=body, secret=made.secret, header=header)
    same("Node takes what the offline Stripe signs", taken, {"ok": event.id})
    taken = node.ask("stripe_verify", payload=body + " ", secret=made.secret, header=header)
    same("and refuses it altered", "refused" in taken, True)

    # What companies are told of.
    receiver = Receiver()
    made = server.api("POST", "/notices", {"url": receiver.url, "events": ["run.failed"]})
    step = {"id": "read", "action": "stripe.getCustomer", "config": {"customerId": "cus_nobody"}}
    definition = {"name": "Fails", "trigger": {"type": "api"}, "steps": [step]}
    workflow = server.api("POST", "/workflows", definition)["id"]
    server.api("POST", f"/workflows/{workflow}/activate")
    server.api("POST", f"/workflows/{workflow}/run")
    headers, body = receiver.next("run.failed")
    names = ["webhook-id", "webhook-timestamp", "webhook-signature"]
    headers = {name: headers[name] for name in names}
    taken = standardwebhooks.Webhook(made["secret"]).verify(body, headers)
    same("the Python library takes what is told of", taken["type"], "run.failed")
    taken = node.ask("standard_verify", payload=body, secret=made["secret"], headers=headers)
    same("and the Node library", taken, {"ok": "ok"})
    altered = node.ask("standard_verify", payload=body.replace("run", "ran"), secret=made["secret"], headers=headers)
    same("which refuses it altered", "refused" in altered, True)


def main():
    node = Node()
    with tempfile.TemporaryDirectory() as folder:
        server = LoopFour(folder)
        try:
            stripes(server, node)
            standard(server, node)
            ours(server, node, folder)
        finally:
            server.process.stop()
            node.process.kill()
        with open(f"{folder}/log") as file:
            same("nothing panicked", "panicked" in file.read(), False)
    print(f"webhooks: {checked} checks with Stripe's SDKs and the Standard Webhooks libraries: signatures hold both ways")


if __name__ == "__main__":
    main()
