// SPDX-License-Identifier: GPL-2.0

//! Identifiers of commands.

#[cfg_attr(not(test), kernel::macros::kunit_tests(rnvme_cid))]
mod suite {
    use crate::mq::cid::{
        Cid,
        CidLayout, //
    };

    #[test]
    fn parts_come_back() {
        for depth in [1, 2, 31, 1023, 1024, 4095, 32_768, 65_535, 65_536] {
            let layout = CidLayout::new(depth, true);
            // CAST: widening.
            for tag in [0, depth / 2, depth - 1].map(|tag| tag as usize) {
                let cid = layout.cid(tag, 0);
                assert_eq!(layout.tag(cid), tag);
                assert_eq!(layout.generation(cid), 0);
                let next = layout.cid(tag, layout.next(0));
                assert_eq!(layout.tag(next), tag);
                assert_eq!(layout.generation(next), layout.next(0));
                assert_eq!(Cid::from_bits(next.bits()), next);
            }
        }
    }

    /// After so many reuses an identifier comes again, and not before.
    #[test]
    fn generations_go_round() {
        for (depth, generations) in [
            (1, 64),
            (1024, 64),
            (1025, 32),
            (4095, 16),
            (32_768, 2),
            (65_536, 1),
        ] {
            let layout = CidLayout::new(depth, true);
            let mut generation = 0;
            for count in 1..=generations {
                generation = layout.next(generation);
                let comes_again = generation == 0;
                assert!(comes_again == (count == generations));
            }
        }
    }

    #[test]
    fn without_generations_all_bits_are_the_tags() {
        let layout = CidLayout::new(1023, false);
        assert_eq!(layout.next(0), 0);
        assert_eq!(layout.cid(1022, 0).bits(), 1022);
    }

    /// An identifier that was never given has another generation, or a tag that there is none of.
    #[test]
    fn made_up_identifiers() {
        let layout = CidLayout::new(1000, true);
        assert_eq!(layout.tag(Cid::from_bits(0xffff)), 1023);
        assert_eq!(layout.generation(Cid::from_bits(0xffff)), 63);
        assert_eq!(layout.generation(Cid::from_bits(0x0400)), 1);
    }
}
