# SPDX-License-Identifier: GPL-2.0
"""One asyncio loop in a thread: the library for QMP is asynchronous, tests are not."""

from __future__ import annotations

import asyncio
import threading
from collections.abc import Coroutine
from concurrent.futures import Future
from concurrent.futures import TimeoutError as FutureTimeout
from functools import cache
from typing import Any, TypeVar

from .errors import VmTimeout

T = TypeVar("T")


@cache
def _loop() -> asyncio.AbstractEventLoop:
    loop = asyncio.new_event_loop()
    threading.Thread(target=loop.run_forever, name="qmp", daemon=True).start()
    return loop


def submit(coroutine: Coroutine[Any, Any, T]) -> Future[T]:
    """Has it run."""
    return asyncio.run_coroutine_threadsafe(coroutine, _loop())


def run(coroutine: Coroutine[Any, Any, T], timeout: float) -> T:
    """Runs it to its end, for at most so many seconds."""
    future = submit(coroutine)
    try:
        return future.result(timeout)
    except FutureTimeout:
        future.cancel()
        raise VmTimeout(f"no answer within {timeout:.0f} s") from None
