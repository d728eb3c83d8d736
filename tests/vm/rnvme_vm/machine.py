# SPDX-License-Identifier: GPL-2.0
"""Descriptions of machines: values, so that equal machines can be recognised and shared."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, replace
from typing import Any

MIB = 1 << 20

# QEMU's properties of a device, by name, as far as no field below stands for them.
Props = Mapping[str, Any] | Iterable[tuple[str, Any]]


def _frozen(props: Props) -> tuple[tuple[str, Any], ...]:
    pairs = props.items() if isinstance(props, Mapping) else props
    return tuple(sorted((str(name), value) for name, value in pairs))


@dataclass(frozen=True)
class NvmeNs:
    """A namespace on a raw file."""

    size: int = 64 * MIB
    #: None: its place in the controller's list, counted from 1.
    nsid: int | None = None
    #: Bytes of a logical block.
    lba: int = 512
    #: An existing file to use instead of a new one of zeroes; it is written to.
    path: str | None = None
    #: QEMU block node to put between drive and file: JSON text of a ``-blockdev`` option in which
    #: the word ``@file@`` stands for the name of the file's node. ``@file@`` may be left out.
    node: str | None = None
    #: Further properties of ``nvme-ns``.
    props: Props = ()

    def __post_init__(self) -> None:
        object.__setattr__(self, "props", _frozen(self.props))


@dataclass(frozen=True)
class NvmeCtrl:
    """An NVMe controller of QEMU. None leaves a property at QEMU's default."""

    namespaces: Iterable[NvmeNs] = (NvmeNs(),)
    #: None: ``drive`` and its place among the machine's controllers, counted from 0.
    serial: str | None = None
    mdts: int | None = None
    mqes: int | None = None
    max_ioqpairs: int | None = None
    msix_qsize: int | None = None
    dbcs: bool | None = None
    #: Behind a PCIe root port of its own, from which it can be unplugged.
    root_port: bool = False
    #: Put into the NVM subsystem of this name, with whatever else is in it.
    subsystem: str | None = None
    #: Further properties of ``nvme``.
    props: Props = ()

    def __post_init__(self) -> None:
        numbered = (
            ns if ns.nsid is not None else replace(ns, nsid=place)
            for place, ns in enumerate(self.namespaces, start=1)
        )
        object.__setattr__(self, "namespaces", tuple(numbered))
        object.__setattr__(self, "props", _frozen(self.props))


@dataclass(frozen=True)
class Machine:
    """All that two machines must have in common to stand for each other in a test."""

    #: ``stock`` (Debian's) or ``debug``.
    kernel: str = "stock"
    cpus: int = 2
    #: Of memory. None: what the kernel is comfortable with.
    mem_mib: int | None = None
    ctrls: Iterable[NvmeCtrl] = (NvmeCtrl(),)
    #: Appended to the kernel's command line.
    cmdline: str = ""
    #: An Intel IOMMU, switched on.
    iommu: bool = False
    #: Run udevd, so that links in /dev/disk exist.
    udev: bool = False
    #: Put rnvme.ko at /in/rnvme.ko (nothing is loaded by itself).
    module: bool = True
    #: That rnvme.ko has fault points.
    faults: bool = False
    #: Put mq_ram.ko, the RAM disk of tests/mq, at /in/mq_ram.ko.
    mq_ram: bool = False
    #: Further files: path below /in in the guest, path here.
    files: Props = ()
    #: Further arguments of QEMU.
    qemu_args: Iterable[str] = ()

    def __post_init__(self) -> None:
        if self.kernel not in ("stock", "debug"):
            raise ValueError(f"no kernel is called {self.kernel!r}")
        serials = tuple(
            ctrl if ctrl.serial is not None else replace(ctrl, serial=f"drive{place}")
            for place, ctrl in enumerate(self.ctrls)
        )
        object.__setattr__(self, "ctrls", serials)
        object.__setattr__(self, "files", _frozen(self.files))
        object.__setattr__(self, "qemu_args", tuple(self.qemu_args))

    @property
    def memory_mib(self) -> int:
        """Debug kernel: KASAN takes an eighth, quarantine and lockdep some more."""
        return self.mem_mib or {"stock": 1024, "debug": 2048}[self.kernel]
