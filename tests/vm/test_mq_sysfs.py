# SPDX-License-Identifier: GPL-2.0
"""Disks on mq/ as sysfs shows them: their place, their attributes, their limits, their events."""

from __future__ import annotations

from collections.abc import Iterator

import mq_ram
import pytest
from mq_ram import MIB, Ram
from rnvme_vm import Vm

pytestmark = mq_ram.machine()

_EVENTS = (mq_ram.GUEST / "mq_events.py").read_bytes()
_URING = (mq_ram.GUEST / "mq_uring.py").read_bytes()
_ATOMIC = (mq_ram.GUEST / "mq_atomic.py").read_bytes()


@pytest.fixture
def ram(vm: Vm) -> Iterator[Ram]:
    """The module with a device."""
    with mq_ram.loaded(vm) as ram:
        ram.device("dev", queues=2)
        yield ram


def _shown(vm: Vm, name: str) -> str:
    return vm.run(f"cat /sys/block/ram/{name}").out.strip()


def _limits(vm: Vm, *names: str) -> list[int]:
    return [int(_shown(vm, f"queue/{name}")) for name in names]


def test_hidden(vm: Vm, ram: Ram) -> None:
    """Nobody can open it, but its driver reaches it."""
    ram.disk("ram", "dev", hidden=True)
    assert _shown(vm, "hidden") == "1"
    assert vm.run("test -e /dev/ram", check=False).rc != 0
    ram.command("ping", "ram")
    counts = ram.counters("dev")
    assert counts["open"] == 0 and counts["pings"] == 1


def test_parent(vm: Vm, ram: Ram) -> None:
    ram.device("below", parent=True)
    ram.disk("ram", "below")
    assert vm.run("readlink -f /sys/block/ram").out.strip() == "/sys/devices/faux/below/block/ram"
    # Though somebody has the disk open, what it hung below goes from sysfs, and is not used after that.
    holder = vm.spawn("exec 3</dev/ram; touch /tmp/open; sleep 100")
    vm.wait_until(lambda: vm.run("test -e /tmp/open", check=False).rc == 0, 10)
    ram.command("remove", "ram")
    ram.command("remove", "below")
    assert vm.run("test -e /sys/devices/faux/below", check=False).rc != 0
    holder.kill()
    holder.wait(check=False)
    vm.run("rm /tmp/open")


def test_attributes(vm: Vm, ram: Ram) -> None:
    """Read, written, and there only for disks that they are about."""
    node = ram.disk("ram", "dev")
    ram.command("ping", "ram")
    assert _shown(vm, "commands") == "1"
    assert vm.run("stat -c %a /sys/block/ram/forget /sys/block/ram/commands").out.split() == ["200", "444"]
    assert vm.run("test -e /sys/block/ram/zone_size", check=False).rc != 0
    vm.run(f"echo data | dd of={node} oflag=direct bs=512 count=1 conv=sync status=none")
    assert vm.run(f"cmp -n 4 {node} /dev/zero", check=False).rc != 0
    assert vm.run("echo 2 >/sys/block/ram/forget", check=False).rc != 0
    vm.run("echo 1 >/sys/block/ram/forget")
    vm.run(f"blockdev --flushbufs {node}; cmp -n {MIB} {node} /dev/zero")
    ram.command("remove", "ram")
    ram.disk("ram", "dev", zone_size=MIB)
    assert _shown(vm, "zone_size") == str(MIB)


def test_unique_id(ram: Ram) -> None:
    """What pNFS asks for; of one kind there is a name, of another none."""
    for name in ("ram", "other"):
        ram.disk(name, "dev")
        ram.command("name", name)
    assert ram.counters("dev")["get_unique_id"] == 4


def test_events(vm: Vm, ram: Ram) -> None:
    ram.disk("ram", "dev", removable=True)
    assert _shown(vm, "events") == "media_change"
    vm.run("echo 50 >/sys/block/ram/events_poll_msecs")
    _told(vm, "DISK_MEDIA_CHANGE=1", "change ram")
    before = ram.counters("dev")["check_events"]
    vm.wait_until(lambda: ram.counters("dev")["check_events"] > before, 10, "more questions")


def _told(vm: Vm, word: str, command: str) -> None:
    """Whoever listens is told of what the command does."""
    result = vm.run(f"python3 - ram {word} {command}", stdin=_EVENTS)
    assert result.out.strip() == "told", str(result)


def test_another_capacity_is_told(vm: Vm, ram: Ram) -> None:
    ram.disk("ram", "dev")
    for mib in (15, 16):
        _told(vm, "RESIZE=1", f"resize ram {mib}M")
        assert _shown(vm, "size") == str(mib * MIB // 512)


@pytest.mark.allow_log(r"(open|active) zones exceeded error, dev ram, ")
def test_limits_of_zones(vm: Vm, ram: Ram) -> None:
    """As many zones may be open and active as the disk says, and one more may not."""
    node = ram.disk("ram", "dev", size="16M", zone_size="1M", block=4096, max_open=2, max_active=3)
    assert _limits(vm, "max_open_zones", "max_active_zones") == [2, 3]

    def zone(action: str, index: int) -> bool:
        return vm.run(f"blkzone {action} -o {index * 2048} -c 1 {node}", check=False).rc == 0

    def write(index: int) -> bool:
        # After a write that failed the block layer asks where the write pointer is.
        vm.run(f"blkzone report {node}")
        dd = f"dd if=/dev/zero of={node} bs=4k seek={index * 256} count=1 oflag=direct"
        return vm.run(dd, check=False).rc == 0

    assert zone("open", 0) and zone("open", 1)
    assert not zone("open", 2) and not write(2)
    assert zone("close", 1) and write(2)
    # A zone that a write opened makes room for another, but stays active.
    assert write(3)
    assert not write(4)
    assert zone("reset", 3) and write(4)


def test_limits_of_atomic_writes(vm: Vm, ram: Ram) -> None:
    node = ram.disk("ram", "dev", atomic="32K", no_part=True)
    names = ("unit_min_bytes", "unit_max_bytes", "max_bytes", "boundary_bytes")
    assert _limits(vm, *(f"atomic_write_{name}" for name in names)) == [512, 32768, 32768, 0]
    vm.run(f"python3 - {node} 32768", stdin=_ATOMIC)
    assert ram.counters("dev")["atomic"] == 2
    ram.command("remove", "ram")
    ram.disk("ram", "dev")
    assert _limits(vm, "atomic_write_unit_max_bytes") == [0]


def test_limits_of_write_streams(vm: Vm, ram: Ram) -> None:
    ram.disk("ram", "dev", streams=5, stream_size=65536)
    assert _limits(vm, "max_write_streams", "write_stream_granularity") == [5, 65536]
    vm.run("python3 - stream /dev/ram", stdin=_URING)
    assert ram.counters("dev")["in_stream"] == 1
