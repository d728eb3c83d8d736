# SPDX-License-Identifier: GPL-2.0
"""What is written about unsafe code, as far as a program can tell whether it is true.

A remark of the review (S5) was a comment that spoke of a value which the call below it does not
have; another (S6) a requirement that something outlive something, and not until when. Whether a
sentence is true a reader has to say, but both leave traces: :func:`strangers` finds names of what is
not there, :func:`has_span` requirements without an end.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator
from dataclasses import dataclass

_NAME = re.compile(r"[A-Za-z_]\w*")
_QUOTED = re.compile(r"`([^`]+)`")
_FUNCTION = re.compile(r"\s*(?:pub(?:\([^)]*\))? )?(?:const )?(?:unsafe )?(?:extern \"C\" )?fn (\w+)")

# What says for how long: a lifetime, or a word for a span of time.
_SPAN = re.compile(
    r"`'\w+`|\b(?:duration|until|while|during|before|after|once|when|lifetime|static"
    r"|as long as|from now on|any more|just now|for the call|for ever)\b"
)
# What holds at some time only.
_HOLDS = re.compile(r"\b(?:valid|live|lives|alive|outlives?|lent|kept|keeps?|open|nobody else)\b")


@dataclass(frozen=True)
class Comment:
    """What is said above unsafe code, or in a section of requirements."""

    place: str
    text: str
    #: The code of the function that it belongs to.
    code: str

    def __str__(self) -> str:
        return f"{self.place}: {self.text}"


def is_comment(line: str) -> bool:
    """True for a line without code."""
    return line.lstrip().startswith("//")


def names(text: str) -> set[str]:
    """All names in a text."""
    return set(_NAME.findall(text))


def _indent(line: str) -> int:
    return len(line) - len(line.lstrip())


def _function_at(lines: list[str], at: int) -> str:
    """The code of the function around a line; of a line outside of functions, all that follows."""
    inner = _indent(lines[at])
    heads = (n for n in range(at, -1, -1) if _FUNCTION.match(lines[n]) and _indent(lines[n]) < inner)
    start = next(heads, at)
    end = f"{' ' * _indent(lines[start])}}}"
    code = []
    for line in lines[start:]:
        if not is_comment(line):
            code.append(line)
            if line.startswith(end):
                break
    return "\n".join(code)


def safety_comments(place: str, source: str) -> Iterator[Comment]:
    """The ``// SAFETY:`` and ``// INVARIANT:`` comments of a file."""
    lines = source.splitlines()
    for start, first in enumerate(lines):
        if not first.lstrip().startswith(("// SAFETY:", "// INVARIANT:")):
            continue
        end = start
        while end < len(lines) and is_comment(lines[end]):
            end += 1
        text = " ".join(line.strip().removeprefix("//").strip() for line in lines[start:end])
        yield Comment(f"{place}:{start + 1}", text, _function_at(lines, start))


def requirements(place: str, source: str) -> Iterator[Comment]:
    """The ``# Safety`` sections of a file."""
    lines = source.splitlines()
    for start, first in enumerate(lines):
        if first.strip() != "/// # Safety":
            continue
        end = start + 1
        while end < len(lines) and is_comment(lines[end]) and not lines[end].strip().startswith("/// #"):
            end += 1
        text = " ".join(line.strip().removeprefix("///").strip() for line in lines[start + 1 : end])
        yield Comment(f"{place}:{start + 1}", text.strip(), "")


def functions(source: str) -> set[str]:
    """The names of the functions that a text declares."""
    return set(re.findall(r"\bfn (\w+)", source))


def strangers(comment: Comment, known: Iterable[str]) -> list[str]:
    """The names in quotes that the comment's function does not have, and that are not ``known``.

    Those of types, which begin with a capital, and of lifetimes are none of variables.
    """
    around = names(comment.code).union(known)
    quoted = (_NAME.findall(re.sub(r"'\w+", "", words)) for words in _QUOTED.findall(comment.text))
    return [name for found in quoted for name in found if name[0].islower() and name not in around]


def has_span(comment: Comment) -> bool:
    """True if the text requires nothing that holds for a time only, or says for how long."""
    return not _HOLDS.search(comment.text) or bool(_SPAN.search(comment.text))
