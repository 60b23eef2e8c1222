"""The real daemon on simulated modems, for the tests that are written in Python."""

import contextlib
import json
import os
import pathlib
import subprocess
import sys
import tempfile
import time

CONFIG = """
state_dir = "{folder}/state"
[api]
socket = "{folder}/s.sock"
[[client]]
uid = {uid}
may = ["issue", "check", "send", "read", "admin"]
[limits]
per_number = []
per_client = []
per_prefix = []
total = []
[pumping]
adjacent = 0
[queue]
max_pending = 1000000
[[modem]]
name = "stick1"
port = "{folder}/sim/modem0"
[[modem]]
name = "stick2"
port = "{folder}/sim/modem1"
"""


def wait_for(condition, what):
    """What `condition` says, as soon as that is something."""
    end = time.monotonic() + 30
    while not (found := condition()):
        if time.monotonic() > end:
            sys.exit(f"{what} within 30 s")
        time.sleep(0.1)
    return found


class Running:
    """A folder with the socket `s.sock` of a daemon, on two simulated modems."""

    def __init__(self, folder, processes):
        self.folder = folder
        self.socket = f"{folder}/s.sock"
        self._processes = processes

    def goes_on(self):
        return all(process.poll() is None for process in self._processes)

    def texts(self, to):
        """The messages that reached this phone."""
        lines = pathlib.Path(self.folder, "phones").read_text().splitlines()
        messages = [json.loads(line) for line in lines if line.startswith("{")]
        return [message["text"] for message in messages if message["to"] == to]

    def log(self):
        return pathlib.Path(self.folder, "log").read_text().splitlines()


@contextlib.contextmanager
def running(programs):
    """Starts `smsotp sim` and `smsotpd` of a folder with programs, and ends both."""
    programs = pathlib.Path(programs).resolve()
    with tempfile.TemporaryDirectory() as folder, open(f"{folder}/log", "w") as log, open(f"{folder}/phones", "w") as phones:
        config = pathlib.Path(folder, "smsotpd.toml")
        config.write_text(CONFIG.format(folder=folder, uid=os.geteuid()))
        started = []
        try:
            sim = [programs / "smsotp", "sim", "--dir", f"{folder}/sim", "--modems", "2"]
            started.append(subprocess.Popen(sim, stdout=phones, stderr=log))
            wait_for(pathlib.Path(folder, "sim/modem1").exists, "the simulated modems do not answer")
            started.append(subprocess.Popen([programs / "smsotpd", "--config", config], stdout=log, stderr=log))
            wait_for(pathlib.Path(folder, "s.sock").exists, "the daemon does not listen")
            yield Running(folder, started)
        finally:
            for process in reversed(started):
                process.terminate()
                process.wait()
