# SPDX-License-Identifier: GPL-2.0
"""What machines boot from: made once by the scripts under tools/."""

from __future__ import annotations

import subprocess
from dataclasses import dataclass
from functools import cache
from pathlib import Path
from tempfile import TemporaryDirectory

from .errors import VmError
from .machine import Machine

TOP = Path(__file__).parents[3]


@dataclass(frozen=True)
class Images:
    """The files that ``tools/guest`` makes for a kernel."""

    kernel: Path
    initrd: Path
    modules: Path
    root: Path


def _ask(tool: str, *args: str) -> Path:
    """The path that a tool prints. Its messages go to our standard error, as they come."""
    done = subprocess.run([TOP / "tools" / tool, *args], stdout=subprocess.PIPE, text=True, check=False)
    if done.returncode != 0:
        raise VmError(f"tools/{tool} {' '.join(args)} ended with status {done.returncode}")
    return Path(done.stdout.strip())


@cache
def images(kernel: str) -> Images:
    """Makes the images for this kernel, unless they are there."""
    directory = _ask("guest", kernel)
    return Images(
        kernel=directory / "vmlinuz",
        initrd=directory / "initrd",
        modules=directory / "modules.ext4",
        root=directory / "root.ext4",
    )


@cache
def module(kernel: str, name: str = "rnvme") -> Path:
    """Builds rnvme.ko, the same with fault points (FAULTS=1), or mq_ram.ko for this kernel."""
    return _ask("module", kernel, *([] if name == "rnvme" else [name]))


def initrd_with_files(machine: Machine, target: Path) -> Path:
    """The initramfs with the machine's files under /in appended.

    The kernel unpacks several archives one after the other.
    """
    files = {name: Path(path) for name, path in machine.files}
    if machine.module:
        files.setdefault("rnvme.ko", module(machine.kernel, "FAULTS=1" if machine.faults else "rnvme"))
    if machine.mq_ram:
        files.setdefault("mq_ram.ko", module(machine.kernel, "mq_ram"))
    base = images(machine.kernel).initrd
    if not files:
        return base
    with TemporaryDirectory() as tree:
        for name, path in files.items():
            place = Path(tree, "in", name)
            place.parent.mkdir(parents=True, exist_ok=True)
            place.symlink_to(path.resolve())
        names = sorted(str(path.relative_to(tree)) for path in Path(tree).rglob("*"))
        archive = subprocess.run(
            ["cpio", "--create", "--format=newc", "--dereference", "--quiet"],
            cwd=tree,
            input="\n".join(names).encode(),
            capture_output=True,
            check=True,
        ).stdout
    target.write_bytes(base.read_bytes() + archive)
    return target
