# SPDX-License-Identifier: GPL-2.0
"""File systems: made, filled, checked, by the guest and by the host."""

from __future__ import annotations

import hashlib
import shutil
import subprocess
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

import pytest
from drives import FILE_SYSTEMS, MIB, PARTITIONS, clear, guest_program, loaded, plain
from guest import tree
from rnvme_vm import Disk, Vm, number

pytestmark = [
    plain,
    pytest.mark.allow_log(PARTITIONS, FILE_SYSTEMS),
]

# It leaves room: XFS wants 300 MiB.
SIZE = 512 * MIB


@dataclass(frozen=True)
class FileSystem:
    """How a file system is made, and checked without a change to it."""

    make: str
    check: str


EXT4 = FileSystem("mkfs.ext4 -q -F", "e2fsck -f -n")
XFS = FileSystem("mkfs.xfs -q -f", "xfs_repair -n")
KINDS = pytest.mark.parametrize("kind", [pytest.param(EXT4, id="ext4"), pytest.param(XFS, id="xfs")])
BLOCKS = pytest.mark.parametrize("nsid", [pytest.param(1, id="lba512"), pytest.param(2, id="lba4096")])


@contextmanager
def mounted(vm: Vm, node: str, options: str = "defaults") -> Iterator[str]:
    """The file system of a node at a place of its own."""
    vm.run(f"mkdir -p /mnt/fs && mount -o {options} {node} /mnt/fs")
    yield "/mnt/fs"
    vm.run("umount /mnt/fs", timeout=120)


def sums_in_guest(vm: Vm, top: str) -> dict[str, str]:
    """SHA-256 of each file by name."""
    out = vm.run(f"cd {top} && find . -type f -print0 | xargs -0r sha256sum", timeout=120).out
    return {name.removeprefix("./"): digest for digest, name in (line.split() for line in out.splitlines())}


def check_on_host(kind: FileSystem, disk: Disk) -> None:
    """The raw file passes the check that the drive passed in the guest."""
    more = ["-f"] if kind == XFS else []
    command = [*kind.check.split(), *more, str(disk.path)]
    done = subprocess.run(command, capture_output=True, text=True, timeout=120, check=False)
    assert done.returncode == 0, f"{command}\n{done.stdout}{done.stderr}"


def ext4_sums_on_host(disk: Disk, scratch: Path) -> dict[str, str]:
    """SHA-256 of each file of an ext4 in the raw file, read without a kernel's help."""
    subprocess.run(
        ["debugfs", "-R", f"rdump / {scratch}", str(disk.path)], capture_output=True, timeout=120, check=True
    )
    shutil.rmtree(scratch / "lost+found", ignore_errors=True)
    return {
        str(path.relative_to(scratch)): hashlib.sha256(path.read_bytes()).hexdigest()
        for path in scratch.rglob("*")
        if path.is_file()
    }


@KINDS
@BLOCKS
def test_filled_checked_and_mounted_again(vm: Vm, kind: FileSystem, nsid: int, tmp_path: Path) -> None:
    count, disk = number("fs_files"), vm.disk(nsid)
    clear(disk)
    expected = tree.checksums("filled", count)
    with loaded(vm) as drives:
        node = drives.disk(nsid)
        vm.run(f"{kind.make} {node}", timeout=120)
        with mounted(vm, node) as top:
            vm.run(f"{guest_program(vm, 'tree.py')} {top} filled {count}", timeout=180)
            vm.run(f"mkdir {top}/gone && cp -r {top}/d0 {top}/gone/ && sync -f {top} && rm -r {top}/gone")
        vm.run(f"{kind.check} {node}", timeout=120)
        with mounted(vm, node) as top:
            assert sums_in_guest(vm, top) == expected
    check_on_host(kind, disk)
    if kind == EXT4:
        assert ext4_sums_on_host(disk, tmp_path) == expected


@BLOCKS
def test_a_file_system_that_the_host_made(vm: Vm, nsid: int, tmp_path: Path) -> None:
    disk = vm.disk(nsid)
    tree.write(tmp_path, "host", 40)
    clear(disk)
    subprocess.run(
        ["mkfs.ext4", "-q", "-F", "-b", "4096", "-d", str(tmp_path), str(disk.path)], timeout=120, check=True
    )
    with loaded(vm) as drives, mounted(vm, drives.disk(nsid)) as top:
        assert sums_in_guest(vm, top) == tree.checksums("host", 40)
        vm.run(f"{guest_program(vm, 'tree.py')} {top}/new guest 20", timeout=120)
    check_on_host(EXT4, disk)
    expected = tree.checksums("host", 40)
    expected |= {f"new/{name}": digest for name, digest in tree.checksums("guest", 20).items()}
    (tmp_path / "read").mkdir()
    assert ext4_sums_on_host(disk, tmp_path / "read") == expected


@KINDS
def test_partitions(vm: Vm, kind: FileSystem) -> None:
    """Two file systems in partitions: what is written to one stays out of the other."""
    disk = vm.disk(1)
    clear(disk)
    with loaded(vm) as drives:
        node = drives.disk(1)
        vm.run(f"printf 'label: gpt\\nsize=100M\\nsize=310M\\n' | sfdisk -q {node}")
        vm.wait_until(lambda: vm.run(f"test -b {node}p2", check=False).rc == 0, 10, "the partitions")
        first = disk.sha256(MIB, 100 * MIB)
        vm.run(f"{kind.make} {node}p2", timeout=120)
        with mounted(vm, f"{node}p2") as top:
            vm.run(f"{guest_program(vm, 'tree.py')} {top} part 20", timeout=120)
        assert disk.sha256(MIB, 100 * MIB) == first, "the first partition has changed"
        vm.run(f"mkfs.ext4 -q -F {node}p1", timeout=120)
        vm.run(f"e2fsck -f -n {node}p1 && {kind.check} {node}p2", timeout=120)
        with mounted(vm, f"{node}p2") as top:
            assert sums_in_guest(vm, top) == tree.checksums("part", 20)
        assert disk.read(512, 8) == b"EFI PART"
        vm.run(f"wipefs -qa {node}")


@KINDS
def test_sync_is_on_the_drive(vm: Vm, kind: FileSystem, tmp_path: Path) -> None:
    """A raw file copied while the file system is mounted has all that was synchronised."""
    disk = vm.disk(1)
    clear(disk)
    copy = tmp_path / "copy.raw"
    with loaded(vm) as drives:
        node = drives.disk(1)
        vm.run(f"{kind.make} {node}", timeout=120)
        with mounted(vm, node) as top:
            vm.run(f"{guest_program(vm, 'tree.py')} {top} synced 24 && sync", timeout=120)
            subprocess.run(["cp", "--sparse=always", disk.path, copy], timeout=120, check=True)
        # The copy is what a power failure would have left: mount it instead.
        clear(disk)
        subprocess.run(
            ["dd", f"if={copy}", f"of={disk.path}", "bs=1M", "conv=notrunc,sparse", "status=none"],
            timeout=120,
            check=True,
        )
        with mounted(vm, node) as top:
            assert sums_in_guest(vm, top) == tree.checksums("synced", 24)
        vm.run(f"{kind.check} {node}", timeout=120)
    check_on_host(kind, disk)
