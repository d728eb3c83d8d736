// SPDX-License-Identifier: GPL-2.0

//! The submission queue entry, a command as the controller reads it.
//!
//! NVM Express Base Specification 2.0c, 3.3.3.1.

use core::fmt;

use zerocopy::byteorder::little_endian::{
    U32,
    U64, //
};
use zerocopy_derive::{
    Immutable,
    IntoBytes, //
};

use super::{
    bits::{
        assert_layout,
        field, //
    },
    command::Command,
    ids::Nsid, //
};
use crate::dma::{
    prp::Prps,
    DmaAddr, //
};

/// A submission queue entry.
///
/// It can be read as bytes, but not made from bytes: the addresses in it come from
/// [`Prps`] and [`DmaAddr`] alone.
#[derive(Clone, Copy, PartialEq, Eq, IntoBytes, Immutable)]
#[repr(C, align(8))]
pub(crate) struct Sqe {
    /// CDW0: opcode 7:0, FUSE 9:8, PSDT 15:14, command identifier 31:16.
    cdw0: U32,
    nsid: U32,
    cdw2: U32,
    cdw3: U32,
    /// MPTR, the address of the metadata.
    mptr: U64,
    /// DPTR, first half.
    prp1: U64,
    /// DPTR, second half.
    prp2: U64,
    cdw10: U32,
    cdw11: U32,
    cdw12: U32,
    cdw13: U32,
    cdw14: U32,
    cdw15: U32,
}

assert_layout!(
    Sqe, 64,
    cdw0 @ 0, nsid @ 4, cdw2 @ 8, cdw3 @ 12, mptr @ 16, prp1 @ 24, prp2 @ 32,
    cdw10 @ 40, cdw11 @ 44, cdw12 @ 48, cdw13 @ 52, cdw14 @ 56, cdw15 @ 60,
);

impl Sqe {
    /// The size in bytes, 2^CC.IOSQES.
    pub(crate) const SIZE: u32 = core::mem::size_of::<Self>() as u32;

    /// The entry for `command` with the identifier `cid`, its data described by PRPs (PSDT 00b).
    #[inline(always)] // The data path: from registers to the ring, with no copy in between.
    pub(crate) fn from_command(command: &Command, cid: u16, prps: Prps) -> Self {
        Self {
            cdw0: U32::new(u32::from(command.opcode) | u32::from(cid) << 16),
            nsid: U32::new(command.nsid.get()),
            cdw2: U32::new(command.cdw2),
            cdw3: U32::new(command.cdw3),
            mptr: U64::ZERO,
            prp1: U64::new(prps.prp1().bits()),
            prp2: U64::new(prps.prp2().bits()),
            cdw10: U32::new(command.cdw10),
            cdw11: U32::new(command.cdw11),
            cdw12: U32::new(command.cdw12),
            cdw13: U32::new(command.cdw13),
            cdw14: U32::new(command.cdw14),
            cdw15: U32::new(command.cdw15),
        }
    }

    /// The same entry, with its metadata in a contiguous buffer.
    pub(crate) fn with_metadata(mut self, addr: DmaAddr) -> Self {
        self.mptr = U64::new(addr.bits());
        self
    }

    /// OPC, the opcode.
    pub(crate) fn opcode(&self) -> u8 {
        self.cdw0.get() as u8
    }

    /// CID, the command identifier.
    pub(crate) fn cid(&self) -> u16 {
        field(u64::from(self.cdw0.get()), 31, 16) as u16
    }

    /// NSID.
    pub(crate) fn nsid(&self) -> Nsid {
        Nsid::new(self.nsid.get())
    }
}

impl fmt::Debug for Sqe {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Sqe")
            .field("opcode", &self.opcode())
            .field("cid", &self.cid())
            .field("nsid", &self.nsid.get())
            .field("mptr", &self.mptr.get())
            .field("prp1", &self.prp1.get())
            .field("prp2", &self.prp2.get())
            .field("cdw10", &self.cdw10.get())
            .field("cdw11", &self.cdw11.get())
            .field("cdw12", &self.cdw12.get())
            .field("cdw13", &self.cdw13.get())
            .field("cdw14", &self.cdw14.get())
            .field("cdw15", &self.cdw15.get())
            .finish()
    }
}
