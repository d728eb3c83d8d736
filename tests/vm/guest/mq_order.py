# SPDX-License-Identifier: GPL-2.0
"""Has a disk of mq_ram fill this program's memory with a pattern, or look at it: ``mq_order.py NODE WHAT``.

WHAT is ``data``, ``metadata SIZE`` (that of a block of 4 KiB), ``none`` (a disk without metadata),
``leave``, which ends before its memory is given back, ``keep``, whose memory others want to unmap,
``alone SIZE`` (a request queue that has no disk, beside that of a disk with metadata), ``compat``, which
calls as a 32-bit program, ``wrong`` (what must not work, of a disk with one tag, large segments and
metadata), or ``reserved`` (a tag that there is not, of a disk that is frozen).
"""

import ctypes
import errno
import fcntl
import mmap
import os
import struct
import sys
import threading
import time
from collections.abc import Sequence
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

ECHO = 0x7271
ORDER = 1 << 30 | 32 << 16 | ord("r") << 8 | 0x73
WRITE, IOVEC, CANCEL, LATER, ANYWAY, STALE, THREAD, RESERVED, ALONE, KEEP, TAKE = (
    1 << bit for bit in range(11)
)

# Of the memory: where nothing is written, and what stands there.
MARGIN, UNTOUCHED = 64, 0x5A

disk = os.open(sys.argv[1], os.O_RDWR)


def fail(text: object) -> None:
    """Ends the program."""
    sys.exit(f"{text}")


def _row(number: int) -> bytes:
    return (int.from_bytes(bytes(range(256))) ^ int.from_bytes(bytes([number]) * 256)).to_bytes(256)


_ROWS = b"".join(_row(number) for number in range(256))


def pattern(length: int, metadata: bool = False) -> bytes:
    """What the disk fills memory with: 64 KiB, again and again; other bytes in metadata."""
    whole = (_ROWS * (length // len(_ROWS) + 1))[:length]
    return bytes(255 ^ byte for byte in whole) if metadata else whole


class Memory:
    """Memory with a margin before and behind; ``shift`` bytes away from the start of a page."""

    def __init__(self, length: int, shift: int = 0) -> None:
        self._map = mmap.mmap(-1, length + shift + 2 * mmap.PAGESIZE)
        self._map[:] = bytes([UNTOUCHED]) * len(self._map)
        self._start = mmap.PAGESIZE + shift
        self._length = length
        self.address = ctypes.addressof(ctypes.c_char.from_buffer(self._map)) + self._start

    @property
    def bytes(self) -> bytes:
        """What is in it; looks at the margins, too."""
        end = self._start + self._length
        around = self._map[self._start - MARGIN : self._start] + self._map[end : end + MARGIN]
        if around != bytes([UNTOUCHED]) * 2 * MARGIN:
            fail("memory was written that is not ours")
        return self._map[self._start : end]

    def fill(self, content: bytes) -> None:
        """Puts something in it."""
        self._map[self._start : self._start + self._length] = content

    def __len__(self) -> int:
        return self._length


def order(address: int, length: int, flags: int, metadata: int = 0, metadata_length: int = 0) -> int:
    """Gives the disk a command; returns an error number, 0 for none."""
    words = struct.pack("QQQII", address, length, metadata, metadata_length, flags)
    try:
        fcntl.ioctl(disk, ORDER, words)
    except OSError as err:
        return err.errno or -1
    return 0


def expect(got: object, wanted: object, what: object) -> None:
    """Ends the program if the answer is wrong."""
    if got != wanted:
        fail(f"{what}: {got!r:.80} instead of {wanted!r:.80}")


def exchange(data: Memory, flags: int = 0, metadata: Memory | None = None) -> int:
    """A command with this memory."""
    if metadata is None:
        return order(data.address, len(data), flags)
    return order(data.address, len(data), flags, metadata.address, len(metadata))


def both_ways(data: Memory, metadata: Memory | None = None) -> None:
    """The disk fills memory; finds its pattern there; and finds that it is not there."""
    what = (len(data), data.address % 4096, metadata and len(metadata))
    expect(exchange(data, 0, metadata), 0, what)
    expect(data.bytes, pattern(len(data)), what)
    if metadata:
        expect(metadata.bytes, pattern(len(metadata), True), what)
    expect(exchange(data, WRITE, metadata), 0, what)
    wrong = metadata or data
    right = wrong.bytes
    wrong.fill(right[:-1] + bytes([right[-1] ^ 1]))
    expect(exchange(data, WRITE, metadata), errno.EIO, what)


def pieces(lengths: Sequence[int], shifts: Sequence[int]) -> None:
    """Memory in pieces, by an array of struct iovec."""
    parts = [Memory(length, shift) for length, shift in zip(lengths, shifts, strict=True)]
    vector = ctypes.create_string_buffer(
        b"".join(struct.pack("QQ", part.address, len(part)) for part in parts)
    )
    address = ctypes.addressof(vector)
    expect(order(address, len(parts), IOVEC), 0, lengths)
    whole = pattern(sum(lengths))
    at = 0
    for part in parts:
        expect(part.bytes, whole[at : at + len(part)], lengths)
        at += len(part)
    expect(order(address, len(parts), IOVEC | WRITE), 0, lengths)
    parts[-1].fill(bytes(len(parts[-1])))
    expect(order(address, len(parts), IOVEC | WRITE), errno.EIO, lengths)


def ask_data() -> None:
    """Data alone."""
    # As it is, and, what is not aligned, by a copy.
    for length in (1, 511, 512, 4096, 5000, 65536, 300_000):
        for shift in (0, 1, 512):
            both_ways(Memory(length, shift))
    pieces([512, 512, 512], [0, 512, 1024])
    pieces([4096, 8192, 4096], [0, 0, 0])
    pieces([1, 4096, 77, 13000], [3, 0, 500, 1])
    expect(order(0, 0, 0), 0, "no data")
    expect(order(0, 0, WRITE), 0, "no data to the disk")
    expect(order(0xDEAD000, 4096, WRITE), errno.EFAULT, "no memory there")
    expect(order(0xDEAD000, 3, IOVEC), errno.EFAULT, "no array there")
    expect(exchange(Memory(1 << 21)), errno.EINVAL, "more than the disk can do")
    expect(order(0, 0, 1 << 31), errno.EINVAL, "a flag that is none")
    for shift in (0, 1):
        unused = Memory(5000, shift)
        expect(exchange(unused, CANCEL), 0, "not executed after all")
        # The kernel writes a copy back, whoever wrote to it: nobody, and so zeroes.
        expect(unused.bytes, bytes([0 if shift else UNTOUCHED]) * 5000, "what came of it")


def ask_metadata(per_block: int) -> None:
    """Data with metadata."""
    for blocks in (1, 5, 64):
        for shift in (0, 1):
            both_ways(Memory(blocks * 4096), Memory(blocks * per_block, shift))
    metadata = Memory(per_block)
    expect(order(0, 0, 0, metadata.address, per_block), errno.EINVAL, "metadata without data")
    data = Memory(4096)
    expect(order(data.address, 4096, 0, 0xDEAD000, per_block), errno.EFAULT, "no memory there")
    expect(data.bytes, bytes([UNTOUCHED]) * 4096, "data that were mapped for nothing")
    expect(exchange(data, CANCEL, metadata), 0, "not executed after all")
    # And without, as before.
    both_ways(Memory(4096))


def ask_wrong(per_block: int) -> None:
    """Memory that cannot be mapped, and then the command without; of other uses; of nobody."""
    good = Memory(1 << 20)
    vector = ctypes.create_string_buffer(struct.pack("QQQQ", good.address, len(good), 0xDEAD000, 4096))
    for flags in (IOVEC | ANYWAY, IOVEC | ANYWAY | WRITE):
        # The first piece is all that one bio takes, so that it is in the request already.
        expect(order(ctypes.addressof(vector), 2, flags), errno.EFAULT, "memory of which a part is not there")
    expect(good.bytes, bytes([UNTOUCHED]) * len(good), "what is there")
    data, metadata = Memory(4096), Memory(per_block)
    expect(exchange(data, STALE, metadata), errno.EINVAL, "metadata with data of a former command")
    for shift in (0, 1):
        expect(exchange(Memory(4096, shift), THREAD), errno.EFAULT, "by a thread without memory")
    both_ways(data, metadata)


def ask_reserved() -> None:
    """A tag that there is not, while the disk is frozen for a second."""
    what = "a reserved tag that there is not"
    memory = Memory(512)
    expect(exchange(memory, RESERVED), errno.EINVAL, what)
    answers: list[int | None] = []

    def hold() -> None:
        control = os.open("/dev/mq_ram", os.O_WRONLY)
        try:
            os.write(control, f"hold {Path(sys.argv[1]).name}\n".encode())
        except OSError as err:
            answers.append(err.errno)

    holder = threading.Thread(target=hold)
    holder.start()
    time.sleep(0.3)
    expect(exchange(memory, RESERVED), errno.EINVAL, what)
    holder.join(timeout=20)
    expect(answers, [errno.EINVAL], f"{what}, of a frozen queue")


def leave() -> None:
    """Two commands whose memory is given back when the program is gone."""
    for shift in (0, 1):
        # What is mapped as it is, is written by the disk; of what is copied, the copy.
        memory = Memory(4096, shift)
        expect(exchange(memory, LATER), 0, "given back later")
        expect(memory.bytes, bytes([UNTOUCHED]) * 4096 if shift else pattern(4096), "before that")
    os._exit(0)


def _in_another_process(memory: Memory) -> None:
    """A child, which has other memory at the same addresses: here, the same pages."""
    before = memory.bytes
    child = os.fork()
    if child == 0:
        expect(order(0, 0, TAKE), errno.EINVAL, "unmapped by another process")
        expect(memory.bytes, before, "written by another process")
        os._exit(0)
    expect(os.waitstatus_to_exitcode(os.waitpid(child, 0)[1]), 0, "the other process")
    expect(memory.bytes, before, "written for another process")


def keep() -> None:
    """Memory of one process, which another one wants to unmap; and who may."""
    expect(order(0, 0, TAKE), errno.ENOENT, "nothing is kept")
    for shift in (0, 1):
        memory = Memory(4096, shift)
        expect(exchange(memory, KEEP), 0, "kept")
        expect(order(0, 0, TAKE), 0, "unmapped by who mapped it")
        expect(memory.bytes, pattern(4096), "what came of it")
        memory.fill(bytes(4096))
        expect(exchange(memory, KEEP), 0, "kept")
        with ThreadPoolExecutor(1) as other:
            expect(other.submit(order, 0, 0, TAKE).result(20), 0, "unmapped by another thread")
        expect(memory.bytes, pattern(4096), "what came of it")
        expect(order(0, 0, TAKE), errno.ENOENT, "unmapped before")
    for shift in (0, 1):
        memory = Memory(4096, shift)
        expect(exchange(memory, KEEP), 0, "kept")
        _in_another_process(memory)


def ask_alone(per_block: int) -> None:
    """Metadata belong to a disk."""
    what = "of a queue without a disk"
    data, metadata = Memory(4096), Memory(per_block)
    expect(exchange(data, ALONE), 0, f"a command {what}")
    expect(data.bytes, pattern(4096), f"what came {what}")
    expect(exchange(data, ALONE | WRITE), 0, f"a command with data {what}")
    for flags in (ALONE, ALONE | WRITE):
        expect(exchange(data, flags, metadata), errno.EINVAL, f"metadata {what}")
    expect(exchange(data, ALONE | RESERVED), errno.EINVAL, f"a reserved tag {what}")
    expect(metadata.bytes, bytes([UNTOUCHED]) * per_block, f"metadata {what}")
    # And beside it:
    both_ways(data, metadata)


def ask_as_32_bits() -> None:
    """By the system call of 32-bit programs, which a 64-bit program may use as well."""
    low = mmap.MAP_PRIVATE | mmap.MAP_ANONYMOUS | 0x40
    program = mmap.mmap(-1, 4096, flags=low, prot=mmap.PROT_READ | mmap.PROT_WRITE | mmap.PROT_EXEC)
    # push rbx; mov ebx, edi; mov ecx, esi; mov eax, 54; int 0x80; pop rbx; ret
    program[:14] = bytes.fromhex("53 89fb 89f1 b836000000 cd80 5b c3".replace(" ", ""))[:14]
    start = ctypes.addressof(ctypes.c_char.from_buffer(program))
    ioctl = ctypes.CFUNCTYPE(ctypes.c_int, ctypes.c_int, ctypes.c_uint, ctypes.c_uint)(start)
    expect(ioctl(disk, ECHO, 1234), 1234, "an echo")
    expect(ioctl(disk, 0x7272, 0), -errno.ENOTTY, "an unknown ioctl")
    program[64:96] = struct.pack("QQQII", start + 128, 512, 0, 0, 0)
    expect(ioctl(disk, ORDER, start + 64), 0, "an order")
    expect(program[128 : 128 + 512], pattern(512), "what came of it")


match sys.argv[2:]:
    case ["data"]:
        ask_data()
    case ["metadata", size]:
        ask_metadata(int(size))
    case ["none"]:
        expect(exchange(Memory(4096), 0, Memory(8)), errno.EINVAL, "metadata that the disk has not")
    case ["leave"]:
        leave()
    case ["keep"]:
        keep()
    case ["alone", size]:
        ask_alone(int(size))
    case ["wrong", size]:
        ask_wrong(int(size))
    case ["reserved"]:
        ask_reserved()
    case ["compat"]:
        ask_as_32_bits()
print("all orders were right")
