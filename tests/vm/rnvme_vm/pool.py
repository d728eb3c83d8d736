# SPDX-License-Identifier: GPL-2.0
"""Machines that serve several tests, since each boot takes seconds."""

from __future__ import annotations

from collections import OrderedDict

from .machine import Machine
from .vm import Vm


class Pool:
    """The machines that run, the least recently used one first."""

    def __init__(self, most: int) -> None:
        self._most = most
        self._vms: OrderedDict[Machine, Vm] = OrderedDict()

    def get(self, machine: Machine) -> Vm:
        """A machine of this description: one that runs, or a new one."""
        vm = self._vms.pop(machine, None)
        if vm is None:
            while len(self._vms) >= self._most:
                self.drop(next(iter(self._vms)))
            vm = Vm(machine).start()
        self._vms[machine] = vm
        return vm

    def drop(self, machine: Machine) -> None:
        """Ends the machine of this description, if one runs."""
        vm = self._vms.pop(machine, None)
        if vm is not None:
            vm.close()

    def close(self) -> None:
        """Ends all machines."""
        for machine in list(self._vms):
            self.drop(machine)
