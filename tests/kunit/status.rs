// SPDX-License-Identifier: GPL-2.0

//! What a status of NVMe means for the block layer.

#[cfg_attr(not(test), kernel::macros::kunit_tests(rnvme_status))]
mod suite {
    use crate::nvme::spec::status::{
        BlockStatus,
        Status, //
    };

    /// Figures 101 to 104 of the specification, by type and code.
    #[test]
    fn meanings() {
        for (sct, sc, meaning) in [
            (0, 0x00, BlockStatus::Ok),
            (0, 0x01, BlockStatus::NotSupported),
            (0, 0x02, BlockStatus::NotSupported),
            (0, 0x80, BlockStatus::Target),
            (0, 0x81, BlockStatus::NoSpace),
            (2, 0x80, BlockStatus::Medium),
            (2, 0x81, BlockStatus::Medium),
            (2, 0x82, BlockStatus::Protection),
            (2, 0x83, BlockStatus::Protection),
            (2, 0x84, BlockStatus::Protection),
            (7, 0xff, BlockStatus::IoError),
        ] {
            assert_eq!(Status::from_parts(sct, sc).block_status(), meaning);
        }
    }

    /// Only one of the 2048 codes is success, whatever the other bits say.
    #[test]
    fn one_success() {
        for bits in 0..=u16::MAX {
            let status = Status::from_field(bits);
            assert!(status.is_success() == (bits & 0x7ff == 0));
            let is_ok = status.block_status() == BlockStatus::Ok;
            assert_eq!(is_ok, status.is_success());
            assert_eq!(status.bits(), bits & 0x7fff);
        }
    }

    #[test]
    fn who_may_try_again() {
        for bits in 0..=u16::MAX {
            let status = Status::from_field(bits);
            assert_eq!(status.is_retryable(), !status.is_success() && !status.dnr());
            assert!(status.dnr() == (bits & Status::DNR != 0));
            assert!(status.crd() < 4);
        }
    }
}
