# SPDX-License-Identifier: GPL-2.0
"""What a controller can and cannot: the disk says it to the block layer, and data arrive all the same."""

from __future__ import annotations

import re

import fio
import pytest
import scatter
from drives import MIB, Drives, guest_sha256, loaded, machine, pattern, traced
from rnvme_vm import Machine, NvmeCtrl, NvmeNs, Vm

_SMALL = NvmeNs(32 * MIB)
# QEMU's controller always has a write cache; it has 64 queue pairs and 65 vectors, MDTS 7 and 2048 entries, if not told otherwise.
CTRLS = (
    NvmeCtrl([_SMALL], mdts=1, mqes=3),
    NvmeCtrl([_SMALL], mdts=2, mqes=7),
    NvmeCtrl([_SMALL], mdts=3, mqes=31),
    NvmeCtrl([_SMALL], mdts=4, max_ioqpairs=1),
    NvmeCtrl([_SMALL], mdts=5, max_ioqpairs=3, msix_qsize=3),
    NvmeCtrl([_SMALL], mdts=6, msix_qsize=1),
    NvmeCtrl([_SMALL], mdts=7, msix_qsize=2),
    NvmeCtrl([_SMALL], mdts=8, dbcs=False),
    NvmeCtrl([NvmeNs(32 * MIB, props={"discard_granularity": 65536})], mdts=9),
)
CPUS = {
    1: machine(cpus=1, ctrls=(CTRLS[1], CTRLS[6], CTRLS[8])),
    2: machine(cpus=2, ctrls=CTRLS),
    4: machine(cpus=4, ctrls=(CTRLS[3], CTRLS[4], CTRLS[5], CTRLS[6], CTRLS[7])),
}
MACHINES = pytest.mark.parametrize(
    "cpus", [pytest.param(cpus, marks=mark, id=f"{cpus}-cpus") for cpus, mark in CPUS.items()]
)


def _queues(machine: Machine, ctrl: NvmeCtrl) -> int:
    """One for each CPU, unless the controller has fewer, or fewer vectors beside the administrator's."""
    vectors = 65 if ctrl.msix_qsize is None else ctrl.msix_qsize
    return min(machine.cpus, ctrl.max_ioqpairs or 64, max(1, vectors - 1))


def _expected(machine: Machine, ctrl: NvmeCtrl, ns: NvmeNs) -> dict[str, str]:
    """What the queue's directory in sysfs should say, from how the controller was made."""
    props = dict(ns.props)
    pages = 1 << (7 if ctrl.mdts is None else ctrl.mdts)
    return {
        "logical_block_size": str(ns.lba),
        "physical_block_size": str(ns.lba),
        "minimum_io_size": str(ns.lba),
        "max_hw_sectors_kb": str(4 * pages),
        "max_segments": str(min(256, pages + 1)),
        "virt_boundary_mask": "4095",
        "dma_alignment": "3",
        "max_discard_segments": "255",
        "discard_granularity": str(props.get("discard_granularity", 4096)),
        "write_zeroes_max_bytes": str(4096 * pages),
        "write_cache": "write back",
        "fua": "1",
        "nr_requests": str(min(1024, (ctrl.mqes or 2047) + 1) - 1),
        "rotational": "0",
        "zoned": "none",
    }


@MACHINES
def test_limits(vm: Vm, cpus: int) -> None:
    with loaded(vm) as drives:
        shown = drives.lines("cd {sysfs}/queue && grep -s '' *")
        for ctrl, lines in zip(vm.machine.ctrls, shown, strict=True):
            (ns,) = ctrl.namespaces
            found = dict(line.split(":", 1) for line in lines)
            expected = _expected(vm.machine, ctrl, ns)
            assert {name: found.get(name) for name in expected} == expected, ctrl
            assert found["scheduler"].startswith("[none]"), found["scheduler"]
            assert int(found["max_sectors_kb"]) <= int(found["max_hw_sectors_kb"])


@MACHINES
def test_queues_cover_all_cpus(vm: Vm, cpus: int) -> None:
    with loaded(vm) as drives:
        shown = drives.lines(
            "cat /sys/class/rnvme/{name}/address /sys/class/rnvme/{name}/queue_count {sysfs}/mq/*/cpu_list"
        )
        vm.sync_log()
        for ctrl, (address, count, *lists) in zip(vm.machine.ctrls, shown, strict=True):
            assert len(lists) == _queues(vm.machine, ctrl) == int(count) - 1, ctrl
            assert sorted(int(cpu) for line in lists for cpu in line.split(",")) == list(range(cpus))
            # Fewer than there could be for want of vectors: the log says so.
            wanted = min(cpus, ctrl.max_ioqpairs or 64)
            line = f": interrupts for {len(lists)} of {wanted} I/O queues only"
            said = any(address in record.text and line in record.text for record in vm.log.records())
            assert said == (len(lists) < wanted), ctrl


def _interrupts(lines: list[str], name: str, cpus: int) -> dict[str, list[int]]:
    """From /proc/interrupts, how often each handler of a controller was called for, by CPU."""
    return {
        handler: [int(word) for word in line.split()[1 : cpus + 1]]
        for line in lines
        for handler in re.findall(rf"\b{name}q\d+\b", line)
    }


@MACHINES
def test_each_queue_has_its_interrupt(vm: Vm, cpus: int) -> None:
    """I/O of a CPU goes through its queue, and comes back by its vector, to one of the queue's CPUs."""
    with loaded(vm) as drives:
        read = "dd if={disk} of=/dev/null bs=4k count=20 iflag=direct status=none"
        steps = [f"taskset -c {cpu} {read}; cat /proc/interrupts" for cpu in range(cpus)]
        queues = f"for c in $(seq 0 {cpus - 1}); do (cd {{sysfs}}/mq && ls -d */cpu$c); done"
        shown = drives.lines(f"{queues}; cat /proc/interrupts; " + "; ".join(steps))
        for place, (ctrl, lines) in enumerate(zip(vm.machine.ctrls, shown, strict=True)):
            name = drives.name(place)
            queue_of = [int(line.split("/")[0]) for line in lines[:cpus]]
            starts = [at for at, line in enumerate(lines) if line.split()[0] == "CPU0"]
            counts = [
                _interrupts(lines[at:end], name, cpus)
                for at, end in zip(starts, [*starts[1:], len(lines)], strict=True)
            ]
            assert len(counts) == cpus + 1
            assert set(counts[0]) == {f"{name}q{n}" for n in range(_queues(vm.machine, ctrl) + 1)}, ctrl
            for cpu, queue in enumerate(queue_of):
                handler = f"{name}q{queue + 1}"
                came = [
                    after - at
                    for at, after in zip(counts[cpu][handler], counts[cpu + 1][handler], strict=True)
                ]
                assert sum(came) >= 20, f"{handler}: {came}"
                # A vector that is not shared with the administrator's goes to the queue's CPUs alone.
                served = {other for other in range(cpus) if queue_of[other] == queue}
                assert {other for other in range(cpus) if came[other]} <= served, f"{handler}: {came}"


def _all_at_once(vm: Vm, drives: Drives, **how: object) -> None:
    """Verified writes on all controllers at the same time, then a look at each raw file."""
    works = [
        fio.Work(f"all{place}", drives.disk(1, place), vm.disk(1, place), 2 * MIB, "randwrite", "16k")
        for place in range(len(list(vm.machine.ctrls)))
    ]
    jobs = [fio.start(vm, work, ioengine="io_uring", iodepth=64, direct=1, fsync=32, **how) for work in works]
    for job in jobs:
        job.wait()
    fio.verify_image(*works)
    for work in works:
        assert guest_sha256(vm, work.node, 0, work.size) == work.disk.sha256(0, work.size)


@MACHINES
def test_data_of_all_at_once(vm: Vm, cpus: int) -> None:
    with loaded(vm) as drives:
        _all_at_once(vm, drives)


@CPUS[2]
@pytest.mark.parametrize("place", range(len(CTRLS)))
def test_memory_in_pieces(vm: Vm, place: int) -> None:
    with loaded(vm) as drives:
        scatter.check(vm, drives.disk(1, place), vm.disk(1, place), seed=f"limits {place}", count=30)


@CPUS[2]
def test_largest_requests(vm: Vm) -> None:
    """Requests that are as large as may be, and as many as may be, and then a block more."""
    with loaded(vm) as drives:
        for place, ctrl in enumerate(CTRLS):
            largest = 4096 << (ctrl.mdts or 0)
            work = fio.Work(
                f"large{place}", drives.disk(1, place), vm.disk(1, place), 8 * MIB, bs=str(largest)
            )
            fio.write_and_verify(vm, work, ioengine="libaio", iodepth=16, direct=1, iomem_align=4096)
            data = pattern(f"more {place}", largest + 512)
            vm.run(f"dd of={work.node} bs={len(data)} oflag=direct conv=notrunc status=none", stdin=data)
            assert work.disk.read(0, len(data)) == data


@machine(ctrls=CTRLS[:1] + CTRLS[6:7] + (NvmeCtrl([_SMALL]),), cmdline="pci=nomsi")
def test_without_message_interrupts(vm: Vm) -> None:
    """One shared line: one queue that serves all CPUs."""
    with loaded(vm) as drives:
        shown = vm.run("cat /proc/interrupts").out.splitlines()
        for place in range(3):
            name = drives.name(place)
            assert set(_interrupts(shown, name, 2)) == {f"{name}q0", f"{name}q1"}
        assert not [line for line in shown if "rnvme" in line and "MSI" in line]
        _all_at_once(vm, drives)
        scatter.check(vm, drives.disk(1, 2), vm.disk(1, 2), seed="line", count=30)


@CPUS[2]
def test_no_cache_no_flush(vm: Vm) -> None:
    """A drive whose cache the administrator declared safe is never asked to flush it."""
    with loaded(vm) as drives:
        for mode, expected in (("write back", 1), ("write through", 0)):
            vm.run(f"echo {mode} >{drives.sysfs(1)}/queue/write_cache")
            with traced(vm, "pci_nvme_io_cmd") as commands:
                vm.run(
                    f"dd if=/dev/zero of={drives.disk(1)} bs=4k count=4 oflag=direct status=none"
                    " conv=notrunc,fsync"
                )
                assert sum("NVME_NVM_CMD_FLUSH" in command for command in commands()) == expected
                assert sum("NVME_NVM_CMD_WRITE" in command for command in commands()) == 4
