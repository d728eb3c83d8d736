# SPDX-License-Identifier: GPL-2.0
"""Comments about unsafe code speak of what is there, and requirements say until when (S5, S6)."""

from __future__ import annotations

import subprocess
from functools import cache
from pathlib import Path

import pytest
from comments import Comment, functions, has_span, is_comment, requirements, safety_comments, strangers
from must_not_compile import TOP

FOLDERS = ("mq", "dma", "pci", "os", "tests/mq")

# Words of Rust, and of the commands that C formats with.
_WORDS = {"repr", "drop", "self", "null", "static", "struct", "s"}

SOURCES = {
    str(file.relative_to(TOP)): file.read_text()
    for folder in FOLDERS
    for file in sorted((TOP / folder).glob("*.rs"))
}


@cache
def _kernel_functions() -> frozenset[str]:
    """Those that the kernel's bindings declare."""
    done = subprocess.run(
        [TOP / "tools" / "kernel", "stock"], stdout=subprocess.PIPE, text=True, check=True, timeout=600
    )
    bindings = Path(done.stdout.strip()) / "build" / "rust" / "bindings" / "bindings_generated.rs"
    return frozenset(functions(bindings.read_text()))


@cache
def _known() -> frozenset[str]:
    ours = set[str]()
    for source in SOURCES.values():
        ours |= functions("\n".join(line for line in source.splitlines() if not is_comment(line)))
    return frozenset(ours | _kernel_functions() | _WORDS)


@pytest.mark.parametrize("place", SOURCES)
def test_comments_speak_of_what_is_there(place: str) -> None:
    """S5: each name in a SAFETY or INVARIANT comment is one of the function below it, or a function's."""
    wrong = [
        f"{comment}\n    is about {', '.join(found)}, which the code is not"
        for comment in safety_comments(place, SOURCES[place])
        if (found := strangers(comment, _known()))
    ]
    assert not wrong, "\n".join(wrong)


@pytest.mark.parametrize("place", SOURCES)
def test_requirements_have_a_span(place: str) -> None:
    """S6: what has to hold, has to until something."""
    wrong = [str(comment) for comment in requirements(place, SOURCES[place]) if not has_span(comment)]
    assert not wrong, "\n".join(wrong)


def test_there_are_comments() -> None:
    """The two above look at something."""
    assert sum(len([*safety_comments(place, source)]) for place, source in SOURCES.items()) > 300
    assert sum(len([*requirements(place, source)]) for place, source in SOURCES.items()) > 80


_WRONG = """
impl A {
    fn end(&self, rq: Rq) {
        // SAFETY: `tag_set` is live by `Rq`'s invariant, and `rq` is ours.
        unsafe { end_request(rq) };
    }
}
"""


def test_a_stranger_is_found() -> None:
    (comment,) = safety_comments("a", _WRONG)
    assert strangers(comment, {"end_request"}) == ["tag_set"]
    (comment,) = safety_comments("a", _WRONG.replace("rq: Rq", "rq: Rq, tag_set: T"))
    assert strangers(comment, set()) == []


@pytest.mark.parametrize(
    ("text", "is_right"),
    [
        ("`set` must outlive this function's result.", False),
        ("`rq` is valid.", False),
        ("`rq` is valid for `'a`.", True),
        ("`rq` is live until it is ended.", True),
        ("`index` is below the depth.", True),
    ],
)
def test_a_span_is_asked_for(text: str, is_right: bool) -> None:
    assert has_span(Comment("a", text, "")) == is_right
