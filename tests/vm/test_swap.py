# SPDX-License-Identifier: GPL-2.0
"""Swap on the drive with all memory in use: the data path makes progress without free memory."""

from __future__ import annotations

import pytest
from lifecycle import CTRL, DISK, GUEST, MIB, exchange, loaded
from rnvme_vm import NvmeCtrl, NvmeNs, Vm, number

_MEMORY_MIB = 256
_SWAP_MIB = 256
#: What at least goes out and comes in.
_MOVED = 24 * MIB


def _prepare(vm: Vm) -> int:
    """Switches swap on; returns the bytes of memory that a program can have without it."""
    vm.write_file("/run/hog.py", (GUEST / "lifecycle_hog.py").read_bytes())
    vm.run(f"mkswap -q {DISK} && swapon {DISK} && sysctl -q vm.swappiness=100")
    return int(vm.run("awk '/^MemAvailable/ {print $2}' /proc/meminfo").out) * 1024


@pytest.mark.timeout(3600)
@pytest.mark.allow_log(r"Adding \d+k swap on /dev/rnvme")
@pytest.mark.machine(mem_mib=_MEMORY_MIB, ctrls=[NvmeCtrl([NvmeNs(_SWAP_MIB * MIB)])])
def test_more_memory_than_there_is(vm: Vm) -> None:
    with loaded(vm):
        available = _prepare(vm)
        length = available + _MOVED
        rounds = number("swap_rounds")
        # A second program's buffered writes compete for the pages that swapping frees.
        noise = vm.spawn(
            "while :; do dd if=/dev/zero of=/tmp/noise bs=64k count=128 2>/dev/null; sleep 1; done", 900
        )
        done = vm.run(f"python3 /run/hog.py {length} {rounds}", 300)
        noise.kill()
        noise.wait(60, check=False)
        assert done.out.split() == ["wrong:", "0", "of", str(length // 4096 * rounds)], done.out
        moved = {
            name: int(value)
            for name, value in (
                line.split() for line in vm.run("grep -E '^pswp' /proc/vmstat").out.splitlines()
            )
        }
        assert min(moved["pswpout"], moved["pswpin"]) * 4096 >= _MOVED, f"hardly any swapping: {moved}"
        # From the other side: pages with the program's text are in the raw file.
        raw = vm.disk().path.read_bytes()
        pages = sum(raw.startswith(b"rnvme-swap ", place) for place in range(0, len(raw), 4096))
        assert pages * 4096 >= _MOVED, f"only {pages} pages of the program are on the drive"
        # Unloading while it swaps is refused; swapping off brings everything back.
        refused = vm.run("rmmod rnvme", check=False)
        assert refused.rc != 0 and "in use" in refused.err, str(refused)
        vm.run(f"rm -f /tmp/noise; swapoff {DISK}; nvme id-ctrl {CTRL} >/dev/null", 120)
        exchange(vm, "after swapping")
