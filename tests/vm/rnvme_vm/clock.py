# SPDX-License-Identifier: GPL-2.0
"""How fast the processor's time-stamp counter runs, which emulation hands through to guests.

A guest measures it against an emulated timer while it boots. On a busy machine that comes out
wrong by any factor, and then its clocks run wild: so it is told.
"""

from __future__ import annotations

import ctypes
import mmap
import platform
import time
from functools import cache

# rdtsc; shl rdx, 32; or rax, rdx; ret
_READ_COUNTER = bytes.fromhex("0f31 48c1e220 4809d0 c3")
_SECONDS = 0.2


@cache
def counter_khz() -> int | None:
    """Its frequency, or None where there is no such counter."""
    if platform.machine() != "x86_64":
        return None
    code = mmap.mmap(-1, mmap.PAGESIZE, prot=mmap.PROT_READ | mmap.PROT_WRITE | mmap.PROT_EXEC)
    code.write(_READ_COUNTER)
    address = ctypes.addressof(ctypes.c_char.from_buffer(code))
    read = ctypes.CFUNCTYPE(ctypes.c_uint64)(address)

    def sample() -> tuple[int, int]:
        """A counter value and the time in ns that belongs to it, as closely as can be had."""
        best = None
        for _ in range(100):
            before, counter, after = time.perf_counter_ns(), read(), time.perf_counter_ns()
            if best is None or after - before < best[0]:
                best = after - before, counter, (before + after) // 2
        assert best is not None
        return best[1], best[2]

    first, then = sample()
    time.sleep(_SECONDS)
    last, now = sample()
    return (last - first) * 1_000_000 // (now - then)
