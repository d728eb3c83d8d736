# SPDX-License-Identifier: GPL-2.0
"""The RAM disk of tests/mq: devices and disks by commands, counters, and what must be true at the end.

``with loaded(vm) as ram`` loads the module. At the end of the block all disks and devices are removed
and the module is unloaded. No slot may be full then, and each request that was started must have been
ended or given back, once.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest
from rnvme_vm import Job, Vm, number

NODE = "/dev/mq_ram"
MIB = 1 << 20

#: Programs that run in the guest.
GUEST = Path(__file__).with_name("guest")


def machine(**description: Any) -> pytest.MarkDecorator:
    """The mark for a machine that has the RAM disk, and no NVMe drives."""
    return pytest.mark.machine(ctrls=(), module=False, mq_ram=True, **description)


@dataclass(frozen=True)
class Line:
    """A line of the report."""

    kind: str
    name: str
    values: dict[str, str]

    def __getitem__(self, name: str) -> int:
        """A counter or a parameter that is a number."""
        return int(self.values[name])


@dataclass(frozen=True)
class Ram:
    """The module in a machine."""

    vm: Vm

    @staticmethod
    def line(*words: object, **parameters: Any) -> str:
        """The text of a command."""
        return " ".join([*(str(word) for word in words), *(f"{k}={_text(v)}" for k, v in parameters.items())])

    def commands(self, lines: Iterable[str]) -> None:
        """Gives the module several commands, at once: a program in the guest takes its time to start."""
        script = "\n".join(f"echo '{line}' >{NODE}" for line in lines)
        self.vm.run(f"set -e\n{script}", timeout=120)

    def command(self, *words: object, check: bool = True, **parameters: Any) -> bool:
        """Gives the module a command; whether it took it."""
        text = self.line(*words, **parameters)
        return self.vm.run(f"echo '{text}' >{NODE}", timeout=120, check=check).rc == 0

    def device(self, name: str, **parameters: Any) -> None:
        """Makes a device."""
        self.command("device", name, **parameters)

    def disk(self, name: str, device: str, **parameters: Any) -> str:
        """Adds a disk to a device; returns its node."""
        self.command("disk", name, device, **parameters)
        return f"/dev/{name}"

    def report(self) -> list[Line]:
        """All devices, disks, and devices that are gone."""
        lines = []
        for line in self.vm.run(f"cat {NODE}").out.splitlines():
            kind, name, *words = line.split()
            lines.append(Line(kind, name, dict(word.split("=", 1) for word in words)))
        return lines

    def counters(self, device: str) -> Line:
        """The line of a device, which may be gone."""
        (line,) = (line for line in self.report() if line.name == device and line.kind in ("device", "gone"))
        return line

    def disk_line(self, name: str) -> Line:
        """The line of a disk."""
        (line,) = (line for line in self.report() if line.name == name and line.kind == "disk")
        return line

    def clear(self) -> None:
        """Removes all disks, then all devices, and checks what they counted."""
        there = self.report()
        lines = (line for kind in ("disk", "device") for line in there if line.kind == kind)
        self.commands(f"remove {line.name}" for line in lines)
        for line in self.report():
            _check(line)


def _text(value: Any) -> str:
    return str(int(value)) if isinstance(value, bool) else str(value)


def _check(line: Line) -> None:
    assert line.kind == "gone", line
    assert line["bogus_taken"] == 0, f"a completion of nothing took a request: {line}"
    assert line["left"] == 0, f"requests left in slots: {line}"
    assert line["started"] == line["released"] + line["ended_at_once"], f"started is not ended: {line}"
    assert line["requeued"] == line["retried"], f"what was given back did not come again: {line}"
    assert line["init_request"] == line["exit_request"] > 0, line
    assert line["init_hctx"] == line["exit_hctx"], line
    assert line["budget_given"] == line["budget_back"], line
    assert line["open"] == line["release"], line


@contextmanager
def loaded(vm: Vm) -> Iterator[Ram]:
    """The module, for a while."""
    vm.run("insmod /in/mq_ram.ko")
    ram = Ram(vm)
    try:
        yield ram
        ram.clear()
    except BaseException:
        vm.spoiled = True
        raise
    vm.run("rmmod mq_ram", timeout=60)


def number_for(vm: Vm, name: str) -> int:
    """That of tests/numbers.toml; a quarter of it on the debug kernel, which is slow."""
    return number(name) if vm.machine.kernel == "stock" else max(1, number(name) // 4)


def fio_words(**options: Any) -> dict[str, Any]:
    """What fio is told about verified writes, wherever they go."""
    return {
        "rw": "randwrite",
        "bs": "4k",
        "ioengine": "io_uring",
        "iodepth": 32,
        "direct": 1,
        "verify": "crc32c",
        "verify_fatal": 1,
        "do_verify": 1,
        # fio would write it next to the disk's node.
        "verify_state_save": 0,
        **options,
    }


def fio(vm: Vm, node: str, size: int = 4 * MIB, **options: Any) -> Job:
    """Starts verified writes in the guest."""
    where = {"name": node.rsplit("/", 1)[-1], "filename": node, "size": size}
    words = where | fio_words(**options)
    # One that runs until somebody ends it may do so for as long as it was told.
    limit = max(300, words.get("runtime", 0))
    return vm.spawn(" ".join(["fio", *(f"--{key}={value}" for key, value in words.items())]), timeout=limit)
