# SPDX-License-Identifier: GPL-2.0
"""Memory that the drive does not reach as it is: behind an IOMMU, or copied through bounce buffers."""

from __future__ import annotations

import hashlib
import json
import re
import shutil
import subprocess
from dataclasses import dataclass
from pathlib import Path

import fio
import pytest
import scatter
from drives import GUEST, MIB, Drives, clear, guest_program, guest_sha256, loaded, machine, pattern
from rnvme_vm import NvmeCtrl, NvmeNs, Vm, number

_TOP = Path(__file__).parents[2]
_TRACING = "/sys/kernel/tracing"
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
    #: Too much like another one to be tested for every change.
    soak: bool = False

    @property
    def marks(self) -> list[pytest.MarkDecorator]:
        """The mark for a machine where it is so."""
        soak = [pytest.mark.soak] if self.soak else []
        return [machine(ctrls=_CTRLS, iommu=self.iommu, cmdline=self.cmdline), *soak]

    @property
    def bounces(self) -> bool:
        """Whether all data are copied."""
        return "force" in self.cmdline and not self.iommu


WAYS = [
    Way("iommu", True, "", "DMA-FQ", 128),
    Way("iommu-strict", True, "iommu.strict=1", "DMA", 128, soak=True),
    Way("swiotlb", False, "swiotlb=32768,force,track_hiwater", largest_kib=252),
    # An IOMMU comes first: with one, only what it cannot map would be copied.
    Way("iommu-swiotlb", True, "swiotlb=32768,force,track_hiwater", "DMA-FQ", 128, soak=True),
]
EACH_WAY = pytest.mark.parametrize("way", [pytest.param(way, marks=way.marks, id=way.name) for way in WAYS])


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


@pytest.mark.parametrize(
    "way", [pytest.param(way, marks=way.marks, id=way.name) for way in WAYS if way.iommu]
)
def test_nothing_stays_mapped(vm: Vm, way: Way) -> None:
    """From load to unload, the IOMMU is told to forget as many bytes as it was told to map."""
    events = f"{_TRACING}/events/iommu"
    vm.run(
        f"cd {_TRACING} && echo 8192 >buffer_size_kb && echo >trace"
        f" && echo 1 >{events}/map/enable && echo 1 >{events}/unmap/enable"
    )
    with loaded(vm) as drives:
        vm.run(
            f"fio --name=load --filename={drives.disk(1)} --rw=randrw --bsrange=512-128k --ioengine=io_uring"
            " --iodepth=32 --direct=1 --io_size=8m --size=64m --norandommap --iomem_align=512",
            timeout=120,
        )
    lines = vm.run(f"echo 0 >{events}/enable && cat {_TRACING}/trace && echo >{_TRACING}/trace").out
    mapped = sum(int(size) for size in re.findall(r" map: .*\bsize=(\d+)", lines))
    unmapped = sum(int(size) for size in re.findall(r" unmap: .*\bunmapped_size=(\d+)", lines))
    assert mapped > 8 * MIB
    assert mapped == unmapped


#: Of 2 KiB.
_FEW_SLOTS = 512


@machine(ctrls=_CTRLS, cmdline=f"swiotlb={_FEW_SLOTS},force,track_hiwater")
@pytest.mark.allow_log(r"^rnvme [0-9a-f:.]+: swiotlb buffer is full")
def test_too_few_bounce_buffers(vm: Vm) -> None:
    """Room for 1 MiB only, and more than that on its way: requests wait for room, and none is lost."""
    with loaded(vm) as drives:
        work = fio.Work("few", drives.disk(1), vm.disk(1), 16 * MIB, bs="128k")
        fio.write_and_verify(vm, work, ioengine="io_uring", iodepth=64, direct=1)
        assert guest_sha256(vm, work.node, 0, work.size) == work.disk.sha256(0, work.size)
        assert _slots(vm, "used_hiwater") > _FEW_SLOTS * 3 // 4
        assert _slots(vm) == 0


@pytest.fixture(scope="session")
def dma_limit(tmp_path_factory: pytest.TempPathFactory) -> bytes:
    """The module that limits what a device reaches."""
    asked = subprocess.run([_TOP / "tools/kernel", "stock"], stdout=subprocess.PIPE, text=True, check=True)
    kernel = Path(asked.stdout.strip())
    source = tmp_path_factory.mktemp("dma_limit")
    shutil.copytree(GUEST / "dma_limit", source, dirs_exist_ok=True)
    version = (kernel / "localversion").read_text().strip()
    command = ["make", "-C", kernel / "build", f"M={source}", f"LOCALVERSION={version}", "modules"]
    done = subprocess.run(command, capture_output=True, text=True, timeout=300, check=False)
    assert done.returncode == 0, done.stdout + done.stderr
    return (source / "dma_limit.ko").read_bytes()


def _bounced(trace: str, function: str) -> list[list[int]]:
    """The page frames of this function that were copied, for each order of ``bounce.py``."""
    orders: list[list[int]] = []
    for line in trace.splitlines():
        if re.search(r"tracing_mark_write: order \d+$", line):
            orders.append([])
        elif match := re.search(rf"swiotlb_bounced: dev_name: {function} .* dev_addr=(\w+) size=(\d+)", line):
            start, size = int(match[1], 16), int(match[2])
            assert start % 4096 == size % 4096 == 0, line
            orders[-1] += range(start >> 12, (start + size) >> 12)
    return orders


# The first request is the first that bounces since the driver was loaded: it changes what the DMA
# layer says about the device, while the request is being mapped.
@machine(ctrls=_CTRLS, mem_mib=640, qemu_args=["-machine", "max-ram-below-4g=512M"])
@pytest.mark.parametrize(
    ("how", "first"), [("read", "LH"), ("write", "LH"), ("read", "HL"), ("read", "L" * 20 + "H" + "L" * 20)]
)
def test_some_segments_bounce(vm: Vm, dma_limit: bytes, how: str, first: str) -> None:
    """Of the segments of a request, some are reached by the drive, and exactly the others are copied."""
    disk = vm.disk(1)
    clear(disk)
    disk.write(0, pattern("some before", 4 * MIB))
    model = bytearray(pattern("some before", 4 * MIB))
    places = [first, "HH", "LL", "HLHHL", "LLLLH", first * 2, "L", "H" * 9]
    orders = [
        (how if number % 2 == 0 else "read", 4096 * 50 * number, what, f"some{number}")
        for number, what in enumerate(places)
    ]
    vm.write_file("/tmp/dma_limit.ko", dma_limit)
    with loaded(vm) as drives:
        function = vm.run(f"basename $(readlink -f /sys/class/rnvme/{drives.name()}/device)").out.strip()
        vm.run(f"insmod /tmp/dma_limit.ko device={function}")
        vm.run(f"cd {_TRACING} && echo >trace && echo 1 >events/swiotlb/enable")
        program = guest_program(vm, "bounce.py")
        lines = "\n".join(" ".join(map(str, order)) for order in orders)
        out = vm.run(f"{program} {drives.disk(1)}", timeout=120, stdin=lines.encode()).out.splitlines()
        trace = vm.run(f"cd {_TRACING} && echo 0 >events/swiotlb/enable && cat trace && echo >trace").out
        answers = [json.loads(line) for line in out]
        bounced = _bounced(trace, function)
        assert len(answers) == len(bounced) == len(orders)
        for (what, at, where, seed), answer, copied in zip(orders, answers, bounced, strict=True):
            length = 4096 * len(where)
            if what == "write":
                model[at : at + length] = pattern(seed, length)
            assert answer.get("sha256") == hashlib.sha256(model[at : at + length]).hexdigest(), (what, where)
            above = [frame for frame, kind in zip(answer["frames"], where, strict=True) if kind == "H"]
            assert sorted(copied) == sorted(above), f"{what} {where}: of {answer['frames']}: {copied}"
        assert disk.read(0, 4 * MIB) == model
        assert _slots(vm) == 0, "bounce buffers are still in use"
        vm.run("rmmod dma_limit")
