# SPDX-License-Identifier: GPL-2.0
"""Programs that must not compile, and their twins that do.

A case is a function or a module in ``check/*.rs`` or ``codegen/*.rs``. One of its lines says which
error the compiler must find in that very line::

    //= before
    rq.len() //~ E0382

In the twin, what stands behind ``//=`` takes the place of the line below it, the wrong one; nothing
if nothing stands there. A text behind the code, ``//~ E0080: budget``, must be part of what the
compiler says.

The cases are modules of the driver's own crate, compiled by the kernel's rustc with the flags that
Kbuild gave it for the driver. So each sees what nvme/ sees, and no more. All of ``check/`` is
compiled at once: an error belongs to the case in whose lines it lies, and one that nobody expects
fails a test of its own. What is known only when code is generated, a constant assertion of a generic
function, the compiler finds only where all else is right: ``codegen/``. It lies in that function, and
names the type that the case uses it with, and so the case; or the number, which no other case has.
"""

from __future__ import annotations

import json
import os
import re
import shlex
import subprocess
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

HERE = Path(__file__).parent
TOP = HERE.parents[1]

_MARK = re.compile(r"//~ (?P<code>E\d{4})(?:: (?P<text>.*))?$")
_TWIN = re.compile(r"^\s*//= ?(?P<line>.*)$")
_CASE = re.compile(r"^(?:fn|mod) (?P<name>\w+)")

# Of the whole crate, on a busy machine.
_SECONDS = 300


@dataclass(frozen=True)
class Case:
    """What must not compile, and why not."""

    #: Relative to this directory.
    file: str
    name: str
    line: int
    code: str
    text: str

    @property
    def module(self) -> str:
        """Its path among the cases."""
        return f"{Path(self.file).stem}::{self.name}"


@dataclass(frozen=True)
class Found:
    """An error of the compiler, and the lines of cases where it lies."""

    code: str
    said: str
    places: frozenset[tuple[str, int]]
    shown: str

    def fits(self, case: Case) -> bool:
        is_there = (case.file, case.line) in self.places or f"compile::{case.module}::" in self.said
        # The text names the one instance that is wrong.
        is_there |= "::<" in case.text
        return self.code == case.code and case.text in self.said and is_there


def _cases_in(file: Path) -> Iterator[Case]:
    relative = file.relative_to(HERE).as_posix()
    name = ""
    marks: dict[str, list[Case]] = {}
    twins: dict[str, int] = {}
    for number, line in enumerate(file.read_text().splitlines(), start=1):
        if case := _CASE.match(line):
            name = case["name"]
            if marks.setdefault(name, []):
                raise ValueError(f"{relative}: two cases with the name {name}")
        if mark := _MARK.search(line):
            marks[name].append(Case(relative, name, number, mark["code"], mark["text"] or ""))
        if _TWIN.match(line):
            twins[name] = twins.get(name, 0) + 1
    for name, found in marks.items():
        if len(found) != 1 or twins.get(name) != 1:
            raise ValueError(f"{relative}: {name} needs one //~ and one //=")
        yield found[0]


def cases(directory: str) -> list[Case]:
    """The cases in one directory."""
    return [case for file in sorted((HERE / directory).glob("*.rs")) for case in _cases_in(file)]


def _twin(text: str) -> str:
    """The text with each wrong line replaced. The number of lines stays."""
    lines = text.splitlines()
    for index, line in enumerate(lines):
        if twin := _TWIN.match(line):
            lines[index + 1] = twin["line"]
    return "\n".join(lines) + "\n"


class Compiler:
    """The kernel's rustc, as Kbuild called it for the driver."""

    def __init__(self, built: Path) -> None:
        """``built`` is the directory in which Kbuild built the module."""
        command = (built / ".rnvme_main.o.cmd").read_text().splitlines()[0].split(":= ", 1)[1]
        words = shlex.split(command)
        # Kbuild exports these two.
        self._env = os.environ | {"RUSTC_BOOTSTRAP": "1", "RNVME_OBJ": str(built)}
        while "=" in words[0]:
            name, value = words.pop(0).split("=", 1)
            self._env[name] = value
        out_dir = words.index("--out-dir")
        del words[out_dir : out_dir + 2]
        root = str(TOP / "rnvme_main.rs")
        words.remove(root)
        self._words = [word for word in words if not word.startswith("--emit=")]

    def errors(self, out: Path, sources: list[str], *, emit: str, twins: bool) -> list[Found]:
        """Compiles the driver with the cases of these directories; returns what is wrong with it."""
        root = self._lay_out(out, sources, twins=twins)
        done = subprocess.run(
            [
                *self._words,
                "--crate-name=rnvme_main",
                "--error-format=json",
                f"--emit={emit}",
                f"--out-dir={out}",
                str(root),
            ],
            env=self._env,
            stderr=subprocess.PIPE,
            text=True,
            timeout=_SECONDS,
            check=False,
        )
        found = list(self._found(out, done.stderr))
        if (done.returncode != 0) != bool(found):
            raise RuntimeError(f"rustc ended with status {done.returncode}:\n{done.stderr}")
        return found

    def _lay_out(self, out: Path, sources: list[str], *, twins: bool) -> Path:
        """A crate like the driver's, whose folders are those of the driver, and the cases in it."""
        out.mkdir(parents=True, exist_ok=True)
        text = (TOP / "rnvme_main.rs").read_text()
        for name in re.findall(r"^mod (\w+);", text, re.MULTILINE):
            for entry in (name, f"{name}.rs"):
                link = out / entry
                if (TOP / entry).exists() and not link.is_symlink():
                    link.symlink_to(TOP / entry)
        modules = [HERE / "driver.rs"]
        modules += (file for source in sources for file in sorted((HERE / source).glob("*.rs")))
        text += '\n#[allow(dead_code, unused, reason = "nobody calls a case")]\nmod compile {\n'
        for file in modules:
            copy = out / "compile" / file.relative_to(HERE)
            copy.parent.mkdir(parents=True, exist_ok=True)
            copy.write_text(_twin(file.read_text()) if twins else file.read_text())
            text += f'    #[macro_use]\n    #[path = "{copy}"]\n    mod {file.stem};\n'
        root = out / "rnvme_main.rs"
        root.write_text(text + "}\n")
        return root

    @staticmethod
    def _found(out: Path, messages: str) -> Iterator[Found]:
        for line in messages.splitlines():
            message = json.loads(line)
            # "aborting due to" has no place.
            if message["level"] != "error" or not (message["code"] or message["spans"]):
                continue
            primary = [span for span in message["spans"] if span["is_primary"]]
            said = [message["message"], *(str(span["label"]) for span in primary)]
            places = set()
            for span in primary:
                for place in _through_macros(span):
                    file = Path(place["file_name"])
                    if file.is_relative_to(out / "compile"):
                        places.add((file.relative_to(out / "compile").as_posix(), place["line_start"]))
            code = (message["code"] or {}).get("code", "")
            yield Found(code, "\n".join(said), frozenset(places), message["rendered"])


def _through_macros(span: dict[str, Any]) -> Iterator[dict[str, Any]]:
    """A place, and where the macro was used that it lies in, and so on."""
    yield span
    while (expansion := span["expansion"]) is not None:
        span = expansion["span"]
        yield span
