// SPDX-License-Identifier: GPL-2.0

//! PRP lists, read back by a model of the controller.
//!
//! The model knows the specification (Base 4.1.1) and nothing of the builder: it starts from PRP1,
//! PRP2 and the length of the transfer, reads list memory as the controller would, and says which
//! bytes it would access. These have to be the bytes that the segments name.

use std::{
    cell::RefCell,
    collections::HashMap,
    ops::Range,
    rc::Rc, //
};

use proptest::prelude::*;

use super::runner::check;
use crate::dma::{
    prp::{
        ListMemory,
        ListPage,
        Page4K,
        PageShape,
        PageSize,
        PrpBuilder,
        PrpEntry,
        PrpError,
        Prps,
        Segment, //
    },
    test_addr, //
};

const PAGE_4K: PageSize = PageSize::KIB_4;
const PAGE_64K: PageSize = PageSize::from_mps(4);

/// An address that an earlier command left in the list.
const STALE: u64 = 0x5a1e_0000_0000;

/// Joins ranges that touch, so that two descriptions of the same bytes are equal.
fn join(ranges: impl IntoIterator<Item = Range<u64>>) -> Vec<Range<u64>> {
    let mut joined: Vec<Range<u64>> = Vec::new();
    for range in ranges {
        match joined.last_mut() {
            Some(last) if last.end == range.start => last.end = range.end,
            _ => joined.push(range),
        }
    }
    joined
}

/// Why the controller would fail the command, or do worse.
#[derive(Debug, PartialEq)]
enum Fault {
    /// A PRP entry has an offset where it must not have one.
    Offset(u64),
    /// A read of list memory from outside of the list.
    Unmapped(u64),
}

/// The bytes that a controller accesses for a transfer of `bytes` bytes, in order.
fn walk(
    page_size: PageSize,
    prps: Prps,
    bytes: u64,
    memory: &HashMap<u64, u64>,
) -> Result<Vec<Range<u64>>, Fault> {
    let page = u64::from(page_size.bytes());
    let mut ranges = Vec::new();
    let mut left = bytes;
    let mut access = |addr: u64, left: &mut u64| {
        let len = (page - addr % page).min(*left);
        ranges.push(addr..addr + len);
        *left -= len;
    };

    let prp1 = prps.prp1().bits();
    if prp1 % 4 != 0 {
        return Err(Fault::Offset(prp1));
    }
    access(prp1, &mut left);
    let prp2 = prps.prp2().bits();
    if left == 0 {
        // Reserved, "shall be cleared to 0h".
        assert_eq!(prp2, 0);
    } else if left <= page {
        if prp2 % page != 0 {
            return Err(Fault::Offset(prp2));
        }
        access(prp2, &mut left);
    } else {
        if prp2 % 8 != 0 {
            return Err(Fault::Offset(prp2));
        }
        let mut at = prp2;
        while left > 0 {
            let entry = *memory.get(&at).ok_or(Fault::Unmapped(at))?;
            if entry % page != 0 && !(at % page == page - 8 && left > page && entry % 8 == 0) {
                return Err(Fault::Offset(entry));
            }
            if at % page == page - 8 && left > page {
                // The last entry of the page, and more than one is needed: a pointer.
                at = entry;
            } else {
                access(entry, &mut left);
                at += 8;
            }
        }
    }
    Ok(ranges)
}

/// Memory for lists: pieces of given lengths at given places, handed out in order.
struct Lists<'a> {
    pieces: Vec<ListPage<'a>>,
    /// The arguments of all calls.
    wanted: Rc<RefCell<Vec<u32>>>,
}

impl<'a> ListMemory<'a> for Lists<'a> {
    fn next_page(&mut self, wanted: u32) -> Option<ListPage<'a>> {
        self.wanted.borrow_mut().push(wanted);
        if self.pieces.is_empty() {
            return None;
        }
        Some(self.pieces.remove(0))
    }
}

/// What a builder made, or why it made nothing.
struct Built {
    result: Result<Prps, PrpError>,
    memory: HashMap<u64, u64>,
    wanted: Vec<u32>,
}

/// Builds the data pointer of `segments`, with list memory at `places`: (address, entries).
fn build(page: impl PageShape, segments: &[Segment], bytes: u32, places: &[(u64, usize)]) -> Built {
    let stale = stale_entry();
    let mut buffers: Vec<_> = places.iter().map(|(_, len)| vec![stale; *len]).collect();
    let wanted = Rc::default();
    let lists = Lists {
        pieces: places
            .iter()
            .zip(&mut buffers)
            .map(|((addr, _), entries)| ListPage {
                addr: test_addr(*addr),
                entries,
            })
            .collect(),
        wanted: Rc::clone(&wanted),
    };
    let result = (|| {
        let (first, rest) = segments.split_first().unwrap();
        let mut builder = PrpBuilder::start(page, lists, bytes, *first)?;
        rest.iter().try_for_each(|segment| builder.push(*segment))?;
        builder.finish()
    })();
    let mut memory = HashMap::new();
    for ((addr, _), entries) in places.iter().zip(&buffers) {
        for (index, entry) in entries.iter().enumerate() {
            let before = memory.insert(addr + 8 * index as u64, entry.bits());
            assert_eq!(before, None, "list memory was handed out twice");
        }
    }
    let wanted = wanted.take();
    Built {
        result,
        memory,
        wanted,
    }
}

/// An entry as only a builder can make one.
fn stale_entry() -> PrpEntry {
    struct One<'a>(Option<ListPage<'a>>);
    impl<'a> ListMemory<'a> for One<'a> {
        fn next_page(&mut self, _wanted: u32) -> Option<ListPage<'a>> {
            self.0.take()
        }
    }
    let mut entries = [PrpEntry::POISON; 2];
    let lists = One(Some(ListPage {
        addr: test_addr(0),
        entries: &mut entries,
    }));
    let segment = Segment {
        addr: test_addr(STALE - 4096),
        len: 3 * 4096,
    };
    let builder = PrpBuilder::start(Page4K, lists, 3 * 4096, segment).unwrap();
    builder.finish().unwrap();
    assert_eq!(entries[0].bits(), STALE);
    entries[0]
}

fn segment(addr: u64, len: u32) -> Segment {
    Segment {
        addr: test_addr(addr),
        len,
    }
}

fn total(segments: &[Segment]) -> u32 {
    segments.iter().map(|segment| segment.len).sum()
}

fn bytes_of(segments: &[Segment]) -> Vec<Range<u64>> {
    join(segments.iter().map(|segment| {
        let start = segment.addr.bits();
        start..start + u64::from(segment.len)
    }))
}

/// Builds and walks; the bytes have to be the same.
#[track_caller]
fn assert_walks(page: PageSize, segments: &[Segment], places: &[(u64, usize)]) -> Built {
    let bytes = total(segments);
    let built = build(page, segments, bytes, places);
    let walked = walk(page, built.result.unwrap(), bytes.into(), &built.memory);
    assert_eq!(walked.map(join), Ok(bytes_of(segments)));
    built
}

#[test]
fn one_page_needs_no_second_entry() {
    for (addr, len) in [(0x1000, 1), (0x1000, 4096), (0x1ffc, 4), (0x1004, 4092)] {
        let built = assert_walks(PAGE_4K, &[segment(addr, len)], &[]);
        let prps = built.result.unwrap();
        assert_eq!((prps.prp1().bits(), prps.prp2().bits()), (addr, 0));
        assert_eq!(Prps::from_segment(Page4K, segment(addr, len)), Some(prps));
    }
}

#[test]
fn two_pages_need_no_list() {
    for (addr, len) in [(0x1000, 4097), (0x1000, 8192), (0x1ffc, 8), (0x1ffc, 4100)] {
        let built = assert_walks(PAGE_4K, &[segment(addr, len)], &[]);
        let prps = built.result.unwrap();
        assert_eq!((prps.prp1().bits(), prps.prp2().bits()), (addr, 0x2000));
        assert_eq!(Prps::from_segment(Page4K, segment(addr, len)), Some(prps));
        assert!(built.wanted.is_empty());
    }
    let apart = [segment(0x1e00, 512), segment(0x9000, 4096)];
    let built = assert_walks(PAGE_4K, &apart, &[]);
    assert_eq!(built.result.unwrap().prp2().bits(), 0x9000);
}

#[test]
fn three_pages_need_a_list() {
    for segment in [segment(0x1000, 8193), segment(0x1ffc, 4101)] {
        assert_eq!(Prps::from_segment(Page4K, segment), None);
        let built = build(Page4K, &[segment], segment.len, &[]);
        assert_eq!(built.result, Err(PrpError::NoListMemory));
        let built = assert_walks(PAGE_4K, &[segment], &[(0xa000, 8)]);
        assert_eq!(built.result.unwrap().prp2().bits(), 0xa000);
        assert_eq!(built.wanted, [2]);
        assert_eq!(built.memory[&0xa000], 0x2000);
        assert_eq!(built.memory[&0xa008], 0x3000);
        assert_eq!(built.memory[&0xa010], PrpEntry::POISON.bits());
        assert_eq!(built.memory[&0xa018], STALE);
    }
}

/// The poison is what the specification allows there, and what no device can take for memory.
#[test]
fn poison() {
    let poison = PrpEntry::POISON.bits();
    assert!(poison >= 1 << 57);
    assert_eq!(poison % (128 << 20), 0);
    assert!(poison & ((1 << 48) - 1) > 64 << 40);
}

#[test]
fn small_lists_lie_anywhere_in_a_page() {
    for entries in [8, 16, 32] {
        for offset in [0, 8, 0x100, 4096 - 8 * entries as u64] {
            let segment = segment(0x1000, 4096 * (entries as u32 + 1));
            let built = assert_walks(PAGE_4K, &[segment], &[(0xa000 + offset, entries)]);
            assert_eq!(built.wanted, [entries as u32]);
        }
    }
}

/// The last entry of a page is data if it is the last of all, else a pointer.
#[test]
fn the_last_entry_of_a_page() {
    let places = [(0xa000, 512), (0xb000, 512), (0xcff0, 2)];
    for (pages, lists) in [(513, 1), (514, 2), (1024, 2), (1025, 3)] {
        let built = assert_walks(
            PAGE_4K,
            &[segment(0x10_0000, 4096 * pages)],
            &places[..lists],
        );
        assert_eq!(built.wanted.len(), lists);
        let none = build(
            PAGE_4K,
            &[segment(0x10_0000, 4096 * pages)],
            4096 * pages,
            &[],
        );
        assert_eq!(none.result, Err(PrpError::NoListMemory));
    }
    let built = assert_walks(PAGE_4K, &[segment(0x10_0000, 4096 * 514)], &places[..2]);
    assert_eq!(built.wanted, [513, 2]);
    assert_eq!(built.memory[&0xaff8], 0xb000);
}

/// A page that has room for one entry can hold a pointer.
#[test]
fn a_page_of_nothing_but_a_pointer() {
    let places = [(0xaff8, 1), (0xbff8, 1), (0xcff0, 2)];
    let built = assert_walks(PAGE_4K, &[segment(0x10_0000, 3 * 4096)], &places);
    assert_eq!(built.wanted, [2, 2, 2]);
}

#[test]
fn misplaced_list_memory_is_refused() {
    let refused = [
        (0xa000, 0),   // no memory
        (0xa000, 511), // too short, and ends before the end of the page
        (0xa100, 32),  // the same, as a small block would
        (0xa004, 512), // not a multiple of eight
        (0xa008, 512), // beyond the end of the page
        (0xa000, 513), // the same
    ];
    for place in refused {
        let segment = segment(0x10_0000, 4096 * 514);
        let built = build(Page4K, &[segment], segment.len, &[place, (0xf000, 512)]);
        assert_eq!(built.result, Err(PrpError::BadListMemory), "{place:x?}");
    }
}

#[test]
fn bad_segments_are_refused() {
    let build =
        |segments: &[Segment], bytes| build(Page4K, segments, bytes, &[(0xa000, 512)]).result;
    let table = [
        // A start that is no multiple of four.
        (vec![segment(0x1002, 512)], 512, PrpError::Unaligned),
        (vec![segment(0x1001, 512)], 512, PrpError::Unaligned),
        // A segment but the first starts within a page.
        (
            vec![segment(0x1000, 4096), segment(0x3200, 512)],
            4608,
            PrpError::Gap,
        ),
        // A segment but the last ends within a page.
        (
            vec![segment(0x1000, 512), segment(0x2000, 512)],
            1024,
            PrpError::Gap,
        ),
        (
            vec![
                segment(0x1000, 4096),
                segment(0x3000, 512),
                segment(0x4000, 512),
            ],
            5120,
            PrpError::Gap,
        ),
        // Too much, too little, nothing.
        (vec![segment(0x1000, 4096)], 512, PrpError::Length),
        (
            vec![segment(0x1000, 4096), segment(0x2000, 4096)],
            4608,
            PrpError::Length,
        ),
        (vec![segment(0x1000, 4096)], 8192, PrpError::Length),
        (
            vec![segment(0x1000, 4096), segment(0x2000, 4096)],
            16384,
            PrpError::Length,
        ),
        (
            vec![segment(0x1000, 4096), segment(0x2000, 0)],
            4096,
            PrpError::Length,
        ),
        (
            vec![segment(0x1000, 4096), segment(0x2000, 0)],
            8192,
            PrpError::Length,
        ),
        (vec![segment(0x1000, 0)], 0, PrpError::Length),
        (vec![segment(0x1000, u32::MAX)], 4096, PrpError::Length),
    ];
    for (segments, bytes, error) in table {
        assert_eq!(
            build(&segments, bytes),
            Err(error),
            "{segments:x?} of {bytes}"
        );
    }
    for bad in [segment(0x1002, 512), segment(0x1000, 0)] {
        assert_eq!(Prps::from_segment(Page4K, bad), None);
    }
}

#[test]
fn no_data() {
    assert_eq!((Prps::NONE.prp1().bits(), Prps::NONE.prp2().bits()), (0, 0));
    let prps = Prps::from_addrs(test_addr(0x1000), None);
    assert_eq!((prps.prp1().bits(), prps.prp2().bits()), (0x1000, 0));
}

/// The largest transfers that 32 bits can say, at either end of the address space.
#[test]
fn extremes() {
    let page = PageSize::from_mps(15);
    let largest = segment(0, u32::MAX);
    let built = build(page, &[largest], u32::MAX, &[(1 << 40, 64)]);
    let walked = walk(page, built.result.unwrap(), u32::MAX.into(), &built.memory);
    assert_eq!(walked.map(join), Ok(bytes_of(&[largest])));
    let last = segment(!0xfff, 4095);
    assert_walks(PAGE_4K, &[last], &[]);
    let built = build(Page4K, &[largest], u32::MAX, &[(0xa000, 512)]);
    assert_eq!(built.result, Err(PrpError::NoListMemory));
    assert_eq!(built.wanted, [(1 << 20) - 1, (1 << 20) - 512]);
}

/// A transfer: a page size, segments that may be described by PRPs, and enough list memory.
#[derive(Clone, Debug)]
struct Transfer {
    page: PageSize,
    segments: Vec<Segment>,
    places: Vec<(u64, usize)>,
}

/// Segments from the pages of a transfer: each of the runs is contiguous, and cut in up to three.
fn segments(page: u64, offset: u64, tail: u64, runs: &[(u64, u64, u64, u64)]) -> Vec<Segment> {
    let mut segments = Vec::new();
    for (index, (frame, pages, cut, other_cut)) in runs.iter().enumerate() {
        let mut cuts = [0, cut % (pages + 1), other_cut % (pages + 1), *pages];
        cuts.sort_unstable();
        for (cut, next) in cuts.iter().zip(&cuts[1..]) {
            let (mut start, mut end) = ((frame + cut) * page, (frame + next) * page);
            if start == end {
                continue;
            }
            if index == 0 && segments.is_empty() {
                start += offset;
            }
            if index == runs.len() - 1 && *next == *pages {
                end -= tail.min(end - start - 1);
            }
            segments.push(segment(start, (end - start) as u32));
        }
    }
    segments
}

/// List memory for `needed` entries in pieces: full pages, ends of pages, and for the rest perhaps
/// a small block anywhere in a page.
fn places(page: u64, mut needed: u64, shapes: &[(u64, bool)]) -> Vec<(u64, usize)> {
    let mut places = Vec::new();
    let per_page = page / 8;
    for (index, (shape, small)) in shapes.iter().cycle().enumerate() {
        if needed == 0 {
            break;
        }
        let base = (1 << 56) + index as u64 * page;
        if *small && needed <= per_page {
            // Anywhere, with room for what is needed and a little more.
            let len = (needed + shape % 3).min(per_page);
            let first = shape % (per_page - len + 1);
            places.push((base + 8 * first, len as usize));
            break;
        }
        let len = 2 + shape % (per_page - 1);
        places.push((base + page - 8 * len, len as usize));
        needed -= if len < needed { len - 1 } else { needed };
    }
    places
}

fn transfer() -> impl Strategy<Value = Transfer> {
    let runs = |longest: u64| {
        // Below 2^50 for all page sizes, and never at 0: bit 1 of the frame is set.
        let frame = (0..1u64 << 32).prop_map(|frame| frame | 2);
        let run = (frame, 1..=longest, any::<u64>(), any::<u64>());
        prop::collection::vec(run, 1..12)
    };
    let shape = prop_oneof![
        // Full pages, short ends of pages, anything.
        Just(u64::from(u32::MAX)),
        0..16u64,
        any::<u32>().prop_map(u64::from),
    ];
    (
        prop_oneof![Just(PAGE_4K), Just(PAGE_64K)],
        prop_oneof![runs(1), runs(4), runs(200)],
        prop_oneof![Just(0), any::<u64>()],
        prop_oneof![Just(0), any::<u64>()],
        prop::collection::vec((shape, any::<bool>()), 1..6),
    )
        .prop_map(|(page_size, runs, offset, tail, shapes)| {
            let page = u64::from(page_size.bytes());
            let segments = segments(page, offset % page & !3, tail % page, &runs);
            let pages: u64 = runs.iter().map(|(_, pages, _, _)| pages).sum();
            let needed = if pages > 2 { pages - 1 } else { 0 };
            Transfer {
                page: page_size,
                segments,
                places: places(page, needed, &shapes),
            }
        })
}

/// The model reads the bytes that the segments name, whatever they are and wherever lists lie.
#[test]
fn the_controller_reads_what_was_meant() {
    check(
        transfer(),
        |Transfer {
             page,
             segments,
             places,
         }| {
            let bytes = total(&segments);
            let built = build(page, &segments, bytes, &places);
            let prps = built
                .result
                .map_err(|error| TestCaseError::fail(format!("{error} with {:?}", built.wanted)))?;
            let walked = walk(page, prps, bytes.into(), &built.memory);
            prop_assert_eq!(walked.map(join), Ok(bytes_of(&segments)));
            prop_assert_eq!(built.wanted.len(), places.len());
            if page == PAGE_4K {
                let constant = build(Page4K, &segments, bytes, &places);
                prop_assert_eq!(constant.result, Ok(prps));
                prop_assert_eq!(constant.memory, built.memory);
            }
            Ok(())
        },
    );
}

/// A controller that goes on where it should stop meets the poison, or the end of the memory.
#[test]
fn reading_too_far_meets_poison() {
    check(
        transfer(),
        |Transfer {
             page,
             segments,
             places,
         }| {
            let bytes = total(&segments);
            let built = build(page, &segments, bytes, &places);
            let prps = built.result.unwrap();
            let Some((first, len)) = places.last() else {
                return Ok(());
            };
            let used = built.wanted.last().unwrap();
            let after = first + 8 * u64::from(*used);
            if u64::from(*used) < *len as u64 {
                prop_assert_eq!(built.memory[&after], PrpEntry::POISON.bits());
            }
            let poisoned = |range: &Range<u64>| range.start == PrpEntry::POISON.bits();
            let too_far = u64::from(bytes) + u64::from(page.bytes());
            match walk(page, prps, too_far, &built.memory) {
                Ok(ranges) => prop_assert!(ranges.iter().any(poisoned), "{:x?}", ranges),
                Err(fault) => prop_assert!(*len == *used as usize, "{fault:?}"),
            }
            Ok(())
        },
    );
}

/// One list page less, and there is an error instead of a list.
#[test]
fn too_little_list_memory_is_an_error() {
    check(
        transfer(),
        |Transfer {
             page,
             segments,
             mut places,
         }| {
            if places.pop().is_some() {
                let built = build(page, &segments, total(&segments), &places);
                prop_assert_eq!(built.result, Err(PrpError::NoListMemory));
            }
            Ok(())
        },
    );
}

/// A boundary moved off its page, and there is an error instead of a list.
#[test]
fn gaps_are_errors() {
    let boundary = (
        transfer(),
        any::<prop::sample::Index>(),
        1..1024u32,
        any::<bool>(),
    );
    check(
        boundary,
        |(
            Transfer {
                page,
                mut segments,
                places,
            },
            index,
            by,
            at_end,
        )| {
            if segments.len() < 2 {
                return Ok(());
            }
            let which = index.index(segments.len() - 1);
            let by = 4 * by.min(page.bytes() / 4 - 1);
            if at_end {
                // It ends too early.
                if segments[which].len <= by {
                    return Ok(());
                }
                segments[which].len -= by;
            } else {
                // The next one starts too late.
                let next = &mut segments[which + 1];
                if next.len <= by {
                    return Ok(());
                }
                *next = segment(next.addr.bits() + u64::from(by), next.len - by);
            }
            // The page count may have become another: more list memory than is needed does no harm.
            let mut places = places;
            places.push((1 << 60, page.bytes() as usize / 8));
            let built = build(page, &segments, total(&segments), &places);
            prop_assert!(built.result.is_err());
            prop_assert!(built.result != Err(PrpError::NoListMemory));
            Ok(())
        },
    );
}

/// A total that is not the sum, and there is an error instead of a list.
#[test]
fn wrong_totals_are_errors() {
    check(
        (transfer(), 1..100_000u32, any::<bool>()),
        |(transfer, by, more)| {
            let Transfer {
                page,
                segments,
                places,
            } = transfer;
            let bytes = total(&segments);
            let wrong = if more {
                bytes + by
            } else {
                bytes.saturating_sub(by)
            };
            let built = build(page, &segments, wrong, &places);
            prop_assert!(built.result.is_err());
            Ok(())
        },
    );
}

/// The fast path agrees with the builder, and covers all that needs no list.
#[test]
fn one_segment() {
    check(
        (0..1u64 << 40, 1..20_000u32, any::<bool>()),
        |(addr, len, aligned)| {
            let addr = if aligned { addr & !0xfff } else { addr & !3 };
            let one = segment(addr, len);
            let built = build(Page4K, &[one], len, &[]);
            match Prps::from_segment(Page4K, one) {
                Some(prps) => {
                    prop_assert_eq!(Ok(prps), built.result);
                    prop_assert_eq!(Prps::from_segment(PAGE_4K, one), Some(prps));
                    let walked = walk(PAGE_4K, prps, len.into(), &HashMap::new());
                    prop_assert_eq!(walked.map(join), Ok(bytes_of(&[one])));
                }
                None => prop_assert_eq!(built.result, Err(PrpError::NoListMemory)),
            }
            Ok(())
        },
    );
}
