# SPDX-License-Identifier: GPL-2.0
"""The machine goes down, or starts anew, under load: the drive is told, and keeps what was synchronised."""

from __future__ import annotations

import pytest
from lifecycle import (
    DISK,
    DISK_GOES,
    IO,
    MIB,
    SHUTDOWN,
    STARTED,
    STOPPED,
    address,
    check_records,
    exchange,
    load,
    loaded,
    names,
    safe_records,
    start_records,
    trace,
    traced,
    unbind,
)
from rnvme_vm import Vm

_DATA_BYTES = 16 * MIB
pytestmark = [
    pytest.mark.machine(qemu_args=trace(SHUTDOWN, STARTED, STOPPED, IO)),
    pytest.mark.allow_log(*DISK_GOES),
]


def _work(vm: Vm) -> None:
    """Two loads and synchronised records, until some of these are safe."""
    vm.insmod(claim_all=True)
    start_records(vm)
    load(vm, "direct", offset=_DATA_BYTES, ioengine="libaio", rw="randwrite")
    load(vm, "buffered", offset=2 * _DATA_BYTES, ioengine="psync", rw="randwrite", direct=0)
    vm.wait_until(lambda: safe_records(vm) >= 100, 60, "100 records")
    assert SHUTDOWN not in names(traced(vm))


def _assert_told(events: list[str]) -> None:
    """CC.SHN was set, once, then CC.EN cleared; the drive had no I/O command in between."""
    assert events.count(SHUTDOWN) == 1, f"{events.count(SHUTDOWN)} notifications of a shutdown"
    rest = events[events.index(SHUTDOWN) + 1 :]
    assert rest and rest[0] == STOPPED, f"after the notification: {rest[:5]}"


def test_poweroff_under_load(fresh_vm: Vm) -> None:
    _work(fresh_vm)
    fresh_vm.shutdown()
    events = names(traced(fresh_vm))
    _assert_told(events)
    assert events[-1] == STOPPED, f"after the drive was stopped: {events[-1]}"
    check_records(fresh_vm, safe_records(fresh_vm))


def test_reboot_under_load(fresh_vm: Vm) -> None:
    vm = fresh_vm
    _work(vm)
    vm.reboot("busybox reboot -f")
    safe = safe_records(vm)
    _assert_told(names(traced(vm)))
    check_records(vm, safe)
    with loaded(vm):
        vm.run(f"dd if={DISK} bs=4k count={safe} of=/run/back")
        assert vm.read_file("/run/back") == vm.host_bytes(0, safe * 4096)
        exchange(vm, "after the reboot")


@pytest.mark.parametrize("how", ["unload", "unbind"])
def test_the_drive_is_told_of_an_orderly_end(vm: Vm, how: str) -> None:
    vm.insmod(claim_all=True)
    vm.run(f"dd if=/dev/zero of={DISK} bs=64k count=16 oflag=direct")
    before = len(traced(vm))
    if how == "unbind":
        unbind(vm, address(vm))
    else:
        vm.run("rmmod rnvme")
    events = names(traced(vm))[before:]
    _assert_told(events)
    assert events[-1] == STOPPED
    vm.run("rmmod rnvme", check=False)
