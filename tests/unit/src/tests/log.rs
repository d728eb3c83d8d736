// SPDX-License-Identifier: GPL-2.0

//! Log pages.

use zerocopy::{
    little_endian::{
        U16,
        U32, //
    },
    FromZeros, //
};

use crate::nvme::spec::{
    log::{
        EffectsLog,
        ErrorEntry,
        FirmwareSlotLog, //
    },
    status_code::generic, //
};

#[test]
fn error_status_is_without_the_phase_tag() {
    let mut entry = ErrorEntry::new_zeroed();
    entry.status_field = U16::new(0x8005); // DNR, SC 02h, P.
    assert_eq!(entry.status().code(), generic::INVALID_FIELD);
    assert!(entry.status().dnr());
}

#[test]
fn firmware_slots() {
    let mut log = FirmwareSlotLog::new_zeroed();
    log.afi = 0x21;
    log.frs[0] = *b"1.0     ";
    log.frs[6] = *b"ABCDEFGH";
    assert_eq!((log.active_slot(), log.next_slot()), (1, Some(2)));
    let revision = |slot| log.revision(slot).map(|text| text.to_string());
    assert_eq!(revision(1).as_deref(), Some("1.0"));
    assert_eq!(revision(7).as_deref(), Some("ABCDEFGH"));
    assert_eq!([0, 2, 8, 255].map(revision), [None, None, None, None]);
    log.afi = 0x87;
    assert_eq!((log.active_slot(), log.next_slot()), (7, None));
}

#[test]
fn effects() {
    let mut log = EffectsLog::new_zeroed();
    log.admin[0x80] = U32::new(0x0002_001f);
    log.io[0xff] = U32::new(0x0001_0001);
    let format = log.of_admin(0x80);
    assert!(format.is_supported() && format.changes_blocks() && format.changes_namespace());
    assert!(format.changes_inventory() && format.changes_controller());
    assert_eq!(format.exclusion(), 2);
    let vendor = log.of_io(0xff);
    assert!(vendor.is_supported() && !vendor.changes_blocks() && !vendor.changes_namespace());
    assert!(!vendor.changes_inventory() && !vendor.changes_controller());
    assert_eq!(vendor.exclusion(), 1);
    assert!(!log.of_admin(0).is_supported());
}
