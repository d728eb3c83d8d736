# SPDX-License-Identifier: GPL-2.0
"""Commands of a driver's own on mq/, in all the ways to execute one, and freezing, idle and under load."""

from __future__ import annotations

import mq_ram
import pytest
from mq_ram import MIB
from rnvme_vm import Job, Vm, number

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
        # By name, and, as blk-mq demands it, for a queue that is named.
        assert ram.counters("dev")["reserved_pings"] == 2
        assert not ram.command("ping", "ram", "by-mail", check=False)


def test_no_reserved_tags(vm: Vm) -> None:
    """Asking for what the tag set does not have is an error, and no warning of the kernel's."""
    with mq_ram.loaded(vm) as ram:
        ram.device("dev", queues=2)
        ram.disk("ram", "dev")
        for way in ("reserved", "queue"):
            assert not ram.command("ping", "ram", way, check=False), way
        ram.command("ping", "ram")
        # Nor does a queue that is frozen find one, ever.
        _order(vm, "/dev/ram", "reserved")


@pytest.mark.kernels("stock", "debug")
def test_nobody_waits_any_more(vm: Vm) -> None:
    """A command that outlives the wait for it has memory of its own until it ends."""
    with mq_ram.loaded(vm) as ram:
        ram.device("dev", lose=1)
        ram.disk("ram", "dev", no_part=True)
        result = vm.run(f"echo ping ram short >{mq_ram.NODE}", check=False)
        assert result.rc != 0 and "timed out" in result.err, str(result)
        counts = ram.counters("dev")
        assert (counts["lost"], counts["found"], counts["released"]) == (1, 0, 0)
        vm.wait_until(lambda: ram.counters("dev")["released"] == 1, 10, "its end")
        assert ram.counters("dev")["found"] == 1


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


@pytest.mark.kernels("stock", "debug")
def test_what_cannot_be_mapped(vm: Vm) -> None:
    """A request is as before, and metadata are of its own data, of a program's memory."""
    with mq_ram.loaded(vm) as ram:
        ram.device("dev", depth=1)
        node = ram.disk("ram", "dev", segments=256, metadata=64, block=4096)
        _order(vm, node, "wrong", 64)


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


@pytest.mark.allow_log(r"pages of a user that a request carried are lost$")
def test_memory_of_another_process(vm: Vm) -> None:
    """Whoever wants to unmap it has other memory at the same addresses, and gets nothing written there.

    What he was refused is lost, as the log says.
    """
    with mq_ram.loaded(vm) as ram:
        ram.device("dev", queues=2)
        _order(vm, ram.disk("ram", "dev"), "keep")
        counts = ram.counters("dev")
        # Nobody else has unmapped anything.
        assert counts["unmapped_later"] == counts["not_written"] == 0


def test_a_queue_without_a_disk(vm: Vm) -> None:
    """It has commands, with data, and no metadata."""
    with mq_ram.loaded(vm) as ram:
        ram.device("dev", queues=2)
        _order(vm, ram.disk("ram", "dev", metadata=64, block=4096), "alone", 64)


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
        size = number("mq_mib") * MIB // (4 if vm.machine.kernel == "debug" else 1)
        jobs = [mq_ram.fio(vm, ram.disk(name, "dev"), size) for name in ("one", "two")]
        for _ in range(mq_ram.number_for(vm, "mq_freezes")):
            ram.command("freeze", "dev")
            ram.command("ping", "one")
        for job in jobs:
            job.wait()


def test_quiesce_under_load(vm: Vm) -> None:
    """Nothing reaches the driver of a disk that is quiesced; afterwards all goes on."""
    with mq_ram.loaded(vm) as ram:
        ram.device("dev", queues=2)
        job = mq_ram.fio(vm, ram.disk("ram", "dev"), MIB // 2)
        for _ in range(3):
            ram.command("quiesce", "ram")
        job.wait()


def _read(vm: Vm) -> Job:
    return vm.spawn("dd if=/dev/ram of=/dev/null bs=4k count=2 iflag=direct", timeout=60)


def test_stopped_queues(vm: Vm) -> None:
    """What comes meanwhile waits, even if somebody runs the queue, until it is started."""
    with mq_ram.loaded(vm) as ram:
        ram.device("dev", queues=2)
        ram.disk("ram", "dev", no_part=True)
        ram.command("stop", "ram")
        job = _read(vm)
        vm.wait_until(lambda: ram.disk_line("ram")["openers"] == 1, 10, "somebody to read")
        ram.command("run", "ram")
        vm.run("sleep 0.3")
        assert ram.counters("dev")["started"] == 0
        ram.command("start", "ram")
        job.wait()
        assert ram.counters("dev")["started"] == 2


def test_a_context_that_the_driver_stops(vm: Vm) -> None:
    """From within queue_rq, for want of something: it is not called again until it is started."""
    with mq_ram.loaded(vm) as ram:
        ram.device("dev")
        ram.disk("ram", "dev", no_part=True)
        ram.command("choke", "ram")
        job = _read(vm)
        vm.wait_until(lambda: ram.counters("dev")["refused"] == 1, 10, "a request that is refused")
        ram.command("run", "ram")
        vm.run("sleep 0.3")
        counts = ram.counters("dev")
        assert counts["refused"] == 1 and counts["started"] == 0
        ram.command("start", "ram")
        job.wait()
        assert ram.counters("dev")["started"] == 2


def test_requeued_requests_are_kicked(vm: Vm) -> None:
    """What was given back for a minute comes at once, and is under way until it ends."""
    with mq_ram.loaded(vm) as ram:
        ram.device("dev", requeue=2, requeue_ms=60_000)
        ram.disk("ram", "dev", no_part=True)
        job = _read(vm)
        vm.wait_until(lambda: ram.counters("dev")["requeued"] == 1, 10, "a request that is given back")
        assert ram.counters("dev")["retried"] == 0
        ram.command("kick", "ram")
        job.wait(timeout=20)


def test_requests_that_are_under_way(vm: Vm) -> None:
    with mq_ram.loaded(vm) as ram:
        ram.device("dev", lose=1, timeout_ms=1_500)
        ram.disk("ram", "dev", no_part=True)
        job = _read(vm)
        vm.wait_until(lambda: ram.disk_line("ram")["inflight"] == 1, 10, "a request")
        job.wait()
        assert ram.disk_line("ram")["inflight"] == 0
