# SPDX-License-Identifier: GPL-2.0
"""The arithmetic behind `make icount`, on counts small enough to check by hand."""

from __future__ import annotations

import dataclasses

import icount_report as report
import pytest

KALLSYMS = """\
ffffffff81000000 T start
ffffffff810000f0 t __pfx_kmem_cache_alloc_noprof
ffffffff81000100 T kmem_cache_alloc_noprof
ffffffff81000200 T rust_helper_writel
ffffffff81000300 T _RNvNtCsdIHTLmy_6kernel5block3end
ffffffff81000400 D some_data
ffffffffc0000000 t queue_rq	[rnvme]
ffffffffc0000100 t complete.cold	[rnvme]
ffffffffc0001000 t other_function	[virtio]
"""
BAR = report.Bar(0xFEB00000, 0x4000)
MODULES = frozenset({"rnvme"})

# Ten I/Os: the driver entered 10 times, one block of it left in the middle half of the time.
COUNTED = """\
round {} vcpu 1
user 500
block ffffffffc0000000 8 10 80
block ffffffffc0000020 4 10 {}
block ffffffffc0000100 2 5 10
block ffffffff81000200 3 10 30
block ffffffff81000100 20 10 200
block ffffffffc0001000 1 100 100
end
"""
ACCESSED = """\
round 2 vcpu 1
user 500
block ffffffffc0000000 8 10 80
access feb01008 w 10
access feb0100c w 5
access feb0001c r 1
access fee00000 w 99
end
"""


def result() -> report.JobResult:
    rounds = report.parse_rounds(COUNTED.format(0, 30) + COUNTED.format(1, 30) + ACCESSED)
    return report.per_io(rounds, report.Symbols(KALLSYMS), MODULES, BAR, count=10, interrupts=20)


def test_split() -> None:
    got = result()
    assert got.driver == 12  # 80 + 30 + 10 over 10
    assert got.rust == 3
    assert got.gated == 15
    assert got.blocks == (80 + 40 + 10 + 30) / 10
    assert got.kernel == 30  # the allocator, and another module
    assert got.user == 50
    assert got.total == 95
    assert got.spread == 0
    assert got.interrupts == 1
    assert got.allocations == {"kmem_cache_alloc_noprof": 1.0}


def test_accesses_are_the_controllers_alone() -> None:
    assert result().accesses == {"sq doorbell": 1.0, "cq doorbell": 0.5, "register read": 0.1}


def test_spread_shows_a_round_that_differs() -> None:
    rounds = report.parse_rounds(COUNTED.format(0, 30) + COUNTED.format(1, 45) + ACCESSED)
    got = report.per_io(rounds, report.Symbols(KALLSYMS), MODULES, BAR, count=10, interrupts=20)
    assert got.spread == pytest.approx(15 / 157.5)


def test_functions_are_folded_and_sorted() -> None:
    rows = {name: (whose, insns, calls) for whose, name, insns, calls in result().functions}
    assert rows["queue_rq"] == ("rnvme", 11, 1)
    assert rows["complete"] == ("rnvme", 1, 0.5)
    assert rows["rust_helper_writel"] == (report.RUST, 3, 1)
    assert [row[2] for row in result().functions] == [20, 11, 10, 3, 1]


def test_data_and_padding_are_no_functions() -> None:
    symbols = report.Symbols(KALLSYMS)
    assert symbols.covering(0xFFFFFFFF81000410).name == "_RNvNtCsdIHTLmy_6kernel5block3end"
    assert symbols.covering(0xFFFFFFFF810000F8).name == "start"


def test_driver_that_did_not_run_is_an_error() -> None:
    rounds = report.parse_rounds(COUNTED.format(0, 30) + COUNTED.format(1, 30) + ACCESSED)
    with pytest.raises(report.BadRun, match="nvme_core"):
        report.per_io(
            rounds, report.Symbols(KALLSYMS), frozenset({"nvme_core"}), BAR, count=10, interrupts=20
        )


def test_hidden_addresses_are_an_error() -> None:
    with pytest.raises(report.BadRun, match="root"):
        report.Symbols("0000000000000000 T start\n0000000000000000 T stop\n")


@pytest.mark.parametrize(
    "text",
    [
        "user 5\n",
        "round 1 vcpu 0\nend\n",
        "round 0 vcpu 0\nround 1 vcpu 0\nend\n",
        "round 0 vcpu 0\nblock ffff 1 2\nend\n",
        "round 0 vcpu 0\naccess ffff x 2\nend\n",
        "round 0 vcpu 0\nuser 1\n",
    ],
)
def test_broken_output_is_an_error(text: str) -> None:
    with pytest.raises(report.BadRun):
        report.parse_rounds(text)


def test_verdict() -> None:
    same = result()
    assert report.verdict({"job": same}, {"job": same}, ["job"]) == []
    for change, said in (
        ({"gated": same.gated + 0.1}, "15.100 instructions in the driver per I/O"),
        ({"blocks": same.blocks + 0.1}, "by whole blocks"),
        ({"interrupts": 1.02}, "interrupts"),
        ({"accesses": {**same.accesses, "cq doorbell": 0.6}}, "cq doorbells"),
        ({"accesses": {**same.accesses, "register write": 0.1}}, "register writes"),
    ):
        [complaint] = report.verdict({"job": dataclasses.replace(same, **change)}, {"job": same}, ["job"])
        assert said in complaint


def test_table_has_both_columns_or_dashes() -> None:
    both = report.table("job", result(), result())
    assert "1.000" in both
    assert "driver, all of it" in both
    one = report.table("job", None, result())
    assert " - " in one


def test_rst_table_is_aligned() -> None:
    lines = report.rst_table({"job": result()}, {"job": result()}).splitlines()
    assert len({len(line) for line in lines}) == 1
    assert lines[0] == lines[2] == lines[-1]
    assert lines[3].split() == ["job", "15.0", "15.0", "1.000", "16.0", "16.0", "1.500", "1.500"]
