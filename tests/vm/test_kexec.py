# SPDX-License-Identifier: GPL-2.0
"""Controllers that somebody else left behind: a kernel before this one, in order or by a crash."""

from __future__ import annotations

from pathlib import Path

import pytest
from lifecycle import (
    DISK,
    DISK_GOES,
    IO,
    MIB,
    SHUTDOWN,
    STARTED,
    STOPPED,
    check_records,
    exchange,
    fio,
    load,
    loaded,
    names,
    safe_records,
    start_records,
    state,
    trace,
    traced,
)
from rnvme_vm import Machine, Vm, images

# Devices and timers that the kernel before left running.
_LEFT_OVERS = ("Spurious LAPIC timer interrupt", r"No irq handler for \d+\.\d+")
pytestmark = pytest.mark.allow_log(*DISK_GOES, *_LEFT_OVERS)
_LOAD_OFFSET = 32 * MIB
_TEXT_OFFSET = 24 * MIB


@pytest.fixture
def machine(tmp_path: Path) -> Machine:
    """A machine that has its own kernel and initramfs at hand, and room for a second kernel."""
    initrd = images.initrd_with_files(Machine(), tmp_path / "next-initrd")
    return Machine(
        files={"vmlinuz": images.images("stock").kernel, "next-initrd": initrd},
        cmdline="crashkernel=320M",
        mem_mib=1536,
        qemu_args=trace(SHUTDOWN, STARTED, STOPPED, IO),
    )


def _load_kernel(vm: Vm, *options: str) -> None:
    vm.run(
        f"kexec {' '.join(options)} /in/vmlinuz --initrd=/in/next-initrd"
        " --append=\"$(sed 's/crashkernel=[^ ]*//' /proc/cmdline)\""
    )


def _work(vm: Vm) -> None:
    """Loads and synchronised records, until some of these are safe, and something to verify."""
    vm.insmod(claim_all=True)
    vm.run(fio("kept", offset=_TEXT_OFFSET, size="4m", rw="write", verify="crc32c", do_verify=0))
    start_records(vm)
    load(vm, "load", offset=_LOAD_OFFSET, rw="randrw", bsrange="4k-64k", iodepth=64)
    vm.wait_until(lambda: safe_records(vm) >= 100, 60, "100 records")


def _take_over(vm: Vm, safe: int) -> None:
    """The second kernel's driver takes the drive as it is; nothing safe is lost."""
    assert vm.run("lsmod | grep -c rnvme", check=False).out.strip() == "0"
    with loaded(vm):
        assert state(vm) == "live"
        check_records(vm, safe)
        vm.run(fio("kept", offset=_TEXT_OFFSET, size="4m", rw="write", verify="crc32c", verify_only=1))
        vm.run(fio("new", offset=_LOAD_OFFSET, size="8m", verify="crc32c", rw="randwrite"), 120)
        vm.run(f"dd if={DISK} bs=4k count={safe} iflag=direct of=/run/back")
        assert vm.read_file("/run/back") == vm.host_bytes(0, safe * 4096)
        exchange(vm, "second kernel")


def test_kexec_under_load(fresh_vm: Vm) -> None:
    vm = fresh_vm
    _work(vm)
    _load_kernel(vm, "-l", "-s")
    vm.reboot("kexec -e")
    safe = safe_records(vm)
    events = names(traced(vm))
    told = events[events.index(SHUTDOWN) :]
    assert told == [SHUTDOWN, STOPPED], f"an orderly kexec ends with {told[:5]}"
    _take_over(vm, safe)


@pytest.mark.allow_log("sysrq: Trigger a crash", "CPU topo: (Boot CPU|Crash kernel detected)")
def test_crash_under_load(fresh_vm: Vm) -> None:
    """The controller runs, with commands in flight, when the next kernel finds it."""
    vm = fresh_vm
    _work(vm)
    _load_kernel(vm, "-p", "-s")
    # Quiet, since the harness takes a panic on the console for the end of everything.
    vm.reboot(
        "echo 1 >/proc/sys/kernel/sysrq; echo 0 >/proc/sys/kernel/printk; echo c >/proc/sysrq-trigger", 60
    )
    vm.run("test -e /proc/vmcore")
    safe = safe_records(vm)
    events = names(traced(vm))
    assert SHUTDOWN not in events and events[-1] == IO, "the controller was not left running"
    before = len(events)
    _take_over(vm, safe)
    after = [event for event in names(traced(vm))[before:] if event != IO]
    assert after[:2] == [STOPPED, STARTED], f"the second kernel began with {after[:4]}"


def test_the_firmware_left_it_running(fresh_vm: Vm) -> None:
    """SeaBIOS looks for something to boot on the drive, and leaves it enabled."""
    events = names(traced(fresh_vm))
    assert STARTED in events and STOPPED not in events[events.index(STARTED) :], "the firmware was tidy"
    with loaded(fresh_vm):
        after = names(traced(fresh_vm))[len(events) :]
        assert [event for event in after if event != IO][:2] == [STOPPED, STARTED]
        exchange(fresh_vm, "after the firmware")
