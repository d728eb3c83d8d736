# SPDX-License-Identifier: GPL-2.0
"""Gives mq_ram a command, and waits for the kernel's word of it: ``mq_events.py DISK WORD COMMAND...``."""

import socket
import sys
import time
from pathlib import Path

NETLINK_KOBJECT_UEVENT = 15
SECONDS = 10

disk, word, *command = sys.argv[1:]
news = socket.socket(socket.AF_NETLINK, socket.SOCK_RAW, NETLINK_KOBJECT_UEVENT)
news.bind((0, 1))
news.settimeout(SECONDS)
Path("/dev/mq_ram").write_text(" ".join(command))
deadline = time.monotonic() + SECONDS
while time.monotonic() < deadline:
    words = news.recv(65536).split(b"\0")
    if {f"DEVNAME={disk}".encode(), word.encode()} <= set(words):
        print("told")
        break
else:
    sys.exit(f"nobody told of {word}")
