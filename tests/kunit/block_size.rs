// SPDX-License-Identifier: GPL-2.0

//! Sizes that are powers of two.

#[cfg_attr(not(test), kernel::macros::kunit_tests(rnvme_block_size))]
mod suite {
    use crate::mq::block_size::{
        BlockSize,
        PowerOfTwo, //
    };

    #[test]
    fn every_power_of_two() {
        for shift in 0..64 {
            let size = PowerOfTwo::new(1 << shift);
            assert_eq!(size.map(PowerOfTwo::bytes), Ok(1 << shift));
            assert_eq!(size.map(PowerOfTwo::shift), Ok(shift));
            assert_eq!(size.map(PowerOfTwo::mask), Ok((1 << shift) - 1));
        }
    }

    #[test]
    fn everything_else() {
        assert!(PowerOfTwo::new(0).is_err());
        assert!(PowerOfTwo::new(u64::MAX).is_err());
        for shift in 2..64 {
            assert!(PowerOfTwo::new((1 << shift) - 1).is_err());
            assert!(PowerOfTwo::new((1 << shift) | 1).is_err());
        }
    }

    #[test]
    fn block_sizes_within_bounds() {
        for shift in 9..=12 {
            let size = BlockSize::new(1 << shift);
            assert_eq!(size.map(BlockSize::bytes), Ok(1 << shift));
            assert_eq!(size.map(BlockSize::shift), Ok(shift));
        }
        assert!(BlockSize::new(BlockSize::MAX).is_ok());
        for bytes in [
            0,
            1,
            256,
            511,
            513,
            520,
            1000,
            4104,
            BlockSize::MAX + 1,
            u32::MAX,
        ] {
            assert!(BlockSize::new(bytes).is_err());
        }
        assert!(BlockSize::MAX == u32::MAX || BlockSize::new(BlockSize::MAX * 2).is_err());
    }

    #[test]
    fn literals() {
        assert_eq!(BlockSize::of::<512>(), BlockSize::SECTOR);
        assert_eq!(Ok(BlockSize::of::<4096>()), BlockSize::new(4096));
        assert_eq!(
            PowerOfTwo::from(BlockSize::of::<4096>()),
            PowerOfTwo::of::<4096>()
        );
    }
}
