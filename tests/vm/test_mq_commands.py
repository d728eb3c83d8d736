# SPDX-License-Identifier: GPL-2.0
"""Commands of a driver's own on mq/, in all the ways to execute one, and freezing, idle and under load."""

from __future__ import annotations

import mq_ram
import pytest
from rnvme_vm import Vm

pytestmark = mq_ram.machine()

#: The ways that ``ping`` of tests/mq knows.
WAYS = ["wait", "limit", "told", "head", "nowait", "reserved", "queue"]


@pytest.mark.kernels("stock", "debug")
@pytest.mark.parametrize("completion", ["inline", "interrupt"])
def test_ways(vm: Vm, completion: str) -> None:
    with mq_ram.loaded(vm) as ram:
        ram.device("dev", completion=completion, queues=2, reserved=2)
        ram.disk("ram", "dev")
        for count, way in enumerate(WAYS, 1):
            ram.command("ping", "ram", way)
            assert ram.counters("dev")["pings"] == count, way
        assert not ram.command("ping", "ram", "by-mail", check=False)


def test_no_reserved_tags(vm: Vm) -> None:
    """Asking for what the tag set does not have is an error, and no warning of the kernel's."""
    with mq_ram.loaded(vm) as ram:
        ram.device("dev", queues=2)
        ram.disk("ram", "dev")
        for way in ("reserved", "queue"):
            assert not ram.command("ping", "ram", way, check=False), way
        ram.command("ping", "ram")


@pytest.mark.kernels("stock", "debug")
def test_freeze_under_load(vm: Vm) -> None:
    """Frozen disks have no request under way; thawed they go on, and nothing is lost."""
    with mq_ram.loaded(vm) as ram:
        ram.device("dev", completion="interrupt", queues=2)
        jobs = [mq_ram.fio(vm, ram.disk(name, "dev")) for name in ("one", "two")]
        for _ in range(20):
            ram.command("freeze", "dev")
            ram.command("ping", "one")
        for job in jobs:
            job.wait()
