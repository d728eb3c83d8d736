# SPDX-License-Identifier: GPL-2.0
"""Memory that the drive does not reach as it is: behind an IOMMU, or copied through bounce buffers.

Not here: a request of which only some segments bounce. With ``swiotlb=force`` all of them do, and no
drive of QEMU on this kernel reaches but a part of the memory.
"""

from __future__ import annotations

import hashlib
from dataclasses import dataclass

import fio
import pytest
import scatter
from drives import MIB, Drives, guest_sha256, loaded, machine, pattern
from rnvme_vm import NvmeCtrl, NvmeNs, Vm, number

_CTRLS = [NvmeCtrl([NvmeNs(64 * MIB), NvmeNs(64 * MIB, lba=4096)])]


@dataclass(frozen=True)
class Way:
    """How the drive reaches memory."""

    name: str
    iommu: bool
    cmdline: str
    #: What the kernel says of the function's IOMMU domain.
    domain: str = ""
    #: The largest request that such a mapping is good for, in KiB: 512 is the drive's own limit.
    largest_kib: int = 512

    @property
    def mark(self) -> pytest.MarkDecorator:
        """The mark for a machine where it is so."""
        return machine(ctrls=_CTRLS, iommu=self.iommu, cmdline=self.cmdline)

    @property
    def bounces(self) -> bool:
        """Whether all data are copied."""
        return "force" in self.cmdline and not self.iommu


WAYS = [
    Way("iommu", True, "", "DMA-FQ", 128),
    Way("iommu-strict", True, "iommu.strict=1", "DMA", 128),
    Way("swiotlb", False, "swiotlb=32768,force,track_hiwater", largest_kib=252),
    # An IOMMU comes first: with one, only what it cannot map would be copied.
    Way("iommu-swiotlb", True, "swiotlb=32768,force,track_hiwater", "DMA-FQ", 128),
]
EACH_WAY = pytest.mark.parametrize("way", [pytest.param(way, marks=way.mark, id=way.name) for way in WAYS])


def _slots(vm: Vm, name: str = "used") -> int:
    """Bounce buffers in use; with ``used_hiwater`` the most that ever were."""
    return int(vm.run(f"cat /sys/kernel/debug/swiotlb/io_tlb_{name}").out)


def _check_way(vm: Vm, drives: Drives, way: Way) -> None:
    """The machine is what the test believes, or it would test nothing."""
    function = vm.run(f"readlink -f /sys/class/rnvme/{drives.name()}/device").out.strip()
    domain = vm.run(f"cat {function}/iommu_group/type", check=False).out.strip()
    assert domain == way.domain
    shown = vm.run(f"cat {drives.sysfs(1)}/queue/max_hw_sectors_kb").out
    assert int(shown) == way.largest_kib


@EACH_WAY
def test_data(vm: Vm, way: Way) -> None:
    with loaded(vm) as drives:
        _check_way(vm, drives, way)
        for nsid, bs, depth in ((1, "512", 32), (1, "4k", 64), (2, "64k", 16), (1, "1m", 8)):
            work = fio.Work(f"{way.name}{bs}", drives.disk(nsid), vm.disk(nsid), 4 * MIB, bs=bs)
            if bs == "512":
                work = fio.Work(work.name, work.node, work.disk, MIB // 2, bs=bs)
            fio.write_and_verify(vm, work, ioengine="io_uring", iodepth=depth, direct=1, iomem_align=512)
            assert guest_sha256(vm, work.node, 0, work.size) == work.disk.sha256(0, work.size)
        vm.disk(2).write(MIB, pattern(way.name, MIB))
        for flags in ("direct", ""):
            got = guest_sha256(vm, drives.disk(2), MIB, MIB, flags=flags)
            assert got == hashlib.sha256(pattern(way.name, MIB)).hexdigest()
        vm.run(f"blkdiscard -o 4096 -l 65536 {drives.disk(1)}")
        assert not any(vm.host_bytes(4096, 65536))
        if way.bounces:
            assert _slots(vm, "used_hiwater") > 0
            assert _slots(vm) == 0


@EACH_WAY
@pytest.mark.parametrize("nsid", [1, 2])
def test_memory_in_pieces(vm: Vm, way: Way, nsid: int) -> None:
    """Requests of one segment and of many, that meet at pages or do not."""
    with loaded(vm) as drives:
        for round_ in range(number("scatter_rounds")):
            seed = f"{way.name} {nsid} {round_}"
            scatter.check(vm, drives.disk(nsid), vm.disk(nsid), seed=seed, count=36)
        if way.bounces:
            assert _slots(vm) == 0
