# SPDX-License-Identifier: GPL-2.0
"""Asks a disk of mq_ram all that ioctls can ask: ``mq_ask.py NODE``."""

import ctypes
import errno
import fcntl
import os
import struct
import sys

ECHO = 0x7271
UNKNOWN = 0x7272
HDIO_GETGEO = 0x0301
PR_WRITE_EXCLUSIVE = 1
PR_EXCLUSIVE_ACCESS = 2
PR_FL_IGNORE_KEY = 1


WRITE, READ = 1, 2


def _pr(number: int, size: int, direction: int = WRITE) -> int:
    return direction << 30 | size << 16 | ord("p") << 8 | number


REGISTER = _pr(200, 24)
RESERVE = _pr(201, 16)
RELEASE = _pr(202, 16)
PREEMPT = _pr(203, 24)
CLEAR = _pr(205, 16)
READ_KEYS = _pr(206, 16, WRITE | READ)
READ_RESERVATION = _pr(207, 16, READ)

# What the kernel returns for a conflict is the device's word, not an error number.
CONFLICT = 0x18

disk = os.open(sys.argv[1], os.O_RDWR)


def status(request: int, form: str, *values: int) -> int:
    """The number that an ioctl returns."""
    buffer = bytearray(struct.pack(form, *values))
    return fcntl.ioctl(disk, request, buffer, True)


def held() -> tuple[int, ...]:
    """Key, generation and kind of the reservation."""
    buffer = bytearray(16)
    fcntl.ioctl(disk, READ_RESERVATION, buffer, True)
    return struct.unpack("QII", buffer)


def expect(got: object, wanted: object) -> None:
    """Ends the program if the answer is wrong."""
    if got != wanted:
        sys.exit(f"{got} instead of {wanted}")


expect(fcntl.ioctl(disk, ECHO, 1234), 1234)
try:
    fcntl.ioctl(disk, UNKNOWN, 0)
except OSError as err:
    expect(err.errno, errno.ENOTTY)
else:
    sys.exit("an unknown ioctl succeeded")

geometry = bytearray(16)
fcntl.ioctl(disk, HDIO_GETGEO, geometry, True)
expect(struct.unpack("BBHxxxxQ", geometry), (64, 32, 16, 0))

expect(status(RESERVE, "QII", 7, PR_WRITE_EXCLUSIVE, 0), CONFLICT)
expect(status(REGISTER, "QQII", 0, 7, 0, 0), 0)
expect(status(REGISTER, "QQII", 1, 8, 0, 0), CONFLICT)
expect(status(REGISTER, "QQII", 1, 8, PR_FL_IGNORE_KEY, 0), 0)
expect(status(RESERVE, "QII", 8, PR_WRITE_EXCLUSIVE, 0), 0)
expect(held(), (8, 2, PR_WRITE_EXCLUSIVE))
expect(status(RESERVE, "QII", 8, PR_EXCLUSIVE_ACCESS, 0), CONFLICT)
expect(status(PREEMPT, "QQII", 8, 8, PR_EXCLUSIVE_ACCESS, 0), 0)
expect(held(), (8, 2, PR_EXCLUSIVE_ACCESS))

keys = (ctypes.c_uint64 * 2)()
request = bytearray(struct.pack("IIQ", 0, 2, ctypes.addressof(keys)))
fcntl.ioctl(disk, READ_KEYS, request, True)
expect((struct.unpack("IIQ", request)[:2], keys[0]), ((2, 1), 8))

expect(status(RELEASE, "QII", 8, PR_EXCLUSIVE_ACCESS, 0), 0)
expect(held(), (0, 2, 0))
expect(status(CLEAR, "QII", 8, 0, 0), 0)
expect(status(RESERVE, "QII", 8, PR_WRITE_EXCLUSIVE, 0), CONFLICT)
print("all answers are right")
