# SPDX-License-Identifier: GPL-2.0
"""What the driver shows in sysfs, compared with what the drive says and with the C driver."""

from __future__ import annotations

import json

import pytest
from drives import (
    C_DRIVER,
    PARTITIONS,
    Drives,
    c_driver,
    complaints,
    complaints_so_far,
    loaded,
    plain,
)
from rnvme_vm import Vm

pytestmark = [plain, pytest.mark.allow_log(C_DRIVER, PARTITIONS)]

CONTROLLER = [
    "address",
    "cntlid",
    "cntrltype",
    "firmware_rev",
    "model",
    "numa_node",
    "queue_count",
    "serial",
    "sqsize",
    "state",
    "subsysnqn",
    "transport",
]
NAMESPACE = ("nsid", "csi", "size", "ro")
QUEUE = [
    "chunk_sectors",
    "dax",
    "discard_granularity",
    "discard_max_bytes",
    "discard_max_hw_bytes",
    "dma_alignment",
    "fua",
    "hw_sector_size",
    "io_timeout",
    "logical_block_size",
    "max_discard_segments",
    "max_hw_sectors_kb",
    "max_sectors_kb",
    "max_segment_size",
    "max_segments",
    "minimum_io_size",
    "nr_requests",
    "nr_zones",
    "optimal_io_size",
    "physical_block_size",
    "read_ahead_kb",
    "rotational",
    "stable_writes",
    "write_cache",
    "write_zeroes_max_bytes",
    "write_zeroes_unmap_max_bytes",
    "zone_write_granularity",
    "zoned",
]


def _seen(drives: Drives, driver: str) -> dict[str, dict[str, str]]:
    """The attributes that both drivers must agree on."""
    ctrl = drives.attributes(f"/sys/class/{driver}/{drives.name()}")
    # The C driver leaves the spaces that fill fields of the structure.
    seen = {"controller": {name: ctrl.get(name, "missing").strip() for name in CONTROLLER}}
    for nsid in (1, 2, 3):
        ns = drives.attributes(drives.sysfs(nsid), NAMESPACE)
        queue = drives.attributes(f"{drives.sysfs(nsid)}/queue")
        seen[f"namespace {nsid}"] = {name: ns.get(name, "missing") for name in NAMESPACE}
        seen[f"queue {nsid}"] = {name: queue.get(name, "missing") for name in QUEUE}
    return seen


def test_as_with_the_c_driver(vm: Vm) -> None:
    with loaded(vm) as drives:
        ours = _seen(drives, "rnvme")
    with c_driver(vm) as drives:
        theirs = _seen(drives, "nvme")
    different = [
        f"{where}/{name}: {value}, C: {theirs[where][name]}"
        for where, attributes in ours.items()
        for name, value in attributes.items()
        if value != theirs[where][name]
    ]
    assert not different, "\n".join(different)
    assert "missing" not in {value for attributes in ours.values() for value in attributes.values()}


def test_as_the_drive_says(vm: Vm) -> None:
    """Identify Controller has the same names and numbers."""
    with loaded(vm) as drives:
        identify = json.loads(vm.run(f"nvme id-ctrl -o json {drives.ctrl()}").out)
        shown = drives.attributes(f"/sys/class/rnvme/{drives.name()}")
        assert shown["model"].strip() == identify["mn"].strip()
        assert shown["serial"].strip() == identify["sn"].strip() == "drive0"
        assert shown["firmware_rev"].strip() == identify["fr"].strip()
        assert shown["subsysnqn"] == identify["subnqn"]
        assert int(shown["cntlid"]) == identify["cntlid"]
        slot = vm.run("lspci -D -n -d ::0108 | cut -d' ' -f1").out.strip()
        assert shown["address"] == slot


def test_where_the_nodes_hang(vm: Vm) -> None:
    """The controller is below its function, and the disk below the controller."""
    with loaded(vm) as drives:
        ctrl = vm.run(f"readlink -f /sys/class/rnvme/{drives.name()}").out.strip()
        assert ctrl.endswith(f"/rnvme/{drives.name()}") and "/0000:00:" in ctrl
        disk = vm.run(f"readlink -f {drives.sysfs(1)}").out.strip()
        assert disk == f"{ctrl}/{drives.disk(1).removeprefix('/dev/')}"
        assert vm.run(f"readlink -f {disk}/device").out.strip() == ctrl
        assert vm.run(f"cat {ctrl}/dev").out == vm.run(f"stat -c %Hr:%Lr {drives.ctrl()}").out


def test_polite(vm: Vm) -> None:
    """Load, I/O and unload make the drive object to nothing, which would be in its error log."""
    since = complaints_so_far(vm)
    counts = []
    for _ in range(3):
        with loaded(vm) as drives:
            log = json.loads(vm.run(f"nvme smart-log -o json {drives.ctrl()}").out)
            counts.append(log["num_err_log_entries"])
            vm.run(f"dd if={drives.disk(2)} of=/dev/null bs=128k count=32 iflag=direct status=none")
            vm.run(
                f"dd if=/dev/zero of={drives.disk(1)} bs=128k count=32 oflag=direct conv=fsync status=none"
            )
    assert counts == [counts[0]] * 3
    assert complaints(vm, since) == []
    # QEMU counts no errors in that log, but it does say here what it objects to.
    with loaded(vm, allow=[r"pci_nvme_err_"]) as drives:
        vm.run(f"nvme admin-passthru {drives.ctrl()} --opcode=0xc1", check=False)
    assert complaints(vm, since) != []
