// SPDX-License-Identifier: GPL-2.0

//! Sizes and ranges of logical blocks.
//!
//! NVM Command Set Specification 1.0c, 2.1 and 3.2.

use core::fmt;

/// The size of a logical block.
///
/// # Invariants
///
/// The size is 2^`shift` bytes, and `shift` is 9 to 12: 512 to 4096 bytes. The specification has no
/// smaller ones, and larger ones are not supported, since the page cache of a kernel with 4-KiB
/// pages would need them in one piece.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Debug)]
pub(crate) struct LbaSize {
    shift: u8,
}

/// A size of logical blocks, or what a device says is one, that is not an [`LbaSize`].
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(crate) struct UnsupportedLbaSize {
    /// LBADS: the logarithm to base 2 of the size in bytes, or 0 for a format that is not
    /// available.
    pub(crate) lbads: u8,
}

impl fmt::Display for UnsupportedLbaSize {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(
            f,
            "logical blocks of 2^{} bytes are not supported (2^9 to 2^12 are)",
            self.lbads
        )
    }
}

impl LbaSize {
    /// 512 bytes, the smallest.
    pub(crate) const BYTES_512: Self = Self { shift: 9 };
    /// 4096 bytes, the largest.
    pub(crate) const BYTES_4096: Self = Self { shift: 12 };

    /// From LBADS, the logarithm to base 2 of the size in bytes.
    pub(crate) const fn from_lbads(lbads: u8) -> Result<Self, UnsupportedLbaSize> {
        match lbads {
            // INVARIANT: Just matched.
            9..=12 => Ok(Self { shift: lbads }),
            _ => Err(UnsupportedLbaSize { lbads }),
        }
    }

    /// A number for the size, to keep it where an integer has to be.
    pub(crate) const fn code(self) -> u64 {
        self.shift.wrapping_sub(Self::BYTES_512.shift) as u64
    }

    /// The size with this number.
    #[inline(always)] // The data path; two instructions.
    pub(crate) const fn from_code(code: u64) -> Self {
        // INVARIANT: 9 to 12. CAST: two bits.
        Self {
            shift: Self::BYTES_512.shift + (code & 3) as u8,
        }
    }

    /// The logarithm to base 2 of the size in bytes, 9 to 12.
    pub(crate) const fn shift(self) -> u32 {
        self.shift as u32
    }

    /// The size in bytes.
    pub(crate) const fn bytes(self) -> u32 {
        1u32.wrapping_shl(self.shift())
    }

    /// How many blocks fit into `bytes` bytes.
    #[inline(always)] // The data path; one instruction.
    pub(crate) const fn blocks_in(self, bytes: u64) -> u64 {
        bytes.wrapping_shr(self.shift())
    }

    /// The length of `blocks` blocks in bytes, or `None` if that is 2^64 or more.
    pub(crate) const fn bytes_of(self, blocks: u64) -> Option<u64> {
        blocks.checked_mul(self.bytes() as u64)
    }
}

/// The number of blocks of a command, as its NLB field has it.
///
/// # Invariants
///
/// It is 1 to 65,536: the 0's based form has 16 bits.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Debug)]
pub(crate) struct BlockCount {
    zero_based: u16,
}

impl BlockCount {
    /// The most that a command can name.
    pub(crate) const MAX: u32 = 1 << 16;

    /// So many blocks, if a command can name them.
    #[inline(always)] // The data path; two instructions and a branch that is never taken.
    pub(crate) const fn new(blocks: u32) -> Option<Self> {
        let zero_based = blocks.wrapping_sub(1);
        if zero_based > u16::MAX as u32 {
            return None;
        }
        // INVARIANT: Just checked; 0 has become `u32::MAX`.
        Some(Self {
            zero_based: zero_based as u16,
        })
    }

    /// The number of blocks.
    pub(crate) const fn get(self) -> u32 {
        self.zero_based as u32 + 1
    }

    /// The value for NLB.
    #[inline(always)] // A field.
    pub(crate) const fn nlb(self) -> u16 {
        self.zero_based
    }
}

/// The blocks that a command is about.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(crate) struct LbaRange {
    /// SLBA, the first one.
    pub(crate) start: u64,
    /// How many.
    pub(crate) blocks: BlockCount,
}

impl fmt::Display for LbaRange {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "LBA {}, {} blocks", self.start, self.blocks.get())
    }
}
