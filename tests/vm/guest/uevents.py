#!/usr/bin/python3
# SPDX-License-Identifier: GPL-2.0
"""Writes the kernel's uevents to a file as they come, one line of JSON each: uevents.py FILE.

The first line, an empty event, says that it listens.
"""

import json
import socket
import sys
from pathlib import Path

# Of <linux/netlink.h>, which Python does not name.
NETLINK_KOBJECT_UEVENT = 15
KERNEL_GROUP = 1


def main() -> None:
    """Listen until somebody ends this."""
    with socket.socket(socket.AF_NETLINK, socket.SOCK_RAW, NETLINK_KOBJECT_UEVENT) as events:
        events.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 1 << 20)
        events.bind((0, KERNEL_GROUP))
        with Path(sys.argv[1]).open("w", encoding="utf-8", buffering=1) as out:
            out.write("{}\n")
            while True:
                _, *pairs = events.recv(1 << 16).decode(errors="replace").rstrip("\0").split("\0")
                out.write(json.dumps(dict(pair.split("=", 1) for pair in pairs)) + "\n")


main()
