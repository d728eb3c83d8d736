# SPDX-License-Identifier: GPL-2.0
"""What changes under load: time-outs, numbers of queues, disks that come and go, schedulers, death."""

from __future__ import annotations

import time

import mq_ram
import pytest
from mq_ram import MIB, Ram
from rnvme_vm import Job, Vm, number

pytestmark = mq_ram.machine()

SCHEDULERS = ("none", "mq-deadline", "bfq", "kyber")


def _running(*jobs: Job) -> bool:
    return any(job.poll() is None for job in jobs)


def _number(vm: Vm, name: str) -> int:
    """That of tests/numbers.toml; a quarter of it on the debug kernel, which is slow."""
    return number(name) if vm.machine.kernel == "stock" else max(1, number(name) // 4)


@pytest.mark.kernels("stock", "debug")
def test_timeouts_race_completions(vm: Vm) -> None:
    """A device that loses every command finds all of them when the first one times out.

    So blk-mq calls the time-outs of the others while an interrupt completes them on another CPU.
    blk-mq looks for time-outs once a second, which bounds how fast they come.
    """
    wanted = _number(vm, "mq_timeouts")
    with mq_ram.loaded(vm) as ram:
        ram.device("dev", queues=2, depth=1000, lose=1, timeout_ms=20, rescue="late", repeat=3)
        node = ram.disk("ram", "dev", no_part=True)
        job = mq_ram.fio(vm, node, iodepth=1000, bs="4k", size=8 * MIB, time_based=1, runtime=3600, verify=0)
        deadline = time.monotonic() + vm.scale * (60 + wanted / 50)
        while (counts := ram.counters("dev"))["timeout"] < wanted:
            assert job.poll() is None, job.wait()
            assert time.monotonic() < deadline, f"only {counts}"
            time.sleep(0.5)
        job.kill("INT")
        job.wait(check=False)
        ram.clear()
        counts = ram.counters("dev")
    print(f"{counts['timeout']} time-outs, {counts['found']} commands found, {counts['too_late']} too late")
    assert counts["lost"] == counts["found"] + counts["drained"]
    assert counts["released"] == counts["started"]


@pytest.mark.parametrize("rescue", ["requeue", "late"])
def test_lost_commands_come_again(vm: Vm, rescue: str) -> None:
    """The device is stopped, with proof, and what it had is done again; or it finds them."""
    with mq_ram.loaded(vm) as ram:
        ram.device("dev", queues=2, lose=200, timeout_ms=100, rescue=rescue)
        node = ram.disk("ram", "dev", no_part=True)
        mq_ram.fio(vm, node, 2 * MIB).wait()
        ram.clear()
        counts = ram.counters("dev")
    assert counts["lost"] > 0
    assert (counts["stops"] > 0) == (rescue == "requeue")


@pytest.mark.allow_log(r"I/O error, dev ram, ", r"Buffer I/O error on dev ram", r"timeout error, dev ram, ")
def test_lost_commands_fail(vm: Vm) -> None:
    with mq_ram.loaded(vm) as ram:
        ram.device("dev", queues=2, lose=20, timeout_ms=100, rescue="fail")
        node = ram.disk("ram", "dev")
        result = vm.run(f"dd if={node} of=/dev/null bs=4k count=100 iflag=direct", check=False)
        assert result.rc != 0 and "timed out" in result.err, str(result)
        ram.clear()
        assert ram.counters("dev")["drained"] > 0


@pytest.mark.kernels("stock", "debug")
def test_number_of_queues_changes_under_load(vm: Vm) -> None:
    """update_nr_hw_queues with three maps, also with an unchanged count."""
    rounds = _number(vm, "mq_queue_changes")
    with mq_ram.loaded(vm) as ram:
        ram.device("dev", queues=4, max_queues=6, read_queues=1, poll_queues=1)
        nodes = [ram.disk(f"ram{disk}", "dev") for disk in range(2)]
        load = {"time_based": 1, "runtime": 3600, "verify": 0, "rw": "randrw"}
        jobs = [mq_ram.fio(vm, nodes[0], **load), mq_ram.fio(vm, nodes[0], hipri=1, **load)]
        for round_ in range(rounds):
            ram.command("queues", "dev", (1, 2, 2, 6, 3, 3, 5, 4)[round_ % 8])
            assert all(job.poll() is None for job in jobs)
        verified = mq_ram.fio(vm, nodes[1], MIB)
        while _running(verified):
            ram.command("queues", "dev", 2)
            ram.command("queues", "dev", 6)
        verified.wait()
        for job in jobs:
            job.kill("INT")
            job.wait(check=False)
        ram.clear()
        counts = ram.counters("dev")
    assert counts["map_queues"] > rounds
    assert counts["init_hctx"] > 2 * rounds


@pytest.mark.parametrize("shared", [False, True])
def test_disks_on_one_tag_set(vm: Vm, shared: bool) -> None:
    """Four disks compete for few tags."""
    with mq_ram.loaded(vm) as ram:
        ram.device("dev", queues=2, depth=6, shared_tags=shared, refuse=9, requeue=8)
        nodes = [ram.disk(f"ram{disk}", "dev", block=512 << disk) for disk in range(4)]
        jobs = [mq_ram.fio(vm, node, 2 * MIB) for node in nodes]
        for job in jobs:
            job.wait()


_COME_AND_GO = """
set -e
for round in $(seq {rounds}); do
    echo "disk new$((round % 3)) dev size=1M" >{control}
    dd if=/dev/new$((round % 3)) of=/dev/null bs=4k iflag=direct status=none 2>/dev/null &
    test $((round % 2)) = 0 || sleep 0.02
    echo "remove new$((round % 3))" >{control}
    wait
done
"""


@pytest.mark.kernels("stock", "debug")
@pytest.mark.allow_log(r"I/O error, dev new\d, ", r"Buffer I/O error on dev new\d")
def test_disks_come_and_go_under_load(vm: Vm) -> None:
    """Disks are added to a tag set and removed, being read, while another disk of it works."""
    rounds = _number(vm, "mq_disks_come_and_go")
    with mq_ram.loaded(vm) as ram:
        ram.device("dev", queues=2, depth=16)
        node = ram.disk("ram", "dev")
        job = mq_ram.fio(vm, node, time_based=1, runtime=3600, verify=0)
        vm.run(_COME_AND_GO.format(rounds=rounds, control=mq_ram.NODE), timeout=60 + rounds)
        assert job.poll() is None
        job.kill("INT")
        job.wait(check=False)
        mq_ram.fio(vm, node, MIB).wait()
        ram.clear()
        counts = ram.counters("dev")
    assert counts["free_disk"] == rounds + 1
    assert counts["init_hctx"] == 2 * (rounds + 1)


def test_schedulers_change_under_load(vm: Vm) -> None:
    vm.run("modprobe -a bfq kyber-iosched")
    rounds = number("mq_scheduler_changes")
    with mq_ram.loaded(vm) as ram:
        ram.device("dev", queues=2, depth=8, requeue=50)
        node = ram.disk("ram", "dev", cache=True)
        job = mq_ram.fio(vm, node, number("mq_mib") * MIB, fsync=8)
        changed = 0
        while _running(job) or changed < rounds:
            name = SCHEDULERS[changed % len(SCHEDULERS)]
            vm.run(f"echo {name} >/sys/block/ram/queue/scheduler", timeout=120)
            changed += 1
        job.wait()
        ram.clear()
        assert ram.counters("dev")["flush"] > 0


def _dies(vm: Vm, ram: Ram, *command: str) -> None:
    job = mq_ram.fio(vm, "/dev/ram", time_based=1, runtime=3600, verify=0, iodepth=64)
    vm.wait_until(lambda: ram.counters("dev")["lost"] >= 32, 20, "lost commands")
    started = time.monotonic()
    ram.command(*command)
    result = job.wait(timeout=60, check=False)
    assert result.rc != 0, str(result)
    print(f"{' '.join(command)}: fio ended after {time.monotonic() - started:.1f} s")
    # There is nothing left to read.
    assert vm.run("blockdev --getsize64 /dev/ram").out.strip() == "0"


@pytest.mark.kernels("stock", "debug")
@pytest.mark.allow_log(r"error, dev ram, ", r"Buffer I/O error on dev ram")
def test_death_while_busy(vm: Vm) -> None:
    """A disk dies while the device has requests that it will never complete."""
    with mq_ram.loaded(vm) as ram:
        ram.device("dev", queues=2, depth=64, lose=2, timeout_ms=600_000)
        ram.disk("ram", "dev", no_part=True)
        _dies(vm, ram, "die", "dev")
        ram.clear()
        assert ram.counters("dev")["drained"] >= 32


@pytest.mark.allow_log(r"error, dev ram, ", r"Buffer I/O error on dev ram")
def test_a_disk_that_is_marked_dead(vm: Vm) -> None:
    """Requests under way end by their time-out; new ones fail at once."""
    with mq_ram.loaded(vm) as ram:
        ram.device("dev", queues=2, depth=64, lose=2, timeout_ms=1_000)
        ram.disk("ram", "dev", no_part=True)
        _dies(vm, ram, "kill", "ram")
