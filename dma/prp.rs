// SPDX-License-Identifier: GPL-2.0

//! Physical region pages: how a command tells a controller where its data is.
//!
//! NVM Express Base Specification 2.0c, 4.1.1. A PRP entry addresses one memory page of the
//! controller. The first one, PRP1, may start anywhere in its page; each of the others starts at
//! offset 0, and all but the last reach to the end of their page. PRP2 is the second entry if two
//! are enough, else the address of a list of the second and all further entries. If a list does not
//! fit into the memory page that it is in, then the last eight bytes of that page point to the
//! rest of the list.
//!
//! Nothing here knows where list memory comes from or what the kernel's page size is. The pages
//! here are the controller's (CC.MPS).

use core::{
    fmt,
    mem, //
};

use super::DmaAddr;

/// The size of a memory page of the controller, CC.MPS.
///
/// # Invariants
///
/// The size is 2^`shift` bytes, 4 KiB to 128 MiB.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) struct PageSize {
    shift: u8,
}

impl PageSize {
    /// 4 KiB, which nearly every controller supports and every driver uses where it can.
    pub(crate) const KIB_4: Self = Self { shift: 12 };

    /// From the value of CC.MPS, CAP.MPSMIN or CAP.MPSMAX: 2^(12 + `mps`) bytes.
    ///
    /// These fields have four bits; the others of `mps` are ignored.
    pub(crate) const fn from_mps(mps: u8) -> Self {
        // INVARIANT: 12 + 0 and 12 + 15 are the shifts of 4 KiB and of 128 MiB.
        Self {
            shift: 12 + (mps & 0xf),
        }
    }

    /// The value for CC.MPS.
    pub(crate) const fn mps(self) -> u8 {
        self.shift.wrapping_sub(12)
    }

    /// The size in bytes.
    pub(crate) const fn bytes(self) -> u32 {
        1u32.wrapping_shl(self.shift as u32)
    }
}

impl fmt::Debug for PageSize {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "PageSize({})", self.bytes())
    }
}

/// A [`PageSize`], or a page size which the compiler knows.
///
/// The data path is compiled twice, so that the common case is shifts and masks by constants.
pub(crate) trait PageShape: Copy {
    /// The logarithm to base 2 of the size in bytes, 12 to 27.
    fn shift(self) -> u32;
}

impl PageShape for PageSize {
    #[inline(always)] // A field.
    fn shift(self) -> u32 {
        u32::from(self.shift)
    }
}

/// Pages of 4 KiB, [`PageSize::KIB_4`] known at compile time.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Page4K;

impl PageShape for Page4K {
    #[inline(always)] // A constant.
    fn shift(self) -> u32 {
        12
    }
}

/// `addr` relative to the start of its page, in bytes.
#[inline(always)] // One instruction.
fn offset_in_page(page: impl PageShape, addr: DmaAddr) -> u32 {
    // The page size is at most 2^27, so the low 32 bits of the address are enough.
    addr.bits() as u32 & page_bytes(page).wrapping_sub(1)
}

/// The size of a page in bytes.
#[inline(always)] // One instruction.
fn page_bytes(page: impl PageShape) -> u32 {
    1u32.wrapping_shl(page.shift())
}

/// The pages that `bytes` bytes touch if they start `offset` bytes into the first one.
#[inline(always)] // Three instructions.
fn pages(page: impl PageShape, offset: u32, bytes: u32) -> u32 {
    let end = u64::from(offset) + u64::from(bytes);
    let last = u64::from(page_bytes(page).wrapping_sub(1));
    // At most 2^20 + 1, since a page has at least 2^12 bytes.
    end.wrapping_add(last).wrapping_shr(page.shift()) as u32
}

/// A contiguous run of mapped memory, as the device sees it.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(crate) struct Segment {
    /// Where it starts.
    pub(crate) addr: DmaAddr,
    /// Its length in bytes.
    pub(crate) len: u32,
}

/// The data pointer of a command: PRP1 and PRP2.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(crate) struct Prps {
    prp1: DmaAddr,
    prp2: DmaAddr,
}

impl Prps {
    /// For a command that transfers no data: both entries are reserved.
    pub(crate) const NONE: Self = Self {
        prp1: DmaAddr::UNUSED,
        prp2: DmaAddr::UNUSED,
    };

    /// For a command that gives these fields a meaning of its own: the queue base of Create I/O
    /// Queue, the two buffers of Doorbell Buffer Config.
    ///
    /// `prp2` is cleared if there is none. It is reserved then, and "a reserved field shall be
    /// cleared to 0h" (Base 1.4), so that a poison address has no place there.
    pub(crate) const fn from_addrs(prp1: DmaAddr, prp2: Option<DmaAddr>) -> Self {
        let prp2 = match prp2 {
            Some(addr) => addr,
            None => DmaAddr::UNUSED,
        };
        Self { prp1, prp2 }
    }

    /// For data in one segment that touches no more than two pages; `None` for any other.
    ///
    /// Most I/O is like that, and needs no list.
    #[inline(always)] // The data path; a few instructions once the page size is constant.
    pub(crate) fn from_segment(page: impl PageShape, segment: Segment) -> Option<Self> {
        let Segment { addr, len } = segment;
        // The bytes of the page that PRP1 can reach.
        let first = page_bytes(page).wrapping_sub(offset_in_page(page, addr));
        if addr.bits() & 3 != 0 || len == 0 {
            return None;
        }
        match len.checked_sub(first) {
            None | Some(0) => Some(Self::from_addrs(addr, None)),
            Some(rest) if rest <= page_bytes(page) => {
                Some(Self::from_addrs(addr, Some(addr.offset(first as usize))))
            }
            Some(_) => None,
        }
    }

    /// PRP1.
    #[inline(always)] // A field.
    pub(crate) const fn prp1(self) -> DmaAddr {
        self.prp1
    }

    /// PRP2.
    #[inline(always)] // A field.
    pub(crate) const fn prp2(self) -> DmaAddr {
        self.prp2
    }
}

/// An entry of a PRP list, little-endian in memory.
///
/// Only [`PrpBuilder`] changes one, and only to a [`DmaAddr`].
#[derive(Clone, Copy, PartialEq, Eq)]
#[repr(transparent)]
pub(crate) struct PrpEntry(u64);

impl PrpEntry {
    /// What list memory is filled with before its first use.
    ///
    /// A builder puts it behind the last entry, too, if there is room. A controller that reads on
    /// past the end of a list finds it there, and not an entry of an earlier command whose memory
    /// has long been given back. It may stand there, unlike in PRP2: what follows the last entry
    /// is not part of the command.
    pub(crate) const POISON: Self = Self(DmaAddr::POISON.bits().to_le());

    /// The value of the address in the entry, in the processor's byte order.
    pub(crate) const fn bits(self) -> u64 {
        u64::from_le(self.0)
    }

    #[inline(always)] // One store.
    fn set(&mut self, addr: DmaAddr) {
        self.0 = addr.bits().to_le();
    }
}

impl fmt::Debug for PrpEntry {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "PrpEntry({:#x})", self.bits())
    }
}

/// Memory for a PRP list or a part of one, which the device can read and does not know of yet.
#[derive(Debug)]
pub(crate) struct ListPage<'a> {
    /// The address of the first entry.
    pub(crate) addr: DmaAddr,
    /// The entries.
    ///
    /// They must not reach beyond the end of a memory page of the controller. If they reach the
    /// end, a longer list can go on elsewhere; if they do not, it has to fit, since the controller
    /// looks for a pointer at the end of the page and nowhere else.
    pub(crate) entries: &'a mut [PrpEntry],
}

/// Where list memory comes from.
pub(crate) trait ListMemory<'a> {
    /// Gives memory for `wanted` further entries, or for as many of them as there is room for;
    /// `None` if there is no memory left for this command.
    fn next_page(&mut self, wanted: u32) -> Option<ListPage<'a>>;
}

/// Why a data pointer could not be made. No part of an unfinished one reaches a device.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(crate) enum PrpError {
    /// The first segment does not start at a multiple of four bytes.
    Unaligned,
    /// Two segments meet elsewhere than at the boundary of a page.
    Gap,
    /// The segments are longer or shorter than the command's data together, or one is empty.
    Length,
    /// There is no list memory left.
    NoListMemory,
    /// List memory crosses a page boundary, or is too short and does not end at one.
    BadListMemory,
}

impl fmt::Display for PrpError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Unaligned => "data starts at an odd address",
            Self::Gap => "data has a gap within a memory page",
            Self::Length => "segments do not add up to the length of the data",
            Self::NoListMemory => "no memory for PRP lists",
            Self::BadListMemory => "memory for PRP lists is misplaced",
        })
    }
}

/// Makes the data pointer of a command, segment by segment.
///
/// # Invariants
///
/// - `prp1` and what was written to list memory so far describe the first bytes of the data.
/// - `entries` is the number of pages that the remaining `bytes` bytes touch, plus those of the
///   segment which is being added.
/// - If a list was begun and `entries` is not 0, `slots` is not empty, and its last slot is the
///   last of a memory page unless there are at least `entries` slots.
#[derive(Debug)]
pub(crate) struct PrpBuilder<'a, P, L> {
    page: P,
    lists: L,
    prps: Prps,
    /// The bytes that are in no segment yet.
    bytes: u32,
    /// The entries, PRP1 not counted, that are not written yet.
    entries: u32,
    /// Whether there is a list. If not, the second entry is PRP2.
    has_list: bool,
    /// What is free of the current list page.
    slots: &'a mut [PrpEntry],
}

impl<'a, P: PageShape, L: ListMemory<'a>> PrpBuilder<'a, P, L> {
    /// Starts the data pointer of a command that transfers `bytes` bytes, of which `first` are
    /// the first.
    #[inline]
    pub(crate) fn start(page: P, lists: L, bytes: u32, first: Segment) -> Result<Self, PrpError> {
        let Segment { addr, len } = first;
        if addr.bits() & 3 != 0 {
            return Err(PrpError::Unaligned);
        }
        let offset = offset_in_page(page, addr);
        let mut builder = Self {
            page,
            lists,
            prps: Prps::from_addrs(addr, None),
            bytes,
            entries: pages(page, offset, bytes).saturating_sub(1),
            has_list: false,
            slots: &mut [],
        };
        builder.take(addr, len)?;
        if builder.entries > 1 {
            builder.prps.prp2 = builder.open()?;
            builder.has_list = true;
        }
        let in_prp1 = page_bytes(page).wrapping_sub(offset);
        if let Some(rest @ 1..) = len.checked_sub(in_prp1) {
            builder.fill(addr.offset(in_prp1 as usize), rest)?;
        }
        Ok(builder)
    }

    /// Adds the next segment.
    #[inline]
    pub(crate) fn push(&mut self, segment: Segment) -> Result<(), PrpError> {
        let Segment { addr, len } = segment;
        if offset_in_page(self.page, addr) != 0 {
            return Err(PrpError::Gap);
        }
        self.take(addr, len)?;
        self.fill(addr, len)
    }

    /// Ends the data pointer, if the segments were the whole of the data.
    #[inline]
    pub(crate) fn finish(self) -> Result<Prps, PrpError> {
        if self.bytes != 0 {
            return Err(PrpError::Length);
        }
        if let Some(slot) = self.slots.first_mut() {
            *slot = PrpEntry::POISON;
        }
        Ok(self.prps)
    }

    /// Counts a segment, and checks its end.
    #[inline]
    fn take(&mut self, addr: DmaAddr, len: u32) -> Result<(), PrpError> {
        let Some(left) = self.bytes.checked_sub(len) else {
            return Err(PrpError::Length);
        };
        if len == 0 {
            return Err(PrpError::Length);
        }
        if left != 0 && offset_in_page(self.page, addr.offset(len as usize)) != 0 {
            return Err(PrpError::Gap);
        }
        self.bytes = left;
        Ok(())
    }

    /// Writes the entries of the `len` bytes at `addr`, which is the start of a page.
    #[inline]
    fn fill(&mut self, addr: DmaAddr, len: u32) -> Result<(), PrpError> {
        if !self.has_list {
            // All of the data touches two pages, PRP1 is the first, and this is the other.
            self.prps.prp2 = addr;
            self.entries = 0;
            return Ok(());
        }
        // Memory that comes page by page is the common case, and has its own short path.
        if len <= page_bytes(self.page) && (self.slots.len() > 1 || self.entries == 1) {
            if let Some((slot, rest)) = mem::take(&mut self.slots).split_first_mut() {
                slot.set(addr);
                self.slots = rest;
                self.entries = self.entries.wrapping_sub(1);
                return Ok(());
            }
        }
        self.fill_pages(addr, pages(self.page, 0, len))
    }

    /// Writes the entries of `pages` pages, the first of which starts at `addr`, and goes on to
    /// the next list page whenever one is full.
    fn fill_pages(&mut self, mut addr: DmaAddr, mut pages: u32) -> Result<(), PrpError> {
        while pages > 0 {
            let slots = mem::take(&mut self.slots);
            let mut room = slots.len();
            if room < self.entries as usize {
                // The list goes on elsewhere, and the last entry of the page says where.
                room = room.saturating_sub(1);
            }
            let (now, rest) = slots
                .split_at_mut_checked(room.min(pages as usize))
                .ok_or(PrpError::BadListMemory)?;
            let written = now.len() as u32;
            for slot in now {
                slot.set(addr);
                addr = addr.offset(page_bytes(self.page) as usize);
            }
            pages = pages.wrapping_sub(written);
            self.entries = self.entries.wrapping_sub(written);
            match rest {
                rest if pages == 0 => self.slots = rest,
                [link] => link.set(self.open()?),
                // By the invariants there is a slot for the pointer.
                _ => return Err(PrpError::BadListMemory),
            }
        }
        Ok(())
    }

    /// Gets the next list page, and returns its address.
    #[cold]
    fn open(&mut self) -> Result<DmaAddr, PrpError> {
        let list = self
            .lists
            .next_page(self.entries)
            .ok_or(PrpError::NoListMemory)?;
        let offset = offset_in_page(self.page, list.addr);
        let end = mem::size_of_val(list.entries).saturating_add(offset as usize);
        let page = page_bytes(self.page) as usize;
        let is_enough = list.entries.len() >= self.entries as usize;
        if offset % 8 != 0 || list.entries.is_empty() || end > page || !is_enough && end != page {
            return Err(PrpError::BadListMemory);
        }
        self.slots = list.entries;
        Ok(list.addr)
    }
}
