# SPDX-License-Identifier: GPL-2.0
"""Discard and Write Zeroes: exactly what was asked for is gone from the raw file, and nothing else."""

from __future__ import annotations

import errno
import os
import re
from dataclasses import dataclass

import fio
import pytest
from drives import FILE_SYSTEMS, KIB, MIB, clear, loaded, pattern, plain
from rnvme_vm import Disk, Vm

pytestmark = [
    plain,
    pytest.mark.allow_log(FILE_SYSTEMS),
]

SIZE = 8 * MIB
# Room of a file in memory is given and taken page by page.
PAGE = 4 * KIB


def is_hole(disk: Disk, offset: int, length: int) -> bool:
    """Whether the range takes no room in the raw file."""
    with disk.path.open("rb") as file:
        try:
            return os.lseek(file.fileno(), offset, os.SEEK_DATA) >= offset + length
        except OSError as error:
            if error.errno == errno.ENXIO:
                return True
            raise


def whole_pages(offset: int, length: int, most: int) -> int:
    """The room of a range in the raw file, if it is given back in pieces of at most so many bytes."""
    room, end = 0, offset + length
    for start in range(offset, end, most):
        stop = min(start + most, end)
        room += max(0, stop // PAGE * PAGE - -(-start // PAGE) * PAGE)
    return room


class Picture:
    """What the first bytes of a raw file should be."""

    def __init__(self, disk: Disk, seed: str) -> None:
        clear(disk)
        self.disk = disk
        self.bytes = bytearray(pattern(seed, SIZE))
        disk.write(0, bytes(self.bytes))

    def zero(self, offset: int, length: int) -> None:
        """From now on, this range should be zeroes."""
        self.bytes[offset : offset + length] = bytes(length)

    def check(self) -> None:
        """Compares, and names the first difference."""
        found = self.disk.read(0, SIZE)
        if found != self.bytes:
            at = next(place for place in range(SIZE) if found[place] != self.bytes[place])
            raise AssertionError(f"{self.disk.path.name}: wrong from byte {at} on")


@dataclass(frozen=True)
class Tool:
    """A command that makes a range zeroes, and the most bytes that a request of its can have."""

    command: str
    most: int

    def run(self, vm: Vm, node: str, offset: int, length: int) -> None:
        """On this range."""
        vm.run(self.command.format(node=node, offset=offset, length=length))


# QEMU gives the room of zeroes back, be they asked for with or without DEAC.
TOOLS = {
    "discard": Tool("blkdiscard -o {offset} -l {length} {node}", 1 << 31),
    "zeroout": Tool("blkdiscard -z -o {offset} -l {length} {node}", 512 * KIB),
    "fallocate-zero": Tool("fallocate -z -o {offset} -l {length} {node}", 512 * KIB),
    "fallocate-punch": Tool("fallocate -p -o {offset} -l {length} {node}", 512 * KIB),
}
# In blocks of the namespace, as far as they lie in the first half.
RANGES = [(0, 1), (9, 1), (8 * 3, 8), (401, 77), (4096, 1024)]


@pytest.mark.parametrize("nsid", [pytest.param(1, id="lba512"), pytest.param(2, id="lba4096")])
@pytest.mark.parametrize("tool", TOOLS.values(), ids=TOOLS)
def test_exactly_the_range(vm: Vm, tool: Tool, nsid: int) -> None:
    disk = vm.disk(nsid)
    picture = Picture(disk, f"exact {nsid}")
    ranges = [
        (start * disk.lba, count * disk.lba)
        for start, count in RANGES
        if (start + count) * disk.lba <= SIZE // 2
    ]
    ranges.append((SIZE // 2 + disk.lba, 3 * MIB + disk.lba))
    with loaded(vm) as drives:
        for offset, length in ranges:
            room = disk.allocated
            tool.run(vm, drives.disk(nsid), offset, length)
            picture.zero(offset, length)
            picture.check()
            assert not any(disk.read(SIZE, MIB))
            given_back = whole_pages(offset, length, tool.most)
            assert room - disk.allocated == given_back, f"room of [{offset}, +{length})"


def test_the_whole_disk(vm: Vm) -> None:
    disk = vm.disk(3)
    with loaded(vm) as drives:
        for command in ("blkdiscard {}", "blkdiscard -z {}"):
            disk.write(0, pattern(command, disk.size))
            vm.run(command.format(drives.disk(3)), timeout=120)
            assert not any(disk.read(0, disk.size))
            assert disk.allocated == 0
    clear(disk)


def test_ranges_of_a_users_command(vm: Vm) -> None:
    picture = Picture(vm.disk(1), "dsm")
    starts, lengths = (8, 160, 1600, 4001), (8, 16, 1, 80)
    with loaded(vm) as drives:
        vm.run(
            f"nvme dsm {drives.disk(1)} --ad --slbs={','.join(map(str, starts))}"
            f" --blocks={','.join(map(str, lengths))}"
        )
    for start, length in zip(starts, lengths, strict=True):
        picture.zero(start * 512, length * 512)
    picture.check()


def test_beside_writes(vm: Vm) -> None:
    """Discards and zeroes go on in one half of the disk, verified writes in the other."""
    disk = vm.disk(3)
    half = disk.size // 2
    with loaded(vm) as drives:
        node = drives.disk(3)
        work = fio.Work("beside", node, disk, 8 * MIB, "randwrite", "4k")
        job = fio.start(vm, work, ioengine="io_uring", iodepth=32, direct=1)
        disk.write(half, pattern("beside", half))
        vm.run(
            f"for at in $(seq 0 2 30); do"
            f" blkdiscard -o $(({half} + at * 65536)) -l 65536 {node} || exit;"
            f" blkdiscard -z -o $(({half} + (at + 40) * 65536)) -l 32768 {node} || exit; done",
            timeout=120,
        )
        job.wait()
        fio.verify_image(work)
    expected = bytearray(pattern("beside", half))
    for at in range(0, 31, 2):
        expected[at * 65536 : (at + 1) * 65536] = bytes(65536)
        expected[(at + 40) * 65536 : (at + 40) * 65536 + 32768] = bytes(32768)
    assert disk.read(half, half) == expected


def _extents(vm: Vm, top: str) -> dict[str, list[tuple[int, int]]]:
    """Where each file lies on the disk: offsets and lengths in bytes."""
    found: dict[str, list[tuple[int, int]]] = {}
    name = ""
    for line in vm.run(f"filefrag -e -b4096 {top}/f*", timeout=120).out.splitlines():
        if match := re.match(r"File size of .*/(f\d+) is", line):
            name = match[1]
        elif match := re.match(r"\s*\d+:\s*\d+\.\.\s*\d+:\s*(\d+)\.\.\s*(\d+):", line):
            first, last = int(match[1]), int(match[2])
            found.setdefault(name, []).append((first * 4096, (last - first + 1) * 4096))
    return found


@pytest.mark.parametrize(
    ("make", "merges"),
    [("mkfs.ext4 -q -F -E nodiscard", False), ("mkfs.xfs -q -f -K", True)],
    ids=["ext4", "xfs"],
)
def test_fstrim(vm: Vm, make: str, merges: bool) -> None:
    """Files that are deleted are gone from the raw file, the others are all there.

    XFS puts the ranges of a group together, so that requests have many.
    """
    disk = vm.disk(1)
    clear(disk)
    with loaded(vm) as drives:
        node = drives.disk(1)
        vm.run(f"{make} {node} && mkdir -p /mnt/fs && mount {node} /mnt/fs", timeout=120)
        vm.run(
            "cd /mnt/fs && for n in $(seq 100 180); do"
            " { yes $n || true; } 2>/dev/null | head -c 40960 >f$n && sync f$n || exit; done",
            timeout=120,
        )
        extents = _extents(vm, "/mnt/fs")
        assert len(extents) == 81
        contents = {name: b"".join(disk.read(*extent) for extent in of) for name, of in extents.items()}
        assert all(data.startswith(f"{name[1:]}\n".encode() * 1000) for name, data in contents.items())
        vm.run("rm /mnt/fs/f*[02468] && sync && umount /mnt/fs && mount " + node + " /mnt/fs")
        before = _discards(vm, drives.sysfs(1))
        vm.run("fstrim -v /mnt/fs", timeout=120)
        done, merged = (after - at for after, at in zip(_discards(vm, drives.sysfs(1)), before, strict=True))
        assert done > 0
        assert not merges or merged >= 30, f"{done} discards with {merged} ranges more"
        vm.run("umount /mnt/fs")
        for name, of in extents.items():
            data = b"".join(disk.read(*extent) for extent in of)
            if int(name[1:]) % 2:
                assert data == contents[name], f"{name} was touched"
            else:
                assert all(is_hole(disk, *extent) for extent in of), f"{name} is still there"
        vm.run(
            f"mount {node} /mnt/fs && cd /mnt/fs && for n in $(seq 101 2 179); do"
            " cmp f$n <({ yes $n || true; } 2>/dev/null | head -c 40960) || exit; done; cd /; umount /mnt/fs"
        )


def _discards(vm: Vm, sysfs: str) -> tuple[int, int]:
    """Discards that were done, and those that went along with another one."""
    fields = vm.run(f"cat {sysfs}/stat").out.split()
    return int(fields[11]), int(fields[12])
