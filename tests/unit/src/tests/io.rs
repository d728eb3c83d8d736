// SPDX-License-Identifier: GPL-2.0

//! I/O commands, dword by dword, and counts of logical blocks.

use zerocopy::IntoBytes;

use super::admin::assert_dwords;
use crate::nvme::spec::{
    ids::Nsid,
    io::{
        self,
        DsmRange,
        IoControl,
        Transfer,
        MAX_DSM_RANGES, //
    },
    lba::{
        BlockCount,
        LbaRange,
        LbaSize, //
    },
};

const NSID: Nsid = Nsid::new(1);

fn range(start: u64, blocks: u32) -> LbaRange {
    LbaRange {
        start,
        blocks: BlockCount::new(blocks).unwrap(),
    }
}

#[test]
fn transfers() {
    assert_dwords(
        &io::transfer(
            Transfer::Read,
            NSID,
            range(0x1122_3344_5566_7788, 8),
            IoControl::NONE,
        ),
        &[
            (0, 2),
            (1, 1),
            (10, 0x5566_7788),
            (11, 0x1122_3344),
            (12, 7),
        ],
    );
    assert_dwords(
        &io::transfer(
            Transfer::Write,
            NSID,
            range(5, 65536),
            IoControl::NONE.fua(),
        ),
        &[(0, 1), (1, 1), (10, 5), (12, 0x4000_ffff)],
    );
    let how = IoControl::NONE.limited_retry().prefetch();
    assert_dwords(
        &io::transfer(Transfer::Read, NSID, range(0, 1), how),
        &[(0, 2), (1, 1), (12, 0x8000_0000), (13, 7)],
    );
    assert_dwords(
        &io::transfer(
            Transfer::Read,
            NSID,
            range(0, 1),
            IoControl::NONE.protection_action(),
        ),
        &[(0, 2), (1, 1), (12, 0x2000_0000)],
    );
}

#[test]
fn write_zeroes() {
    let how = IoControl::NONE.fua();
    assert_dwords(
        &io::write_zeroes(NSID, range(1 << 32, 256), how, true),
        &[(0, 8), (1, 1), (11, 1), (12, 0x4200_00ff)],
    );
    assert_dwords(
        &io::write_zeroes(NSID, range(0, 1), IoControl::NONE, false),
        &[(0, 8), (1, 1)],
    );
}

#[test]
fn flush() {
    assert_dwords(&io::flush(NSID), &[(1, 1)]);
}

#[test]
fn deallocate() {
    let expected = |nr| [(0, 9), (1, 1), (10, nr), (11, 4)];
    assert_dwords(&io::deallocate(NSID, 1).unwrap(), &expected(0));
    assert_dwords(
        &io::deallocate(NSID, MAX_DSM_RANGES).unwrap(),
        &expected(255),
    );
    assert_eq!(io::deallocate(NSID, 0), None);
    assert_eq!(io::deallocate(NSID, MAX_DSM_RANGES + 1), None);
    let range = DsmRange::new(0x0102_0304_0506_0708, 0x1112_1314);
    let bytes = [0, 0, 0, 0, 0x14, 0x13, 0x12, 0x11, 8, 7, 6, 5, 4, 3, 2, 1];
    assert_eq!(range.as_bytes(), bytes);
}

#[test]
fn block_counts() {
    assert_eq!(BlockCount::new(0), None);
    assert_eq!(BlockCount::new(1).unwrap().nlb(), 0);
    assert_eq!(BlockCount::new(65536).unwrap().nlb(), 0xffff);
    assert_eq!(BlockCount::new(65536).unwrap().get(), BlockCount::MAX);
    assert_eq!(BlockCount::new(65537), None);
    assert_eq!(BlockCount::new(u32::MAX), None);
    assert_eq!(range(5, 3).to_string(), "LBA 5, 3 blocks");
}

#[test]
fn block_sizes() {
    for lbads in 0..=u8::MAX {
        match LbaSize::from_lbads(lbads) {
            Ok(size) => {
                assert!((9..=12).contains(&lbads));
                assert_eq!(size.bytes(), 1 << lbads);
                assert_eq!(size.shift(), u32::from(lbads));
                assert_eq!(size.blocks_in(u64::from(size.bytes()) * 3), 3);
                assert_eq!(size.bytes_of(3), Some(3 << lbads));
                assert_eq!(size.bytes_of(1 << (64 - lbads)), None);
            }
            Err(error) => {
                assert!(!(9..=12).contains(&lbads));
                assert_eq!(error.lbads, lbads);
            }
        }
    }
    let error = LbaSize::from_lbads(16).unwrap_err();
    assert_eq!(
        error.to_string(),
        "logical blocks of 2^16 bytes are not supported (2^9 to 2^12 are)"
    );
}
