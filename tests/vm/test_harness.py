# SPDX-License-Identifier: GPL-2.0
"""The harness itself, with the kernel's C driver: what all other tests stand on."""

from __future__ import annotations

import pytest
from rnvme_vm import (
    CommandFailed,
    DirtyLog,
    Machine,
    NvmeCtrl,
    NvmeNs,
    Pool,
    Vm,
    VmError,
    VmGone,
    VmTimeout,
    number,
)

MIB = 1 << 20
pytestmark = pytest.mark.machine(module=False)
# A drive for each thing that QEMU can be told about drives.
DRIVES = [
    NvmeCtrl([NvmeNs(64 * MIB), NvmeNs(32 * MIB, nsid=7, lba=4096)], serial="first", mdts=4),
    NvmeCtrl([NvmeNs(16 * MIB)], serial="second", root_port=True, dbcs=False, max_ioqpairs=1),
]


@pytest.mark.kernels("stock", "debug")
def test_boots_without_a_driver(vm: Vm, kernel: str) -> None:
    assert vm.run("uname -r").out.strip().startswith("7.3.")
    # KASAN's and lockdep's mark in the list of symbols.
    debug = vm.run("grep -cwE 'kasan_report|lockdep_init' /proc/kallsyms", check=False).out.strip()
    assert debug == {"stock": "0", "debug": "2"}[kernel]
    assert vm.run("grep -c '^nvme ' /proc/modules", check=False).out.strip() == "0"
    assert vm.run("ls /dev/nvme*", check=False).rc != 0


def test_commands(vm: Vm) -> None:
    result = vm.run("echo out; echo err >&2; exit 3", check=False)
    assert (result.rc, result.out, result.err) == (3, "out\n", "err\n")
    with pytest.raises(CommandFailed, match="status 3"):
        vm.run("exit 3")
    assert vm.run("false | true", check=False).rc == 1
    assert vm.run("kill -SEGV $$", check=False).rc == 128 + 11
    assert vm.run("cat", stdin=b"\x00in\xff").out_bytes == b"\x00in\xff"
    assert len(vm.run("head -c 5000000 /dev/zero").out_bytes) == 5000000


def test_a_command_ends_with_its_time(vm: Vm) -> None:
    with pytest.raises(VmTimeout, match="killed"):
        vm.run("sleep 1000", timeout=1)
    assert vm.run("pgrep -c sleep", check=False).out.strip() == "0"


def test_jobs(vm: Vm) -> None:
    job = vm.spawn("sleep 1000")
    assert job.poll() is None
    assert vm.run("pgrep -c sleep").out.strip() == "1"
    job.kill()
    assert job.wait(check=False).rc != 0


def test_files(vm: Vm) -> None:
    data = bytes(range(256)) * 8192
    vm.write_file("/tmp/file", data)
    assert vm.read_file("/tmp/file") == data
    assert vm.run("stat -c %s /tmp/file").out.strip() == str(len(data))


@pytest.mark.machine(ctrls=DRIVES)
def test_drives_from_both_sides(vm: Vm) -> None:
    vm.run("modprobe nvme; udevadm settle 2>/dev/null; true")
    found = "for c in /sys/class/nvme/nvme*; do echo $(cat $c/serial) ${c##*/}; done"
    vm.wait_until(lambda: len(vm.run(found).out.split()) == 4, 10, "both controllers")
    first = dict(line.split() for line in vm.run(found).out.splitlines())["first"]
    node = f"/dev/$(basename $(dirname $(grep -lx 7 /sys/class/nvme/{first}/nvme*/nsid)))"
    vm.wait_until(lambda: vm.run(f"test -b {node}", check=False).rc == 0, 10, "NSID 7")
    assert vm.run(f"blockdev --getss --getsize64 {node}").out.split() == ["4096", str(32 * MIB)]
    vm.run(f"dd of={node} bs=4096 count=256 seek=3 iflag=fullblock oflag=direct < <(yes rnvme)")
    assert vm.host_bytes(3 * 4096, 12, nsid=7) == b"rnvme\nrnvme\n"
    assert vm.host_bytes(0, 3 * 4096, nsid=7) == bytes(3 * 4096)
    vm.disk(nsid=7).write(8192, b"from the host")
    assert vm.run(f"dd if={node} bs=4096 skip=2 count=1 iflag=direct | head -c 13").out == "from the host"
    assert vm.disk(nsid=1).allocated == 0
    vm.run("rmmod nvme")


def test_monitor(vm: Vm) -> None:
    assert vm.qmp.execute("query-status", 10)["running"] is True
    vm.qmp.execute("stop", 10)
    vm.qmp.wait_event("STOP", 10)
    vm.qmp.execute("cont", 10)
    with pytest.raises(VmError, match="no-such-command"):
        vm.qmp.execute("no-such-command", 10)


@pytest.mark.parametrize(
    "line",
    [
        "<2>WARNING: x",
        "<6>BUG: sleeping function called from invalid context",
        "<6>INFO: task fio:1 blocked for more than 60 seconds.",
        "<6>rcu: INFO: rcu_preempt detected stalls on CPUs/tasks",
        "<6>DMA-API: nvme 0000:00:04.0: device driver frees DMA memory with wrong function",
        "<4>a warning that no one knows",
        "<6>rnvme rnvme0: a line that no one knows",
    ],
)
def test_a_line_in_the_log_fails_a_test(vm: Vm, line: str) -> None:
    vm.assert_clean_log()
    vm.run("cat >/dev/kmsg", stdin=line.encode())
    with pytest.raises(DirtyLog, match="1 lines"):
        vm.assert_clean_log()
    vm.spoiled = False  # it is not: the line was ours
    vm.run("cat >/dev/kmsg", stdin=line.encode())
    vm.assert_clean_log(allow=["a line that no one knows", "WARNING: x|BUG|INFO|DMA-API|a warning"])


def test_reboot(fresh_vm: Vm) -> None:
    for _ in range(number("harness_reboots")):
        fresh_vm.run("touch /run/before")
        fresh_vm.reboot()
        assert fresh_vm.run("test -e /run/before", check=False).rc == 1


def test_shutdown(fresh_vm: Vm) -> None:
    fresh_vm.shutdown()
    assert not fresh_vm.running
    with pytest.raises(VmGone, match="status 0"):
        fresh_vm.run("true")


@pytest.mark.allow_log(".")
def test_panic(fresh_vm: Vm) -> None:
    with pytest.raises(VmGone, match="panicked"):
        fresh_vm.run("echo c >/proc/sysrq-trigger", timeout=30)
    fresh_vm.close()


def test_qemu_refuses(machine: Machine) -> None:
    with pytest.raises(VmGone, match="no-such-device"):
        Vm(module=False, qemu_args=["-device", "no-such-device"]).start()


def test_pool_reuses_equal_machines(pool: Pool, vm: Vm, machine: Machine) -> None:
    assert pool.get(Machine(module=False)) is vm
    assert Machine(ctrls=[NvmeCtrl(props={"vsl": 1})]) == Machine(ctrls=(NvmeCtrl(props=[("vsl", 1)]),))
