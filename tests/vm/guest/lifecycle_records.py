#!/usr/bin/python3
# SPDX-License-Identifier: GPL-2.0
"""Writes numbered records to a disk, and says in the kernel log which ones are safe.

records.py NODE OFFSET: record N is a block of 4 KiB at OFFSET + N * 4096, written buffered, up to
16 MiB. After each fsync() that succeeded, "harness: safe N" goes to the kernel log: so many
records are safe. Ends at the first error, which is what happens when the disk goes.
"""

import hashlib
import os
import sys

BLOCK = 4096
RECORDS = (16 << 20) // BLOCK


def record(number: int) -> bytes:
    """The block of this number: no two are alike."""
    return hashlib.sha512(b"record %d" % number).digest() * (BLOCK // 64)


def main() -> None:
    """Write, synchronise, tell."""
    node, offset = sys.argv[1], int(sys.argv[2])
    disk = os.open(node, os.O_RDWR)
    log = os.open("/dev/kmsg", os.O_WRONLY)
    for number in range(RECORDS):
        os.pwrite(disk, record(number), offset + number * BLOCK)
        if number % 4 == 3:
            os.fsync(disk)
            os.write(log, b"harness: safe %d" % (number + 1))


main()
