# SPDX-License-Identifier: GPL-2.0
"""Draws request-life.svg: who owns a request of mq/, and the calls by which it moves.

``python3 request-life.py`` writes the picture beside this file; ``--check`` compares instead.
"""

from __future__ import annotations

import sys
from dataclasses import dataclass
from html import escape
from pathlib import Path

PICTURE = Path(__file__).with_suffix(".svg")

WIDTH, HEIGHT = 1000, 500
BOX_WIDTH, BOX_HEIGHT = 150, 64

#: What each owner is called, and the colour of what it owns.
OWNERS = {
    "blk-mq": "#e4e7eb",
    "the driver": "#cfe3f7",
    "the slot: the device may reach its memory": "#f8d7c4",
    "a list of C's": "#e9ddf3",
}


@dataclass(frozen=True)
class Box:
    """A state; ``x`` and ``y`` are its centre."""

    x: int
    y: int
    owner: str
    name: str
    note: str

    def side(self, direction: str, shift: int) -> tuple[int, int]:
        """The middle of one side, or so far from it."""
        dx, dy = {"l": (-1, 0), "r": (1, 0), "t": (0, -1), "b": (0, 1)}[direction]
        along = (0, shift) if dx else (shift, 0)
        return self.x + dx * BOX_WIDTH // 2 + along[0], self.y + dy * BOX_HEIGHT // 2 + along[1]


@dataclass(frozen=True)
class Move:
    """An arrow from a side of one box to a side of another, and the calls that go along it."""

    start: tuple[str, str, int]
    end: tuple[str, str, int]
    calls: tuple[str, ...]
    #: Where the text is: its middle, and the line of the first call.
    at: tuple[int, int]
    #: A corner on the way.
    by: tuple[int, int] | None = None
    dashed: bool = False


BOXES = {
    "idle in blk-mq": Box(95, 110, "blk-mq", "blk-mq", "has it to issue"),
    "idle": Box(355, 110, "the driver", "IdleRequest", "not started"),
    "started": Box(600, 110, "the driver", "Request", "its time runs"),
    "slot": Box(890, 110, "the slot: the device may reach its memory", "a slot", "with its mapping"),
    "completed": Box(890, 340, "the driver", "Completed", "with its mapping"),
    "list": Box(490, 340, "a list of C's", "C's list", "batch, IPI, softirq"),
    "ended": Box(95, 340, "blk-mq", "blk-mq", "it has ended"),
}

MOVES = [
    Move(("idle in blk-mq", "r", -14), ("idle", "l", -14), ("queue_rq", "queue_rqs"), (225, 72)),
    Move(("idle", "l", 14), ("idle in blk-mq", "r", 14), ("refuse_…()", "requeue()"), (225, 142)),
    Move(("idle", "r", 0), ("started", "l", 0), ("start()",), (478, 100)),
    Move(("started", "r", 0), ("slot", "l", 0), ("Slots::put()",), (745, 100)),
    Move(
        ("slot", "b", 0),
        ("completed", "t", 0),
        ("Slots::take(&completion)", "Queue::drain(&proof)"),
        (785, 215),
    ),
    Move(("started", "b", 40), ("completed", "l", -20), ("into_completed()",), (720, 305), by=(640, 320)),
    Move(
        ("completed", "l", 0),
        ("list", "r", 0),
        ("complete(), complete_remote()", "complete_batched(), add()"),
        (690, 358),
    ),
    Move(("list", "t", 30), ("completed", "t", -50), ("Operations::complete",), (735, 272), by=(520, 280)),
    Move(("list", "l", 0), ("ended", "r", 0), ("the batch ends: mappings released",), (292, 330)),
    Move(
        ("completed", "b", 0),
        ("ended", "b", 0),
        ("end(status), end_ok(): mapping released",),
        (490, 432),
        by=(890, 440),
    ),
    Move(("idle", "b", 0), ("ended", "t", 40), ("end(status)",), (245, 233), by=(355, 240)),
    Move(("started", "b", -20), ("ended", "t", 0), ("end(status), end_ok()",), (460, 198), by=(580, 205)),
]


def _text(x: int, y: int, text: str, style: str = "") -> str:
    return f'<text x="{x}" y="{y}" text-anchor="middle"{style}>{escape(text)}</text>'


def _arrow(move: Move) -> list[str]:
    x, y = BOXES[move.start[0]].side(*move.start[1:])
    to_x, to_y = BOXES[move.end[0]].side(*move.end[1:])
    path = f"M{x},{y}"
    if move.by:
        # Down, along, and to the end: right angles.
        path += f" L{x},{move.by[1]}"
        path += f" L{to_x},{move.by[1]}" if move.end[1] in "tb" else ""
    path += f" L{to_x},{to_y}"
    dash = ' stroke-dasharray="5 4"' if move.dashed else ""
    lines = [f'<path d="{path}" fill="none" stroke="#333" marker-end="url(#head)"{dash}/>']
    for number, call in enumerate(move.calls):
        lines.append(_text(move.at[0], move.at[1] + 15 * number, call, ' class="call"'))
    return lines


def picture() -> str:
    """The text of the picture."""
    lines = [
        "<!-- SPDX-License-Identifier: GPL-2.0 -->",
        "<!-- Made by request-life.py. -->",
        f'<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 {WIDTH} {HEIGHT}" width="{WIDTH}"'
        f' height="{HEIGHT}" font-family="sans-serif" font-size="13">',
        "<title>Life of a request</title>",
        "<style>.call { font-family: monospace; font-size: 12px }</style>",
        '<defs><marker id="head" viewBox="0 0 8 8" refX="8" refY="4" markerWidth="8" markerHeight="8"'
        ' orient="auto"><path d="M0,0 L8,4 L0,8 z" fill="#333"/></marker></defs>',
        f'<rect width="{WIDTH}" height="{HEIGHT}" fill="#fff"/>',
    ]
    for move in MOVES:
        lines += _arrow(move)
    for box in BOXES.values():
        x, y = box.x - BOX_WIDTH // 2, box.y - BOX_HEIGHT // 2
        lines.append(
            f'<rect x="{x}" y="{y}" width="{BOX_WIDTH}" height="{BOX_HEIGHT}" rx="6"'
            f' fill="{OWNERS[box.owner]}" stroke="#333"/>'
        )
        lines.append(_text(box.x, box.y - 4, box.name, ' font-weight="bold"'))
        lines.append(_text(box.x, box.y + 16, box.note))
    lines.append(_text(500, 26, "Who owns a request, and the calls by which it moves", ' font-size="16"'))
    x = 20
    for owner, colour in OWNERS.items():
        lines.append(f'<rect x="{x}" y="465" width="22" height="16" fill="{colour}" stroke="#333"/>')
        lines.append(f'<text x="{x + 30}" y="478">{escape(owner)}</text>')
        x += 60 + 8 * len(owner)
    lines.append("</svg>")
    return "\n".join(lines) + "\n"


def main() -> int:
    """Writes the picture, or compares it with what is there."""
    if "--check" not in sys.argv[1:]:
        PICTURE.write_text(picture())
    elif not PICTURE.exists() or PICTURE.read_text() != picture():
        print(f"{PICTURE.name} is not what {Path(__file__).name} draws")
        return 1
    return 0


if __name__ == "__main__":
    sys.exit(main())
