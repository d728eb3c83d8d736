# SPDX-License-Identifier: GPL-2.0
"""Guest instructions per I/O: rnvme beside the stock C driver, measured in one run.

One machine is booted for each driver, with the same arguments, under emulation with the plugin
icount_plugin.c. In the guest, iob.c does the I/O. icount_report.py makes the figures.

To be started by tools/icount, which chooses emulation even where hardware could run the guest.
"""

from __future__ import annotations

import argparse
import gzip
import json
import subprocess
import sys
import time
from dataclasses import dataclass
from pathlib import Path
from tempfile import TemporaryDirectory

import icount_annotate
import icount_report as report
from rnvme_vm import DirtyLog, Machine, NvmeCtrl, NvmeNs, Vm, VmError, images

TOP = Path(__file__).resolve().parents[2]
HERE = Path(__file__).resolve().parent
COUNT = 2048
ROUNDS = 5
# The program that does the I/O, and with it the queue and its interrupts; CPU 0 has the rest.
CPU = 1
KIB = 1024

# Modules whose text is the driver.
DRIVERS = {"c": frozenset({"nvme", "nvme_core"}), "rnvme": frozenset({"rnvme"})}
TITLES = {"c": "C", "rnvme": "rnvme"}


@dataclass(frozen=True)
class Job:
    name: str
    operation: str
    size: int
    depth: int
    layout: str = "whole"
    shadow: bool = False
    gate: bool = False


JOBS = (
    Job("read 4 KiB, QD 1", "read", 4 * KIB, 1, gate=True),
    Job("read 4 KiB, QD 32", "read", 4 * KIB, 32, gate=True),
    Job("write 4 KiB, QD 1", "write", 4 * KIB, 1),
    Job("read 16 KiB, QD 1", "read", 16 * KIB, 1),
    Job("read 16 KiB, QD 1, single pages", "read", 16 * KIB, 1, "pages"),
    Job("read 128 KiB, QD 8", "read", 128 * KIB, 8),
    Job("read 128 KiB, QD 8, single pages", "read", 128 * KIB, 8, "pages"),
    Job("read 4 KiB, QD 1, shadow doorbells", "read", 4 * KIB, 1, shadow=True),
    Job("read 4 KiB, QD 32, shadow doorbells", "read", 4 * KIB, 32, shadow=True),
)

# Two drives that forget all they are told, as fast as the emulator can. Their places on the bus
# are given, so that disks can be found whatever a driver calls them.
PLACES = {False: "0000:00:10.0", True: "0000:00:11.0"}  # by Job.shadow
NAMESPACE = NvmeNs(size=1 << 20, node=json.dumps({"driver": "null-co", "size": 1 << 30}))

# Prints the name of the disk at each place, once all are there.
FIND_DISKS = """
for try in $(seq 50); do
	found=
	for place in {places}; do
		for disk in /sys/block/*n1; do
			case $(realpath $disk) in
			*/$place/*) found="$found ${{disk##*/}}" ;;
			esac
		done
	done
	if [[ $(wc -w <<<$found) == {number} ]]; then
		echo $found
		exit 0
	fi
	sleep 0.2
done
echo "disks: $found" >&2
exit 1
"""

STARTED = time.monotonic()


class RunFailed(Exception):
    """The measurement could not be made."""


def say(text: str) -> None:
    print(f"[{time.monotonic() - STARTED:6.1f} s] icount: {text}", file=sys.stderr, flush=True)


def build(directory: Path) -> tuple[Path, Path]:
    """Compiles the plugin and the guest program."""
    plugin, program = directory / "icount_plugin.so", directory / "iob"
    warnings = ["-Wall", "-Wextra", "-Werror"]
    for arguments in (
        ["-shared", "-fPIC", "-fvisibility=hidden", "-o", plugin, HERE / "icount_plugin.c"],
        ["-static", "-o", program, HERE / "iob.c"],
    ):
        subprocess.run(["gcc", "-O2", *warnings, *arguments], check=True, timeout=120)
    return plugin, program


class Bench:
    """One machine with one driver loaded."""

    def __init__(self, vm: Vm, driver: str, counts: Path, annotate: Path | None) -> None:
        """``annotate`` is the module file whose disassembly is wanted, if any."""
        self._vm = vm
        self._driver = driver
        self._counts = counts
        self._functions = icount_annotate.disassemble(annotate) if annotate is not None else None
        self._read = 0  # rounds of the file that were used
        self._load_driver()
        self._disks = self._find_disks()
        self._symbols = report.Symbols(self._kallsyms())
        self._bars = {shadow: self._bar(place) for shadow, place in PLACES.items()}

    def _load_driver(self) -> None:
        if self._driver == "c":
            self._vm.run("modprobe nvme")
        else:
            self._vm.insmod(claim_all=True)

    def _find_disks(self) -> dict[bool, str]:
        script = FIND_DISKS.format(places=" ".join(PLACES.values()), number=len(PLACES))
        found = self._vm.run(script, check=False)
        if found.rc:
            raise RunFailed(f"the disks did not appear: {found.err}\n{self._vm.report()}")
        names = found.out.split()
        for name in names:
            self._vm.run(f"echo none >/sys/block/{name}/queue/scheduler")
        return dict(zip(PLACES, names, strict=True))

    def _kallsyms(self) -> str:
        functions = self._vm.run("awk '$2 ~ /^[tTwW]$/' /proc/kallsyms | gzip -1")
        return gzip.decompress(functions.out_bytes).decode("ascii")

    def _bar(self, place: str) -> report.Bar:
        first = self._vm.run(f"head -n 1 /sys/bus/pci/devices/{place}/resource").out.split()
        start, end = int(first[0], 16), int(first[1], 16)
        return report.Bar(start, end - start + 1)

    def measure(self, job: Job) -> report.JobResult:
        disk = self._disks[job.shadow]
        queues = disk.removesuffix("n1") + "q"
        line = self._vm.run(
            f"/in/iob /dev/{disk} {job.operation} {job.size} {job.depth} {job.layout} "
            f"{COUNT} {ROUNDS} {CPU} {queues}",
            timeout=200,
        ).out.split()
        if line[:2] != ["ios", str(COUNT * ROUNDS)] or line[2] != "interrupts":
            raise RunFailed(f"unexpected output of iob: {line}")
        rounds = report.parse_rounds(self._counts.read_text(encoding="ascii"))
        fresh, self._read = rounds[self._read :], len(rounds)
        if len(fresh) != ROUNDS + 1:
            raise RunFailed(f"{len(fresh)} rounds were counted, not {ROUNDS + 1}")
        if self._functions is not None:
            listing = icount_annotate.annotate(
                self._functions, self._driver, fresh[:-1], self._symbols, COUNT
            )
            path = TOP / "build" / f"icount {job.name}.txt".replace(",", "").replace(" ", "-")
            path.write_text(listing)
            say(f"annotated disassembly: {path}")
        return report.per_io(
            fresh,
            self._symbols,
            DRIVERS[self._driver],
            self._bars[job.shadow],
            count=COUNT,
            interrupts=int(line[3]),
        )


@dataclass(frozen=True)
class Measured:
    """What one driver did, by the names of jobs."""

    jobs: dict[str, report.JobResult]
    complaint: str  # about the kernel's log; empty if it is clean


def measure(driver: str, jobs: list[Job], module: Path, *, annotate: bool) -> Measured:
    """All jobs on one driver, in a machine of its own."""
    with TemporaryDirectory(prefix="rnvme-icount-") as scratch:
        plugin, program = build(Path(scratch))
        counts = Path(scratch, "counts")
        machine = Machine(
            cpus=2,
            ctrls=[
                NvmeCtrl([NAMESPACE], dbcs=shadow, props={"addr": place[-4:-2]})
                for shadow, place in PLACES.items()
            ],
            module=False,
            # In both machines, so that they differ in nothing but what is loaded.
            files={"iob": str(program), "rnvme.ko": str(module)},
            qemu_args=("-plugin", f"{plugin},out={counts}"),
        )
        say(f"booting, for {TITLES[driver]} ...")
        with Vm(machine) as vm:
            bench = Bench(vm, driver, counts, module if annotate and driver == "rnvme" else None)
            results = {}
            for job in jobs:
                begun = time.monotonic()
                results[job.name] = bench.measure(job)
                say(
                    f"{TITLES[driver]}: {job.name}: {results[job.name].gated:.1f} instructions "
                    f"in the driver per I/O, {time.monotonic() - begun:.1f} s"
                )
            try:
                vm.assert_clean_log()
            except DirtyLog as error:
                return Measured(results, str(error))
            return Measured(results, "")


def describe() -> dict[str, object]:
    """What the figures depend on."""

    def first_line(*command: str) -> str:
        done = subprocess.run(command, capture_output=True, text=True, check=True, timeout=60)
        return done.stdout.splitlines()[0]

    kernel = Path(first_line(str(TOP / "tools" / "kernel"), "stock"))
    return {
        "kernel": (kernel / "version").read_text().strip(),
        "qemu": first_line("qemu-system-x86_64", "--version"),
        "count": COUNT,
        "rounds": ROUNDS,
    }


def show(jobs: list[Job], results: dict[str, dict[str, report.JobResult]], top: int) -> None:
    print(f"Guest instructions per I/O; {ROUNDS} rounds of {COUNT}, random, no scheduler\n")
    for job in jobs:
        both = {driver: per_job[job.name] for driver, per_job in results.items()}
        print(report.table(job.name, both.get("rnvme"), both.get("c")) + "\n")
        if top:
            for driver, result in both.items():
                print(report.top(job.name, TITLES[driver], result, top) + "\n")
            if len(both) == len(DRIVERS):
                print(report.differences(job.name, both["rnvme"], both["c"], top) + "\n")


def parse_arguments() -> argparse.Namespace:
    parser = argparse.ArgumentParser(prog="icount", description=__doc__.splitlines()[0])
    parser.add_argument(
        "--top",
        type=int,
        default=0,
        metavar="N",
        help="show the N functions that cost most, and where the drivers differ",
    )
    parser.add_argument(
        "--annotate",
        action="store_true",
        help="write rnvme's disassembly with executions per I/O, by source line and by function, to build/",
    )
    parser.add_argument("--rst", action="store_true", help="also print the documentation's table")
    parser.add_argument("--gate", action="store_true", help="only the jobs that decide about the exit status")
    parser.add_argument("--driver", choices=sorted(DRIVERS), help="only this driver, no verdict")
    parser.add_argument(
        "--module",
        type=Path,
        metavar="FILE",
        help="an rnvme.ko to measure, instead of one built from the tree",
    )
    parser.add_argument(
        "--json",
        type=Path,
        default=TOP / "build" / "icount.json",
        metavar="FILE",
        help="where the figures go (build/icount.json)",
    )
    return parser.parse_args()


def main() -> int:
    arguments = parse_arguments()
    jobs = [job for job in JOBS if job.gate or not arguments.gate]
    drivers = [arguments.driver] if arguments.driver else list(DRIVERS)
    try:
        module = arguments.module or images.module("stock")
        measured = {driver: measure(driver, jobs, module, annotate=arguments.annotate) for driver in drivers}
    except (VmError, RunFailed, report.BadRun, OSError, subprocess.SubprocessError) as error:
        say(f"error: {error}")
        return 2

    results = {driver: one.jobs for driver, one in measured.items()}
    show(jobs, results, arguments.top)
    complaints = []
    if len(drivers) == len(DRIVERS):
        if arguments.rst:
            print(report.rst_table(results["rnvme"], results["c"]) + "\n")
        complaints = report.verdict(results["rnvme"], results["c"], [job.name for job in jobs if job.gate])
    arguments.json.parent.mkdir(parents=True, exist_ok=True)
    arguments.json.write_text(
        json.dumps(
            {
                **describe(),
                "jobs": {
                    job.name: {driver: per_job[job.name].as_json() for driver, per_job in results.items()}
                    for job in jobs
                },
                "complaints": complaints,
            },
            indent=1,
        )
        + "\n"
    )
    say(f"figures: {arguments.json}")
    for complaint in complaints:
        print(f"above C: {complaint}")
    if len(drivers) == len(DRIVERS) and not complaints:
        print("rnvme is not above C")
    for one in measured.values():
        if one.complaint:
            say(f"error: {one.complaint}")
            return 2
    return 1 if complaints else 0


if __name__ == "__main__":
    sys.exit(main())
