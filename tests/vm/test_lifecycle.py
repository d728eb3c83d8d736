# SPDX-License-Identifier: GPL-2.0
"""Loading and unloading, who gets a drive, and drives that cannot be brought up."""

from __future__ import annotations

import pytest
from lifecycle import (
    BUS_MASTER,
    CTRL,
    DISK,
    MIB,
    MOUNTS,
    address,
    bind,
    command_register,
    driver_of,
    exchange,
    fio,
    footprint,
    free_kib,
    load,
    loaded,
    pattern,
    refused,
    state,
    unbind,
)
from rnvme_vm import Vm, number


def _unload_is_refused(vm: Vm) -> None:
    """By kmod, in words, and by the kernel itself, whatever looked before."""
    result = vm.run("rmmod rnvme", check=False)
    assert result.rc != 0 and "rnvme is in use" in result.err, str(result)
    result = vm.run("busybox rmmod rnvme", check=False)
    assert result.rc != 0 and "Resource temporarily unavailable" in result.err, str(result)


@pytest.mark.parametrize("node", [DISK, CTRL])
def test_unload_is_refused_while_a_node_is_open(vm: Vm, node: str) -> None:
    with loaded(vm):
        holder = vm.spawn(f"exec 3<{node}; sleep 300")
        vm.wait_until(lambda: vm.run("cat /sys/module/rnvme/refcnt").out != "0\n", 10, "the open node")
        _unload_is_refused(vm)
        assert state(vm) == "live"
        holder.kill()
        holder.wait(30, check=False)
        assert vm.run("cat /sys/module/rnvme/refcnt").out == "0\n"


@pytest.mark.allow_log(MOUNTS)
def test_unload_is_refused_while_mounted(vm: Vm) -> None:
    with loaded(vm):
        vm.run(f"mkfs.ext4 -q {DISK} && mkdir -p /mnt/a && mount {DISK} /mnt/a && echo a >/mnt/a/before")
        _unload_is_refused(vm)
        vm.run("echo b >/mnt/a/after; sync /mnt/a/after; cat /mnt/a/before; umount /mnt/a")


def test_unload_is_refused_under_load(vm: Vm) -> None:
    with loaded(vm):
        running = load(vm, "load")
        for _ in range(3):
            _unload_is_refused(vm)
        running.stop()


@pytest.mark.timeout(7200)
def test_loads_and_unloads_leave_nothing(vm: Vm) -> None:
    """As many as it takes to see a leak of one queue's memory per load."""
    loads, batch = number("idle_loads"), 10
    one = f"insmod /in/rnvme.ko claim_all=1 && test -b {DISK} && rmmod rnvme && test ! -e {DISK}"
    with loaded(vm):
        pass
    vm.run(f"for n in $(seq {batch}); do {one} || exit; done", 60)
    before, free = footprint(vm), free_kib(vm)
    for _ in range(0, loads, batch):
        vm.run(f"for n in $(seq {batch}); do {one} || exit; done", 60)
    after, lost = footprint(vm), free - free_kib(vm)
    assert after == before
    assert lost < 8 * 1024 + 64 * loads, f"{lost} KiB are missing after {loads} loads"
    assert not command_register(vm, address(vm)) & BUS_MASTER, "bus mastering is left on"
    with loaded(vm) as addr:
        exchange(vm, "after the last load")
        assert command_register(vm, addr) & BUS_MASTER
        assert len(footprint(vm)) > len(after), "the footprint does not see a loaded driver"


@pytest.mark.allow_log("block device autoloading is deprecated")  # a node that was there a moment ago
def test_unload_under_open_and_close(vm: Vm) -> None:
    """Unloading races with programs that open and close both nodes all the time."""
    rounds = number("unload_races")
    script = f"for n in $(seq 100000); do : <{DISK}; : <{CTRL}; test -e /run/stop && exit 0; done 2>/dev/null"
    with loaded(vm):
        pass
    vm.run("rm -f /run/stop")
    jobs = [vm.spawn(script) for _ in range(2)]
    done = vm.run(
        f"done=0; for n in $(seq {rounds}); do insmod /in/rnvme.ko claim_all=1 || exit;"
        " for try in $(seq 500); do rmmod rnvme 2>/dev/null && done=$((done + 1)) && break; done; done;"
        " echo $done; touch /run/stop",
        120,
    )
    assert done.out == f"{rounds}\n", (
        f"{done.out.strip()} of {rounds} unloads found a moment without an open node"
    )
    for job in jobs:
        job.wait(30)
    vm.run("rm -f /run/stop")
    with loaded(vm):
        exchange(vm, "after the races")


def test_the_default_touches_nothing(vm: Vm) -> None:
    """Without a word of the administrator a drive stays with whom it is, or with nobody."""
    addr = address(vm)
    config = vm.run(f"setpci -s {addr} 0.l 4.w 10.l 3c.b").out
    vm.run("insmod /in/rnvme.ko; sleep 0.5")
    assert driver_of(vm, addr) is None
    assert vm.run(f"setpci -s {addr} 0.l 4.w 10.l 3c.b").out == config
    assert bind(vm, addr, check=False).rc != 0, "bound without having been claimed"
    vm.run("rmmod rnvme")


def test_driver_override_gives_a_drive_and_takes_it_back(vm: Vm) -> None:
    addr = address(vm)
    device = f"/sys/bus/pci/devices/{addr}"
    text = pattern("override", MIB)
    try:
        vm.run("modprobe nvme && insmod /in/rnvme.ko")
        vm.wait_until(lambda: vm.run("test -b /dev/nvme0n1", check=False).rc == 0, 20, "/dev/nvme0n1")
        vm.run("dd of=/dev/nvme0n1 bs=64k iflag=fullblock oflag=direct", stdin=text)

        unbind(vm, addr)
        vm.run(f"echo rnvme >{device}/driver_override; echo {addr} >/sys/bus/pci/drivers_probe")
        assert driver_of(vm, addr) == "rnvme"
        assert vm.run(f"dd if={DISK} bs=64k count={MIB >> 16} iflag=direct").out_bytes == text
        exchange(vm, "rnvme has it")

        unbind(vm, addr)
        vm.run(f"echo >{device}/driver_override; echo {addr} >/sys/bus/pci/drivers_probe")
        assert driver_of(vm, addr) == "nvme"
        vm.wait_until(lambda: vm.run("test -b /dev/nvme0n1", check=False).rc == 0, 20, "/dev/nvme0n1")
        exchange(vm, "the C driver has it again", disk="/dev/nvme0n1")

        # A drive that works is not stolen.
        vm.run("rmmod rnvme && insmod /in/rnvme.ko claim_all=1")
        assert driver_of(vm, addr) == "nvme"
    finally:
        vm.run(f"echo >{device}/driver_override; rmmod rnvme; rmmod nvme", check=False)


@pytest.mark.allow_log(r"rnvme [0-9a-f:.]+: enabling device")
def test_bind_finds_a_function_switched_off(vm: Vm) -> None:
    """COMMAND is 0, as firmware leaves drives that it does not need."""
    with loaded(vm) as addr:
        unbind(vm, addr)
        vm.run(f"setpci -s {addr} COMMAND=0")
        bind(vm, addr)
        exchange(vm, "switched off before")


@pytest.mark.allow_log(r"rnvme [0-9a-f:.]+: cannot use: ")
def test_bind_finds_registers_of_zeroes(vm: Vm) -> None:
    """The BAR leads nowhere, and QEMU answers with zeroes: refused by name, and nothing is left."""
    with loaded(vm) as addr:
        unbind(vm, addr)
        before = footprint(vm)
        upper = vm.run(f"setpci -s {addr} BASE_ADDRESS_1").out.strip()
        vm.run(f"setpci -s {addr} BASE_ADDRESS_1=20")
        refused(vm, addr, "cannot use")
        assert footprint(vm) == before
        vm.run(f"setpci -s {addr} BASE_ADDRESS_1={upper}")
        bind(vm, addr)
        exchange(vm, "registers again")


@pytest.mark.machine(cpus=4)
def test_data_survive_a_reload(vm: Vm) -> None:
    """What fio wrote before an unload it finds after the next load."""
    job = {
        "bsrange": "4k-64k",
        "rw": "randwrite",
        "verify": "crc32c",
        "size": "24m",
        "randrepeat": 1,
        "serialize_overlap": 1,
    }
    with loaded(vm):
        vm.run(fio("a", do_verify=0, offset=0, **job), 120)
        vm.run(fio("b", do_verify=0, offset="32m", ioengine="libaio", **job), 120)
    with loaded(vm):
        vm.run(fio("a", verify_only=1, offset=0, **job), 120)
        vm.run(fio("b", verify_only=1, offset="32m", ioengine="libaio", **job), 120)
