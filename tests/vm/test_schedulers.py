# SPDX-License-Identifier: GPL-2.0
"""I/O schedulers, which change under load: they put requests of their own between program and queue."""

from __future__ import annotations

import fio
import pytest
from drives import MIB, Drives, loaded
from rnvme_vm import Job, Vm, number
from test_formats import several, works

# Only the first controller's four namespaces, on one queue, have work to do here.
pytestmark = [
    several,
    pytest.mark.allow_log(r"^rnvme: rnvme\d+ [0-9a-f:.]+: namespace [2345]: no disk: "),
]
FOUR = [(0, 1), (0, 3), (0, 7), (0, 200)]
SCHEDULERS = ("none", "mq-deadline", "bfq", "kyber")


@pytest.fixture(autouse=True)
def modules(vm: Vm) -> None:
    """The schedulers that are not built in."""
    vm.run("modprobe -a bfq kyber-iosched")


def _switch(vm: Vm, drives: Drives, place: int, nsid: int, scheduler: str) -> None:
    file = f"{drives.sysfs(nsid, place)}/queue/scheduler"
    vm.run(f"echo {scheduler} >{file}", timeout=120)
    assert f"[{scheduler}]" in vm.run(f"cat {file}").out


def _start(vm: Vm, todo: list[fio.Work]) -> list[Job]:
    return [fio.start(vm, work, ioengine="io_uring", iodepth=64, direct=1, fsync=16) for work in todo]


@pytest.mark.parametrize("scheduler", SCHEDULERS)
def test_four_namespaces_on_one_queue(vm: Vm, scheduler: str) -> None:
    with loaded(vm) as drives:
        for place, nsid in FOUR:
            _switch(vm, drives, place, nsid, scheduler)
            assert vm.run(f"ls {drives.sysfs(nsid, place)}/mq").out.split() == ["0"]
        todo = works(vm, drives, FOUR)
        for job in _start(vm, todo):
            job.wait()
        fio.verify_image(*todo)


def test_switched_under_load(vm: Vm) -> None:
    rounds = number("scheduler_rounds")
    with loaded(vm) as drives:
        todo = works(vm, drives, FOUR, number("scheduler_mib") * MIB)
        jobs = _start(vm, todo)
        switched = 0
        for round_ in range(rounds):
            for place, nsid in FOUR:
                _switch(vm, drives, place, nsid, SCHEDULERS[(round_ + nsid) % len(SCHEDULERS)])
                switched += any(job.poll() is None for job in jobs)
        assert switched >= len(SCHEDULERS), f"only {switched} changes under load: raise scheduler_mib"
        for job in jobs:
            job.wait()
        fio.verify_image(*todo)
