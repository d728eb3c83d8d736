# SPDX-License-Identifier: GPL-2.0
"""A drive slower than the time-out: it is stopped, then everything fails, and nobody waits for ever.

Recovery without loss is a later matter; after a new bind all is well again.
"""

from __future__ import annotations

import errno
import json
import time

import brake
import pytest
from lifecycle import (
    CTRL,
    DISK,
    DISK_GOES,
    GUEST,
    IO,
    MIB,
    SHUTDOWN,
    STARTED,
    STOPPED,
    bind,
    driver_of,
    exchange,
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
#: blk-mq looks at its clocks about once a second, and rounds up.
_NOTICED = _TIMEOUT + 4
_WITNESS = "virtio_blk_handle_read"
_SAYS = (
    r"rnvme: rnvme\d+ [0-9a-f:.]+: queue \d+: no answer in time to .*; stopping the controller",
    r"rnvme: rnvme\d+ [0-9a-f:.]+: stopped; all commands failed\. Unbind and bind the device to try again",
)

pytestmark = [
    pytest.mark.machine(
        ctrls=[NvmeCtrl([brake.namespace()])],
        qemu_args=(*brake.ARGS, *trace(SHUTDOWN, STARTED, STOPPED, IO, "pci_nvme_mmio_cfg", _WITNESS)),
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


def _log_says_so(vm: Vm, what: str) -> None:
    vm.sync_log()
    recent = [record.text for record in vm.log.records()[-200:]]
    assert any(what in text and "no answer in time" in text for text in recent), "\n".join(recent[-20:])
    assert any("stopped; all commands failed" in text for text in recent), "\n".join(recent[-20:])


def _serves_after_bind(vm: Vm, addr: str) -> None:
    unbind(vm, addr, 15)
    bind(vm, addr)
    assert state(vm) == "live"
    exchange(vm, "bound again")


def test_load_on_a_drive_that_stalls(vm: Vm) -> None:
    text = pattern("before the stall", 4 * MIB)
    with loaded(vm, io_timeout=_TIMEOUT) as addr:
        vm.run(f"dd of={DISK} bs=64k seek=256 iflag=fullblock oflag=direct", stdin=text)
        running = load(vm, "load", size="16m", iodepth=64)
        with brake.stalled(vm):
            started = time.monotonic()
            vm.wait_until(lambda: _is_dead(vm), _NOTICED, "the end of the controller")
            running.broke_off()
            assert time.monotonic() - started < _NOTICED * vm.scale + 10
            _log_says_so(vm, "")
            _stays_dead(vm)
        _serves_after_bind(vm, addr)
        assert vm.host_bytes(16 * MIB, len(text)) == text


def test_nothing_ends_before_the_controller_is_stopped(vm: Vm) -> None:
    """A program that is told of a failure reads a page of another disk, which QEMU sees.

    In QEMU's log, the first of these reads comes after CC.EN was cleared and CSTS.RDY was 0: no
    memory was given back while the drive could still write to it.
    """
    with loaded(vm, io_timeout=_TIMEOUT) as addr:
        vm.write_file("/run/witness.py", (GUEST / "lifecycle_witness.py").read_bytes())
        with brake.stalled(vm):
            before = len(traced(vm))
            answers = json.loads(vm.run(f"python3 /run/witness.py {DISK} /dev/vda 16", 60).out)
        # One may have been let through.
        failed = [answer for answer in answers if answer["errno"] != 0]
        assert len(failed) >= len(answers) - 1
        assert {answer["errno"] for answer in failed} == {errno.ETIMEDOUT}
        assert max(answer["seconds"] for answer in failed) < _NOTICED * vm.scale + 5
        events = traced(vm)[before:]
        sectors = {f" sector {answer['sector']} " for answer in failed}
        reads = [
            n
            for n, event in enumerate(events)
            if event.startswith(_WITNESS) and any(s in event for s in sectors)
        ]
        commands = [n for n, event in enumerate(events) if event.startswith(IO)]
        cleared = [
            n
            for n, event in enumerate(events)
            if event.startswith("pci_nvme_mmio_cfg") and _enable_is_0(event)
        ]
        stopped = [n for n, event in enumerate(events) if event.startswith(STOPPED)]
        count = len(failed)
        assert len(reads) == len(sectors) == count and len(commands) >= count, f"{reads}, {commands}"
        assert cleared and stopped and commands[count - 1] < cleared[0] < stopped[0] < reads[0]
        _serves_after_bind(vm, addr)


def _enable_is_0(event: str) -> bool:
    """Whether this write to CC has EN clear: the value is the last word."""
    return not int(event.rsplit("=", maxsplit=1)[-1].rsplit(maxsplit=1)[-1], 16) & 1


def test_time_out_of_an_admin_command(vm: Vm) -> None:
    """The admin queue is taken back, too. A user may give a command more time than usual, not less."""
    with loaded(vm, admin_timeout=_TIMEOUT) as addr:
        with brake.stalled(vm):
            result = vm.run(f"nvme format {CTRL} --namespace-id=1 --timeout=100 --force", 60, check=False)
            assert result.rc != 0, str(result)
            assert _TIMEOUT <= result.seconds < _NOTICED * vm.scale + 5
            vm.wait_until(lambda: _is_dead(vm), 5, "the end of the controller")
            _log_says_so(vm, "queue 0")
            _stays_dead(vm)
        _serves_after_bind(vm, addr)


def test_time_out_while_the_disk_appears(vm: Vm) -> None:
    """The first reads, for the partition table, are not answered: binding ends all the same."""
    with loaded(vm, io_timeout=_TIMEOUT) as addr:
        unbind(vm, addr)
        brake.set_speed(vm, 1)
        try:
            result = vm.run(f"echo {addr} >/sys/bus/pci/drivers/rnvme/bind", 60, check=False)
            assert result.seconds < 3 * _NOTICED * vm.scale
            if driver_of(vm, addr) == "rnvme":
                _stays_dead(vm)
                unbind(vm, addr, 15)
        finally:
            brake.set_speed(vm, 0)
        bind(vm, addr)
        exchange(vm, "bound again")


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


@pytest.mark.parametrize("during", ["at once", "after the time-out"])
def test_unload_with_a_drive_that_stalls(vm: Vm, during: str) -> None:
    vm.insmod(claim_all=True, io_timeout=_TIMEOUT)
    running = load(vm, "load", iodepth=32)
    with brake.stalled(vm):
        if during == "after the time-out":
            vm.wait_until(lambda: _is_dead(vm), _NOTICED, "the end of the controller")
        running.broke_off()
        started = time.monotonic()
        vm.run("rmmod rnvme", 30)
        assert time.monotonic() - started < 15 * vm.scale
    with loaded(vm):
        exchange(vm, "loaded again")


def test_no_memory_access(vm: Vm) -> None:
    """Bus mastering is taken away under load, as a broken link would: same end, and a way back."""
    with loaded(vm, io_timeout=_TIMEOUT) as addr:
        running = load(vm, "load")
        command = int(vm.run(f"setpci -s {addr} COMMAND").out, 16)
        vm.run(f"setpci -s {addr} COMMAND={command & ~4:x}")
        vm.wait_until(lambda: _is_dead(vm), _NOTICED, "the end of the controller")
        running.broke_off()
        _stays_dead(vm)
        _serves_after_bind(vm, addr)


def test_no_registers(vm: Vm) -> None:
    """The registers read as ones under load: the drive is gone, and the time-out notices."""
    with loaded(vm, io_timeout=_TIMEOUT) as addr:
        running = load(vm, "load")
        vm.run(f"setpci -s {addr} COMMAND=0")
        vm.wait_until(lambda: _is_dead(vm), _NOTICED, "the end of the controller")
        running.broke_off()
        _stays_dead(vm)
        _serves_after_bind(vm, addr)
