// SPDX-License-Identifier: GPL-2.0

//! Commands of the NVM command set.
//!
//! NVM Command Set Specification 1.0c, 3.2; Flush is in NVM Express Base Specification 2.0c, 7.1.

use zerocopy::byteorder::little_endian::{
    U32,
    U64, //
};
use zerocopy_derive::{
    FromBytes,
    Immutable,
    IntoBytes,
    KnownLayout, //
};

use super::{
    bits::assert_layout,
    command::Command,
    ids::Nsid,
    lba::LbaRange,
    opcode::IoOpcode, //
};

/// The bits of command dwords 12 and 13 that say how to read or write.
///
/// ```ignore
/// let how = IoControl::NONE.fua();
/// ```
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(crate) struct IoControl {
    /// Bits 31:16 of command dword 12.
    cdw12: u32,
    /// DSM, bits 7:0 of command dword 13.
    cdw13: u32,
}

impl IoControl {
    /// Nothing special.
    pub(crate) const NONE: Self = Self { cdw12: 0, cdw13: 0 };

    /// Both dwords in one number, to keep them where an integer has to be.
    pub(crate) const fn bits(self) -> u64 {
        (self.cdw13 as u64) << 32 | self.cdw12 as u64
    }

    /// What [`Self::bits`] was made of.
    #[inline(always)] // The data path; nothing but moves.
    pub(crate) const fn from_bits(bits: u64) -> Self {
        Self {
            // CAST: the halves.
            cdw12: bits as u32,
            cdw13: (bits >> 32) as u32,
        }
    }

    /// FUA, bit 30: the data is on non-volatile media when the command completes.
    #[inline(always)] // The data path; one instruction.
    pub(crate) const fn fua(mut self) -> Self {
        self.cdw12 |= 1 << 30;
        self
    }

    /// LR, bit 31: the controller limits its efforts to retry.
    #[inline(always)] // The data path; one instruction.
    pub(crate) const fn limited_retry(mut self) -> Self {
        self.cdw12 |= 1 << 31;
        self
    }

    /// PRINFO.PRACT, bit 29: the controller makes or strips the protection information.
    #[inline(always)] // The data path; one instruction.
    pub(crate) const fn protection_action(mut self) -> Self {
        self.cdw12 |= 1 << 29;
        self
    }

    /// DSM access frequency 7h (reads only): this is a speculative read, a prefetch.
    #[inline(always)] // The data path; one instruction.
    pub(crate) const fn prefetch(mut self) -> Self {
        self.cdw13 |= 7;
        self
    }
}

/// Read or Write, told apart by their opcodes.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
#[repr(u8)]
pub(crate) enum Transfer {
    /// Read (NVM 3.2.4).
    Read = IoOpcode::READ.0,
    /// Write (NVM 3.2.6).
    Write = IoOpcode::WRITE.0,
}

/// Read or Write of the blocks `range`.
#[inline(always)] // The data path: arguments become stores into the ring.
pub(crate) const fn transfer(
    what: Transfer,
    nsid: Nsid,
    range: LbaRange,
    how: IoControl,
) -> Command {
    let mut command = Command::new(what as u8, nsid);
    command.cdw10 = range.start as u32; // SLBA, low half.
    command.cdw11 = (range.start >> 32) as u32; // SLBA, high half.
    command.cdw12 = range.blocks.nlb() as u32 | how.cdw12; // NLB, bits 15:0.
    command.cdw13 = how.cdw13;
    command
}

/// Write Zeroes (NVM 3.2.8) to the blocks `range`.
///
/// With `deallocate` (DEAC) the controller should deallocate the blocks. The caller has made sure
/// that they read as zeroes then.
pub(crate) const fn write_zeroes(
    nsid: Nsid,
    range: LbaRange,
    how: IoControl,
    deallocate: bool,
) -> Command {
    let mut command = Command::new(IoOpcode::WRITE_ZEROES.0, nsid);
    command.cdw10 = range.start as u32; // SLBA, low half.
    command.cdw11 = (range.start >> 32) as u32; // SLBA, high half.

    // NLB, bits 15:0; DEAC, bit 25.
    command.cdw12 = range.blocks.nlb() as u32 | how.cdw12 | (deallocate as u32) << 25;
    command
}

/// Flush (Base 7.1): what was written to the namespace becomes non-volatile.
pub(crate) const fn flush(nsid: Nsid) -> Command {
    Command::new(IoOpcode::FLUSH.0, nsid)
}

/// The most ranges of one Dataset Management command.
pub(crate) const MAX_DSM_RANGES: usize = 256;

/// Dataset Management (NVM 3.2.3) that deallocates (AD) so many ranges, which its data lists.
///
/// `None` for no range or for more than [`MAX_DSM_RANGES`].
pub(crate) const fn deallocate(nsid: Nsid, ranges: usize) -> Option<Command> {
    if ranges == 0 || ranges > MAX_DSM_RANGES {
        return None;
    }
    let mut command = Command::new(IoOpcode::DATASET_MANAGEMENT.0, nsid);
    command.cdw10 = (ranges - 1) as u32; // NR, bits 7:0, 0's based.
    command.cdw11 = 1 << 2; // AD, bit 2.
    Some(command)
}

/// A range in the data of Dataset Management.
#[derive(Clone, Copy, PartialEq, Eq, Debug, FromBytes, IntoBytes, Immutable, KnownLayout)]
#[repr(C)]
pub(crate) struct DsmRange {
    /// Context attributes: hints, which deallocation has no use for.
    pub(crate) attributes: U32,
    /// The length in logical blocks.
    pub(crate) blocks: U32,
    /// The first logical block.
    pub(crate) start: U64,
}

assert_layout!(DsmRange, 16, attributes @ 0, blocks @ 4, start @ 8);

impl DsmRange {
    /// The range of `blocks` blocks from `start`.
    pub(crate) const fn new(start: u64, blocks: u32) -> Self {
        Self {
            attributes: U32::ZERO,
            blocks: U32::new(blocks),
            start: U64::new(start),
        }
    }
}
