# SPDX-License-Identifier: GPL-2.0
"""Namespaces of all kinds: names and sizes, data apart from each other, and some that are refused."""

from __future__ import annotations

import re

import fio
import pytest
import scatter
from drives import MIB, Drives, clear, guest_sha256, loaded, machine, pattern
from rnvme_vm import NvmeCtrl, NvmeNs, Vm

# All of the first controller's namespaces share its one queue.
_FOUR = NvmeCtrl(
    [
        NvmeNs(32 * MIB),
        NvmeNs(32 * MIB, nsid=3, lba=4096),
        NvmeNs(16 * MIB, nsid=7),
        NvmeNs(48 * MIB, nsid=200),
    ],
    max_ioqpairs=1,
)
_OTHER = NvmeCtrl([NvmeNs(32 * MIB), NvmeNs(32 * MIB, nsid=7, lba=2048)])
_STRANGE = NvmeCtrl(
    [
        NvmeNs(32 * MIB),
        NvmeNs(32 * MIB, props={"ms": 8, "mset": 1}),
        NvmeNs(32 * MIB, props={"ms": 64}),
        NvmeNs(32 * MIB, props={"zoned": True, "zoned.zone_size": MIB}),
        NvmeNs(32 * MIB, lba=8192),
        NvmeNs(32 * MIB, props={"ms": 8, "pi": 1}),
        NvmeNs(32 * MIB, props={"ms": 8, "mset": 1, "pi": 1}),
        NvmeNs(32 * MIB, props={"detached": True}),
    ],
)
several = machine(ctrls=[_FOUR, _OTHER, _STRANGE])
pytestmark = [
    several,
    pytest.mark.allow_log(r"^rnvme: rnvme\d+ [0-9a-f:.]+: namespace [2345]: no disk: "),
]

GOOD = [(0, 1), (0, 3), (0, 7), (0, 200), (1, 1), (1, 7), (2, 1), (2, 6), (2, 7)]
REFUSED = {
    2: r"8 bytes of metadata.*(inter|with the data)",
    3: r"64 bytes of metadata",
    4: r"[Zz]on",
    5: r"8192|2\^13",
}


def _metadata(place: int, nsid: int) -> int:
    """Bytes of metadata that a block has."""
    ns = next(ns for ns in (_FOUR, _OTHER, _STRANGE)[place].namespaces if ns.nsid == nsid)
    return dict(ns.props).get("ms", 0)


def test_names_and_sizes(vm: Vm) -> None:
    with loaded(vm) as drives:
        for place, nsid in GOOD:
            node = drives.disk(nsid, place)
            assert node == f"/dev/{drives.name(place)}n{nsid}"
            size = vm.run(f"blockdev --getsize64 --getss --getpbsz {node}").out.split()
            disk = vm.disk(nsid, place)
            # QEMU keeps metadata behind the blocks, in the same file.
            capacity = disk.size // (disk.lba + _metadata(place, nsid)) * disk.lba
            assert size == [str(capacity), str(disk.lba), str(disk.lba)]
        assert len(drives.disks) == len(GOOD), drives.disks


@pytest.mark.parametrize("nsid", REFUSED)
def test_refused_by_name(vm: Vm, nsid: int) -> None:
    """The log says which namespace has no disk, and why; the others are there."""
    before = len(vm.log.records())
    with loaded(vm) as drives:
        assert not drives.has_disk(nsid, 2)
        assert drives.has_disk(1, 2) and drives.has_disk(6, 2)
        vm.sync_log()
        said = [
            r.text for r in vm.log.find(rf"namespace {nsid}: no disk: ") if r in vm.log.records()[before:]
        ]
        assert len(said) == 1
        assert drives.name(2) in said[0]
        assert re.search(REFUSED[nsid], said[0]), said[0]


def _picture(place: int, nsid: int, who: str) -> bytes:
    return pattern(f"{who} {place} {nsid}", MIB)


def test_data_do_not_cross(vm: Vm) -> None:
    """Each namespace has contents of its own at the same addresses, from either side."""
    with loaded(vm) as drives:
        for place, nsid in GOOD:
            disk = vm.disk(nsid, place)
            clear(disk)
            disk.write(0, _picture(place, nsid, "host"))
        for place, nsid in GOOD:
            got = guest_sha256(vm, drives.disk(nsid, place), 0, MIB)
            assert got == vm.disk(nsid, place).sha256(0, MIB), f"namespace {nsid} of {drives.name(place)}"
        for place, nsid in GOOD:
            vm.run(
                f"dd of={drives.disk(nsid, place)} bs=64k seek=1M iflag=fullblock"
                " oflag=direct,seek_bytes conv=notrunc status=none",
                stdin=_picture(place, nsid, "guest"),
            )
        for place, nsid in GOOD:
            expected = _picture(place, nsid, "host") + _picture(place, nsid, "guest") + bytes(MIB)
            assert vm.host_bytes(0, 3 * MIB, nsid, place) == expected, (
                f"namespace {nsid} of {drives.name(place)}"
            )


def works(vm: Vm, drives: Drives, places: list[tuple[int, int]], size: int = 4 * MIB) -> list[fio.Work]:
    """Work for each of these namespaces, with blocks of the same contents nowhere."""
    return [
        fio.Work(f"ns{place}x{nsid}", drives.disk(nsid, place), vm.disk(nsid, place), size, bs="8k")
        for place, nsid in places
    ]


def test_all_at_once(vm: Vm) -> None:
    """Verified writes on all of them at the same time."""
    with loaded(vm) as drives:
        todo = works(vm, drives, GOOD)
        jobs = [fio.start(vm, work, ioengine="io_uring", iodepth=32, direct=1) for work in todo]
        for job in jobs:
            job.wait()
        fio.verify_image(*todo)


@pytest.mark.parametrize(("place", "nsid"), [(0, 3), (1, 7), (2, 6), (2, 7)])
def test_memory_in_pieces(vm: Vm, place: int, nsid: int) -> None:
    """Also with other blocks, and with protection information that the drive makes and takes away."""
    with loaded(vm) as drives:
        node, disk = drives.disk(nsid, place), vm.disk(nsid, place)
        scatter.check(vm, node, disk, seed=f"formats {place} {nsid}", count=24)
