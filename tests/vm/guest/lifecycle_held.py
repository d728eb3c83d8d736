#!/usr/bin/python3
# SPDX-License-Identifier: GPL-2.0
"""Keeps the nodes of a drive open while the driver loses it, and tells what the files answer.

held.py ADDRESS: prints one JSON object. Values of calls are as in the kernel: a length or result,
or the negative error number.
"""

import ctypes
import fcntl
import json
import mmap
import os
import struct
import subprocess
import sys
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

ID, ADMIN_CMD, IO_CMD, UNKNOWN = 0x4E40, 0xC0484E41, 0xC0484E43, 0x4E7F
BLKGETSIZE64 = 0x80081272
DRIVER = Path("/sys/bus/pci/drivers/rnvme")

# By node, by question; "seconds" has how long each took.
Answers = dict[str, dict[str, Any]]


def call(function: Callable[[], int]) -> tuple[int, float]:
    """The value of a call, or its negative error number; and how long it took."""
    started = time.monotonic()
    try:
        value = function()
    except OSError as error:
        value = -error.errno
    return value, time.monotonic() - started


def command(fd: int, request: int, opcode: int, nsid: int, cdw10: int = 0, cdw12: int = 0) -> int:
    """A passthrough command with a data buffer."""
    length = 4096
    data = ctypes.create_string_buffer(length)
    user = struct.pack(
        "<BBHIIIQQIIIIIIIIII",
        opcode, 0, 0, nsid, 0, 0, 0, ctypes.addressof(data), 0, length, cdw10, 0, cdw12, 0, 0, 0, 0, 0,
    )  # fmt: skip
    return fcntl.ioctl(fd, request, bytearray(user))


def identify(fd: int) -> int:
    """Identify Controller."""
    return command(fd, ADMIN_CMD, 0x06, 0, cdw10=1)


def read_command(fd: int) -> int:
    """Reads eight blocks with a passthrough command."""
    return command(fd, IO_CMD, 0x02, 1, cdw12=7)


def size(fd: int) -> int:
    """Bytes of a block device."""
    return struct.unpack("<Q", fcntl.ioctl(fd, BLKGETSIZE64, bytes(8)))[0]


def aligned() -> mmap.mmap:
    """A page of memory fit for direct I/O."""
    return mmap.mmap(-1, 4096)


def ask(files: list[int]) -> Answers:
    """Every call that a program may make, on each file."""
    disk, direct, ctrl = files
    calls = {
        "disk": {
            "read": lambda: len(os.pread(disk, 4096, 1 << 20)),
            # A page that is in no cache and one beyond the old end.
            "write": lambda: os.pwrite(disk, bytes(4096), 2 << 20),
            "sync": lambda: os.fsync(disk) or 0,
            "size": lambda: size(disk),
            "id": lambda: fcntl.ioctl(disk, ID),
            "admin": lambda: identify(disk),
            "io": lambda: read_command(disk),
            "unknown": lambda: fcntl.ioctl(disk, UNKNOWN),
        },
        "direct": {
            "read": lambda: os.preadv(direct, [aligned()], 0),
            "write": lambda: os.pwritev(direct, [aligned()], 0),
        },
        "ctrl": {
            "admin": lambda: identify(ctrl),
            "unknown": lambda: fcntl.ioctl(ctrl, UNKNOWN),
        },
    }
    answers: Answers = {}
    for node, questions in calls.items():
        answers[node] = {"seconds": {}}
        for name, function in questions.items():
            answers[node][name], answers[node]["seconds"][name] = call(function)
    return answers


def without_times(answers: Answers) -> Answers:
    """The answers alone."""
    return {node: {k: v for k, v in values.items() if k != "seconds"} for node, values in answers.items()}


def main() -> None:
    """The story: open, unbind, ask, unload (in vain), bind, use the new nodes, ask again, close."""
    addr = sys.argv[1]
    story: dict[str, Any] = {}
    files = [
        os.open("/dev/rnvme0n1", os.O_RDWR),
        os.open("/dev/rnvme0n1", os.O_RDWR | os.O_DIRECT),
        os.open("/dev/rnvme0", os.O_RDWR),
    ]
    served = ask(files)
    wrong = {key for key in ("read", "write", "size", "admin", "io") if served["disk"][key] < 0}
    if wrong or served["ctrl"]["admin"] != 0 or served["direct"]["write"] != 4096:
        raise SystemExit(f"not even before the unbind: {served}")

    (DRIVER / "unbind").write_text(addr)
    story["gone"] = ask(files)
    story["before"] = without_times(story["gone"])
    unload = subprocess.run(["busybox", "rmmod", "rnvme"], capture_output=True, text=True, check=False)
    story["unload while held"] = (
        unload.stderr.strip().rsplit(": ", 1)[-1] if unload.returncode else "unloaded"
    )

    (DRIVER / "bind").write_text(addr)
    story["names"] = sorted(str(node) for node in Path("/dev").glob("rnvme*"))
    node = next(name for name in story["names"] if name.endswith("n1"))
    disk, ctrl = os.open(node, os.O_RDWR), os.open(node.removesuffix("n1"), os.O_RDWR)
    os.pwrite(disk, b"held again\n", 8192)
    os.fsync(disk)
    story["again"] = {
        "identify": identify(ctrl),
        "read back": os.pread(disk, 11, 8192) == b"held again\n",
    }
    story["after"] = without_times(ask(files))
    for fd in (*files, disk, ctrl):
        os.close(fd)
    story["refcnt"] = int(Path("/sys/module/rnvme/refcnt").read_text())
    # The first name again, for whoever comes next.
    (DRIVER / "unbind").write_text(addr)
    (DRIVER / "bind").write_text(addr)
    print(json.dumps(story))


main()
