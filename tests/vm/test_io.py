# SPDX-License-Identifier: GPL-2.0
"""Reads and writes by every way that programs have, compared with the raw file."""

from __future__ import annotations

import itertools
from dataclasses import dataclass

import fio
import pytest
import scatter
from drives import KIB, MIB, clear, guest_sha256, loaded, pattern, plain, traced
from rnvme_vm import Vm, number
from rnvme_vm.numbers import soaking

pytestmark = plain


@dataclass(frozen=True)
class Case:
    """How fio writes."""

    engine: str
    depth: int
    rw: str
    bs: str
    nsid: int = 1
    direct: bool = True
    fsync: int = 0

    def __str__(self) -> str:
        words = [self.engine, f"q{self.depth}", self.rw, self.bs, f"ns{self.nsid}"]
        words += [] if self.direct else ["buffered"]
        words += [f"fsync{self.fsync}"] if self.fsync else []
        return "-".join(words)


# Each value of the matrix below at least once.
_FEW = (
    Case("psync", 1, "write", "512"),
    Case("psync", 1, "randwrite", "4k", fsync=8),
    Case("psync", 1, "randwrite", "16k", nsid=2, direct=False, fsync=16),
    Case("libaio", 32, "randwrite", "4k", nsid=2),
    Case("libaio", 4, "write", "128k", fsync=4),
    Case("libaio", 256, "randwrite", "16k"),
    Case("io_uring", 1, "randwrite", "1m", nsid=2, fsync=2),
    Case("io_uring", 32, "write", "4k", direct=False),
    Case("io_uring", 4, "write", "1m"),
    Case("io_uring", 256, "randwrite", "512", fsync=32),
    Case("io_uring", 32, "randwrite", "128k", nsid=2),
)


def _matrix() -> list[Case]:
    engines = [("psync", 1), *itertools.product(("libaio", "io_uring"), (1, 4, 32, 256))]
    sizes = [(bs, 1) for bs in ("512", "4k", "16k", "128k", "1m")] + [(bs, 2) for bs in ("4k", "128k", "1m")]
    return [
        Case(engine, depth, rw, bs, nsid, direct, fsync)
        for (engine, depth), rw, (bs, nsid), direct, fsync in itertools.product(
            engines, ("write", "randwrite"), sizes, (True, False), (0, 8)
        )
        # io_uring and libaio submit buffered I/O one by one: one depth is enough.
        if direct or depth in (1, 32)
    ]


def _bytes(size: str) -> int:
    return int(size.rstrip("km")) * {"k": KIB, "m": MIB}.get(size[-1], 1)


@pytest.mark.parametrize("case", _matrix() if soaking() else _FEW, ids=str)
def test_verified_writes(vm: Vm, case: Case) -> None:
    disk = vm.disk(case.nsid)
    size = min(_bytes(case.bs) * number("io_blocks"), number("io_mib") * MIB)
    with loaded(vm) as drives:
        work = fio.Work(str(case), drives.disk(case.nsid), disk, size, case.rw, case.bs)
        fio.write_and_verify(
            vm, work, ioengine=case.engine, iodepth=case.depth, direct=int(case.direct), fsync=case.fsync
        )
        assert disk.sha256(0, size) == guest_sha256(vm, drives.disk(case.nsid), 0, size)
        assert not any(disk.read(size, MIB)), "something was written behind the area"


@pytest.mark.parametrize(
    ("name", "what", "how"),
    [
        ("mixed-sizes", {"bssplit": "512/20:1k/10:4k/30:12k/10:64k/20:1m/10"}, {"iodepth": 16}),
        ("odd-memory", {"bs": "12k"}, {"iodepth": 8, "iomem_align": 512}),
        ("odd-words", {"bs": "20k"}, {"iodepth": 8, "iomem_align": 4}),
        ("beyond-mdts", {"bs": "4m"}, {"iodepth": 4}),
        ("fixed-buffers", {"bs": "64k"}, {"iodepth": 16, "fixedbufs": 1, "registerfiles": 1}),
        ("batches", {"bs": "4k"}, {"iodepth": 64, "iodepth_batch": 16, "iodepth_batch_complete_min": 16}),
        ("read-while-writing", {"bs": "4k"}, {"iodepth": 32, "verify_backlog": 64, "fdatasync": 64}),
    ],
)
def test_special_requests(vm: Vm, name: str, what: dict[str, str], how: dict[str, object]) -> None:
    disk = vm.disk(1)
    with loaded(vm) as drives:
        work = fio.Work(name, drives.disk(1), disk, number("io_mib") * MIB, **what)
        fio.write_and_verify(vm, work, ioengine="io_uring", direct=1, **how)
        assert disk.sha256(0, work.size) == guest_sha256(vm, work.node, 0, work.size)


@pytest.mark.parametrize("nsid", [1, 2])
def test_memory_in_pieces(vm: Vm, nsid: int) -> None:
    with loaded(vm) as drives:
        for round_ in range(number("scatter_rounds")):
            scatter.check(vm, drives.disk(nsid), vm.disk(nsid), seed=f"pieces {nsid} {round_}", count=60)


@pytest.mark.parametrize(
    ("flags", "bs"), [("direct", 512), ("direct", 12 * KIB), ("direct", MIB), ("", 64 * KIB)]
)
def test_what_the_host_writes_is_read(vm: Vm, flags: str, bs: int) -> None:
    disk = vm.disk(1)
    clear(disk)
    length = min(2048 * bs, 6 * MIB)
    disk.write(5 * MIB + 512, pattern("host", length))
    with loaded(vm) as drives:
        node = drives.disk(1)
        start = 5 * MIB + 512
        assert guest_sha256(vm, node, start, length, flags=flags, bs=bs) == disk.sha256(start, length)
        # What the guest has read it may read again, and then it is something else.
        disk.write(start, pattern("host, later", length))
        assert guest_sha256(vm, node, start, length, bs=bs) == disk.sha256(start, length)
    assert disk.read(start, length) == pattern("host, later", length)


def test_the_ends_of_the_disk(vm: Vm) -> None:
    """The last block is as good as any, and there is nothing behind it."""
    with loaded(vm) as drives:
        for nsid in (1, 2):
            node, disk = drives.disk(nsid), vm.disk(nsid)
            assert int(vm.run(f"blockdev --getsize64 {node}").out) == disk.size
            block = pattern(nsid, disk.lba)
            last = disk.size // disk.lba - 1
            command = f"dd of={node} bs={disk.lba} oflag=direct conv=notrunc status=none seek="
            vm.run(f"{command}{last}", stdin=block)
            assert disk.read(disk.size - 2 * disk.lba, 2 * disk.lba) == bytes(disk.lba) + block
            refused = vm.run(f"{command}{last + 1}", stdin=block, check=False)
            assert refused.rc != 0 and "No space left" in refused.err
            assert disk.size == 512 * MIB


def test_flushes_reach_the_drive(vm: Vm) -> None:
    """A Flush for each fsync, one after each write that is to be safe at once, and none for others."""
    disk = vm.disk(1)
    clear(disk)
    count, bs = 16, 4 * KIB
    with loaded(vm) as drives:
        node = drives.disk(1)
        for place, (how, expected) in enumerate(
            (
                ("oflag=direct conv=notrunc", 0),
                ("oflag=direct conv=notrunc,fsync", 1),
                # blk-mq writes with FUA, and then the node's file operations flush all the same.
                ("oflag=direct,dsync conv=notrunc", count),
                ("conv=notrunc,fdatasync", 1),
            )
        ):
            text = pattern(how, count * bs)
            with traced(vm, "pci_nvme_io_cmd") as commands:
                vm.run(
                    f"dd of={node} bs={bs} seek={place * count} iflag=fullblock status=none {how}", stdin=text
                )
                flushes = sum("NVME_NVM_CMD_FLUSH" in command for command in commands())
                writes = sum("NVME_NVM_CMD_WRITE" in command for command in commands())
            assert flushes == expected, how
            assert (writes == count) if "direct" in how else (1 <= writes <= count), how
            # The host sees them while the disk is still in use: nothing else was to write them.
            assert disk.read(place * count * bs, len(text)) == text
        assert disk.sha256(0, 4 * count * bs) == guest_sha256(vm, node, 0, 4 * count * bs)
