# SPDX-License-Identifier: GPL-2.0
"""Namespaces that come, change and go while others are in use."""

from __future__ import annotations

import re

import pytest
from lifecycle import DISK_GOES, Load, exchange, load, loaded, state
from rnvme_vm import Vm, number
from uevents import controllers, listening, machine

pytestmark = [
    machine,
    pytest.mark.allow_log(
        r"rnvme: rnvme\d+ [0-9a-f:.]+: namespace \d+: (its disk is removed|\d+ blocks of \d+ bytes now)",
        r"rnvme: rnvme\d+ [0-9a-f:.]+: (resetting: |reset done in )",
        r"^rnvme\d+n\d+: detected capacity change",
    ),
]


def _is_disk(vm: Vm, disk: str) -> bool:
    return vm.run(f"test -b {disk}", check=False).rc == 0


def _verifying(vm: Vm, disk: str) -> Load:
    return load(
        vm,
        "verify",
        target=disk,
        rw="randwrite",
        bsrange="4k-32k",
        size="16m",
        iodepth=16,
        verify="crc32c",
        verify_backlog=64,
        verify_fatal=1,
    )


def _cntlid(vm: Vm, ctrl: str) -> int:
    return int(vm.run(f"cat /sys/class/rnvme/{ctrl}/cntlid").out)


def _diskseq(vm: Vm, disk: str) -> int:
    return int(vm.run(f"cat /sys/block/{disk.removeprefix('/dev/')}/diskseq").out)


def test_attach_and_detach(vm: Vm) -> None:
    """By commands to the other controller, so that the drive itself has to tell."""
    with loaded(vm), listening(vm) as uevents:
        ctrl, other = controllers(vm)
        disk, cntlid = f"/dev/{ctrl}n3", _cntlid(vm, ctrl)
        running = _verifying(vm, f"/dev/{ctrl}n1")
        others = [_diskseq(vm, f"/dev/{ctrl}n{nsid}") for nsid in (1, 2)]
        assert not _is_disk(vm, disk)
        for cycle in range(1, number("attachments") + 1):
            vm.run(f"nvme attach-ns /dev/{other} -n 3 -c {cntlid}")
            uevents.wait_for(cycle, ACTION="add", DEVNAME=f"{ctrl}n3", SUBSYSTEM="block")
            exchange(vm, f"cycle {cycle}", disk, nsid=3, length=256 << 10)
            vm.run(f"nvme detach-ns /dev/{other} -n 3 -c {cntlid}")
            uevents.wait_for(cycle, ACTION="remove", DEVNAME=f"{ctrl}n3", SUBSYSTEM="block")
            vm.wait_until(lambda: not _is_disk(vm, disk), 10, "the end of the disk")
        assert [_diskseq(vm, f"/dev/{ctrl}n{nsid}") for nsid in (1, 2)] == others
        running.stop()


def test_event_meets_rescan(vm: Vm) -> None:
    """Whoever attaches a namespace has a rescan made, and the drive tells of the same change: it is
    still heard when it tells of the next one."""
    with loaded(vm):
        ctrl, other = controllers(vm)
        disk, cntlid = f"/dev/{ctrl}n3", _cntlid(vm, ctrl)
        for _ in range(number("attachments")):
            vm.run(f"nvme attach-ns /dev/{ctrl} -n 3 -c {cntlid} && test -b {disk}")
            vm.run(f"nvme detach-ns /dev/{other} -n 3 -c {cntlid}")
            vm.wait_until(lambda: not _is_disk(vm, disk), 10, "the end of the disk")


@pytest.mark.allow_log(
    *DISK_GOES,
    # What the drive says of commands to a namespace that it does not have.
    r"rnvme: rnvme\d+n3: (Read|Write) of \d+ blocks at LBA \d+, queue \d+: Invalid ",
    r"^operation not supported error, dev rnvme\d+n3, ",
)
def test_detached_while_open(vm: Vm) -> None:
    """Who has it open gets errors; a command through the driver is done when its disk is."""
    with loaded(vm):
        ctrl, _ = controllers(vm)
        cntlid = _cntlid(vm, ctrl)
        for _ in range(number("attachments")):
            vm.run(f"nvme attach-ns /dev/{ctrl} -n 3 -c {cntlid} && test -b /dev/{ctrl}n3")
            running = load(vm, "open", target=f"/dev/{ctrl}n3")
            vm.run(f"nvme detach-ns /dev/{ctrl} -n 3 -c {cntlid} && ! test -e /dev/{ctrl}n3")
            running.broke_off()


def _format(vm: Vm, ctrl: str, nsid: int, lba: int) -> None:
    """Formats a namespace to blocks of this size."""
    formats = vm.run(f"nvme id-ns /dev/{ctrl} -n {nsid}").out
    wanted = f"ms:0 +lbads:{lba.bit_length() - 1} "
    found = re.search(rf"lbaf +(\d+) *: *{wanted}", formats)
    assert found, formats
    vm.run(f"nvme format /dev/{ctrl} -n {nsid} -l {found[1]} --force")


def test_format(vm: Vm) -> None:
    """The disk stays, with blocks of the new size; the other controller's follows when it is asked to look."""
    with loaded(vm):
        ctrl, other = controllers(vm)
        running = _verifying(vm, f"/dev/{ctrl}n1")
        # What is read makes no sense, but it never goes wrong: no command is in blocks of the wrong size.
        reading = load(vm, "read", target=f"/dev/{ctrl}n2", rw="randread", iodepth=8)
        disks = [f"/dev/{ctrl}n2", f"/dev/{other}n2"]
        before = [_diskseq(vm, disk) for disk in disks]
        sizes = vm.run(f"blockdev --getsize64 {' '.join(disks)}").out
        for lba in [4096, 512] * number("formats"):
            _format(vm, ctrl, 2, lba)
            assert vm.run(f"blockdev --getss {disks[0]}").out.strip() == str(lba)
            exchange(vm, f"blocks of {lba}", disks[0], nsid=2, length=256 << 10)
            for how in (
                f"nvme ns-rescan /dev/{other}",
                f"echo 1 >/sys/class/rnvme/{other}/rescan_controller",
            ):
                vm.run(how)
                assert vm.run(f"blockdev --getss {disks[1]}").out.strip() == str(lba)
        assert [_diskseq(vm, disk) for disk in disks] == before
        assert vm.run(f"blockdev --getsize64 {' '.join(disks)}").out == sizes
        reading.stop()
        running.stop()


@pytest.mark.allow_log(r"rnvme: rnvme\d+ [0-9a-f:.]+: .*(ENODEV|ETIMEDOUT|Error\((19|110)\))")
def test_rescan_meets_reset_and_removal(vm: Vm) -> None:
    """Neither waits for the other for ever, no disk is lost, and the load goes on."""
    with loaded(vm):
        ctrl, other = controllers(vm)
        cntlid = _cntlid(vm, ctrl)
        running = _verifying(vm, f"/dev/{ctrl}n1")
        for _ in range(number("rescan_races")):
            jobs = [
                vm.spawn(f"for i in 1 2 3; do nvme ns-rescan /dev/{ctrl}; done", 60),
                vm.spawn(f"for i in 1 2 3; do echo 1 >/sys/class/rnvme/{ctrl}/reset_controller; done", 60),
                vm.spawn(f"for i in 1 2 3; do echo 1 >/sys/class/rnvme/{ctrl}/rescan_controller; done", 60),
                vm.spawn(
                    f"nvme attach-ns /dev/{other} -n 3 -c {cntlid}; nvme detach-ns /dev/{other} -n 3 -c {cntlid}",
                    60,
                ),
            ]
            for job in jobs:
                job.wait(60, check=False)
            vm.wait_until(lambda: state(vm, ctrl) == "live", 20, "the end of the last reset")
        vm.run(f"nvme ns-rescan /dev/{ctrl}")
        found = vm.run(f"ls /dev/{ctrl}n*").out.split()
        assert found == [f"/dev/{ctrl}n1", f"/dev/{ctrl}n2"]
        running.stop()
        # The unload finds it at work.
        vm.spawn(f"for i in 1 2 3 4 5 6; do echo 1 >/sys/class/rnvme/{ctrl}/rescan_controller; done", 60)
