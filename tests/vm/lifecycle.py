# SPDX-License-Identifier: GPL-2.0
"""What the tests of a driver's life share: the drive's address, loads on it, and what is left of it."""

from __future__ import annotations

import errno
import hashlib
import re
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from rnvme_vm import Job, Result, Vm

MIB = 1 << 20
CTRL = "/dev/rnvme0"
DISK = "/dev/rnvme0n1"
#: Of the COMMAND register.
BUS_MASTER = 1 << 2
GUEST = Path(__file__).parent / "guest"

#: Lines of the kernel log that are right when a file system on the disk comes and goes.
MOUNTS = (
    r"(EXT4-fs|XFS) \(rnvme\d+n\d+\): ((un)?mounting|(un)?mounted|Mounting|Unmounting|Ending clean mount)"
)
#: The same when a disk goes while programs write to it.
DISK_GOES = (
    r"((I/O|timeout|device offline) error, dev|Buffer I/O error on dev|lost (async )?page write).* rnvme\d+n\d+",
    r"rnvme\d+n\d+: unable to read (RDB block|partition table)",
    r"^(blk_print_req_error|buffer_io_error|rnvme_may_print): \d+ callbacks suppressed",
    r"rnvme\d+n\d+: Can't open blockdev",
)
#: The same for an ext4 that is still mounted then.
EXT4_LOSES_DISK = (
    r"EXT4-fs .*\(?(device )?rnvme\d+n\d+",
    r"Aborting journal on device rnvme",
    r"JBD2: .*rnvme",
)

_ERRORS_OF_A_DISK_THAT_GOES = {
    errno.EIO,
    errno.ENXIO,
    errno.ENODEV,
    errno.ETIMEDOUT,
    # A write beyond the end of a disk that has no sectors any more.
    errno.ENOSPC,
    # The node was removed before the load opened it.
    errno.ENOENT,
}
# No load here may take longer than this: then it hangs.
_BOUND = 60


def address(vm: Vm, serial: str = "drive0") -> str:
    """The PCI address of the controller, whether or not a driver has it.

    QEMU's controllers stand in the order of the machine's description.
    """
    found = vm.run("lspci -D -n -d ::0108 | cut -d' ' -f1").out.split()
    serials = [ctrl.serial for ctrl in vm.machine.ctrls]
    assert len(found) == len(serials), f"{len(found)} drives on the bus, expected {len(serials)}"
    return found[serials.index(serial)]


def driver_of(vm: Vm, addr: str) -> str | None:
    """The driver that has the function."""
    out = vm.run(f"readlink /sys/bus/pci/devices/{addr}/driver", check=False).out.strip()
    return out.rsplit("/", 1)[-1] or None


def unbind(vm: Vm, addr: str, timeout: float = 30) -> Result:
    """Takes the function away from its driver."""
    return vm.run(f"echo {addr} >/sys/bus/pci/devices/{addr}/driver/unbind", timeout)


def bind(vm: Vm, addr: str, driver: str = "rnvme", check: bool = True) -> Result:
    """Gives the function to a driver, which brings it up before this returns."""
    return vm.run(f"echo {addr} >/sys/bus/pci/drivers/{driver}/bind", 30, check=check)


def refused(vm: Vm, addr: str, why: str) -> None:
    """Binding fails, the log says why, and the function is left as it was."""
    result = bind(vm, addr, check=False)
    assert result.rc != 0 and "No such device" in result.err, str(result)
    vm.sync_log()
    last = [record.text for record in vm.log.records()[-10:]]
    assert any("rnvme" in text and addr in text and why in text for text in last), f"not said: {why}: {last}"
    assert driver_of(vm, addr) is None
    assert not command_register(vm, addr) & BUS_MASTER, "bus mastering is left on"


@contextmanager
def loaded(vm: Vm, **parameters: Any) -> Iterator[str]:
    """The module loaded, with every drive; unloaded afterwards. The value is the first one's address."""
    vm.insmod(**{"claim_all": True, **parameters})
    vm.run(f"test -b {DISK} -a -c {CTRL}")
    yield address(vm)
    # Not after a failure: the machine is thrown away then, and this would hide the cause.
    vm.run("rmmod rnvme")


def state(vm: Vm, ctrl: str = "rnvme0") -> str:
    """The state that the driver shows of the controller."""
    return vm.run(f"cat /sys/class/rnvme/{ctrl}/state").out.strip()


def fio(name: str, target: str = DISK, **options: Any) -> str:
    """A command line of fio: ``direct`` random I/O of 4 KiB, unless the options say otherwise."""
    words = {
        "filename": target,
        "ioengine": "io_uring",
        "rw": "randrw",
        "bs": "4k",
        "iodepth": 16,
        "direct": 1,
        "randrepeat": 0,
        "allow_mounted_write": 1,
    }
    words |= options
    if "bsrange" in words:
        del words["bs"]
    words = {key: value for key, value in words.items() if value is not None}
    return f"fio --name={name} " + " ".join(f"--{key}={value}" for key, value in words.items())


@dataclass
class Load:
    """A fio that runs until it is ended, by itself or by the disk's end."""

    job: Job

    def broke_off(self) -> str:
        """Waits for the end that an error makes; returns what fio says about it."""
        result = self.job.wait(_BOUND, check=False)
        assert result.rc != 0, f"no error reached this load: {result}"
        errors = {int(number) for number in re.findall(r"err=\s*(\d+)", result.out + result.err)}
        assert errors and errors <= _ERRORS_OF_A_DISK_THAT_GOES, f"unexpected errors {errors}: {result}"
        return result.out

    def stop(self) -> None:
        """Ends it, which must work at any time; it has met no error so far."""
        assert (ended := self.job.poll()) is None, f"a load ended early: {ended}"
        self.job.kill("INT")
        result = self.job.wait(_BOUND, check=False)
        assert "err= 0" in result.out and "error=" not in result.err, str(result)


def load(vm: Vm, name: str, **options: Any) -> Load:
    """Starts a load without end, and returns once its I/O goes."""
    target = str(options.get("target", DISK))
    before = completed(vm, target)
    running = Load(vm.spawn(fio(name, time_based=1, runtime=300, **options), timeout=_BOUND * 6))
    vm.wait_until(lambda: completed(vm, target) > before + 50, 30, f"I/O of {name}")
    return running


def verifying(vm: Vm) -> Load:
    """Starts a load that writes all the time, and reads what it wrote soon after."""
    return load(
        vm,
        "verify",
        rw="randwrite",
        bsrange="4k-64k",
        size="32m",
        iodepth=32,
        verify="crc32c",
        verify_backlog=64,
        verify_fatal=1,
    )


def resets(vm: Vm) -> int:
    """How often the first controller was reset since the last check of the log."""
    vm.sync_log()
    return sum(1 for record in vm.log.records() if re.search(r"rnvme0 .*: reset done in", record.text))


def completed(vm: Vm, disk: str = DISK) -> int:
    """How many reads and writes the disk has done."""
    fields = vm.run(f"cat /sys/class/block/{disk.removeprefix('/dev/')}/stat").out.split()
    return int(fields[0]) + int(fields[4])


def pattern(seed: str, length: int) -> bytes:
    """Bytes of which no two sectors are alike, different for each seed."""
    blocks = (hashlib.sha512(f"{seed} {place}".encode()).digest() * 8 for place in range(length // 512))
    return b"".join(blocks)


def exchange(vm: Vm, seed: str, disk: str = DISK, ctrl: int = 0, length: int = MIB, nsid: int = 1) -> None:
    """Data go both ways: guest to raw file, and raw file to guest."""
    out, back = pattern(f"{seed} out", length), pattern(f"{seed} back", length)
    flags = "bs=64k iflag=fullblock oflag=direct conv=notrunc status=none"
    vm.run(f"dd of={disk} {flags}", stdin=out)
    assert vm.disk(nsid, ctrl).read(0, length) == out, f"{seed}: not what the guest wrote"
    vm.disk(nsid, ctrl).write(length, back)
    got = vm.run(f"dd if={disk} bs=64k skip={length >> 16} count={length >> 16} iflag=direct status=none")
    assert got.out_bytes == back, f"{seed}: not what the host wrote"


_FOOTPRINT = r"""
exec 2>/dev/null
grep -H rnvme /proc/devices /proc/iomem /proc/misc
awk '/rnvme/ {print FILENAME, $NF}' /proc/interrupts
awk '/rnvme/ {print FILENAME, $1, $3}' /proc/modules
sed -n '/rnvme/s/^[^ ]* *\([0-9]* [^ ]*\).*/vmallocinfo \1/p' /proc/vmallocinfo
find /dev /sys/class /sys/bus /sys/module /sys/block /sys/kernel/slab /sys/kernel/debug/block \
	/sys/kernel/debug/bdi /sys/devices/virtual/bdi /sys/firmware /sys/kernel/irq -maxdepth 3 |
	grep -E 'rnvme|/259:|/sys/kernel/irq/[0-9]+$' | sort
# An idle worker is called after the last work that it did.
ps -eo comm= | grep rnvme | grep -vE '^kworker/u?[0-9]'
"""


def footprint(vm: Vm) -> list[str]:
    """All that the driver shows of itself in the kernel, and the numbers of all interrupts."""
    return sorted(vm.run(_FOOTPRINT, check=False).out.splitlines())


def free_kib(vm: Vm) -> int:
    """Memory that nobody uses, after all caches were emptied."""
    return int(
        vm.run(
            "sync; echo 3 >/proc/sys/vm/drop_caches; sleep 0.3; awk '/^MemFree/ {print $2}' /proc/meminfo"
        ).out
    )


def command_register(vm: Vm, addr: str) -> int:
    """COMMAND of the function's configuration space."""
    return int(vm.run(f"setpci -s {addr} COMMAND").out, 16)


# -- a drive that is pulled

#: Arguments of QEMU for a piece of memory that can take the place of the drive's registers.
PULLABLE = ("-object", "memory-backend-ram,id=ones,size=16K,share=on", "-device", "ivshmem-plain,memdev=ones")


@contextmanager
def pulled(vm: Vm, addr: str) -> Iterator[None]:
    """All registers of the drive read as ones, and it reaches no memory: as if it was pulled out."""
    ones = vm.run("lspci -D -n -d 1af4:1110 | cut -d' ' -f1").out.strip()
    place = int(vm.run(f"head -n 1 /sys/bus/pci/devices/{addr}/resource").out.split()[0], 16)
    upper = vm.run(f"setpci -s {addr} BASE_ADDRESS_1").out.strip()
    home = vm.run(f"setpci -s {ones} BASE_ADDRESS_2 BASE_ADDRESS_3").out.split()
    vm.run(
        f"echo 1 >/sys/bus/pci/devices/{ones}/enable; python3 -c '"
        f'import mmap, os; fd = os.open("/sys/bus/pci/devices/{ones}/resource2", os.O_RDWR);'
        f" m = mmap.mmap(fd, {16 << 10});"
        f" m[:] = bytes([255]) * {16 << 10}'"
        f" && setpci -s {addr} COMMAND=0 BASE_ADDRESS_1=20 && setpci -s {ones}"
        f" BASE_ADDRESS_2={place & 0xFFFFFFFF:x} BASE_ADDRESS_3={place >> 32:x}"
    )
    try:
        yield
    finally:
        # COMMAND stays 0: whoever takes the drive next switches it on. If it was removed from the
        # bus meanwhile, it is not to be found here, and gets a new address when it is found.
        vm.run(
            f"setpci -s {ones} BASE_ADDRESS_2={home[0]} BASE_ADDRESS_3={home[1]};"
            f" setpci -s {addr} BASE_ADDRESS_1={upper}",
            check=False,
        )


# -- what the drive was told, in QEMU's own words

SHUTDOWN, STOPPED, STARTED, IO = (
    f"pci_nvme_{event}" for event in ("mmio_shutdown_set", "mmio_stopped", "mmio_start_success", "io_cmd")
)


def trace(*events: str) -> tuple[str, ...]:
    """Arguments of QEMU that have it log these events."""
    return tuple(word for event in events for word in ("-trace", event))


def traced(vm: Vm) -> list[str]:
    """The events that QEMU has logged so far, each with its values."""
    lines = vm.workspace.qemu_log.read_text(errors="replace").splitlines()
    return [
        match[1]
        for line in lines
        if (match := re.match(r"(?:\d+@[\d.]+:)?((?:pci_nvme|virtio_blk)_\w+.*)", line))
    ]


def names(events: list[str]) -> list[str]:
    """The events without their values."""
    return [event.split(" ", 1)[0] for event in events]


# -- records of which the host knows how many must be safe


def start_records(vm: Vm, offset: int = 0, disk: str = DISK) -> Job:
    """Starts a program that writes records, synchronises them, and says so in the kernel log."""
    vm.write_file("/run/records.py", (GUEST / "lifecycle_records.py").read_bytes())
    return vm.spawn(f"python3 /run/records.py {disk} {offset}", 600)


def safe_records(vm: Vm) -> int:
    """How many records the guest had synchronised, as far as its log has come here."""
    found = [re.search(r"harness: safe (\d+)", record.text) for record in vm.log.records()]
    return max((int(match[1]) for match in found if match), default=0)


def check_records(vm: Vm, count: int, offset: int = 0) -> None:
    """So many records are in the raw file."""
    for number in range(count):
        expected = hashlib.sha512(b"record %d" % number).digest() * (4096 // 64)
        assert vm.host_bytes(offset + number * 4096, 4096) == expected, f"record {number} of {count} is lost"
