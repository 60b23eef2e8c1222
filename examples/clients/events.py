#!/usr/bin/env python3
"""Follows the events from an id on, 0 for all that are kept: `events.py [ID]`. Prints a line of JSON for each.

A program that goes on where it stopped writes down the `id` of the last event that it has dealt with.
"""

import os
import socket
import sys
import time


def lines(since):
    """The lines of one connection (HTML standard, section 9.2: server-sent events)."""
    with socket.socket(socket.AF_UNIX) as stream:
        stream.connect(os.environ.get("SMSOTP_SOCKET", "/run/smsotpd/smsotpd.sock"))
        query = f"?since={since}" if since else ""
        # HTTP/1.0 has no chunks in the body.
        stream.sendall(f"GET /v1/events{query} HTTP/1.0\r\nHost: localhost\r\nAccept: text/event-stream\r\n\r\n".encode())
        reader = stream.makefile(encoding="utf-8", newline="\n")
        if " 200 " not in reader.readline():
            sys.exit("the daemon refused: has this user's client the right `read`?")
        for line in reader:
            yield line.rstrip("\r\n")


since = sys.argv[1] if len(sys.argv) > 1 else ""
while True:
    try:
        for line in lines(since):
            name, _, value = line.partition(":")
            if name == "id":
                since = value.strip()
            elif name == "data" and value.strip():
                print(value.strip(), flush=True)
    except BrokenPipeError:
        sys.exit(0)
    except OSError as e:
        print(f"{e}; tries again", file=sys.stderr)
    # The daemon restarts.
    time.sleep(1)
