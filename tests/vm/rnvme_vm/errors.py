# SPDX-License-Identifier: GPL-2.0
"""What can go wrong with a machine itself."""


class VmError(Exception):
    """Something about a virtual machine failed; the text says what, and where its logs are."""


class VmGone(VmError):
    """The machine ended, panicked or could not be started."""


class VmTimeout(VmError):
    """The machine lives, but what was waited for did not happen in time."""
