// SPDX-License-Identifier: GPL-2.0

//! The controller memory buffer: memory in a BAR of the controller.
//!
//! NVM Express Base Specification 2.0c, 3.1.3.11 and 3.1.3.12.

use super::bits::{
    bit,
    field, //
};

/// CMBLOC: where the buffer is.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(crate) struct CmbLoc(u32);

impl CmbLoc {
    /// The value as read.
    pub(crate) const fn from_bits(bits: u32) -> Self {
        Self(bits)
    }

    /// BIR, bits 2:0: the number of the BAR.
    pub(crate) const fn bar(self) -> u8 {
        field(self.0 as u64, 2, 0) as u8
    }

    /// OFST, bits 31:12: where the buffer starts in that BAR, in units of [`CmbSz::unit`].
    pub(crate) const fn offset_units(self) -> u32 {
        field(self.0 as u64, 31, 12) as u32
    }
}

/// CMBSZ: how large the buffer is and what it may hold.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(crate) struct CmbSz(u32);

impl CmbSz {
    /// The value as read.
    pub(crate) const fn from_bits(bits: u32) -> Self {
        Self(bits)
    }

    /// SQS, bit 0: it may hold submission queues.
    pub(crate) const fn submission_queues(self) -> bool {
        bit(self.0 as u64, 0)
    }

    /// CQS, bit 1: it may hold completion queues.
    pub(crate) const fn completion_queues(self) -> bool {
        bit(self.0 as u64, 1)
    }

    /// LISTS, bit 2: it may hold PRP and SGL lists.
    pub(crate) const fn lists(self) -> bool {
        bit(self.0 as u64, 2)
    }

    /// RDS, bit 3: it may hold data and metadata of commands that read.
    pub(crate) const fn read_data(self) -> bool {
        bit(self.0 as u64, 3)
    }

    /// WDS, bit 4: it may hold data and metadata of commands that write.
    pub(crate) const fn write_data(self) -> bool {
        bit(self.0 as u64, 4)
    }

    /// SZU, bits 11:8, in bytes: 4 KiB, 64 KiB, ... 64 GiB; `None` if the value is reserved.
    pub(crate) const fn unit(self) -> Option<u64> {
        match field(self.0 as u64, 11, 8) as u32 {
            szu @ 0..=6 => Some(1 << (12 + 4 * szu)),
            _ => None,
        }
    }

    /// SZ, bits 31:12, in bytes; 0 if there is no buffer.
    pub(crate) fn bytes(self) -> u64 {
        // At most 2^20 units of 2^36 bytes.
        self.unit().map_or(0, |unit| {
            unit.wrapping_mul(field(u64::from(self.0), 31, 12))
        })
    }

    /// Where the buffer starts in its BAR, in bytes; `None` if the unit is reserved.
    pub(crate) fn offset(self, location: CmbLoc) -> Option<u64> {
        // At most 2^20 units of 2^36 bytes.
        self.unit()
            .map(|unit| unit.wrapping_mul(u64::from(location.offset_units())))
    }
}
