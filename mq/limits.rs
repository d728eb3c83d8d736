// SPDX-License-Identifier: GPL-2.0

//! The limits of a request queue, in bytes.

use crate::bindings;
use kernel::prelude::*;

/// A block size: a power of two, 512 bytes to the size of a page.
///
/// # Invariants
///
/// The shift is at least 9 and at most `PAGE_SHIFT`.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct BlockSize(u8);

impl BlockSize {
    /// 512 bytes.
    pub(crate) const SECTOR: Self = Self(9);

    /// A block size that a device gave.
    ///
    /// # Errors
    ///
    /// `EINVAL` if it is not a power of two from 512 to the size of a page.
    pub(crate) fn new(bytes: u32) -> Result<Self> {
        // CAST: widening.
        if !bytes.is_power_of_two() || bytes < 512 || bytes as usize > kernel::page::PAGE_SIZE {
            return Err(EINVAL);
        }
        // INVARIANT: checked above. CAST: at most 31.
        Ok(Self(bytes.trailing_zeros() as u8))
    }

    /// The size in bytes.
    pub(crate) const fn bytes(self) -> u32 {
        1u32.wrapping_shl(self.0 as u32)
    }
}

/// The limits of a request queue (`struct queue_limits`). All sizes in bytes; 0
/// is "none" or "not supported" where C has it so.
#[derive(Clone, Copy, Debug)]
pub(crate) struct QueueLimits {
    /// The unit of addressing.
    pub(crate) logical_block_size: BlockSize,
    /// The unit that the device writes without reading.
    pub(crate) physical_block_size: u32,
    /// The least size of a request that makes sense.
    pub(crate) io_min: u32,
    /// The best size of a request.
    pub(crate) io_opt: u32,
    /// The largest request.
    pub(crate) max_hw_bytes: u32,
    /// The most segments of memory in a request.
    pub(crate) max_segments: u16,
    /// Segments start and end at multiples of this plus one, but for the start of
    /// the first and the end of the last.
    pub(crate) virt_boundary_mask: usize,
    /// The alignment of memory, minus one.
    pub(crate) dma_alignment: u32,
    /// Requests do not cross multiples of this.
    pub(crate) chunk: u32,
    /// The largest discard.
    pub(crate) max_discard: u64,
    /// The most ranges in a discard.
    pub(crate) max_discard_segments: u16,
    /// The unit of discarding.
    pub(crate) discard_granularity: u32,
    /// The largest write-zeroes.
    pub(crate) max_write_zeroes: u32,
    /// The largest write-zeroes that deallocates.
    pub(crate) max_write_zeroes_unmap: u32,
    /// The device has a volatile write cache, and knows flush and FUA.
    pub(crate) write_cache: bool,
}

impl QueueLimits {
    /// The limits of a queue that moves `max_hw_bytes` in pages of 4 KiB and has
    /// no other abilities.
    pub(crate) const fn transfer(max_hw_bytes: u32, max_segments: u16, page_mask: usize) -> Self {
        Self {
            logical_block_size: BlockSize::SECTOR,
            physical_block_size: 512,
            io_min: 512,
            io_opt: 0,
            max_hw_bytes,
            max_segments,
            virt_boundary_mask: page_mask,
            dma_alignment: 3,
            chunk: 0,
            max_discard: 0,
            max_discard_segments: 1,
            discard_granularity: 0,
            max_write_zeroes: 0,
            max_write_zeroes_unmap: 0,
            write_cache: false,
        }
    }

    /// The form that C knows.
    pub(super) fn to_raw(self) -> bindings::queue_limits {
        let sectors = |bytes: u32| bytes >> bindings::SECTOR_SHIFT;
        bindings::queue_limits {
            features: if self.write_cache {
                bindings::BLK_FEAT_WRITE_CACHE | bindings::BLK_FEAT_FUA
            } else {
                0
            },
            logical_block_size: self.logical_block_size.bytes(),
            physical_block_size: self.physical_block_size,
            io_min: self.io_min,
            io_opt: self.io_opt,
            max_hw_sectors: sectors(self.max_hw_bytes),
            max_segments: self.max_segments,
            max_segment_size: u32::MAX,
            virt_boundary_mask: self.virt_boundary_mask,
            dma_alignment: self.dma_alignment,
            chunk_sectors: sectors(self.chunk),
            max_hw_discard_sectors: u32::try_from(self.max_discard >> bindings::SECTOR_SHIFT)
                .unwrap_or(u32::MAX),
            max_discard_segments: self.max_discard_segments,
            discard_granularity: self.discard_granularity,
            max_write_zeroes_sectors: sectors(self.max_write_zeroes),
            max_hw_wzeroes_unmap_sectors: sectors(self.max_write_zeroes_unmap),
            ..pin_init::zeroed()
        }
    }
}
