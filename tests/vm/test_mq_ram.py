# SPDX-License-Identifier: GPL-2.0
"""The abstractions of mq/ by themselves: the RAM disk of tests/mq with all kinds of parameters."""

from __future__ import annotations

import re
from typing import Any

import mq_ram
import pytest
from mq_ram import MIB, Line, Ram
from rnvme_vm import Vm, number

pytestmark = mq_ram.machine()

KIB = 1 << 10

#: Devices and disks by what is special about them; all are written and verified.
MATRIX: dict[str, tuple[dict[str, Any], dict[str, Any]]] = {
    "one tag": ({"depth": 1}, {}),
    "many tags, few used": ({"depth": 1023, "reserved": 1022}, {}),
    "tags of all queues together": ({"queues": 2, "depth": 4, "shared_tags": True}, {}),
    "tags in turn": ({"depth": 8, "round_robin": True}, {}),
    "an I/O scheduler from the start": ({"scheduler": True}, {}),
    "a budget of one request": ({"scheduler": True, "budget": 1}, {}),
    "queue_rq sleeps": ({"queues": 2, "blocking": True, "sleep_ns": 50_000}, {}),
    "no batches": ({"batch": False}, {}),
    "blocks of 4 KiB": ({}, {"block": 4 * KIB}),
    "small requests": ({}, {"max_bytes": 4 * KIB}),
    "a write cache": ({}, {"cache": True}),
    "much is refused": ({"queues": 2, "refuse": 2}, {}),
    "much is refused for want of something of the device": (
        {"queues": 2, "refuse": 2, "refuse_for": "device"},
        {},
    ),
    "much is done twice": ({"queues": 2, "requeue": 2}, {}),
    "much is done twice, later": ({"requeue": 100, "requeue_ms": 20}, {}),
    "queues for reads": ({"queues": 2, "read_queues": 1}, {}),
}


def _count(ram: Ram, vm: Vm, **work: Any) -> Line:
    """Has fio write and verify the disk; returns what was counted when all is gone."""
    mq_ram.fio(vm, "/dev/ram", number("mq_mib") * MIB, **work).wait()
    ram.clear()
    return ram.counters("dev")


def _verified(vm: Vm, device: dict[str, Any], disk: dict[str, Any], **work: Any) -> Line:
    with mq_ram.loaded(vm) as ram:
        ram.device("dev", **device)
        ram.disk("ram", "dev", **disk)
        return _count(ram, vm, **work)


@pytest.mark.parametrize("name", MATRIX)
def test_matrix(vm: Vm, name: str) -> None:
    device, disk = MATRIX[name]
    with mq_ram.loaded(vm) as ram:
        ram.device("dev", **device)
        ram.disk("ram", "dev", **disk)
        none_in_use = "[none]" in vm.run("cat /sys/block/ram/queue/scheduler").out
        assert none_in_use != device.get("scheduler", False)
        counts = _count(ram, vm)
    assert counts["refused"] > 0 or not device.get("refuse")
    assert counts["requeued"] > 0 or not device.get("requeue")
    assert counts["get_budget"] >= counts["started"]


@pytest.mark.parametrize("queues", [1, 2])
@pytest.mark.parametrize("completion", ["inline", "softirq", "direct", "interrupt"])
def test_completion(vm: Vm, completion: str, queues: int) -> None:
    counts = _verified(vm, {"completion": completion, "queues": queues}, {})
    at_once = counts["started"] if completion == "inline" else 0
    assert counts["ended_at_once"] == at_once
    assert (counts["interrupts"] > 0) == (completion in ("direct", "interrupt"))


@pytest.mark.parametrize("mode", ["inline", "softirq", "slot-inline", "slot-softirq"])
def test_the_least_driver(vm: Vm, mode: str) -> None:
    """That of tests/mq/plain.rs, which has no device."""
    with mq_ram.loaded(vm) as ram:
        ram.command("plain", "ram", mode)
        mq_ram.fio(vm, "/dev/ram", number("mq_mib") * MIB).wait()
        assert not ram.command("plain", "other", "interrupt", check=False)


@pytest.mark.kernels("stock", "debug")
def test_everything_together(vm: Vm) -> None:
    """S17 in part: plug lists, and requests of which more follow."""
    # Every third: so often that a list is cut short after requests that were taken (commit_rqs).
    device = {"queues": 2, "refuse": 3, "requeue": 5, "repeat": 3, "bogus": 4}
    with mq_ram.loaded(vm) as ram:
        ram.device("dev", **device)
        ram.disk("ram", "dev", cache=True)
        counts = _count(ram, vm, bsrange="512-64k", fsync=16, iodepth_batch=8)
    for name in ("queue_rqs", "listed", "queue_rq", "commit_rqs", "refused", "requeued", "flush", "stale"):
        assert counts[name] > 0, name


def test_completion_in_hard_interrupts(vm: Vm) -> None:
    """S8: on its own CPU's queue a request ends where the interrupt is."""
    counts = _verified(vm, {"queues": 2, "batch": False}, {})
    assert counts["in_hard_irq"] > counts["in_soft_irq"]


def test_completion_in_softirqs(vm: Vm) -> None:
    """S8: with one queue for all CPUs, blk-mq has requests end in a softirq."""
    counts = _verified(vm, {"queues": 1, "batch": False}, {})
    assert counts["in_soft_irq"] == counts["complete"] == counts["released"]


@pytest.mark.parametrize("remote", [False, True])
def test_completion_by_ipi(vm: Vm, remote: bool) -> None:
    """S8: a request ends on the CPU that submitted it, wherever the interrupt was."""
    with mq_ram.loaded(vm) as ram:
        ram.device("dev", queues=1, batch=False, delay_ns=100_000, remote=remote)
        node = ram.disk("ram", "dev")
        vm.run("echo 2 >/sys/block/ram/queue/rq_affinity")
        size = number("mq_mib") * MIB
        # Of one program, so that both begin at the same moment.
        both = {"numjobs": 2, "offset_increment": size, "cpus_allowed": "0-1", "cpus_allowed_policy": "split"}
        mq_ram.fio(vm, node, size, **both).wait()
        ram.clear()
        counts = ram.counters("dev")
    assert counts["on_other_cpu"] > 0
    assert counts["in_hard_irq"] == 0


def test_completion_here(vm: Vm) -> None:
    """S8: complete_remote gives back what may as well end where the interrupt is."""
    counts = _verified(vm, {"queues": 2, "remote": True}, {})
    assert counts["ended_here"] > 0
    assert counts["in_hard_irq"] >= counts["ended_here"]


@pytest.mark.kernels("stock", "debug")
def test_polled(vm: Vm) -> None:
    """S9: poll gets its hardware context, and the batch that the submitter's poll ends."""
    with mq_ram.loaded(vm) as ram:
        ram.device("dev", queues=2, poll_queues=1)
        ram.disk("ram", "dev")
        assert vm.run("cat /sys/block/ram/queue/io_poll").out.strip() == "1"
        before = ram.counters("dev")
        counts = _count(ram, vm, hipri=1, iodepth=16)
    assert counts["polled"] > 0
    # Partitions were looked for by interrupt.
    assert counts["interrupts"] - before["interrupts"] < counts["polled"]


def test_maps(vm: Vm) -> None:
    """S17: map_queues, with all kinds of queues, and with more kinds than queues."""
    with mq_ram.loaded(vm) as ram:
        ram.device("dev", queues=4, read_queues=1, poll_queues=1)
        ram.disk("ram", "dev")
        kinds = "cat /sys/kernel/debug/block/ram/hctx*/type"
        assert vm.run(kinds).out.split() == ["default", "default", "read", "poll"]
        ram.command("queues", "dev", 1)
        assert vm.run(kinds).out.split() == ["default"]
        mq_ram.fio(vm, "/dev/ram", rw="randrw").wait()


def test_stale_completions(vm: Vm) -> None:
    """S15: a completion of a request that is not in flight gives nothing, every time."""
    counts = _verified(vm, {"queues": 2, "repeat": 1, "bogus": 1}, {})
    # Each command is completed three times, first by an entry of another: two of them name nothing.
    assert counts["stale"] == 2 * counts["released"]


def test_hardware_contexts(vm: Vm) -> None:
    """S10: each disk has a context per queue, with data that is dropped with it."""
    with mq_ram.loaded(vm) as ram:
        ram.device("dev", queues=2)
        for disk in range(3):
            ram.disk(f"ram{disk}", "dev")
        assert ram.counters("dev")["init_hctx"] == 6
        ram.command("remove", "ram1")
        assert ram.counters("dev")["exit_hctx"] == 2
        ram.command("queues", "dev", 1)
        counts = ram.counters("dev")
        assert counts["init_hctx"] - counts["exit_hctx"] == 2


def test_an_open_disk_pins_the_module(vm: Vm) -> None:
    """S4: the module cannot be unloaded while a disk is open, even one that was removed.

    Of which nothing can be read any more.
    """
    with mq_ram.loaded(vm) as ram:
        ram.device("dev")
        node = ram.disk("ram", "dev")
        holder = vm.spawn(
            f"exec 3<{node}; touch /tmp/open; while test -e /tmp/open; do sleep 0.1; done;"
            " dd of=/dev/null bs=4k count=1 <&3",
            timeout=100,
        )
        vm.wait_until(lambda: vm.run("test -e /tmp/open", check=False).rc == 0, 10)
        refused = vm.run("rmmod mq_ram", check=False)
        ram.command("remove", "ram")
        removed = vm.run("rmmod mq_ram", check=False)
        vm.run("rm /tmp/open")
        assert "0+0 records in" in holder.wait().err
    for result in (refused, removed):
        assert result.rc != 0 and "in use" in result.err


def test_a_reserved_tag_is_free(vm: Vm) -> None:
    """The driver's own command gets through while the device has lost all others."""
    with mq_ram.loaded(vm) as ram:
        ram.device("dev", depth=3, reserved=1, lose=1, timeout_ms=3_000)
        ram.disk("ram", "dev", no_part=True)
        job = mq_ram.fio(vm, "/dev/ram", rw="randread", verify=0, number_ios=4)
        vm.wait_until(lambda: ram.counters("dev")["lost"] >= 2, 10, "lost commands")
        assert not ram.command("ping", "ram", "nowait", check=False)
        ram.command("ping", "ram", "reserved")
        job.wait()


def test_requests_are_shown(vm: Vm) -> None:
    """S17: show_rq, for requests that the device does not complete."""
    with mq_ram.loaded(vm) as ram:
        ram.device("dev", depth=4)
        ram.disk("ram", "dev")
        ram.device("lossy", depth=4, lose=1, timeout_ms=1_500)
        # Its partitions are looked for while we look at the request for them.
        adding = vm.spawn(f"echo disk lost lossy >{mq_ram.NODE}")
        shown = "cat /sys/kernel/debug/block/lost/hctx*/busy"
        vm.wait_until(lambda: "in_slot=1" in vm.run(shown, check=False).out, 20, "a request in a slot")
        adding.wait()
        assert ram.counters("lossy")["show_rq"] > 0


def test_below_a_stacked_driver(vm: Vm) -> None:
    """S17: busy and cleanup_rq, which only stacking drivers call: dm-multipath clones requests."""
    vm.run("modprobe -a dm-multipath dm-round-robin")
    with mq_ram.loaded(vm) as ram:
        ram.device("dev", queues=2, refuse=3)
        node = ram.disk("ram", "dev")
        sectors = int(vm.run("cat /sys/block/ram/size").out)
        vm.run(f"dmsetup create stacked --table '0 {sectors} multipath 0 0 1 1 round-robin 0 1 1 {node} 1'")
        try:
            (minor,) = vm.run("dmsetup info -c --noheadings -o minor stacked").out.split()
            mq_ram.fio(vm, f"/dev/dm-{minor}").wait()
        finally:
            vm.run("dmsetup remove --retry stacked", check=False)
        ram.clear()
        counts = ram.counters("dev")
    assert counts["busy"] > 0, counts
    assert counts["cleanup_rq"] > 0, counts


def test_budget_is_given_back(vm: Vm) -> None:
    """S17: what was reserved for a request that is not dispatched after all comes back."""
    with mq_ram.loaded(vm) as ram:
        ram.device("dev", queues=2, budget=1, depth=4)
        ram.disk("ram", "dev")
        vm.run("echo mq-deadline >/sys/block/ram/queue/scheduler")
        counts = _count(ram, vm)
    assert counts["put_budget"] > 0, counts
    assert counts["no_budget"] > 0, counts


@pytest.mark.allow_log(r"critical medium error, dev ram, sector 2048", r"Buffer I/O error")
def test_bad_sectors(vm: Vm) -> None:
    """Errors are where they should be, and nowhere else."""
    with mq_ram.loaded(vm) as ram:
        ram.device("dev")
        node = ram.disk("ram", "dev", bad_at=MIB, bad_len=4096)
        result = vm.run(f"dd if={node} of=/dev/null bs=4k iflag=direct", check=False)
        assert re.search(r"\b256\+0 records in", result.err), result.err
        mq_ram.fio(vm, node, MIB).wait()
        assert ram.counters("dev")["bad"] > 0
