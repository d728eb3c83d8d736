// SPDX-License-Identifier: GPL-2.0

//! Status codes, their names, and what the block layer is told.

use crate::nvme::spec::{
    status::{
        BlockStatus,
        Status, //
    },
    status_code::{
        command_specific,
        generic,
        media,
        path, //
    },
};

/// All that does not become an I/O error: SCT, SC, block status. From the C driver's behaviour,
/// which users and file systems know, plus the storage tag check (2h, 88h), which is one of
/// the end-to-end checks and came after it.
const BLOCK_STATUS: [(u8, u8, BlockStatus); 24] = [
    (0, 0x00, BlockStatus::Ok),
    (0, 0x01, BlockStatus::NotSupported),
    (0, 0x02, BlockStatus::NotSupported),
    (0, 0x0b, BlockStatus::NotSupported),
    (0, 0x21, BlockStatus::Target),
    (0, 0x80, BlockStatus::Target),
    (0, 0x81, BlockStatus::NoSpace),
    (0, 0x82, BlockStatus::Target),
    (0, 0x83, BlockStatus::ReservationConflict),
    (1, 0x80, BlockStatus::NotSupported),
    (1, 0x81, BlockStatus::Protection),
    (1, 0x82, BlockStatus::Medium),
    (1, 0xbd, BlockStatus::ZoneActiveResource),
    (1, 0xbe, BlockStatus::ZoneOpenResource),
    (2, 0x80, BlockStatus::Medium),
    (2, 0x81, BlockStatus::Medium),
    (2, 0x82, BlockStatus::Protection),
    (2, 0x83, BlockStatus::Protection),
    (2, 0x84, BlockStatus::Protection),
    (2, 0x85, BlockStatus::Medium),
    (2, 0x86, BlockStatus::Medium),
    (2, 0x87, BlockStatus::Medium),
    (2, 0x88, BlockStatus::Protection),
    (3, 0x70, BlockStatus::Transport),
];

#[test]
fn block_status_of_every_status() {
    for bits in 0..0x8000 {
        let status = Status::from_field(bits);
        let expected = BLOCK_STATUS
            .iter()
            .find(|(sct, sc, _)| (*sct, *sc) == (status.sct(), status.sc()))
            .map_or(BlockStatus::IoError, |(_, _, block_status)| *block_status);
        assert_eq!(status.block_status(), expected, "{status:?}");
    }
}

#[test]
fn fields_of_every_status() {
    for bits in 0..0x8000u16 {
        let status = Status::from_field(bits);
        assert_eq!(status.bits(), bits);
        assert_eq!(u16::from(status.sc()), bits & 0xff);
        assert_eq!(u16::from(status.sct()), bits >> 8 & 0x7);
        assert_eq!(u16::from(status.crd()), bits >> 11 & 0x3);
        assert_eq!(status.more(), bits & 0x2000 != 0);
        assert_eq!(status.dnr(), bits & 0x4000 != 0);
        assert_eq!(status.code(), Status::from_parts(status.sct(), status.sc()));
        assert_eq!(status.is_success(), bits & 0x7ff == 0);
        assert_eq!(
            status.is_retryable(),
            bits & 0x7ff != 0 && bits & 0x4000 == 0
        );
    }
    assert_eq!(Status::from_field(0xffff).bits(), 0x7fff);
    assert_eq!(Status::DNR, 0x4000);
}

#[test]
fn names() {
    let table = [
        (generic::SUCCESS, "Successful Completion (SCT 0h, SC 00h)"),
        (generic::LBA_RANGE, "LBA Out of Range (SCT 0h, SC 80h)"),
        (
            generic::INVALID_OPCODE,
            "Invalid Command Opcode (SCT 0h, SC 01h)",
        ),
        (
            command_specific::INVALID_QUEUE_SIZE,
            "Invalid Queue Size (SCT 1h, SC 02h)",
        ),
        (
            command_specific::ZONE_TOO_MANY_OPEN,
            "Too Many Open Zones (SCT 1h, SC BEh)",
        ),
        (
            media::UNRECOVERED_READ,
            "Unrecovered Read Error (SCT 2h, SC 81h)",
        ),
        (
            path::HOST_ABORTED,
            "Command Aborted By Host (SCT 3h, SC 71h)",
        ),
        (
            Status::from_parts(0, 0x7f),
            "generic status (SCT 0h, SC 7Fh)",
        ),
        (
            Status::from_parts(1, 0x04),
            "command specific status (SCT 1h, SC 04h)",
        ),
        (Status::from_parts(2, 0x00), "media error (SCT 2h, SC 00h)"),
        (Status::from_parts(3, 0xff), "path error (SCT 3h, SC FFh)"),
        (
            Status::from_parts(5, 0x12),
            "reserved status (SCT 5h, SC 12h)",
        ),
        (
            Status::from_parts(7, 0x12),
            "vendor specific status (SCT 7h, SC 12h)",
        ),
    ];
    for (status, text) in table {
        assert_eq!(status.to_string(), text);
    }
    let status = Status::from_field(0x6281);
    assert_eq!(
        status.to_string(),
        "Unrecovered Read Error (SCT 2h, SC 81h, DNR, M)"
    );
}

/// How many codes of each type have names: a line lost from a table shows here.
#[test]
fn number_of_names() {
    let named = |sct| {
        (0..=0xff)
            .filter(|sc| Status::from_parts(sct, *sc).name().is_some())
            .count()
    };
    assert_eq!(
        [0, 1, 2, 3, 4, 5, 6, 7].map(named),
        [46, 56, 9, 7, 0, 0, 0, 0]
    );
}
