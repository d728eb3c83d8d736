# SPDX-License-Identifier: GPL-2.0
"""A drive that stops answering reads and writes when a test says so, and answers again later."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager

from rnvme_vm import NvmeNs, Vm

#: Arguments of QEMU that a machine with such a drive needs.
ARGS = ("-object", "throttle-group,id=brake")


def namespace(**description: object) -> NvmeNs:
    """A namespace that has the brake; all of a machine have the same."""
    node = '{"driver": "throttle", "throttle-group": "brake", "discard": "unmap", "file": "@file@"}'
    return NvmeNs(node=node, **description)  # type: ignore[arg-type]


def set_speed(vm: Vm, bytes_per_second: int) -> None:
    """The speed of all that comes from now on; 0 is no limit."""
    limits = {"bps-total": bytes_per_second}
    vm.qmp.execute("qom-set", 20, path="/objects/brake", property="limits", value=limits)


@contextmanager
def stalled(vm: Vm, disk: str = "/dev/rnvme0n1") -> Iterator[None]:
    """The drive answers no read or write any more, in no time that a test could wait for.

    What it has when the block ends stays unanswered, until the controller is reset.
    """
    set_speed(vm, 1)
    try:
        # One is let through, on credit. If a load uses that up, this one waits in its place.
        vm.spawn(f"dd if={disk} of=/dev/null bs=4k count=1 iflag=direct", 60)
        yield
    finally:
        set_speed(vm, 0)
