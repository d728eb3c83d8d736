# SPDX-License-Identifier: GPL-2.0
"""The messages that the kernel of a guest sends to user space."""

from __future__ import annotations

import json
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass

import pytest
from lifecycle import GUEST
from rnvme_vm import NvmeCtrl, NvmeNs, Vm

#: A subsystem whose namespace 3 belongs to neither of its two controllers at first, and doorbells that
#: others than the driver can ring.
machine = pytest.mark.machine(
    ctrls=[
        NvmeCtrl([NvmeNs(), NvmeNs(), NvmeNs(props={"detached": True})], "drive0", subsystem="subsystem"),
        NvmeCtrl([], "drive0", subsystem="subsystem"),
    ],
    cmdline="iomem=relaxed",
)

_FILE = "/run/uevents"
Uevent = dict[str, str]


@dataclass
class Uevents:
    """What came while somebody listened."""

    vm: Vm

    def all(self) -> list[Uevent]:
        """All so far, in their order."""
        return [json.loads(line) for line in self.vm.read_file(_FILE).decode().splitlines()][1:]

    def matching(self, **wanted: str) -> list[Uevent]:
        """Those that have all these variables with these values."""
        return [event for event in self.all() if wanted.items() <= event.items()]

    def wait_for(self, count: int = 1, **wanted: str) -> list[Uevent]:
        """Waits until there are so many of them."""
        self.vm.wait_until(lambda: len(self.matching(**wanted)) >= count, 10, f"a uevent with {wanted}")
        return self.matching(**wanted)


@contextmanager
def listening(vm: Vm) -> Iterator[Uevents]:
    """Listens until the block ends."""
    vm.write_file("/run/uevents.py", (GUEST / "uevents.py").read_bytes())
    vm.run(f"rm -f {_FILE}")
    job = vm.spawn(f"exec python3 /run/uevents.py {_FILE}", 300)
    vm.wait_until(lambda: vm.run(f"test -s {_FILE}", check=False).rc == 0, 10, "the listener")
    try:
        yield Uevents(vm)
    finally:
        job.kill()


def controllers(vm: Vm) -> list[str]:
    """The names of the controllers, in the order of the machine's description."""
    lines = vm.run("grep -H . /sys/class/rnvme/*/address").out.splitlines()
    named = {address: path.split("/")[4] for path, address in (line.split(":", 1) for line in lines)}
    return [named[address] for address in sorted(named)]


def first(vm: Vm) -> str:
    """The name of the first one."""
    return controllers(vm)[0]
