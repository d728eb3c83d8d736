# SPDX-License-Identifier: GPL-2.0
"""The KUnit suites of tests/kunit, in the debug kernel, which has KUnit."""

from __future__ import annotations

import os
import re
import subprocess
from pathlib import Path

import pytest
from rnvme_vm import Machine, Vm

_TOP = Path(__file__).parents[2]
_SUITE = re.compile(r"kunit_tests\((\w+)\)")
_TEST = re.compile(r"#\[test\]\s+fn (\w+)")
_RESULT = re.compile(r"^( *)(ok|not ok) \d+ (\w+)")


def _written() -> dict[str, list[str]]:
    """The suites of the source, and their tests."""
    suites = {}
    for file in (_TOP / "tests" / "kunit").glob("*.rs"):
        text = file.read_text()
        if suite := _SUITE.search(text):
            suites[suite[1]] = _TEST.findall(text)
    return suites


def _ran(log: str) -> dict[str, list[str]]:
    """The suites that KTAP tells of, and their tests. Each has passed."""
    suites = {}
    tests: list[str] = []
    for line in log.splitlines():
        if not (result := _RESULT.match(line)):
            continue
        indent, outcome, name = result.groups()
        assert outcome == "ok" and "# SKIP" not in line, line
        if indent:
            tests.append(name)
        else:
            suites[name] = tests
            tests = []
    return suites


@pytest.fixture
def module() -> Path:
    """rnvme.ko with the suites in it."""
    done = subprocess.run(
        [_TOP / "tools" / "module", "debug", "CONFIG_RNVME_KUNIT_TEST=y"],
        stdout=subprocess.PIPE,
        text=True,
        env=os.environ | {"RNVME_BUILD": "build/kunit"},
        timeout=600,
        check=True,
    )
    return Path(done.stdout.strip())


@pytest.mark.timeout(1800)
def test_suites(module: Path) -> None:
    """Each test of each suite runs when the module is loaded, and passes."""
    written = _written()
    assert len(written) >= 8 and all(written.values()), written
    machine = Machine(
        kernel="debug",
        ctrls=[],
        # The kernel has suites of its own.
        cmdline="kunit.enable=1 kunit.autorun=1 kunit.filter_glob=rnvme_*",
        module=False,
        files={"rnvme.ko": str(module)},
    )
    with Vm(machine) as vm:
        vm.insmod()
        log = vm.run("dmesg | sed 's/^\\[[^]]*\\] //'").out
        vm.run("rmmod rnvme")
        ran = _ran(log)
        assert ran == written, log
        # Tests taint the kernel, which is right.
        vm.assert_clean_log(
            [r"kunit", r"KTAP", r"# (Subtest|module|Totals|\w+: pass)", r"^ *\d+\.\.\d+$", r"^ *ok \d+ "]
        )
