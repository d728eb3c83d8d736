# SPDX-License-Identifier: GPL-2.0
"""A namespace as the host sees it: the raw file behind it."""

from __future__ import annotations

import hashlib
import os
from dataclasses import dataclass
from pathlib import Path


@dataclass(frozen=True)
class Disk:
    """The raw file behind a namespace.

    QEMU writes straight through to it, so what the drive completed is here at once.
    """

    path: Path
    lba: int

    @property
    def size(self) -> int:
        """Bytes of the namespace."""
        return self.path.stat().st_size

    @property
    def allocated(self) -> int:
        """Bytes that take up room: less than ``size`` by what was never written or discarded."""
        return self.path.stat().st_blocks * 512

    def read(self, offset: int, length: int) -> bytes:
        """Bytes of the namespace."""
        with self.path.open("rb") as file:
            data = os.pread(file.fileno(), length, offset)
        if len(data) != length:
            raise ValueError(f"{self.path}: [{offset}, +{length}) ends beyond {self.size}")
        return data

    def write(self, offset: int, data: bytes) -> None:
        """Changes the drive's contents behind the guest's back."""
        if offset + len(data) > self.size:
            raise ValueError(f"{self.path}: [{offset}, +{len(data)}) ends beyond {self.size}")
        with self.path.open("r+b") as file:
            os.pwrite(file.fileno(), data, offset)

    def sha256(self, offset: int = 0, length: int | None = None) -> str:
        """Checksum of a range, by default of all, as ``sha256sum`` prints it."""
        left = self.size - offset if length is None else length
        digest = hashlib.sha256()
        while left > 0:
            chunk = self.read(offset, min(left, 1 << 20))
            digest.update(chunk)
            offset += len(chunk)
            left -= len(chunk)
        return digest.hexdigest()
