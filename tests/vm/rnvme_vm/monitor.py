# SPDX-License-Identifier: GPL-2.0
"""Connections to QEMU and to the guest agent, both of which speak QMP."""

from __future__ import annotations

import asyncio
import logging
import time
from collections.abc import Callable
from concurrent.futures import Future, wait
from contextlib import suppress
from pathlib import Path
from typing import Any

from qemu.qmp import EventListener, ExecuteError, QMPClient, QMPError

from . import loop
from .errors import VmError, VmGone, VmTimeout

# The library logs what it raises as well.
logging.getLogger("qemu.qmp").setLevel(logging.CRITICAL)

# A guest command's output comes in one message, base64 encoded, and the agent keeps 16 MiB of it.
_READ_BUFFER = 64 << 20
_CONNECT_SECONDS = 20.0
_WATCH_SECONDS = 0.5


class Connection:
    """A QMP client that blocks."""

    def __init__(self, name: str, socket: Path, *, agent: bool = False) -> None:
        self._name = name
        self._socket = socket
        self._client = self._new_client(agent)
        self._agent = agent
        self._events: list[dict[str, Any]] = []
        self._listener = EventListener()

    def _new_client(self, agent: bool) -> QMPClient:
        client = QMPClient(self._name, readbuflen=_READ_BUFFER)
        # The agent neither greets nor negotiates, and has no events.
        client.await_greeting = not agent
        client.negotiate = not agent
        return client

    def connect(self) -> None:
        """Connects to the socket, which is there."""
        try:
            loop.run(self._client.connect(str(self._socket)), _CONNECT_SECONDS)
        except (QMPError, OSError) as err:
            raise VmGone(f"{self._name}: cannot connect: {err}") from err
        if not self._agent:
            self._client.register_listener(self._listener)

    def reconnect(self) -> None:
        """A new connection, after the guest behind the old one was replaced by another."""
        self.close()
        self._client = self._new_client(self._agent)
        self._listener = EventListener()
        self.connect()

    def close(self) -> None:
        """Ends the connection; an end that the other side made is no error here."""
        with suppress(QMPError, EOFError, OSError, VmError):
            loop.run(self._client.disconnect(), 5)

    def execute(
        self, command: str, timeout: float, watch: Callable[[], None] = lambda: None, /, **arguments: Any
    ) -> Any:
        """Runs a command and returns its value. Underscores in names of arguments are dashes.

        ``watch`` is called now and then while it waits, and raises to end the wait.
        """
        named = {name.replace("_", "-"): value for name, value in arguments.items()}
        deadline = time.monotonic() + timeout
        future = loop.submit(self._client.execute(command, named or None))
        try:
            while not wait([future], min(timeout, _WATCH_SECONDS)).done:
                watch()
                if time.monotonic() > deadline:
                    raise VmTimeout(f"{self._name}: {command}: no answer within {timeout:.0f} s")
            return future.result()
        except ExecuteError as err:
            raise VmError(f"{self._name}: {command}: {err}") from err
        except (QMPError, EOFError, OSError) as err:
            watch()
            raise VmGone(f"{self._name}: {command}: connection lost: {err}") from err
        finally:
            future.cancel()

    def submit(self, command: str) -> Future[Any]:
        """Sends a command that may be answered much later."""
        return loop.submit(self._client.execute(command))

    def wait_event(
        self, name: str, timeout: float, match: Callable[[dict[str, Any]], bool] = lambda _: True
    ) -> dict[str, Any]:
        """Returns the data of the first event of this name not returned before."""
        deadline = time.monotonic() + timeout
        while True:
            self._events += self._drain()
            for place, event in enumerate(self._events):
                if event["event"] == name and match(event.get("data", {})):
                    del self._events[place]
                    return event.get("data", {})
            if time.monotonic() > deadline:
                seen = ", ".join(event["event"] for event in self._events) or "none"
                raise VmTimeout(f"no event {name} within {timeout:.0f} s; others: {seen}")
            time.sleep(0.05)

    def _drain(self) -> list[dict[str, Any]]:
        async def drain() -> list[dict[str, Any]]:
            await asyncio.sleep(0)
            return [dict(event) for event in self._listener.clear()]

        return loop.run(drain(), 5)
