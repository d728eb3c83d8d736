# SPDX-License-Identifier: GPL-2.0
"""Virtual machines with NVMe drives, for the tests of rnvme.

``Machine`` describes one, ``Vm`` runs it, ``Pool`` keeps some for reuse.
"""

from .agent import CommandFailed, Job, Result
from .disk import Disk
from .errors import VmError, VmGone, VmTimeout
from .kernel_log import DirtyLog, KernelLog, Record
from .machine import Machine, NvmeCtrl, NvmeNs
from .numbers import number
from .pool import Pool
from .vm import Vm

__all__ = [
    "CommandFailed",
    "DirtyLog",
    "Disk",
    "Job",
    "KernelLog",
    "Machine",
    "NvmeCtrl",
    "NvmeNs",
    "Pool",
    "Record",
    "Result",
    "Vm",
    "VmError",
    "VmGone",
    "VmTimeout",
    "number",
]
