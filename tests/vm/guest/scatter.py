# SPDX-License-Identifier: GPL-2.0
"""Direct reads and writes of memory in pieces, as told by lines of JSON on standard input.

Runs in the guest. A line is ``{"op": "write" | "read", "at": OFFSET, "pieces": [[PLACE, LENGTH], ...],
"seed": TEXT}``: pieces are places in a buffer that starts at a page. What is written is made of the
seed. The answer to each line is one of JSON: the checksum of what was read or written, or the error.
"""

import errno
import hashlib
import json
import mmap
import os
import sys
from random import Random

FILLER = b"\xa5"


def perform(disk: int, buffer: memoryview, line: str) -> dict[str, str]:
    """Does what a line says."""
    order = json.loads(line)
    pieces = [buffer[place : place + length] for place, length in order["pieces"]]
    length = sum(map(len, pieces))
    buffer[:] = FILLER * len(buffer)
    try:
        if order["op"] == "write":
            data = memoryview(Random(order["seed"]).randbytes(length))
            for piece in pieces:
                piece[:] = data[: len(piece)]
                data = data[len(piece) :]
            done = os.pwritev(disk, pieces, order["at"])
        else:
            done = os.preadv(disk, pieces, order["at"])
    except OSError as error:
        return {"error": errno.errorcode.get(error.errno or 0, str(error))}
    if done != length:
        return {"error": f"{done} of {length} bytes"}
    digest = hashlib.sha256()
    for piece in pieces:
        digest.update(piece)
        piece[:] = FILLER * len(piece)
    if bytes(buffer) != FILLER * len(buffer):
        return {"error": "bytes beside the pieces have changed"}
    return {"sha256": digest.hexdigest()}


def main() -> None:
    """``scatter.py DISK BUFFER-SIZE``."""
    disk = os.open(sys.argv[1], os.O_RDWR | os.O_DIRECT)
    buffer = memoryview(mmap.mmap(-1, int(sys.argv[2])))
    for line in sys.stdin:
        print(json.dumps(perform(disk, buffer, line)))


main()
