# SPDX-License-Identifier: GPL-2.0
"""Writes to a disk that are done whole or not at all: ``mq_atomic.py NODE UNIT``."""

import errno
import mmap
import os
import sys

RWF_ATOMIC = 0x40

unit = int(sys.argv[2])
disk = os.open(sys.argv[1], os.O_RDWR | os.O_DIRECT)
memory = mmap.mmap(-1, 2 * unit)
memory[:] = b"x" * len(memory)


def write(length: int, offset: int) -> int:
    """Returns an error number, 0 for none."""
    try:
        done = os.pwritev(disk, [memoryview(memory)[:length]], offset, RWF_ATOMIC)
    except OSError as err:
        return err.errno or -1
    return 0 if done == length else -1


for wrong in ((2 * unit, 0), (unit, unit // 2), (unit - 512, 0)):
    if write(*wrong) != errno.EINVAL:
        sys.exit(f"{wrong} is no atomic write")
if write(unit, 0) != 0 or write(unit // 2, unit // 2) != 0:
    sys.exit("an atomic write failed")
