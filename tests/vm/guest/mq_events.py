# SPDX-License-Identifier: GPL-2.0
"""Has another medium put in a disk of mq_ram, and waits for the kernel's word of it: ``mq_events.py DISK``."""

import socket
import sys
import time
from pathlib import Path

NETLINK_KOBJECT_UEVENT = 15
SECONDS = 10

disk = sys.argv[1]
news = socket.socket(socket.AF_NETLINK, socket.SOCK_RAW, NETLINK_KOBJECT_UEVENT)
news.bind((0, 1))
news.settimeout(SECONDS)
Path("/dev/mq_ram").write_text(f"change {disk}")
deadline = time.monotonic() + SECONDS
while time.monotonic() < deadline:
    words = news.recv(65536).split(b"\0")
    if {f"DEVNAME={disk}".encode(), b"DISK_MEDIA_CHANGE=1"} <= set(words):
        print("told")
        break
else:
    sys.exit("nobody told of another medium")
