# SPDX-License-Identifier: GPL-2.0
"""Guest instructions per I/O of mq/ alone: a RAM disk beside the stock kernel's null_blk.

Neither copies data, and neither has a device: what is counted is what a driver on blk-mq needs to
take a request and to end it, at once (null_blk's irqmode none) or where blk-mq has it end (softirq).

The disk that decides is the one of tests/mq/plain.rs. That of operations.rs, which counts each
callback and asks for each request how it shall misbehave, is shown beside it.
"""

from __future__ import annotations

import argparse
import gzip
import json
import subprocess
import sys
from dataclasses import dataclass
from pathlib import Path
from tempfile import TemporaryDirectory

import icount
import icount_report as report
from rnvme_vm import Machine, Vm, VmError

COUNT = 2048
ROUNDS = 5
CPU = 1
#: What the RAM disk may cost, as a multiple of null_blk.
LIMIT = 1.05

#: The modules whose text is the driver.
MODULES = {
    "plain": frozenset({"mq_ram"}),
    "null_blk": frozenset({"null_blk"}),
    "all callbacks": frozenset({"mq_ram"}),
}
DECIDE = ("plain", "null_blk")
#: How requests end, as null_blk calls it, and its number there.
ENDS = {"inline": ("none", 0), "softirq": ("softirq", 1)}


@dataclass(frozen=True)
class Job:
    end: str
    depth: int

    @property
    def name(self) -> str:
        return f"read 4 KiB, irqmode {ENDS[self.end][0]}, QD {self.depth}"


JOBS = tuple(Job(end, depth) for end in ENDS for depth in (1, 32))

_NO_BAR = report.Bar(0, 0)


class Bench:
    """A machine with both drivers."""

    def __init__(self, vm: Vm, counts: Path) -> None:
        self._vm = vm
        self._counts = counts
        self._read = 0

    def _make_disk(self, driver: str, end: str) -> str:
        if driver == "null_blk":
            self._vm.run(
                "modprobe null_blk nr_devices=1 queue_mode=2 submit_queues=1 poll_queues=0 hw_queue_depth=64 "
                f"memory_backed=0 bs=512 gb=1 irqmode={ENDS[end][1]}"
            )
            disk = "nullb0"
        else:
            self._vm.run("insmod /in/mq_ram.ko")
            if driver == "plain":
                self._vm.run(f"echo plain ram {end} memory=0 size=1G >/dev/mq_ram")
            else:
                self._vm.run(f"echo device dev depth=64 completion={end} >/dev/mq_ram")
                self._vm.run("echo disk ram dev memory=0 size=1G >/dev/mq_ram")
            disk = "ram"
        self._vm.run(f"echo none >/sys/block/{disk}/queue/scheduler")
        return disk

    def measure(self, driver: str, end: str) -> dict[str, report.JobResult]:
        """All jobs in which requests end in this way."""
        disk = self._make_disk(driver, end)
        functions = self._vm.run("awk '$2 ~ /^[tTwW]$/' /proc/kallsyms | gzip -1").out_bytes
        symbols = report.Symbols(gzip.decompress(functions).decode("ascii"))
        results = {}
        for job in JOBS:
            if job.end != end:
                continue
            self._vm.run(
                f"/in/iob /dev/{disk} read 4096 {job.depth} whole {COUNT} {ROUNDS} {CPU} none", timeout=200
            )
            rounds = report.parse_rounds(self._counts.read_text(encoding="ascii"))
            fresh, self._read = rounds[self._read :], len(rounds)
            results[job.name] = report.per_io(
                fresh, symbols, MODULES[driver], _NO_BAR, count=COUNT, interrupts=0
            )
        (module,) = MODULES[driver]
        self._vm.run(f"rmmod {module}")
        return results


def measure(drivers: list[str]) -> dict[str, dict[str, report.JobResult]]:
    """Results by driver and job."""
    with TemporaryDirectory(prefix="rnvme-mq-icount-") as scratch:
        plugin, program = icount.build(Path(scratch))
        counts = Path(scratch, "counts")
        machine = Machine(
            ctrls=(),
            module=False,
            mq_ram=True,
            files={"iob": str(program)},
            qemu_args=("-plugin", f"{plugin},out={counts}"),
        )
        results: dict[str, dict[str, report.JobResult]] = {driver: {} for driver in drivers}
        with Vm(machine) as vm:
            bench = Bench(vm, counts)
            for end in ENDS:
                for driver in drivers:
                    results[driver] |= bench.measure(driver, end)
                    icount.say(f"{driver}, requests end {end}: measured")
            vm.assert_clean_log(allow=[r"^null_blk: "])
    return results


def verdict(results: dict[str, dict[str, report.JobResult]]) -> list[str]:
    """What costs too much."""
    return [
        f"{job.name}: {ours:.1f} instructions, more than {LIMIT} of {theirs:.1f}"
        for job in JOBS
        if (ours := results["plain"][job.name].gated)
        > LIMIT * (theirs := results["null_blk"][job.name].gated)
    ]


def main() -> int:
    parser = argparse.ArgumentParser(prog="mq-icount", description=__doc__.splitlines()[0])
    parser.add_argument("--top", type=int, default=0, metavar="N", help="show the N functions that cost most")
    parser.add_argument("--gate", action="store_true", help="only the drivers that decide")
    parser.add_argument("--json", type=Path, metavar="FILE", help="where the figures go")
    arguments = parser.parse_args()
    drivers = [driver for driver in MODULES if not arguments.gate or driver in DECIDE]
    try:
        results = measure(drivers)
    except (VmError, report.BadRun, OSError, subprocess.SubprocessError) as error:
        icount.say(f"error: {error}")
        return 2
    print(f"Guest instructions per I/O; {ROUNDS} rounds of {COUNT}, random, no scheduler\n")
    print(f"{'':36}" + "".join(f"{driver:>15}" for driver in drivers) + f"{'ratio':>8}")
    for job in JOBS:
        per_driver = [results[driver][job.name] for driver in drivers]
        ratio = per_driver[0].gated / per_driver[1].gated
        print(f"{job.name:36}" + "".join(f"{one.gated:15.1f}" for one in per_driver) + f"{ratio:8.3f}")
        print(f"{'  and the rest of the kernel':36}" + "".join(f"{one.kernel:15.1f}" for one in per_driver))
        if arguments.top:
            for driver, one in zip(drivers, per_driver, strict=True):
                print("\n" + report.top(job.name, driver, one, arguments.top))
    complaints = verdict(results)
    if arguments.json:
        figures = {
            job.name: {driver: results[driver][job.name].as_json() for driver in drivers} for job in JOBS
        }
        arguments.json.write_text(json.dumps({"jobs": figures, "complaints": complaints}, indent=1) + "\n")
    for complaint in complaints:
        print(f"above the limit: {complaint}")
    return 1 if complaints else 0


if __name__ == "__main__":
    sys.exit(main())
