// SPDX-License-Identifier: GPL-2.0

//! Memory for PRP lists: all that the requests of a queue need, allocated with the queue.
//!
//! Each tag has a short list for itself. A longer list is made of pages that all tags share.

use super::{
    pool::{
        Pool,
        PoolIndex, //
    },
    prp::{
        ListMemory,
        ListPage,
        PrpEntry, //
    },
    Coherent,
    DmaAddr, //
};
use crate::pci::Lease;
use core::mem;
use kernel::prelude::*;

/// The most pages of a list.
const MAX_PAGES: usize = 5;

/// The most entries of a list: in each page but the last, one is the link to the next.
pub(super) const MAX_ENTRIES: usize = MAX_PAGES * PAGE_ENTRIES - (MAX_PAGES - 1);

/// Pages that the tags of a queue share. One request makes progress with [`MAX_PAGES`].
const SHARED_PAGES: usize = 32;

/// Entries in the list that each tag has for itself: requests of up to 16 KiB, or
/// 20 KiB if they start at a page, need no shared page.
const TAG_ENTRIES: usize = 4;

/// Entries in a page.
const PAGE_ENTRIES: usize = 512;

/// The bytes of a page.
pub(super) const PAGE_BYTES: usize = PAGE_ENTRIES * mem::size_of::<PrpEntry>();

/// Where a list begins in its first page: at the start, but for a fault point that wants it to go
/// on in another page soon.
#[inline(always)] // A constant.
fn first_entry() -> usize {
    #[cfg(CONFIG_RNVME_FAULT_INJECTION)]
    if SMALL_LISTS.strikes() {
        return PAGE_ENTRIES - 32;
    }
    0
}

/// The first page of a list has 32 entries only.
#[cfg(CONFIG_RNVME_FAULT_INJECTION)]
pub(crate) static SMALL_LISTS: crate::os::fault::Point =
    crate::os::fault::Point::new(c"small_lists");

type TagList = [PrpEntry; TAG_ENTRIES];
type PageMemory = [PrpEntry; PAGE_ENTRIES];

/// The list memory of one queue.
pub(super) struct ListReserve {
    tag_lists: Coherent<TagList>,
    pages: Coherent<PageMemory>,
    free: Pool,
}

/// Shared pages in use, at most [`MAX_PAGES`]: a bit each.
#[derive(Default)]
pub(super) struct PagesInUse(u32);

impl PagesInUse {
    /// True if there is none.
    #[inline]
    pub(super) fn is_empty(&self) -> bool {
        self.0 == 0
    }

    fn add(&mut self, page: PoolIndex) {
        // CAST: a pool has fewer than 64 pages, ours 32; the index is consumed.
        self.0 |= 1u32.wrapping_shl(page.get() as u32);
    }
}

impl ListReserve {
    /// List memory for a queue of `depth` tags. May sleep.
    ///
    /// # Errors
    ///
    /// Those of [`Coherent::new`].
    pub(super) fn new(lease: &Lease, depth: usize) -> Result<Self> {
        let mut tag_lists = Coherent::new(lease.clone(), depth)?;
        fill_with_poison(&mut tag_lists);
        let mut pages = Coherent::new(lease.clone(), SHARED_PAGES)?;
        fill_with_poison(&mut pages);
        Ok(Self {
            tag_lists,
            pages,
            free: Pool::new(SHARED_PAGES),
        })
    }

    /// List memory for the request of `tag`, whose owner asks once. Shared pages are noted in `pages`,
    /// also if making the list fails. Any context.
    #[inline]
    pub(super) fn for_tag<'a>(&'a self, tag: usize, pages: &'a mut PagesInUse) -> TagSource<'a> {
        TagSource {
            reserve: self,
            tag: Some(tag),
            pages,
            count: 0,
        }
    }

    /// A shared page for data of the driver's own, with its address: `fill` gets its bytes, all zero.
    /// `None` if there is none left. Any context.
    pub(super) fn page(
        &self,
        fill: impl FnOnce(&mut [u8; PAGE_BYTES]),
    ) -> Option<(DmaAddr, PagesInUse)> {
        let page = self.free.take()?;
        let index = page.get();
        let mut pages = PagesInUse::default();
        pages.add(page);
        // SAFETY: the page is ours, and the device does not know of it.
        let memory = unsafe { self.pages.get_mut(index) }?;
        // SAFETY: entries are plain integers; any bytes are entries that no device
        // reads before a builder has written them.
        let bytes: &mut [u8; PAGE_BYTES] = unsafe { &mut *core::ptr::from_mut(memory).cast() };
        *bytes = [0; PAGE_BYTES];
        fill(bytes);
        Some((self.pages.dma_addr_of(index), pages))
    }

    /// Takes shared pages back, which the device does not read any more. Any context.
    #[inline]
    pub(super) fn give_back(&self, pages: PagesInUse) {
        self.free.put_all(u64::from(pages.0));
    }
}

/// Fills list memory with addresses that fault.
fn fill_with_poison<const N: usize>(lists: &mut Coherent<[PrpEntry; N]>) {
    lists.for_each_mut(|list| {
        for entry in list {
            *entry = PrpEntry::POISON;
        }
    });
}

/// Gives a request first the list of its tag, then shared pages.
pub(super) struct TagSource<'a> {
    reserve: &'a ListReserve,
    tag: Option<usize>,
    pages: &'a mut PagesInUse,
    count: usize,
}

impl<'a> ListMemory<'a> for TagSource<'a> {
    fn next_page(&mut self, wanted: u32) -> Option<ListPage<'a>> {
        let reserve = self.reserve;
        // CAST: widening.
        if wanted as usize <= TAG_ENTRIES {
            if let Some(tag) = self.tag.take() {
                return Some(ListPage {
                    addr: reserve.tag_lists.dma_addr_of(tag),
                    // SAFETY: the list belongs to the owner of the tag, who has asked
                    // for it once; the device does not know of it yet.
                    entries: unsafe { reserve.tag_lists.get_mut(tag) }?,
                });
            }
        }
        if self.count == MAX_PAGES {
            return None;
        }
        let page = reserve.free.take()?;
        let index = page.get();
        self.pages.add(page);
        // Only that which the command points to may start inside of a page.
        let first = if self.count == 0 { first_entry() } else { 0 };
        self.count = self.count.wrapping_add(1);
        // SAFETY: the page is ours until `pages` are given back; the device does
        // not know of it yet.
        let entries = unsafe { reserve.pages.get_mut(index) }?;
        Some(ListPage {
            addr: reserve
                .pages
                .dma_addr_of(index)
                .offset(first.wrapping_mul(mem::size_of::<PrpEntry>())),
            entries: entries.get_mut(first..)?,
        })
    }
}
