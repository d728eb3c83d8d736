# SPDX-License-Identifier: GPL-2.0
"""Commands by ioctl on the nodes of a driver, as root or as somebody without rights."""

from __future__ import annotations

import json
from dataclasses import dataclass
from typing import Any

from drives import Drives, clear, guest_program
from rnvme_vm import Disk, Vm

_NOBODY = "setpriv --reuid=65534 --regid=65534 --clear-groups --inh-caps=-all "

# Opcodes and identifiers of the specification that the tests name.
FLUSH, WRITE, READ, COMPARE, WRITE_ZEROES, DSM, VERIFY = 0x00, 0x01, 0x02, 0x05, 0x08, 0x09, 0x0C
DELETE_SQ, CREATE_SQ, GET_LOG, DELETE_CQ, CREATE_CQ, IDENTIFY, ABORT = (
    0x00,
    0x01,
    0x02,
    0x04,
    0x05,
    0x06,
    0x08,
)
SET_FEATURES, GET_FEATURES, ASYNC_EVENT, FORMAT, DOORBELLS = 0x09, 0x0A, 0x0C, 0x80, 0x7C
ALL = 0xFFFFFFFF

#: What QEMU says of commands that a drive refuses.
REFUSED = (r"pci_nvme_err_(req_status|invalid_\w+|aio)",)


@dataclass(frozen=True)
class Nodes:
    """The nodes of one controller by kind: ``ctrl``, ``disk``, ``other`` (a disk), ``part``."""

    vm: Vm
    paths: dict[str, str]

    def send(self, orders: list[dict[str, Any]], root: bool = True) -> list[dict[str, Any]]:
        """Sends commands, each to the node of its kind; returns the answers."""
        lines = [json.dumps(order | {"node": self.paths[order["node"]]}) for order in orders]
        program = guest_program(self.vm, "ioctl.py")
        command = ("" if root else _NOBODY) + program
        answers = self.vm.run(command, timeout=120, stdin="\n".join(lines).encode()).out.splitlines()
        assert len(answers) == len(orders)
        return [json.loads(answer) for answer in answers]

    def send_one(self, root: bool = True, **order: Any) -> dict[str, Any]:
        """The answer to one command."""
        return self.send([order], root)[0]


def nodes(vm: Vm, drives: Drives, nsid: int = 3, other: int = 1) -> Nodes:
    """Those of the first controller, all of them open to everybody; NSID 3 must have a partition."""
    disk = drives.disk(nsid)
    found = Nodes(vm, {"ctrl": drives.ctrl(), "disk": disk, "other": drives.disk(other), "part": f"{disk}p1"})
    present = "test -b " + found.paths["part"]
    vm.wait_until(lambda: vm.run(present, check=False).rc == 0, 10, "the partition")
    vm.run(f"chmod 666 {' '.join(found.paths.values())}; chmod 755 /tmp")
    return found


def make_partition(disk: Disk, start: int, length: int = 4 << 20) -> None:
    """Makes the drive zeroes but for a table with one partition (an MBR)."""
    clear(disk)
    numbers = (start // 512).to_bytes(4, "little") + (length // 512).to_bytes(4, "little")
    disk.write(446, bytes([0, 0, 2, 0, 0x83, 0, 2, 0]) + numbers + bytes(48) + b"\x55\xaa")
