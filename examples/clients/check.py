#!/usr/bin/env python3
"""Issues a code for a number, reads the code that the person typed from stdin, and checks it: `check.py +41791234567`.

Prints `approved` or `not approved`, and ends with 0 or 1. The standard library is enough.
"""

import http.client
import json
import os
import socket
import sys
import uuid


class Connection(http.client.HTTPConnection):
    """HTTP over the daemon's Unix socket."""

    def connect(self):
        self.sock = socket.socket(socket.AF_UNIX)
        self.sock.settimeout(self.timeout)
        self.sock.connect(os.environ.get("SMSOTP_SOCKET", "/run/smsotpd/smsotpd.sock"))


def post(path, body, **headers):
    """The answer to a request; a refusal is an exception with the daemon's sentence."""
    connection = Connection("localhost", timeout=60)
    connection.request("POST", path, json.dumps(body), {"Content-Type": "application/json", **headers})
    response = connection.getresponse()
    answer = json.load(response)
    connection.close()
    if response.status >= 400:
        raise RuntimeError(f"{answer['code']}: {answer['detail']}")
    return answer


def main():
    # With the same key, a request that is repeated after a lost answer sends nothing again.
    key = {"Idempotency-Key": str(uuid.uuid4())}
    issued = post("/v1/verifications", {"to": sys.argv[1]}, **key)
    checked = post(f"/v1/verifications/{issued['id']}/check", {"code": sys.stdin.readline().strip()})
    print("approved" if checked["approved"] else "not approved")
    return 0 if checked["approved"] else 1


if __name__ == "__main__":
    try:
        sys.exit(main())
    except (OSError, RuntimeError) as e:
        sys.exit(str(e))
