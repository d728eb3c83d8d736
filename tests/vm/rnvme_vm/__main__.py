# SPDX-License-Identifier: GPL-2.0
"""A machine for people: a shell on it, or one command (``make vm``)."""

from __future__ import annotations

import argparse
import os
import subprocess
import sys
from dataclasses import replace

from . import images, qemu
from .errors import VmError
from .machine import MIB, Machine, NvmeCtrl, NvmeNs
from .vm import Vm, insmod_command
from .workspace import Workspace

# Drives come up in the background.
_SETTLE = "for n in $(seq 50); do ls /sys/class/block | grep -q nvme && break; sleep 0.1; done"
_LOAD = {
    "rnvme": f"{insmod_command(claim_all=True)} && {_SETTLE}",
    "nvme": f"modprobe nvme && {_SETTLE}",
    # The RAM disk of tests/mq, beside a drive that nobody drives.
    "mq_ram": "insmod /in/mq_ram.ko",
    "none": "true",
}


def _arguments() -> argparse.Namespace:
    parser = argparse.ArgumentParser(prog="vm", description="A bare machine with one NVMe drive.")
    parser.add_argument("--command", metavar="CMD", help="run this, print its output, end with its status")
    parser.add_argument("--kernel", choices=("stock", "debug"), default="stock")
    parser.add_argument("--driver", choices=tuple(_LOAD), default="rnvme", help="loaded at the start")
    parser.add_argument("--cpus", type=int, default=2)
    parser.add_argument("--mem", type=int, metavar="MIB")
    parser.add_argument("--size", type=int, default=1024, metavar="MIB", help="of the drive")
    parser.add_argument("--lba", type=int, default=512, help="bytes of a logical block")
    parser.add_argument("--iommu", action="store_true")
    parser.add_argument("--udev", action="store_true", help="run udevd")
    parser.add_argument("--cmdline", default="", help="for the kernel")
    parser.add_argument("--timeout", type=float, default=3600, help="seconds for the command")
    parser.add_argument("qemu", nargs="*", help="further arguments of QEMU, after --")
    return parser.parse_args()


def _machine(args: argparse.Namespace) -> Machine:
    return Machine(
        kernel=args.kernel,
        cpus=args.cpus,
        mem_mib=args.mem,
        ctrls=[NvmeCtrl([NvmeNs(args.size * MIB, lba=args.lba)])],
        cmdline=args.cmdline,
        iommu=args.iommu,
        udev=args.udev,
        module=args.driver == "rnvme",
        mq_ram=args.driver == "mq_ram",
        qemu_args=args.qemu,
    )


def _run(args: argparse.Namespace) -> int:
    with Vm(_machine(args)) as vm:
        vm.run(_LOAD[args.driver])
        result = vm.run(args.command, timeout=args.timeout, check=False)
        sys.stdout.buffer.write(result.out_bytes)
        sys.stdout.flush()
        sys.stderr.buffer.write(result.err_bytes)
        sys.stderr.flush()
        vm.sync_log()
        for line in vm.log.unchecked():
            print(f"kernel log: {line}", file=sys.stderr)
        return result.rc


def _start_script(args: argparse.Namespace) -> str:
    rows, columns = "24", "80"
    if sys.stdin.isatty():
        size = os.get_terminal_size(sys.stdin.fileno())
        rows, columns = str(size.lines), str(size.columns)
    return "\n".join(
        [
            "#!/bin/bash",
            f"stty -F /dev/ttyS0 rows {rows} cols {columns}",
            _LOAD[args.driver],
            "lsblk -o NAME,SIZE,LOG-SEC,MODEL,SERIAL",
            "echo 'The kernel log: dmesg. To leave: exit, or Ctrl-a x.'",
        ]
    )


def _shell(args: argparse.Namespace) -> int:
    space = Workspace()
    try:
        script = space.scratch / "start"
        script.write_text(_start_script(args))
        script.chmod(0o755)
        machine = _machine(args)
        machine = replace(
            machine,
            files=(*machine.files, ("start", str(script))),
            cmdline=f"{machine.cmdline} TERM={os.environ.get('TERM', 'vt100')}",
        )
        initrd = images.initrd_with_files(machine, space.initrd)
        line = qemu.command_line(machine, images.images(machine.kernel), initrd, space, shell=True)
        return subprocess.run(line.args, check=False).returncode
    finally:
        space.close()


def main() -> int:
    """Runs the command, or QEMU at this terminal; returns the status to end with."""
    args = _arguments()
    try:
        return _run(args) if args.command else _shell(args)
    except VmError as err:
        print(f"vm: {err}", file=sys.stderr)
        return 255


if __name__ == "__main__":
    sys.exit(main())
