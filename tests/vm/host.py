#!/usr/bin/env python3
"""The host of tests/vm/run: starts the machine, and is its hand on the USB sockets and its eye on the phones.

Usage: host.py WORK BASE

The sticks are usb-serial devices of qemu, each on a port of `smsotp sim`. The script in the machine writes a line on the
virtio port `host` and reads one back:

    plug 0 1      plug these sticks in, in this order
    unplug 0 1    pull them
    code PHONE    the code of the newest text to that number
"""

import json
import pathlib
import re
import socket
import subprocess
import sys
import threading
import time

WORK, BASE = map(pathlib.Path, sys.argv[1:3])
RUN = WORK / "run"
# A machine in emulation, on a busy host.
PATIENCE = 1800


def wait_for(what, found, patience=60):
    until = time.monotonic() + patience
    while not (seen := found()):
        if time.monotonic() > until:
            sys.exit(f"never: {what}")
        time.sleep(0.05)
    return seen


class Monitor:
    """qemu's monitor (QMP)."""

    def __init__(self, path):
        self.socket = socket.socket(socket.AF_UNIX)
        self.socket.connect(str(path))
        self.lines = self.socket.makefile("r")
        json.loads(self.lines.readline())
        self.ask("qmp_capabilities")
        self.gone = threading.Event()

    def ask(self, command, **arguments):
        self.socket.sendall(json.dumps({"execute": command, "arguments": arguments}).encode() + b"\n")
        while True:
            said = json.loads(self.lines.readline())
            if "error" in said:
                raise RuntimeError(f"{command}: {said['error']['desc']}")
            if "return" in said:
                return said["return"]
            self.last_event = said

    def until_deleted(self, device):
        while True:
            said = json.loads(self.lines.readline())
            if said.get("event") == "DEVICE_DELETED" and said["data"].get("device") == device:
                return


class Sticks:
    """The sticks, and the phones that they reach."""

    def __init__(self, count):
        self.told = (RUN / "phones").open("w")
        smsotp = WORK / "host/usr/bin/smsotp"
        command = [smsotp, "sim", "--dir", RUN / "sim", "--modems", str(count)]
        self.process = subprocess.Popen(command, stdout=self.told)
        wait_for("the simulated modems", (RUN / f"sim/modem{count - 1}").exists)

    def plug(self, monitor, stick):
        device = {"type": "serial", "data": {"device": str(RUN / f"sim/modem{stick}")}}
        monitor.ask("chardev-add", id=f"line{stick}", backend=device)
        monitor.ask(
            "device_add", driver="usb-serial", id=f"stick{stick}", bus="xhci.0", port=str(stick + 1),
            chardev=f"line{stick}", serial=f"STICK{stick}", **{"always-plugged": True},
        )

    def unplug(self, monitor, stick):
        monitor.ask("device_del", id=f"stick{stick}")
        monitor.until_deleted(f"stick{stick}")
        monitor.ask("chardev-remove", id=f"line{stick}")

    def code(self, phone):
        """The digits of the newest text to a number."""

        def newest():
            lines = (RUN / "phones").read_text().splitlines()
            texts = [json.loads(line) for line in lines if line.startswith("{")]
            return [text["text"] for text in texts if text["to"] == phone]

        return re.search(r"\d{6}", wait_for(f"a text to {phone}", newest)[-1]).group()


def serve(port, monitor, sticks):
    """Answers the machine until it is off."""
    lines = port.makefile("r", newline="\n")
    for line in lines:
        word, *rest = line.split()
        print(f"   host: {line.strip() if word != 'code' else word}", flush=True)
        answer = "done"
        if word in ("plug", "unplug"):
            for stick in map(int, rest):
                getattr(sticks, word)(monitor, stick)
        elif word == "code":
            answer = sticks.code(rest[0])
        else:
            answer = f"what is {word}?"
        port.sendall(answer.encode() + b"\n")


def main():
    subprocess.run(["rm", "-rf", RUN], check=True)
    RUN.mkdir(parents=True)
    sticks = Sticks(2)
    log = RUN / "inside.log"
    machine = subprocess.Popen(
        [
            "qemu-system-x86_64", "-M", "pc", "-accel", "tcg,thread=multi", "-cpu", "max", "-smp", "2", "-m", "768",
            "-nodefaults", "-nic", "none", "-display", "none", "-no-reboot",
            "-kernel", BASE / "vmlinux", "-initrd", BASE / "initrd.img",
            "-append", "console=ttyS0 root=/dev/vda rw panic=-1 quiet", "-serial", f"file:{RUN}/console.log",
            "-qmp", f"unix:{RUN}/qmp,server=on,wait=off",
            "-drive", f"file={BASE}/root.ext4,if=none,id=root,format=raw,snapshot=on",
            "-device", "virtio-blk-pci,drive=root",
            "-drive", f"file={WORK}/given.ext4,if=none,id=given,format=raw,snapshot=on",
            "-device", "virtio-blk-pci,drive=given",
            "-device", "qemu-xhci,id=xhci,p2=15,p3=0", "-device", "virtio-rng-pci", "-device", "virtio-serial-pci",
            "-chardev", f"file,id=log,path={log}", "-device", "virtconsole,chardev=log",
            "-chardev", f"socket,id=host,path={RUN}/host,server=on,wait=off",
            "-device", "virtserialport,chardev=host,name=host",
        ]
    )  # fmt: skip
    try:
        wait_for("qemu", (RUN / "qmp").exists)
        monitor = Monitor(RUN / "qmp")
        port = socket.socket(socket.AF_UNIX)
        port.connect(str(RUN / "host"))
        threading.Thread(target=serve, args=(port, monitor, sticks), daemon=True).start()
        show(log, machine)
        machine.wait(timeout=60)
    finally:
        for process in (machine, sticks.process):
            process.kill()
            process.wait()
    if "rc 0" not in log.read_text().split("\n")[-3:]:
        print("".join((RUN / "console.log").read_text(errors="replace").splitlines(True)[-20:]))
        sys.exit("the script in the machine did not end well")


def show(log, machine):
    """Shows what the script in the machine says, until it has ended."""
    until, seen = time.monotonic() + PATIENCE, 0
    while True:
        text = log.read_text(errors="replace").replace("\r", "") if log.exists() else ""
        whole = text[: text.rfind("\n") + 1]
        sys.stdout.write(whole[seen:])
        sys.stdout.flush()
        seen = len(whole)
        if re.search(r"^rc \d+$", whole, re.MULTILINE) or machine.poll() is not None:
            return
        if time.monotonic() > until:
            sys.exit("the machine takes too long")
        time.sleep(0.2)


main()
