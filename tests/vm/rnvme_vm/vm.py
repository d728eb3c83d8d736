# SPDX-License-Identifier: GPL-2.0
"""A virtual machine that runs."""

from __future__ import annotations

import shlex
import subprocess
import time
from collections.abc import Callable, Iterable
from pathlib import Path
from types import TracebackType
from typing import Any, Self

from . import images, patience, qemu
from .agent import Agent, Job, Result
from .disk import Disk
from .errors import VmError, VmGone, VmTimeout
from .kernel_log import DirtyLog, KernelLog
from .machine import Machine
from .monitor import Connection
from .workspace import Workspace

_BOOT_SECONDS = 45.0
_SHUTDOWN_SECONDS = 30.0


def insmod_command(**parameters: Any) -> str:
    """The command line that loads our module in a guest, after the modules that it needs."""
    words = " ".join(f"{name}={_parameter(value)}" for name, value in parameters.items())
    needed = "$(modinfo -F depends /in/rnvme.ko | tr , ' ')"
    return f"for dep in {needed}; do modprobe $dep || exit; done; insmod /in/rnvme.ko {words}"


class Vm:
    """Boots on entry to a ``with`` block, and is gone after it.

    Every time limit is for a real machine; it is stretched by ``patience.scale``.
    """

    def __init__(self, machine: Machine | None = None, **description: Any) -> None:
        """Takes a ``Machine``, or the arguments of one."""
        if machine and description:
            raise TypeError("either a Machine or its arguments")
        self.machine = machine or Machine(**description)
        self.scale = patience.scale(self.machine.kernel)
        #: Set by whoever knows that this machine must not serve another test.
        self.spoiled = False
        self._marks = 0
        self._process: subprocess.Popen[bytes] | None = None

    # -- life

    def __enter__(self) -> Self:
        return self.start()

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.workspace.keep_logs |= error is not None
        self.close()

    def start(self) -> Self:
        """Boots, until commands can be run."""
        self.workspace = Workspace()
        self.log = KernelLog(self.workspace.kernel_log, self.workspace.console)
        self.qmp = Connection("QEMU", self.workspace.monitor)
        self._agent_connection = Connection("guest agent", self.workspace.agent, agent=True)
        self._agent = Agent(self._agent_connection, self.scale, self._check_alive)
        try:
            self._launch()
            self.wait_until(self.workspace.agent.exists, 10, "QEMU's sockets")
            self.qmp.connect()
            self._agent_connection.connect()
            self._wait_for_agent(_BOOT_SECONDS)
        except BaseException as err:
            self.workspace.keep_logs = True
            if isinstance(err, VmGone) and self._process is not None:
                # Why a connection was refused stands in the logs.
                self._process.kill()
                self._process.wait(30)
                err = VmGone(f"{err}\n{self.report()}").with_traceback(err.__traceback__)
            self.close()
            raise err
        return self

    def _launch(self) -> None:
        initrd = images.initrd_with_files(self.machine, self.workspace.initrd)
        line = qemu.command_line(
            self.machine, images.images(self.machine.kernel), initrd, self.workspace, shell=False
        )
        self._disks = line.disks
        with self.workspace.qemu_log.open("wb") as log:
            log.write((shlex.join(line.args) + "\n").encode())
            log.flush()
            # QEMU must not outlive us, however we end.
            self._process = subprocess.Popen(
                ["setpriv", "--pdeathsig=KILL", "--", *line.args],
                stdin=subprocess.DEVNULL,
                stdout=log,
                stderr=log,
            )

    def _wait_for_agent(self, timeout: float) -> None:
        """Until the agent, which the guest's init starts last, answers what waits for it there."""
        pong = self._agent_connection.submit("guest-ping")
        try:
            self.wait_until(pong.done, timeout, "the guest agent")
        finally:
            pong.cancel()

    @property
    def running(self) -> bool:
        """Whether there is a guest: not after an orderly ``shutdown``."""
        return self._process is not None and self._process.poll() is None

    def close(self) -> None:
        """Ends QEMU, without a shutdown of the guest, and removes what it used."""
        for connection in (self._agent_connection, self.qmp):
            connection.close()
        if self._process is not None:
            self._process.kill()
            self._process.wait(30)
        self.workspace.close()

    def keep_logs(self) -> Path:
        """Has the logs kept; returns their directory."""
        self.workspace.keep_logs = True
        return self.workspace.logs

    def shutdown(self, timeout: float = _SHUTDOWN_SECONDS) -> None:
        """Powers the guest off in an orderly way and waits until QEMU has ended."""
        assert self._process is not None
        self.run("sync")
        self._run_without_answer("busybox poweroff -f")
        try:
            status = self._process.wait(timeout * self.scale)
        except subprocess.TimeoutExpired:
            self.workspace.keep_logs = True
            raise VmTimeout(f"not off after {timeout * self.scale:.0f} s\n{self.report()}") from None
        if status != 0:
            self.workspace.keep_logs = True
            raise VmGone(f"QEMU ended with status {status}\n{self.report()}")

    def reboot(self, cmd: str = "sync; busybox reboot -f", timeout: float = _BOOT_SECONDS) -> None:
        """Has a command start another kernel, and waits until that one takes commands."""
        boots = self.log.boots
        self._run_without_answer(cmd)
        self.wait_until(lambda: self.log.boots > boots, timeout, "the next kernel's log")
        self._agent_connection.reconnect()
        self._wait_for_agent(timeout)

    def _run_without_answer(self, cmd: str) -> None:
        """A command that takes the agent with it: give the agent time to answer first."""
        self.spawn(f"sleep 0.2; {cmd}")

    # -- the guest

    def run(self, cmd: str, timeout: float = 60, check: bool = True, stdin: bytes | None = None) -> Result:
        """Runs a command line of bash (with pipefail) in the guest to its end.

        With ``check``, raises ``CommandFailed`` unless its status is 0.
        """
        return self.spawn(cmd, timeout, stdin).wait(check=check)

    def spawn(self, cmd: str, timeout: float = 600, stdin: bytes | None = None) -> Job:
        """Starts a command line in the guest, which is killed at the end of the time-out."""
        self._check_alive()
        return self._agent.run(cmd, timeout, stdin)

    def insmod(self, check: bool = True, **parameters: Any) -> Result:
        """Loads our module, after those that it needs."""
        return self.run(insmod_command(**parameters), check=check)

    def read_file(self, path: str) -> bytes:
        """The contents of a file in the guest."""
        return self._agent.read_file(path)

    def write_file(self, path: str, data: bytes) -> None:
        """Makes or replaces a file in the guest."""
        self._agent.write_file(path, data)

    def wait_until(self, condition: Callable[[], bool], timeout: float, what: str = "a condition") -> None:
        """Waits, at most so long, until the condition holds; fails if the machine dies."""
        deadline = time.monotonic() + timeout * self.scale
        while not condition():
            self._check_alive()
            if time.monotonic() > deadline:
                self.workspace.keep_logs = True
                raise VmTimeout(f"waited {timeout * self.scale:.0f} s for {what}\n{self.report()}")
            time.sleep(0.05)

    # -- the host's view

    def disk(self, nsid: int = 1, ctrl: int = 0) -> Disk:
        """The raw file behind a namespace of the controller at this place of the description."""
        return self._disks[ctrl, nsid]

    def host_bytes(self, offset: int, length: int, nsid: int = 1, ctrl: int = 0) -> bytes:
        """Bytes of a namespace, read from the raw file."""
        return self.disk(nsid, ctrl).read(offset, length)

    # -- the log

    def sync_log(self) -> None:
        """Waits until all that the kernel has logged so far is here."""
        self._marks += 1
        mark = f"harness: mark {self._marks}"
        self.run(f"echo '{mark}' >/dev/kmsg", timeout=30)
        self.wait_until(lambda: self.log.has(mark), 30, "the kernel log")

    def assert_clean_log(self, allow: Iterable[str] = ()) -> None:
        """Raises ``DirtyLog`` if, since the last call, the kernel logged what no one expects.

        ``allow`` are regular expressions for lines that are right here.
        """
        lost = None
        try:
            if self.running:
                self.sync_log()
        except VmError as err:
            lost = err
        lines = self.log.unchecked(allow)
        if lines:
            self.spoiled = True
            text = "\n".join(lines[:60])
            raise DirtyLog(f"{len(lines)} lines of the kernel log are not right:\n{text}\n{self._where()}")
        if lost is not None:
            raise lost

    # -- reports

    def _check_alive(self) -> None:
        assert self._process is not None
        status = self._process.poll()
        if status is not None:
            self.workspace.keep_logs = True
            raise VmGone(f"QEMU ended with status {status}\n{self.report()}")
        if "Kernel panic - not syncing" in self.log.console():
            self.workspace.keep_logs = True
            self.spoiled = True
            raise VmGone(f"the kernel panicked\n{self.report()}")

    def _where(self) -> str:
        return f"logs: {self.keep_logs()}"

    def report(self) -> str:
        """The ends of the logs, and where they are."""
        parts = []
        for name, path in (("QEMU", self.workspace.qemu_log), ("console", self.workspace.console)):
            lines = path.read_text(errors="replace").splitlines() if path.exists() else []
            parts.append(f"-- {name}:\n" + "\n".join(lines[-40:]))
        records = [str(record) for record in self.log.records()[-40:]]
        parts.append("-- kernel log:\n" + "\n".join(records))
        return "\n".join([*parts, self._where()])


def _parameter(value: Any) -> str:
    if isinstance(value, bool):
        return "1" if value else "0"
    return shlex.quote(str(value))
