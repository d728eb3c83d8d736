# SPDX-License-Identifier: GPL-2.0
"""The driver's fault points (nvme/fault.rs): how a test sets them, and what follows from each."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass

import pytest
from lifecycle import DISK, address, bind, driver_of, state, unbind
from rnvme_vm import NvmeCtrl, NvmeNs, Vm

FILES = "/sys/kernel/debug/rnvme/fault"
#: Time-outs of commands, in seconds.
_TIMES = {"io_timeout": 1, "admin_timeout": 1}
#: For as long as the fault is set.
ALWAYS = 1_000_000
RESET = "echo 1 >/sys/class/rnvme/rnvme0/reset_controller"


#: A module with fault points, and one drive.
machine = pytest.mark.machine(ctrls=[NvmeCtrl([NvmeNs(64 << 20)])], faults=True)
#: Whatever the driver says.
ANYTHING = (r"^rnvme: rnvme\d+(n\d+)?[ :]", r"^rnvme [0-9a-f:.]+: ")


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


def set_point(vm: Vm, point: str, count: int, skip: int = 0) -> None:
    """Lets so many chances of the point go by; then it strikes so often."""
    vm.run(f"echo {count} {skip} >{FILES}/{point}")


def struck(vm: Vm, point: str) -> int:
    """How often it struck so far."""
    return int(vm.run(f"cat {FILES}/{point}").out.split()[-1])


def clear(vm: Vm) -> None:
    """No point strikes any more; waits for CSTS.RDY are short all the same."""
    vm.run(f"for file in {FILES}/*; do echo 0 >$file; done; echo 300 >{FILES}/ready_ms")


@contextmanager
def loaded(vm: Vm) -> Iterator[str]:
    """The module, with commands that time out soon; unloaded afterwards. The value is the drive's address."""
    vm.insmod(claim_all=True, **_TIMES)
    vm.run(f"test -b {DISK}")
    clear(vm)
    yield address(vm)
    clear(vm)
    vm.run("rmmod rnvme")


def said_since(vm: Vm, place: int) -> str:
    """What the kernel logged from this place on."""
    vm.sync_log()
    return "\n".join(record.text for record in vm.log.records()[place:])


def log_place(vm: Vm) -> int:
    """The place in its log now."""
    vm.sync_log()
    return len(vm.log.records())


#: Those of a controller that is live.
LIVE = (
    Fault("io_interrupt", "no interrupt told of a completion", ALWAYS),
    Fault("io_drop", "resetting: a command was not completed in time"),
    Fault("io_drop", "resetting: the controller reports a fatal status", ALWAYS, beside="fatal"),
    Fault("io_duplicate", "which is not outstanding: ignored", 3),
    Fault("io_corrupt", "which is not outstanding: ignored"),
    Fault("admin_interrupt", "reset done", ALWAYS, action=RESET),
    Fault("admin_drop", "queue 0: no answer in time", action=RESET),
    Fault("admin_duplicate", "which is not outstanding: ignored", action=RESET),
    Fault("admin_corrupt", "which is not outstanding: ignored", action=RESET),
    Fault("admin_delay", "reset done", 2, action=RESET),
    Fault("never_ready", "reset failed: not ready 300 ms after", ALWAYS, action=RESET),
    Fault("stuck_ready", "reset failed: still ready 300 ms after", ALWAYS, action=RESET),
    Fault("fatal", "reset failed: the controller reports a fatal status", ALWAYS, action=RESET),
    Fault("gone", "the device does not answer (registers read as all ones)", ALWAYS, 1, RESET, dies=True),
    Fault("query_refused", "Identify Controller failed: Internal Error", action=RESET),
    Fault("query_nonsense", "the drive is another one than before: dead", action=RESET, dies=True),
    Fault("one_queue", "reset failed: 1 I/O queues only", action=RESET),
    Fault("create_refused", "reset failed: 1 I/O queues only", 1, 2, action=RESET),
)


def strike(vm: Vm, fault: Fault) -> None:
    """The fault happens, the log says so, and the controller is live again, or dead."""
    place, before = log_place(vm), struck(vm, fault.point)
    if fault.beside:
        set_point(vm, fault.beside, ALWAYS)
    set_point(vm, fault.point, fault.count, fault.skip)
    action = vm.spawn(fault.action, 120) if fault.action else None
    vm.wait_until(lambda: fault.says in said_since(vm, place), 30, f"{fault}")
    assert struck(vm, fault.point) > before, str(fault)
    clear(vm)
    if action:
        result = action.wait(60, check=False)
        assert (result.rc != 0) == fault.dies, f"{fault}: {result}"
    vm.wait_until(lambda: state(vm) == ("dead" if fault.dies else "live"), 30, f"the end of {fault}")


def comes_back(vm: Vm, addr: str) -> None:
    """Nothing is set any more: it is live, at the latest after it was bound anew."""
    clear(vm)
    if driver_of(vm, addr) == "rnvme":
        vm.wait_until(lambda: state(vm) in ("live", "dead"), 60, "the end of a reset")
        if state(vm) == "live" and vm.run(f"test -b {DISK}", check=False).rc == 0:
            return
        unbind(vm, addr, 60)
    bind(vm, addr)
    assert state(vm) == "live"
