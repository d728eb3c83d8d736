# SPDX-License-Identifier: GPL-2.0
"""The figures of the README as Markdown tables. To be started by tools/figures, which describes it."""

from __future__ import annotations

import argparse
import json
import re
import subprocess
import sys
import tempfile
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from pathlib import Path

TOP = Path(__file__).resolve().parents[1]
MODULE = TOP / "build" / "stock" / "rnvme.ko"
COUNTS = TOP / "build" / "icount.json"
BEGIN = "<!-- figures: begin (made by tools/figures --update) -->"
END = "<!-- figures: end -->"

# The folders of the driver, with what belongs to each.
RUST = {
    "`nvme/`": ("nvme/**/*.rs",),
    "of these `nvme/spec/`": ("nvme/spec/*.rs",),
    "`mq/`": ("mq/**/*.rs",),
    "`dma/`": ("dma/**/*.rs",),
    "`pci/`": ("pci/**/*.rs",),
    "`os/`": ("os/**/*.rs",),
    "crate root and bindings": ("*.rs",),
}
# What is part of another line of the table.
PART_OF = "of these "
OTHERS = {
    "`helpers/` (C)": ("helpers/*",),
    "`packaging/`": ("packaging/**/*",),
    "`tools/`": ("tools/**/*",),
    "`tests/`": ("tests/**/*",),
    "`Documentation/`": ("Documentation/*.rst",),
}

# Strings and characters first: what looks like a comment may stand in one.
_LITERAL_OR_COMMENT = re.compile(
    r'"(?:\\.|[^"\\])*"|' r"'(?:\\[^']+|[^'\\])'|" r"//[^\n]*|/\*.*?\*/", re.DOTALL
)
_BLOCK = re.compile(r"\bunsafe\s*\{")
_UNSAFE = re.compile(r"\bunsafe\b")


@dataclass
class Source:
    """What was counted in some files."""

    files: int = 0
    lines: int = 0
    #: Lines that are neither empty nor comments.
    code: int = 0
    #: Blocks ``unsafe { ... }``.
    blocks: int = 0
    #: ``unsafe`` functions, traits, implementations and arguments of macros.
    items: int = 0

    def add(self, text: str) -> None:
        """Counts one more file of Rust."""
        bare = _LITERAL_OR_COMMENT.sub(_blank, text)
        self.files += 1
        self.lines += text.count("\n")
        self.code += sum(bool(line.strip()) for line in bare.split("\n"))
        blocks = len(_BLOCK.findall(bare))
        self.blocks += blocks
        self.items += len(_UNSAFE.findall(bare)) - blocks


def _blank(match: re.Match[str]) -> str:
    """A comment goes, but for its line ends; a literal remains one, without its contents."""
    text = match[0]
    return "\n" * text.count("\n") if text.startswith("/") else '""'


def _tracked(patterns: Iterable[str]) -> Iterator[Path]:
    """The files that git knows or would take."""
    words = ["git", "-c", "safe.directory=*", "ls-files", "--cached", "--others", "--exclude-standard"]
    globs = [f":(glob){pattern}" for pattern in patterns]
    listed = subprocess.run([*words, "--", *globs], cwd=TOP, capture_output=True, text=True, check=True)
    for name in sorted(set(listed.stdout.splitlines())):
        if (TOP / name).is_file():
            yield TOP / name


def sources() -> Iterator[str]:
    """Lines and unsafe code of each folder."""
    yield "| Folder | Files | Lines | Code | `unsafe` blocks | `unsafe` items |"
    yield "|---|---:|---:|---:|---:|---:|"
    total = Source()
    for name, patterns in RUST.items():
        found = Source()
        for path in _tracked(patterns):
            found.add(path.read_text())
        if not name.startswith(PART_OF):
            for field in vars(total):
                setattr(total, field, getattr(total, field) + getattr(found, field))
        yield _row(name, *vars(found).values())
    yield _row("**all Rust of the driver**", *vars(total).values())
    for name, patterns in OTHERS.items():
        texts = [path.read_text() for path in _tracked(patterns)]
        yield _row(name, len(texts), sum(text.count("\n") for text in texts), "", "", "")


def module() -> Iterator[str]:
    """Size of the module."""
    if not MODULE.exists():
        yield "No module is built: `make`."
        return
    with tempfile.TemporaryDirectory() as scratch:
        stripped = Path(scratch) / MODULE.name
        subprocess.run(["strip", "--strip-debug", "-o", stripped, MODULE], check=True)
        on_disk = stripped.stat().st_size
    sizes = subprocess.run(["size", MODULE], capture_output=True, text=True, check=True).stdout
    text, data, bss = sizes.splitlines()[1].split()[:3]
    yield "| `rnvme.ko` | Bytes |"
    yield "|---|---:|"
    yield _row("text and read-only data, in memory", int(text))
    yield _row("data, in memory", int(data) + int(bss))
    yield _row("file without debug information", on_disk)


def instructions() -> Iterator[str]:
    """Instructions per I/O beside C."""
    if not COUNTS.exists():
        yield "Nothing was counted: `make icount`."
        return
    run = json.loads(COUNTS.read_text())
    yield f"| Instructions in the driver per I/O, kernel {run['kernel']} | rnvme | C | rnvme / C |"
    yield "|---|---:|---:|---:|"
    for name, drivers in run["jobs"].items():
        if {"rnvme", "c"} <= drivers.keys():
            ours, theirs = drivers["rnvme"]["gated"], drivers["c"]["gated"]
            yield f"| {name} | {ours:.0f} | {theirs:.0f} | {ours / theirs:.2f} |"


def _row(name: str, *values: object) -> str:
    cells = (f"{value:,}" if isinstance(value, int) else str(value) for value in values)
    return f"| {name} | {' | '.join(cells)} |"


def _update(path: Path, figures: str) -> None:
    before, found, rest = path.read_text().partition(BEGIN)
    _, found_end, after = rest.partition(END)
    if not (found and found_end):
        raise SystemExit(f"{path} lacks the lines\n{BEGIN}\n{END}")
    path.write_text(f"{before}{BEGIN}\n\n{figures}\n{END}{after}")


def main() -> None:
    """Prints the figures, or puts them into a file."""
    parser = argparse.ArgumentParser(prog="figures", description="The figures of the README.")
    parser.add_argument("--update", type=Path, metavar="FILE", help="put them between the marks in FILE")
    args = parser.parse_args()
    figures = "\n\n".join("\n".join(part()) for part in (instructions, module, sources)) + "\n"
    if args.update:
        _update(args.update, figures)
    else:
        sys.stdout.write(figures)


if __name__ == "__main__":
    main()
