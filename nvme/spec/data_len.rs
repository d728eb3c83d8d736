// SPDX-License-Identifier: GPL-2.0

//! How many bytes a command transfers, where its own fields tell.
//!
//! NVM Express Base Specification 2.0c, 5 (admin commands) and 7 (reservations); NVM Command Set
//! Specification 1.0c, 3.2; Zoned Namespace Command Set Specification 1.1c, 3.4.

use super::{
    command::Command,
    identify,
    lba::LbaSize,
    opcode::{
        AdminOpcode,
        IoOpcode, //
    },
};

/// The bytes that the controller transfers for an admin command; 0 if the command has no data, or
/// none whose length its fields tell.
pub(crate) fn of_admin(command: &Command) -> u64 {
    match AdminOpcode(command.opcode) {
        // CAST: widening.
        AdminOpcode::IDENTIFY => identify::SIZE as u64,
        // NUMDL, bits 31:16 of dword 10; NUMDU, bits 15:0 of dword 11.
        AdminOpcode::GET_LOG_PAGE => dwords(command.cdw10 >> 16 | command.cdw11 << 16),
        // NUMD.
        AdminOpcode::FIRMWARE_IMAGE_DOWNLOAD => dwords(command.cdw10),
        // MNDW.
        AdminOpcode::GET_LBA_STATUS => dwords(command.cdw12),
        _ => 0,
    }
}

/// The bytes that the controller transfers for an I/O command to a namespace whose blocks have
/// `lba_size`, metadata not counted; 0 if the command has no data, or none whose length its fields
/// tell.
pub(crate) fn of_io(command: &Command, lba_size: LbaSize) -> u64 {
    match IoOpcode(command.opcode) {
        // NLB, bits 15:0.
        IoOpcode::READ | IoOpcode::WRITE | IoOpcode::COMPARE | IoOpcode::ZONE_APPEND => {
            let blocks = u64::from(command.cdw12 & 0xffff).wrapping_add(1);
            lba_size.bytes_of(blocks).unwrap_or(u64::MAX)
        }
        // NR, bits 7:0; a range has 16 bytes.
        IoOpcode::DATASET_MANAGEMENT => entries(command.cdw10, 16),
        // NR, bits 7:0; a source range has 32 bytes at least.
        IoOpcode::COPY => entries(command.cdw12, 32),
        // Two keys, or one.
        IoOpcode::RESERVATION_REGISTER | IoOpcode::RESERVATION_ACQUIRE => 16,
        IoOpcode::RESERVATION_RELEASE => 8,
        // NUMD.
        IoOpcode::RESERVATION_REPORT => dwords(command.cdw10),
        IoOpcode::ZONE_MANAGEMENT_RECEIVE => dwords(command.cdw12),
        _ => 0,
    }
}

/// The bytes of a number of dwords that is 0's based.
fn dwords(zero_based: u32) -> u64 {
    u64::from(zero_based).wrapping_add(1).wrapping_mul(4)
}

/// The bytes of as many entries as bits 7:0 of `field` say, 0's based.
fn entries(field: u32, bytes: u64) -> u64 {
    u64::from(field & 0xff).wrapping_add(1).wrapping_mul(bytes)
}
