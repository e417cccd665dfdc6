"""A listener on the loopback interface that records what comes in, and LoopFour sending the calls of calls.json to it.

Nothing here knows what a call should look like; that is what the checks compare.
"""

import http.server
import json
import os
import pathlib
import subprocess
import sys
import tempfile
import threading
import urllib.parse

HERE = pathlib.Path(__file__).parent
CALLS = json.loads((HERE / "calls.json").read_text())
VERSION = "2026-08-26.dahlia"
LOOPFOUR = os.environ.get("LOOPFOUR", str(HERE.parent / "target/debug/loopfour"))


class Request:
    """A request as it arrived."""

    def __init__(self, handler, body):
        self.method = handler.command
        self.target = handler.path
        self.path, _, self.query = handler.path.partition("?")
        self.body = body
        self.headers = {name.lower(): value for name, value in handler.headers.items()}

    def decoded(self):
        """Method, path, place of the parameters, and the parameters as they nest, lists by their indexes."""
        return {"line": f"{self.method} {self.path}", "query": nested(self.query), "form": nested(self.body)}


def nested(form):
    root = {}
    for key, value in urllib.parse.parse_qsl(form, keep_blank_values=True, strict_parsing=bool(form)):
        *outer, last = key.replace("]", "").split("[")
        at = root
        for name in outer:
            at = at.setdefault(name, {})
        if last in at:
            raise ValueError(f"{key} is there twice in {form}")
        at[last] = value
    return root


class Recorder:
    """Answers every request with an object that no client can object to."""

    def __init__(self):
        recorder = self
        self.requests = []

        class Handler(http.server.BaseHTTPRequestHandler):
            protocol_version = "HTTP/1.1"

            def answer(self):
                body = self.rfile.read(int(self.headers.get("Content-Length", 0))).decode()
                recorder.requests.append(Request(self, body))
                answer = b'{"id": "any_1", "object": "any", "status": "any", "data": [], "has_more": false}'
                self.send_response(200)
                self.send_header("Content-Type", "application/json")
                self.send_header("Content-Length", str(len(answer)))
                self.end_headers()
                self.wfile.write(answer)

            do_GET = do_POST = do_DELETE = answer

            def log_message(self, *_):
                pass

        self.server = http.server.ThreadingHTTPServer(("127.0.0.1", 0), Handler)
        self.base = f"http://127.0.0.1:{self.server.server_port}"
        threading.Thread(target=self.server.serve_forever, args=[0.02], daemon=True).start()

    def close(self):
        self.server.shutdown()
        return self.requests


def ours():
    """The requests that LoopFour sends for the calls: one workflow, one step a call, no stamp."""
    steps = [
        {"id": f"call-{number}", "action": call["action"], "config": call["config"]}
        for number, call in enumerate(CALLS)
    ]
    workflow = {
        "name": "Every call",
        "trigger": {"type": "api"},
        "settings": {"stampMetadata": False},
        "steps": steps,
    }
    recorder = Recorder()
    with tempfile.TemporaryDirectory() as folder:
        file = pathlib.Path(folder) / "calls.json"
        file.write_text(json.dumps(workflow))
        run = subprocess.run(
            [LOOPFOUR, "run", str(file), "--data", f"{folder}/data"],
            env={
                "PATH": os.environ["PATH"],
                "STRIPE_API_KEY": "sk_test_recorded",
                "LOOPFOUR_STRIPE_API_BASE": recorder.base,
                "LOOPFOUR_STRIPE_PACE": "off",
            },
            cwd=folder,
            capture_output=True,
            text=True,
            timeout=120,
        )
    # Before the first call LoopFour asks whose account the key belongs to.
    requests = [request for request in recorder.close() if request.path != "/v1/account"]
    if run.returncode != 0 or len(requests) != len(CALLS):
        sys.exit(f"loopfour sent {len(requests)} of {len(CALLS)} calls and ended with {run.returncode}:\n{run.stderr}")
    return requests
