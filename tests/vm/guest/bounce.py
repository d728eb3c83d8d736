# SPDX-License-Identifier: GPL-2.0
"""Direct I/O with pages below and above 4 GiB, chosen one by one, as told by lines on standard input.

Runs in the guest. A line is ``read|write OFFSET PLACES SEED``: PLACES is a string of L (a page below
4 GiB) and H (above). What is written is made of the seed. The answer to each line is one of JSON: the
checksum of the data, and the numbers of the page frames. Before each of them its number goes to the
kernel's trace.
"""

import ctypes
import hashlib
import json
import mmap
import os
import sys
from dataclasses import dataclass
from random import Random

PAGE = 4096
_BOUNDARY = (4 << 30) // PAGE
# So many of each kind are wanted; memory is taken in steps, and no more of it than this.
_WANTED, _STEP, _MOST = 96, 8 << 20, 512 << 20
_TRACE = "/sys/kernel/tracing/trace_marker"


@dataclass(frozen=True)
class Page:
    """A page of this program's memory, and where it lies."""

    frame: int
    memory: memoryview


def frames(pagemap: int, area: mmap.mmap) -> list[int]:
    """The numbers of the page frames behind an area whose pages have been written to."""
    address = ctypes.addressof(ctypes.c_char.from_buffer(area))
    entries = os.pread(pagemap, len(area) // PAGE * 8, address // PAGE * 8)
    return [int.from_bytes(entries[at : at + 6], "little") for at in range(0, len(entries), 8)]


def find() -> dict[str, list[Page]]:
    """Pages of both kinds. The kernel gives those above first, so all of them are taken."""
    found: dict[str, list[Page]] = {"L": [], "H": []}
    pagemap = os.open("/proc/self/pagemap", os.O_RDONLY)
    held = []  # else the same memory would come again and again
    for _ in range(_MOST // _STEP):
        area = mmap.mmap(-1, _STEP)
        # A page of 2 MiB would be one segment, of one kind.
        area.madvise(mmap.MADV_NOHUGEPAGE)
        held.append(area)
        for at in range(0, _STEP, PAGE):
            area[at] = 1
        view = memoryview(area)
        for place, frame in enumerate(frames(pagemap, area)):
            kind = found["L" if frame < _BOUNDARY else "H"]
            if len(kind) < _WANTED:
                kind.append(Page(frame, view[place * PAGE : (place + 1) * PAGE]))
        if min(map(len, found.values())) == _WANTED:
            return found
    raise SystemExit(f"found only { {kind: len(pages) for kind, pages in found.items()} }")


def perform(disk: int, found: dict[str, list[Page]], line: str) -> dict[str, object]:
    """Does what a line says."""
    how, offset, places, seed = line.split()
    pages = [found[kind][number] for number, kind in enumerate(places)]
    memory = [page.memory for page in pages]
    length = len(places) * PAGE
    if how == "write":
        data = Random(seed).randbytes(length)
        for number, page in enumerate(memory):
            page[:] = data[number * PAGE : (number + 1) * PAGE]
        done = os.pwritev(disk, memory, int(offset))
    else:
        for page in memory:
            page[:] = b"\xa5" * PAGE
        done = os.preadv(disk, memory, int(offset))
    if done != length:
        return {"error": f"{done} of {length} bytes"}
    return {"sha256": hashlib.sha256(b"".join(memory)).hexdigest(), "frames": [page.frame for page in pages]}


def main() -> None:
    """``bounce.py DISK``."""
    found = find()
    disk = os.open(sys.argv[1], os.O_RDWR | os.O_DIRECT)
    trace = os.open(_TRACE, os.O_WRONLY)
    for number, line in enumerate(sys.stdin):
        os.write(trace, f"order {number}".encode())
        print(json.dumps(perform(disk, found, line)))


main()
