# SPDX-License-Identifier: GPL-2.0
"""From the raw counts of a run to figures per I/O, tables, and the verdict.

Pure functions of text and numbers: nothing here starts a virtual machine. The counts come from
icount_plugin.c, the names from the guest's /proc/kallsyms of the same boot.

What counts as the driver's: the text of its modules, and in the kernel image the functions that
exist for Rust alone, `rust_helper_*` (a C inline function as a real one) and `_R*` (the kernel
crate). What a driver makes the rest of the kernel do is in `kernel`, and is reported beside it.
"""

from __future__ import annotations

import bisect
import re
import shutil
import statistics
import subprocess
from collections import Counter
from collections.abc import Iterable
from dataclasses import dataclass, field

# Functions that hand out memory: each call of one is an allocation. Wrappers of them are left out
# (mempool_alloc, __alloc_pages), or an allocation would count twice.
ALLOCATORS = frozenset(
    {
        "__alloc_frozen_pages_noprof",
        "__kmalloc_cache_node_noprof",
        "__kmalloc_cache_noprof",
        "__kmalloc_flags_noprof",
        "__kmalloc_large_node_noprof",
        "__kmalloc_large_noprof",
        "__kmalloc_node_noprof",
        "__kmalloc_node_track_caller_noprof",
        "__kmalloc_noprof",
        "__kvmalloc_node_noprof",
        "__vmalloc_node_range_noprof",
        "alloc_pages_bulk_noprof",
        "dma_alloc_attrs",
        "dma_pool_alloc",
        "kmem_cache_alloc_bulk_noprof",
        "kmem_cache_alloc_from_sheaf_noprof",
        "kmem_cache_alloc_lru_noprof",
        "kmem_cache_alloc_node_noprof",
        "kmem_cache_alloc_noprof",
        "pcpu_alloc_noprof",
    }
)


class BadRun(Exception):
    """The run's output is not what a complete run writes."""


# --------------------------------------------------------------------------- names of addresses


@dataclass(frozen=True)
class Symbol:
    name: str
    module: str  # empty for the kernel image


class Symbols:
    """The guest's symbols, by address."""

    def __init__(self, kallsyms: str) -> None:
        found: dict[int, Symbol] = {}
        for line in kallsyms.splitlines():
            fields = line.split()
            if len(fields) < 3 or fields[1] not in "tTwW":
                continue
            name = fields[2]
            if name.startswith("__pfx_"):  # the padding in front of a function
                continue
            module = fields[3].strip("[]") if len(fields) > 3 else ""
            address = int(fields[0], 16)
            # Of several names of one address the global one is what people know.
            if address not in found or fields[1] in "TW":
                found[address] = Symbol(name, module)
        if 0 in found or not found:
            raise BadRun("kallsyms shows no addresses: it must be read as root")
        self._at = found
        self._addresses = sorted(found)

    def covering(self, address: int) -> Symbol:
        """The function that an instruction at this address is part of."""
        return self._at.get(self.start(address), Symbol(f"{address:#x}", ""))

    def start(self, address: int) -> int:
        """Where the function begins that an instruction at this address is part of."""
        index = bisect.bisect_right(self._addresses, address) - 1
        return self._addresses[index] if index >= 0 else address

    def starting(self, address: int) -> Symbol | None:
        """The function whose first instruction is at this address."""
        return self._at.get(address)


def function_name(symbol: str) -> str:
    """A function's name without what compilers append to parts and copies of it."""
    return symbol.split(".", 1)[0]


def readable(names: Iterable[str]) -> dict[str, str]:
    """Demangled names of Rust functions; the others as they are."""
    names = list(names)
    tool = shutil.which("c++filt")
    mangled = [name for name in names if name.startswith("_R")]
    result = {name: name for name in names}
    if tool and mangled:
        done = subprocess.run(
            [tool], input="\n".join(mangled), capture_output=True, text=True, check=True, timeout=60
        )
        result.update(zip(mangled, map(without_hashes, done.stdout.splitlines()), strict=True))
    return result


def without_hashes(name: str) -> str:
    """A Rust path without the crates' disambiguators."""
    return re.sub(r"\[[0-9a-f]{8,}\]", "", name)


# --------------------------------------------------------------------------- what the plugin wrote


@dataclass
class Round:
    """What was executed between two markers."""

    user: int = 0
    blocks: list[tuple[int, int, int, int]] = field(default_factory=list)
    accesses: Counter[tuple[int, str]] = field(default_factory=Counter)


def parse_rounds(text: str) -> list[Round]:
    rounds: list[Round] = []
    current: Round | None = None
    for line in text.splitlines():
        match line.split():
            case ["round", number, "vcpu", _] if current is None and int(number) == len(rounds):
                current = Round()
            case ["user", executed] if current is not None:
                current.user = int(executed)
            case ["block", address, length, entered, executed] if current is not None:
                current.blocks.append((int(address, 16), int(length), int(entered), int(executed)))
            case ["access", physical, ("r" | "w") as kind, count] if current is not None:
                current.accesses[int(physical, 16), kind] += int(count)
            case ["end"] if current is not None:
                rounds.append(current)
                current = None
            case _:
                raise BadRun(f"unexpected line in the plugin's output: {line!r}")
    if current is not None:
        raise BadRun("the last round has no end")
    return rounds


# --------------------------------------------------------------------------- figures per I/O

RUST = "rust in vmlinux"


@dataclass
class Split:
    """Instructions of one round by whose they are, and by function."""

    driver: int = 0
    rust: int = 0
    kernel: int = 0
    user: int = 0
    blocks: int = 0  # driver and rust, counted by whole blocks
    functions: Counter[tuple[str, str]] = field(default_factory=Counter)
    calls: Counter[tuple[str, str]] = field(default_factory=Counter)

    @property
    def gated(self) -> int:
        """What the verdict is about: all that is the driver's."""
        return self.driver + self.rust

    @property
    def total(self) -> int:
        return self.driver + self.rust + self.kernel + self.user


def owner(symbol: Symbol, modules: frozenset[str]) -> str:
    """Whose a function is: its module for a driver's, RUST, or empty for the rest of the kernel."""
    if symbol.module in modules:
        return symbol.module
    if not symbol.module and symbol.name.startswith(("rust_helper_", "_R")):
        return RUST
    return ""


def split(one: Round, symbols: Symbols, modules: frozenset[str]) -> Split:
    result = Split(user=one.user)
    for address, length, entered, executed in one.blocks:
        symbol = symbols.covering(address)
        whose = owner(symbol, modules)
        if whose == RUST:
            result.rust += executed
        elif whose:
            result.driver += executed
        else:
            result.kernel += executed
        if whose:
            result.blocks += length * entered
        result.functions[whose, function_name(symbol.name)] += executed
        first = symbols.starting(address)
        if first is not None:
            result.calls[whose, function_name(first.name)] += entered
    return result


@dataclass(frozen=True)
class Bar:
    """Where a controller's registers are; doorbells have a stride of 4 bytes (CAP.DSTRD = 0)."""

    base: int
    size: int

    DOORBELLS = 0x1000

    def kind(self, physical: int, access: str) -> str | None:
        """What an access is, None for one to another device."""
        offset = physical - self.base
        if not 0 <= offset < self.size:
            return None
        if offset < self.DOORBELLS or access == "r":
            return "register read" if access == "r" else "register write"
        return "cq doorbell" if offset // 4 % 2 else "sq doorbell"


@dataclass
class JobResult:
    """One job on one driver: figures per I/O."""

    driver: float
    rust: float
    kernel: float
    user: float
    total: float
    gated: float
    blocks: float
    spread: float  # of `gated` over the rounds, as a part of it
    interrupts: float
    accesses: dict[str, float]
    allocations: dict[str, float]
    functions: list[tuple[str, str, float, float]]  # owner, name, instructions, calls

    def as_json(self) -> dict[str, object]:
        return {
            **{
                name: round(getattr(self, name), 3)
                for name in (
                    "driver",
                    "rust",
                    "kernel",
                    "user",
                    "total",
                    "gated",
                    "blocks",
                    "spread",
                    "interrupts",
                )
            },
            "accesses": {k: round(v, 4) for k, v in sorted(self.accesses.items())},
            "allocations": {k: round(v, 4) for k, v in sorted(self.allocations.items())},
            "functions": [
                {"owner": whose, "name": name, "instructions": round(insns, 3), "calls": round(calls, 4)}
                for whose, name, insns, calls in self.functions
            ],
        }


def per_io(
    rounds: list[Round], symbols: Symbols, modules: frozenset[str], bar: Bar, *, count: int, interrupts: int
) -> JobResult:
    """The figures of one job: all rounds but the last counted instructions, the last one accesses.

    The median over the rounds is given, so that one round with a housekeeping task in it does not
    move a figure.
    """
    if len(rounds) < 2:
        raise BadRun(f"{len(rounds)} rounds: at least one and one for accesses are needed")
    splits = [split(one, symbols, modules) for one in rounds[:-1]]

    def median(values: Iterable[float]) -> float:
        return statistics.median(values) / count

    gated = [one.gated for one in splits]
    if not min(one.driver for one in splits):
        raise BadRun(f"no instruction of {', '.join(sorted(modules))} was executed")

    accesses: Counter[str] = Counter()
    for (physical, access), times in rounds[-1].accesses.items():
        kind = bar.kind(physical, access)
        if kind is not None:
            accesses[kind] += times

    names = {key for one in splits for key in one.functions}
    shown = readable(name for _, name in names)
    functions = [
        (
            whose,
            shown[name],
            median(one.functions[whose, name] for one in splits),
            median(one.calls[whose, name] for one in splits),
        )
        for whose, name in names
    ]
    return JobResult(
        driver=median(one.driver for one in splits),
        rust=median(one.rust for one in splits),
        kernel=median(one.kernel for one in splits),
        user=median(one.user for one in splits),
        total=median(one.total for one in splits),
        gated=median(gated),
        blocks=median(one.blocks for one in splits),
        spread=(max(gated) - min(gated)) / statistics.median(gated),
        interrupts=interrupts / (count * len(splits)),
        accesses={kind: times / count for kind, times in accesses.items()},
        allocations={name: calls for _, name, _, calls in functions if name in ALLOCATORS and calls},
        functions=sorted(functions, key=lambda row: (-row[2], row[1])),
    )


# --------------------------------------------------------------------------- tables

ROWS: tuple[tuple[str, str], ...] = (
    ("driver, all of it", "gated"),
    ("driver, by whole blocks", "blocks"),
    ("  module text", "driver"),
    ("  rust in vmlinux", "rust"),
    ("other kernel", "kernel"),
    ("user", "user"),
    ("all", "total"),
)
ACCESS_KINDS = ("sq doorbell", "cq doorbell", "register read", "register write")


def table(job: str, ours: JobResult | None, theirs: JobResult | None) -> str:
    """One job: rnvme beside C. A column of a driver that was not measured has dashes."""
    lines = [f"{job:<34} {'rnvme':>10} {'C':>10} {'ratio':>7}"]

    def row(title: str, left: float | None, right: float | None, digits: int) -> None:
        cells = [f"{value:10.{digits}f}" if value is not None else f"{'-':>10}" for value in (left, right)]
        ratio = f"{left / right:7.3f}" if left is not None and right else f"{'-':>7}"
        lines.append(f"  {title:<32} {cells[0]} {cells[1]} {ratio}")

    def of(result: JobResult | None, name: str) -> float | None:
        return getattr(result, name) if result else None

    for title, name in ROWS:
        row(title, of(ours, name), of(theirs, name), 1)
    row("interrupts", of(ours, "interrupts"), of(theirs, "interrupts"), 3)
    for kind in ACCESS_KINDS:
        pair = [result.accesses.get(kind, 0.0) if result else None for result in (ours, theirs)]
        if any(pair):
            row(kind, pair[0], pair[1], 3)
    pair = [sum(result.allocations.values()) if result else None for result in (ours, theirs)]
    row("allocator calls", pair[0], pair[1], 3)
    row(
        "driver's spread over rounds, %",
        *(100 * result.spread if result else None for result in (ours, theirs)),
        2,
    )
    return "\n".join(lines)


def rst_table(ours: dict[str, JobResult], theirs: dict[str, JobResult]) -> str:
    """All jobs in one table, as in Documentation/performance.rst."""
    head = ("Job", "rnvme", "C", "ratio", "by blocks", "of C", "doorbells", "of C")
    rows = [head]
    for job, left in ours.items():
        right = theirs[job]
        rows.append(
            (
                job,
                f"{left.gated:.1f}",
                f"{right.gated:.1f}",
                f"{left.gated / right.gated:.3f}",
                f"{left.blocks:.1f}",
                f"{right.blocks:.1f}",
                f"{_doorbells(left):.3f}",
                f"{_doorbells(right):.3f}",
            )
        )
    widths = [max(len(row[column]) for row in rows) for column in range(len(head))]
    rule = "  ".join("=" * width for width in widths)

    def line(row: tuple[str, ...]) -> str:
        first, *others = (cell.ljust(width) for cell, width in zip(row, widths, strict=True))
        return "  ".join([first, *(cell.strip().rjust(len(cell)) for cell in others)])

    return "\n".join([rule, line(head), rule, *map(line, rows[1:]), rule])


def _doorbells(result: JobResult) -> float:
    return result.accesses.get("sq doorbell", 0.0) + result.accesses.get("cq doorbell", 0.0)


def differences(job: str, ours: JobResult, theirs: JobResult, limit: int) -> str:
    """What the two drivers make the rest of the kernel do: where they differ most."""

    def kernel(result: JobResult) -> dict[str, float]:
        return {name: insns for whose, name, insns, _ in result.functions if not whose}

    left, right = kernel(ours), kernel(theirs)
    delta = {name: left.get(name, 0.0) - right.get(name, 0.0) for name in left.keys() | right}
    lines = [f"{job}, rest of the kernel: instructions per I/O, rnvme minus C"]
    for name in sorted(delta, key=lambda name: (-abs(delta[name]), name))[:limit]:
        if abs(delta[name]) >= 0.05:
            lines.append(
                f"  {delta[name]:+9.1f}  ({left.get(name, 0.0):.1f} - {right.get(name, 0.0):.1f})  {name}"
            )
    return "\n".join(lines)


def top(job: str, driver: str, result: JobResult, limit: int) -> str:
    """The functions that cost most: the driver's own, then what it shares the kernel with."""
    lines = [f"{job}, {driver}: instructions and calls per I/O"]
    for mine in (True, False):
        rows = [row for row in result.functions if bool(row[0]) == mine][:limit]
        for whose, name, insns, calls in rows:
            if insns >= 0.05:
                lines.append(f"  {insns:9.1f} {calls:8.3f}  {whose or 'kernel':<16} {name}")
    return "\n".join(lines)


# --------------------------------------------------------------------------- the verdict


# Interrupts and device accesses may exceed C's by this part: on a busy host QEMU now and then
# splits a batch of completions in two. Instructions may not exceed C's at all.
EVENT_TOLERANCE = 0.01


def verdict(ours: dict[str, JobResult], theirs: dict[str, JobResult], gates: Iterable[str]) -> list[str]:
    """Where rnvme costs more than C did in the same run; empty when it passes.

    Both ways of counting must agree: instructions executed, and whole blocks, which is how older
    figures were taken (603.0 and 499.6 for C).
    """
    complaints = []
    for job in gates:
        left, right = ours[job], theirs[job]
        limits = [
            ("instructions in the driver", left.gated, right.gated, 0.0),
            ("instructions in the driver by whole blocks", left.blocks, right.blocks, 0.0),
            ("interrupts", left.interrupts, right.interrupts, EVENT_TOLERANCE),
        ]
        limits += [
            (f"{kind}s", left.accesses.get(kind, 0.0), right.accesses.get(kind, 0.0), EVENT_TOLERANCE)
            for kind in ACCESS_KINDS
        ]
        complaints += [
            f"{job}: {mine:.3f} {what} per I/O, C has {other:.3f}"
            for what, mine, other, slack in limits
            if mine > other * (1 + slack)
        ]
    return complaints
