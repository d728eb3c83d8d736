# SPDX-License-Identifier: GPL-2.0
"""Direct I/O with memory in many pieces, checked against a model of the drive."""

from __future__ import annotations

import hashlib
import json
from dataclasses import dataclass
from random import Random
from typing import Any

from drives import MIB, clear, guest_program, pattern
from rnvme_vm import Disk, Vm

PAGE = 4096
_BUFFER = 4 * MIB


@dataclass(frozen=True)
class Shape:
    """How the memory of a request looks."""

    name: str
    #: The most pieces, and the most blocks in one.
    pieces: int
    blocks: int
    #: What the start of a piece is a multiple of; the first one's offset in its page is any such.
    align: int
    #: Whether pieces lie one behind the other, so that they may be merged.
    adjacent: bool = False


SHAPES = (
    Shape("pages", pieces=256, blocks=8, align=PAGE),
    Shape("long", pieces=4, blocks=1024, align=PAGE),
    Shape("words", pieces=60, blocks=40, align=4),
    Shape("sectors", pieces=200, blocks=3, align=512),
    Shape("adjacent", pieces=100, blocks=20, align=4, adjacent=True),
    Shape("single", pieces=1, blocks=4096, align=4),
)


def _pieces(random: Random, shape: Shape, lba: int, most: int) -> list[tuple[int, int]]:
    """Places and lengths, in the order of the data, which is not that of the memory."""
    found: list[tuple[int, int]] = []
    place = random.randrange(0, PAGE, shape.align)
    total = 0
    for _ in range(random.randint(1, shape.pieces)):
        length = lba * random.randint(1, max(1, shape.blocks * 512 // lba))
        if total + length > most or place + length > _BUFFER:
            break
        found.append((place, length))
        total += length
        place += length
        if not shape.adjacent:
            place += random.randrange(0, 2 * PAGE, shape.align) or shape.align
        place += -place % shape.align
    if not shape.adjacent:
        random.shuffle(found)
    return found


def orders(seed: str, size: int, lba: int, count: int) -> list[dict[str, Any]]:
    """Reads and writes within the first ``size`` bytes, each of a shape in turn."""
    random = Random(seed)
    made = []
    for number in range(count):
        shape = SHAPES[number % len(SHAPES)]
        pieces = _pieces(random, shape, lba, min(size, 2 * MIB)) or [(0, lba)]
        length = sum(length for _, length in pieces)
        made.append(
            {
                "op": random.choice(("write", "write", "read")),
                "at": random.randrange(0, size - length + 1, lba),
                "pieces": pieces,
                "seed": f"{seed} {number}",
                "shape": shape.name,
            }
        )
    return made


def check(vm: Vm, node: str, disk: Disk, *, seed: str, count: int) -> None:
    """Has the guest perform so many orders; compares each answer and then the raw file."""
    size = 8 * MIB
    clear(disk)
    model = bytearray(pattern(f"{seed} before", size))
    disk.write(0, bytes(model))
    behind = pattern(f"{seed} behind", MIB)
    disk.write(size, behind)
    given = orders(seed, size, disk.lba, count)
    program = guest_program(vm, "scatter.py")
    answers = vm.run(
        f"{program} {node} {_BUFFER}", timeout=180, stdin="\n".join(map(json.dumps, given)).encode()
    ).out.splitlines()
    assert len(answers) == count
    for order, answer in zip(given, map(json.loads, answers), strict=True):
        at, length = order["at"], sum(length for _, length in order["pieces"])
        if order["op"] == "write":
            model[at : at + length] = pattern(order["seed"], length)
        expected = hashlib.sha256(model[at : at + length]).hexdigest()
        assert answer == {"sha256": expected}, f"{order}: {answer}"
    assert disk.read(0, size) == model, "the raw file is not what was written"
    assert disk.read(size, MIB) == behind, "something was written behind the area"
