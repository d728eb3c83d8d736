# SPDX-License-Identifier: GPL-2.0
"""packaging/install below a directory of its own, and the script that stands in for grub-install."""

from __future__ import annotations

import subprocess
from pathlib import Path

import pytest
from rnvme_vm.images import module

_TOP = Path(__file__).parents[2]
_PACKAGING = _TOP / "packaging"


def _install(root: Path, *words: object) -> subprocess.CompletedProcess[str]:
    command = [_PACKAGING / "install", *map(str, words), f"DESTDIR={root}"]
    return subprocess.run(command, capture_output=True, text=True, timeout=60, check=False)


def _files(root: Path) -> dict[str, int]:
    """All files below a directory, with their modes, but for what depmod makes."""
    return {
        str(path.relative_to(root)): path.stat().st_mode & 0o7777
        for path in root.rglob("*")
        if path.is_file() and not path.name.startswith("modules.")
    }


@pytest.fixture(scope="module")
def version() -> str:
    """The version of the kernel that the module is for."""
    asked = ["modinfo", "--field", "vermagic", module("stock")]
    return subprocess.run(asked, capture_output=True, text=True, timeout=60, check=True).stdout.split()[0]


def test_install_and_remove(tmp_path: Path, version: str) -> None:
    """The files of the user's guide are there, as they are here; afterwards nothing is left."""
    done = _install(tmp_path, f"MODULE={module('stock')}", f"KERNEL={version}")
    assert done.returncode == 0, done.stderr
    files = _files(tmp_path)
    guide = (_TOP / "Documentation" / "users-guide.rst").read_text()
    for file, mode in files.items():
        assert f"``/{file.replace(version, 'VERSION')}``" in guide, f"the user's guide does not name {file}"
        script = (tmp_path / file).read_bytes().startswith(b"#!")
        assert mode == (0o755 if script else 0o644), file
    assert f"lib/modules/{version}/updates/rnvme.ko" in files
    done = _install(tmp_path, "remove")
    assert done.returncode == 0 and _files(tmp_path) == {}, f"{done.stderr}{_files(tmp_path)}"


def test_what_is_refused(tmp_path: Path, version: str) -> None:
    """A module that would not load is not installed, and neither is anything else."""
    rnvme = f"MODULE={module('stock')}"
    for words, says in (
        ([rnvme, "KERNEL=7.3.0-other"], f"is for kernel {version}, not for 7.3.0-other"),
        ([rnvme], "needs KERNEL="),
        ([f"MODULE={_PACKAGING / 'install'}", f"KERNEL={version}"], "is no module"),
        (["--unknown"], "Usage: "),
    ):
        done = _install(tmp_path, *words)
        assert done.returncode != 0 and says in done.stderr, f"{words}: {done.stderr}"
        assert _files(tmp_path) == {}, words


@pytest.mark.parametrize("claim", ["etc/modprobe.d/rnvme.conf", "etc/rnvme/drives", "usr/sbin/grub-install"])
def test_what_has_drives_is_not_removed(tmp_path: Path, claim: str) -> None:
    """Nor is what stands in for GRUB's installer, which would be gone without a replacement."""
    assert _install(tmp_path).returncode == 0
    place = tmp_path / claim
    place.parent.mkdir(parents=True, exist_ok=True)
    if place.name == "grub-install":
        place.symlink_to("/usr/lib/rnvme/grub-install")
    else:
        place.touch()
    before = _files(tmp_path)
    done = _install(tmp_path, "remove")
    assert done.returncode != 0 and "rnvme-claim none" in done.stderr, done.stderr
    assert _files(tmp_path) == before
    place.unlink()
    assert _install(tmp_path, "remove").returncode == 0


@pytest.mark.parametrize(
    ("given", "expected"),
    [
        (["/dev/rnvme0n1"], ["--modules=part_gpt part_msdos", "/dev/rnvme0n1"]),
        (["--modules=luks2 lvm", "a b"], ["--modules=part_gpt part_msdos luks2 lvm", "a b"]),
        (["--force", "--modules", "ext2", "x"], ["--modules=part_gpt part_msdos ext2", "--force", "x"]),
        ([], ["--modules=part_gpt part_msdos"]),
    ],
)
def test_grub_install_keeps_what_the_caller_wants(
    tmp_path: Path, given: list[str], expected: list[str]
) -> None:
    """GRUB's own takes the last --modules alone."""
    real = tmp_path / "real"
    real.write_text("#!/bin/sh\nprintf '%s\\n' \"$@\"\n")
    real.chmod(0o755)
    script = (_PACKAGING / "grub-install").read_text()
    assert script.count("/usr/sbin/grub-install.distrib") == 1
    ours = tmp_path / "ours"
    ours.write_text(script.replace("/usr/sbin/grub-install.distrib", str(real)))
    done = subprocess.run(["sh", ours, *given], capture_output=True, text=True, timeout=60, check=True)
    assert done.stdout.splitlines() == expected
