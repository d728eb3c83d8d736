# SPDX-License-Identifier: GPL-2.0
"""A module's disassembly, and its source lines, with how often each was executed per I/O."""

from __future__ import annotations

import re
import subprocess
from bisect import bisect_left
from collections import Counter
from dataclasses import dataclass, field
from pathlib import Path

from icount_report import Round, Symbols, without_hashes

_FUNCTION = re.compile(r"[0-9a-f]+ <(?P<name>.+)>:$")
_INSTRUCTION = re.compile(r"\s*(?P<address>[0-9a-f]+):\t(?P<text>.*)$")
_RELOCATION = re.compile(r"\s+[0-9a-f]+: R_\w+\s+(?P<target>\S+)")
_LINE = re.compile(r"(?P<path>\S+):(?P<line>\d+)(?: \(discriminator \d+\))?$")


@dataclass
class Function:
    """A function's instructions, by place."""

    addresses: list[int] = field(default_factory=list)
    texts: list[str] = field(default_factory=list)
    lines: list[str] = field(default_factory=list)  # source lines, empty without debug information


def annotate(
    functions: dict[str, Function], name: str, rounds: list[Round], symbols: Symbols, count: int
) -> str:
    """What was executed of a disassembled module, by source line and by function, hottest first.

    ``name`` is the module's in the kernel. Functions are matched by symbol, so that it does not
    matter where the module was loaded. Instructions are counted by whole blocks.
    """
    entered = _entries(name, rounds, symbols)
    ios = count * len(rounds)
    by_line: Counter[str] = Counter()
    listings = []
    for symbol, function in functions.items():
        times = _times(function, entered.get(symbol, Counter()))
        if not any(times):
            continue
        for line, executions in zip(function.lines, times, strict=True):
            by_line[line] += executions
        listings.append((sum(times) / ios, symbol, _listing(function, times, ios)))
    parts = [
        "\n".join(
            f"{executions / ios:10.3f}  {line}" for line, executions in by_line.most_common() if executions
        )
    ]
    parts += [
        f"{total:10.1f}  {symbol}\n{text}"
        for total, symbol, text in sorted(listings, key=lambda part: (-part[0], part[1]))
    ]
    done = subprocess.run(
        ["c++filt"], input="\n\n".join(parts) + "\n", capture_output=True, text=True, check=True, timeout=60
    )
    return without_hashes(done.stdout)


def _listing(function: Function, times: list[int], ios: int) -> str:
    lines = []
    source = ""
    for executions, text, line in zip(times, function.texts, function.lines, strict=True):
        if line != source:
            lines.append(f"{'':12}; {line}")
            source = line
        lines.append(f"{executions / ios:10.3f}  {text}" if executions else f"{'':10}  {text}")
    return "\n".join(lines)


def _times(function: Function, blocks: Counter[tuple[int, int]]) -> list[int]:
    """How often each instruction was executed."""
    times = [0] * len(function.addresses)
    for (offset, length), executions in blocks.items():
        first = bisect_left(function.addresses, function.addresses[0] + offset)
        for place in range(first, min(first + length, len(times))):
            times[place] += executions
    return times


def _entries(name: str, rounds: list[Round], symbols: Symbols) -> dict[str, Counter[tuple[int, int]]]:
    """How often blocks were entered: by function, then by offset and length."""
    entered: dict[str, Counter[tuple[int, int]]] = {}
    for one in rounds:
        for address, length, times, _ in one.blocks:
            symbol = symbols.covering(address)
            if symbol.module == name:
                offset = address - symbols.start(address)
                entered.setdefault(symbol.name, Counter())[offset, length] += times
    return entered


def disassemble(module: Path) -> dict[str, Function]:
    """The functions of a module file, by symbol."""
    done = subprocess.run(
        ["objdump", "--disassemble", "--reloc", "--line-numbers", "--no-show-raw-insn", module],
        capture_output=True,
        text=True,
        check=True,
        timeout=300,
    )
    functions: dict[str, Function] = {}
    current = Function()
    source = ""
    for text in done.stdout.splitlines():
        if match := _FUNCTION.match(text):
            current = functions.setdefault(match["name"], Function())
            source = ""
        elif match := _INSTRUCTION.match(text):
            current.addresses.append(int(match["address"], 16))
            current.texts.append(match["text"].rstrip())
            current.lines.append(source)
        elif (match := _RELOCATION.match(text)) and current.texts:
            # It says what the instruction before it names.
            current.texts[-1] += f"    # {match['target']}"
        elif match := _LINE.match(text):
            source = f"{match['path']}:{match['line']}"
    return functions
