#!/usr/bin/python3
# SPDX-License-Identifier: GPL-2.0
"""Reads from a disk in many processes; each, told of a failure, reads one page of another disk.

witness.py DISK OTHER COUNT: prints what each process met: the sector of DISK that it read, error
number (0 if none), seconds, and the sector of OTHER that it then read, which no one else reads.
"""

import json
import mmap
import os
import sys
import time

SECTOR, PAGE = 512, 4096


def one(disk: str, other: str, place: int, out: int) -> None:
    """One process: the read that fails, and the one that tells."""
    fd, witness = (os.open(name, os.O_RDONLY | os.O_DIRECT) for name in (disk, other))
    # The end of the other disk, where nobody reads.
    offset = os.lseek(witness, 0, os.SEEK_END) // PAGE * PAGE - (2 * place + 1) * PAGE
    page, note, number = mmap.mmap(-1, PAGE), mmap.mmap(-1, PAGE), 0
    read = place * 64 * PAGE
    started = time.monotonic()
    try:
        os.preadv(fd, [page], read)
    except OSError as error:
        number = error.errno
        os.preadv(witness, [note], offset)
    answer = {
        "read": read // SECTOR,
        "errno": number,
        "seconds": time.monotonic() - started,
        "sector": offset // SECTOR,
    }
    # Short enough to be written in one piece.
    os.write(out, (json.dumps(answer) + "\n").encode())


def main() -> None:
    """Starts them all, and collects."""
    disk, other, count = sys.argv[1], sys.argv[2], int(sys.argv[3])
    back, out = os.pipe()
    for place in range(count):
        if os.fork() == 0:
            os.close(back)
            one(disk, other, place, out)
            os._exit(0)
    os.close(out)
    with os.fdopen(back) as lines:
        answers = [json.loads(line) for line in lines]
    print(json.dumps(answers))


main()
