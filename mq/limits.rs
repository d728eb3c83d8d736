// SPDX-License-Identifier: GPL-2.0

//! The limits of a request queue (`struct queue_limits`), in bytes.
//!
//! C header: [`include/linux/blkdev.h`](srctree/include/linux/blkdev.h).
//!
//! What C keeps in sectors, in masks, or in two fields that must agree, is here a size or one
//! value. What belongs together is one structure, absent (`None`) where the device cannot do
//! it. [`super::limits_raw`] has the one place that converts and checks.
//!
//! What the administrator may set (the `max_user_...` fields, write-back off, statistics of
//! passthrough) and what the block layer computes is not here; an update leaves it alone.

use super::{
    integrity::IntegrityProfile,
    BlockSize,
    PowerOfTwo, //
};
use crate::bindings;

/// What a device is like (`BLK_FEAT_...`), as far as it is a matter of yes and no and of
/// nothing else: [`WriteCache`], [`ZoneLimits`] and [`AtomicWriteLimits`] bring their own.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Features(bindings::blk_features_t);

impl Features {
    /// None of them.
    pub(crate) const NONE: Self = Self(0);
    /// Seeking costs time.
    pub(crate) const ROTATIONAL: Self = Self(bindings::BLK_FEAT_ROTATIONAL);
    /// The times of its completions are random (for the kernel's random numbers).
    pub(crate) const ADD_RANDOM: Self = Self(bindings::BLK_FEAT_ADD_RANDOM);
    /// Statistics are kept. blk-mq sets this for each new queue.
    pub(crate) const IO_STAT: Self = Self(bindings::BLK_FEAT_IO_STAT);
    /// Data must not change while they are written.
    pub(crate) const STABLE_WRITES: Self = Self(bindings::BLK_FEAT_STABLE_WRITES);
    /// Requests are done when submitting them returns.
    pub(crate) const SYNCHRONOUS: Self = Self(bindings::BLK_FEAT_SYNCHRONOUS);
    /// Submitting need not sleep. blk-mq sets this for each new queue.
    pub(crate) const NOWAIT: Self = Self(bindings::BLK_FEAT_NOWAIT);
    /// Memory that programs may map as it is.
    pub(crate) const DAX: Self = Self(bindings::BLK_FEAT_DAX);
    /// Completions can be polled for. blk-mq sets this where the tag set has a map of queues
    /// to poll.
    pub(crate) const POLL: Self = Self(bindings::BLK_FEAT_POLL);
    /// The device can reach memory of other devices on the bus.
    pub(crate) const PCI_P2PDMA: Self = Self(bindings::BLK_FEAT_PCI_P2PDMA);
    /// Quiescing the tag set leaves this queue out: it does not wait for its `queue_rq`.
    pub(crate) const SKIP_TAGSET_QUIESCE: Self = Self(bindings::BLK_FEAT_SKIP_TAGSET_QUIESCE);
    /// Writing a part of a stripe is expensive.
    pub(crate) const RAID_PARTIAL_STRIPES_EXPENSIVE: Self =
        Self(bindings::BLK_FEAT_RAID_PARTIAL_STRIPES_EXPENSIVE);

    /// All that this type knows.
    pub(super) const ALL: Self = Self::NONE
        .with(Self::ROTATIONAL)
        .with(Self::ADD_RANDOM)
        .with(Self::IO_STAT)
        .with(Self::STABLE_WRITES)
        .with(Self::SYNCHRONOUS)
        .with(Self::NOWAIT)
        .with(Self::DAX)
        .with(Self::POLL)
        .with(Self::PCI_P2PDMA)
        .with(Self::SKIP_TAGSET_QUIESCE)
        .with(Self::RAID_PARTIAL_STRIPES_EXPENSIVE);

    /// These and `others`.
    pub(crate) const fn with(self, others: Self) -> Self {
        Self(self.0 | others.0)
    }

    /// These without `others`.
    pub(crate) const fn without(self, others: Self) -> Self {
        Self(self.0 & !others.0)
    }

    /// `others` if `yes`, and these in any case.
    pub(crate) const fn with_if(self, yes: bool, others: Self) -> Self {
        if yes {
            self.with(others)
        } else {
            self
        }
    }

    /// True if all of `others` are among these.
    pub(crate) const fn contains(self, others: Self) -> bool {
        self.0 & others.0 == others.0
    }

    /// Those of C's that this type knows.
    pub(super) const fn from_raw(raw: bindings::blk_features_t) -> Self {
        Self(raw & Self::ALL.0)
    }

    pub(super) const fn to_raw(self) -> bindings::blk_features_t {
        self.0
    }
}

/// Whether the device forgets what it wrote when power fails (`BLK_FEAT_WRITE_CACHE`,
/// `BLK_FEAT_FUA`).
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum WriteCache {
    /// It does not; it gets no flushes.
    Through,
    /// It does until a flush.
    Back,
    /// It does until a flush, and knows writes that are durable when they complete (FUA).
    BackWithFua,
}

/// How to discard.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct DiscardLimits {
    /// The largest discard in bytes, a block at least.
    pub(crate) max_bytes: u64,
    /// The most ranges in a discard; not 0.
    pub(crate) max_segments: u16,
    /// The unit that is really freed, in bytes; 0 for the physical block.
    pub(crate) granularity: u32,
    /// Where the first such unit begins, in bytes from the start of the disk.
    pub(crate) alignment: u32,
}

/// How to write zeroes without sending them.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct WriteZeroesLimits {
    /// The largest such write in bytes, a block at least.
    pub(crate) max_bytes: u64,
    /// It frees what it zeroes, unless the request says not to (`REQ_NOUNMAP`).
    pub(crate) unmap: bool,
}

/// Writes that are done whole or not at all, by bio (`RWF_ATOMIC`). Bytes.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct AtomicWriteLimits {
    /// The largest write of this kind that the device can do at all; `unit_max` at least.
    pub(crate) max_bytes: u32,
    /// Such a write does not cross a multiple of this; at least `max_bytes`.
    pub(crate) boundary: Option<PowerOfTwo>,
    /// The smallest unit.
    pub(crate) unit_min: PowerOfTwo,
    /// The largest unit.
    pub(crate) unit_max: PowerOfTwo,
}

/// Writes that say which belong together (`F_SET_RW_HINT`, `RWF_...` streams).
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct WriteStreamLimits {
    /// How many streams there are; not 0.
    pub(crate) max: u16,
    /// The unit that a stream is written in, in bytes; 0 if the device does not say.
    pub(crate) granularity: u32,
}

/// The zones of a disk that is written one zone after the other, from start to end each. Bytes.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct ZoneLimits {
    /// The size of each zone, but for the last, which may be smaller.
    pub(crate) size: PowerOfTwo,
    /// How many may be open at once; 0 for all.
    pub(crate) max_open: u32,
    /// How many may be active, which those that are open are as well; 0 for all.
    pub(crate) max_active: u32,
    /// The largest append; 0 if the device has no such command, and the block layer makes
    /// writes of appends.
    pub(crate) max_append: u64,
    /// The unit of writing; 0 for the logical block.
    pub(crate) write_granularity: u32,
}

/// The limits of a request queue. All sizes in bytes.
///
/// Start from [`QueueLimits::transfer`] and change what the device can do besides:
///
/// ```ignore
/// let limits = QueueLimits {
///     logical_block_size: BlockSize::of::<4096>(),
///     write_cache: WriteCache::BackWithFua,
///     ..QueueLimits::transfer(128 << 10, 32, None)
/// };
/// ```
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct QueueLimits {
    /// What the device is like.
    pub(crate) features: Features,
    /// Its write cache.
    pub(crate) write_cache: WriteCache,

    /// The unit of addressing.
    pub(crate) logical_block_size: BlockSize,
    /// The unit that the device writes without reading; a logical block at least.
    pub(crate) physical_block_size: PowerOfTwo,
    /// Where the first physical block begins; less than its size.
    pub(crate) alignment_offset: u32,
    /// The least size of a request that makes sense; 0 for the physical block.
    pub(crate) io_min: u32,
    /// The best size of a request, which C rounds down to physical blocks; 0 for unknown.
    pub(crate) io_opt: u32,

    /// The largest request; a page and a logical block at least.
    pub(crate) max_hw_bytes: u64,
    /// The largest request that the device behind the controller can do; 0 for no such limit.
    pub(crate) max_dev_bytes: u64,
    /// Requests do not cross multiples of this, a multiple of the logical block; 0 for none,
    /// and if the disk has zones (their size is the limit then).
    pub(crate) chunk: u64,

    /// The most segments of memory in a request; not 0.
    pub(crate) max_segments: u16,
    /// The largest segment; 4096 at least.
    pub(crate) max_segment_size: u32,
    /// A segment does not cross multiples of this; 4096 at least.
    pub(crate) segment_boundary: Option<PowerOfTwo>,
    /// Segments start and end at multiples of this, but for the start of the first and the
    /// end of the last.
    pub(crate) virt_boundary: Option<PowerOfTwo>,
    /// The alignment of memory: 2 to the size of a page.
    pub(crate) dma_alignment: PowerOfTwo,
    /// The length of passthrough data is padded to a multiple of this.
    pub(crate) dma_pad: Option<PowerOfTwo>,

    /// How to discard.
    pub(crate) discard: Option<DiscardLimits>,
    /// The largest secure erase; 0 if there is none.
    pub(crate) max_secure_erase: u64,
    /// How to write zeroes.
    pub(crate) write_zeroes: Option<WriteZeroesLimits>,
    /// Atomic writes.
    pub(crate) atomic_writes: Option<AtomicWriteLimits>,
    /// Write streams.
    pub(crate) write_streams: Option<WriteStreamLimits>,
    /// The zones, if the disk has such.
    pub(crate) zones: Option<ZoneLimits>,
    /// The metadata, if blocks have such and the block layer shall know of them.
    pub(crate) integrity: Option<IntegrityProfile>,
}

impl QueueLimits {
    /// The limits of a queue with blocks of 512 bytes that moves `max_hw_bytes` at most, in
    /// `max_segments` segments, and has no other ability. Memory is aligned to 4 bytes; a
    /// segment may have any size.
    pub(crate) const fn transfer(
        max_hw_bytes: u64,
        max_segments: u16,
        virt_boundary: Option<PowerOfTwo>,
    ) -> Self {
        Self {
            features: Features::NONE,
            write_cache: WriteCache::Through,
            logical_block_size: BlockSize::SECTOR,
            physical_block_size: PowerOfTwo::of::<512>(),
            alignment_offset: 0,
            io_min: 0,
            io_opt: 0,
            max_hw_bytes,
            max_dev_bytes: 0,
            chunk: 0,
            max_segments,
            max_segment_size: u32::MAX,
            segment_boundary: None,
            virt_boundary,
            dma_alignment: PowerOfTwo::of::<4>(),
            dma_pad: None,
            discard: None,
            max_secure_erase: 0,
            write_zeroes: None,
            atomic_writes: None,
            write_streams: None,
            zones: None,
            integrity: None,
        }
    }

    /// The same with another block size, logical and physical.
    pub(crate) fn block_size(self, size: BlockSize) -> Self {
        Self {
            logical_block_size: size,
            physical_block_size: size.into(),
            ..self
        }
    }
}
