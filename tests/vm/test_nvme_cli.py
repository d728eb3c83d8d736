# SPDX-License-Identifier: GPL-2.0
"""nvme-cli on the driver's nodes prints what it prints on those of the C driver."""

from __future__ import annotations

import re

import ioctls
import pytest
from drives import C_DRIVER, MIB, PARTITIONS, c_driver, clear, loaded, pattern, plain
from rnvme_vm import Vm

pytestmark = [
    plain,
    pytest.mark.allow_log(PARTITIONS, C_DRIVER),
]
NSID = 3

# Those that need a node alone; {disk} has the NSID above. Not feature 0bh, as rnvme
# asks for health warnings, and the C driver does not.
COMMANDS = """
id-ctrl {ctrl}
id-ctrl -H {ctrl}
id-ctrl -o json {disk}
id-ns {disk}
id-ns -H -n 2 {ctrl}
id-ns {ctrl} -n 1 -o json
ns-descs {disk}
nvm-id-ns {disk}
nvm-id-ctrl {ctrl}
get-ns-id {disk}
list-ns {ctrl}
list-ns -a {ctrl}
list-ctrl {ctrl}
error-log {ctrl}
error-log -e 4 {disk}
fw-log {ctrl}
effects-log {ctrl} --csi=0
get-log {ctrl} --log-id=3 --log-len=512
supported-log-pages {ctrl}
get-feature {ctrl} -f 1 -H
get-feature {ctrl} -f 2
get-feature {ctrl} -f 4 -H
get-feature {ctrl} -f 6 -H
get-feature {disk} -f 7 -H
get-feature {ctrl} -f 8
get-feature {ctrl} -f 0xfe
set-feature {ctrl} -f 4 -V 0x160
get-feature {ctrl} -f 4
set-feature {ctrl} -f 4 -V 0x157
smart-log {ctrl}
smart-log -o json {disk}
read {disk} -s 2048 -c 7 -z 4096
read {disk} -s 0 -c 0 -z 512
compare {disk} -s 2048 -c 7 -z 4096 -d /tmp/data
compare {disk} -s 1024 -c 7 -z 4096 -d /tmp/data
write {disk} -s 2048 -c 7 -z 4096 -d /tmp/data
flush {disk}
flush {disk} -n 3
verify {disk} -s 0 -c 63
write-zeroes {disk} -s 4096 -c 15
dsm {disk} -d -s 8192 -b 8
read {disk} -s 999999999 -c 0 -z 512
write {part} -s 2048 -c 0 -z 512 -d /tmp/data
read {part} -s 0 -c 0 -z 512
admin-passthru {ctrl} --opcode=6 --cdw10=1 --data-len=4096 -r
admin-passthru {ctrl} --opcode=0xc1
io-passthru {disk} --opcode=2 --namespace-id=3 --data-len=512 -r
io-passthru {disk} --opcode=0x7e -n 3
io-passthru {disk} --opcode=2 --namespace-id=1 --data-len=512 -r
""".strip().splitlines()

_VOLATILE = r"data_units|Data Units|host_(read|write)_commands|controller_busy|power_on|power_cycles"


def _run_all(vm: Vm, paths: dict[str, str]) -> dict[str, str]:
    """What each command prints, without the names of nodes and without counters that always move."""
    script = "".join(
        f"echo '@@{command}'; nvme {command.format_map(paths)} 2>&1; echo \"status $?\"\n"
        for command in COMMANDS
    )
    out = vm.run(f"{script} true", timeout=180).out_bytes.decode(errors="backslashreplace")
    for kind in ("part", "disk", "other", "ctrl"):
        out = out.replace(paths[kind], f"<{kind}>").replace(paths[kind].removeprefix("/dev/"), f"<{kind}>")
    found = {}
    for part in out.split("@@")[1:]:
        command, _, text = part.partition("\n")
        found[command] = "\n".join(line for line in text.splitlines() if not re.search(_VOLATILE, line))
    return found


def _prepare(vm: Vm) -> None:
    disk = vm.disk(NSID)
    ioctls.make_partition(disk, 4 * MIB)
    disk.write(2048 * 512, pattern("nvme-cli", 4096))
    vm.write_file("/tmp/data", pattern("nvme-cli", 4096))


def test_nvme_cli_prints_what_it_prints_with_the_c_driver(vm: Vm) -> None:
    _prepare(vm)
    with loaded(vm, allow=ioctls.REFUSED) as drives:
        ours = _run_all(vm, ioctls.nodes(vm, drives, NSID).paths)
    _prepare(vm)
    with c_driver(vm) as drives:
        theirs = _run_all(vm, ioctls.nodes(vm, drives, NSID).paths)
    assert list(ours) == list(theirs) == COMMANDS
    different = [
        f"--- {command}\n{ours[command]}\n+++ C\n{theirs[command]}"
        for command in COMMANDS
        if ours[command] != theirs[command]
    ]
    assert not different, "\n".join(different)
    # The comparison means something only if most of them work.
    assert sum(text.endswith("status 0") for text in ours.values()) > 0.8 * len(COMMANDS)
    clear(vm.disk(NSID))
