# SPDX-License-Identifier: GPL-2.0
"""What the types rule out does not compile, with the error that is expected where it is expected."""

from __future__ import annotations

import subprocess
from pathlib import Path

import pytest
from must_not_compile import TOP, Case, Compiler, Found, cases

CHECK = cases("check")
CODEGEN = cases("codegen")


@pytest.fixture(scope="session")
def compiler() -> Compiler:
    done = subprocess.run(
        [TOP / "tools" / "module", "stock"], stdout=subprocess.PIPE, text=True, check=True, timeout=600
    )
    return Compiler(Path(done.stdout.strip()).parent)


@pytest.fixture(scope="session")
def out() -> Path:
    return TOP / "build" / "compile"


@pytest.fixture(scope="session")
def check_errors(compiler: Compiler, out: Path) -> list[Found]:
    return compiler.errors(out / "check", ["check"], emit="metadata", twins=False)


@pytest.fixture(scope="session")
def codegen_errors(compiler: Compiler, out: Path) -> list[Found]:
    return compiler.errors(out / "codegen", ["codegen"], emit="obj", twins=False)


def _name(case: Case) -> str:
    return case.module


def _expect(case: Case, errors: list[Found]) -> None:
    assert any(error.fits(case) for error in errors), f"{case.file}:{case.line} is no {case.code}:\n" + (
        "\n".join(error.shown for error in errors if any(file == case.file for file, _ in error.places))
        or "the compiler has nothing to say about that file"
    )


@pytest.mark.parametrize("case", CHECK, ids=_name)
def test_check(case: Case, check_errors: list[Found]) -> None:
    _expect(case, check_errors)


@pytest.mark.parametrize("case", CODEGEN, ids=_name)
def test_codegen(case: Case, codegen_errors: list[Found]) -> None:
    _expect(case, codegen_errors)


def test_nothing_else_is_wrong(check_errors: list[Found], codegen_errors: list[Found]) -> None:
    """An error that no case expects could be the reason that a case fails."""
    for errors, expected in ((check_errors, CHECK), (codegen_errors, CODEGEN)):
        others = [error for error in errors if not any(error.fits(case) for case in expected)]
        assert not others, "\n".join(error.shown for error in others)


def test_twins_compile(compiler: Compiler, out: Path) -> None:
    """With another line in the place of each wrong one, code is generated for all of it."""
    errors = compiler.errors(out / "twins", ["check", "codegen"], emit="obj", twins=True)
    assert not errors, "\n".join(error.shown for error in errors)
