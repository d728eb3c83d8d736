# SPDX-License-Identifier: GPL-2.0
"""CPUs that go and come back while the drive is at work: each queue's interrupt goes with its CPU."""

from __future__ import annotations

import re

import pytest
from lifecycle import DISK, Load, exchange, fio, load, loaded
from rnvme_vm import Vm, number

_CPUS = 4
_OTHERS = range(1, _CPUS)
pytestmark = [
    pytest.mark.machine(cpus=_CPUS),
    # An interrupt that was on its way to a CPU which went; Linux has moved it to another one by then.
    pytest.mark.allow_log("APIC: Stale IRR"),
]


def _set_online(vm: Vm, cpus: range | list[int], online: bool) -> None:
    value = int(online)
    vm.run("; ".join(f"echo {value} >/sys/devices/system/cpu/cpu{cpu}/online || exit" for cpu in cpus), 60)


def _interrupts(vm: Vm) -> dict[str, int]:
    """How many interrupts each I/O queue has had."""
    rows = vm.run("grep rnvme0q /proc/interrupts").out.splitlines()
    counts = {}
    for row in rows:
        words = row.split()
        numbers = [int(word) for word in words[1:] if word.isdigit()]
        counts[words[-1]] = sum(numbers)
    del counts["rnvme0q0"]
    return counts


def _each_cpu_has_its_queue(vm: Vm) -> None:
    """I/O of each CPU that is on is completed by an interrupt of one queue, on that CPU."""
    for cpu in range(_CPUS):
        before = _interrupts(vm)
        vm.run(f"taskset -c {cpu} dd if={DISK} of=/dev/null bs=4k count=64 iflag=direct")
        after = _interrupts(vm)
        busy = [queue for queue in after if after[queue] - before[queue] >= 60]
        assert len(busy) == 1, f"CPU {cpu}: {before} became {after}"
        irq = vm.run(f"awk '$NF == \"{busy[0]}\" {{ print $1 + 0 }}' /proc/interrupts").out.strip()
        assert vm.run(f"cat /proc/irq/{irq}/effective_affinity_list").out.strip() == str(cpu)


def _verified_loads(vm: Vm) -> list[Load]:
    """Writers on the whole disk that read back and check what they wrote, over and over."""
    common = {"rw": "randwrite", "verify": "crc32c", "verify_backlog": 64, "bsrange": "4k-32k", "size": "16m"}
    return [
        load(vm, "uring", offset=0, **common),
        load(vm, "aio", ioengine="libaio", offset="16m", iodepth=32, **common),
        load(vm, "sync", ioengine="psync", offset="32m", iodepth=1, fsync=16, **common),
    ]


@pytest.mark.timeout(3600)
def test_cpus_go_and_come_back_under_load(vm: Vm) -> None:
    with loaded(vm):
        _each_cpu_has_its_queue(vm)
        loads = _verified_loads(vm)
        for _ in range(number("cpu_hotplug_rounds")):
            for cpu in _OTHERS:
                _set_online(vm, [cpu], False)
                _set_online(vm, [cpu], True)
            _set_online(vm, _OTHERS, False)
            assert vm.run("cat /sys/devices/system/cpu/online").out.strip() == "0"
            vm.run(fio("alone", offset="48m", size="4m", rw="write", verify="crc32c"), 120)
            _set_online(vm, _OTHERS, True)
        for running in loads:
            running.stop()
        _each_cpu_has_its_queue(vm)
        exchange(vm, "all CPUs again")


def test_load_on_a_machine_that_lacks_cpus(vm: Vm) -> None:
    """The driver comes up while CPUs are off, and serves them once they come on."""
    _set_online(vm, [1, 3], False)
    with loaded(vm):
        exchange(vm, "two CPUs")
        _set_online(vm, [1, 3], True)
        _each_cpu_has_its_queue(vm)
        exchange(vm, "four CPUs")
        _set_online(vm, [2], False)
    _set_online(vm, [2], True)


def test_offline_queue_has_no_interrupts(vm: Vm) -> None:
    """What the tests above count on: the count of an offline CPU's queue stands still."""
    with loaded(vm):
        _set_online(vm, [2], False)
        before = _interrupts(vm)
        vm.run(f"dd if={DISK} of=/dev/null bs=4k count=256 iflag=direct")
        after = _interrupts(vm)
        still = [queue for queue in after if after[queue] == before[queue]]
        assert still and sum(after.values()) - sum(before.values()) >= 200, f"{before} became {after}"
        _set_online(vm, [2], True)
        assert not re.search(r"nobody cared", vm.run("dmesg").out)
