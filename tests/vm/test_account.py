# SPDX-License-Identifier: GPL-2.0
"""Nothing lost, nothing doubled: each I/O has a number, and is accounted for exactly once, whatever
happens to its controller.

Acknowledged: its data are there, or those of a later write. Failed: the old data or the new ones, and
no longer in doubt once somebody has read them. None is answered twice, none never (guest/account.c).
"""

from __future__ import annotations

import random

import brake
import pytest
from account import Accounting
from faults import ANYTHING, LIVE, RESET, comes_back, strike
from faults import loaded as loaded_with_faults
from faults import machine as with_faults
from lifecycle import CTRL, DISK, DISK_GOES, MIB, PULLABLE, bind, loaded, pulled, resets, state, unbind
from rnvme_vm import NvmeCtrl, Vm, number

_SEED = 19450716
_TIMEOUT = 2

pytestmark = [
    pytest.mark.timeout(4 * 3600),
    # The last: the program opens a node whose disk has just gone.
    pytest.mark.allow_log(*DISK_GOES, *ANYTHING, r"^block device autoloading is deprecated"),
]


def _function_reset(addr: str) -> str:
    return f"echo 1 >/sys/bus/pci/devices/{addr}/reset"


def test_resets(vm: Vm) -> None:
    """From each source, and from all at once: no I/O fails."""
    with loaded(vm) as addr:
        accounting = Accounting(vm)
        sources = [RESET, f"nvme reset {CTRL}", _function_reset(addr)]
        for _ in range(number("account_rounds")):
            for source in sources:
                before = resets(vm)
                vm.run(source, 30)
                assert resets(vm) == before + 1
                accounting.goes_on()
            for job in [vm.spawn(source, 60) for source in sources]:
                job.wait(60, check=False)
            vm.wait_until(lambda: state(vm) == "live", 20, "the end of the last reset")
            accounting.goes_on()
        accounting.finish()


def _unbind(vm: Vm, addr: str, accounting: Accounting) -> None:
    unbind(vm, addr)
    accounting.lets_go()


def _remove_and_find(vm: Vm, addr: str, accounting: Accounting) -> None:
    vm.run(f"echo 1 >/sys/bus/pci/devices/{addr}/remove", 30)
    accounting.lets_go()
    vm.run("echo 1 >/sys/bus/pci/rescan", 30)
    vm.wait_until(lambda: vm.run(f"test -b {DISK}", check=False).rc == 0, 20, DISK)


def test_comes_and_goes(vm: Vm) -> None:
    """Unbound and bound, removed and found again: what fails is accounted for, too."""
    with loaded(vm) as addr:
        accounting = Accounting(vm, errors=True)
        for _ in range(number("account_rounds")):
            _unbind(vm, addr, accounting)
            bind(vm, addr)
            accounting.goes_on()
            _remove_and_find(vm, addr, accounting)
            accounting.goes_on()
            reset = vm.spawn(RESET, 60)
            _unbind(vm, addr, accounting)
            reset.wait(60, check=False)
            bind(vm, addr)
            accounting.goes_on()
        assert accounting.finish()["failed"] > 0, "no I/O was under way"


@pytest.mark.machine(qemu_args=PULLABLE)
def test_surprise(vm: Vm) -> None:
    """Pulled, which a removal notices, or a time-out."""
    with loaded(vm, io_timeout=_TIMEOUT) as addr:
        accounting = Accounting(vm, errors=True)
        for _ in range(number("account_rounds")):
            with pulled(vm, addr):
                _unbind(vm, addr, accounting)
            bind(vm, addr)
            accounting.goes_on()
            with pulled(vm, addr):
                vm.wait_until(lambda: state(vm) == "dead", 5 * _TIMEOUT, "the end of the controller")
                _unbind(vm, addr, accounting)
            bind(vm, addr)
            accounting.goes_on()
        assert accounting.finish()["failed"] > 0, "no I/O was under way"


@with_faults
def test_faults(vm: Vm) -> None:
    """Interrupts and completions that are lost, doubled and spoiled: no I/O fails."""
    with loaded_with_faults(vm):
        accounting = Accounting(vm)
        for _ in range(number("account_rounds")):
            for fault in LIVE:
                if fault.point.startswith("io_"):
                    strike(vm, fault)
                    accounting.goes_on()
        accounting.finish()


@pytest.mark.soak
@with_faults
def test_anything(vm: Vm) -> None:
    """In a random order, all that may happen to a controller that is in use."""
    dice = random.Random(_SEED)
    print(f"seed {_SEED}")
    with loaded_with_faults(vm) as addr:
        accounting = Accounting(vm, _SEED, errors=True)
        for step in range(number("account_steps")):
            what = dice.choice(("reset", "function", "unbind", "remove", *LIVE))
            print(f"{step}: {what}")
            if what == "reset":
                vm.run(RESET, 60)
            elif what == "function":
                vm.run(_function_reset(addr), 60)
            elif what == "unbind":
                _unbind(vm, addr, accounting)
            elif what == "remove":
                _remove_and_find(vm, addr, accounting)
            else:
                strike(vm, what)
            comes_back(vm, addr)
            accounting.goes_on()
        accounting.finish()


@pytest.mark.soak
@pytest.mark.machine(ctrls=[NvmeCtrl([brake.namespace()])], qemu_args=brake.ARGS)
def test_time_outs(vm: Vm) -> None:
    """Commands that a drive sits on are aborted, or taken back by a reset: no I/O fails."""
    with loaded(vm, io_timeout=_TIMEOUT):
        accounting = Accounting(vm)
        for _ in range(number("account_rounds")):
            before = resets(vm)
            with brake.stalled(vm):
                vm.wait_until(lambda before=before: resets(vm) > before, 30, "a reset")
            accounting.goes_on()
        accounting.finish()


def test_it_notices(vm: Vm) -> None:
    """The accounting is good for something: data that nobody wrote are found, and a lost write is."""
    with loaded(vm):
        for what, wrong in (("nobody's", b"x" * MIB), ("old", bytes(MIB))):
            accounting = Accounting(vm)
            accounting.goes_on(2000)
            vm.disk().write(48 * MIB, wrong)
            with pytest.raises(AssertionError, match="not all is accounted for"):
                accounting.finish()
            print(what)
