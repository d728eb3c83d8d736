# SPDX-License-Identifier: GPL-2.0
"""Resets under load, whoever asks for them: no request is lost, and none fails."""

from __future__ import annotations

import re
import time
from collections.abc import Callable

import brake
import pytest
from lifecycle import CTRL, DISK, DISK_GOES, MIB, address, exchange, loaded, resets, state, unbind, verifying
from rnvme_vm import Machine, NvmeCtrl, Vm, number

_SAYS = (
    r"rnvme: rnvme\d+ [0-9a-f:.]+: resetting: ",
    r"rnvme: rnvme\d+ [0-9a-f:.]+: reset done in \d+ ms; \d+ commands were under way",
)

pytestmark = pytest.mark.allow_log(*_SAYS)


def _by_sysfs(vm: Vm, _addr: str) -> None:
    vm.run("echo 1 >/sys/class/rnvme/rnvme0/reset_controller", 30)


def _by_ioctl(vm: Vm, _addr: str) -> None:
    vm.run(f"nvme reset {CTRL}", 30)


def _of_the_function(vm: Vm, addr: str) -> None:
    vm.run(
        f"echo flr >/sys/bus/pci/devices/{addr}/reset_method; echo 1 >/sys/bus/pci/devices/{addr}/reset", 30
    )


_SOURCES: dict[str, Callable[[Vm, str], None]] = {
    "sysfs": _by_sysfs,
    "ioctl": _by_ioctl,
    "function": _of_the_function,
}


@pytest.mark.timeout(7200)
@pytest.mark.parametrize("source", _SOURCES)
def test_under_load(vm: Vm, source: str) -> None:
    """A load that verifies what it wrote does not notice."""
    count = number("resets_under_load")
    with loaded(vm) as addr:
        running = verifying(vm)
        before = resets(vm)
        for _ in range(count):
            _SOURCES[source](vm, addr)
            assert state(vm) in ("live", "resetting", "connecting")
        vm.wait_until(lambda: state(vm) == "live", 20, "the end of the last reset")
        assert resets(vm) - before == count
        running.stop()
        exchange(vm, f"after resets by {source}")


@pytest.mark.timeout(3600)
# What one was sending when the other took over.
@pytest.mark.allow_log(r"rnvme: rnvme0 [0-9a-f:.]+: .* failed: (ENODEV|Error\(19\))$")
def test_two_at_once(vm: Vm) -> None:
    """One of two is told that there is one already, or both take their turn; the load goes on."""
    with loaded(vm) as addr:
        running = verifying(vm)
        for _ in range(number("reset_races")):
            jobs = [
                vm.spawn("echo 1 >/sys/class/rnvme/rnvme0/reset_controller", 60),
                vm.spawn(f"nvme reset {CTRL}", 60),
                vm.spawn(f"echo 1 >/sys/bus/pci/devices/{addr}/reset", 60),
            ]
            for job in jobs:
                result = job.wait(60, check=False)
                assert result.rc == 0 or "busy" in result.err.lower(), str(result)
            vm.wait_until(lambda: state(vm) == "live", 20, "the end of the last reset")
        running.stop()


@pytest.mark.timeout(3600)
@pytest.mark.allow_log(*DISK_GOES)
def test_unbind_meets_reset(vm: Vm) -> None:
    """An unbind waits for a reset that is under way, and what was written before is on the drive."""
    for cycle in range(number("reset_races")):
        with loaded(vm) as addr:
            text = bytes([cycle + 1]) * MIB
            vm.run(f"dd of={DISK} bs=64k iflag=fullblock conv=notrunc status=none", stdin=text)
            reset = vm.spawn("echo 1 >/sys/class/rnvme/rnvme0/reset_controller", 60)
            unbind(vm, addr)
            reset.wait(60, check=False)
            assert vm.host_bytes(0, len(text)) == text, "dirty pages are lost"


def test_sleep(machine: Machine) -> None:
    """Suspend to memory, all of it but the last step, under load. The guest agent's own device
    does not survive that, so the guest writes to its console what comes of it."""
    count = number("sleeps_under_load")
    with Vm(machine) as vm:
        vm.insmod(claim_all=True)
        fio = (
            f"fio --filename={DISK} --rw=randwrite --bs=4k --size=16m --verify=crc32c --verify_fatal=1 --loops=2"
            " --name=direct --ioengine=libaio --iodepth=32 --direct=1"
            " --name=buffered --ioengine=psync --direct=0 --offset=32m --fsync=64"
        )
        vm.spawn(
            f"exec >/dev/ttyS0 2>&1; {fio} >/run/fio.out 2>&1 & job=$!; sleep 1;"
            " echo 0 >/sys/module/suspend/parameters/pm_test_delay; echo processors >/sys/power/pm_test;"
            f" for i in $(seq {count}); do echo mem >/sys/power/state || echo no sleep; sleep 0.5; done;"
            " echo none >/sys/power/pm_test; wait $job; echo fio ended with $?;"
            " cat /sys/class/rnvme/rnvme0/state; rmmod rnvme && echo all unloaded",
            600,
        )
        console = vm.workspace.console
        deadline = time.monotonic() + (60 + 5 * count) * vm.scale
        while "all unloaded" not in (text := console.read_text(errors="replace")):
            assert time.monotonic() < deadline, f"no end of it: {text[-2000:]}"
            time.sleep(0.5)
    assert "fio ended with 0" in text and "live" in text and "no sleep" not in text, text[-2000:]
    assert not re.search(r"WARNING|BUG|Call Trace|rnvme.*(dead|failed)", text), text


@pytest.mark.machine(ctrls=[NvmeCtrl([brake.namespace()])], qemu_args=brake.ARGS)
@pytest.mark.allow_log(
    r"rnvme: rnvme\d+ [0-9a-f:.]+: (queue \d+: (no answer in time to |\d+ entries, )|Abort: )"
)
def test_a_slow_drive_is_not_dead(vm: Vm) -> None:
    """For some time-outs in a row it answers nothing; then all that waited is done, and checked."""
    with loaded(vm, io_timeout=2):
        job = vm.spawn(
            f"fio --name=patient --filename={DISK} --rw=randwrite --bs=4k --iodepth=16 --size=8m"
            " --ioengine=libaio --direct=1 --verify=crc32c --verify_fatal=1 --thinktime=2000",
            300,
        )
        vm.wait_until(lambda: address(vm) and job.poll() is None, 5, "the load")
        with brake.stalled(vm):
            vm.wait_until(lambda: resets(vm) >= 1, 30, "a reset")
            assert state(vm) != "dead"
        result = job.wait(120)
        assert "err= 0" in result.out, str(result)
        assert state(vm) == "live"
        exchange(vm, "recovered")
