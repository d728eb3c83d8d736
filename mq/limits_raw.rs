// SPDX-License-Identifier: GPL-2.0

//! The limits as C has them: the one place that converts bytes to sectors, sizes to masks, and
//! refuses what C would change without a word, warn of, or take for something else.
//!
//! A maximum that does not fit in C's field becomes the largest that does, and one that is no
//! whole number of sectors is rounded down: the device gets less than it could do. Everything
//! else either fits exactly, or is refused.

use super::{
    integrity::IntegrityProfile,
    limits::{
        AtomicWriteLimits,
        DiscardLimits,
        Features,
        QueueLimits,
        WriteCache,
        WriteStreamLimits,
        WriteZeroesLimits,
        ZoneLimits, //
    },
    BlockSize,
    PowerOfTwo, //
};
use crate::bindings;
use core::fmt;
use kernel::{
    page::PAGE_SIZE,
    prelude::*, //
};

/// The least that a segment must be able to have (`BLK_MIN_SEGMENT_SIZE`).
const MIN_SEGMENT: u64 = 4096;

/// What is wrong with limits.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum InvalidLimits {
    /// The physical block is smaller than the logical one, or larger than C's field.
    PhysicalBlock,
    /// The alignment offset is not within a physical block.
    AlignmentOffset,
    /// A request must be able to have a page, and a logical block.
    MaxTransfer,
    /// Chunks are no multiple of the logical block, too large, or of a disk with zones.
    Chunk,
    /// There must be a segment, of 4096 bytes, and boundaries not closer than that.
    Segments,
    /// Memory is aligned to 2 bytes at least, and to a page at most.
    DmaAlignment,
    /// A maximum is smaller than a logical block, or a count of what there is is 0.
    Discard,
    /// As [`Self::Discard`].
    SecureErase,
    /// As [`Self::Discard`].
    WriteZeroes,
    /// The units are not in order, or the boundary is too close, or does not fit the chunks.
    AtomicWrites,
    /// There are no streams.
    WriteStreams,
    /// The size of a zone does not fit, more zones may be open than active, or the kernel has
    /// no zones.
    Zones,
    /// The metadata are too small for the tuple, the reference tag has no guard, the interval
    /// is larger than a block, or the kernel has no integrity.
    Integrity,
}

impl fmt::Display for InvalidLimits {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::PhysicalBlock => "physical block size",
            Self::AlignmentOffset => "alignment offset",
            Self::MaxTransfer => "largest transfer",
            Self::Chunk => "chunk size",
            Self::Segments => "segments",
            Self::DmaAlignment => "alignment of memory",
            Self::Discard => "discard limits",
            Self::SecureErase => "largest secure erase",
            Self::WriteZeroes => "largest write-zeroes",
            Self::AtomicWrites => "atomic write limits",
            Self::WriteStreams => "write streams",
            Self::Zones => "zone limits",
            Self::Integrity => "integrity profile",
        })
    }
}

impl From<InvalidLimits> for Error {
    fn from(_: InvalidLimits) -> Self {
        EINVAL
    }
}

/// A maximum in sectors: rounded down, and as much as fits.
fn at_most(bytes: u64) -> u32 {
    u32::try_from(bytes >> bindings::SECTOR_SHIFT).unwrap_or(u32::MAX)
}

/// A size in sectors, exactly.
fn exactly(bytes: u64) -> Option<u32> {
    let sectors = u32::try_from(bytes >> bindings::SECTOR_SHIFT).ok()?;
    (self::bytes(sectors) == bytes).then_some(sectors)
}

/// A number of sectors in bytes.
fn bytes(sectors: u32) -> u64 {
    u64::from(sectors).wrapping_shl(bindings::SECTOR_SHIFT)
}

/// A power of two that C keeps in 32 bits.
fn small(size: PowerOfTwo) -> Option<u32> {
    u32::try_from(size.bytes()).ok()
}

/// A boundary, as C has it: a mask, 0 for none.
fn mask(size: Option<PowerOfTwo>) -> u64 {
    size.map_or(0, PowerOfTwo::mask)
}

/// The other way. A mask that is no size is none: all ones is C's word for "no limit".
fn size(mask: u64) -> Option<PowerOfTwo> {
    PowerOfTwo::from_mask(mask).filter(|size| size.bytes() > 1)
}

fn ensure(holds: bool, otherwise: InvalidLimits) -> Result<(), InvalidLimits> {
    if holds {
        Ok(())
    } else {
        Err(otherwise)
    }
}

impl QueueLimits {
    /// The form that C knows, for a new queue.
    pub(super) fn to_raw(self) -> Result<bindings::queue_limits, InvalidLimits> {
        let mut raw = bindings::queue_limits::default();
        self.write(&mut raw)?;
        Ok(raw)
    }

    /// Writes what the driver decides on, and leaves alone what others do.
    pub(super) fn write(&self, raw: &mut bindings::queue_limits) -> Result<(), InvalidLimits> {
        raw.features &= !(Features::ALL.to_raw()
            | bindings::BLK_FEAT_WRITE_CACHE
            | bindings::BLK_FEAT_FUA
            | bindings::BLK_FEAT_ZONED
            | bindings::BLK_FEAT_ATOMIC_WRITES);
        raw.features |= self.features.to_raw();
        raw.features |= match self.write_cache {
            WriteCache::Through => 0,
            WriteCache::Back => bindings::BLK_FEAT_WRITE_CACHE,
            WriteCache::BackWithFua => bindings::BLK_FEAT_WRITE_CACHE | bindings::BLK_FEAT_FUA,
        };
        self.write_sizes(raw)?;
        self.write_memory(raw)?;
        self.write_abilities(raw)?;
        self.write_zones(raw)?;
        self.write_atomic(raw)?;
        if let Some(profile) = &self.integrity {
            profile.check(self.logical_block_size)?;
        }
        raw.integrity = self
            .integrity
            .map_or_else(Default::default, IntegrityProfile::to_raw);
        raw.max_integrity_segments = self.integrity.map_or(0, |profile| profile.max_segments);
        Ok(())
    }

    /// Blocks and requests.
    fn write_sizes(&self, raw: &mut bindings::queue_limits) -> Result<(), InvalidLimits> {
        let block = self.logical_block_size.bytes();
        raw.logical_block_size = block;
        raw.physical_block_size = small(self.physical_block_size)
            .filter(|physical| *physical >= block)
            .ok_or(InvalidLimits::PhysicalBlock)?;
        ensure(
            self.alignment_offset < raw.physical_block_size,
            InvalidLimits::AlignmentOffset,
        )?;
        raw.alignment_offset = self.alignment_offset;
        raw.io_min = self.io_min;
        raw.io_opt = self.io_opt;
        // CAST: widening.
        let least = u64::from(block).max(PAGE_SIZE as u64);
        ensure(
            self.max_hw_bytes >= least && (self.max_dev_bytes == 0 || self.max_dev_bytes >= least),
            InvalidLimits::MaxTransfer,
        )?;
        raw.max_hw_sectors = at_most(self.max_hw_bytes);
        raw.max_dev_sectors = at_most(self.max_dev_bytes);
        Ok(())
    }

    /// Segments of memory.
    fn write_memory(&self, raw: &mut bindings::queue_limits) -> Result<(), InvalidLimits> {
        ensure(
            self.max_segments != 0
                && u64::from(self.max_segment_size) >= MIN_SEGMENT
                && self
                    .segment_boundary
                    .is_none_or(|boundary| boundary.bytes() >= MIN_SEGMENT),
            InvalidLimits::Segments,
        )?;
        raw.max_segments = self.max_segments;
        raw.max_segment_size = self.max_segment_size;
        let as_mask = |boundary| {
            kernel::ffi::c_ulong::try_from(mask(boundary)).map_err(|_| InvalidLimits::Segments)
        };
        raw.seg_boundary_mask = as_mask(self.segment_boundary)?;
        raw.virt_boundary_mask = as_mask(self.virt_boundary)?;
        // CAST: widening.
        raw.dma_alignment = small(self.dma_alignment)
            .filter(|bytes| (2..=PAGE_SIZE as u64).contains(&u64::from(*bytes)))
            .ok_or(InvalidLimits::DmaAlignment)?
            .wrapping_sub(1);
        raw.dma_pad_mask =
            u32::try_from(mask(self.dma_pad)).map_err(|_| InvalidLimits::DmaAlignment)?;
        Ok(())
    }

    /// What a device can do besides reading and writing.
    fn write_abilities(&self, raw: &mut bindings::queue_limits) -> Result<(), InvalidLimits> {
        let block = u64::from(self.logical_block_size.bytes());
        let discard = self.discard.unwrap_or(DiscardLimits {
            max_bytes: 0,
            max_segments: 1,
            granularity: 0,
            alignment: 0,
        });
        ensure(
            discard.max_segments != 0 && (self.discard.is_none() || discard.max_bytes >= block),
            InvalidLimits::Discard,
        )?;
        raw.max_hw_discard_sectors = at_most(discard.max_bytes);
        raw.max_discard_segments = discard.max_segments;
        raw.discard_granularity = discard.granularity;
        raw.discard_alignment = discard.alignment;

        ensure(
            self.max_secure_erase == 0 || self.max_secure_erase >= block,
            InvalidLimits::SecureErase,
        )?;
        raw.max_secure_erase_sectors = at_most(self.max_secure_erase);

        ensure(
            self.write_zeroes
                .is_none_or(|zeroes| zeroes.max_bytes >= block),
            InvalidLimits::WriteZeroes,
        )?;
        raw.max_write_zeroes_sectors = self
            .write_zeroes
            .map_or(0, |zeroes| at_most(zeroes.max_bytes));
        // C wants the same number here, or 0.
        raw.max_hw_wzeroes_unmap_sectors = match self.write_zeroes {
            Some(WriteZeroesLimits { unmap: true, .. }) => raw.max_write_zeroes_sectors,
            _ => 0,
        };

        ensure(
            self.write_streams.is_none_or(|streams| streams.max != 0),
            InvalidLimits::WriteStreams,
        )?;
        raw.max_write_streams = self.write_streams.map_or(0, |streams| streams.max);
        raw.write_stream_granularity = self.write_streams.map_or(0, |streams| streams.granularity);
        Ok(())
    }

    /// Zones, or chunks, which are the same field.
    fn write_zones(&self, raw: &mut bindings::queue_limits) -> Result<(), InvalidLimits> {
        let block = u64::from(self.logical_block_size.bytes());
        let Some(zones) = self.zones else {
            raw.chunk_sectors = exactly(self.chunk)
                .filter(|_| self.chunk % block == 0)
                .ok_or(InvalidLimits::Chunk)?;
            raw.max_open_zones = 0;
            raw.max_active_zones = 0;
            raw.max_hw_zone_append_sectors = 0;
            // Computed by C for a disk with zones, and refused for one without.
            raw.max_zone_append_sectors = 0;
            raw.zone_write_granularity = 0;
            return Ok(());
        };
        ensure(self.chunk == 0, InvalidLimits::Chunk)?;
        ensure(
            bindings::RNVME_HAS_ZONES
                && zones.size.bytes() >= block
                && (zones.max_active == 0 || zones.max_open <= zones.max_active)
                && (zones.max_append == 0 || zones.max_append >= block),
            InvalidLimits::Zones,
        )?;
        raw.features |= bindings::BLK_FEAT_ZONED;
        raw.chunk_sectors = exactly(zones.size.bytes()).ok_or(InvalidLimits::Zones)?;
        raw.max_open_zones = zones.max_open;
        raw.max_active_zones = zones.max_active;
        raw.max_hw_zone_append_sectors = at_most(zones.max_append);
        raw.zone_write_granularity = zones.write_granularity;
        Ok(())
    }

    /// Atomic writes. C warns of each of these mistakes, and goes on without.
    fn write_atomic(&self, raw: &mut bindings::queue_limits) -> Result<(), InvalidLimits> {
        raw.atomic_write_hw_max = 0;
        raw.atomic_write_hw_boundary = 0;
        raw.atomic_write_hw_unit_min = 0;
        raw.atomic_write_hw_unit_max = 0;
        let Some(atomic) = self.atomic_writes else {
            return Ok(());
        };
        let chunk = bytes(raw.chunk_sectors);
        let max = u64::from(atomic.max_bytes);
        ensure(
            atomic.unit_min <= atomic.unit_max
                && atomic.unit_min.bytes() >= u64::from(self.logical_block_size.bytes())
                && atomic.unit_max.bytes() <= max
                && max < u64::from(u32::MAX)
                && (chunk == 0 || max <= chunk),
            InvalidLimits::AtomicWrites,
        )?;
        if let Some(boundary) = atomic.boundary {
            let fits = chunk == 0 || chunk % boundary.bytes() == 0 || boundary.bytes() % chunk == 0;
            ensure(max <= boundary.bytes() && fits, InvalidLimits::AtomicWrites)?;
            raw.atomic_write_hw_boundary = small(boundary).ok_or(InvalidLimits::AtomicWrites)?;
        }
        raw.features |= bindings::BLK_FEAT_ATOMIC_WRITES;
        raw.atomic_write_hw_max = atomic.max_bytes;
        raw.atomic_write_hw_unit_min = small(atomic.unit_min).ok_or(InvalidLimits::AtomicWrites)?;
        raw.atomic_write_hw_unit_max = small(atomic.unit_max).ok_or(InvalidLimits::AtomicWrites)?;
        Ok(())
    }

    /// The limits that C has in effect: those that were given, after C's own roundings.
    pub(super) fn read(raw: &bindings::queue_limits) -> Result<Self, InvalidLimits> {
        let has = |feature| raw.features & feature != 0;
        let power =
            |bytes: u32, otherwise| PowerOfTwo::new(u64::from(bytes)).map_err(|_: Error| otherwise);
        let zoned = has(bindings::BLK_FEAT_ZONED);
        Ok(Self {
            features: Features::from_raw(raw.features),
            write_cache: match (
                has(bindings::BLK_FEAT_WRITE_CACHE),
                has(bindings::BLK_FEAT_FUA),
            ) {
                (false, _) => WriteCache::Through,
                (true, false) => WriteCache::Back,
                (true, true) => WriteCache::BackWithFua,
            },
            logical_block_size: BlockSize::new(raw.logical_block_size)
                .map_err(|_: Error| InvalidLimits::PhysicalBlock)?,
            physical_block_size: power(raw.physical_block_size, InvalidLimits::PhysicalBlock)?,
            alignment_offset: raw.alignment_offset,
            io_min: raw.io_min,
            io_opt: raw.io_opt,
            max_hw_bytes: bytes(raw.max_hw_sectors),
            max_dev_bytes: bytes(raw.max_dev_sectors),
            chunk: if zoned { 0 } else { bytes(raw.chunk_sectors) },
            max_segments: raw.max_segments,
            max_segment_size: raw.max_segment_size,
            // CAST: of the same size, or widening.
            segment_boundary: size(raw.seg_boundary_mask as u64),
            virt_boundary: size(raw.virt_boundary_mask as u64),
            dma_alignment: size(u64::from(raw.dma_alignment)).ok_or(InvalidLimits::DmaAlignment)?,
            dma_pad: size(u64::from(raw.dma_pad_mask)),
            discard: (raw.max_hw_discard_sectors != 0).then(|| DiscardLimits {
                max_bytes: bytes(raw.max_hw_discard_sectors),
                max_segments: raw.max_discard_segments,
                granularity: raw.discard_granularity,
                alignment: raw.discard_alignment,
            }),
            max_secure_erase: bytes(raw.max_secure_erase_sectors),
            write_zeroes: (raw.max_write_zeroes_sectors != 0).then(|| WriteZeroesLimits {
                max_bytes: bytes(raw.max_write_zeroes_sectors),
                unmap: raw.max_hw_wzeroes_unmap_sectors != 0,
            }),
            atomic_writes: if has(bindings::BLK_FEAT_ATOMIC_WRITES) {
                Some(AtomicWriteLimits {
                    max_bytes: raw.atomic_write_hw_max,
                    boundary: PowerOfTwo::new(u64::from(raw.atomic_write_hw_boundary)).ok(),
                    unit_min: power(raw.atomic_write_hw_unit_min, InvalidLimits::AtomicWrites)?,
                    unit_max: power(raw.atomic_write_hw_unit_max, InvalidLimits::AtomicWrites)?,
                })
            } else {
                None
            },
            write_streams: (raw.max_write_streams != 0).then_some(WriteStreamLimits {
                max: raw.max_write_streams,
                granularity: raw.write_stream_granularity,
            }),
            zones: if zoned {
                Some(ZoneLimits {
                    size: PowerOfTwo::new(bytes(raw.chunk_sectors))
                        .map_err(|_: Error| InvalidLimits::Zones)?,
                    max_open: raw.max_open_zones,
                    max_active: raw.max_active_zones,
                    max_append: bytes(raw.max_hw_zone_append_sectors),
                    write_granularity: raw.zone_write_granularity,
                })
            } else {
                None
            },
            integrity: IntegrityProfile::read(raw)?,
        })
    }
}
