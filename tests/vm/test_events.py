# SPDX-License-Identifier: GPL-2.0
"""What the drive reports of its own accord: health warnings and errors."""

from __future__ import annotations

import pytest
from lifecycle import exchange, loaded, state
from rnvme_vm import Vm, number
from uevents import Uevents, first, listening, machine

pytestmark = [
    machine,
    pytest.mark.allow_log(
        r"rnvme: rnvme\d+ [0-9a-f:.]+: event: ",
        r"rnvme: rnvme\d+ [0-9a-f:.]+: resetting: asked for",
        r"rnvme: rnvme\d+ [0-9a-f:.]+: reset done in ",
    ),
]

_AEN = {"ACTION": "change", "SUBSYSTEM": "rnvme"}


def _warn(vm: Vm, warning: int) -> None:
    """Has the drive raise health warnings, and no others."""
    vm.qmp.execute(
        "qom-set", 20, path="/machine/peripheral/nvme0", property="smart_critical_warning", value=warning
    )


def _said(vm: Vm, what: str) -> int:
    vm.sync_log()
    return sum(what in record.text for record in vm.log.records())


def _warned(vm: Vm, uevents: Uevents, warning: int, aen: str) -> None:
    """One warning makes one message, and one line that has what the log page says."""
    line = f"critical warning {warning:#04x}, "
    said, sent = _said(vm, line), len(uevents.matching(NVME_AEN=aen))
    _warn(vm, warning)
    uevents.wait_for(sent + 1, NVME_AEN=aen, DEVNAME=first(vm), **_AEN)
    assert _said(vm, line) == said + 1
    _warn(vm, 0)


def test_health_warnings(vm: Vm) -> None:
    """Again and again, also after the controller was reset."""
    with loaded(vm), listening(vm) as uevents:
        vm.wait_until(lambda: _reported(vm) & 0x1F == 0x1F, 10, "the choice of events")
        for _ in range(number("events_of_a_kind")):
            _warned(vm, uevents, 0x01, "0x00020201")
            _warned(vm, uevents, 0x02, "0x00020101")
            _warned(vm, uevents, 0x04, "0x00020001")
        for _ in range(number("resets_between_events")):
            vm.run(f"nvme reset /dev/{first(vm)}")
            vm.wait_until(lambda: _reported(vm) & 0x1F == 0x1F, 10, "the choice of events")
            _warned(vm, uevents, 0x02, "0x00020101")
        assert len(uevents.matching(SUBSYSTEM="rnvme")) == len(uevents.matching(**_AEN))
        exchange(vm, "after warnings", f"/dev/{first(vm)}n1")


def _reported(vm: Vm) -> int:
    """Asynchronous Event Configuration, as the drive has it."""
    return int(vm.run(f"nvme get-feature -f 0xb /dev/{first(vm)}").out.split(":")[-1], 16)


_RING = """
import mmap, os, struct
fd = os.open("/sys/bus/pci/devices/{address}/resource0", os.O_RDWR)
bar = mmap.mmap(fd, 8192)
bar[{place}:{place} + 4] = struct.pack("<I", 1)
"""


def test_errors(vm: Vm) -> None:
    """Somebody rings a doorbell that is none: the drive tells, and goes on."""
    with loaded(vm) as address, listening(vm) as uevents:
        for count in range(1, number("events_of_a_kind") + 1):
            ring = _RING.format(address=address, place=0x1000 + 8 * 300)
            vm.run("python3 -", stdin=ring.encode())
            uevents.wait_for(count, NVME_AEN="0x00010000", DEVNAME=first(vm), **_AEN)
        assert _said(vm, "event: Error, write to an invalid doorbell register: error 0, ") > 0
        assert state(vm, first(vm)) == "live"
        exchange(vm, "after errors", f"/dev/{first(vm)}n1")
