# SPDX-License-Identifier: GPL-2.0
"""The driver with the drives of a machine: their nodes, and what must be true once it is gone.

``with loaded(vm) as drives`` loads the module with all drives. At the end of the block it is
unloaded, nothing of it may be left, and QEMU must have had no reason to complain: the machines made
by ``machine`` have it write down each command that failed and each act against the specification.
"""

from __future__ import annotations

import os
import re
from collections.abc import Callable, Iterable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from random import Random
from typing import Any

import pytest
from rnvme_vm import Disk, NvmeCtrl, NvmeNs, Vm

KIB = 1 << 10
MIB = 1 << 20

#: Lines of the kernel log that are right when partitions appear and file systems come and go.
PARTITIONS = r"^ ?rnvme\d+n\d+: p\d"
FILE_SYSTEMS = r"^(EXT4-fs|XFS) \(rnvme\d+n\d+(p\d+)?\): .*([Mm]ounted|[Mm]ounting|clean mount|recovery)"

#: What the C driver says.
C_DRIVER = r"^(block )?nvme(\d+n\d+| nvme\d+): "

#: Programs that run in the guest.
GUEST = Path(__file__).with_name("guest")

_WATCH = ("-trace", "pci_nvme_err*", "-trace", "pci_nvme_ub*")
_COMPLAINT = re.compile(r"\bpci_nvme_(?:err|ub)\w* .*")

_LEFT = r"""
grep -H rnvme /proc/interrupts /proc/devices /proc/iomem /proc/modules
ls -d /dev/rnvme* /sys/class/rnvme* /sys/block/rnvme* /sys/bus/pci/drivers/rnvme /sys/module/rnvme 2>/dev/null
true
"""


def machine(**description: Any) -> pytest.MarkDecorator:
    """The mark for a machine whose drives tell what they object to."""
    more = tuple(description.pop("qemu_args", ()))
    return pytest.mark.machine(qemu_args=_WATCH + more, **description)


#: The machine that serves whatever needs no special one. NSID 1 and 2 are large enough for XFS.
plain = machine(ctrls=[NvmeCtrl([NvmeNs(512 * MIB), NvmeNs(512 * MIB, lba=4096), NvmeNs(64 * MIB)])])


@dataclass(frozen=True)
class Drives:
    """Controllers that a driver has, by their place in the machine's description."""

    vm: Vm
    #: Names of the controllers by serial number.
    names: dict[str, str]
    #: Names of the disks by controller name and NSID.
    disks: dict[tuple[str, int], str]

    def name(self, ctrl: int = 0) -> str:
        """The name of a controller, as ``rnvme0``."""
        return self.names[list(self.vm.machine.ctrls)[ctrl].serial or ""]

    def ctrl(self, ctrl: int = 0) -> str:
        """The node of a controller."""
        return f"/dev/{self.name(ctrl)}"

    def has_disk(self, nsid: int, ctrl: int = 0) -> bool:
        """Whether the driver made a disk of this namespace."""
        return (self.name(ctrl), nsid) in self.disks

    def disk(self, nsid: int = 1, ctrl: int = 0) -> str:
        """The node of a namespace."""
        return f"/dev/{self.disks[self.name(ctrl), nsid]}"

    def sysfs(self, nsid: int = 1, ctrl: int = 0) -> str:
        """The directory of a namespace's disk in sysfs."""
        return f"/sys/block/{self.disks[self.name(ctrl), nsid]}"

    def attributes(self, directory: str, names: Iterable[str] = ("*",)) -> dict[str, str]:
        """Files of a directory of sysfs, as far as they are there and can be read."""
        out = self.vm.run(f"cd {directory} && grep -Hs '' {' '.join(names)} || true").out
        return dict(line.split(":", 1) for line in out.splitlines())

    def lines(self, command: str, nsid: int = 1) -> list[list[str]]:
        """What a command writes, line by line, for each controller in turn.

        In the command, {name}, {disk} and {sysfs} stand for those of the controller and its namespace.
        """
        commands = [
            command.format(name=self.name(place), disk=self.disk(nsid, place), sysfs=self.sysfs(nsid, place))
            for place in range(len(self.names))
        ]
        out = self.vm.run("; echo ---; ".join(commands), timeout=120).out
        return [part.splitlines() for part in out.split("---\n")]


def find(vm: Vm, driver: str) -> Drives:
    """What this driver (``rnvme``, or the C driver as ``nvme``) has made of the machine's drives."""
    names, disks = {}, {}
    script = f"""
        for ctrl in /sys/class/{driver}/{driver}[0-9]*; do
            echo ctrl ${{ctrl##*/}} $(cat $ctrl/serial)
            for disk in $ctrl/{driver}*n*/nsid; do
                test -e $disk && echo disk ${{ctrl##*/}} $(cat $disk) $(basename $(dirname $disk))
            done
        done
        true"""
    for line in vm.run(script).out.splitlines():
        match line.split():
            case ["ctrl", name, serial]:
                names[serial] = name
            case ["disk", name, nsid, disk]:
                disks[name, int(nsid)] = disk
    return Drives(vm, names, disks)


def complaints(vm: Vm, since: int = 0) -> list[str]:
    """What QEMU wrote down from this offset of its log on."""
    with vm.workspace.qemu_log.open("rb") as log:
        log.seek(since)
        return _COMPLAINT.findall(log.read().decode(errors="replace"))


def complaints_so_far(vm: Vm) -> int:
    """The offset in QEMU's log now."""
    return vm.workspace.qemu_log.stat().st_size


@contextmanager
def loaded(vm: Vm, allow: Iterable[str] = (), **parameters: Any) -> Iterator[Drives]:
    """The driver, with every drive. ``allow`` are the complaints of QEMU that are right."""
    since = complaints_so_far(vm)
    vm.insmod(**{"claim_all": True, **parameters})
    drives = find(vm, "rnvme")
    assert len(drives.names) == len(list(vm.machine.ctrls)), f"controllers: {drives.names}"
    yield drives
    # Not after a failure, which it would hide; the machine is thrown away then.
    vm.run("rmmod rnvme")
    assert vm.run(_LEFT).out == ""
    wrong = [line for line in complaints(vm, since) if not any(re.search(p, line) for p in allow)]
    assert not wrong, f"QEMU complains {len(wrong)} times:\n" + "\n".join(wrong[:20])


@contextmanager
def c_driver(vm: Vm, modules: str = "nvme") -> Iterator[Drives]:
    """The kernel's own driver on the same drives, to compare with."""
    vm.run(f"modprobe {modules}")
    expected = sum(len(list(ctrl.namespaces)) for ctrl in vm.machine.ctrls)
    vm.wait_until(lambda: len(find(vm, "nvme").disks) == expected, 20, "the C driver's disks")
    yield find(vm, "nvme")
    vm.run("modprobe -r nvme")


@contextmanager
def traced(vm: Vm, event: str) -> Iterator[Callable[[], list[str]]]:
    """What QEMU's drives do, by the name of a trace event: the value returns the lines so far."""
    since = complaints_so_far(vm)
    line = re.compile(rf"\b{event} (.*)")

    def lines() -> list[str]:
        with vm.workspace.qemu_log.open("rb") as log:
            log.seek(since)
            return line.findall(log.read().decode(errors="replace"))

    vm.qmp.execute("trace-event-set-state", 10, name=event, enable=True)
    try:
        yield lines
    finally:
        vm.qmp.execute("trace-event-set-state", 10, name=event, enable=False)


def pattern(seed: object, length: int) -> bytes:
    """Bytes without a period, others for each seed. The programs in the guest make the same."""
    return Random(str(seed)).randbytes(length)


def clear(disk: Disk) -> None:
    """Makes all of a drive zeroes, without room taken, behind the guest's back."""
    size = disk.size
    os.truncate(disk.path, 0)
    os.truncate(disk.path, size)


def guest_program(vm: Vm, name: str) -> str:
    """Puts a program into the guest; returns the command that runs it."""
    vm.write_file(f"/tmp/{name}", (GUEST / name).read_bytes())
    return f"python3 /tmp/{name}"


def guest_sha256(vm: Vm, node: str, offset: int, length: int, *, flags: str = "direct", bs: int = MIB) -> str:
    """The checksum of a range as the guest reads it."""
    iflag = ",".join(filter(None, ("count_bytes,skip_bytes", flags)))
    command = f"dd if={node} bs={bs} skip={offset} count={length} iflag={iflag} status=none"
    return vm.run(f"{command} | sha256sum", timeout=120).out.split()[0]
