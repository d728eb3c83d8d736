# SPDX-License-Identifier: GPL-2.0
"""The guest's kernel log, record by record, and what makes it dirty.

Records come from /dev/kmsg by a virtio port of their own and are appended to a file here, so each
has its level, and none is lost when the guest dies. A crash may be on the serial console alone;
its text is looked at as well.
"""

from __future__ import annotations

import re
import tomllib
from collections.abc import Iterable
from dataclasses import dataclass
from functools import cache
from pathlib import Path

from .errors import VmError

WARNING = 4
_KERNEL, _USER = 0, 1

# Never right, at whatever level, on any machine.
_BAD = re.compile(
    r"""
      \bWARNING:\ | \bBUG:\ | \bBUG\ at\b | \bOops\b | \bCall\ Trace: | \bKernel\ panic\b
    | general\ protection\ fault | unable\ to\ handle\ | invalid\ opcode | stack\ guard\ page
    | blocked\ for\ more\ than | \bINFO:\ (task|rcu_|lockdep|trying) | \brcu:.*\bstall
    | (soft|hard)\ lockup | lockup\ -\ pool | \bKASAN\b.*\bin\b | \bUBSAN: | \bKCSAN:
    | circular\ locking | recursive\ locking | inconsistent\ lock\ state | suspicious\ RCU\ usage
    | bad\ unlock\ balance | held\ lock\ freed | still\ has\ locks\ held | lock\ held\ when\ returning
    | invalid\ wait\ context | sleeping\ function\ called | scheduling\ while\ atomic
    | possible\ irq\ lock\ inversion | HARDIRQ-safe
    | \bDMA-API:\ (?!preallocated|debugging) | DMAR:.*\b(fault|ERROR)
    | new\ suspected\ memory\ leak | ODEBUG: | refcount_t: | list_(add|del)\ corruption
    | nobody\ cared | \brust_kernel:\ panicked | \bpanicked\ at\b | Bad\ page\ state
    | stack-protector: | Slab.*(corrupt|Redzone|Poison) | \bTainted:.*\[[WDO]
    """,
    re.VERBOSE,
)

# "PRIORITY,SEQUENCE,MICROSECONDS,FLAGS[,...];TEXT"; continued by lines that begin with a space.
_RECORD = re.compile(r"(\d+),(\d+),(\d+),[^;]*;(.*)")


@dataclass(frozen=True)
class Record:
    """One record of the log."""

    boot: int
    sequence: int
    seconds: float
    facility: int
    level: int
    text: str

    def __str__(self) -> str:
        return f"<{self.level}>[{self.seconds:12.6f}] {self.text}"


@dataclass(frozen=True)
class KnownLine:
    """A line that is right, and why."""

    pattern: re.Pattern[str]
    reason: str


class DirtyLog(VmError):
    """The kernel log has lines that no one expects."""


@cache
def known_lines() -> tuple[KnownLine, ...]:
    """The lines of known_log_lines.toml."""
    with Path(__file__).with_name("known_log_lines.toml").open("rb") as file:
        entries = tomllib.load(file)["line"]
    return tuple(KnownLine(re.compile(entry["pattern"]), entry["reason"]) for entry in entries)


def is_bad(text: str) -> bool:
    """Whether this text is never right."""
    return _BAD.search(text) is not None


def objection(record: Record) -> str | None:
    """Why this record is not right, if so."""
    if is_bad(record.text):
        return "a complaint of the kernel"
    # What programs of the guest say about themselves is their own business.
    worth_a_look = record.facility in (_KERNEL, _USER) and record.level <= WARNING
    if (worth_a_look or "rnvme" in record.text) and not any(
        known.pattern.search(record.text) for known in known_lines()
    ):
        return "not among known_log_lines.toml"
    return None


class KernelLog:
    """All records of a machine, over all its boots."""

    def __init__(self, records: Path, console: Path) -> None:
        self._path = records
        self._console_path = console
        self._offset = 0
        self._rest = b""
        self._boot: dict[int, Record] = {}
        self._records: list[Record] = []
        self._checked = 0
        self._console_checked = 0

    @property
    def boots(self) -> int:
        """How many kernels have logged so far."""
        return self.records()[-1].boot + 1 if self.records() else 0

    def records(self) -> list[Record]:
        """All records up to now."""
        with self._path.open("rb") as file:
            file.seek(self._offset)
            fresh = file.read()
        self._offset += len(fresh)
        *lines, self._rest = (self._rest + fresh).split(b"\n")
        for line in lines:
            self._add(line.decode(errors="replace"))
        return self._records

    def _add(self, line: str) -> None:
        match = _RECORD.fullmatch(line)
        if match is None:
            return
        priority, sequence, micros = (int(match[n]) for n in (1, 2, 3))
        boot = self._records[-1].boot if self._records else 0
        record = Record(boot, sequence, micros / 1e6, priority >> 3, priority & 7, match[4])
        # The guest reads from the oldest record again after it was too slow.
        if self._boot.get(sequence) == record:
            return
        if self._boot and sequence <= max(self._boot):
            record = Record(boot + 1, *list(record.__dict__.values())[1:])
            self._boot = {}
        self._boot[sequence] = record
        self._records.append(record)

    def console(self) -> str:
        """The serial console's text."""
        return self._console_path.read_text(errors="replace")

    def has(self, text: str) -> bool:
        """Whether some record contains this text."""
        return any(text in record.text for record in self.records())

    def find(self, pattern: str) -> list[Record]:
        """Records that contain a match of this regular expression."""
        return [record for record in self.records() if re.search(pattern, record.text)]

    def unchecked(self, allow: Iterable[str] = ()) -> list[str]:
        """Lines not looked at before that are not right, each with the reason.

        ``allow`` are regular expressions for lines that are right in this one test: bad ones, too.
        """
        allowed = [re.compile(pattern) for pattern in allow]
        found = []
        records = self.records()
        for record in records[self._checked :]:
            reason = objection(record)
            if reason and not any(pattern.search(record.text) for pattern in allowed):
                found.append(f"{record}   ({reason})")
        self._checked = len(records)
        # What the port brought is not shown twice.
        seen = {record.text.strip() for record in records}
        console = self.console()
        for line in console[self._console_checked :].splitlines():
            text = re.sub(r"^\[ *\d+\.\d+\]", "", line).strip()
            if is_bad(text) and text not in seen and not any(p.search(text) for p in allowed):
                found.append(f"console: {line}")
        self._console_checked = len(console)
        return found
