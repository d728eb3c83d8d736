# SPDX-License-Identifier: GPL-2.0
"""Verified writes by fio in the guest, verified a second time by fio on the raw file."""

from __future__ import annotations

import subprocess
from collections.abc import Iterable
from dataclasses import dataclass
from typing import Any

from drives import clear
from rnvme_vm import Disk, Job, Vm


@dataclass(frozen=True)
class Work:
    """What a job writes, and so what must stand in the raw file."""

    name: str
    node: str
    disk: Disk
    #: Of the area, in bytes.
    size: int
    rw: str = "randwrite"
    bs: str = "4k"
    offset: int = 0
    #: Sizes and their shares, instead of ``bs``.
    bssplit: str | None = None

    def arguments(self, path: str) -> list[str]:
        """The arguments of fio for this work on that file."""
        words: dict[str, Any] = {
            "filename": path,
            "rw": self.rw,
            "offset": self.offset,
            "size": self.size,
            # Each block has a header with its offset, this seed, and a checksum of all of it.
            "verify": "crc32c",
            "randseed": sum(self.name.encode()) * 7919 + self.offset,
            "verify_fatal": 1,
            # Blocks arrive in any order: who only verifies does not know the number of each.
            "verify_write_sequence": 0,
            # No file about the verification in the current directory.
            "verify_state_save": 0,
        }
        words |= {"bssplit": self.bssplit} if self.bssplit else {"bs": self.bs}
        return ["fio", f"--name={self.name}", *(f"--{key}={value}" for key, value in words.items())]


def start(vm: Vm, work: Work, **how: Any) -> Job:
    """Starts writes, and then their verification, in the guest.

    The work at offset 0 finds zeroes, and so do those that are started after it.
    """
    if work.offset == 0:
        clear(work.disk)
    options = [f"--{key}={value}" for key, value in how.items()]
    return vm.spawn(" ".join([*work.arguments(work.node), "--do_verify=1", *options]), timeout=300)


def verify_image(*works: Work) -> None:
    """Has the host's fio verify the raw file: same blocks, same seeds, no guest between."""
    for work in works:
        _run_here([*work.arguments(str(work.disk.path)), "--verify_only=1", "--ioengine=psync"])


def _run_here(arguments: Iterable[str]) -> None:
    done = subprocess.run([*arguments], capture_output=True, text=True, timeout=120, check=False)
    assert done.returncode == 0, f"{arguments}\n{done.stdout}{done.stderr}"


def write_and_verify(vm: Vm, work: Work, **how: Any) -> None:
    """Writes and verifies in the guest, then here."""
    start(vm, work, **how).wait()
    verify_image(work)
