// SPDX-License-Identifier: GPL-2.0

//! The word of a slot, as one CPU sees it.

#[cfg_attr(not(test), kernel::macros::kunit_tests(rnvme_slot))]
mod suite {
    use crate::mq::{
        cid::{
            Cid,
            CidLayout, //
        },
        slot::SlotWord, //
    };

    const ADDRESS: u64 = 0xffff_8880_0000_1240;
    const TAG: usize = 7;

    /// Puts the address; returns the identifier, or `None` if the slot does not take it.
    fn put(slot: &SlotWord, address: u64, layout: CidLayout) -> Option<Cid> {
        let generation = slot.prepare(address, layout)?;
        Some(slot.put(address, generation, TAG, layout))
    }

    #[test]
    fn what_is_put_is_taken_once() {
        let layout = CidLayout::new(64, true);
        let slot = SlotWord::empty();
        let cid = put(&slot, ADDRESS, layout);
        assert!(cid.is_some());
        assert!(slot.is_full());
        if let Some(cid) = cid {
            assert_eq!(layout.tag(cid), TAG);
            assert_eq!(slot.take(cid, layout), Some(ADDRESS));
            assert_eq!(slot.take(cid, layout), None);
        }
        assert!(!slot.is_full());
    }

    #[test]
    fn an_empty_slot_has_nothing() {
        let layout = CidLayout::new(64, true);
        let slot = SlotWord::empty();
        assert!(!slot.is_full());
        assert_eq!(slot.take(layout.cid(TAG, 0), layout), None);
        assert_eq!(slot.drain(), None);
    }

    #[test]
    fn a_full_slot_takes_no_other() {
        let layout = CidLayout::new(64, true);
        let slot = SlotWord::empty();
        assert!(put(&slot, ADDRESS, layout).is_some());
        assert_eq!(put(&slot, ADDRESS + 64, layout), None);
        assert_eq!(slot.drain(), Some(ADDRESS));
        assert_eq!(slot.drain(), None);
    }

    #[test]
    fn addresses_that_do_not_fit() {
        let layout = CidLayout::new(64, true);
        let slot = SlotWord::empty();
        for bit in 0..6 {
            assert_eq!(put(&slot, ADDRESS | 1 << bit, layout), None);
        }
        assert!(!slot.is_full());
    }

    /// For as long as the generations last.
    #[test]
    fn stale_identifiers_take_nothing() {
        let layout = CidLayout::new(1024, true);
        let slot = SlotWord::empty();
        let stale = put(&slot, ADDRESS, layout);
        for _ in 1..64 {
            assert_eq!(slot.drain(), Some(ADDRESS));
            assert!(put(&slot, ADDRESS, layout).is_some());
            assert_eq!(stale.and_then(|cid| slot.take(cid, layout)), None);
        }
        // Then they come again, as is documented.
        assert_eq!(slot.drain(), Some(ADDRESS));
        assert_eq!(put(&slot, ADDRESS, layout), stale);
    }
}
