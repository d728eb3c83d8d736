# SPDX-License-Identifier: GPL-2.0
"""Debian boots from /dev/rnvme0n1, finds everything there, and loses nothing.

The tests share one machine and go through its life in the order in which they are written.
"""

from __future__ import annotations

import json
import subprocess
from collections.abc import Iterator
from pathlib import Path

import pytest
from debian import ROOT_OFFSET, ROOT_SERIAL, Debian
from rnvme_vm import VmError

# The machine boots three times, and 1 GiB goes through the drive three times.
pytestmark = pytest.mark.timeout(2400)

_DATA = "/var/tmp/data"
# Writes once; with --verify_only the same job reads and checks what it would have written. Every block
# has its offset, its place in the job and a checksum, so that a lost, swapped or torn one is found.
_JOB = (
    "fio --name=data --filename={path} --size=1g --bs=256k --rw=randwrite --randseed=4711"
    " --verify=crc32c --verify_fatal=1 --end_fsync=1 --ioengine=libaio --iodepth=8 {more}"
)


@pytest.fixture(scope="module")
def machine() -> Iterator[Debian]:
    """The machine of ``make run``."""
    with Debian() as debian:
        yield debian


@pytest.fixture(autouse=True)
def clean_log(machine: Debian) -> Iterator[None]:
    """No test leaves a complaint in the kernel's log."""
    yield
    try:
        machine.assert_clean_log()
    except VmError:
        machine.keep_logs()
        raise


def test_root_is_on_rnvme(machine: Debian) -> None:
    assert machine.root_source() == "/dev/rnvme0n1p2"
    assert not machine.loaded("nvme")
    assert machine.driver(machine.address(ROOT_SERIAL)) == "rnvme"
    command_line = machine.run("cat /proc/cmdline").out.split()
    assert [word for word in command_line if word.startswith("root=UUID=")]
    assert machine.run("systemctl --failed --plain --no-legend").out == ""


def test_every_link_is_there(machine: Debian) -> None:
    """What Debian's rules give nvme* by name: the list is made from the drive, not from the links."""
    disk, part = "/dev/rnvme0n1", "/dev/rnvme0n1p2"
    sys = "/sys/block/rnvme0n1"
    wwid = machine.run(f"cat {sys}/wwid").out.strip()
    path = f"pci-{machine.address(ROOT_SERIAL)}-nvme-1"
    seq = machine.run(f"cat {sys}/diskseq").out.strip()
    [uuid] = machine.lines(f"blkid --probe --match-tag UUID --output value {part}")
    table = json.loads(machine.run(f"sfdisk --json {disk}").out)["partitiontable"]["partitions"]
    partuuid, partlabel = table[1]["uuid"].lower(), table[1]["name"]

    serial = f"nvme-QEMU_NVMe_Ctrl_{ROOT_SERIAL}"
    names = [
        f"by-id/nvme-{wwid}",
        f"by-id/{serial}",
        f"by-id/{serial}_1",
        f"by-path/{path}",
        f"by-diskseq/{seq}",
    ]
    expected = dict.fromkeys(names, disk) | {f"{name}-part2": part for name in names}
    for place in ("", f"by-path/{path}-part/"):
        expected |= {
            f"{place}by-uuid/{uuid}": part,
            f"{place}by-label/rnvme-root": part,
            f"{place}by-partuuid/{partuuid}": part,
            f"{place}by-partlabel/{partlabel}": part,
        }
    expected[f"by-path/{path}-part/by-partnum/2"] = part
    there = machine.links()
    assert {name: there.get(name) for name in expected} == expected


def test_permissions(machine: Debian) -> None:
    modes = machine.lines("stat --format '%n %a %U:%G' /dev/rnvme0 /dev/rnvme0n1 /dev/rnvme0n1p2")
    assert modes == [
        "/dev/rnvme0 600 root:root",
        "/dev/rnvme0n1 660 root:disk",
        "/dev/rnvme0n1p2 660 root:disk",
    ]


def test_commands_of_the_guide(machine: Debian) -> None:
    assert ROOT_SERIAL in machine.run("nvme id-ctrl /dev/rnvme0").out
    assert "available_spare" in machine.run("nvme smart-log /dev/rnvme0n1").out
    status = machine.run("rnvme-claim status").out.split()
    address = machine.address(ROOT_SERIAL)
    assert status[5:10] == [address, "rnvme", "rnvme", "rnvme0", "rnvme0n1"]
    refused = machine.run(f"rnvme-claim release {address}", check=False)
    assert refused.rc == 1 and "all drives are claimed" in refused.err


def test_grub_is_installed_anew(machine: Debian) -> None:
    """As by an upgrade of GRUB. The next test boots from what this one leaves."""
    machine.run("cp /boot/grub/grub.cfg /root/grub.cfg")
    machine.run("grub-install /dev/rnvme0n1 && update-grub", timeout=300)
    assert machine.run("grep -c 'linux.* root=UUID=' /boot/grub/grub.cfg", check=False).rc == 0


def test_data_survives_a_reboot(machine: Debian) -> None:
    """1 GiB with checksums, written before a restart through the firmware, read after it."""
    machine.run(_JOB.format(path=_DATA, more="--do_verify=0"), timeout=300)
    machine.reboot()
    assert machine.root_source() == "/dev/rnvme0n1p2"
    machine.run("echo 3 >/proc/sys/vm/drop_caches")
    machine.run(_JOB.format(path=_DATA, more="--verify_only"), timeout=300)


def test_the_way_back_from_the_boot_loader(machine: Debian) -> None:
    """The second entry of the image's menu has ``modprobe.blacklist=rnvme``: nvme gets the drive."""
    before = machine.links()
    own = machine.run("cat /sys/block/rnvme0n1/wwid").out.strip()
    machine.run("(echo set default=1; cat /root/grub.cfg) >/boot/grub/grub.cfg")
    machine.reboot()
    assert machine.root_source() == "/dev/nvme0n1p2"
    assert not machine.loaded("rnvme")

    # The same links under either driver. The C driver does not believe QEMU's identifiers.
    after = machine.links()
    other = machine.run("cat /sys/block/nvme0n1/wwid").out.strip()
    expected = {
        name.replace(own, other): target.replace("/dev/r", "/dev/")
        for name, target in before.items()
        if not name.startswith("by-diskseq/")
    }
    assert {name: to for name, to in after.items() if not name.startswith("by-diskseq/")} == expected


def test_data_seen_from_the_host(machine: Debian) -> None:
    """After an orderly end, the raw file holds a clean file system with the same data."""
    machine.shutdown()
    part = f"{machine.root_disk.path}?offset={ROOT_OFFSET}"
    checked = subprocess.run(["e2fsck", "-fn", part], capture_output=True, text=True, check=False)
    assert checked.returncode == 0, checked.stdout + checked.stderr
    copy = Path(machine.workspace.scratch, "data")
    subprocess.run(["debugfs", "-R", f"dump {_DATA} {copy}", part], capture_output=True, check=True)
    assert copy.stat().st_size == 1 << 30
    verified = subprocess.run(
        _JOB.format(path=copy, more="--verify_only").split(), capture_output=True, text=True, check=False
    )
    copy.unlink()
    assert verified.returncode == 0, verified.stdout + verified.stderr
