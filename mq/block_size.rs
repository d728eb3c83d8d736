// SPDX-License-Identifier: GPL-2.0

//! Sizes that can only be a power of two.
//!
//! A literal is checked by the compiler ([`BlockSize::of`], [`PowerOfTwo::of`]), a value that
//! a device gave is checked once, on its way into the type (`new`). After that there is
//! nothing left to check.

use crate::bindings;
use kernel::prelude::*;

/// A power of two, in bytes.
///
/// # Invariants
///
/// The shift is at most 63.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) struct PowerOfTwo(u8);

impl PowerOfTwo {
    /// The size `BYTES`; does not compile if that is not a power of two.
    pub(crate) const fn of<const BYTES: u64>() -> Self {
        const { assert!(BYTES.is_power_of_two(), "not a power of two") };
        // INVARIANT: a `u64` has 63 trailing zeroes at most if it is not 0.
        Self(BYTES.trailing_zeros() as u8)
    }

    /// A size that a device gave, in bytes.
    ///
    /// # Errors
    ///
    /// `EINVAL` if it is not a power of two.
    pub(crate) fn new(bytes: u64) -> Result<Self> {
        if !bytes.is_power_of_two() {
            return Err(EINVAL);
        }
        // INVARIANT: as above. CAST: at most 63.
        Ok(Self(bytes.trailing_zeros() as u8))
    }

    /// The size of which `mask` is one less; `None` if there is none, or if it is 2^64.
    pub(super) fn from_mask(mask: u64) -> Option<Self> {
        mask.checked_add(1).and_then(|bytes| Self::new(bytes).ok())
    }

    /// The size in bytes.
    pub(crate) const fn bytes(self) -> u64 {
        1u64.wrapping_shl(self.0 as u32)
    }

    /// One less than the size.
    pub(crate) const fn mask(self) -> u64 {
        self.bytes().wrapping_sub(1)
    }

    /// How many bits the size is shifted by.
    pub(crate) const fn shift(self) -> u32 {
        // CAST: widening.
        self.0 as u32
    }
}

/// The size of a logical block: a power of two from 512 bytes to what the block layer can do
/// ([`BlockSize::MAX`], `BLK_MAX_BLOCK_SIZE`).
///
/// # Invariants
///
/// The size is in these bounds.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) struct BlockSize(PowerOfTwo);

impl BlockSize {
    /// 512 bytes, the unit of the block layer.
    pub(crate) const SECTOR: Self = Self::of::<512>();

    /// The largest: 64 KiB where the kernel has large folios, else the size of a page.
    pub(crate) const MAX: u32 = bindings::RNVME_MAX_BLOCK_SIZE;

    /// The block size `BYTES`; does not compile if that is none.
    pub(crate) const fn of<const BYTES: u32>() -> Self {
        const {
            assert!(BYTES.is_power_of_two(), "not a power of two");
            assert!(BYTES >= 512, "smaller than a sector");
            assert!(BYTES <= Self::MAX, "larger than the block layer can do");
        }
        // INVARIANT: checked above.
        Self(PowerOfTwo(BYTES.trailing_zeros() as u8))
    }

    /// A block size that a device gave, in bytes.
    ///
    /// # Errors
    ///
    /// `EINVAL` if it is not a power of two, or out of bounds.
    pub(crate) fn new(bytes: u32) -> Result<Self> {
        if !(512..=Self::MAX).contains(&bytes) {
            return Err(EINVAL);
        }
        // INVARIANT: checked above, and by the call.
        PowerOfTwo::new(u64::from(bytes)).map(Self)
    }

    /// The size in bytes.
    pub(crate) const fn bytes(self) -> u32 {
        1u32.wrapping_shl(self.0.shift())
    }

    /// How many bits the size is shifted by: 9 for 512 bytes.
    pub(crate) const fn shift(self) -> u32 {
        self.0.shift()
    }
}

impl From<BlockSize> for PowerOfTwo {
    fn from(size: BlockSize) -> Self {
        size.0
    }
}
