// SPDX-License-Identifier: GPL-2.0

//! Limits of a request queue: what C gets for what a driver says, and what is refused.

use proptest::prelude::*;

use super::runner::check;
use crate::{
    bindings,
    mq::{
        self,
        integrity::{
            Checksum,
            IntegrityProfile, //
        },
        limits::{
            AtomicWriteLimits,
            DiscardLimits,
            Features,
            WriteCache,
            WriteStreamLimits,
            WriteZeroesLimits,
            ZoneLimits, //
        },
        limits_raw::InvalidLimits,
        BlockSize,
        PowerOfTwo,
        QueueLimits, //
    },
};

const PLAIN: QueueLimits = QueueLimits::transfer(128 << 10, 32, None);

fn raw(limits: QueueLimits) -> bindings::queue_limits {
    mq::to_raw(&limits).unwrap()
}

fn wrong(limits: QueueLimits) -> InvalidLimits {
    mq::to_raw(&limits).unwrap_err()
}

#[test]
fn block_sizes() {
    for bytes in 0..=131_072_u32 {
        let is_one = (512..=65_536).contains(&bytes) && bytes.is_power_of_two();
        let size = BlockSize::new(bytes);
        assert_eq!(size.is_ok(), is_one, "{bytes}");
        assert!(size.is_err() || size.unwrap().bytes() == bytes);
    }
    assert_eq!(BlockSize::of::<4096>().bytes(), 4096);
    assert_eq!(BlockSize::SECTOR.shift(), 9);
}

#[test]
fn powers_of_two() {
    for shift in 0..64 {
        let size = PowerOfTwo::new(1 << shift).unwrap();
        assert_eq!(size.bytes(), 1 << shift);
        assert_eq!(size.mask(), (1 << shift) - 1);
    }
    for bytes in [0, 3, 511, 513, u64::MAX] {
        assert!(PowerOfTwo::new(bytes).is_err(), "{bytes}");
    }
}

#[test]
fn sizes_become_sectors_and_masks() {
    let raw = raw(QueueLimits {
        features: Features::ROTATIONAL.with(Features::STABLE_WRITES),
        write_cache: WriteCache::BackWithFua,
        logical_block_size: BlockSize::of::<4096>(),
        physical_block_size: PowerOfTwo::of::<16384>(),
        alignment_offset: 4096,
        io_min: 16384,
        io_opt: 1 << 20,
        max_dev_bytes: 256 << 10,
        chunk: 3 << 20,
        max_segment_size: 65_536,
        segment_boundary: Some(PowerOfTwo::of::<{ 1 << 32 }>()),
        virt_boundary: Some(PowerOfTwo::of::<4096>()),
        dma_alignment: PowerOfTwo::of::<8>(),
        dma_pad: Some(PowerOfTwo::of::<4>()),
        discard: Some(DiscardLimits {
            max_bytes: 1 << 30,
            max_segments: 256,
            granularity: 65_536,
            alignment: 4096,
        }),
        max_secure_erase: 1 << 21,
        write_zeroes: Some(WriteZeroesLimits {
            max_bytes: 1 << 22,
            unmap: true,
        }),
        write_streams: Some(WriteStreamLimits {
            max: 8,
            granularity: 1 << 24,
        }),
        ..PLAIN
    });
    assert_eq!(
        raw,
        bindings::queue_limits {
            features: bindings::BLK_FEAT_ROTATIONAL
                | bindings::BLK_FEAT_STABLE_WRITES
                | bindings::BLK_FEAT_WRITE_CACHE
                | bindings::BLK_FEAT_FUA,
            logical_block_size: 4096,
            physical_block_size: 16384,
            alignment_offset: 4096,
            io_min: 16384,
            io_opt: 1 << 20,
            max_hw_sectors: 256,
            max_dev_sectors: 512,
            chunk_sectors: 6144,
            max_segments: 32,
            max_segment_size: 65_536,
            seg_boundary_mask: 0xffff_ffff,
            virt_boundary_mask: 4095,
            dma_alignment: 7,
            dma_pad_mask: 3,
            max_hw_discard_sectors: 1 << 21,
            max_discard_segments: 256,
            discard_granularity: 65_536,
            discard_alignment: 4096,
            max_secure_erase_sectors: 4096,
            max_write_zeroes_sectors: 8192,
            max_hw_wzeroes_unmap_sectors: 8192,
            max_write_streams: 8,
            write_stream_granularity: 1 << 24,
            ..bindings::queue_limits::default()
        }
    );
}

#[test]
fn maxima_become_what_fits() {
    let raw = raw(QueueLimits {
        max_hw_bytes: u64::MAX,
        discard: Some(DiscardLimits {
            max_bytes: u64::MAX,
            max_segments: 1,
            granularity: 0,
            alignment: 0,
        }),
        max_secure_erase: (1 << 41) - 1,
        write_zeroes: Some(WriteZeroesLimits {
            max_bytes: 1023,
            unmap: false,
        }),
        ..PLAIN
    });
    assert_eq!(raw.max_hw_sectors, u32::MAX);
    assert_eq!(raw.max_hw_discard_sectors, u32::MAX);
    assert_eq!(raw.max_secure_erase_sectors, u32::MAX);
    assert_eq!(raw.max_write_zeroes_sectors, 1);
    assert_eq!(raw.max_hw_wzeroes_unmap_sectors, 0);
}

/// Each of these C would change without a word, warn of, or take for "no limit".
#[test]
fn what_is_refused() {
    let big = PLAIN.block_size(BlockSize::of::<65_536>());
    for (limits, error) in [
        (
            QueueLimits {
                logical_block_size: BlockSize::of::<4096>(),
                ..PLAIN
            },
            InvalidLimits::PhysicalBlock,
        ),
        (
            QueueLimits {
                physical_block_size: PowerOfTwo::of::<{ 1 << 32 }>(),
                ..PLAIN
            },
            InvalidLimits::PhysicalBlock,
        ),
        (
            QueueLimits {
                alignment_offset: 512,
                ..PLAIN
            },
            InvalidLimits::AlignmentOffset,
        ),
        (
            QueueLimits {
                max_hw_bytes: 4095,
                ..PLAIN
            },
            InvalidLimits::MaxTransfer,
        ),
        (
            QueueLimits {
                max_hw_bytes: 65_535,
                ..big
            },
            InvalidLimits::MaxTransfer,
        ),
        (
            QueueLimits {
                max_dev_bytes: 511,
                ..PLAIN
            },
            InvalidLimits::MaxTransfer,
        ),
        (
            QueueLimits {
                chunk: 1023,
                ..PLAIN
            },
            InvalidLimits::Chunk,
        ),
        (QueueLimits { chunk: 4096, ..big }, InvalidLimits::Chunk),
        (
            QueueLimits {
                chunk: 1 << 41,
                ..PLAIN
            },
            InvalidLimits::Chunk,
        ),
        (
            QueueLimits {
                max_segments: 0,
                ..PLAIN
            },
            InvalidLimits::Segments,
        ),
        (
            QueueLimits {
                max_segment_size: 4095,
                ..PLAIN
            },
            InvalidLimits::Segments,
        ),
        (
            QueueLimits {
                segment_boundary: Some(PowerOfTwo::of::<2048>()),
                ..PLAIN
            },
            InvalidLimits::Segments,
        ),
        (
            QueueLimits {
                dma_alignment: PowerOfTwo::of::<1>(),
                ..PLAIN
            },
            InvalidLimits::DmaAlignment,
        ),
        (
            QueueLimits {
                dma_alignment: PowerOfTwo::of::<8192>(),
                ..PLAIN
            },
            InvalidLimits::DmaAlignment,
        ),
        (
            QueueLimits {
                max_secure_erase: 511,
                ..PLAIN
            },
            InvalidLimits::SecureErase,
        ),
        (
            QueueLimits {
                write_zeroes: Some(WriteZeroesLimits {
                    max_bytes: 0,
                    unmap: true,
                }),
                ..PLAIN
            },
            InvalidLimits::WriteZeroes,
        ),
        (
            QueueLimits {
                write_streams: Some(WriteStreamLimits {
                    max: 0,
                    granularity: 4096,
                }),
                ..PLAIN
            },
            InvalidLimits::WriteStreams,
        ),
    ] {
        assert_eq!(wrong(limits), error, "{limits:?}");
    }
    for (max_bytes, max_segments) in [(511, 1), (512, 0)] {
        let discard = Some(DiscardLimits {
            max_bytes,
            max_segments,
            granularity: 0,
            alignment: 0,
        });
        assert_eq!(
            wrong(QueueLimits { discard, ..PLAIN }),
            InvalidLimits::Discard
        );
    }
}

#[test]
fn zones() {
    let zones = ZoneLimits {
        size: PowerOfTwo::of::<{ 256 << 20 }>(),
        max_open: 14,
        max_active: 28,
        max_append: 64 << 10,
        write_granularity: 4096,
    };
    let with = |zones, chunk| QueueLimits {
        zones: Some(zones),
        chunk,
        ..PLAIN
    };
    let made = raw(with(zones, 0));
    assert_eq!(made.features, bindings::BLK_FEAT_ZONED);
    assert_eq!(made.chunk_sectors, 512 << 10);
    assert_eq!((made.max_open_zones, made.max_active_zones), (14, 28));
    assert_eq!(made.max_hw_zone_append_sectors, 128);
    assert_eq!(made.zone_write_granularity, 4096);

    assert_eq!(wrong(with(zones, 4096)), InvalidLimits::Chunk);
    for bad in [
        ZoneLimits {
            size: PowerOfTwo::of::<256>(),
            ..zones
        },
        ZoneLimits {
            size: PowerOfTwo::of::<{ 1 << 41 }>(),
            ..zones
        },
        ZoneLimits {
            max_active: 13,
            ..zones
        },
        ZoneLimits {
            max_append: 1,
            ..zones
        },
    ] {
        assert_eq!(wrong(with(bad, 0)), InvalidLimits::Zones, "{bad:?}");
    }

    // An update takes the zones away: C refuses what is left of them.
    let mut left = made;
    left.max_zone_append_sectors = 128;
    mq::write(&PLAIN, &mut left).unwrap();
    assert_eq!(left, raw(PLAIN));
}

#[test]
fn atomic_writes() {
    let atomic = AtomicWriteLimits {
        max_bytes: 64 << 10,
        boundary: Some(PowerOfTwo::of::<{ 128 << 10 }>()),
        unit_min: PowerOfTwo::of::<4096>(),
        unit_max: PowerOfTwo::of::<{ 64 << 10 }>(),
    };
    let with = |atomic, chunk| QueueLimits {
        atomic_writes: Some(atomic),
        chunk,
        ..PLAIN
    };
    let made = raw(with(atomic, 1 << 20));
    assert_eq!(made.features, bindings::BLK_FEAT_ATOMIC_WRITES);
    assert_eq!(made.atomic_write_hw_max, 64 << 10);
    assert_eq!(made.atomic_write_hw_boundary, 128 << 10);
    assert_eq!(made.atomic_write_hw_unit_min, 4096);
    assert_eq!(made.atomic_write_hw_unit_max, 64 << 10);

    for (bad, chunk) in [
        (atomic, 32 << 10),
        (atomic, 192 << 10),
        (
            AtomicWriteLimits {
                max_bytes: 32 << 10,
                ..atomic
            },
            0,
        ),
        (
            AtomicWriteLimits {
                unit_min: PowerOfTwo::of::<{ 128 << 10 }>(),
                ..atomic
            },
            0,
        ),
        (
            AtomicWriteLimits {
                unit_min: PowerOfTwo::of::<256>(),
                ..atomic
            },
            0,
        ),
        (
            AtomicWriteLimits {
                boundary: Some(PowerOfTwo::of::<{ 32 << 10 }>()),
                ..atomic
            },
            0,
        ),
        (
            AtomicWriteLimits {
                max_bytes: u32::MAX,
                ..atomic
            },
            0,
        ),
    ] {
        assert_eq!(
            wrong(with(bad, chunk)),
            InvalidLimits::AtomicWrites,
            "{bad:?}"
        );
    }
}

#[test]
fn integrity() {
    let profile = IntegrityProfile {
        checksum: Checksum::Crc,
        pi_offset: 8,
        tag_size: 2,
        interval: Some(BlockSize::SECTOR),
        ref_tag: true,
        device_capable: true,
        max_segments: 7,
        ..IntegrityProfile::opaque(16)
    };
    let with = |profile| QueueLimits {
        integrity: Some(profile),
        ..PLAIN
    };
    let made = raw(with(profile));
    assert_eq!(made.max_integrity_segments, 7);
    assert_eq!(
        made.integrity,
        bindings::blk_integrity {
            flags: bindings::BLK_INTEGRITY_REF_TAG | bindings::BLK_INTEGRITY_DEVICE_CAPABLE,
            csum_type: bindings::blk_integrity_checksum_BLK_INTEGRITY_CSUM_CRC,
            metadata_size: 16,
            pi_offset: 8,
            interval_exp: 9,
            tag_size: 2,
            pi_tuple_size: 8,
        }
    );
    for bad in [
        IntegrityProfile::opaque(0),
        IntegrityProfile {
            pi_offset: 9,
            ..profile
        },
        IntegrityProfile {
            checksum: Checksum::Crc64,
            ..profile
        },
        IntegrityProfile {
            checksum: Checksum::None,
            ..profile
        },
        IntegrityProfile {
            interval: Some(BlockSize::of::<1024>()),
            ..profile
        },
        IntegrityProfile {
            max_segments: 0,
            ..profile
        },
    ] {
        assert_eq!(wrong(with(bad)), InvalidLimits::Integrity, "{bad:?}");
    }
}

/// What others decide on survives an update.
#[test]
fn an_update_leaves_alone_what_is_not_the_drivers() {
    let unknown = 1 << 31;
    let mut left = bindings::queue_limits {
        features: bindings::BLK_FEAT_IO_STAT | unknown,
        flags: 3,
        max_user_sectors: 8,
        max_user_discard_sectors: 16,
        max_user_wzeroes_unmap_sectors: 32,
        ..bindings::queue_limits::default()
    };
    let theirs = left;
    mq::write(&PLAIN, &mut left).unwrap();
    assert_eq!(left.features, unknown);
    assert_eq!(left.flags, theirs.flags);
    assert_eq!(left.max_user_sectors, theirs.max_user_sectors);
    assert_eq!(
        left.max_user_discard_sectors,
        theirs.max_user_discard_sectors
    );
    assert_eq!(
        left.max_user_wzeroes_unmap_sectors,
        theirs.max_user_wzeroes_unmap_sectors
    );
}

fn power(shifts: std::ops::Range<u32>) -> impl Strategy<Value = PowerOfTwo> {
    shifts.prop_map(|shift| PowerOfTwo::new(1 << shift).unwrap())
}

prop_compose! {
    fn sizes()(
        shift in 9u32..17,
        more in 0u32..8,
        hw in 65_536u64..1 << 45,
        dev in prop_oneof![Just(0), 65_536u64..1 << 45],
        chunk in 0u64..1 << 20,
        segments in 1u16..,
        segment in 4096u32..,
        boundary in proptest::option::of(power(12..63)),
        virt in proptest::option::of(power(1..33)),
        align in power(1..13),
        features: u32,
        cache in 0usize..3,
    ) -> QueueLimits {
        let block = BlockSize::new(1 << shift).unwrap();
        QueueLimits {
            features: [
                Features::ROTATIONAL, Features::IO_STAT, Features::NOWAIT, Features::POLL,
                Features::DAX, Features::PCI_P2PDMA, Features::SYNCHRONOUS,
            ].into_iter().enumerate().fold(Features::NONE, |all, (bit, one)| {
                all.with_if(features >> bit & 1 != 0, one)
            }),
            write_cache: [WriteCache::Through, WriteCache::Back, WriteCache::BackWithFua][cache],
            logical_block_size: block,
            physical_block_size: PowerOfTwo::new(1 << (shift + more)).unwrap(),
            max_dev_bytes: dev,
            chunk: chunk << shift,
            max_segment_size: segment,
            segment_boundary: boundary,
            dma_alignment: align,
            ..QueueLimits::transfer(hw, segments, virt)
        }
    }
}

/// What C has reads as what was said, and says the same once more: an update that changes
/// nothing changes nothing.
#[test]
fn there_and_back() {
    check(sizes(), |limits| {
        let Ok(raw) = mq::to_raw(&limits) else {
            // Chunks of more than 2^32 sectors.
            prop_assert!(limits.chunk >> 9 > u64::from(u32::MAX));
            return Ok(());
        };
        let back = mq::read(&raw).unwrap();
        let whole_sectors = |bytes: u64| (bytes >> 9).min(u64::from(u32::MAX)) << 9;
        prop_assert_eq!(
            back,
            QueueLimits {
                max_hw_bytes: whole_sectors(limits.max_hw_bytes),
                max_dev_bytes: whole_sectors(limits.max_dev_bytes),
                ..limits
            }
        );
        let mut again = raw;
        mq::write(&back, &mut again).unwrap();
        prop_assert_eq!(again, raw);
        Ok(())
    });
}
