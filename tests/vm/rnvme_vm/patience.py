# SPDX-License-Identifier: GPL-2.0
"""How much longer than on real hardware a bounded wait may take here."""

import os

from . import accel

_DEBUG_KERNEL = 4.0


def scale(kernel: str) -> float:
    """The factor on all time limits for a machine with this kernel.

    ``RNVME_TIME_SCALE`` multiplies it, for machines that are slower still.
    """
    factor = float(os.environ.get("RNVME_TIME_SCALE", "1"))
    factor *= 1.0 if accel.name() == "kvm" else 2.0
    return factor * (_DEBUG_KERNEL if kernel == "debug" else 1.0)
