# SPDX-License-Identifier: GPL-2.0
"""The same folder as part of the kernel's source, as a module and built in."""

from __future__ import annotations

import os
import subprocess
from pathlib import Path

import pytest

_TOP = Path(__file__).parents[2]


def _built(directory: Path, value: str, *targets: str) -> list[Path]:
    kernel = subprocess.run(
        [_TOP / "tools" / "kernel", "stock"], stdout=subprocess.PIPE, text=True, check=True
    ).stdout.strip()
    log = directory / "make.log"
    with log.open("w") as file:
        done = subprocess.run(
            [Path(__file__).with_name("in_tree.sh"), kernel, value, *targets],
            cwd=directory,
            stdout=file,
            stderr=subprocess.STDOUT,
            # Without these it is a build like anybody's.
            env={name: text for name, text in os.environ.items() if not name.startswith(("KBUILD", "MAKE"))},
            timeout=600,
            check=False,
        )
    text = log.read_text()
    assert done.returncode == 0, text[-6000:]
    return [directory / target for target in targets]


def _run(*command: str | Path) -> str:
    return subprocess.run(command, capture_output=True, text=True, check=True).stdout


def test_as_a_module(tmp_path: Path) -> None:
    (module,) = _built(tmp_path, "m", "rnvme.o")
    info = _run("readelf", "--string-dump=.modinfo", module)
    assert "license=GPL" in info and "parmtype=claim_all:bool" in info
    symbols = _run("nm", module)
    assert " T init_module" in symbols and " T cleanup_module" in symbols


@pytest.mark.soak
def test_built_in(tmp_path: Path) -> None:
    """No module: it begins with the other drivers, and takes its parameters as rnvme.NAME."""
    archive, main, parameters = _built(tmp_path, "y", "built-in.a", "rnvme_main.o", "helpers/params.o")
    members = archive.read_text(errors="replace")
    assert "rnvme_main.o" in members and "helpers/params.o" in members
    assert ".initcall6.init" in _run("readelf", "--sections", "--wide", main)
    assert "rnvme.parmtype=claim_all:bool" in _run("readelf", "--string-dump=.modinfo", parameters)
    assert " T init_module" not in _run("nm", main)
