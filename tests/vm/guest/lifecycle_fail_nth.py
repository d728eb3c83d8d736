#!/usr/bin/python3
# SPDX-License-Identifier: GPL-2.0
"""Binds a drive to the driver while an allocation fails: each time a later one.

fail_nth.py ADDRESS FIRST STEP: lets the allocation number FIRST of the bind fail, then FIRST +
STEP and so on, until a bind ends before it comes to that number. A drive that is bound all the same is
unbound. Prints one JSON object: how many allocations failed, how many binds did, the errors.
"""

import errno
import json
import os
import sys

DRIVER = "/sys/bus/pci/drivers/rnvme"
MOST = 20000


def write(path: str, text: str) -> str | None:
    """Writes to an attribute; returns the error's name, or None."""
    fd = os.open(path, os.O_WRONLY)
    try:
        os.write(fd, text.encode())
    except OSError as error:
        return errno.errorcode[error.errno]
    finally:
        os.close(fd)
    return None


def bind_failing(addr: str, nth: int) -> tuple[bool, str | None]:
    """Binds, allocation number `nth` failing. Returns whether it did, and the bind's error."""
    fault = os.open("/proc/self/fail-nth", os.O_RDWR)
    bind = os.open(f"{DRIVER}/bind", os.O_WRONLY)
    name, error = addr.encode(), None
    os.write(fault, b"%d" % nth)
    try:
        os.write(bind, name)
    except OSError as failed:
        error = errno.errorcode[failed.errno]
    left = os.pread(fault, 16, 0)
    os.write(fault, b"0")
    os.close(bind)
    os.close(fault)
    return int(left) == 0, error


def main() -> None:
    """One bind after the other."""
    addr, first, step = sys.argv[1], int(sys.argv[2]), int(sys.argv[3])
    failed, errors = 0, {}
    for nth in range(first, MOST, step):
        happened, error = bind_failing(addr, nth)
        if error is None:
            left = write(f"{DRIVER}/unbind", addr)
            if left is not None:
                raise SystemExit(f"allocation {nth}: bound, but unbind says {left}")
        if not happened:
            break
        failed += 1
        errors[error or "bound"] = errors.get(error or "bound", 0) + 1
    print(json.dumps({"failed": failed, "errors": errors, "last": nth}))


main()
