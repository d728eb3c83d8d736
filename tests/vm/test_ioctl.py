# SPDX-License-Identifier: GPL-2.0
"""Commands of users: who may send which, what they return, and that nobody gets past the bounds."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import ioctls
import pytest
from drives import MIB, PARTITIONS, clear, complaints, complaints_so_far, loaded, pattern, plain
from ioctls import (
    ABORT,
    ALL,
    ASYNC_EVENT,
    COMPARE,
    CREATE_CQ,
    CREATE_SQ,
    DELETE_CQ,
    DELETE_SQ,
    DOORBELLS,
    DSM,
    FLUSH,
    FORMAT,
    GET_FEATURES,
    GET_LOG,
    IDENTIFY,
    READ,
    SET_FEATURES,
    VERIFY,
    WRITE,
    WRITE_ZEROES,
)
from rnvme_vm import Vm

pytestmark = [plain, pytest.mark.allow_log(PARTITIONS)]

PART = 4 * MIB
NSID = 3


@pytest.fixture(autouse=True)
def partition(vm: Vm) -> Iterator[None]:
    """NSID 3 with a partition, and something to read inside and outside of it."""
    disk = vm.disk(NSID)
    ioctls.make_partition(disk, PART)
    disk.write(MIB, pattern("outside", MIB))
    disk.write(PART, pattern("inside", MIB))
    yield
    clear(disk)


def _admin(opcode: int, **more: Any) -> dict[str, Any]:
    return {"request": "ADMIN", "opcode": opcode, "length": 4096, **more}


def _io(opcode: int, **more: Any) -> dict[str, Any]:
    """An I/O command on the first block, with the data that it needs."""
    length = 0 if opcode in (FLUSH, WRITE_ZEROES, VERIFY) else 512
    return {"request": "IO", "opcode": opcode, "nsid": NSID, "length": length, **more}


OK, EACCES, EINVAL, ENOTTY = "OK", "EACCES", "EINVAL", "ENOTTY"

# What somebody without rights gets, by the node that he has open: the controller's (read and write),
# the disk's (read and write; read only), a partition's (read and write). A dash: not asked there.
TABLE = [
    ("identify namespace", _admin(IDENTIFY, nsid=NSID, cdw10=0), OK, OK, OK, EACCES),
    ("identify controller", _admin(IDENTIFY, cdw10=1), OK, OK, OK, EACCES),
    ("identify nvm namespace", _admin(IDENTIFY, nsid=NSID, cdw10=5), OK, OK, OK, EACCES),
    ("identify nvm controller", _admin(IDENTIFY, cdw10=6), OK, OK, OK, EACCES),
    ("identify active list", _admin(IDENTIFY, cdw10=2), EACCES, EACCES, EACCES, EACCES),
    ("identify descriptors", _admin(IDENTIFY, nsid=NSID, cdw10=3), EACCES, EACCES, EACCES, EACCES),
    ("identify with flags", _admin(IDENTIFY, cdw10=1, flags=0x40), EINVAL, EINVAL, EINVAL, EINVAL),
    ("smart log", _admin(GET_LOG, nsid=ALL, cdw10=0x7F0002), EACCES, EACCES, EACCES, EACCES),
    ("get feature", _admin(GET_FEATURES, cdw10=7), EACCES, EACCES, EACCES, EACCES),
    ("set feature", _admin(SET_FEATURES, cdw10=4, cdw11=0x15F), EACCES, EACCES, EACCES, EACCES),
    ("format", _admin(FORMAT, nsid=NSID, length=0), EACCES, EACCES, EACCES, EACCES),
    ("abort", _admin(ABORT, cdw10=1, length=0), EACCES, EACCES, EACCES, EACCES),
    ("vendor's admin", _admin(0xC0), EACCES, EACCES, EACCES, EACCES),
    ("read", _io(READ), ENOTTY, OK, OK, EACCES),
    ("write", _io(WRITE, cdw10=100), ENOTTY, OK, EACCES, EACCES),
    ("flush", _io(FLUSH), ENOTTY, OK, EACCES, EACCES),
    ("write zeroes", _io(WRITE_ZEROES, cdw10=200), ENOTTY, OK, EACCES, EACCES),
    ("verify", _io(VERIFY), ENOTTY, OK, OK, EACCES),
    ("vendor's io", _io(0x80), ENOTTY, EACCES, EACCES, EACCES),
    ("reservation", _io(0x0D), ENOTTY, EACCES, EACCES, EACCES),
    ("another namespace", _io(READ, nsid=1), ENOTTY, EINVAL, EINVAL, None),
    ("all namespaces", _io(FLUSH, nsid=ALL), ENOTTY, EINVAL, EINVAL, None),
    ("no namespace", _io(READ, nsid=0), ENOTTY, EINVAL, EINVAL, None),
    ("write with flags", _io(WRITE, flags=0x40), ENOTTY, EINVAL, EINVAL, EINVAL),
]
VIA = [("ctrl", "rw"), ("disk", "rw"), ("disk", "r"), ("part", "rw")]


def _orders() -> list[tuple[str, dict[str, Any], str]]:
    """Each row on each node, and by the structures for 32 and for 64 bits of result."""
    orders = []
    for name, order, *expected in TABLE:
        for (node, mode), answer in zip(VIA, expected, strict=True):
            for wide in ("", "64"):
                if answer is not None:
                    request = order["request"] + wide
                    full = order | {"node": node, "mode": mode, "request": request}
                    orders.append((f"{name} ({request}) through {node} {mode}", full, answer))
    return orders


def _outcome(answer: dict[str, Any]) -> str:
    return answer.get("error") or (OK if answer["status"] == 0 else f"status {answer['status']:#x}")


def test_permissions(vm: Vm) -> None:
    with loaded(vm) as drives:
        nodes = ioctls.nodes(vm, drives, NSID)
        orders = _orders()
        answers = nodes.send([order for _, order, _ in orders], root=False)
        wrong = [
            f"{name}: {_outcome(answer)}, not {expected}"
            for (name, _, expected), answer in zip(orders, answers, strict=True)
            if _outcome(answer) != expected
        ]
        assert not wrong, "\n".join(wrong)


def test_a_partition_is_no_way_out(vm: Vm) -> None:
    """Nobody without rights gets anything done through a partition: no opcode, no namespace, no structure."""
    disk, other = vm.disk(NSID), vm.disk(1)
    clear(other)
    other.write(0, pattern("other", MIB))
    before = disk.sha256(), other.sha256(0, 2 * MIB)
    with loaded(vm) as drives:
        nodes = ioctls.nodes(vm, drives, NSID)
        orders = [
            {
                "node": "part",
                "mode": mode,
                "request": request,
                "nsid": nsid,
                "length": 512,
                "each_opcode": True,
            }
            for mode in ("r", "rw")
            for request in ("IO", "IO64", "ADMIN", "ADMIN64")
            for nsid in (0, 1, NSID, ALL)
        ]
        since = complaints_so_far(vm)
        for order, outcomes in zip(orders, nodes.send(orders, root=False), strict=True):
            assert set(outcomes.values()) <= {EACCES, EINVAL}, f"{order}: {outcomes}"
        # Not even the drive heard of it.
        assert complaints(vm, since) == []
        # The same with rights, so that the above cannot have failed for some other reason.
        assert _outcome(nodes.send_one(True, **_io(READ, node="part"))) == OK
    assert (disk.sha256(), other.sha256(0, 2 * MIB)) == before


def test_who_may_only_read_changes_nothing(vm: Vm) -> None:
    disk = vm.disk(NSID)
    before = disk.sha256()
    with loaded(vm, allow=ioctls.REFUSED) as drives:
        nodes = ioctls.nodes(vm, drives, NSID)
        orders = [
            {
                "node": "disk",
                "mode": "r",
                "request": request,
                "nsid": NSID,
                "length": 512,
                "each_opcode": True,
            }
            for request in ("IO", "IO64")
        ]
        for outcomes in nodes.send(orders, root=False):
            passed = {int(opcode) for opcode, outcome in outcomes.items() if outcome != EACCES}
            assert passed <= {READ, COMPARE, VERIFY}, outcomes
            assert READ in passed
    assert disk.sha256() == before


@pytest.mark.parametrize("node", ["ctrl", "disk"])
def test_not_even_root(vm: Vm, node: str) -> None:
    """What would pull the ground from under the driver is refused, and the drive goes on."""
    refused = [_admin(SET_FEATURES, cdw10=fid, length=0) for fid in (0x07, 0x0C, 0x0D, 0x0F, 0x16)]
    refused += [_admin(SET_FEATURES, cdw10=0x80000007, length=0)]
    refused += [
        _admin(opcode, cdw10=1, cdw11=1)
        for opcode in (CREATE_SQ, CREATE_CQ, DELETE_SQ, DELETE_CQ, DOORBELLS, ASYNC_EVENT)
    ]
    with loaded(vm) as drives:
        nodes = ioctls.nodes(vm, drives, NSID)
        for wide in ("ADMIN", "ADMIN64"):
            answers = nodes.send([order | {"node": node, "request": wide} for order in refused])
            assert [_outcome(answer) for answer in answers] == [EACCES] * len(refused)
        data = pattern("still there", MIB)
        vm.run(
            f"dd of={drives.disk(NSID)} bs=64k oflag=direct seek=16 iflag=fullblock status=none", stdin=data
        )
        assert vm.host_bytes(MIB, MIB, NSID) == data


def test_root_through_a_partition_stays_in_its_namespace(vm: Vm) -> None:
    with loaded(vm) as drives:
        nodes = ioctls.nodes(vm, drives, NSID)
        for nsid in (0, 1, 2, ALL):
            assert _outcome(nodes.send_one(True, **_io(READ, node="part", nsid=nsid))) == EINVAL, nsid


def test_bad_arguments(vm: Vm) -> None:
    """Errors as the kernel has them for bad addresses, lengths and requests."""
    with loaded(vm) as drives:
        nodes = ioctls.nodes(vm, drives, NSID)
        identify = _admin(IDENTIFY, cdw10=1, node="ctrl")
        for order, expected in (
            (identify | {"addr": 8}, "EFAULT"),
            (_io(READ, node="disk") | {"addr": 0xFFFF_8000_0000_0000}, ("EFAULT", "EINVAL")),
            (_io(READ, node="disk", metadata_len=8), EINVAL),
            (_io(READ, node="disk", length=64 * MIB, cdw12=0xFFFF), EINVAL),
            # Less room than what the drive would transfer.
            (_io(READ, node="disk", cdw12=1), EINVAL),
            (_io(DSM, node="disk", cdw10=1, cdw11=4, length=16), EINVAL),
            (_admin(GET_LOG, nsid=ALL, cdw10=0x7F0002, length=508, node="ctrl"), EINVAL),
            ({"node": "ctrl", "request": 0x4E7F}, ENOTTY),
            ({"node": "disk", "request": 0x4E7F}, ENOTTY),
            ({"node": "ctrl", "request": "ID"}, ENOTTY),
        ):
            assert _outcome(nodes.send_one(True, **order)) in expected, order
        assert nodes.send_one(True, node="disk", request="ID")["status"] == NSID
        assert nodes.send_one(True, node="part", request="ID")["status"] == NSID


def test_the_status_of_the_drive_is_the_answer(vm: Vm) -> None:
    """A command that the drive refuses: its status, positive, and nothing in the log."""
    with loaded(vm, allow=ioctls.REFUSED) as drives:
        nodes = ioctls.nodes(vm, drives, NSID)
        blocks = vm.disk(NSID).size // 512
        for order, expected in (
            (_io(READ, cdw10=blocks), 0x4080),  # LBA Out of Range, do not retry
            (_io(0x7E, length=0), 0x4001),  # Invalid Command Opcode, do not retry
            (_io(COMPARE, data="5a" * 512), 0x4285),  # Compare Failure, do not retry
        ):
            assert nodes.send_one(True, node="disk", **order)["status"] & 0x47FF == expected, order
        assert nodes.send_one(True, **_admin(GET_FEATURES, cdw10=0xFE), node="ctrl")["status"] != 0


def test_data_of_commands(vm: Vm) -> None:
    """Reads and writes by ioctl, of somebody without rights, compared with the raw file."""
    disk = vm.disk(NSID)
    with loaded(vm) as drives:
        nodes = ioctls.nodes(vm, drives, NSID)
        for length in (512, 4096, 8192, 128 << 10, 512 << 10):
            data = pattern(length, length)
            block, count = 20 * MIB // 512, length // 512
            where = {"cdw10": block, "cdw12": count - 1, "length": length, "node": "disk"}
            answer = nodes.send_one(False, **_io(WRITE) | where | {"data": data.hex()})
            assert _outcome(answer) == OK, length
            assert disk.read(20 * MIB - 512, length + 1024) == bytes(512) + data + bytes(512)
            assert bytes.fromhex(nodes.send_one(False, **_io(READ) | where)["data"]) == data
            compared = nodes.send_one(False, **_io(COMPARE) | where | {"data": data.hex()})
            assert _outcome(compared) == OK, length
            disk.write(20 * MIB, bytes(length))
        identify = bytes.fromhex(nodes.send_one(False, **_admin(IDENTIFY, cdw10=1), node="ctrl")["data"])
        assert identify[4:24].decode().strip() == "drive0"
