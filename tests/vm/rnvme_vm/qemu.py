# SPDX-License-Identifier: GPL-2.0
"""From the description of a machine to QEMU's command line."""

from __future__ import annotations

import json
import os
from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from . import accel, clock
from .disk import Disk
from .images import Images
from .machine import Machine, NvmeCtrl, NvmeNs
from .workspace import Workspace


@dataclass
class CommandLine:
    """Arguments of QEMU, and the drives' raw files that they name, by (controller, NSID)."""

    args: list[str] = field(default_factory=list)
    disks: dict[tuple[int, int], Disk] = field(default_factory=dict)

    def add(self, *args: str | Path) -> None:
        self.args += [str(arg) for arg in args]

    def device(self, driver: str, **props: Any) -> None:
        """Adds a device; properties that are None are left out."""
        given = {name.rstrip("_"): value for name, value in props.items() if value is not None}
        self.add("-device", json.dumps({"driver": driver, **given}))


def command_line(
    machine: Machine, images: Images, initrd: Path, space: Workspace, shell: bool
) -> CommandLine:
    """Makes the drives' raw files and returns the command line that uses them."""
    line = CommandLine()
    line.add("qemu-system-x86_64", "-nodefaults", "-no-user-config", "-display", "none")
    line.add("-name", "rnvme-test", "-accel", accel.qemu_option())
    # Five-level page tables only cost time; and KASAN misjudges addresses while the kernel, early in
    # its boot, has forgotten for a moment that it uses them.
    line.add("-cpu", f"{accel.cpu_option()},la57=off")

    line.add("-machine", "q35,kernel-irqchip=split" if machine.iommu else "q35")
    line.add("-smp", str(machine.cpus), "-m", f"{machine.memory_mib}M")
    line.add("-kernel", images.kernel, "-initrd", initrd, "-append", _kernel_parameters(machine, shell))
    if machine.iommu:
        line.device("intel-iommu", intremap="on")
    if any(ctrl.root_port for ctrl in machine.ctrls):
        # Unplugging goes through the port itself (pciehp), as on real machines, not through ACPI.
        line.add("-global", "ICH9-LPC.acpi-pci-hotplug-with-bridge-support=off")
    _console_and_channels(line, space, shell)
    _system_disks(line, images)
    subsystems = dict.fromkeys(ctrl.subsystem for ctrl in machine.ctrls if ctrl.subsystem)
    for name in subsystems:
        line.device("nvme-subsys", id=name, nqn=name)
    for place, ctrl in enumerate(machine.ctrls):
        _controller(line, space, place, ctrl)
    line.add(*machine.qemu_args)
    return line


def _kernel_parameters(machine: Machine, shell: bool) -> str:
    words = ["console=ttyS0", "panic=0", "log_buf_len=8M", "printk.devkmsg=on"]
    # A busy host stops virtual CPUs at any moment: clocks cannot be told from one another then.
    words += ["no_timer_check", "tsc=reliable"]
    # Under emulation the guest sees the counter of this machine's processor.
    if accel.name() == "tcg" and (khz := clock.counter_khz()):
        words += [f"tsc_early_khz={khz}"]
    # The kernel tests its ciphers while it boots: a fifth of the time, and none of it is ours.
    words += ["cryptomgr.notests"]
    # The console is slow, and the port for the log brings everything with its level.
    words += ["loglevel=5"]
    # KASAN finds what SLUB's own debugging would, and that one doubles the time of a boot.
    words += ["slab_debug=-"] if machine.kernel == "debug" else []
    words += ["intel_iommu=on"] if machine.iommu else []
    words += ["rnvme.udev"] if machine.udev else []
    words += ["rnvme.shell"] if shell else []
    return " ".join([*words, machine.cmdline]).strip()


def _console_and_channels(line: CommandLine, space: Workspace, shell: bool) -> None:
    line.add("-chardev", f"socket,id=qmp,path={space.monitor},server=on,wait=off")
    line.add("-mon", "chardev=qmp,mode=control")
    if shell:
        line.add("-chardev", "stdio,id=console,mux=on,signal=off", "-mon", "chardev=console")
    else:
        line.add("-chardev", f"file,id=console,path={space.console}")
    line.add("-serial", "chardev:console")
    line.device("virtio-serial-pci")
    line.add("-chardev", f"socket,id=agent,path={space.agent},server=on,wait=off")
    line.device("virtserialport", chardev="agent", name="org.qemu.guest_agent.0")
    line.add("-chardev", f"file,id=kmsg,path={space.kernel_log}")
    line.device("virtserialport", chardev="kmsg", name="rnvme.kmsg")


def _system_disks(line: CommandLine, images: Images) -> None:
    for name, path in (("root", images.root), ("modules", images.modules)):
        line.add("-drive", f"if=none,id={name},format=raw,readonly=on,file={path}")
        line.device("virtio-blk-pci", drive=name, serial=name)


def _controller(line: CommandLine, space: Workspace, place: int, ctrl: NvmeCtrl) -> None:
    name = f"nvme{place}"
    port = f"port{place}" if ctrl.root_port else None
    if port:
        line.device("pcie-root-port", id=port, chassis=place + 1, slot=place + 1)
    options = {
        field: getattr(ctrl, field) for field in ("mdts", "mqes", "max_ioqpairs", "msix_qsize", "dbcs")
    }
    line.device(
        "nvme",
        id=name,
        serial=ctrl.serial,
        bus=port,
        subsys=ctrl.subsystem,
        **options,
        **dict(ctrl.props),
    )
    for ns in ctrl.namespaces:
        path = Path(ns.path) if ns.path else space.scratch / f"{name}n{ns.nsid}.raw"
        if not ns.path:
            with path.open("wb") as file:
                os.truncate(file.fileno(), ns.size)
        for node in _block_nodes(f"{name}n{ns.nsid}", path, ns):
            line.add("-blockdev", json.dumps(node))
        line.device(
            "nvme-ns",
            id=f"{name}n{ns.nsid}-dev",
            bus=name,
            drive=f"{name}n{ns.nsid}",
            nsid=ns.nsid,
            logical_block_size=ns.lba,
            physical_block_size=ns.lba,
            # A namespace that several controllers see makes the C driver put a multipath disk on top.
            shared=None if ctrl.subsystem else False,
            **dict(ns.props),
        )
        line.disks[place, ns.nsid] = Disk(path, ns.lba)


def _block_nodes(name: str, path: Path, ns: NvmeNs) -> Iterator[dict[str, Any]]:
    """The nodes between drive and file; the last one has the drive's name."""
    bottom = f"{name}-file" if ns.node else name
    yield {
        "driver": "raw",
        "node-name": bottom,
        "discard": "unmap",
        "file": {"driver": "file", "filename": str(path), "discard": "unmap"},
    }
    if ns.node:
        yield json.loads(ns.node.replace("@file@", bottom)) | {"node-name": name}
