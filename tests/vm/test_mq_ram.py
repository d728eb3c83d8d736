# SPDX-License-Identifier: GPL-2.0
"""The abstractions of mq/ by themselves: the RAM disk of tests/mq with all kinds of parameters."""

from __future__ import annotations

from typing import Any

import mq_ram
import pytest
from mq_ram import MIB, Line
from rnvme_vm import Vm, number

pytestmark = mq_ram.machine()


def _verified(vm: Vm, device: dict[str, Any], disk: dict[str, Any], **work: Any) -> Line:
    """Has fio write and verify a disk with these parameters; returns what was counted."""
    with mq_ram.loaded(vm) as ram:
        ram.device("dev", **device)
        node = ram.disk("ram", "dev", **disk)
        mq_ram.fio(vm, node, number("mq_mib") * MIB, **work).wait()
        ram.clear()
        return ram.counters("dev")


@pytest.mark.kernels("stock", "debug")
@pytest.mark.parametrize("queues", [1, 2])
@pytest.mark.parametrize("completion", ["inline", "direct", "interrupt"])
def test_completion(vm: Vm, completion: str, queues: int) -> None:
    counts = _verified(vm, {"completion": completion, "queues": queues}, {})
    assert counts["started"] == counts["queue_rq"] + counts["listed"]
    at_once = counts["started"] if completion == "inline" else 0
    assert counts["ended_at_once"] == at_once


def test_behaviours_together(vm: Vm) -> None:
    counts = _verified(
        vm,
        {"queues": 2, "refuse": 7, "requeue": 5, "repeat": 3},
        {"cache": True},
        bsrange="512-64k",
        fsync=16,
    )
    assert counts["refused"] and counts["requeued"] and counts["flush"]
