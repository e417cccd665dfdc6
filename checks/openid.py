"""Sign-in by OpenID Connect: people sign in to `loopfour serve` at the certified provider `oidc-provider`, through the pages
that a browser would see, and nobody else gets in: with forged, replayed or foreign answers, or with a token that a lying
provider made wrong.
"""

import http.client
import itertools
import json
import os
import re
import socket
import subprocess
import sys
import tempfile
import urllib.parse

import recorder

KEY = "wfk_" + "O" * 32
SECRET = "a secret of the client, long enough to sign with"
BEGIN = "/api/v1/session/oidc"
ROLES = "finance = 'operator'"
checked = 0


def same(what, found, expected):
    global checked
    checked += 1
    if found != expected:
        sys.exit(f"{what}: {found!r}, not {expected!r}")


def free_port():
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return probe.getsockname()[1]


class Browser:
    """Keeps cookies and follows redirects, as far as it is told to. Each has an address of its own, as people have: failed
    sign-ins slow an address.
    """

    addresses = (f"127.0.1.{number}" for number in itertools.count(1))

    def __init__(self):
        self.address = next(Browser.addresses)
        self.cookies = {}

    def ask(self, url, form=None, method=None, headers=()):
        parts = urllib.parse.urlsplit(url)
        connection = http.client.HTTPConnection(parts.netloc, timeout=30, source_address=(self.address, 0))
        held = [
            f"{name}={value}"
            for (place, name), (path, value) in self.cookies.items()
            if place == parts.netloc and parts.path.startswith(path)
        ]
        headers = dict(headers) | ({"Cookie": "; ".join(held)} if held else {})
        body = None
        if form is not None:
            body, headers["Content-Type"] = urllib.parse.urlencode(form), "application/x-www-form-urlencoded"
        target = parts.path + (f"?{parts.query}" if parts.query else "")
        connection.request(method or ("POST" if form is not None else "GET"), target, body, headers)
        answer = connection.getresponse()
        text = answer.read().decode()
        for cookie in answer.headers.get_all("Set-Cookie") or []:
            pair, *attributes = cookie.split(";")
            name, _, content = pair.partition("=")
            attributes = [one.strip().partition("=") for one in attributes]
            attributes = {attribute.lower(): value for attribute, _, value in attributes}
            self.cookies[parts.netloc, name] = (attributes.get("path", "/"), content)
            if not content or attributes.get("max-age") == "0":
                del self.cookies[parts.netloc, name]
        location = answer.headers.get("Location")
        connection.close()
        return answer.status, text, location and urllib.parse.urljoin(url, location)

    def walk(self, url, person=None, stop=None):
        """Follows redirects, and the provider's pages as that person: status, text and address of where it ends. Stops
        before an address that begins with `stop`.
        """
        form = None
        for _ in range(20):
            status, text, location = self.ask(url, form)
            form = None
            if location and stop and location.startswith(stop):
                return status, text, location
            if location:
                url = location
            elif person and 'name="login"' in text:
                url, form = self.action(url, text), {"prompt": "login", "login": person, "password": "any"}
            elif person and 'value="consent"' in text:
                url, form = self.action(url, text), {"prompt": "consent"}
            else:
                return status, text, url
        sys.exit(f"no end of redirects at {url}")

    @staticmethod
    def action(url, text):
        return urllib.parse.urljoin(url, re.search(r'<form[^>]*action="([^"]*)"', text)[1])


class Process:
    """A program that says `listening` once it does."""

    def __init__(self, *command, **more):
        self.process = subprocess.Popen(command, stdout=subprocess.PIPE, text=True, **more)
        line = self.process.stdout.readline()
        if not line.startswith("listening"):
            sys.exit(f"{command[0]} did not start: {line}")

    def __enter__(self):
        return self

    def __exit__(self, *_):
        self.stop()

    def stop(self):
        self.process.terminate()
        self.process.wait(10)


def node(script, *arguments):
    # It warns that it is not for production, at every start.
    return Process("node", str(recorder.HERE / "openid" / script), *map(str, arguments), stderr=subprocess.DEVNULL)


class LoopFour(Process):
    def __init__(self, folder, port, issuer, client="loopfour", secret=SECRET):
        self.base = f"http://127.0.0.1:{port}"
        self.log = tempfile.TemporaryFile("w+")
        settings = f"[oidc]\nissuer = '{issuer}'\nclient_id = '{client}'\n[oidc.role_map]\n{ROLES}\n"
        with open(f"{folder}/loopfour.toml", "w") as file:
            file.write(settings)
        environment = {
            "PATH": os.environ["PATH"],
            "LOOPFOUR_API_KEY": KEY,
            "LOOPFOUR_SERVER": self.base,
            "LOOPFOUR_OIDC_CLIENT_SECRET": secret,
        }
        self.run = dict(cwd=folder, env=environment)
        super().__init__(
            recorder.LOOPFOUR, "serve", "--sandbox", "--listen", f"127.0.0.1:{port}", stderr=self.log, **self.run
        )

    def command(self, *arguments):
        done = subprocess.run([recorder.LOOPFOUR, *arguments], capture_output=True, text=True, timeout=30, **self.run)
        if done.returncode != 0:
            sys.exit(f"loopfour {' '.join(arguments)}: {done.stderr}")
        return done.stdout

    def who(self, browser):
        """Status, mail and scopes of whoever is signed in."""
        status, text, _ = browser.ask(f"{self.base}/api/v1/session")
        data = json.loads(text).get("data") or {}
        holder = data.get("holder") or {}
        return status, holder.get("name"), data.get("scopes")

    def refuses(self, what, browser, ended, status):
        same(f"{what}: the answer", ended[0], status)
        same(f"{what}: nobody is signed in", (self.who(browser)[0], (self.base[7:], "loopfour_session") in browser.cookies), (401, False))


def people(server, provider_base):
    callback = f"{server.base}{BEGIN}/callback"

    ada = Browser()
    status, _, location = ada.ask(server.base + BEGIN)
    query = dict(urllib.parse.parse_qsl(urllib.parse.urlsplit(location).query))
    same("it leads to the provider", (status, location.startswith(f"{provider_base}/auth?")), (303, True))
    same("with the code flow and PKCE", (query["response_type"], query["code_challenge_method"]), ("code", "S256"))
    same("with a state and a nonce", (len(query["state"]) >= 16, len(query["nonce"]) >= 16), (True, True))
    ended = ada.walk(server.base + BEGIN, "ada")
    same("a person of a group comes in", (ended[0], ended[2].startswith(server.base)), (200, True))
    status, mail, scopes = server.who(ada)
    same("as the member with that address", (status, mail), (200, "ada@example.com"))
    same("with the group's role", sorted(scopes), ["connections:read", "runs:read", "workflows:execute", "workflows:read"])

    bob = Browser()
    server.refuses("a person of no group", bob, bob.walk(server.base + BEGIN, "bob"), 403)

    server.command("members", "invite", "carol@example.com", "--role", "viewer")
    eve = Browser()
    server.refuses("an address that is not verified", eve, eve.walk(server.base + BEGIN, "eve"), 403)
    carol = Browser()
    carol.walk(server.base + BEGIN, "carol")
    same("an invited person comes in", server.who(carol)[:2], (200, "carol@example.com"))

    again = Browser()
    back = again.walk(server.base + BEGIN, "ada", stop=callback)[2]
    stranger = Browser()
    server.refuses("another browser with the answer", stranger, stranger.ask(back), 401)
    state = dict(urllib.parse.parse_qsl(urllib.parse.urlsplit(back).query))["state"]
    server.refuses("another state", again, again.ask(back.replace(state, state[::-1])), 401)
    server.refuses("no state", again, again.ask(re.sub(r"state=[^&]*", "", back)), 401)
    server.refuses("two states", again, again.ask(f"{back}&state={state}"), 401)
    stranger.cookies = dict(again.cookies)
    same("none of which ends the sign-in of who began it", (again.ask(back)[0], server.who(again)[0]), (303, 200))
    server.refuses("the same answer again", stranger, stranger.ask(back), 401)

    guess = Browser()
    back = guess.walk(server.base + BEGIN, "ada", stop=callback)[2]
    server.refuses("another code", guess, guess.ask(re.sub(r"code=[^&]*", "code=" + "A" * 43, back)), 401)
    server.refuses("the right code after it", guess, guess.ask(back), 401)

    gone = Browser()
    location = gone.ask(server.base + BEGIN)[2]
    state = dict(urllib.parse.parse_qsl(urllib.parse.urlsplit(location).query))["state"]
    server.refuses("who says no", gone, gone.ask(f"{callback}?error=access_denied&state={state}"), 401)

    for elsewhere in ["https://evil.example/", "//evil.example", "/\\evil.example"]:
        target = f"{server.base}{BEGIN}?redirect={urllib.parse.quote(elsewhere, safe='')}"
        same(f"on to {elsewhere}", Browser().ask(target)[0], 400)

    session = f"{server.base}/api/v1/session"
    same("a write from another page", ada.ask(session, method="DELETE")[0], 403)
    same("a write from an evil page", ada.ask(session, method="DELETE", headers={"Origin": "https://evil.example"})[0], 403)
    same("she is still there", server.who(ada)[0], 200)
    same("a write from our own page", ada.ask(session, method="DELETE", headers={"Origin": server.base})[0], 200)
    same("she has signed out", server.who(ada)[0], 401)

    ada.walk(server.base + BEGIN, "ada")
    same("she is back", server.who(ada)[0], 200)
    server.command("members", "update", "ada@example.com", "--active", "false")
    same("a member who is not active any more is out at once", server.who(ada)[0], 401)
    ada = Browser()
    server.refuses("and does not come back", ada, ada.walk(server.base + BEGIN, "ada"), 403)


def provider():
    port, provider_port = free_port(), free_port()
    base, callback = f"http://127.0.0.1:{provider_port}", f"http://127.0.0.1:{port}{BEGIN}/callback"
    with tempfile.TemporaryDirectory() as folder:
        with node("provider.mjs", provider_port, SECRET, callback) as running:
            with LoopFour(folder, port, base) as server:
                people(server, base)
            with LoopFour(folder, port, base, secret="another secret") as server:
                browser = Browser()
                server.refuses("a wrong secret of the client", browser, browser.walk(server.base + BEGIN, "carol"), 401)
            with LoopFour(folder, port, base, client="another") as server:
                browser = Browser()
                server.refuses("an unknown client", browser, browser.walk(server.base + BEGIN, "carol"), 400)
            with LoopFour(folder, port, f"{base}/") as server:
                same("another issuer than the provider's own", Browser().ask(server.base + BEGIN)[0], 503)
            with LoopFour(folder, port, base) as server:
                browser = Browser()
                back = browser.walk(server.base + BEGIN, "carol", stop=callback)[2]
                running.stop()
                server.refuses("a provider that is down", browser, browser.ask(back), 503)
        with LoopFour(folder, port, base) as server:
            status, text, _ = Browser().ask(server.base + BEGIN)
            same("a provider that was never there", (status, "gives no answer" in text), (503, True))


def lies():
    port, liar_port = free_port(), free_port()
    base = f"http://127.0.0.1:{liar_port}"
    told = 0
    with tempfile.TemporaryDirectory() as folder, node("liar.mjs", liar_port, SECRET):
        with LoopFour(folder, port, base) as server:
            for lie in json.loads(Browser().ask(f"{base}/lies")[1]):
                Browser().ask(f"{base}/lie/{urllib.parse.quote(lie)}")
                browser = Browser()
                ended = browser.walk(server.base + BEGIN)
                if lie == "none":
                    same("who tells the truth comes in", (ended[0], server.who(browser)[:2]), (200, (200, "ada@example.com")))
                    continue
                told += 1
                same(f"{lie}: the answer", ended[0] in (401, 503), True)
                server.refuses(lie, browser, ended, ended[0])
            server.log.seek(0)
            same("no token is in the log", "eyJ" in server.log.read(), False)
    return told


if __name__ == "__main__":
    provider()
    print(f"openid: {checked} checks with oidc-provider and {lies()} bad tokens: nobody got in who does not belong")
