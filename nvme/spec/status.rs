// SPDX-License-Identifier: GPL-2.0

//! The status of a completed command, and what it means for the block layer.
//!
//! NVM Express Base Specification 2.0c, 3.3.3.2.1.

use core::fmt;

use super::{
    bits::{
        bit,
        field, //
    },
    status_code::{
        self,
        command_specific,
        generic,
        media,
        path, //
    }, //
};

/// The status field of a completion queue entry without the phase tag.
///
/// In this form, 15 bits, Linux returns it to callers of its passthrough ioctls.
#[derive(Clone, Copy, PartialEq, Eq)]
pub(crate) struct Status(u16);

impl Status {
    /// The command succeeded.
    pub(crate) const SUCCESS: Self = generic::SUCCESS;

    /// DNR, "do not retry", as a bit of [`Self::bits`].
    pub(crate) const DNR: u16 = 1 << 14;

    /// From bits 31:17 of the last dword of a completion queue entry.
    pub(crate) const fn from_field(bits: u16) -> Self {
        Self(bits & 0x7fff)
    }

    /// The status with this type and code, of which nothing else is known.
    pub(crate) const fn from_parts(sct: u8, sc: u8) -> Self {
        Self(((sct & 0b111) as u16) << 8 | sc as u16)
    }

    /// The 15 bits.
    pub(crate) const fn bits(self) -> u16 {
        self.0
    }

    /// SC, bits 7:0: the status code.
    pub(crate) const fn sc(self) -> u8 {
        field(self.0 as u64, 7, 0) as u8
    }

    /// SCT, bits 10:8: the status code type.
    pub(crate) const fn sct(self) -> u8 {
        field(self.0 as u64, 10, 8) as u8
    }

    /// CRD, bits 12:11: which of the controller's three retry delays to wait for, 1 to 3; 0 for
    /// none.
    ///
    /// See [`IdentifyCtrl::retry_delay_ms`](super::identify_ctrl::IdentifyCtrl::retry_delay_ms).
    pub(crate) const fn crd(self) -> u8 {
        field(self.0 as u64, 12, 11) as u8
    }

    /// M, bit 13: the Error Information log has more about it.
    pub(crate) const fn more(self) -> bool {
        bit(self.0 as u64, 13)
    }

    /// DNR, bit 14: the same command would fail again.
    pub(crate) const fn dnr(self) -> bool {
        bit(self.0 as u64, 14)
    }

    /// Whether the command succeeded.
    pub(crate) const fn is_success(self) -> bool {
        self.code().0 == 0
    }

    /// Whether sending the same command again may succeed.
    ///
    /// How often and how long to try is up to the caller.
    pub(crate) const fn is_retryable(self) -> bool {
        !self.is_success() && !self.dnr()
    }

    /// The same status without CRD, M and DNR, to be compared with the constants of
    /// [`status_code`].
    pub(crate) const fn code(self) -> Self {
        Self(self.0 & 0x7ff)
    }

    /// The specification's name of the status, if we know it.
    pub(crate) const fn name(self) -> Option<&'static str> {
        status_code::name(self.sct(), self.sc())
    }

    /// What to tell the block layer.
    pub(crate) const fn block_status(self) -> BlockStatus {
        use BlockStatus as To;
        match self.code() {
            generic::SUCCESS => To::Ok,
            generic::CAPACITY_EXCEEDED => To::NoSpace,
            generic::LBA_RANGE | generic::COMMAND_INTERRUPTED | generic::NS_NOT_READY => To::Target,
            generic::INVALID_OPCODE
            | generic::INVALID_FIELD
            | generic::INVALID_NS_OR_FORMAT
            | command_specific::CONFLICTING_ATTRIBUTES => To::NotSupported,
            media::WRITE_FAULT
            | media::UNRECOVERED_READ
            | media::DEALLOCATED
            | media::ACCESS_DENIED
            | media::COMPARE_FAILURE
            | command_specific::READ_ONLY_RANGE => To::Medium,
            media::GUARD_CHECK
            | media::APPLICATION_TAG_CHECK
            | media::REFERENCE_TAG_CHECK
            | media::STORAGE_TAG_CHECK
            | command_specific::INVALID_PROTECTION_INFO => To::Protection,
            generic::RESERVATION_CONFLICT => To::ReservationConflict,
            path::HOST_PATHING_ERROR => To::Transport,
            command_specific::ZONE_TOO_MANY_ACTIVE => To::ZoneActiveResource,
            command_specific::ZONE_TOO_MANY_OPEN => To::ZoneOpenResource,
            _ => To::IoError,
        }
    }
}

impl fmt::Display for Status {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let kind = match self.sct() {
            0 => "generic status",
            1 => "command specific status",
            2 => "media error",
            3 => "path error",
            7 => "vendor specific status",
            _ => "reserved status",
        };
        let (sct, sc) = (self.sct(), self.sc());
        write!(
            f,
            "{} (SCT {sct:X}h, SC {sc:02X}h{}{})",
            self.name().unwrap_or(kind),
            if self.dnr() { ", DNR" } else { "" },
            if self.more() { ", M" } else { "" },
        )
    }
}

impl fmt::Debug for Status {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Status({:#06x}: {self})", self.0)
    }
}

/// The part of `blk_status_t` that an NVMe status can become.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(crate) enum BlockStatus {
    /// `BLK_STS_OK`.
    Ok,
    /// `BLK_STS_NOSPC`: the namespace is full.
    NoSpace,
    /// `BLK_STS_TARGET`: the device cannot do it, another path to it could not either.
    Target,
    /// `BLK_STS_NOTSUPP`: the device does not know the command or a field of it.
    NotSupported,
    /// `BLK_STS_MEDIUM`: the data is lost or cannot be stored.
    Medium,
    /// `BLK_STS_PROTECTION`: the protection information does not match.
    Protection,
    /// `BLK_STS_RESV_CONFLICT`: someone else has reserved the namespace.
    ReservationConflict,
    /// `BLK_STS_TRANSPORT`: the device could not be reached.
    Transport,
    /// `BLK_STS_ZONE_ACTIVE_RESOURCE`: too many zones are active.
    ZoneActiveResource,
    /// `BLK_STS_ZONE_OPEN_RESOURCE`: too many zones are open.
    ZoneOpenResource,
    /// `BLK_STS_IOERR`: anything else.
    IoError,
}
