# SPDX-License-Identifier: GPL-2.0
"""A drive in a slot: it is unplugged and plugged in again, and its link has errors."""

from __future__ import annotations

import time

import pytest
from lifecycle import (
    CTRL,
    DISK,
    DISK_GOES,
    MIB,
    exchange,
    load,
    loaded,
    pattern,
    resets,
    state,
    verifying,
)
from rnvme_vm import NvmeCtrl, Vm, number

#: What QEMU calls the controller and its port.
_DRIVE, _PORT = "nvme0", "port0"
#: Seconds from the request to give a drive back to its end. The port waits five of them by itself.
_UNPLUGGED = 20

pytestmark = [
    pytest.mark.machine(
        ctrls=[NvmeCtrl(root_port=True)],
        # Slots are the kernel's, not the firmware's.
        qemu_args=("-global", "ICH9-LPC.acpi-pci-hotplug-with-bridge-support=off"),
    ),
    pytest.mark.allow_log(
        # What the port and its services say of an error, and of who comes and goes.
        r"^(pcieport|pci|pci_bus) ",
        r"^rnvme [0-9a-f:.]+: enabling device",
        r"^rnvme: rnvme\d+ [0-9a-f:.]+: error of the link: it goes on",
    ),
]


def _unplug(vm: Vm) -> None:
    vm.qmp.execute("device_del", 10, id=_DRIVE)
    vm.qmp.wait_event("DEVICE_DELETED", _UNPLUGGED * vm.scale, lambda data: data.get("device") == _DRIVE)


def _plug_in(vm: Vm) -> None:
    """Puts a drive with the same data into the slot."""
    vm.qmp.execute("device_add", 10, driver="nvme", id=_DRIVE, bus=_PORT, serial="drive0", drive="again")
    vm.wait_until(lambda: vm.run(f"test -b {DISK} -a -c {CTRL}", check=False).rc == 0, 20, DISK)


@pytest.mark.timeout(7200)
@pytest.mark.allow_log(*DISK_GOES)
def test_unplugged_under_load(fresh_vm: Vm) -> None:
    """While the drive still answers, what was written arrives; the loads end with errors."""
    vm = fresh_vm
    # The drive that is there at first keeps its node, so the next ones need another on the same file.
    file = {"driver": "file", "filename": str(vm.disk().path), "locking": "off"}
    vm.qmp.execute("blockdev-add", 10, driver="raw", node_name="again", file=file)
    with loaded(vm):
        for cycle in range(number("unplugs_under_load")):
            running = load(vm, "load", offset=f"{32 * MIB}", iodepth=32)
            text = pattern(f"cycle {cycle}", MIB)
            vm.run(f"dd of={DISK} bs=64k iflag=fullblock conv=notrunc status=none", stdin=text)
            _unplug(vm)
            running.broke_off()
            assert vm.run(f"test -e {DISK} -o -e {CTRL}", check=False).rc != 0
            assert vm.host_bytes(0, MIB) == text, "dirty pages are lost"
            _plug_in(vm)
            exchange(vm, f"plugged in again, cycle {cycle}")


def _inject(vm: Vm, error: str, *flags: str) -> None:
    """The port of the drive reports an error of its link."""
    words = ["pcie_aer_inject_error", *flags, _PORT, error]
    said = vm.qmp.execute("human-monitor-command", 10, command_line=" ".join(words))
    assert said.startswith("OK"), said


@pytest.mark.parametrize(("error", "told"), [("BAD_TLP", False), ("COMP_TIME", True)])
def test_error_that_is_survived(vm: Vm, error: str, told: bool) -> None:
    """A load that verifies goes on. Of one that the link corrects the driver is not told."""
    with loaded(vm):
        start = len(vm.log.records())
        running = verifying(vm)
        for _ in range(number("link_errors")):
            _inject(vm, error)
            time.sleep(0.2)
        vm.wait_until(lambda: state(vm) == "live", 20, "the end of the recovery")
        running.stop()
        exchange(vm, error)
        vm.sync_log()
        lines = [record.text for record in vm.log.records()]
        what = "Uncorrectable (Non-Fatal)" if told else "Correctable"
        assert any(f"severity={what}" in line for line in lines[start:])
        assert any("error of the link: it goes on" in line for line in lines[start:]) == told


@pytest.mark.allow_log(
    r"rnvme: rnvme\d+ [0-9a-f:.]+: resetting: the link was reset after an error",
    r"rnvme: rnvme\d+ [0-9a-f:.]+: reset done in \d+ ms; \d+ commands were under way",
)
def test_error_that_is_fatal(vm: Vm) -> None:
    """The port's link is reset, and with it the drive: a load that verifies goes on afterwards."""
    with loaded(vm):
        running = verifying(vm)
        before = resets(vm)
        _inject(vm, "DLP")
        vm.wait_until(lambda: resets(vm) > before and state(vm) == "live", 20, "the reset")
        running.stop()
        exchange(vm, "fatal")
