// SPDX-License-Identifier: GPL-2.0

//! Bytes and logical blocks.

#[cfg_attr(not(test), kernel::macros::kunit_tests(rnvme_lba))]
mod suite {
    use crate::nvme::spec::lba::LbaSize;

    #[test]
    fn sizes() {
        for lbads in 0..=u8::MAX {
            match LbaSize::from_lbads(lbads) {
                Ok(size) => {
                    assert!(lbads >= 9);
                    assert_eq!(size.shift(), u32::from(lbads));
                    assert_eq!(size.bytes(), 1 << lbads);
                    assert_eq!(LbaSize::from_code(size.code()), size);
                }
                Err(_) => assert!(!(9..=12).contains(&lbads)),
            }
        }
    }

    #[test]
    fn blocks_to_bytes_and_back() {
        for lbads in 9..=12 {
            let size = LbaSize::from_lbads(lbads);
            assert!(size.is_ok());
            let Ok(size) = size else {
                return;
            };
            let block = u64::from(size.bytes());
            for blocks in [0, 1, 7, 1 << 32, u64::MAX >> lbads] {
                assert_eq!(size.bytes_of(blocks), Some(blocks * block));
                assert_eq!(size.blocks_in(blocks * block), blocks);
                assert_eq!(size.blocks_in(blocks * block + (block - 1)), blocks);
            }
            assert_eq!(size.bytes_of((u64::MAX >> lbads) + 1), None);
        }
    }
}
