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


def test_polled(vm: Vm) -> None:
    """A command on a queue without interrupts ends because who waits for it polls."""
    with mq_ram.loaded(vm) as ram:
        ram.device("dev", queues=2, poll_queues=1, timeout_ms=2_000)
        ram.disk("ram", "dev", no_part=True)
        ram.command("ping", "ram", "polled")
        counts = ram.counters("dev")
    assert counts["polled_pings"] == 1 and counts["polled"] > 0
    assert counts["interrupts"] == counts["timeout"] == 0


_ORDER = (mq_ram.GUEST / "mq_order.py").read_bytes()


def _order(vm: Vm, node: str, *what: object) -> None:
    words = " ".join(map(str, what))
    assert "all orders were right" in vm.run(f"python3 - {node} {words}", stdin=_ORDER).out


@pytest.mark.kernels("stock", "debug")
def test_memory_of_programs(vm: Vm) -> None:
    """In one piece and in several, as it is and copied, in both directions, and given back unused."""
    with mq_ram.loaded(vm) as ram:
        ram.device("dev", queues=2)
        _order(vm, ram.disk("ram", "dev"), "data")


@pytest.mark.kernels("stock", "debug")
def test_metadata_of_programs(vm: Vm) -> None:
    with mq_ram.loaded(vm) as ram:
        ram.device("dev", queues=2)
        _order(vm, ram.disk("ram", "dev", metadata=64, block=4096), "metadata", 64)
        _order(vm, ram.disk("none", "dev"), "none")


_URING = (mq_ram.GUEST / "mq_uring.py").read_bytes()


@pytest.mark.kernels("stock", "debug")
def test_memory_that_a_ring_knows(vm: Vm) -> None:
    """map_fixed: a command of io_uring, with a buffer that was registered with the ring."""
    with mq_ram.loaded(vm) as ram:
        ram.device("dev", queues=2, parent=True)
        ram.disk("ram", "dev")
        result = vm.run("python3 - fixed /dev/mq_ram_ram", stdin=_URING)
        assert "all went well" in result.out


@pytest.mark.kernels("stock", "debug")
def test_memory_outlives_its_program(vm: Vm) -> None:
    """Who is gone gets nothing written, and nobody else does."""
    with mq_ram.loaded(vm) as ram:
        ram.device("dev", queues=2)
        vm.run(f"python3 - {ram.disk('ram', 'dev')} leave", stdin=_ORDER)

        def is_unmapped() -> bool:
            counts = ram.counters("dev")
            return counts["unmapped_later"] == counts["not_written"] == 1

        vm.wait_until(is_unmapped, 10, "both to be unmapped")


def test_compat_ioctl(vm: Vm) -> None:
    """What a 32-bit program asks."""
    with mq_ram.loaded(vm) as ram:
        ram.device("dev")
        _order(vm, ram.disk("ram", "dev"), "compat")
        counts = ram.counters("dev")
    assert counts["compat_ioctl"] == 3 and counts["ioctl"] == 3


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
