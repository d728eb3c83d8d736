// SPDX-License-Identifier: GPL-2.0

//! Completion queue entries, from bytes as a controller writes them.

use zerocopy::FromBytes;

use crate::nvme::spec::{
    completion::{
        Completion,
        Cqe,
        CqeTail, //
    },
    ids::QueueId,
    status_code::media, //
};

#[test]
fn decodes_each_field() {
    let bytes = [
        0x11, 0x22, 0x33, 0x44, 0x55, 0x66, 0x77, 0x88, // DW0, DW1
        0x02, 0x01, 0x04, 0x03, // SQHD, SQID
        0x06, 0x05, // CID
        0x03, 0x85, // P = 1; SC 81h, SCT 2h, CRD 0, M 0, DNR 1
    ];
    let cqe = Cqe::read_from_bytes(&bytes).unwrap();
    assert_eq!(cqe.result.get(), 0x8877_6655_4433_2211);
    let tail = CqeTail::from_le(u64::from_ne_bytes(bytes[8..].try_into().unwrap()));
    assert_eq!(tail, CqeTail::from_le(cqe.tail.get().to_le()));
    assert_eq!(tail.sq_head(), 0x0102);
    assert_eq!(tail.sq_id(), QueueId::new(0x0304));
    assert_eq!(tail.cid(), 0x0506);
    assert!(tail.phase());
    assert_eq!(tail.status().code(), media::UNRECOVERED_READ.code());
    let completion = Completion {
        result: cqe.result.get(),
        status: tail.status(),
    };
    assert_eq!(completion.dw0(), 0x4433_2211);
}

#[test]
fn every_bit_is_in_one_field() {
    for index in 0..64 {
        let tail = CqeTail::from_le((1u64 << index).to_le());
        assert_eq!(u64::from(tail.sq_head()), (1 << index) & 0xffff);
        assert_eq!(
            u64::from(tail.sq_id().get()) << 16,
            (1 << index) & 0xffff_0000
        );
        assert_eq!(u64::from(tail.cid()) << 32, (1 << index) & 0xffff_0000_0000);
        assert_eq!(tail.phase(), index == 48);
        assert_eq!(
            u64::from(tail.status().bits()) << 49,
            (1 << index) & (0x7fff << 49)
        );
    }
}
