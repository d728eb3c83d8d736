# SPDX-License-Identifier: GPL-2.0
"""What no emulated device does: completions that are lost, doubled or spoiled, interrupts that do not
come, registers and replies that lie. The driver has fault points for it (nvme/fault.rs), in a module
of its own.

No fault loses data or hangs anybody: the controller comes back by a reset, or is dead and bound anew.
"""

from __future__ import annotations

import errno
import random
import re
import subprocess
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass

import pytest
from lifecycle import DISK, DISK_GOES, address, bind, driver_of, exchange, fio, load, state, unbind
from rnvme_vm import NvmeCtrl, NvmeNs, Vm, number
from rnvme_vm.images import module

_FILES = "/sys/kernel/debug/rnvme/fault"
#: Time-outs of commands, in seconds.
_TIMES = {"io_timeout": 1, "admin_timeout": 1}
#: For as long as the fault is set.
_ALWAYS = 1_000_000
_RESET = "echo 1 >/sys/class/rnvme/rnvme0/reset_controller"
_SEED = 20240411

pytestmark = [
    pytest.mark.machine(ctrls=[NvmeCtrl([NvmeNs(64 << 20)])], faults=True),
    # Whatever the driver says; each test looks for the line that is right. The kernel says the rest.
    pytest.mark.allow_log(*DISK_GOES, r"^rnvme: rnvme\d+(n\d+)?[ :]", r"^rnvme [0-9a-f:.]+: "),
]


@dataclass(frozen=True)
class Fault:
    """A fault point, how often it strikes, and what follows from it."""

    point: str
    says: str
    count: int = 1
    skip: int = 0
    #: What lets it strike; under load nothing is needed.
    action: str = ""
    #: The controller does not come back by itself.
    dies: bool = False
    #: Another point that strikes with it.
    beside: str = ""


def _set(vm: Vm, point: str, count: int, skip: int = 0) -> None:
    vm.run(f"echo {count} {skip} >{_FILES}/{point}")


def _struck(vm: Vm, point: str) -> int:
    return int(vm.run(f"cat {_FILES}/{point}").out.split()[-1])


def _clear(vm: Vm) -> None:
    """No point strikes any more; waits for CSTS.RDY are short all the same."""
    vm.run(f"for file in {_FILES}/*; do echo 0 >$file; done; echo 300 >{_FILES}/ready_ms")


@contextmanager
def _loaded(vm: Vm) -> Iterator[str]:
    vm.insmod(claim_all=True, **_TIMES)
    vm.run(f"test -b {DISK}")
    _clear(vm)
    yield address(vm)
    _clear(vm)
    vm.run("rmmod rnvme")


def _said_since(vm: Vm, place: int) -> str:
    vm.sync_log()
    return "\n".join(record.text for record in vm.log.records()[place:])


def _place(vm: Vm) -> int:
    vm.sync_log()
    return len(vm.log.records())


def _comes_back(vm: Vm, addr: str) -> None:
    """Nothing is set any more: it is live, at the latest after it was bound anew."""
    _clear(vm)
    if driver_of(vm, addr) == "rnvme":
        vm.wait_until(lambda: state(vm) in ("live", "dead"), 60, "the end of a reset")
        if state(vm) == "live" and vm.run(f"test -b {DISK}", check=False).rc == 0:
            return
        unbind(vm, addr, 60)
    bind(vm, addr)
    assert state(vm) == "live"


LIVE = (
    Fault("io_interrupt", "no interrupt told of a completion", _ALWAYS),
    Fault("io_drop", "resetting: a command was not completed in time"),
    Fault("io_drop", "resetting: the controller reports a fatal status", _ALWAYS, beside="fatal"),
    Fault("io_duplicate", "which is not outstanding: ignored", 3),
    Fault("io_corrupt", "which is not outstanding: ignored"),
    Fault("admin_interrupt", "reset done", _ALWAYS, action=_RESET),
    Fault("admin_drop", "queue 0: no answer in time", action=_RESET),
    Fault("admin_duplicate", "which is not outstanding: ignored", action=_RESET),
    Fault("admin_corrupt", "which is not outstanding: ignored", action=_RESET),
    Fault("admin_delay", "reset done", 2, action=_RESET),
    Fault("never_ready", "reset failed: not ready 300 ms after", _ALWAYS, action=_RESET),
    Fault("stuck_ready", "reset failed: still ready 300 ms after", _ALWAYS, action=_RESET),
    Fault("fatal", "reset failed: the controller reports a fatal status", _ALWAYS, action=_RESET),
    Fault("gone", "the device does not answer (registers read as all ones)", _ALWAYS, 1, _RESET, dies=True),
    Fault("query_refused", "Identify Controller failed: Internal Error", action=_RESET),
    Fault("query_nonsense", "the drive is another one than before: dead", action=_RESET, dies=True),
    Fault("one_queue", "reset failed: 1 I/O queues only", action=_RESET),
    Fault("create_refused", "reset failed: 1 I/O queues only", 1, 2, action=_RESET),
)


def _strike(vm: Vm, fault: Fault) -> None:
    """The fault happens, the log says so, and the controller is live again, or dead."""
    place, before = _place(vm), _struck(vm, fault.point)
    if fault.beside:
        _set(vm, fault.beside, _ALWAYS)
    _set(vm, fault.point, fault.count, fault.skip)
    action = vm.spawn(fault.action, 120) if fault.action else None
    vm.wait_until(lambda: fault.says in _said_since(vm, place), 30, f"{fault}")
    assert _struck(vm, fault.point) > before, str(fault)
    _clear(vm)
    if action:
        result = action.wait(60, check=False)
        assert (result.rc != 0) == fault.dies, f"{fault}: {result}"
    vm.wait_until(lambda: state(vm) == ("dead" if fault.dies else "live"), 30, f"the end of {fault}")


def test_under_load(vm: Vm) -> None:
    """fio verifies what it writes meanwhile, and sees no error."""
    with _loaded(vm):
        running = load(vm, "load", rw="randwrite", size="16m", verify="crc32c", verify_backlog=64)
        for fault in LIVE:
            if not fault.dies:
                started = time.monotonic()
                _strike(vm, fault)
                print(f"{fault.point}: {time.monotonic() - started:.1f} s")
        running.stop()
        exchange(vm, "all faults past")


@pytest.mark.parametrize("fault", [fault for fault in LIVE if fault.dies], ids=lambda fault: fault.point)
def test_death_under_load(vm: Vm, fault: Fault) -> None:
    """All I/O ends with an error, an unbind leaves nothing, and the drive can be bound anew."""
    with _loaded(vm) as addr:
        running = load(vm, "load", rw="randwrite", size="16m")
        _strike(vm, fault)
        running.broke_off()
        _comes_back(vm, addr)
        exchange(vm, f"after {fault.point}")


def test_small_lists(vm: Vm) -> None:
    """PRP lists that go on in a second page: the data are where they belong."""
    with _loaded(vm):
        _set(vm, "small_lists", _ALWAYS)
        exchange(vm, "before", length=4 << 20)
        writes = fio("small", rw="randwrite", size="16m", bs="512k", iodepth=8, verify="crc32c")
        vm.run(f"{writes} --verify_state_save=0", 60)
        assert _struck(vm, "small_lists") >= 32, "these lists were not chained"


BRING_UP = (
    Fault("never_ready", "not ready 300 ms after CC.EN was set", _ALWAYS, dies=True),
    Fault("stuck_ready", "still ready 300 ms after CC.EN was cleared", _ALWAYS, dies=True),
    Fault("gone", "the device does not answer (registers read as all ones)", dies=True),
    Fault("fatal", "the controller reports a fatal status", _ALWAYS, 1, dies=True),
    Fault("query_refused", "Identify Controller failed: Internal Error", dies=True),
    Fault("query_nonsense", "are not supported (SQES, CQES)", dies=True),
    Fault("one_queue", "1 I/O queues of"),
    Fault("create_refused", "Create I/O Queue failed: Internal Error", dies=True),
    Fault("create_refused", "going on with 1 I/O queues", 1, 2),
    Fault("admin_drop", "queue 0: no answer in time", dies=True),
    Fault("admin_corrupt", "which is not outstanding: ignored", dies=True),
    Fault("admin_duplicate", "which is not outstanding: ignored"),
    Fault("admin_interrupt", "no interrupt told of a completion", _ALWAYS),
    Fault("admin_delay", "I/O queues of", 2),
)


def test_while_it_comes_up(vm: Vm) -> None:
    """Either it is there and serves, or nothing of it is left, and the log says why."""
    with _loaded(vm) as addr:
        for fault in BRING_UP:
            unbind(vm, addr)
            place, before = _place(vm), _struck(vm, fault.point)
            _set(vm, fault.point, fault.count, fault.skip)
            result = bind(vm, addr, check=False)
            said = _said_since(vm, place)
            assert _struck(vm, fault.point) > before, str(fault)
            assert (result.rc != 0) == fault.dies, f"{fault}: {result}"
            assert (driver_of(vm, addr) is None) == fault.dies, str(fault)
            assert fault.says in said, f"{fault}: {said}"
            _comes_back(vm, addr)
            vm.run(f"dd if={DISK} of=/dev/null bs=64k count=4 iflag=direct status=none")
        exchange(vm, "all faults past")


def test_replies_that_lie(vm: Vm) -> None:
    """Later replies, too: there is a disk or not, and an unbind undoes all of it."""
    with _loaded(vm) as addr:
        unbind(vm, addr)
        for skip in range(number("fault_replies")):
            for point in ("query_nonsense", "query_refused"):
                before = _struck(vm, point)
                _set(vm, point, 1, skip)
                bind(vm, addr, check=False)
                assert _struck(vm, point) == before + 1, f"{point}: fewer than {skip + 1} queries"
                if driver_of(vm, addr) == "rnvme":
                    unbind(vm, addr)
        bind(vm, addr)
        exchange(vm, "it tells the truth again")


#: fio may see these, and never that data are wrong (EILSEQ).
_ERRORS = {
    0,
    errno.EIO,
    errno.ENXIO,
    errno.ENODEV,
    errno.ENOENT,
    errno.ENOSPC,
    errno.ETIMEDOUT,
    errno.ENODATA,
    errno.ENOLINK,
}


@pytest.mark.timeout(4 * 3600)
def test_random_faults(vm: Vm) -> None:
    """Any fault, at any time, one after the other or several at once, with resets and unbinds."""
    dice = random.Random(_SEED)
    print(f"seed {_SEED}")
    with _loaded(vm) as addr:
        points = [point for point in vm.run(f"ls {_FILES}").out.split() if point != "ready_ms"]
        tested = {fault.point for fault in (*LIVE, *BRING_UP)} | {"small_lists"}
        assert tested == set(points), "a point without a test"
        for step in range(number("fault_steps")):
            for point in dice.sample(points, dice.choice((1, 1, 2))):
                count, skip = dice.choice((1, 1, 2, 5, 50)), dice.choice((0, 0, 1, 3, 10))
                print(f"{step}: {point} {count} {skip}")
                _set(vm, point, count, skip)
            writes = fio(
                "step", rw="randwrite", size="4m", io_size="512k", verify="crc32c", allow_file_create=0
            )
            job = vm.spawn(f"{writes} --verify_state_save=0", 120)
            if (action := dice.choice(("", "", "reset", "rebind"))) and driver_of(vm, addr) == "rnvme":
                print(f"{step}: {action}")
                if action == "reset":
                    vm.run(_RESET, 120, check=False)
                else:
                    unbind(vm, addr, 60)
                    bind(vm, addr, check=False)
            result = job.wait(120, check=False)
            errors = {int(text) for text in re.findall(r"err=\s*(\d+)", result.out + result.err)}
            assert errors <= _ERRORS and "verify:" not in result.err, f"{errors}: {result}"
            if driver_of(vm, addr) != "rnvme" or state(vm) == "dead":
                _comes_back(vm, addr)
        started = time.monotonic()
        _comes_back(vm, addr)
        assert time.monotonic() - started < 60 * vm.scale
        exchange(vm, "after all of it")


def test_not_in_other_modules() -> None:
    """A normal build has nothing of it: no name of a point, no function."""
    for name, present in (("FAULTS=1", True), ("rnvme", False)):
        path = module("stock", name)
        listing = subprocess.run(["nm", path], capture_output=True, text=True, check=True).stdout
        assert ("5fault" in listing) == present, name
        contents = path.read_bytes()
        # Two of them are words of the language, too.
        for point in {fault.point for fault in (*LIVE, *BRING_UP)} - {"fatal", "gone"}:
            assert (point.encode() in contents) == present, f"{name}: {point}"
