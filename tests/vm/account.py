# SPDX-License-Identifier: GPL-2.0
"""Every I/O accounted for: guest/account.c at work, and the raw file beside what it says of it."""

from __future__ import annotations

import re
import struct
import subprocess
from functools import cache

from lifecycle import GUEST, MIB
from rnvme_vm import Vm
from rnvme_vm.images import TOP

_STOP, _STATE, _MODEL = (f"/run/account.{name}" for name in ("stop", "state", "model"))
#: The part of the disk that the two threads have, behind what other loads of a test use.
_OFFSET, _MIB, _THREADS = 48 * MIB, 2, 2
_DEPTH = 16
_SECTOR = 512
_WORD = (1 << 64) - 1


@cache
def _program() -> bytes:
    """The program, compiled."""
    target = TOP / "build" / "account"
    target.parent.mkdir(exist_ok=True)
    arguments = ["-O2", "-static", "-pthread", "-Wall", "-Wextra", "-Werror"]
    subprocess.run(["gcc", *arguments, "-o", target, GUEST / "account.c"], check=True, timeout=120)
    return target.read_bytes()


def sector(lba: int, number: int) -> bytes:
    """A sector as the write of this number leaves it."""
    if number == 0:
        return bytes(_SECTOR)
    total = (lba * 0x9E3779B97F4A7C15 + number) & _WORD
    total = ((total ^ total >> 29) * 0xBF58476D1CE4E5B9) & _WORD
    total ^= total >> 32
    return struct.pack("<QQ", lba, number) * 31 + struct.pack("<QQ", total, ~total & _WORD)


class Accounting:
    """The program while it works. With ``errors``, I/Os may fail, and the disk may be away."""

    def __init__(self, vm: Vm, seed: int = 1, *, errors: bool = False) -> None:
        self._vm = vm
        self._errors = errors
        vm.write_file("/run/account", _program())
        kind = "lenient" if errors else "strict"
        self._job = vm.spawn(
            f"chmod +x /run/account; rm -f {_STOP} {_STATE}; exec /run/account '/dev/rnvme*n1'"
            f" {_OFFSET} {_MIB} {_DEPTH} {seed} {kind} {_STOP} {_STATE} {_MODEL}",
            4 * 3600,
        )
        self.goes_on()

    def counts(self) -> dict[str, int]:
        """What the program has counted so far."""
        text = self._vm.run(f"cat {_STATE}", check=False).out
        return {name: int(count) for name, count in re.findall(r"(\w+) (\d+)", text)}

    def goes_on(self, count: int = 100) -> None:
        """Waits until so many more I/Os have been done."""
        before = self.counts().get("done", 0)

        def more() -> bool:
            assert (ended := self._job.poll()) is None, f"the accounting ended: {ended}"
            return self.counts().get("done", 0) >= before + count

        self._vm.wait_until(more, 60, f"{count} more I/Os")

    def lets_go(self) -> None:
        """Waits until it has closed a disk that is gone, which is the end of the disk's name."""
        holds = "ls -l /proc/$(pidof account)/fd | grep /dev/rnvme"
        self._vm.wait_until(lambda: self._vm.run(holds, check=False).rc != 0, 20, "the end of open files")

    def finish(self) -> dict[str, int]:
        """Ends it: each I/O was answered once, and the data are what the answers say, from both sides."""
        self._vm.run(f"touch {_STOP}")
        result = self._job.wait(300, check=False)
        assert result.rc == 0, f"not all is accounted for: {result}"
        counts = {name: int(count) for name, count in re.findall(r"(\w+) (\d+)", result.out)}
        print(result.out.strip())
        assert counts["asked"] == counts["done"] + counts["failed"]
        assert self._errors or (counts["failed"] == 0 and counts["opened"] == _THREADS)
        model = self._vm.read_file(_MODEL)
        numbers = struct.unpack(f"<{len(model) // 8}Q", model)
        length = _THREADS * _MIB * MIB
        assert len(numbers) * _SECTOR == length
        raw = self._vm.host_bytes(_OFFSET, length)
        for place, number in enumerate(numbers):
            lba = _OFFSET // _SECTOR + place
            found = raw[place * _SECTOR : (place + 1) * _SECTOR]
            assert found == sector(lba, number), f"LBA {lba} is not write {number:#x} in the raw file"
        return counts
