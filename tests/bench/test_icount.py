# SPDX-License-Identifier: GPL-2.0
"""rnvme costs no more than the C driver: `make icount`, with the jobs that decide."""

from __future__ import annotations

import json
import subprocess
from pathlib import Path
from typing import Any

import pytest

TOP = Path(__file__).resolve().parents[2]
SECONDS = 900
GATES = ("read 4 KiB, QD 1", "read 4 KiB, QD 32")

pytestmark = pytest.mark.timeout(SECONDS + 60)


@pytest.fixture(scope="module")
def run(tmp_path_factory: pytest.TempPathFactory) -> dict[str, Any]:
    """The figures of one run of the command that people type."""
    figures = tmp_path_factory.mktemp("icount") / "icount.json"
    done = subprocess.run(
        [TOP / "tools" / "icount", "--gate", "--json", figures],
        check=False,
        timeout=SECONDS,
        stdin=subprocess.DEVNULL,
    )
    assert done.returncode in (0, 1), "the measurement failed"
    result = json.loads(figures.read_text())
    assert done.returncode == bool(result["complaints"])
    return result


@pytest.mark.parametrize("job", GATES)
@pytest.mark.parametrize("driver", ["c", "rnvme"])
def test_every_round_counts_the_same(run: dict[str, Any], job: str, driver: str) -> None:
    """Else the comparison would be one of accidents."""
    assert run["jobs"][job][driver]["spread"] < 0.005


@pytest.mark.parametrize("job", GATES)
def test_not_above_c(run: dict[str, Any], job: str) -> None:
    assert [text for text in run["complaints"] if text.startswith(f"{job}:")] == []


def test_one_doorbell_pair_and_one_interrupt_per_batch(run: dict[str, Any]) -> None:
    for job, depth in zip(GATES, (1, 32), strict=True):
        ours = run["jobs"][job]["rnvme"]
        events = [ours["interrupts"], ours["accesses"]["sq doorbell"], ours["accesses"]["cq doorbell"]]
        assert events == pytest.approx([1 / depth] * 3, rel=0.02, abs=0.001)
        assert "register read" not in ours["accesses"]
