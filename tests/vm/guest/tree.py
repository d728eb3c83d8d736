# SPDX-License-Identifier: GPL-2.0
"""A tree of files with known contents: written in the guest, known on both sides."""

import hashlib
import os
import sys
from collections.abc import Iterator
from pathlib import Path
from random import Random

_SIZES = (0, 1, 100, 511, 512, 4095, 4096, 4097, 20_000, 65_536, 300_000, 1_000_003)


def files(seed: str, count: int) -> Iterator[tuple[str, bytes]]:
    """Names and contents."""
    random = Random(seed)
    for number in range(count):
        size = _SIZES[number % len(_SIZES)]
        yield f"d{number % 7}/e{number % 3}/file{number}", random.randbytes(size)


def checksums(seed: str, count: int) -> dict[str, str]:
    """SHA-256 of each file by name."""
    return {name: hashlib.sha256(data).hexdigest() for name, data in files(seed, count)}


def write(top: Path, seed: str, count: int) -> None:
    """Makes the files below a directory; every fifth is synchronised at once, some are written in parts."""
    for number, (name, data) in enumerate(files(seed, count)):
        path = top / name
        path.parent.mkdir(parents=True, exist_ok=True)
        with path.open("wb") as file:
            if number % 4 == 3:
                # The end first: a hole that is filled later.
                file.seek(len(data) // 2)
                file.write(data[len(data) // 2 :])
                file.seek(0)
                file.write(data[: len(data) // 2])
            else:
                file.write(data)
            if number % 5 == 0:
                file.flush()
                os.fsync(file.fileno())


if __name__ == "__main__":
    write(Path(sys.argv[1]), sys.argv[2], int(sys.argv[3]))
