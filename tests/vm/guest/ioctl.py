# SPDX-License-Identifier: GPL-2.0
"""Sends NVMe commands by ioctl, as told by lines of JSON on standard input; answers each by one.

Runs in the guest. A line names ``node``, ``mode`` (``r`` or ``rw``), ``request`` and fields of the
command; ``length`` makes a buffer, ``data`` (hexadecimal) fills it; ``each_opcode`` sends all 256 of
them and answers with the outcome of each.
"""

import ctypes
import errno
import fcntl
import json
import os
import struct
import sys
from typing import Any

REQUESTS = {
    "ID": 0x4E40,
    "ADMIN": 0xC0484E41,
    "IO": 0xC0484E43,
    "ADMIN64": 0xC0504E47,
    "IO64": 0xC0504E48,
}
_COMMAND = struct.Struct("<BBHIIIQQIIIIIIIII")  # up to the time-out


def send(fd: int, order: dict[str, Any]) -> dict[str, Any]:
    """One ioctl: its status, result and data, or its error."""
    request = REQUESTS.get(order["request"], order["request"])
    length = order.get("length", 0)
    data = ctypes.create_string_buffer(length or 1)
    if "data" in order:
        data.raw = bytes.fromhex(order["data"])
    command = _COMMAND.pack(
        order.get("opcode", 0),
        order.get("flags", 0),
        0,
        order.get("nsid", 0),
        order.get("cdw2", 0),
        order.get("cdw3", 0),
        0,
        order.get("addr", ctypes.addressof(data) if length else 0),
        order.get("metadata_len", 0),
        length,
        *(order.get(f"cdw{number}", 0) for number in range(10, 16)),
        order.get("timeout", 0),
    )
    # The last word is the result; the larger structure has it behind a reserved one.
    wide = request in (REQUESTS["ADMIN64"], REQUESTS["IO64"])
    buffer = bytearray(command + bytes(12 if wide else 4))
    try:
        status = fcntl.ioctl(fd, request, buffer if request != REQUESTS["ID"] else 0)
    except OSError as error:
        return {"error": errno.errorcode.get(error.errno or 0, str(error))}
    result = int.from_bytes(buffer[72:80] if wide else buffer[68:72], "little")
    return {"status": status, "result": result, "data": data.raw[:length].hex()}


def main() -> None:
    """Every line in turn."""
    files: dict[tuple[str, str], int] = {}
    for line in sys.stdin:
        order = json.loads(line)
        key = order["node"], order.get("mode", "rw")
        if key not in files:
            try:
                files[key] = os.open(key[0], os.O_RDONLY if key[1] == "r" else os.O_RDWR)
            except OSError as error:
                print(json.dumps({"error": f"open: {errno.errorcode.get(error.errno or 0)}"}), flush=True)
                continue
        if order.get("each_opcode"):
            outcomes = {}
            for opcode in range(256):
                answer = send(files[key], order | {"opcode": opcode})
                outcomes[opcode] = answer.get("error", answer.get("status"))
            print(json.dumps(outcomes))
        else:
            print(json.dumps(send(files[key], order)))


main()
