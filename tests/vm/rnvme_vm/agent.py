# SPDX-License-Identifier: GPL-2.0
"""Commands in the guest, through QEMU's guest agent."""

from __future__ import annotations

import base64
import signal
import time
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

from .errors import VmError, VmTimeout
from .monitor import Connection

# How long the agent itself may take to answer: it only forks and looks at its children.
_ANSWER_SECONDS = 30.0
# What a command that was killed at the end of its time may take to be gone.
_GRACE_SECONDS = 10.0


class CommandFailed(VmError):
    """A guest command ended with a status that the test did not expect."""

    def __init__(self, result: Result) -> None:
        super().__init__(str(result))
        self.result = result


@dataclass(frozen=True)
class Result:
    """How a guest command ended. A status above 128 is a signal, as in a shell."""

    cmd: str
    rc: int
    out_bytes: bytes
    err_bytes: bytes
    seconds: float

    @property
    def out(self) -> str:
        """What it wrote to standard output."""
        return self.out_bytes.decode(errors="replace")

    @property
    def err(self) -> str:
        """What it wrote to standard error."""
        return self.err_bytes.decode(errors="replace")

    def __str__(self) -> str:
        text = f"{self.cmd}\n  status {self.rc} after {self.seconds:.1f} s"
        for name, output in (("stdout", self.out), ("stderr", self.err)):
            if output:
                text += f"\n  {name}: " + _end_of(output).replace("\n", "\n    ")
        return text


def _end_of(text: str, most: int = 4000) -> str:
    text = text.rstrip("\n")
    return text if len(text) <= most else f"... ({len(text)} characters) {text[-most:]}"


class Job:
    """A guest command that runs."""

    def __init__(self, agent: Agent, pid: int, cmd: str, limit: float) -> None:
        self._agent = agent
        self._pid = pid
        self._cmd = cmd
        self._started = time.monotonic()
        self._limit = limit
        self._result: Result | None = None

    @property
    def pid(self) -> int:
        """In the guest. The command is the leader of a process group of this number."""
        return self._pid

    def poll(self) -> Result | None:
        """The result, if it has ended."""
        if self._result is None:
            status = self._agent.execute("guest-exec-status", pid=self._pid)
            if status["exited"]:
                self._result = self._ended(status)
        return self._result

    def _ended(self, status: dict[str, Any]) -> Result:
        for stream in ("out", "err"):
            if status.get(f"{stream}-truncated"):
                raise VmError(f"{self._cmd}: more on std{stream} than the agent keeps (16 MiB)")
        return Result(
            cmd=self._cmd,
            rc=128 + status["signal"] if "signal" in status else status["exitcode"],
            out_bytes=base64.b64decode(status.get("out-data", "")),
            err_bytes=base64.b64decode(status.get("err-data", "")),
            seconds=time.monotonic() - self._started,
        )

    def wait(self, timeout: float | None = None, check: bool = True) -> Result:
        """Its result; with ``check``, an error unless the status is 0.

        Without a time-out, waits for as long as the command may run.
        """
        limit = self._agent.scale * timeout if timeout is not None else self._limit
        deadline = time.monotonic() + limit + _GRACE_SECONDS
        pause = 0.005
        while (result := self.poll()) is None:
            self._agent.watch()
            if time.monotonic() > deadline:
                raise VmTimeout(f"{self._cmd}: still runs after {limit:.0f} s")
            time.sleep(pause)
            pause = min(pause * 1.5, 0.2)
        if result.rc == 128 + signal.SIGKILL and result.seconds >= 0.95 * self._limit:
            raise VmTimeout(f"killed at the end of its time: {result}")
        if check and result.rc != 0:
            raise CommandFailed(result)
        return result

    def kill(self, name: str = "TERM") -> None:
        """Sends a signal to the command and its children."""
        self._agent.run(f"kill -{name} -- -{self._pid}", 10).wait()


class Agent:
    """The guest agent, and the way to run commands through it."""

    def __init__(self, connection: Connection, scale: float, watch: Callable[[], None]) -> None:
        self._connection = connection
        #: Factor on the time limits that tests give.
        self.scale = scale
        #: Called while waiting; raises if the machine is gone.
        self.watch = watch

    def execute(self, command: str, /, **arguments: Any) -> Any:
        """A command of the agent itself."""
        limit = _ANSWER_SECONDS * self.scale
        return self._connection.execute(command, limit, self.watch, **arguments)

    def run(self, cmd: str, timeout: float, stdin: bytes | None = None) -> Job:
        """Starts a command line of bash with pipefail.

        In the guest, it is killed with its children once the time-out is over.
        """
        limit = timeout * self.scale
        arguments: dict[str, Any] = {
            "path": "/usr/bin/timeout",
            "arg": ["--signal=KILL", f"{limit:.0f}", "bash", "-o", "pipefail", "-c", cmd],
            "capture-output": True,
        }
        if stdin is not None:
            arguments["input-data"] = base64.b64encode(stdin).decode()
        pid = self.execute("guest-exec", **arguments)["pid"]
        return Job(self, pid, cmd, limit)

    def read_file(self, path: str) -> bytes:
        """The contents of a file in the guest."""
        handle = self.execute("guest-file-open", path=path, mode="r")
        try:
            data = b""
            while True:
                part = self.execute("guest-file-read", handle=handle, count=4 << 20)
                data += base64.b64decode(part["buf-b64"])
                if part["eof"]:
                    return data
        finally:
            self.execute("guest-file-close", handle=handle)

    def write_file(self, path: str, data: bytes) -> None:
        """Makes or replaces a file in the guest."""
        handle = self.execute("guest-file-open", path=path, mode="w")
        try:
            while data:
                count = self.execute(
                    "guest-file-write",
                    handle=handle,
                    buf_b64=base64.b64encode(data[: 1 << 20]).decode(),
                )["count"]
                data = data[count:]
        finally:
            self.execute("guest-file-close", handle=handle)
