// SPDX-License-Identifier: GPL-2.0

//! Data pointers: PRP1, PRP2 and lists.

#[cfg_attr(not(test), kernel::macros::kunit_tests(rnvme_prp))]
mod suite {
    use crate::dma::{
        prp::{
            ListMemory,
            ListPage,
            Page4K,
            PrpBuilder,
            PrpEntry,
            PrpError,
            Prps,
            Segment, //
        },
        DmaAddr, //
    };

    /// What is not used.
    const NONE: u64 = 0;

    fn addr(bits: u64) -> DmaAddr {
        // SAFETY: no device ever sees the address.
        unsafe { DmaAddr::new(bits) }
    }

    fn segment(start: u64, len: u32) -> Segment {
        Segment {
            addr: addr(start),
            len,
        }
    }

    /// PRP1 and PRP2 of one segment.
    fn pair(start: u64, len: u32) -> Option<(u64, u64)> {
        let prps = Prps::from_segment(Page4K, segment(start, len))?;
        Some((prps.prp1().bits(), prps.prp2().bits()))
    }

    /// Three entries before the end of a page.
    const LIST: u64 = 0x7fe8;

    /// List memory, `room` entries in each page.
    struct Lists<'a> {
        pages: core::slice::ChunksMut<'a, PrpEntry>,
        next: u64,
    }

    impl<'a> Lists<'a> {
        /// The first entry is at [`LIST`], and the first of the next page one page further on.
        fn new(memory: &'a mut [PrpEntry], room: usize) -> Self {
            Self {
                pages: memory.chunks_mut(room),
                next: LIST,
            }
        }
    }

    impl<'a> ListMemory<'a> for Lists<'a> {
        fn next_page(&mut self, _wanted: u32) -> Option<ListPage<'a>> {
            let entries = self.pages.next()?;
            let addr = addr(self.next);
            self.next += 0x1000;
            Some(ListPage { addr, entries })
        }
    }

    #[test]
    fn one_page() {
        assert_eq!(pair(0x1000, 512), Some((0x1000, NONE)));
        assert_eq!(pair(0x1000, 4096), Some((0x1000, NONE)));
        assert_eq!(pair(0x1ffc, 4), Some((0x1ffc, NONE)));
    }

    #[test]
    fn two_pages() {
        assert_eq!(pair(0x1000, 4097), Some((0x1000, 0x2000)));
        assert_eq!(pair(0x1ffc, 8), Some((0x1ffc, 0x2000)));
        assert_eq!(pair(0x1ffc, 4 + 4096), Some((0x1ffc, 0x2000)));
    }

    #[test]
    fn what_needs_a_list_or_is_wrong() {
        assert_eq!(pair(0x1000, 8193), None);
        assert_eq!(pair(0x1ffc, 8 + 4096), None);
        assert_eq!(pair(0x1002, 512), None);
        assert_eq!(pair(0x1000, 0), None);
    }

    #[test]
    fn a_list() {
        let mut memory = [PrpEntry::POISON; 3];
        let lists = Lists::new(&mut memory, 3);
        // From the middle of one page to the middle of the fourth.
        let built = PrpBuilder::start(Page4K, lists, 3 * 4096, segment(0x1_0800, 3 * 4096));
        let prps = built.and_then(|builder| builder.finish());
        assert_eq!(
            prps.map(|prps| (prps.prp1().bits(), prps.prp2().bits())),
            Ok((0x1_0800, LIST))
        );
        let entries = [0x1_1000, 0x1_2000, 0x1_3000];
        assert!(memory.iter().map(|entry| entry.bits()).eq(entries));
    }

    /// The last entry of a list page that is too short names the next one.
    #[test]
    fn a_list_that_goes_on() {
        let mut memory = [PrpEntry::POISON; 6];
        let lists = Lists::new(&mut memory, 3);
        let built = PrpBuilder::start(Page4K, lists, 5 * 4096, segment(0x1_0000, 5 * 4096));
        assert!(built.and_then(|builder| builder.finish()).is_ok());
        let entries = [0x1_1000, 0x1_2000, LIST + 0x1000, 0x1_3000, 0x1_4000];
        assert!(memory.iter().map(|entry| entry.bits()).take(5).eq(entries));
        // Whoever reads on finds nothing of use.
        assert_eq!(memory.last(), Some(&PrpEntry::POISON));
    }

    #[test]
    fn segments_that_do_not_meet_at_pages() {
        let mut memory = [PrpEntry::POISON; 3];
        let built = PrpBuilder::start(
            Page4K,
            Lists::new(&mut memory, 3),
            8192,
            segment(0x1000, 2048),
        );
        assert_eq!(built.err(), Some(PrpError::Gap));
    }

    #[test]
    fn no_list_memory() {
        let built = PrpBuilder::start(
            Page4K,
            Lists::new(&mut [], 3),
            12_288,
            segment(0x1000, 12_288),
        );
        assert_eq!(built.err(), Some(PrpError::NoListMemory));
    }
}
