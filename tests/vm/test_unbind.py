# SPDX-License-Identifier: GPL-2.0
"""Taking a drive away from the driver: under load, with dirty data, while files are open."""

from __future__ import annotations

import json
import shutil
import subprocess
from pathlib import Path

import pytest
from lifecycle import (
    CTRL,
    DISK,
    DISK_GOES,
    EXT4_LOSES_DISK,
    GUEST,
    MIB,
    MOUNTS,
    address,
    bind,
    exchange,
    footprint,
    load,
    loaded,
    pattern,
    state,
    unbind,
)
from rnvme_vm import Vm, number

#: In turn, cycle by cycle. Buffered ones have dirty pages when the drive goes. All of them write: fio
#: takes a read of nothing, beyond the end of a disk without sectors, for no error.
_LOADS: tuple[dict[str, object], ...] = (
    {"ioengine": "io_uring"},
    {"ioengine": "libaio", "bsrange": "512-256k", "iodepth": 64},
    {"ioengine": "psync", "direct": 0, "rw": "randwrite", "fsync": 32, "iodepth": 1},
    {"ioengine": "io_uring", "numjobs": 2, "iodepth": 128},
)


@pytest.mark.timeout(7200)
@pytest.mark.allow_log(*DISK_GOES)
def test_unbind_and_bind_under_load(vm: Vm) -> None:
    """Each load ends with an error, and the driver serves at once after each bind."""
    with loaded(vm) as addr:
        before = footprint(vm)
        for cycle in range(number("unbinds_under_load")):
            running = load(vm, f"cycle{cycle}", **_LOADS[cycle % len(_LOADS)])
            unbind(vm, addr)
            assert vm.run(f"test -e {DISK} -o -e {CTRL}", check=False).rc != 0, "a node is left"
            running.broke_off()
            bind(vm, addr)
            assert state(vm) == "live"
            exchange(vm, f"cycle {cycle}", length=256 << 10)
        assert footprint(vm) == before


@pytest.mark.allow_log(*DISK_GOES)
def test_remove_and_rescan_under_load(vm: Vm) -> None:
    with loaded(vm) as addr:
        for cycle in range(number("removals_under_load")):
            running = load(vm, f"cycle{cycle}", **_LOADS[cycle % len(_LOADS)])
            vm.run(f"echo 1 >/sys/bus/pci/devices/{addr}/remove", 30)
            assert vm.run(f"test -e {DISK} -o -e {CTRL}", check=False).rc != 0, "a node is left"
            running.broke_off()
            vm.run("echo 1 >/sys/bus/pci/rescan", 30)
            # The scan leaves it to a worker to find a driver.
            vm.wait_until(lambda: vm.run(f"test -b {DISK}", check=False).rc == 0, 20, DISK)
            exchange(vm, f"cycle {cycle}", length=256 << 10)


def test_unbind_writes_dirty_pages_back(vm: Vm) -> None:
    """Buffered data that nobody synchronised are on the drive when the unbind returns."""
    text = pattern("dirty pages", 4 * MIB)
    with loaded(vm) as addr:
        vm.run("sysctl -q vm.dirty_writeback_centisecs=0")
        # While the node is open, its last close writes nothing back.
        holder = vm.spawn(f"exec 3<>{DISK}; sleep 300")
        vm.wait_until(lambda: vm.run("cat /sys/module/rnvme/refcnt").out != "0\n", 10, "the open node")
        vm.run(f"dd of={DISK} bs=64k iflag=fullblock conv=notrunc", stdin=text)
        assert vm.host_bytes(0, len(text)) != text, "written back already: this test shows nothing"
        unbind(vm, addr)
        assert vm.host_bytes(0, len(text)) == text
        holder.kill()
        holder.wait(30, check=False)
        vm.run("sysctl -q vm.dirty_writeback_centisecs=500")
        bind(vm, addr)
        assert vm.run(f"dd if={DISK} bs=64k count={len(text) >> 16}").out_bytes == text


@pytest.mark.allow_log(MOUNTS, *DISK_GOES, *EXT4_LOSES_DISK)
def test_unbind_writes_a_dirty_ext4_back(vm: Vm, tmp_path: Path) -> None:
    """Files that were written and not synchronised are there, for the host and at the next mount."""
    files = {f"file{number}": pattern(f"ext4 {number}", 100_000 + number * 4096) for number in range(8)}
    with loaded(vm) as addr:
        vm.run(f"mkfs.ext4 -q {DISK} && mkdir -p /mnt/a && mount -o commit=600 {DISK} /mnt/a")
        vm.run("sysctl -q vm.dirty_writeback_centisecs=0")
        for name, data in files.items():
            vm.write_file(f"/mnt/a/{name}", data)
        assert not _ext4_files(vm, tmp_path), "written back already: this test shows nothing"
        unbind(vm, addr)
        found = _ext4_files(vm, tmp_path)
        assert {name: found.get(name) for name in files} == files

        # The dead mount answers with errors, and goes.
        result = vm.run("echo more >/mnt/a/more", check=False)
        assert result.rc != 0, "a write to a file system without a disk succeeded"
        vm.run("umount /mnt/a; sysctl -q vm.dirty_writeback_centisecs=500")
        bind(vm, addr)
        vm.run(f"mount {DISK} /mnt/a")
        for name, data in files.items():
            assert vm.read_file(f"/mnt/a/{name}") == data
        vm.run(f"umount /mnt/a; e2fsck -fn {DISK}")


def _ext4_files(vm: Vm, scratch: Path) -> dict[str, bytes]:
    """The files in the root of the ext4 on the drive, as the host finds them after a recovery."""
    copy, out = scratch / "copy.raw", scratch / "out"
    shutil.copyfile(vm.disk().path, copy)
    shutil.rmtree(out, ignore_errors=True)
    out.mkdir()
    # 1: it repaired something, the journal
    recovered = subprocess.run(["e2fsck", "-fy", copy], capture_output=True, text=True, check=False)
    assert recovered.returncode in (0, 1), recovered.stdout
    subprocess.run(["debugfs", "-R", f"rdump / {out}", copy], capture_output=True, check=True)
    return {path.name: path.read_bytes() for path in out.iterdir() if path.is_file()}


@pytest.mark.allow_log(MOUNTS, *DISK_GOES, *EXT4_LOSES_DISK)
def test_unbind_under_a_file_system_at_work(vm: Vm) -> None:
    """Programs that write files when the drive goes get errors; what they synchronised is there."""
    with loaded(vm) as addr:
        vm.run(f"mkfs.ext4 -q {DISK} && mkdir -p /mnt/a && mount {DISK} /mnt/a")
        vm.run("head -c 1M /dev/urandom >/mnt/a/kept; sync /mnt/a/kept; sha256sum /mnt/a/kept >/run/kept")
        running = load(
            vm,
            "files",
            directory="/mnt/a",
            filename=None,
            size="8m",
            numjobs=2,
            direct=0,
            fsync=16,
            ioengine="psync",
        )
        unbind(vm, addr)
        running.broke_off()
        vm.run("umount /mnt/a")
        bind(vm, addr)
        vm.run(f"mount {DISK} /mnt/a && sha256sum -c /run/kept; rc=$?; umount /mnt/a; exit $rc")


# Errors that tell a program that its drive is gone.
_NO_DEVICE, _NO_SPACE, _IO_ERROR, _NO_SUCH = 19, 28, 5, 6


@pytest.mark.allow_log(*DISK_GOES)
def test_files_kept_open(vm: Vm) -> None:
    """Every call on a file from before the unbind has an error of its own; the module stays."""
    script = GUEST / "lifecycle_held.py"
    with loaded(vm) as addr:
        vm.write_file("/run/held.py", script.read_bytes())
        found = json.loads(vm.run(f"python3 /run/held.py {addr}", 120).out)
        print(json.dumps(found, indent=1))
        gone = found["gone"]
        assert gone["disk"]["read"] in (0, -_IO_ERROR), "read() from a disk without sectors"
        assert gone["disk"]["write"] in (-_NO_SPACE, -_IO_ERROR, -_NO_SUCH)
        assert gone["direct"]["read"] in (0, -_IO_ERROR, -_NO_SUCH)
        assert gone["direct"]["write"] in (-_NO_SPACE, -_IO_ERROR, -_NO_SUCH)
        assert gone["disk"]["size"] == 0
        assert gone["disk"]["admin"] == gone["disk"]["io"] == -_NO_DEVICE
        assert gone["ctrl"]["admin"] == -_NO_DEVICE
        assert gone["ctrl"]["unknown"] == gone["disk"]["unknown"] == -25, "ENOTTY"
        assert max(seconds for node in gone.values() for seconds in node["seconds"].values()) < 5 * vm.scale
        assert found["unload while held"] == "Resource temporarily unavailable"
        # Old files do not keep the drive from serving under a new name.
        assert found["again"]["identify"] == 0
        assert found["again"]["read back"] is True
        assert found["after"] == found["before"], "old files still answer differently after the bind"
        assert found["refcnt"] == 0
        vm.wait_until(lambda: vm.host_bytes(8192, 11) == b"held again\n", 5, "what the new file wrote")
        unbind(vm, addr)
        bind(vm, addr)
        exchange(vm, "after all were closed")


def test_unbind_from_both_ends(vm: Vm) -> None:
    """An unload and unbinds at the same moment: one of them does it, the others say so."""
    with loaded(vm):
        pass
    for _ in range(number("unbind_races")):
        vm.insmod(claim_all=True)
        addr = address(vm)
        jobs = [
            vm.spawn(f"echo {addr} >/sys/bus/pci/drivers/rnvme/unbind", 60),
            vm.spawn("rmmod rnvme", 60),
            vm.spawn(f"echo {addr} >/sys/bus/pci/drivers/rnvme/unbind", 60),
        ]
        results = [job.wait(check=False) for job in jobs]
        assert results[1].rc == 0, str(results[1])
    with loaded(vm):
        exchange(vm, "after the races")


#: Closes the last file of a disk that is gone already, and unloads at the same moment, while somebody
#: else walks over all disks. {0}: how often, {1}: the drive, {2}: its disk.
_LAST_CLOSE = """
(while test ! -e /tmp/stop; do cat /proc/diskstats /proc/partitions >/dev/null; done) &
for cycle in $(seq {0}); do
    busybox insmod /in/rnvme.ko claim_all=1 || exit 1
    sleep 300 3<{2} &
    holder=$!
    until readlink /proc/$holder/fd/3 2>/dev/null | grep -qx {2}; do kill -0 $holder || exit 1; done
    echo {1} >/sys/bus/pci/drivers/rnvme/unbind || exit 1
    busybox rmmod rnvme 2>/dev/null && exit 1
    kill $holder &
    tries=0
    until busybox rmmod rnvme 2>/dev/null; do
        tries=$((tries + 1))
        test $tries -lt 10000 || exit 1
    done
    wait
done >/dev/null 2>/tmp/last-close &
wait $!
result=$?
touch /tmp/stop
cat /tmp/last-close >&2
exit $result
"""


def test_unload_against_the_last_close(vm: Vm) -> None:
    """The end of a disk is the module's code, and comes after the pin of the module is gone."""
    with loaded(vm) as addr:
        pass
    cycles = number("unloads_at_the_last_close")
    vm.run(_LAST_CLOSE.format(cycles, addr, DISK), 30 + 15 * cycles)
    vm.run("rm -f /tmp/stop")
    with loaded(vm):
        exchange(vm, "after the races")
