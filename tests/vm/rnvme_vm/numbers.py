# SPDX-License-Identifier: GPL-2.0
"""How much of everything a test does: small numbers for every change, full ones to soak.

tests/numbers.toml has both; ``RNVME_SOAK=1`` chooses the full ones.
"""

import os
import tomllib
from functools import cache
from pathlib import Path

FILE = Path(__file__).parents[2] / "numbers.toml"


@cache
def _table() -> dict[str, int]:
    column = "full" if soaking() else "small"
    with FILE.open("rb") as file:
        return {name: entry[column] for name, entry in tomllib.load(file).items()}


def soaking() -> bool:
    """Whether the full numbers were asked for."""
    return os.environ.get("RNVME_SOAK", "") not in ("", "0")


def number(name: str) -> int:
    """The number of this name."""
    try:
        return _table()[name]
    except KeyError:
        raise KeyError(f"{FILE} has no [{name}]") from None
