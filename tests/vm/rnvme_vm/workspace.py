# SPDX-License-Identifier: GPL-2.0
"""Where a running machine keeps its things."""

from __future__ import annotations

import fcntl
import shutil
import tempfile
import time
from pathlib import Path

from .images import TOP

# Raw files and sockets are in memory: fast, and no wear.
_MEMORY = Path("/dev/shm")
_PREFIX = "rnvme-vm-"
_LOGS = TOP / "build" / "vm-logs"
_KEPT_LOGS = 50


class Workspace:
    """A directory in memory for as long as the machine runs, and one for logs."""

    def __init__(self) -> None:
        _sweep()
        #: Whether the logs stay when the machine ends.
        self.keep_logs = False
        self.scratch = Path(tempfile.mkdtemp(prefix=_PREFIX, dir=_MEMORY))
        # Held for as long as this process lives: who finds it free may remove the directory.
        self._lock = (self.scratch / "lock").open("w")
        fcntl.flock(self._lock, fcntl.LOCK_EX)
        _LOGS.mkdir(parents=True, exist_ok=True)
        self.logs = Path(tempfile.mkdtemp(prefix=time.strftime("%m%d-%H%M%S-"), dir=_LOGS))
        self.kernel_log.touch()
        self.console.touch()

    @property
    def monitor(self) -> Path:
        """QEMU's socket for QMP."""
        return self.scratch / "qmp.sock"

    @property
    def agent(self) -> Path:
        """The guest agent's socket."""
        return self.scratch / "agent.sock"

    @property
    def initrd(self) -> Path:
        """The initramfs, if the machine has one of its own."""
        return self.scratch / "initrd"

    @property
    def console(self) -> Path:
        """What the guest's serial console shows."""
        return self.logs / "console.log"

    @property
    def kernel_log(self) -> Path:
        """Records of /dev/kmsg."""
        return self.logs / "kmsg.log"

    @property
    def qemu_log(self) -> Path:
        """QEMU's command line and messages."""
        return self.logs / "qemu.log"

    def close(self) -> None:
        """Removes what is not to be kept."""
        shutil.rmtree(self.scratch, ignore_errors=True)
        self._lock.close()
        if not self.keep_logs:
            shutil.rmtree(self.logs, ignore_errors=True)


def _sweep() -> None:
    """Removes what killed processes left in memory, and old logs."""
    for directory in _MEMORY.glob(f"{_PREFIX}*"):
        try:
            with (directory / "lock").open() as lock:
                fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
                shutil.rmtree(directory, ignore_errors=True)
        except OSError:
            continue
    if _LOGS.exists():
        by_age = sorted((path.stat().st_mtime, path) for path in _LOGS.iterdir())
        for _, old in by_age[:-_KEPT_LOGS]:
            shutil.rmtree(old, ignore_errors=True)
