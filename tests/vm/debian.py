# SPDX-License-Identifier: GPL-2.0
"""The machine of ``make run`` under the tests' harness: Debian, booted from an NVMe drive.

Firmware, GRUB, initramfs and systemd are the real ones, and so is the way rnvme got there. The root
drive comes first; a test may give the machine more drives.
"""

from __future__ import annotations

import shlex
import subprocess
from collections.abc import Iterable
from typing import Any

from rnvme_vm import Disk, Machine, NvmeCtrl, Result, Vm, VmGone, VmTimeout, accel, images, qemu

# A boot takes 30 s to 40 s in an emulator that has the machine to itself. Limits are for real hardware,
# as everywhere in the harness, but firmware and systemd suffer more from emulation than a bare guest.
_BOOT_SECONDS = 150.0
_SHUTDOWN_SECONDS = 60.0

ROOT_SERIAL = "root-drive"
#: Where tools/boot-image puts the root file system on its disk, in bytes.
ROOT_OFFSET = 2 << 20
#: Lines of the kernel log that are right on this machine.
ALLOWED = (
    # What systemd says of units and of this host, some of which have our name.
    r"^systemd(-[a-z-]+)?\[\d+\]: ",
    r"^rnvme: (loading out-of-tree module|module verification failed)",
    r"^EXT4-fs \(rnvme\d+n1p\d+\): (re-)?(un)?mount",
    r"^ rnvme\d+n1:( p\d+)*$",
    # systemd leaves it running over a restart, so that one that hangs ends.
    r"^watchdog: watchdog0: watchdog did not stop!$",
)


class Debian(Vm):
    """Boots from a copy of the disk, in memory, that is gone with the machine."""

    def __init__(self, *, claimed: bool = True, ctrls: Iterable[NvmeCtrl] = ()) -> None:
        """``claimed``: rnvme has every drive, else nvme has them all."""
        super().__init__(Machine(module=False, mem_mib=2048, ctrls=ctrls))
        self._image_options = [] if claimed else ["--unclaimed"]

    # -- life

    def _launch(self) -> None:
        # Sparse, and without a cache of QEMU's: what the drive completed is here at once.
        self.root_disk = Disk(self.workspace.scratch / "root.raw", 512)
        image = images._ask("boot-image", *self._image_options)
        subprocess.run(["cp", "--sparse=always", image, self.root_disk.path], check=True)
        line = qemu.CommandLine()
        line.add("qemu-system-x86_64", "-nodefaults", "-no-user-config", "-display", "none")
        line.add("-machine", "q35", "-accel", accel.qemu_option(), "-cpu", accel.cpu_option())
        line.add("-smp", str(self.machine.cpus), "-m", f"{self.machine.memory_mib}M")
        line.add("-drive", f"if=none,id=root,format=raw,file={self.root_disk.path}")
        line.device("nvme", drive="root", serial=ROOT_SERIAL, bootindex=0)
        qemu._console_and_channels(line, self.workspace, shell=False)
        for place, ctrl in enumerate(self.machine.ctrls):
            qemu._controller(line, self.workspace, place, ctrl)
        self._disks = line.disks
        with self.workspace.qemu_log.open("wb") as log:
            log.write((shlex.join(line.args) + "\n").encode())
            log.flush()
            self._process = subprocess.Popen(
                ["setpriv", "--pdeathsig=KILL", "--", *line.args],
                stdin=subprocess.DEVNULL,
                stdout=log,
                stderr=log,
            )

    def _wait_for_agent(self, timeout: float) -> None:
        super()._wait_for_agent(max(timeout, _BOOT_SECONDS))
        self.run("systemctl is-system-running --wait", timeout=_BOOT_SECONDS, check=False)

    def reboot(self, cmd: str = "systemctl reboot", timeout: float = _BOOT_SECONDS) -> None:
        """Restarts, through the firmware and GRUB."""
        super().reboot(cmd, timeout)

    def shutdown(self, timeout: float = _SHUTDOWN_SECONDS) -> None:
        """Has systemd power the machine off, and waits until QEMU has ended."""
        assert self._process is not None
        self._run_without_answer("systemctl poweroff")
        try:
            status = self._process.wait(timeout * self.scale)
        except subprocess.TimeoutExpired:
            self.keep_logs()
            raise VmTimeout(f"not off after {timeout * self.scale:.0f} s\n{self.report()}") from None
        if status != 0:
            self.keep_logs()
            raise VmGone(f"QEMU ended with status {status}\n{self.report()}")

    def assert_clean_log(self, allow: Iterable[str] = ()) -> None:
        """As for every machine, but for the lines that are right on this one."""
        super().assert_clean_log([*ALLOWED, *allow])

    # -- what tests ask of it

    def lines(self, cmd: str, **options: Any) -> list[str]:
        """The lines that a command prints."""
        return self.run(cmd, **options).out.splitlines()

    def root_source(self) -> str:
        """The device that the root file system is on."""
        return self.run("findmnt --noheadings --output SOURCE /").out.strip()

    def loaded(self, module: str) -> bool:
        """Whether a module is loaded."""
        return self.run(f"test -e /sys/module/{module}", check=False).rc == 0

    def address(self, serial: str) -> str:
        """The PCI address of the drive with this serial number, whichever driver has it."""
        return self._by_serial(serial, "basename $(readlink -f $c/device)")

    def driver(self, address: str) -> str:
        """The name of a PCI function's driver."""
        return self.run(f"basename $(readlink -f /sys/bus/pci/devices/{address}/driver)").out.strip()

    def drive(self, serial: str) -> str:
        """The block device of namespace 1 of the drive with this serial number."""
        link = self.lines(f"readlink -f /dev/disk/by-id/nvme-QEMU_NVMe_Ctrl_{serial}_1")
        return link[0]

    def _by_serial(self, serial: str, cmd: str) -> str:
        found: Result = self.run(
            f"for c in /sys/class/nvme/* /sys/class/rnvme/*; do [ -e $c/serial ] || continue;"
            f' [ "$(sed "s/ *$//" $c/serial)" = {serial} ] && {cmd}; done; true'
        )
        words = found.out.split()
        assert len(words) == 1, f"drives with serial number {serial}: {words}"
        return words[0]

    def links(self) -> dict[str, str]:
        """Every link below /dev/disk, and the device that it leads to."""
        found = self.lines(
            "cd /dev/disk; find . -type l | sort | while read -r l; do echo $l $(readlink -f $l); done"
        )
        return {link.removeprefix("./"): target for link, target in (line.split() for line in found)}
