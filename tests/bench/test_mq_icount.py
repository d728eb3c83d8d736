# SPDX-License-Identifier: GPL-2.0
"""A driver on mq/ costs at most 1.05 of null_blk: `tools/mq-icount`."""

from __future__ import annotations

import json
import subprocess
from pathlib import Path

import pytest

TOP = Path(__file__).resolve().parents[2]
SECONDS = 900

pytestmark = pytest.mark.timeout(SECONDS + 60)


def test_not_above_null_blk(tmp_path: Path) -> None:
    """At queue depths of 1 and 32, ended at once and by softirq; and every round counts the same."""
    figures = tmp_path / "mq-icount.json"
    done = subprocess.run(
        [TOP / "tools" / "mq-icount", "--gate", "--json", figures],
        check=False,
        timeout=SECONDS,
        stdin=subprocess.DEVNULL,
    )
    assert done.returncode in (0, 1), "the measurement failed"
    result = json.loads(figures.read_text())
    assert result["complaints"] == []
    assert len(result["jobs"]) == 4
    for name, job in result["jobs"].items():
        for driver, one in job.items():
            assert one["spread"] < 0.02, f"{name}, {driver}"
