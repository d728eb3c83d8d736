# SPDX-License-Identifier: GPL-2.0
"""A drive that was pulled: its registers read as ones. Nothing can arrive, so nobody waits for it."""

from __future__ import annotations

import time

import pytest
from lifecycle import (
    DISK,
    DISK_GOES,
    EXT4_LOSES_DISK,
    MOUNTS,
    PULLABLE,
    bind,
    exchange,
    footprint,
    load,
    loaded,
    pulled,
    refused,
    state,
    unbind,
)
from rnvme_vm import Vm

#: Seconds that anything may take which waits for nothing.
_SHORT = 4
_TIMEOUT = 2
pytestmark = [
    pytest.mark.machine(qemu_args=PULLABLE),
    pytest.mark.allow_log(*DISK_GOES, r"rnvme [0-9a-f:.]+: enabling device"),
]


@pytest.mark.allow_log(r"rnvme [0-9a-f:.]+: .*the device does not answer \(registers read as all ones\)")
def test_bind(vm: Vm) -> None:
    with loaded(vm) as addr:
        exchange(vm, "before")
        unbind(vm, addr)
        before = footprint(vm)
        with pulled(vm, addr):
            refused(vm, addr, "does not answer")
            assert footprint(vm) == before
        bind(vm, addr)
        exchange(vm, "plugged in again")


@pytest.mark.parametrize("how", ["unbind", "remove"])
def test_removal_under_load(vm: Vm, how: str) -> None:
    """The removal fails all I/O at once, without a wait for the time-out of 30 s."""
    with loaded(vm) as addr:
        loads = [
            load(vm, "direct", iodepth=64),
            load(vm, "buffered", direct=0, ioengine="psync", rw="randwrite"),
        ]
        with pulled(vm, addr):
            started = time.monotonic()
            vm.run(f"echo 1 >/sys/bus/pci/devices/{addr}/remove" if how == "remove" else "true", _SHORT)
            if how == "unbind":
                unbind(vm, addr, _SHORT)
            for running in loads:
                running.broke_off()
            assert time.monotonic() - started < 2 * _SHORT * vm.scale
        if how == "remove":
            vm.run("echo 1 >/sys/bus/pci/rescan", 30)
            vm.wait_until(lambda: vm.run(f"test -b {DISK}", check=False).rc == 0, 20, DISK)
        else:
            bind(vm, addr)
        exchange(vm, "plugged in again")


@pytest.mark.allow_log(MOUNTS, *EXT4_LOSES_DISK)
def test_unbind_with_dirty_files(vm: Vm) -> None:
    """Data that cannot be written back do not keep the unbind, nor the unmount."""
    with loaded(vm) as addr:
        vm.run(f"mkfs.ext4 -q {DISK} && mkdir -p /mnt/a && mount {DISK} /mnt/a")
        vm.run("head -c 4M /dev/urandom >/mnt/a/dirty")
        with pulled(vm, addr):
            unbind(vm, addr, _SHORT)
            vm.run("umount /mnt/a", _SHORT)
        bind(vm, addr)
        exchange(vm, "plugged in again")


@pytest.mark.allow_log(
    r"rnvme: rnvme\d+ [0-9a-f:.]+: does not answer any more: dead",
    r"rnvme: rnvme\d+ [0-9a-f:.]+: stopped; all commands failed\. Unbind and bind the device to try again",
)
def test_nobody_removes_it(vm: Vm) -> None:
    """The time-out notices; a device that is gone needs no stopping, and all ends."""
    with loaded(vm, io_timeout=_TIMEOUT) as addr:
        running = load(vm, "load")
        with pulled(vm, addr):
            vm.wait_until(lambda: state(vm) == "dead", _TIMEOUT + _SHORT, "the end of the controller")
            running.broke_off()
            assert vm.run(f"dd if=/dev/zero of={DISK} bs=4k count=1 oflag=direct", check=False).rc != 0
            unbind(vm, addr, _SHORT)
        bind(vm, addr)
        exchange(vm, "plugged in again")


def test_unload(vm: Vm) -> None:
    with loaded(vm) as addr, pulled(vm, addr):
        pass
    vm.insmod(claim_all=True)
    with pulled(vm, addr):
        vm.run("rmmod rnvme", _SHORT)
    with loaded(vm):
        exchange(vm, "plugged in again")
