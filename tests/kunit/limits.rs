// SPDX-License-Identifier: GPL-2.0

//! The limits of a queue, in bytes and as C has them.

#[cfg_attr(not(test), kernel::macros::kunit_tests(rnvme_limits))]
mod suite {
    use crate::mq::{
        block_size::{
            BlockSize,
            PowerOfTwo, //
        },
        integrity::{
            Checksum,
            IntegrityProfile, //
        },
        limits::{
            AtomicWriteLimits,
            DiscardLimits,
            Features,
            QueueLimits,
            WriteCache,
            WriteStreamLimits,
            WriteZeroesLimits, //
        },
        limits_raw::InvalidLimits, //
    };

    /// A queue that can do a bit of everything.
    fn limits() -> QueueLimits {
        let limits = QueueLimits {
            features: Features::ROTATIONAL.with(Features::STABLE_WRITES),
            write_cache: WriteCache::BackWithFua,
            alignment_offset: 512,
            io_min: 4096,
            io_opt: 65_536,
            max_dev_bytes: 1 << 19,
            chunk: 1 << 21,
            max_segment_size: 1 << 16,
            segment_boundary: Some(PowerOfTwo::of::<65_536>()),
            dma_pad: Some(PowerOfTwo::of::<8>()),
            discard: Some(DiscardLimits {
                max_bytes: 1 << 30,
                max_segments: 256,
                granularity: 8192,
                alignment: 4096,
            }),
            max_secure_erase: 1 << 20,
            write_zeroes: Some(WriteZeroesLimits {
                max_bytes: 1 << 22,
                unmap: true,
            }),
            atomic_writes: Some(AtomicWriteLimits {
                max_bytes: 1 << 16,
                boundary: Some(PowerOfTwo::of::<65_536>()),
                unit_min: PowerOfTwo::of::<4096>(),
                unit_max: PowerOfTwo::of::<16_384>(),
            }),
            write_streams: Some(WriteStreamLimits {
                max: 8,
                granularity: 1 << 20,
            }),
            ..QueueLimits::transfer(1 << 20, 33, Some(PowerOfTwo::of::<4096>()))
        };
        limits.block_size(BlockSize::of::<4096>())
    }

    #[test]
    fn there_and_back() {
        for limits in [limits(), QueueLimits::transfer(1 << 17, 32, None)] {
            let back = limits.to_raw().and_then(|raw| QueueLimits::read(&raw));
            assert_eq!(back, Ok(limits));
        }
    }

    /// The size of the protection tuple follows from the checksum.
    #[test]
    fn metadata() {
        if !crate::bindings::RNVME_HAS_INTEGRITY {
            return;
        }
        for (checksum, tuple_size) in [
            (Checksum::None, 0),
            (Checksum::Ip, 8),
            (Checksum::Crc, 8),
            (Checksum::Crc64, 16),
        ] {
            let limits = QueueLimits {
                integrity: Some(IntegrityProfile {
                    checksum,
                    ref_tag: tuple_size != 0,
                    interval: Some(BlockSize::of::<512>()),
                    ..IntegrityProfile::opaque(16)
                }),
                ..limits()
            };
            let back = limits.to_raw().and_then(|raw| QueueLimits::read(&raw));
            assert_eq!(back, Ok(limits));
            let size = limits.to_raw().map(|raw| raw.integrity.pi_tuple_size);
            assert_eq!(size, Ok(tuple_size));
        }
    }

    #[test]
    fn bytes_become_sectors_and_sizes_become_masks() {
        let Ok(raw) = limits().to_raw() else {
            assert!(limits().to_raw().is_ok());
            return;
        };
        assert_eq!(raw.logical_block_size, 4096);
        assert_eq!(raw.physical_block_size, 4096);
        assert_eq!(raw.max_hw_sectors, 2048);
        assert_eq!(raw.max_dev_sectors, 1024);
        assert_eq!(raw.chunk_sectors, 4096);
        assert_eq!(raw.max_hw_discard_sectors, 1 << 21);
        assert_eq!(raw.max_write_zeroes_sectors, 8192);
        assert_eq!(raw.max_hw_wzeroes_unmap_sectors, 8192);
        assert_eq!(raw.seg_boundary_mask, 0xffff);
        assert_eq!(raw.virt_boundary_mask, 0xfff);
        assert_eq!(raw.dma_alignment, 3);
        assert_eq!(raw.dma_pad_mask, 7);
    }

    #[test]
    fn too_large_becomes_the_largest() {
        let limits = QueueLimits {
            max_hw_bytes: u64::MAX,
            ..limits()
        };
        assert_eq!(limits.to_raw().map(|raw| raw.max_hw_sectors), Ok(u32::MAX));
        let limits = QueueLimits {
            max_hw_bytes: (1 << 20) + 511,
            ..limits
        };
        assert_eq!(limits.to_raw().map(|raw| raw.max_hw_sectors), Ok(2048));
    }

    /// What C would change without a word is an error here.
    #[test]
    fn what_cannot_be() {
        let good = limits();
        for (bad, why) in [
            (
                QueueLimits {
                    physical_block_size: PowerOfTwo::of::<2048>(),
                    ..good
                },
                InvalidLimits::PhysicalBlock,
            ),
            (
                QueueLimits {
                    alignment_offset: 4096,
                    ..good
                },
                InvalidLimits::AlignmentOffset,
            ),
            (
                QueueLimits {
                    max_hw_bytes: 2048,
                    ..good
                },
                InvalidLimits::MaxTransfer,
            ),
            (
                QueueLimits {
                    chunk: 4096 + 512,
                    ..good
                },
                InvalidLimits::Chunk,
            ),
            (
                QueueLimits {
                    max_segments: 0,
                    ..good
                },
                InvalidLimits::Segments,
            ),
            (
                QueueLimits {
                    dma_alignment: PowerOfTwo::of::<1>(),
                    ..good
                },
                InvalidLimits::DmaAlignment,
            ),
        ] {
            assert_eq!(bad.to_raw().err(), Some(why));
        }
    }
}
