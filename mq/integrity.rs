// SPDX-License-Identifier: GPL-2.0

//! Metadata that protect data: the profile of a disk (`struct blk_integrity`).
//!
//! C header: [`include/linux/blk-integrity.h`](srctree/include/linux/blk-integrity.h).

use super::{
    limits_raw::InvalidLimits,
    BlockSize, //
};
use crate::bindings;

/// How the guard of a block is computed (`enum blk_integrity_checksum`).
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Checksum {
    /// There is none: metadata without protection (`BLK_INTEGRITY_CSUM_NONE`).
    None,
    /// The checksum of the Internet protocol, 16 bits (`BLK_INTEGRITY_CSUM_IP`).
    Ip,
    /// The CRC of T10 DIF, 16 bits (`BLK_INTEGRITY_CSUM_CRC`).
    Crc,
    /// The CRC of the NVM command set, 64 bits (`BLK_INTEGRITY_CSUM_CRC64`).
    Crc64,
}

impl Checksum {
    /// The size of a protection tuple with this guard, in bytes; 0 without.
    pub(crate) const fn tuple_size(self) -> u8 {
        match self {
            Self::None => 0,
            Self::Ip | Self::Crc => 8,
            Self::Crc64 => 16,
        }
    }

    fn from_raw(raw: bindings::blk_integrity_checksum) -> Option<Self> {
        Some(match raw {
            bindings::blk_integrity_checksum_BLK_INTEGRITY_CSUM_NONE => Self::None,
            bindings::blk_integrity_checksum_BLK_INTEGRITY_CSUM_IP => Self::Ip,
            bindings::blk_integrity_checksum_BLK_INTEGRITY_CSUM_CRC => Self::Crc,
            bindings::blk_integrity_checksum_BLK_INTEGRITY_CSUM_CRC64 => Self::Crc64,
            _ => return None,
        })
    }

    const fn to_raw(self) -> bindings::blk_integrity_checksum {
        match self {
            Self::None => bindings::blk_integrity_checksum_BLK_INTEGRITY_CSUM_NONE,
            Self::Ip => bindings::blk_integrity_checksum_BLK_INTEGRITY_CSUM_IP,
            Self::Crc => bindings::blk_integrity_checksum_BLK_INTEGRITY_CSUM_CRC,
            Self::Crc64 => bindings::blk_integrity_checksum_BLK_INTEGRITY_CSUM_CRC64,
        }
    }
}

/// The metadata of a disk's blocks. Sizes in bytes.
///
/// The size of the protection tuple follows from the checksum, so the two cannot differ.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct IntegrityProfile {
    /// The metadata of one interval; not 0.
    pub(crate) metadata_size: u8,
    /// The guard.
    pub(crate) checksum: Checksum,
    /// Where in the metadata the protection tuple begins.
    pub(crate) pi_offset: u8,
    /// What of the tuple is left to programs.
    pub(crate) tag_size: u8,
    /// What data the metadata of one interval are for: a part of a block, or `None` for a
    /// block.
    pub(crate) interval: Option<BlockSize>,
    /// Tuples have a reference tag, the number of the block (`BLK_INTEGRITY_REF_TAG`).
    pub(crate) ref_tag: bool,
    /// The block layer does not verify what it reads (`BLK_INTEGRITY_NOVERIFY`). The
    /// administrator may say so as well.
    pub(crate) no_verify: bool,
    /// The block layer does not make metadata for what it writes
    /// (`BLK_INTEGRITY_NOGENERATE`). The administrator may say so as well.
    pub(crate) no_generate: bool,
    /// The device itself checks the metadata (`BLK_INTEGRITY_DEVICE_CAPABLE`).
    pub(crate) device_capable: bool,
    /// The device can take an interval that lies in several segments; if not, memory has to
    /// be aligned to intervals (`BLK_SPLIT_INTERVAL_CAPABLE`).
    pub(crate) split_interval_capable: bool,
    /// The most segments of metadata in a request; not 0.
    pub(crate) max_segments: u16,
}

impl IntegrityProfile {
    /// Metadata of `metadata_size` bytes per block, in one segment, with nothing in them that
    /// the block layer knows.
    pub(crate) const fn opaque(metadata_size: u8) -> Self {
        Self {
            metadata_size,
            checksum: Checksum::None,
            pi_offset: 0,
            tag_size: 0,
            interval: None,
            ref_tag: false,
            no_verify: false,
            no_generate: false,
            device_capable: false,
            split_interval_capable: false,
            max_segments: 1,
        }
    }

    /// What the block layer would refuse, and what it would take for something else.
    pub(super) fn check(&self, block: BlockSize) -> Result<(), InvalidLimits> {
        let end = u16::from(self.pi_offset) + u16::from(self.checksum.tuple_size());
        if !bindings::RNVME_HAS_INTEGRITY
            || self.metadata_size == 0
            || self.max_segments == 0
            || end > u16::from(self.metadata_size)
            || (self.ref_tag && self.checksum == Checksum::None)
            || self.interval.is_some_and(|interval| interval > block)
        {
            return Err(InvalidLimits::Integrity);
        }
        Ok(())
    }

    /// What C keeps; `None` if it is no profile.
    pub(super) fn read(raw: &bindings::queue_limits) -> Result<Option<Self>, InvalidLimits> {
        let bi = &raw.integrity;
        if bi.metadata_size == 0 {
            return Ok(None);
        }
        let has = |flag| bi.flags & flag != 0;
        Ok(Some(Self {
            metadata_size: bi.metadata_size,
            checksum: Checksum::from_raw(bi.csum_type).ok_or(InvalidLimits::Integrity)?,
            pi_offset: bi.pi_offset,
            tag_size: bi.tag_size,
            interval: 1u32
                .checked_shl(u32::from(bi.interval_exp))
                .and_then(|bytes| BlockSize::new(bytes).ok()),
            ref_tag: has(bindings::BLK_INTEGRITY_REF_TAG),
            no_verify: has(bindings::BLK_INTEGRITY_NOVERIFY),
            no_generate: has(bindings::BLK_INTEGRITY_NOGENERATE),
            device_capable: has(bindings::BLK_INTEGRITY_DEVICE_CAPABLE),
            split_interval_capable: has(bindings::BLK_SPLIT_INTERVAL_CAPABLE),
            max_segments: raw.max_integrity_segments,
        }))
    }

    /// The form that C knows.
    pub(super) fn to_raw(self) -> bindings::blk_integrity {
        let flag = |has, flag| if has { flag } else { 0 };
        bindings::blk_integrity {
            flags: flag(self.ref_tag, bindings::BLK_INTEGRITY_REF_TAG)
                | flag(self.no_verify, bindings::BLK_INTEGRITY_NOVERIFY)
                | flag(self.no_generate, bindings::BLK_INTEGRITY_NOGENERATE)
                | flag(self.device_capable, bindings::BLK_INTEGRITY_DEVICE_CAPABLE)
                | flag(
                    self.split_interval_capable,
                    bindings::BLK_SPLIT_INTERVAL_CAPABLE,
                ),
            csum_type: self.checksum.to_raw(),
            metadata_size: self.metadata_size,
            pi_offset: self.pi_offset,
            // CAST: 9 to 16. 0 stands for the size of a block.
            interval_exp: self.interval.map_or(0, |interval| interval.shift() as u8),
            tag_size: self.tag_size,
            pi_tuple_size: self.checksum.tuple_size(),
        }
    }
}
