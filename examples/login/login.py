#!/usr/bin/env python3
"""A page that lets a person in by a code, and shows how such a form is made accessible.

    SMSOTP_SOCKET=/run/smsotpd/smsotpd.sock examples/login/login.py --port 8080

The standard library is enough. It is an example: sessions are kept in memory, and TLS is for the server in front of it.

What the form does for people: each field has a label that is seen, the field for the code is ONE field (not six) with
`autocomplete="one-time-code"`, by which telephones offer the code of the SMS, and `inputmode="numeric"`; pasting is allowed,
blanks are ignored by the daemon. A fault is told in words, in an element with `role="alert"`, and tied to its field by
`aria-describedby`. The code may be sent again, and nothing hurries but the life of the code, which the page tells.
"""

import argparse
import hmac
import html
import http.client
import json
import os
import secrets
import socket
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from urllib.parse import parse_qs

PAGE = """<!doctype html>
<html lang="en">
<meta charset="utf-8">
<meta name="viewport" content="width=device-width, initial-scale=1">
<title>{title}</title>
<style>
  :root {{ color-scheme: light dark; font: 1.125rem/1.5 system-ui, sans-serif }}
  body {{ max-width: 24rem; margin: 3rem auto; padding: 0 1rem }}
  label, input, button {{ display: block; font: inherit }}
  input, button {{ width: 100%; box-sizing: border-box; padding: .6rem; margin: .3rem 0 1rem }}
  [role=alert] {{ border-left: .3rem solid; padding-left: .7rem }}
</style>
<main>
<h1>{title}</h1>
{body}
</main>
</html>
"""

PHONE = """{alert}
<form method="post" action="/phone">
  <label for="phone">Your mobile number, with its country code</label>
  <input id="phone" name="phone" type="tel" autocomplete="tel" required placeholder="+41 79 123 45 67"{described}>
  <button>Send me a code</button>
</form>
"""

CODE = """{alert}
<p>We sent a code to the number that ends with {end}. It is good for a few minutes.</p>
<form method="post" action="/code">
  <label for="code">The code from the SMS</label>
  <input id="code" name="code" inputmode="numeric" autocomplete="one-time-code" required autofocus{described}>
  <button>Log in</button>
</form>
<form method="post" action="/again"><button>Send the code again</button></form>
<p><a href="/">Another number</a></p>
"""


class Connection(http.client.HTTPConnection):
    """HTTP over the daemon's Unix socket."""

    def connect(self):
        self.sock = socket.socket(socket.AF_UNIX)
        self.sock.settimeout(self.timeout)
        self.sock.connect(os.environ.get("SMSOTP_SOCKET", "/run/smsotpd/smsotpd.sock"))


def post(path, body=None):
    """The status and the answer to a request."""
    connection = Connection("localhost", timeout=30)
    connection.request("POST", path, json.dumps(body or {}), {"Content-Type": "application/json"})
    response = connection.getresponse()
    return response.status, json.load(response)


# By cookie: {"verification": ID, "end": DIGITS, "inside": bool}.
SESSIONS = {}


class Handler(BaseHTTPRequestHandler):
    def session(self):
        for cookie in self.headers.get("Cookie", "").split(";"):
            name, _, value = cookie.strip().partition("=")
            if name == "session":
                return SESSIONS.get(value)
        return None

    def show(self, status, title, body, cookie=None, location=None):
        text = PAGE.format(title=title, body=body).encode()
        self.send_response(status)
        self.send_header("Content-Type", "text/html; charset=utf-8")
        self.send_header("Content-Length", str(len(text)))
        self.send_header("Content-Security-Policy", "default-src 'none'; style-src 'unsafe-inline'; form-action 'self'")
        if cookie:
            # Behind TLS: Secure as well.
            self.send_header("Set-Cookie", f"session={cookie}; HttpOnly; SameSite=Strict; Path=/")
        if location:
            self.send_header("Location", location)
        self.end_headers()
        self.wfile.write(text)

    def form(self, status, template, fault="", **values):
        alert = f'<p role="alert" id="fault">{html.escape(fault)}</p>' if fault else ""
        described = ' aria-describedby="fault" aria-invalid="true"' if fault else ""
        self.show(status, "Log in", template.format(alert=alert, described=described, **values))

    def do_GET(self):
        session = self.session()
        if self.path == "/inside":
            if session and session["inside"]:
                return self.show(200, "You are in", "<p>Your number is verified.</p>")
            return self.show(403, "Log in first", '<p><a href="/">Log in</a></p>')
        if self.path != "/":
            return self.show(404, "Not found", '<p><a href="/">Log in</a></p>')
        return self.form(200, PHONE)

    def do_POST(self):
        # A form of another site is refused.
        origin = self.headers.get("Origin", "")
        if not hmac.compare_digest(origin.partition("://")[2], self.headers.get("Host", "")):
            return self.show(403, "Not from here", "")
        length = min(int(self.headers.get("Content-Length") or 0), 4096)
        fields = {name: values[0] for name, values in parse_qs(self.rfile.read(length).decode()).items()}
        if self.path == "/phone":
            return self.issue(fields.get("phone", ""))
        session = self.session()
        if not session:
            return self.form(403, PHONE, "Your session ended. Begin again, please.")
        if self.path == "/again":
            status, answer = post(f"/v1/verifications/{session['verification']}/resend")
            fault = "" if status == 202 else answer["detail"]
            return self.form(status if fault else 200, CODE, fault, end=session["end"])
        if self.path == "/code":
            return self.check(session, fields.get("code", ""))
        return self.show(404, "Not found", "")

    def issue(self, phone):
        status, answer = post("/v1/verifications", {"to": phone})
        if status == 429 and "verification" in answer:
            # One is pending already: its code is good.
            status, answer = 200, {"id": answer["verification"]}
        if status not in (200, 201):
            return self.form(422, PHONE, answer["detail"])
        # A new session for each number, so that nobody has somebody else enter a code into his.
        cookie = secrets.token_urlsafe(32)
        SESSIONS[cookie] = {"verification": answer["id"], "end": html.escape(phone[-2:]), "inside": False}
        body = CODE.format(alert="", described="", end=SESSIONS[cookie]["end"])
        return self.show(200, "Log in", body, cookie)

    def check(self, session, code):
        status, answer = post(f"/v1/verifications/{session['verification']}/check", {"code": code})
        if status == 200 and answer["approved"]:
            session["inside"] = True
            return self.show(303, "You are in", "", location="/inside")
        left = answer.get("attempts_left", 0)
        fault = f"That is not the code. You have {left} more tries." if left else "Ask for a new code, please."
        return self.form(422, CODE, fault, end=session["end"])

    def log_message(self, *_):
        """The numbers of people are in no log."""


def main():
    parser = argparse.ArgumentParser()
    parser.add_argument("--port", type=int, default=8080)
    server = ThreadingHTTPServer(("127.0.0.1", parser.parse_args().port), Handler)
    print(f"http://127.0.0.1:{server.server_address[1]}", flush=True)
    server.serve_forever()


if __name__ == "__main__":
    main()
