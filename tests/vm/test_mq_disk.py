# SPDX-License-Identifier: GPL-2.0
"""Disks on mq/: what they answer, how they change, zones, and data that are let go."""

from __future__ import annotations

import re
from collections.abc import Iterator

import mq_ram
import pytest
from mq_ram import MIB, Ram
from rnvme_vm import Vm, number

pytestmark = mq_ram.machine()

_ASK = (mq_ram.GUEST / "mq_ask.py").read_bytes()


@pytest.fixture
def ram(vm: Vm) -> Iterator[Ram]:
    """The module with a device."""
    with mq_ram.loaded(vm) as ram:
        ram.device("dev", queues=2)
        yield ram


def _queue(vm: Vm, name: str) -> str:
    return vm.run(f"cat /sys/block/ram/queue/{name}").out.strip()


def test_opens_and_closes_are_told(vm: Vm, ram: Ram) -> None:
    node = ram.disk("ram", "dev")
    before = ram.counters("dev")["open"]
    vm.run(f"for i in 1 2 3; do : <{node}; done")
    assert ram.counters("dev")["open"] == before + 3
    how = ("open", "open_to_read", "open_exclusive", "open_nonblocking")

    def counts() -> list[int]:
        line = ram.counters("dev")
        return [line[name] for name in how]

    for flags, add in (("O_RDONLY", [1, 1, 0, 0]), ("O_RDWR|os.O_EXCL", [1, 0, 1, 0]),
                       ("O_WRONLY|os.O_NONBLOCK", [1, 0, 0, 1])):  # fmt: skip
        was = counts()
        vm.run(f"python3 -c 'import os; os.open(\"{node}\", os.{flags})'")
        assert counts() == [count + more for count, more in zip(was, add, strict=True)], flags
    ram.command("remove", "ram")
    assert ram.counters("dev")["free_disk"] == 1


def test_questions(vm: Vm, ram: Ram) -> None:
    """Ioctls, the geometry, and all persistent reservations."""
    node = ram.disk("ram", "dev")
    result = vm.run(f"python3 - {node}", stdin=_ASK)
    assert result.out.splitlines()[-1] == "all answers are right", str(result)
    counts = ram.counters("dev")
    assert counts["ioctl"] == 2 and counts["getgeo"] == 1


def test_read_only(vm: Vm, ram: Ram) -> None:
    node = ram.disk("ram", "dev", read_only=True)
    write = f"dd if=/dev/zero of={node} bs=4k count=1 oflag=direct"
    assert vm.run(write, check=False).rc != 0
    assert ram.disk_line("ram")["ro"] == 1
    ram.command("unlock", "ram")
    vm.run(write)
    assert ram.disk_line("ram")["ro"] == 0
    ram.command("lock", "ram")
    assert vm.run(write, check=False).rc != 0
    ram.command("unlock", "ram")
    vm.run(f"blockdev --setro {node}; blockdev --setrw {node}")
    assert ram.counters("dev")["set_read_only"] == 2


def test_capacity_and_limits_change_under_load(vm: Vm, ram: Ram) -> None:
    node = ram.disk("ram", "dev")
    job = mq_ram.fio(vm, node, number("mq_mib") * MIB, bs="64k", iodepth=8)
    for kib in (4, 128, 1024, 8, 64):
        ram.command("limit", "ram", f"{kib}K")
        assert _queue(vm, "max_hw_sectors_kb") == str(kib)
    ram.command("resize", "ram", "15M")
    assert vm.run(f"blockdev --getsize64 {node}").out.strip() == str(15 * MIB)
    job.wait()
    assert not ram.command("resize", "ram", "17M", check=False)
    assert not ram.command("limit", "ram", "1", check=False)
    assert _queue(vm, "max_hw_sectors_kb") == "64"


@pytest.mark.allow_log(r"^(mq_ram: )?ram: no disk: ")
def test_wrong_disks_are_refused(vm: Vm, ram: Ram) -> None:
    for wrong in ({"block": 768}, {"block": 256}, {"size": 100}, {"zone_size": 3 * MIB}, {"max_bytes": 512}):
        assert not ram.command("disk", "ram", "dev", check=False, **wrong), wrong
    assert "ram" not in vm.run("ls /sys/block").out.split()


def test_discard_and_zeroes(vm: Vm, ram: Ram) -> None:
    node = ram.disk("ram", "dev", discard="1M", write_zeroes="2M")
    fill = f"tr '\\0' x </dev/zero | dd of={node} bs=1M count=16 iflag=fullblock oflag=direct"
    empty = f"cmp -n $((8 << 20)) {node} /dev/zero && ! cmp -s -n 1 -i $((8 << 20)) {node} /dev/zero"
    for command in ("blkdiscard", "blkdiscard --zeroout"):
        vm.run(f"{fill}; {command} --length 8M {node}; {empty}")
    counts = ram.counters("dev")
    assert counts["discard"] == 8 and counts["write_zeroes"] == 4


def test_flush_and_fua(vm: Vm, ram: Ram) -> None:
    node = ram.disk("ram", "dev", cache=True)
    vm.run(f"dd if=/dev/zero of={node} bs=4k count=4 oflag=direct,dsync")
    assert ram.counters("dev")["fua"] == 4
    vm.run(f"dd if=/dev/zero of={node} bs=4k count=4 conv=fsync")
    assert ram.counters("dev")["flush"] > 0
    flushes = ram.counters("dev")["flush"]
    through = ram.disk("through", "dev")
    vm.run(f"dd if=/dev/zero of={through} bs=4k count=4 conv=fsync")
    assert ram.counters("dev")["flush"] == flushes


def _zones(vm: Vm, node: str) -> list[tuple[int, str]]:
    """Write pointers, counted from the zones' starts in sectors, and conditions."""
    lines = vm.run(f"blkzone report {node}").out.splitlines()
    found = (re.search(r"wptr 0x(\w+).*zcond: ?\d+\((\w+)\)", line) for line in lines)
    return [(int(match[1], 16), match[2]) for match in found if match]


@pytest.mark.allow_log(r"I/O error, dev ram, sector \d+ op 0x1:\(WRITE\)")
def test_zones(vm: Vm, ram: Ram) -> None:
    node = ram.disk(
        "ram", "dev", size="16M", zone_size="1M", zone_capacity="768K", conventional=2, block=4096
    )
    assert _queue(vm, "zoned") == "host-managed" and _queue(vm, "nr_zones") == "16"
    zones = _zones(vm, node)
    assert [condition for _, condition in zones] == ["nw"] * 2 + ["em"] * 14
    before = ram.counters("dev")["report_zones"]
    ram.command("revalidate", "ram")
    assert ram.counters("dev")["report_zones"] > before and ram.disk_line("ram")["nr_zones"] == 16
    ram.disk("plain", "dev")
    assert not ram.command("revalidate", "plain", check=False)
    write = f"dd if=/dev/zero of={node} bs=4k oflag=direct"
    vm.run(f"{write} seek=512 count=2")
    assert _zones(vm, node)[2] == (16, "oi")
    # Neither away from the write pointer, nor beyond the zone's capacity.
    assert vm.run(f"{write} seek=600 count=1", check=False).rc != 0
    # The block layer asks where the write pointer is before it lets another write through.
    assert _zones(vm, node)[2] == (16, "oi")
    assert "190+0 records out" in vm.run(f"{write} seek=514 count=200", check=False).err
    assert _zones(vm, node)[2][1] == "fu"
    at = "--offset $((3 * 2048)) --count 1"
    for command, condition in (("open", "oe"), ("close", "em"), ("finish", "fu"), ("reset", "em")):
        vm.run(f"blkzone {command} {at} {node}")
        assert _zones(vm, node)[3][1] == condition, command
    vm.run(f"blkzone reset {node}")
    assert _zones(vm, node) == zones
    counts = ram.counters("dev")
    assert counts["zone_commands"] >= 5 and counts["report_zones"] > 0


@pytest.mark.kernels("stock", "debug")
def test_zones_are_verified(vm: Vm, ram: Ram) -> None:
    node = ram.disk("ram", "dev", size="16M", zone_size="1M", conventional=1, block=4096)
    zoned = {"zonemode": "zbd", "offset": MIB, "iodepth": 4}
    mq_ram.fio(vm, node, number("mq_mib") * MIB, rw="write", bs="16k", **zoned).wait()
    mq_ram.fio(vm, node, MIB).wait()


# The kernel's NVMe target makes a drive of a disk with zones, and its host a disk of that one: of the
# programs at hand the only way to send an append.
_EXPORT = """
set -e
modprobe -a nvmet nvme-loop
mount -t configfs none /sys/kernel/config
(
    cd /sys/kernel/config/nvmet
    mkdir subsystems/t subsystems/t/namespaces/1 ports/1
    echo 1 >subsystems/t/attr_allow_any_host
    echo -n {node} >subsystems/t/namespaces/1/device_path
    echo 1 >subsystems/t/namespaces/1/enable
    echo loop >ports/1/addr_trtype
    ln -s /sys/kernel/config/nvmet/subsystems/t ports/1/subsystems/t
)
nvme connect -t loop -n t
for try in $(seq 50); do
    test -b /dev/nvme0n1 && exit
    sleep 0.1
done
exit 1
"""
_TAKE_BACK = """
nvme disconnect -n t
(
    cd /sys/kernel/config/nvmet
    rm ports/1/subsystems/t
    rmdir ports/1 subsystems/t/namespaces/1 subsystems/t
)
umount /sys/kernel/config
modprobe -r nvme-loop nvmet
"""


@pytest.mark.allow_log(r"^nvmet: ", r"^nvme nvme\d: ", r"^Key type psk (un)?registered", r"^ nvme\d+n\d+: ")
def test_appends_to_zones(vm: Vm, ram: Ram) -> None:
    """An append is told where it went, and its data are there."""
    node = ram.disk("ram", "dev", size="16M", zone_size="1M", append="64K", block=4096)
    vm.run(_EXPORT.format(node=node))
    try:
        vm.run("dd if=/dev/urandom of=/tmp/data bs=4k count=2 status=none")
        for count in range(8):
            append = "nvme zns zone-append /dev/nvme0n1 -s 0x200 -z 8192 -d /tmp/data"
            assert f"LBA {0x200 + 2 * count:x}" in vm.run(append).out
        assert _zones(vm, node)[2] == (8 * 16, "oi")
        vm.run(f"for i in $(seq 0 7); do cmp -n 8192 -i $((2097152 + i * 8192)):0 {node} /tmp/data; done")
    finally:
        vm.run(_TAKE_BACK)
    assert ram.counters("dev")["appends"] == 8


PROTECTED = {
    "16 bits of CRC": {"metadata": 8, "guard": "crc", "ref_tag": True},
    "a checksum": {"metadata": 8, "guard": "ip"},
    "64 bits of CRC": {"metadata": 16, "guard": "crc64", "ref_tag": True, "block": 4096},
    "bytes without a meaning": {"metadata": 64, "block": 4096},
}


@pytest.mark.kernels("stock", "debug")
@pytest.mark.parametrize("name", PROTECTED)
def test_metadata(vm: Vm, ram: Ram, name: str) -> None:
    """What the block layer makes for a write, the disk gives back with the read."""
    node = ram.disk("ram", "dev", **PROTECTED[name])
    mq_ram.fio(vm, node, number("mq_mib") * MIB, bsrange="4k-64k").wait()
    assert ram.counters("dev")["with_metadata"] > 100


@pytest.mark.allow_log(
    r"^protection error, dev ram", r"^ram: (guard|ref) tag error", r"Buffer I/O error on dev ram"
)
def test_wrong_metadata_are_found(vm: Vm, ram: Ram) -> None:
    node = ram.disk("ram", "dev", **PROTECTED["16 bits of CRC"], spoil_metadata=True)
    vm.run(f"dd if=/dev/urandom of={node} bs=4k count=1 oflag=direct")
    result = vm.run(f"dd if={node} of=/dev/null bs=4k count=1 iflag=direct", check=False)
    assert result.rc != 0 and "Invalid or incomplete multibyte" in result.err, str(result)
