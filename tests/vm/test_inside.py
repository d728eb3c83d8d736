# SPDX-License-Identifier: GPL-2.0
"""What debugfs shows of a controller, while it works, stalls and fails."""

from __future__ import annotations

import errno
import json
import re

import brake
import pytest
from lifecycle import DISK, load, loaded, resets, state
from rnvme_vm import NvmeCtrl, NvmeNs, Vm

#: Bytes: where reads fail, and where writes do.
_BAD_READ, _BAD_WRITE = 8 << 20, 16 << 20
_ERRORS = json.dumps(
    {
        "driver": "blkdebug",
        "image": "@file@",
        "inject-error": [
            {"event": "none", "iotype": "read", "sector": _BAD_READ >> 9, "errno": errno.EIO},
            {"event": "none", "iotype": "write", "sector": _BAD_WRITE >> 9, "errno": errno.EIO},
        ],
    }
)


def _inside(vm: Vm, addr: str, name: str) -> str:
    return vm.run(f"cat /sys/kernel/debug/rnvme/{addr}/{name}").out


@pytest.mark.machine(ctrls=[NvmeCtrl([brake.namespace()])], qemu_args=brake.ARGS)
@pytest.mark.allow_log(
    r"rnvme: rnvme\d+ [0-9a-f:.]+: (queue \d+: (no answer in time to |\d+ entries, )|Abort: |resetting: |reset done in )"
)
def test_a_drive_that_stalls(vm: Vm) -> None:
    """Its commands are shown with their ages; afterwards, what was done about them."""
    with loaded(vm, io_timeout=2) as addr:
        assert re.fullmatch(
            r"live\n +\d+\.\d{6} s: new -> connecting\n +\d+\.\d{6} s: connecting -> live\n",
            _inside(vm, addr, "state"),
        )
        assert _inside(vm, addr, "commands") == ""
        assert vm.run(f"ls /sys/kernel/debug/rnvme/{addr}").out.split() == sorted(
            ["commands", "completions", "counters", "interrupts", "queues", "state"]
        )
        running = load(vm, "load", rw="randwrite", iodepth=4)
        with brake.stalled(vm):
            shown = re.compile(
                r"queue [12], tag 0x[0-9a-f]+, command 0x[0-9a-f]{4}: Write at byte \d+, 4096 bytes, InFlight for \d+ ms"
            )
            vm.wait_until(
                lambda: sum(map(bool, map(shown.fullmatch, _inside(vm, addr, "commands").splitlines()))) == 4,
                5,
                "four writes under way",
            )
            assert re.search(
                r"^queue \d: \d+ entries, open, tail (\d+), committed \1, head \d+, phase [01], no entry waits$",
                _inside(vm, addr, "queues"),
                re.MULTILINE,
            )
            vm.wait_until(lambda: resets(vm) >= 1, 30, "a reset")
        vm.wait_until(lambda: state(vm) == "live", 20, "the end of the reset")
        running.stop()
        # The stuck command's queue, once for each reset.
        said = re.compile(
            r"rnvme0 .*: queue [12]: \d+ entries, (open|idle), tail (\d+), committed \2, head \d+, "
        )
        count = resets(vm)
        lines = [record.text for record in vm.log.records() if said.search(record.text)]
        assert len(lines) == count, lines
        assert "live -> resetting" in _inside(vm, addr, "state")
        counts = dict(line.rsplit(": ", 1) for line in _inside(vm, addr, "counters").splitlines())
        assert int(counts["resets, a command was not completed in time"]) >= 1
        assert int(counts["commands taken back"]) >= 4
        assert int(counts["aborts"]) >= 1
        # Commands that the drive did abort are sent again.
        retries = sum(int(count) for name, count in counts.items() if name.startswith("retries, "))
        assert int(counts["odd completions"]) == retries
    assert vm.run(f"test -e /sys/kernel/debug/rnvme/{addr}", check=False).rc != 0


@pytest.mark.machine(ctrls=[NvmeCtrl([NvmeNs(node=_ERRORS)])])
@pytest.mark.allow_log(
    r"rnvme0n1: (Read|Write) of 8 blocks at LBA \d+, queue [12]: .* \(SCT 2h, SC 8[01]h.*\), after \d+ retries",
    r"(critical medium|I/O) error, dev rnvme0n1",
)
@pytest.mark.parametrize(
    ("how", "place", "status"), [("read", _BAD_READ, 0x281), ("write", _BAD_WRITE, 0x280)]
)
def test_blocks_that_are_bad(vm: Vm, how: str, place: int, status: int) -> None:
    """A status becomes the right errno, and what the drive said is kept."""
    with loaded(vm) as addr:
        code = (
            f"import mmap, os; fd = os.open('{DISK}', os.O_RDWR | os.O_DIRECT); page = mmap.mmap(-1, 4096)\n"
            f"try: print(os.p{how}v(fd, [page], {place}))\n"
            "except OSError as error: print('errno', error.errno)\n"
            f"print(os.p{how}v(fd, [page], {place + 4096}))"
        )
        assert vm.run(f'python3 -c "{code}"').out.split() == ["errno", str(errno.ENODATA), "4096"]
        lines = _inside(vm, addr, "completions").splitlines()
        assert lines and all(re.search(rf": status 0x[04]{status:03x}, ", line) for line in lines)
        assert lines[-1].endswith(": failed")
        assert f"odd completions: {len(lines)}" in _inside(vm, addr, "counters")
