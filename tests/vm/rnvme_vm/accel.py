# SPDX-License-Identifier: GPL-2.0
"""KVM where it works, else emulation; ``ACCEL=tcg`` or ``ACCEL=kvm`` overrides."""

import os
from functools import cache
from pathlib import Path


@cache
def name() -> str:
    """Returns ``kvm`` or ``tcg``.

    The device node tells nothing: it exists on machines whose processor cannot run an ordinary
    guest. The processor's flags do.
    """
    asked = os.environ.get("ACCEL", "")
    if asked:
        chosen = asked.split(",")[0]
        if chosen not in ("kvm", "tcg"):
            raise ValueError(f"ACCEL={asked}: neither kvm nor tcg")
        return chosen
    flags = set(Path("/proc/cpuinfo").read_text().split())
    usable = os.access("/dev/kvm", os.R_OK | os.W_OK) and flags & {"svm", "vmx"}
    return "kvm" if usable else "tcg"


def qemu_option() -> str:
    """The value for QEMU's ``-accel``."""
    return "kvm" if name() == "kvm" else "tcg,thread=multi,tb-size=256"


def cpu_option() -> str:
    """The value for QEMU's ``-cpu``.

    An emulator copies byte by byte where a processor says that it is fast at string instructions:
    without that word, the kernel copies and clears by eight bytes, and everything takes a tenth less.
    """
    return "max" if name() == "kvm" else "max,erms=off,fsrm=off"
