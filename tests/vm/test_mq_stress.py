# SPDX-License-Identifier: GPL-2.0
"""What changes under load: time-outs, numbers of queues, disks that come and go, schedulers, death."""

from __future__ import annotations

import time

import mq_ram
import pytest
from mq_ram import MIB, Ram
from rnvme_vm import Job, Vm, number

# The full numbers take up to an hour.
pytestmark = [mq_ram.machine(), pytest.mark.timeout(7200)]

#: What blk-mq says to a polled request while there is no queue to poll (EOPNOTSUPP), for reads and writes.
_NOT_POLLED = "95,95"
SCHEDULERS = ("none", "mq-deadline", "bfq", "kyber")


def _running(*jobs: Job) -> bool:
    return any(job.poll() is None for job in jobs)


@pytest.mark.kernels("stock", "debug")
def test_timeouts_race_completions(vm: Vm) -> None:
    """A device that loses every command completes each at the moment of its time-out.

    Two processes poll for completions, one of them on another CPU than the work item that calls the
    time-outs. That gives the other from no time at all to enough of it, and looks who was first. Now
    and then it takes back what the device has, while the other reads completions. blk-mq looks for
    time-outs once a second, which bounds how fast they come.
    """
    wanted = mq_ram.number_for(vm, "mq_timeouts")
    with mq_ram.loaded(vm) as ram:
        device = {"queues": 2, "poll_queues": 1, "depth": 1000, "timeout_ms": 20, "delay_ns": 1_000_000}
        ram.device("dev", **device, lose=1, rescue="race", stop=700)
        node = ram.disk("ram", "dev", no_part=True)
        load = {"time_based": 1, "runtime": 3600, "verify": 0, "hipri": 1, "iodepth": 500}
        jobs = [mq_ram.fio(vm, node, 8 * MIB, cpus_allowed=cpu, **load) for cpu in range(2)]
        deadline = time.monotonic() + vm.scale * (60 + wanted / 50)
        while (counts := ram.counters("dev"))["timeout"] < wanted:
            assert all(job.poll() is None for job in jobs), jobs[0].wait()
            assert time.monotonic() < deadline, f"only {counts}"
            time.sleep(0.5)
        for job in jobs:
            job.kill("INT")
            job.wait(check=False)
        ram.clear()
        counts = ram.counters("dev")
    names = ("timeout", "completed_first", "timed_out_first", "too_late", "drained", "stale")
    print(", ".join(f"{counts[name]} {name}" for name in names))
    assert counts["timeout"] == sum(
        counts[name] for name in ("completed_first", "timed_out_first", "too_late")
    )
    for name in ("completed_first", "timed_out_first"):
        assert counts[name] > counts["timeout"] // 50, name
    assert counts["drained"] > 0
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


@pytest.mark.kernels("debug")
def test_completions_that_the_kernel_hides(vm: Vm) -> None:
    """With CONFIG_FAIL_IO_TIMEOUT some completions count for nothing: their requests time out."""
    fault = "/sys/kernel/debug/fail_io_timeout"
    with mq_ram.loaded(vm) as ram:
        ram.device("dev", queues=2, timeout_ms=100, rescue="requeue")
        node = ram.disk("ram", "dev", no_part=True)
        vm.run(f"echo 2 >{fault}/probability; echo -1 >{fault}/times; echo 0 >{fault}/verbose")
        vm.run("echo 1 >/sys/block/ram/io-timeout-fail")
        mq_ram.fio(vm, node, 2 * MIB).wait()
        vm.run(f"echo 0 >{fault}/probability")
        ram.clear()
        counts = ram.counters("dev")
    assert counts["lost"] == 0 and counts["stale"] > 0
    assert counts["timeout"] > 0 and counts["drained"] > 0


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
    """update_nr_hw_queues with three maps, also with an unchanged count; and schedulers, and fsync."""
    vm.run("modprobe -a bfq kyber-iosched")
    rounds = mq_ram.number_for(vm, "mq_queue_changes")
    with mq_ram.loaded(vm) as ram:
        ram.device("dev", queues=4, max_queues=6, read_queues=1, poll_queues=1)
        nodes = [ram.disk("ram0", "dev"), ram.disk("ram1", "dev", cache=True)]
        load = {"time_based": 1, "runtime": 3600, "verify": 0, "rw": "randrw"}
        jobs = [
            mq_ram.fio(vm, nodes[0], **load),
            mq_ram.fio(vm, nodes[0], hipri=1, ignore_error=_NOT_POLLED, **load),
        ]
        jobs += [mq_ram.fio(vm, nodes[1], fsync=8, **load)]
        for round_ in range(rounds):
            ram.command("queues", "dev", (1, 2, 2, 6, 3, 3, 5, 4)[round_ % 8])
            if round_ % 2:
                scheduler = SCHEDULERS[round_ // 2 % len(SCHEDULERS)]
                vm.run(f"echo {scheduler} >/sys/block/ram1/queue/scheduler", timeout=120)
            ended = [result for job in jobs if (result := job.poll()) is not None]
            assert not ended, f"round {round_}: {ended[0]}"
        writer = jobs.pop()
        writer.kill("INT")
        writer.wait(check=False)
        # Slow there, the more so since nothing else happens meanwhile than changes.
        size = MIB // (16 if vm.machine.kernel == "debug" else 1)
        verified = mq_ram.fio(vm, nodes[1], size, fsync=8)
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
    assert counts["flush"] > 0


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
    rounds = mq_ram.number_for(vm, "mq_disks_come_and_go")
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
    # There is nothing left to read, and writing fails at once.
    assert vm.run("blockdev --getsize64 /dev/ram").out.strip() == "0"
    write = vm.run("dd if=/dev/zero of=/dev/ram bs=4k count=1 oflag=direct", timeout=10, check=False)
    assert "No space left" in write.err, str(write)


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
