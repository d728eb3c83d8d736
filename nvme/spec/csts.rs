// SPDX-License-Identifier: GPL-2.0

//! CSTS, the state of a controller.
//!
//! NVM Express Base Specification 2.0c, 3.1.3.6.

use super::bits::{
    bit,
    field, //
};

/// The 32-bit controller status property.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(crate) struct Csts(u32);

/// CSTS.SHST: how far a shutdown is.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(crate) enum ShutdownStatus {
    /// 00b: none was asked for.
    Normal,
    /// 01b: under way.
    Occurring,
    /// 10b: complete, and it is safe to remove power (with CSTS.ST = 0).
    Complete,
    /// 11b: reserved.
    Reserved,
}

impl Csts {
    /// The value as read.
    pub(crate) const fn from_bits(bits: u32) -> Self {
        Self(bits)
    }

    /// The value as read.
    pub(crate) const fn bits(self) -> u32 {
        self.0
    }

    /// Whether it reads all ones: no device answers there any more.
    ///
    /// Asked before anything else. All other fields are meaningless then.
    pub(crate) const fn is_gone(self) -> bool {
        self.0 == u32::MAX
    }

    /// RDY, bit 0: the controller processes commands.
    pub(crate) const fn rdy(self) -> bool {
        bit(self.0 as u64, 0)
    }

    /// CFS, bit 1: the controller has a fatal error that it could not report otherwise.
    pub(crate) const fn cfs(self) -> bool {
        bit(self.0 as u64, 1)
    }

    /// SHST, bits 3:2.
    pub(crate) const fn shst(self) -> ShutdownStatus {
        match field(self.0 as u64, 3, 2) {
            0 => ShutdownStatus::Normal,
            1 => ShutdownStatus::Occurring,
            2 => ShutdownStatus::Complete,
            _ => ShutdownStatus::Reserved,
        }
    }

    /// NSSRO, bit 4: an NVM subsystem reset happened; written with 1 to clear.
    pub(crate) const fn nssro(self) -> bool {
        bit(self.0 as u64, 4)
    }

    /// PP, bit 5: processing is paused, for instance while firmware is activated.
    pub(crate) const fn pp(self) -> bool {
        bit(self.0 as u64, 5)
    }

    /// ST, bit 6: SHST is about the whole NVM subsystem, not about this controller alone.
    pub(crate) const fn st(self) -> bool {
        bit(self.0 as u64, 6)
    }

    /// RDY alone.
    pub(crate) const RDY: Self = Self(1 << 0);

    /// The value that clears NSSRO when it is written: every other field is read only.
    pub(crate) const CLEAR_NSSRO: Self = Self(1 << 4);
}
