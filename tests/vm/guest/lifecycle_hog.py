#!/usr/bin/python3
# SPDX-License-Identifier: GPL-2.0
"""Fills more memory than there is, and checks it, over and over.

hog.py BYTES ROUNDS: each page gets a text that names it and the round, and all pages are
written before the first is read again. Prints how many pages were wrong.
"""

import mmap
import sys

PAGE = 4096


def text(place: int, turn: int) -> bytes:
    """What stands at both ends of a page."""
    return b"rnvme-swap %010d %06d\n" % (place, turn)


def main() -> None:
    """Fill, check, again."""
    length, rounds = int(sys.argv[1]), int(sys.argv[2])
    pages = length // PAGE
    memory = mmap.mmap(-1, pages * PAGE)
    wrong = 0
    size = len(text(0, 0))
    for turn in range(rounds):
        for place in range(pages):
            start, own = place * PAGE, text(place, turn)
            memory[start : start + size] = own
            memory[start + PAGE - size : start + PAGE] = own
        for place in range(pages):
            start, own = place * PAGE, text(place, turn)
            if memory[start : start + size] != own or memory[start + PAGE - size : start + PAGE] != own:
                wrong += 1
    print("wrong:", wrong, "of", pages * rounds)


main()
