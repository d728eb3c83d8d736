# SPDX-License-Identifier: GPL-2.0
"""Commands and writes by io_uring: ``mq_uring.py fixed NODE``, ``mq_uring.py stream DISK``."""

import ctypes
import errno
import mmap
import os
import struct
import sys

SETUP, ENTER, REGISTER = 425, 426, 427
REGISTER_BUFFERS = 0
ENTER_GETEVENTS = 1
OP_WRITE, OP_URING_CMD = 23, 46
CMD_FIXED = 1
SQES = 0x10000000
FILL, LOOK = 1, 2
PAGE = mmap.PAGESIZE
LENGTH = 4 * PAGE

libc = ctypes.CDLL(None, use_errno=True)


def call(number: int, *arguments: object) -> int:
    """A system call; ends the program if it fails."""
    result = libc.syscall(number, *arguments)
    if result < 0:
        sys.exit(f"system call {number}: {os.strerror(ctypes.get_errno())}")
    return int(result)


class Ring:
    """A ring for one entry at a time, and memory that is registered with it."""

    def __init__(self) -> None:
        parameters = ctypes.create_string_buffer(120)
        self._fd = call(SETUP, 4, parameters)
        words = struct.unpack("30I", parameters.raw)
        # Offsets in the rings, which are one mapping: head, tail, mask, entries, flags, dropped, array.
        self._sq, self._cq = words[10:20], words[20:30]
        self._rings = mmap.mmap(self._fd, PAGE)
        self._entries = mmap.mmap(self._fd, PAGE, offset=SQES)
        self.memory = mmap.mmap(-1, LENGTH)
        self.address = ctypes.addressof(ctypes.c_char.from_buffer(self.memory))
        call(REGISTER, self._fd, REGISTER_BUFFERS, struct.pack("QQ", self.address, LENGTH), 1)

    def _word(self, offset: int) -> int:
        return int(struct.unpack_from("I", self._rings, offset)[0])

    def submit(self, entry: bytes) -> int:
        """What the kernel says to an entry: a result, or less than 0."""
        self._entries[:64] = entry.ljust(64, b"\0")
        tail = self._word(self._sq[1])
        struct.pack_into("I", self._rings, self._sq[6] + 4 * (tail & self._word(self._sq[2])), 0)
        struct.pack_into("I", self._rings, self._sq[1], tail + 1)
        call(ENTER, self._fd, 1, 1, ENTER_GETEVENTS, None, 0)
        head = self._word(self._cq[0])
        where = self._cq[5] + 16 * (head & self._word(self._cq[2]))
        struct.pack_into("I", self._rings, self._cq[0], head + 1)
        return int(struct.unpack_from("i", self._rings, where + 8)[0])


def expect(got: object, wanted: object, what: str) -> None:
    """Ends the program if the answer is wrong."""
    if got != wanted:
        sys.exit(f"{what}: {got!r:.80} instead of {wanted!r:.80}")


def pattern(start: int, length: int) -> bytes:
    """What the disk fills memory with."""
    return bytes((at ^ at >> 8) & 255 for at in range(start, start + length))


def fixed(node: int) -> None:
    """The disk fills registered memory, and looks at it."""
    ring = Ring()

    def order(operation: int, offset: int, length: int, flags: int = CMD_FIXED) -> int:
        entry = struct.pack("<BBHiIIQIIQHHI", OP_URING_CMD, 0, 0, node, operation, 0, 0, 0, flags, 1, 0, 0, 0)
        return ring.submit(entry + struct.pack("QQ", ring.address + offset, length))

    # As it is, and, since it is not aligned, by a copy.
    for offset, length in ((0, LENGTH), (PAGE, PAGE), (512, 5120), (3, 5001)):
        ring.memory[:] = bytes(LENGTH)
        expect(order(FILL, offset, length), 0, "to fill memory")
        whole = bytes(offset) + pattern(0, length) + bytes(LENGTH - offset - length)
        expect(ring.memory[:], whole, f"memory from {offset} on")
        expect(order(LOOK, offset, length), 0, "to look at memory")
        ring.memory[offset] ^= 1
        expect(order(LOOK, offset, length), -errno.EIO, "to look at something else")
    expect(order(FILL, PAGE, LENGTH), -errno.EFAULT, "more than is registered")
    expect(order(FILL, 0, PAGE, 0), -errno.EINVAL, "memory that is not registered")
    expect(order(77, 0, PAGE), -errno.ENOTTY, "an unknown command")


def stream(disk: int) -> None:
    """A write of a stream, one of none, and one of a stream that there is not."""
    ring = Ring()
    for number, wanted in ((2, PAGE), (0, PAGE), (200, -errno.EINVAL)):
        address = (ring.address, PAGE, 0, 1, 0, 0, number)
        entry = struct.pack("<BBHiQQIIQHHI", OP_WRITE, 0, 0, disk, 0, *address)
        expect(ring.submit(entry), wanted, f"a write to stream {number}")


what, path = sys.argv[1:]
flags = os.O_RDWR | (os.O_DIRECT if what == "stream" else 0)
{"fixed": fixed, "stream": stream}[what](os.open(path, flags))
print("all went well")
