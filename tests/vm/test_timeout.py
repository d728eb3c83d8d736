# SPDX-License-Identifier: GPL-2.0
"""A drive slower than the time-out: it is reset, and what it does not do even then fails. Nobody waits
for ever, and a drive that answers at all is never given up.
"""

from __future__ import annotations

import errno
import json
import re
import time
from collections.abc import Iterator
from contextlib import contextmanager

import brake
import pytest
from lifecycle import (
    BUS_MASTER,
    CTRL,
    DISK,
    DISK_GOES,
    GUEST,
    MIB,
    SHUTDOWN,
    STARTED,
    STOPPED,
    address,
    bind,
    command_register,
    driver_of,
    exchange,
    fio,
    load,
    loaded,
    pattern,
    state,
    trace,
    traced,
    unbind,
)
from rnvme_vm import NvmeCtrl, Vm

_TIMEOUT = 2
#: A time-out that no test here waits for.
_SLOW = 30
#: blk-mq looks at its clocks about once a second, and rounds up.
_NOTICED = _TIMEOUT + 4
#: Function Mask, of Message Control of MSI-X.
_MSIX_MASKED = 1 << 14
_WITNESS = "virtio_blk_handle_read"
_READ = "pci_nvme_read"
_CONFIG = "pci_nvme_mmio_cfg"
_SAYS = (
    r"rnvme: rnvme\d+ [0-9a-f:.]+: queue \d+: (no (answer in time to|interrupt told of the completion of) |\d+ entries, )",
    r"rnvme: rnvme\d+ queue \d+: no interrupt told of a completion, found by a look; so far",
    r"rnvme: rnvme\d+ [0-9a-f:.]+: resetting: (a command was not completed in time|the controller reports a fatal status)",
    r"rnvme: rnvme\d+ [0-9a-f:.]+: Abort: .*, the command was (not )?aborted",
    r"rnvme: rnvme\d+ [0-9a-f:.]+: reset done in \d+ ms; \d+ commands were under way",
    r"rnvme: rnvme\d+n\d+: .*: Command Abort Requested .*, after \d+ retries",
    r"rnvme: rnvme\d+ [0-9a-f:.]+: .*: dead",
    r"rnvme: rnvme\d+ [0-9a-f:.]+: stopped; all commands failed\. Unbind and bind the device to try again",
)

pytestmark = [
    pytest.mark.machine(
        ctrls=[NvmeCtrl([brake.namespace()])],
        qemu_args=(*brake.ARGS, *trace(SHUTDOWN, STARTED, STOPPED, _READ, _CONFIG, _WITNESS)),
    ),
    pytest.mark.allow_log(*DISK_GOES, *_SAYS, r"rnvme [0-9a-f:.]+: enabling device"),
]


def _is_dead(vm: Vm) -> bool:
    return state(vm) == "dead"


def _stays_dead(vm: Vm) -> None:
    """Every call fails, or finds a disk without sectors, and at once."""
    started = time.monotonic()
    assert vm.run(f"dd if={DISK} bs=4k count=1 iflag=direct status=none", check=False).out_bytes == b""
    assert vm.run(f"dd if=/dev/zero of={DISK} bs=4k count=1 oflag=direct", check=False).rc != 0
    result = vm.run(f"nvme id-ctrl {CTRL}", check=False)
    assert result.rc != 0 and "No such device" in result.err + result.out, str(result)
    assert time.monotonic() - started < _TIMEOUT * vm.scale, "calls wait for a controller that is dead"
    assert state(vm) == "dead"


def _resets(vm: Vm) -> int:
    """How often it was reset since the machine started."""
    vm.sync_log()
    return sum(1 for record in vm.log.records() if re.search(r"rnvme0 .*: reset done in", record.text))


def _log_says(vm: Vm, *whats: str) -> None:
    vm.sync_log()
    recent = [record.text for record in vm.log.records()[-200:]]
    for what in whats:
        assert any(what in text for text in recent), f"not said: {what}: " + "\n".join(recent[-20:])


def _serves_after_bind(vm: Vm, addr: str) -> None:
    unbind(vm, addr, 15)
    bind(vm, addr)
    assert state(vm) == "live"
    exchange(vm, "bound again")


def test_load_on_a_drive_that_stalls(vm: Vm) -> None:
    """It is reset, again and again; in the end the load has its errors, and the drive is as before."""
    text = pattern("before the stall", 4 * MIB)
    with loaded(vm, io_timeout=_TIMEOUT, max_retries=1):
        vm.run(f"dd of={DISK} bs=64k seek=256 iflag=fullblock oflag=direct", stdin=text)
        before = _resets(vm)
        running = load(vm, "load", size="16m", iodepth=64)
        with brake.stalled(vm):
            running.broke_off()
            _log_says(vm, ": it gets more", "Abort: ", "resetting: a command was not completed in time")
            assert _resets(vm) - before >= 2, "no retry"
        vm.wait_until(lambda: state(vm) == "live", 20, "the end of the last reset")
        exchange(vm, "it answers again")
        assert vm.host_bytes(16 * MIB, len(text)) == text


def test_load_on_a_drive_that_stalls_for_a_while(vm: Vm) -> None:
    """What it does not do at first it does later, and no error is seen."""
    with loaded(vm, io_timeout=_TIMEOUT):
        before = _resets(vm)
        running = load(vm, "load", rw="randwrite", size="16m", verify="crc32c", verify_backlog=64)
        with brake.stalled(vm):
            vm.wait_until(lambda: _resets(vm) > before, 3 * _NOTICED, "a reset")
        running.stop()
        assert state(vm) == "live"
        exchange(vm, "it answers again")


def test_nothing_ends_before_the_controller_is_stopped(vm: Vm) -> None:
    """A program that is told of a failure reads a page of another disk, which QEMU sees.

    In QEMU's log, between the command that failed and that read, CC.EN was cleared and CSTS.RDY was
    0: no memory was given back while the drive could still write to it.
    """
    with loaded(vm, io_timeout=_TIMEOUT, max_retries=0):
        vm.write_file("/run/witness.py", (GUEST / "lifecycle_witness.py").read_bytes())
        with brake.stalled(vm):
            before = len(traced(vm))
            answers = json.loads(vm.run(f"python3 /run/witness.py {DISK} /dev/vda 16", 60).out)
        assert {answer["errno"] for answer in answers} <= {0, errno.EIO, errno.ETIMEDOUT}
        # QEMU may let some through when it aborts one, which then has a completion: EIO.
        failed = [answer for answer in answers if answer["errno"] == errno.ETIMEDOUT]
        assert failed, f"nothing was taken back: {answers}"
        # Once for the Abort, once for the reset.
        assert max(answer["seconds"] for answer in failed) < 2 * _NOTICED * vm.scale + 5
        events = traced(vm)[before:]
        for answer in failed:
            command = _last(events, f"{_READ} ", f" lba 0x{answer['read']:x} ")
            told = _last(events, _WITNESS, f" sector {answer['sector']} ")
            between = events[command:told]
            cleared = [
                n for n, event in enumerate(between) if event.startswith(_CONFIG) and _enable_is_0(event)
            ]
            stopped = [n for n, event in enumerate(between) if event.startswith(STOPPED)]
            assert cleared and stopped and cleared[0] < stopped[-1], f"{answer}: {between}"
        exchange(vm, "it answers again")


def _last(events: list[str], start: str, part: str) -> int:
    """The place of the last event that starts so, and ends with a part or has it."""
    places = [n for n, e in enumerate(events) if e.startswith(start) and part in f"{e} "]
    assert places, f"no {start} with {part}"
    return places[-1]


def _enable_is_0(event: str) -> bool:
    """Whether this write to CC has EN clear: the value is the last word."""
    return not int(event.rsplit("=", maxsplit=1)[-1].rsplit(maxsplit=1)[-1], 16) & 1


def test_time_out_of_an_admin_command(vm: Vm) -> None:
    """The admin queue is taken back, too. A user may give a command more time than usual, not less."""
    with loaded(vm, admin_timeout=_TIMEOUT):
        with brake.stalled(vm):
            result = vm.run(f"nvme format {CTRL} --namespace-id=1 --timeout=100 --force", 60, check=False)
            assert result.rc != 0, str(result)
            assert _TIMEOUT <= result.seconds < _NOTICED * vm.scale + 5
            vm.wait_until(lambda: state(vm) == "live", 20, "the end of the reset")
            _log_says(vm, "queue 0: no answer in time")
        vm.run(f"nvme id-ctrl {CTRL}")
        exchange(vm, "it answers again")


def test_time_out_while_the_disk_appears(vm: Vm) -> None:
    """The first reads, for the partition table, are not answered: binding ends all the same."""
    with loaded(vm, io_timeout=_TIMEOUT, max_retries=0) as addr:
        unbind(vm, addr)
        brake.set_speed(vm, 1)
        try:
            result = vm.run(f"echo {addr} >/sys/bus/pci/drivers/rnvme/bind", 60, check=False)
            assert result.seconds < 12 * _NOTICED * vm.scale
        finally:
            brake.set_speed(vm, 0)
        if driver_of(vm, addr) != "rnvme":
            bind(vm, addr)
        exchange(vm, "it answers again")


def test_unbind_of_a_drive_that_stalls(vm: Vm) -> None:
    """The unbind writes dirty data back, which never arrive: the time-out ends it."""
    with loaded(vm, io_timeout=_TIMEOUT) as addr:
        holder = vm.spawn(f"exec 3<>{DISK}; head -c 4M /dev/urandom >&3; sleep 300")
        vm.wait_until(lambda: _dirty_kib(vm) >= 3 * 1024, 20, "dirty pages")
        with brake.stalled(vm):
            result = unbind(vm, addr, 60)
            assert _TIMEOUT - 1 < result.seconds < 2 * _NOTICED * vm.scale
        holder.kill()
        holder.wait(30, check=False)
        bind(vm, addr)
        exchange(vm, "bound again")


def _dirty_kib(vm: Vm) -> int:
    return int(vm.run("awk '/^Dirty/ {print $2}' /proc/meminfo").out)


@contextmanager
def _vectors_masked(vm: Vm, addr: str) -> Iterator[None]:
    """Somebody masks all vectors of the function: its interrupts do not come."""
    control = int(vm.run(f"setpci -s {addr} CAP_MSIX+2.w").out, 16)
    vm.run(f"setpci -s {addr} CAP_MSIX+2.w={control | _MSIX_MASKED:x}")
    try:
        yield
    finally:
        vm.run(f"setpci -s {addr} CAP_MSIX+2.w={control:x}")


def _lost(vm: Vm, addr: str) -> int:
    """How many interrupts were lost, of all queues."""
    shown = vm.run(f"cat /sys/kernel/debug/rnvme/{addr}/interrupts").out
    return sum(int(number) for number in re.findall(r"(\d+) lost", shown))


def test_interrupts_that_do_not_come(vm: Vm) -> None:
    """What was completed is found by a look at the queue, long before its time is over, and counted;
    the drive is not reset for that. On an idle drive nobody looks."""
    with loaded(vm, io_timeout=_SLOW) as addr:
        before = _resets(vm)
        text = pattern("without interrupts", 64 << 10)
        with _vectors_masked(vm, addr):
            result = vm.run(f"dd of={DISK} bs=64k iflag=fullblock oflag=direct", 60, stdin=text)
            # Two periods of the look, and a bit; the write, and what udev reads.
            assert result.seconds < 3 * vm.scale, str(result)
            first = _lost(vm, addr)
            assert first >= 1
            _log_says(vm, "no interrupt told of a completion, found by a look")
            writes = fio("masked", rw="randwrite", size="1m", io_size="64k", iodepth=16, verify="crc32c")
            vm.run(f"{writes} --verify_state_save=0", 60)
            assert _lost(vm, addr) > first
            # Admin commands, too.
            assert vm.run(f"nvme id-ctrl {CTRL}", 60).seconds < 5 * vm.scale
        assert vm.host_bytes(0, 512) != bytes(512)
        exchange(vm, "interrupts come again")
        last = _lost(vm, addr)
        exchange(vm, "and go on to come")
        assert _lost(vm, addr) == last, "a look has found what an interrupt told of"
        assert _resets(vm) == before
        time.sleep(1)
        assert _looks(vm, f"dd if={DISK} of=/dev/null bs=4k count=1 iflag=direct; sleep 0.5") > 0
        time.sleep(1)
        assert _looks(vm, "sleep 1") == 0, "somebody looks at an idle drive"


def _looks(vm: Vm, command: str) -> int:
    """How often a work item of the driver runs during a command."""
    trace, event = "/sys/kernel/tracing", "events/workqueue/workqueue_execute_start"
    vm.run(f"echo >{trace}/trace; echo 1 >{trace}/{event}/enable; {command}; echo 0 >{trace}/{event}/enable")
    return int(vm.run(f"grep -c 'function.*rnvme' {trace}/trace", check=False).out)


@pytest.mark.allow_log(r"rnvme: rnvme\d+ [0-9a-f:.]+: resetting: asked for by a user")
def test_no_interrupts_while_it_comes_up(vm: Vm) -> None:
    """Vectors stay masked while the drive is reset: it comes up all the same, only slower."""
    with loaded(vm, io_timeout=_SLOW) as addr, _vectors_masked(vm, addr):
        result = vm.run("echo 1 >/sys/class/rnvme/rnvme0/reset_controller", 60)
        assert result.seconds < 10 * vm.scale and state(vm) == "live"
        vm.run(f"dd if={DISK} of=/dev/null bs=4k count=1 iflag=direct")


@pytest.mark.parametrize("during", ["at once", "after a reset"])
def test_unload_with_a_drive_that_stalls(vm: Vm, during: str) -> None:
    vm.insmod(claim_all=True, io_timeout=_TIMEOUT)
    before = _resets(vm)
    running = load(vm, "load", iodepth=32)
    with brake.stalled(vm):
        if during == "after a reset":
            vm.wait_until(lambda: _resets(vm) > before, 3 * _NOTICED, "a reset")
        started = time.monotonic()
        unbind(vm, address(vm), 60)
        assert time.monotonic() - started < (3 * _NOTICED + 5) * vm.scale
        running.broke_off()
        vm.run("rmmod rnvme", 30)
    with loaded(vm):
        exchange(vm, "loaded again")


@pytest.mark.parametrize("forbidden", ["memory of the host", "its registers and memory of the host"])
def test_access_is_taken_away(vm: Vm, forbidden: str) -> None:
    """Somebody switches off bus mastering, and perhaps the registers, under load: a reset mends it."""
    with loaded(vm, io_timeout=_TIMEOUT) as addr:
        before = _resets(vm)
        running = load(vm, "load", rw="randwrite", size="16m", verify="crc32c", verify_backlog=64)
        command = command_register(vm, addr) & ~BUS_MASTER
        if "registers" in forbidden:
            command = 0
        vm.run(f"setpci -s {addr} COMMAND={command:x}")
        vm.wait_until(lambda: _resets(vm) > before, 3 * _NOTICED, "a reset")
        running.stop()
        assert state(vm) == "live" and command_register(vm, addr) & BUS_MASTER
        exchange(vm, "it answers again")
