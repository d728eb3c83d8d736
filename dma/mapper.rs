// SPDX-License-Identifier: GPL-2.0

//! Mapping the memory of requests.
//!
//! One segment that touches two pages at most is the fast path: one call, no list.
//! Everything else goes through the block layer's iterator, which knows IOMMUs and
//! bounce buffers.
//!
//! A segment has to be unmapped if the DMA layer says so *after* it was mapped: a
//! device that never needed it does from its first bounce on, which may be in the
//! middle of a request. What must be unmapped is recorded in memory that the device
//! cannot reach, and never read back from the lists that it can.

use super::{
    lists::{
        ListReserve,
        PagesInUse,
        MAX_ENTRIES,
        PAGE_BYTES, //
    },
    pool::{
        Pool,
        PoolIndex, //
    },
    prp::{
        Page4K,
        PrpBuilder,
        PrpError,
        Prps,
        Segment, //
    },
    DmaAddr, //
};
use crate::{
    bindings,
    mq::{
        Operations,
        PowerOfTwo,
        RequestInfo, //
    },
    pci::Lease, //
};
use core::cell::UnsafeCell;
use kernel::prelude::*;

/// The most segments in a request: as many records as a record page has.
pub(crate) const MAX_SEGMENTS: u16 = 256;

/// Records in a record page.
const PAGE_RECORDS: usize = MAX_SEGMENTS as usize; // CAST: widening.

/// The largest request, in bytes.
pub(crate) const MAX_BYTES: u32 = 8 << 20;

/// Segments meet at multiples of this: the pages of the controller.
pub(crate) const PAGE: PowerOfTwo = PowerOfTwo::of::<4096>();

/// Record pages of a queue. One request makes progress with one.
const RECORD_PAGES: usize = 16;

/// A segment that has to be unmapped.
#[derive(Clone, Copy)]
struct Record {
    addr: u64,
    len: u32,
}

/// How a request was mapped, and so what is to be undone.
enum Mapped {
    /// Nothing that needs undoing.
    Nothing,
    /// One segment.
    Segment(Record),
    /// The first `count` records of a page.
    Records { page: PoolIndex, count: u16 },
    /// All of the request as one range of I/O addresses.
    Iova(bindings::dma_iova_state),
}

/// What a request holds while the device may reach its memory.
///
/// It has no destructor: who takes it back gives it to [`RequestMapper::unmap`],
/// which [`Operations::release`] is for.
#[must_use = "a mapping that is not unmapped is lost"]
pub(crate) struct Mapping {
    mapped: Mapped,
    lists: PagesInUse,
    to_device: bool,
}

impl Mapping {
    /// That of a command without data.
    #[inline]
    pub(crate) fn none() -> Self {
        Self {
            mapped: Mapped::Nothing,
            lists: PagesInUse::default(),
            to_device: false,
        }
    }
}

/// Why a request could not be mapped.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum MapError {
    /// Something is used up; another request that ends gives it back.
    Busy,
    /// The request cannot be mapped, now or later.
    Invalid,
}

/// Maps the requests of one queue for one device.
pub(crate) struct RequestMapper {
    lists: ListReserve,
    /// [`PAGE_RECORDS`] for each of [`RECORD_PAGES`].
    records: KVVec<UnsafeCell<Record>>,
    free_records: Pool,
    dev: *mut bindings::device,
    lease: Lease,
}

// SAFETY: the device may be used from any thread; list and record memory is used by
// the owner of its tag or `PoolIndex` alone.
unsafe impl Send for RequestMapper {}
// SAFETY: as above.
unsafe impl Sync for RequestMapper {}

impl RequestMapper {
    /// A mapper for a queue of `depth` tags. All memory that mapping needs is
    /// allocated here. May sleep.
    pub(crate) fn new(lease: Lease, depth: usize) -> Result<Self> {
        // A request that starts inside of a page has an entry more; but its first is PRP1, in no
        // list. CAST: widening.
        const { assert!(MAX_BYTES as usize / 4096 <= MAX_ENTRIES) };
        let count = RECORD_PAGES * PAGE_RECORDS;
        let mut records = KVVec::with_capacity(count, GFP_KERNEL)?;
        for _ in 0..count {
            records.push(UnsafeCell::new(Record { addr: 0, len: 0 }), GFP_KERNEL)?;
        }
        Ok(Self {
            lists: ListReserve::new(&lease, depth)?,
            records,
            free_records: Pool::new(RECORD_PAGES),
            dev: lease.raw_device(),
            lease,
        })
    }

    /// The function for which it maps.
    pub(crate) fn lease(&self) -> &Lease {
        &self.lease
    }

    /// Maps the data of a request and makes its data pointer. Any context.
    ///
    /// # Errors
    ///
    /// With nothing mapped: [`MapError::Busy`] if it may succeed when another request
    /// has ended, else [`MapError::Invalid`].
    #[inline(always)] // The result stays in registers; the slow paths are calls.
    pub(crate) fn map<T: Operations>(
        &self,
        rq: &RequestInfo<T>,
    ) -> Result<(Prps, Mapping), MapError> {
        if rq.segments() == 1 {
            let mut segment = bindings::rnvme_segment::default();
            // SAFETY: the request is live and has data; the device is bound.
            if unsafe { bindings::rnvme_map_single_segment(rq.as_raw(), self.dev, &mut segment) } {
                return self.one_segment(rq, segment);
            }
        }
        self.many_segments(rq)
    }

    #[inline(always)] // As `map`.
    fn one_segment<T: Operations>(
        &self,
        rq: &RequestInfo<T>,
        segment: bindings::rnvme_segment,
    ) -> Result<(Prps, Mapping), MapError> {
        let bindings::rnvme_segment {
            addr,
            len,
            need_unmap,
        } = segment;
        let mapping = Mapping {
            mapped: if need_unmap {
                Mapped::Segment(Record { addr, len })
            } else {
                Mapped::Nothing
            },
            lists: PagesInUse::default(),
            to_device: rq.is_write(),
        };
        let segment = Segment {
            // SAFETY: mapped just now, for this device, until `mapping` is unmapped.
            addr: unsafe { DmaAddr::new(addr) },
            len,
        };
        match Prps::from_segment(Page4K, segment) {
            Some(prps) => Ok((prps, mapping)),
            None => self.one_long_segment(rq, mapping, segment),
        }
    }

    #[inline(never)]
    fn one_long_segment<T: Operations>(
        &self,
        rq: &RequestInfo<T>,
        mut mapping: Mapping,
        segment: Segment,
    ) -> Result<(Prps, Mapping), MapError> {
        let lists = self.lists.for_tag(rq.tag(), &mut mapping.lists);
        let built = PrpBuilder::start(Page4K, lists, segment.len, segment)
            .and_then(PrpBuilder::finish)
            .map_err(MapError::from);
        self.built(built, mapping)
    }

    #[inline(never)]
    fn many_segments<T: Operations>(
        &self,
        rq: &RequestInfo<T>,
    ) -> Result<(Prps, Mapping), MapError> {
        let mut mapping = Mapping {
            mapped: Mapped::Nothing,
            lists: PagesInUse::default(),
            to_device: rq.is_write(),
        };
        let mut lists = PagesInUse::default();
        let built = self.map_segments(rq, &mut mapping.mapped, &mut lists);
        mapping.lists = lists;
        self.built(built, mapping)
    }

    /// Ends what [`Self::map`] began: a data pointer that could not be made leaves
    /// nothing mapped.
    fn built(
        &self,
        built: Result<Prps, MapError>,
        mapping: Mapping,
    ) -> Result<(Prps, Mapping), MapError> {
        match built {
            Ok(prps) => Ok((prps, mapping)),
            Err(error) => {
                self.unmap(mapping);
                Err(error)
            }
        }
    }

    fn map_segments<T: Operations>(
        &self,
        rq: &RequestInfo<T>,
        mapped: &mut Mapped,
        lists: &mut PagesInUse,
    ) -> Result<Prps, MapError> {
        let mut state: bindings::dma_iova_state = pin_init::zeroed();
        let mut iter: bindings::blk_dma_iter = pin_init::zeroed();
        // SAFETY: the request is live, the device bound; the rest is ours.
        if !unsafe {
            bindings::blk_rq_dma_map_iter_start(rq.as_raw(), self.dev, &mut state, &mut iter)
        } {
            return Err(MapError::from_status(iter.status));
        }
        // SAFETY: filled in by the call above.
        if unsafe { bindings::rnvme_dma_use_iova(&mut state) } {
            *mapped = Mapped::Iova(state);
            let segment = Segment {
                // SAFETY: mapped just now, for this device, until it is unmapped.
                addr: unsafe { DmaAddr::new(iter.addr) },
                len: iter.len,
            };
            let source = self.lists.for_tag(rq.tag(), lists);
            return PrpBuilder::start(Page4K, source, rq.len(), segment)
                .and_then(PrpBuilder::finish)
                .map_err(MapError::from);
        }

        let dir = direction(rq.is_write());
        let segment = self.record(&iter, dir, mapped)?;
        let source = self.lists.for_tag(rq.tag(), lists);
        let mut builder = PrpBuilder::start(Page4K, source, rq.len(), segment)?;
        // SAFETY: as above.
        while unsafe { bindings::blk_rq_dma_map_iter_next(rq.as_raw(), self.dev, &mut iter) } {
            let segment = self.record(&iter, dir, mapped)?;
            builder.push(segment)?;
        }
        if iter.status != bindings::BLK_STS_OK {
            return Err(MapError::from_status(iter.status));
        }
        Ok(builder.finish()?)
    }

    /// Records the segment that the iterator mapped just now, if it has to be
    /// unmapped; unmaps it if there is no room for the record.
    fn record(
        &self,
        iter: &bindings::blk_dma_iter,
        dir: bindings::dma_data_direction,
        mapped: &mut Mapped,
    ) -> Result<Segment, MapError> {
        let segment = Segment {
            // SAFETY: mapped just now, for this device, until it is unmapped.
            addr: unsafe { DmaAddr::new(iter.addr) },
            len: iter.len,
        };
        // SAFETY: the device is bound.
        if !unsafe { bindings::dma_need_unmap(self.dev) } {
            return Ok(segment);
        }
        let record = Record {
            addr: iter.addr,
            len: iter.len,
        };
        if self.add_record(record, mapped) {
            return Ok(segment);
        }
        // Without a record it would stay mapped for ever.
        self.unmap_record(record, dir);
        Err(MapError::Busy)
    }

    fn add_record(&self, record: Record, mapped: &mut Mapped) -> bool {
        if let Mapped::Nothing = mapped {
            let Some(page) = self.free_records.take() else {
                return false;
            };
            *mapped = Mapped::Records { page, count: 0 };
        }
        let Mapped::Records { page, count } = mapped else {
            return false;
        };
        let Some(cell) = self.records_of(page).nth(usize::from(*count)) else {
            return false;
        };
        // SAFETY: the page belongs to whoever has its index.
        unsafe { *cell.get() = record };
        *count = count.wrapping_add(1);
        true
    }

    /// Takes a list page for the data of a command whose data the driver makes
    /// itself: `fill` gets its bytes, all zero. Any context.
    pub(crate) fn map_page(
        &self,
        fill: impl FnOnce(&mut [u8; PAGE_BYTES]),
    ) -> Result<(Prps, Mapping), MapError> {
        let (addr, lists) = self.lists.page(fill).ok_or(MapError::Busy)?;
        Ok((
            Prps::from_addrs(addr, None),
            Mapping {
                mapped: Mapped::Nothing,
                lists,
                to_device: true,
            },
        ))
    }

    /// Undoes a mapping of this mapper. The device cannot reach the memory any more.
    /// Any context.
    #[inline]
    pub(crate) fn unmap(&self, mapping: Mapping) {
        let Mapping {
            mapped,
            lists,
            to_device,
        } = mapping;
        if !lists.is_empty() {
            self.lists.give_back(lists);
        }
        if !matches!(mapped, Mapped::Nothing) {
            self.unmap_memory(mapped, direction(to_device));
        }
    }

    #[inline(never)]
    fn unmap_memory(&self, mapped: Mapped, dir: bindings::dma_data_direction) {
        match mapped {
            Mapped::Nothing => {}
            Mapped::Segment(record) => self.unmap_record(record, dir),
            Mapped::Iova(state) => {
                // SAFETY: mapped as `state` says, and unmapped once, as the mapping
                // was moved here.
                unsafe { bindings::rnvme_dma_iova_destroy(self.dev, state, dir) };
            }
            Mapped::Records { page, count } => {
                for cell in self.records_of(&page).take(usize::from(count)) {
                    // SAFETY: the page belongs to whoever has its index.
                    self.unmap_record(unsafe { *cell.get() }, dir);
                }
                self.free_records.put(page);
            }
        }
    }

    /// The records of one page.
    fn records_of(&self, page: &PoolIndex) -> impl Iterator<Item = &UnsafeCell<Record>> {
        let first = page.get().wrapping_mul(PAGE_RECORDS);
        self.records.iter().skip(first).take(PAGE_RECORDS)
    }

    fn unmap_record(&self, record: Record, dir: bindings::dma_data_direction) {
        // SAFETY: mapped with this length, and unmapped once: the record is not used
        // again. CAST: widening.
        unsafe {
            bindings::dma_unmap_phys(self.dev, record.addr, record.len as usize, dir, 0);
        }
    }
}

fn direction(to_device: bool) -> bindings::dma_data_direction {
    if to_device {
        bindings::dma_data_direction::DMA_TO_DEVICE
    } else {
        bindings::dma_data_direction::DMA_FROM_DEVICE
    }
}

impl MapError {
    fn from_status(status: bindings::blk_status_t) -> Self {
        match status {
            bindings::BLK_STS_RESOURCE => Self::Busy,
            _ => Self::Invalid,
        }
    }
}

impl From<PrpError> for MapError {
    fn from(error: PrpError) -> Self {
        match error {
            PrpError::NoListMemory => Self::Busy,
            _ => Self::Invalid,
        }
    }
}
