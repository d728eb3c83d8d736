# SPDX-License-Identifier: GPL-2.0
"""Fixtures of the tests in virtual machines.

A test says which machine it wants and takes the fixture ``vm``::

    @pytest.mark.machine(cpus=4, ctrls=[NvmeCtrl(mdts=1)])
    def test_something(vm): ...

Tests with equal machines run one after the other on the same one, so each leaves it as it was
found: module unloaded, nothing mounted, no CPU off. ``fresh_vm`` is a machine of the test's own.
With several processes (``-n 2 --dist loadgroup``), tests with equal machines stay in one, and so do
those of a file that share none.
``@pytest.mark.kernels("stock", "debug")`` runs a test once on each kernel. ``@pytest.mark.soak`` is
for what takes too long for every change: it runs with ``RNVME_SOAK=1`` only.
After each test the kernel log is checked; a test for which some complaint is right says so::

    @pytest.mark.allow_log(r"I/O error, dev rnvme0n1")
"""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest
from rnvme_vm import Machine, Pool, Vm
from rnvme_vm.numbers import soaking

# Machines kept for reuse: tests are sorted by machine, so that more would only sit there.
_MOST = 2


def pytest_configure(config: pytest.Config) -> None:
    config.addinivalue_line("markers", "machine(**description): the Machine that the test runs on")
    config.addinivalue_line("markers", "allow_log(*patterns): lines of the kernel log that are right here")
    config.addinivalue_line("markers", "kernels(*names): run once on each: stock, debug")
    config.addinivalue_line("markers", "soak: with the full numbers only, for its length")


def pytest_generate_tests(metafunc: pytest.Metafunc) -> None:
    kernels = metafunc.definition.get_closest_marker("kernels")
    if kernels is not None:
        metafunc.parametrize("kernel", kernels.args, indirect=True)


def _machine(item: pytest.Item) -> Machine:
    description: dict[str, object] = {}
    for marker in reversed(list(item.iter_markers("machine"))):
        description |= marker.kwargs
    callspec = getattr(item, "callspec", None)
    if callspec is not None and "kernel" in callspec.params:
        description["kernel"] = callspec.params["kernel"]
    return Machine(**description)  # type: ignore[arg-type]


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """Puts tests on equal machines together; else keeps the order in which they are written."""
    here = Path(__file__).parent
    if not soaking():
        long = pytest.mark.skip(reason="only with RNVME_SOAK=1")
        for item in items:
            if item.get_closest_marker("soak") is not None:
                item.add_marker(long)
    first: dict[Machine, int] = {}
    places = {}
    for place, item in enumerate(items):
        shares = here in item.path.parents and "vm" in getattr(item, "fixturenames", ())
        places[item] = first.setdefault(_machine(item), place) if shares else place
        # Tests that may run at the same time as others are those of another group.
        group = f"machine-{places[item]}" if shares else item.path.name
        item.add_marker(pytest.mark.xdist_group(group))
    items.sort(key=lambda item: places[item])


@pytest.hookimpl(wrapper=True)
def pytest_runtest_makereport(item: pytest.Item) -> Iterator[None]:
    """Leaves the outcome of the test itself where fixtures find it."""
    report = yield
    if report.when == "call":
        item.stash[_FAILED] = report.failed
    return report


_FAILED = pytest.StashKey[bool]()


@pytest.fixture(scope="session")
def pool() -> Iterator[Pool]:
    """The machines that tests share."""
    machines = Pool(_MOST)
    yield machines
    machines.close()


@pytest.fixture
def kernel(request: pytest.FixtureRequest) -> str:
    """The kernel that the mark ``kernels`` gives this run of the test."""
    return getattr(request, "param", "stock")


@pytest.fixture
def machine(request: pytest.FixtureRequest, kernel: str) -> Machine:
    """The description that the test's marks give."""
    return _machine(request.node)


def _check(request: pytest.FixtureRequest, vm: Vm) -> None:
    if request.node.stash.get(_FAILED, False):
        vm.spoiled = True
        print(f"logs: {vm.keep_logs()}")
        return
    allow = [pattern for mark in request.node.iter_markers("allow_log") for pattern in mark.args]
    vm.assert_clean_log(allow)


@pytest.fixture
def vm(request: pytest.FixtureRequest, pool: Pool, machine: Machine) -> Iterator[Vm]:
    """The test's machine, perhaps used by others before."""
    shared = pool.get(machine)
    try:
        yield shared
        _check(request, shared)
    except BaseException:
        shared.spoiled = True
        raise
    finally:
        if shared.spoiled:
            pool.drop(machine)


@pytest.fixture
def fresh_vm(request: pytest.FixtureRequest, machine: Machine) -> Iterator[Vm]:
    """A machine of the test's own, which it may break or shut down."""
    with Vm(machine) as own:
        yield own
        _check(request, own)
