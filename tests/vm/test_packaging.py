# SPDX-License-Identifier: GPL-2.0
"""Installing is safe, and drives change hands by the commands that the user's guide names.

A machine whose root drive is nvme's, as a user's is, with rnvme freshly installed and two more drives.
The tests share it and go through its life in the order in which they are written.
"""

from __future__ import annotations

from collections.abc import Iterator

import pytest
from debian import ROOT_SERIAL, Debian
from rnvme_vm import Job, NvmeCtrl, NvmeNs, VmError
from rnvme_vm.numbers import soaking

# The machine boots twice, and makes its initramfs anew twice: a minute or two each in an emulator.
pytestmark = pytest.mark.timeout(2400)

OTHER, OURS = "other", "ours"
_SIZE = 128 << 20
# Reads back and checks all that it writes.
_LOAD = (
    "fio --name=load --filename={path} --size={size}m --rw=randrw --bsrange=4k-64k --direct=1"
    " --ioengine=io_uring --iodepth=16 --verify=crc32c --verify_fatal=1 --loops={loops} --eta=never"
)
_INITRAMFS_SECONDS = 300


@pytest.fixture(scope="module")
def machine() -> Iterator[Debian]:
    """Both drives bear a pattern of their own from the beginning."""
    ctrls = [NvmeCtrl(serial=serial, namespaces=[NvmeNs(size=_SIZE)]) for serial in (OTHER, OURS)]
    with Debian(claimed=False, ctrls=ctrls) as debian:
        # A third of the time that an initramfs takes in an emulator.
        debian.run("echo COMPRESSLEVEL=1 >/etc/initramfs-tools/conf.d/quickly")
        yield debian


@pytest.fixture(autouse=True)
def clean_log(machine: Debian) -> Iterator[None]:
    """No test leaves a complaint in the kernel's log."""
    yield
    try:
        machine.assert_clean_log(
            [
                r"^null_blk: disk rnvme\w* created$",
                r"^rnvme: \S+ is not the drive that was claimed, left to nvme$",
            ]
        )
    except VmError:
        machine.keep_logs()
        raise


def drivers(machine: Debian) -> dict[str, str]:
    """The driver of each drive."""
    return {serial: machine.driver(machine.address(serial)) for serial in (ROOT_SERIAL, OTHER, OURS)}


def load(machine: Debian, path: str) -> Job:
    """Starts a job that writes and verifies."""
    return machine.spawn(_LOAD.format(path=path, size=32, loops=2), timeout=300)


def test_rules_are_valid(machine: Debian) -> None:
    machine.run(
        "udevadm verify /usr/lib/udev/rules.d/5[0-9]-rnvme*.rules /usr/lib/udev/rules.d/60-rnvme.rules"
    )


def test_installing_claims_nothing(machine: Debian) -> None:
    assert not machine.loaded("rnvme")
    assert set(drivers(machine).values()) == {"nvme"}
    assert machine.root_source().startswith("/dev/nvme")


def test_loading_claims_nothing(machine: Debian) -> None:
    """Not even a drive that no driver has."""
    address = machine.address(OURS)
    machine.run(f"echo {address} >/sys/bus/pci/drivers/nvme/unbind")
    machine.run("modprobe rnvme && udevadm settle")
    assert machine.lines("ls /sys/class/rnvme") == []
    assert machine.lines("ls /sys/bus/pci/drivers/rnvme | grep : || true") == []
    machine.run("modprobe --remove rnvme")
    machine.run(f"echo {address} >/sys/bus/pci/drivers/nvme/bind && udevadm settle")
    assert set(drivers(machine).values()) == {"nvme"}


@pytest.mark.parametrize(
    "name", ["rnvme0c0n1", "rnvme", "rnvmexn1", "rnvme0n", "rnvme0n1p", "rnvme0n1p1", "rnvme1"]
)
def test_unknown_names_are_denied(machine: Debian, name: str) -> None:
    """A disk of another driver stands in for one whose name our rules do not know."""
    place = f"/sys/kernel/config/nullb/{name}"
    machine.run("modprobe null_blk nr_devices=0")
    machine.run(f"mkdir {place} && echo 64 >{place}/size && echo 1 >{place}/memory_backed")
    try:
        machine.run(f"echo 1 >{place}/power && udevadm settle")
        properties = machine.run(f"udevadm info --query=all /dev/{name}").out
        assert "E: SYSTEMD_READY=0\n" in properties
        assert "S: " not in properties
        assert machine.run(f"stat --format '%a %U:%G' /dev/{name}").out == "0 root:root\n"
    finally:
        machine.run(f"echo 0 >{place}/power && rmdir {place}")


def test_known_names_are_not_denied(machine: Debian) -> None:
    """So that the test above can fail: a name of the right form gets its links from the same rules."""
    place = "/sys/kernel/config/nullb/rnvme12n3"
    machine.run(
        f"mkdir {place} && echo 64 >{place}/size && echo 1 >{place}/memory_backed && echo 1 >{place}/power"
    )
    machine.run("mkfs.ext4 -q -L known /dev/rnvme12n3 && udevadm settle")
    links = machine.links()
    machine.run(f"echo 0 >{place}/power && rmdir {place} && udevadm settle && modprobe --remove null_blk")
    assert links.get("by-label/known") == "/dev/rnvme12n3"


def test_a_drive_in_use_is_refused(machine: Debian) -> None:
    address = machine.address(ROOT_SERIAL)
    refused = machine.run(f"rnvme-claim {address}", check=False)
    assert refused.rc == 1 and "in use" in refused.err
    assert machine.driver(address) == "nvme"
    assert machine.run("test -e /etc/rnvme", check=False).rc != 0


def properties(machine: Debian, device: str) -> dict[str, str]:
    """What udev knows of a device, but for what must differ between two drivers."""
    known = dict(line.split("=", 1) for line in machine.lines(f"udevadm info --query=property {device}"))
    wwid = known.pop("ID_WWN")
    known["DEVLINKS"] = " ".join(
        sorted(link.replace(wwid, "WWID") for link in known["DEVLINKS"].split() if "diskseq" not in link)
    )
    for name in (
        # The kernel's names and numbers
        *("DEVPATH", "DEVNAME", "MAJOR", "MINOR", "DISKSEQ", "ID_PART_ENTRY_DISK", "USEC_INITIALIZED"),
        # Not by rules for nvme*: see the user's guide
        *("ID_PATH_TAG", "NVME_HOST_IFACE"),
    ):
        known.pop(name, None)
    return known


def test_claim(machine: Debian) -> None:
    """One drive changes hands; the others do not notice, and udev sees the same drive as before."""
    drive = machine.drive(OURS)
    machine.run(f"sfdisk --quiet {drive} <<<$'label: gpt\\nname=\"part one\"' && udevadm settle")
    machine.run(f"mkfs.ext4 -q -L ours {drive}p1 && udevadm settle")
    before = [properties(machine, drive), properties(machine, f"{drive}p1")]
    address = machine.address(OURS)

    neighbour = load(machine, machine.drive(OTHER))
    status = machine.run(f"rnvme-claim {address}", timeout=_INITRAMFS_SECONDS).out
    neighbour.wait()
    assert drivers(machine) == {ROOT_SERIAL: "nvme", OTHER: "nvme", OURS: "rnvme"}
    assert [line.split()[1:3] for line in status.splitlines() if line.startswith(address)] == [
        ["rnvme", "rnvme"]
    ]
    drive = machine.drive(OURS)
    assert drive == "/dev/rnvme0n1"
    assert [properties(machine, drive), properties(machine, f"{drive}p1")] == before


def both_under_load(machine: Debian) -> None:
    """fio on a file system of our drive, on the neighbour's drive and on the root drive at once."""
    machine.run("mkdir -p /mnt/ours && mount LABEL=ours /mnt/ours")
    jobs = [load(machine, path) for path in ("/mnt/ours/file", machine.drive(OTHER), "/var/tmp/file")]
    for job in jobs:
        job.wait()
    machine.run("umount /mnt/ours && rm /var/tmp/file")


def test_each_driver_under_load(machine: Debian) -> None:
    both_under_load(machine)


def test_the_claim_holds_at_boot(machine: Debian) -> None:
    machine.run("mount LABEL=ours /mnt/ours && echo survives >/mnt/ours/note && umount /mnt/ours")
    machine.reboot()
    assert drivers(machine) == {ROOT_SERIAL: "nvme", OTHER: "nvme", OURS: "rnvme"}
    # From the beginning: nvme did not have it first.
    last = machine.log.boots - 1
    for serial, count in ((OURS, 0), (OTHER, 1)):
        seen = machine.log.find(rf"^nvme nvme\d+: pci function {machine.address(serial)}$")
        assert len([record for record in seen if record.boot == last]) == count
    both_under_load(machine)


def test_another_drive_at_the_address_is_left_alone(machine: Debian) -> None:
    """Cards were moved: what is at the recorded address is not what was claimed."""
    address = machine.address(OTHER)
    machine.run(
        f"cp /etc/rnvme/drives /run/drives && echo {address} 0x1234:0x5678 0x1af4:0x1100 >>/etc/rnvme/drives"
    )
    machine.run(f"echo {address} >/sys/bus/pci/drivers/nvme/unbind")
    machine.run("udevadm trigger --action=add --subsystem-match=pci && udevadm settle")
    assert machine.run(f"cat /sys/bus/pci/devices/{address}/driver_override").out == "(null)\n"
    machine.sync_log()
    assert machine.log.has(f"rnvme: {address} is not the drive that was claimed, left to nvme")
    # With the right identity, the same event makes it rnvme's.
    machine.run(f"sed -i 's/^{address} 0x1234:0x5678/{address} 0x1b36:0x0010/' /etc/rnvme/drives")
    machine.run("udevadm trigger --action=add --subsystem-match=pci && udevadm settle")
    assert drivers(machine) == {ROOT_SERIAL: "nvme", OTHER: "rnvme", OURS: "rnvme"}
    machine.run(f"cp /run/drives /etc/rnvme/drives && rnvme-claim release {address}")
    assert drivers(machine) == {ROOT_SERIAL: "nvme", OTHER: "nvme", OURS: "rnvme"}


def test_release(machine: Debian) -> None:
    address = machine.address(OURS)
    machine.run("mount LABEL=ours /mnt/ours")
    refused = machine.run(f"rnvme-claim release {address}", check=False)
    assert refused.rc == 1 and "in use" in refused.err
    machine.run("umount /mnt/ours")

    machine.run(f"rnvme-claim release {address}", timeout=_INITRAMFS_SECONDS)
    assert set(drivers(machine).values()) == {"nvme"}
    assert machine.run(f"cat /sys/bus/pci/devices/{address}/driver_override").out == "(null)\n"
    assert machine.run("test -e /etc/rnvme/drives", check=False).rc != 0
    machine.run("mount --read-only LABEL=ours /mnt/ours && grep survives /mnt/ours/note && umount /mnt/ours")


@pytest.mark.skipif(not soaking(), reason="one more boot: only to soak")
def test_once_from_the_boot_loader(machine: Debian) -> None:
    """Words on the kernel's command line give rnvme every drive for one boot; nothing is written."""
    words = "modprobe.blacklist=nvme rnvme.claim_all=1"
    machine.run(f"sed -i '/linux /s/$/ {words}/' /boot/grub/grub.cfg && sync")
    machine.reboot()
    assert set(drivers(machine).values()) == {"rnvme"}
    assert machine.root_source().startswith("/dev/rnvme")
    assert not machine.loaded("nvme")
    machine.run("mount --read-only LABEL=ours /mnt/ours && grep survives /mnt/ours/note && umount /mnt/ours")
