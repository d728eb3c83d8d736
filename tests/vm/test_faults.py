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

import pytest
from faults import (
    ALWAYS,
    ANYTHING,
    FILES,
    LIVE,
    RESET,
    Fault,
    comes_back,
    loaded,
    log_place,
    machine,
    said_since,
    set_point,
    strike,
    struck,
)
from lifecycle import DISK, DISK_GOES, bind, driver_of, exchange, fio, load, state, unbind
from rnvme_vm import Vm, number
from rnvme_vm.images import module

_SEED = 20240411

pytestmark = [
    machine,
    # Each test looks for the line that is right. The kernel says the rest.
    pytest.mark.allow_log(*DISK_GOES, *ANYTHING),
]


def test_under_load(vm: Vm) -> None:
    """fio verifies what it writes meanwhile, and sees no error."""
    with loaded(vm):
        running = load(vm, "load", rw="randwrite", size="16m", verify="crc32c", verify_backlog=64)
        for fault in LIVE:
            if not fault.dies:
                started = time.monotonic()
                strike(vm, fault)
                print(f"{fault.point}: {time.monotonic() - started:.1f} s")
        running.stop()
        exchange(vm, "all faults past")


@pytest.mark.parametrize("fault", [fault for fault in LIVE if fault.dies], ids=lambda fault: fault.point)
def test_death_under_load(vm: Vm, fault: Fault) -> None:
    """All I/O ends with an error, an unbind leaves nothing, and the drive can be bound anew."""
    with loaded(vm) as addr:
        running = load(vm, "load", rw="randwrite", size="16m")
        strike(vm, fault)
        running.broke_off()
        comes_back(vm, addr)
        exchange(vm, f"after {fault.point}")


def test_small_lists(vm: Vm) -> None:
    """PRP lists that go on in a second page: the data are where they belong."""
    with loaded(vm):
        set_point(vm, "small_lists", ALWAYS)
        exchange(vm, "before", length=4 << 20)
        writes = fio("small", rw="randwrite", size="16m", bs="512k", iodepth=8, verify="crc32c")
        vm.run(f"{writes} --verify_state_save=0", 60)
        assert struck(vm, "small_lists") >= 32, "these lists were not chained"


BRING_UP = (
    Fault("never_ready", "not ready 300 ms after CC.EN was set", ALWAYS, dies=True),
    Fault("stuck_ready", "still ready 300 ms after CC.EN was cleared", ALWAYS, dies=True),
    Fault("gone", "the device does not answer (registers read as all ones)", dies=True),
    Fault("fatal", "the controller reports a fatal status", ALWAYS, 1, dies=True),
    Fault("query_refused", "Identify Controller failed: Internal Error", dies=True),
    Fault("query_nonsense", "are not supported (SQES, CQES)", dies=True),
    Fault("one_queue", "1 I/O queues of"),
    Fault("create_refused", "Create I/O Queue failed: Internal Error", dies=True),
    Fault("create_refused", "going on with 1 I/O queues", 1, 2),
    Fault("admin_drop", "queue 0: no answer in time", dies=True),
    Fault("admin_corrupt", "which is not outstanding: ignored", dies=True),
    Fault("admin_duplicate", "which is not outstanding: ignored"),
    Fault("admin_interrupt", "no interrupt told of a completion", ALWAYS),
    Fault("admin_delay", "I/O queues of", 2),
)


def test_while_it_comes_up(vm: Vm) -> None:
    """Either it is there and serves, or nothing of it is left, and the log says why."""
    with loaded(vm) as addr:
        for fault in BRING_UP:
            unbind(vm, addr)
            place, before = log_place(vm), struck(vm, fault.point)
            set_point(vm, fault.point, fault.count, fault.skip)
            result = bind(vm, addr, check=False)
            said = said_since(vm, place)
            assert struck(vm, fault.point) > before, str(fault)
            assert (result.rc != 0) == fault.dies, f"{fault}: {result}"
            assert (driver_of(vm, addr) is None) == fault.dies, str(fault)
            assert fault.says in said, f"{fault}: {said}"
            comes_back(vm, addr)
            vm.run(f"dd if={DISK} of=/dev/null bs=64k count=4 iflag=direct status=none")
        exchange(vm, "all faults past")


def test_replies_that_lie(vm: Vm) -> None:
    """Later replies, too: there is a disk or not, and an unbind undoes all of it."""
    with loaded(vm) as addr:
        unbind(vm, addr)
        for skip in range(number("fault_replies")):
            for point in ("query_nonsense", "query_refused"):
                before = struck(vm, point)
                set_point(vm, point, 1, skip)
                bind(vm, addr, check=False)
                assert struck(vm, point) == before + 1, f"{point}: fewer than {skip + 1} queries"
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
    with loaded(vm) as addr:
        points = [point for point in vm.run(f"ls {FILES}").out.split() if point != "ready_ms"]
        tested = {fault.point for fault in (*LIVE, *BRING_UP)} | {"small_lists"}
        assert tested == set(points), "a point without a test"
        for step in range(number("fault_steps")):
            for point in dice.sample(points, dice.choice((1, 1, 2))):
                count, skip = dice.choice((1, 1, 2, 5, 50)), dice.choice((0, 0, 1, 3, 10))
                print(f"{step}: {point} {count} {skip}")
                set_point(vm, point, count, skip)
            writes = fio(
                "step", rw="randwrite", size="4m", io_size="512k", verify="crc32c", allow_file_create=0
            )
            job = vm.spawn(f"{writes} --verify_state_save=0", 120)
            if (action := dice.choice(("", "", "reset", "rebind"))) and driver_of(vm, addr) == "rnvme":
                print(f"{step}: {action}")
                if action == "reset":
                    vm.run(RESET, 120, check=False)
                else:
                    unbind(vm, addr, 60)
                    bind(vm, addr, check=False)
            result = job.wait(120, check=False)
            errors = {int(text) for text in re.findall(r"err=\s*(\d+)", result.out + result.err)}
            assert errors <= _ERRORS and "verify:" not in result.err, f"{errors}: {result}"
            if driver_of(vm, addr) != "rnvme" or state(vm) == "dead":
                comes_back(vm, addr)
        started = time.monotonic()
        comes_back(vm, addr)
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
