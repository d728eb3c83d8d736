// SPDX-License-Identifier: GPL-2.0

//! The completion queue entry, what the controller says about a command.
//!
//! NVM Express Base Specification 2.0c, 3.3.3.2.

use zerocopy::byteorder::little_endian::U64;
use zerocopy_derive::{
    FromBytes,
    Immutable,
    IntoBytes,
    KnownLayout, //
};

use super::{
    bits::{
        assert_layout,
        bit,
        field, //
    },
    ids::QueueId,
    status::Status, //
};

/// A completion queue entry in memory.
///
/// The controller writes it as it pleases. The second half, which holds the phase tag, must be
/// read before the first, and in one piece: [`CqeTail`].
#[derive(Clone, Copy, FromBytes, IntoBytes, Immutable, KnownLayout)]
#[repr(C, align(8))]
pub(crate) struct Cqe {
    /// DW0 and DW1: what the command returns besides its status.
    pub(crate) result: U64,
    /// DW2 and DW3: [`CqeTail`].
    pub(crate) tail: U64,
}

assert_layout!(Cqe, 16, result @ 0, tail @ 8);

impl Cqe {
    /// The size in bytes, 2^CC.IOCQES.
    pub(crate) const SIZE: u32 = core::mem::size_of::<Self>() as u32;
}

/// DW2 and DW3 of a completion queue entry, from one load of 64 bits.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(crate) struct CqeTail(u64);

impl CqeTail {
    /// From the eight bytes as they are in memory, read as one integer.
    #[inline(always)] // Nothing at all on a little-endian machine.
    pub(crate) const fn from_le(bits: u64) -> Self {
        Self(u64::from_le(bits))
    }

    /// SQHD, bits 15:0: up to where the controller has fetched the submission queue.
    pub(crate) const fn sq_head(self) -> u16 {
        field(self.0, 15, 0) as u16
    }

    /// SQID, bits 31:16: the submission queue that the command was in.
    pub(crate) const fn sq_id(self) -> QueueId {
        QueueId::new(field(self.0, 31, 16) as u16)
    }

    /// CID, bits 47:32: the identifier of the command.
    pub(crate) const fn cid(self) -> u16 {
        field(self.0, 47, 32) as u16
    }

    /// The same with another identifier, which differs in a bit of the generation.
    #[cfg(CONFIG_RNVME_FAULT_INJECTION)]
    pub(crate) const fn with_stale_cid(self) -> Self {
        Self(self.0 ^ 1 << 46)
    }

    /// P, bit 48: it changes each time that the controller comes by.
    pub(crate) const fn phase(self) -> bool {
        bit(self.0, 48)
    }

    /// Status field, bits 63:49.
    pub(crate) const fn status(self) -> Status {
        Status::from_field(field(self.0, 63, 49) as u16)
    }
}

/// What is left of a completion once it was found to be one.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(crate) struct Completion {
    /// DW0 and DW1: what the command returns.
    pub(crate) result: u64,
    /// How the command ended.
    pub(crate) status: Status,
}

impl Completion {
    /// DW0, all that most commands return.
    pub(crate) const fn dw0(&self) -> u32 {
        self.result as u32
    }
}
