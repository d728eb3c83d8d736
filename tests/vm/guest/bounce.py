# SPDX-License-Identifier: GPL-2.0
"""Direct I/O with pages below and above 4 GiB, chosen one by one, as told by lines on standard input.

Runs in the guest. A line is ``read|write OFFSET PLACES SEED``: PLACES is a string of L (a page below
4 GiB) and H (above). What is written is made of the seed. The answer is the checksum of the data.
"""

import ctypes
import hashlib
import mmap
import os
import sys
from random import Random

PAGE = 4096
_BOUNDARY = (4 << 30) // PAGE
# So many of each kind are wanted; memory is taken in steps, and no more of it than this.
_WANTED, _STEP, _MOST = 64, 16 << 20, 900 << 20


def frames(pagemap: int, area: mmap.mmap) -> list[int]:
    """The numbers of the page frames behind an area whose pages have been written to."""
    address = _address(area)
    entries = os.pread(pagemap, len(area) // PAGE * 8, address // PAGE * 8)
    return [int.from_bytes(entries[at : at + 7], "little") for at in range(0, len(entries), 8)]


def _address(area: mmap.mmap) -> int:
    return ctypes.addressof(ctypes.c_char.from_buffer(area))


def find() -> dict[str, list[memoryview]]:
    """Pages of both kinds. The kernel gives those above first, so all of them are taken."""
    found: dict[str, list[memoryview]] = {"L": [], "H": []}
    pagemap = os.open("/proc/self/pagemap", os.O_RDONLY)
    for _ in range(_MOST // _STEP):
        area = mmap.mmap(-1, _STEP)
        for at in range(0, _STEP, PAGE):
            area[at] = 1
        view = memoryview(area)
        for place, frame in enumerate(frames(pagemap, area)):
            kind = found["L" if frame < _BOUNDARY else "H"]
            if len(kind) < _WANTED:
                kind.append(view[place * PAGE : (place + 1) * PAGE])
        if min(map(len, found.values())) == _WANTED:
            return found
    raise SystemExit(f"found only { {kind: len(pages) for kind, pages in found.items()} }")


def main() -> None:
    """``bounce.py DISK``: says "ready" once there are pages, then answers lines."""
    found = find()
    print("ready", flush=True)
    disk = os.open(sys.argv[1], os.O_RDWR | os.O_DIRECT)
    for line in sys.stdin:
        how, offset, places, seed = line.split()
        pages = [found[kind][number] for number, kind in enumerate(places)]
        length = len(places) * PAGE
        if how == "write":
            data = Random(seed).randbytes(length)
            for number, page in enumerate(pages):
                page[:] = data[number * PAGE : (number + 1) * PAGE]
            done = os.pwritev(disk, pages, int(offset))
        else:
            for page in pages:
                page[:] = b"\xa5" * PAGE
            done = os.preadv(disk, pages, int(offset))
        digest = hashlib.sha256(b"".join(pages)).hexdigest()
        print(digest if done == length else f"{done} of {length} bytes", flush=True)


main()
