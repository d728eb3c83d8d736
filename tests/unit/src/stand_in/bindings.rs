// SPDX-License-Identifier: GPL-2.0

//! Stands for the kernel's C structures.

#![allow(
    missing_docs,
    non_camel_case_types,
    non_upper_case_globals,
    reason = "as C has them"
)]

use std::{
    cell::Cell,
    rc::Rc, //
};

/// A request of blk-mq, aligned to a cache line as there.
#[repr(align(64))]
pub(crate) struct request {
    /// Its tag, which the test may make wrong.
    pub(crate) tag: usize,
    /// Which request this is.
    pub(crate) serial: u64,
    /// The queue that its tag belongs to.
    pub(crate) queue: *const (),
    /// How many requests there are.
    pub(crate) live: Rc<Cell<usize>>,
    /// How many of its completions are to count for nothing.
    pub(crate) hides: Cell<usize>,
}

/// Whether a completion of the request is one that counts for nothing.
///
/// # Safety
///
/// The caller owns `rq`.
pub(crate) unsafe fn rnvme_should_fake_timeout(rq: *mut request) -> bool {
    // SAFETY: By this function's requirement.
    let hides = unsafe { &(*rq).hides };
    let left = hides.get().checked_sub(1);
    left.inspect(|left| hides.set(*left)).is_some()
}

pub(crate) const SECTOR_SHIFT: u32 = 9;
pub(crate) const RNVME_MAX_BLOCK_SIZE: u32 = 65536;
pub(crate) const RNVME_HAS_ZONES: bool = true;
pub(crate) const RNVME_HAS_INTEGRITY: bool = true;

pub(crate) type blk_features_t = u32;
pub(crate) const BLK_FEAT_WRITE_CACHE: blk_features_t = 1 << 0;
pub(crate) const BLK_FEAT_FUA: blk_features_t = 1 << 1;
pub(crate) const BLK_FEAT_ROTATIONAL: blk_features_t = 1 << 2;
pub(crate) const BLK_FEAT_ADD_RANDOM: blk_features_t = 1 << 3;
pub(crate) const BLK_FEAT_IO_STAT: blk_features_t = 1 << 4;
pub(crate) const BLK_FEAT_STABLE_WRITES: blk_features_t = 1 << 5;
pub(crate) const BLK_FEAT_SYNCHRONOUS: blk_features_t = 1 << 6;
pub(crate) const BLK_FEAT_NOWAIT: blk_features_t = 1 << 7;
pub(crate) const BLK_FEAT_DAX: blk_features_t = 1 << 8;
pub(crate) const BLK_FEAT_POLL: blk_features_t = 1 << 9;
pub(crate) const BLK_FEAT_ZONED: blk_features_t = 1 << 10;
pub(crate) const BLK_FEAT_PCI_P2PDMA: blk_features_t = 1 << 12;
pub(crate) const BLK_FEAT_SKIP_TAGSET_QUIESCE: blk_features_t = 1 << 13;
pub(crate) const BLK_FEAT_ATOMIC_WRITES: blk_features_t = 1 << 14;
pub(crate) const BLK_FEAT_RAID_PARTIAL_STRIPES_EXPENSIVE: blk_features_t = 1 << 15;

pub(crate) const BLK_INTEGRITY_NOVERIFY: u8 = 1 << 0;
pub(crate) const BLK_INTEGRITY_NOGENERATE: u8 = 1 << 1;
pub(crate) const BLK_INTEGRITY_DEVICE_CAPABLE: u8 = 1 << 2;
pub(crate) const BLK_INTEGRITY_REF_TAG: u8 = 1 << 3;
pub(crate) const BLK_SPLIT_INTERVAL_CAPABLE: u8 = 1 << 5;

pub(crate) type blk_integrity_checksum = u8;
pub(crate) const blk_integrity_checksum_BLK_INTEGRITY_CSUM_NONE: blk_integrity_checksum = 0;
pub(crate) const blk_integrity_checksum_BLK_INTEGRITY_CSUM_IP: blk_integrity_checksum = 1;
pub(crate) const blk_integrity_checksum_BLK_INTEGRITY_CSUM_CRC: blk_integrity_checksum = 2;
pub(crate) const blk_integrity_checksum_BLK_INTEGRITY_CSUM_CRC64: blk_integrity_checksum = 3;

/// The metadata of a disk.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(crate) struct blk_integrity {
    pub(crate) flags: u8,
    pub(crate) csum_type: blk_integrity_checksum,
    pub(crate) metadata_size: u8,
    pub(crate) pi_offset: u8,
    pub(crate) interval_exp: u8,
    pub(crate) tag_size: u8,
    pub(crate) pi_tuple_size: u8,
}

/// The limits of a request queue, field by field as there.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(crate) struct queue_limits {
    pub(crate) features: blk_features_t,
    pub(crate) flags: u32,
    pub(crate) seg_boundary_mask: usize,
    pub(crate) virt_boundary_mask: usize,
    pub(crate) max_hw_sectors: u32,
    pub(crate) max_dev_sectors: u32,
    pub(crate) chunk_sectors: u32,
    pub(crate) max_sectors: u32,
    pub(crate) max_user_sectors: u32,
    pub(crate) max_segment_size: u32,
    pub(crate) max_fast_segment_size: u32,
    pub(crate) physical_block_size: u32,
    pub(crate) logical_block_size: u32,
    pub(crate) alignment_offset: u32,
    pub(crate) io_min: u32,
    pub(crate) io_opt: u32,
    pub(crate) max_discard_sectors: u32,
    pub(crate) max_hw_discard_sectors: u32,
    pub(crate) max_user_discard_sectors: u32,
    pub(crate) max_secure_erase_sectors: u32,
    pub(crate) max_write_zeroes_sectors: u32,
    pub(crate) max_wzeroes_unmap_sectors: u32,
    pub(crate) max_hw_wzeroes_unmap_sectors: u32,
    pub(crate) max_user_wzeroes_unmap_sectors: u32,
    pub(crate) max_hw_zone_append_sectors: u32,
    pub(crate) max_zone_append_sectors: u32,
    pub(crate) discard_granularity: u32,
    pub(crate) discard_alignment: u32,
    pub(crate) zone_write_granularity: u32,
    pub(crate) atomic_write_hw_max: u32,
    pub(crate) atomic_write_max_sectors: u32,
    pub(crate) atomic_write_hw_boundary: u32,
    pub(crate) atomic_write_boundary_sectors: u32,
    pub(crate) atomic_write_hw_unit_min: u32,
    pub(crate) atomic_write_unit_min: u32,
    pub(crate) atomic_write_hw_unit_max: u32,
    pub(crate) atomic_write_unit_max: u32,
    pub(crate) max_segments: u16,
    pub(crate) max_integrity_segments: u16,
    pub(crate) max_discard_segments: u16,
    pub(crate) max_write_streams: u16,
    pub(crate) write_stream_granularity: u32,
    pub(crate) max_open_zones: u32,
    pub(crate) max_active_zones: u32,
    pub(crate) dma_alignment: u32,
    pub(crate) dma_pad_mask: u32,
    pub(crate) integrity: blk_integrity,
}
