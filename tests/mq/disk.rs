// SPDX-License-Identifier: GPL-2.0

//! A disk: what it is made of, and what it does with a request.

#![forbid(unsafe_code)]

use crate::{
    attributes,
    budget::Budget,
    config::{
        DiskConfig,
        Name, //
    },
    counters::Counters,
    device::{
        Device,
        Shared, //
    },
    exchange,
    medium::Medium,
    metadata::Metadata,
    mq::{
        atomic::{
            AtomicBool,
            AtomicU64,
            Ordering, //
        },
        AtomicWriteLimits,
        BlkStatus,
        BlockSize,
        DiscardLimits,
        DiskEvents,
        GenDisk,
        GenDiskBuilder,
        IntegrityProfile,
        Op,
        OwnedRequestQueue,
        PowerOfTwo,
        QueueLimits,
        RequestInfo,
        WriteCache,
        WriteStreamLimits,
        WriteZeroesLimits,
        ZoneLimits, //
    },
    operations::Ram,
    order::Kept,
    os::work::WorkQueue,
    reservations::Reservations,
    zones::{
        Action,
        Zones, //
    },
};
use kernel::{
    prelude::*,
    sync::Arc, //
};

/// The driver's data of a disk.
#[pin_data]
pub(crate) struct RamDisk {
    config: DiskConfig,
    device: Arc<Shared>,
    serial: u64,
    /// Without, nothing is copied.
    medium: Option<Medium>,
    metadata: Option<Metadata>,
    zones: Option<Zones>,
    budget: Budget,
    #[pin]
    reservations: Reservations,
    /// Memory of a program that somebody is to take up.
    #[pin]
    kept: Kept,
    /// Somebody has put another medium in, and nobody was told yet.
    changed: AtomicBool,
    /// Each hardware context that a request comes by is stopped.
    choked: AtomicBool,
}

/// A priority has its class above this bit.
const PRIORITY_CLASS_SHIFT: u32 = 13;
/// The class of who is served before all others.
const REAL_TIME: u16 = 1;

/// The serial number of the next disk.
static SERIAL: AtomicU64 = AtomicU64::new(0x00a0_5500_0000_0000);

/// How a request ends: well, with the place that an append went to if it is one, or with
/// a status that says why not.
type Outcome = core::result::Result<Option<u64>, BlkStatus>;

impl RamDisk {
    /// What is behind a disk with these parameters. May sleep.
    fn new(device: &Device, config: DiskConfig, limits: &QueueLimits) -> Result<Arc<Self>> {
        let medium = match config.memory {
            true => Some(Medium::new(config.size)?),
            false => None,
        };
        let metadata = match limits.integrity {
            Some(IntegrityProfile { metadata_size, .. }) => Some(Metadata::new(
                config.size,
                limits.logical_block_size,
                metadata_size,
            )?),
            None => None,
        };
        let zones = match limits.zones {
            Some(ZoneLimits { size, .. }) => {
                let capacity = match config.zone_capacity {
                    0 => config.zone_size,
                    some => some,
                };
                Some(Zones::new(
                    config.size,
                    size,
                    capacity,
                    config.conventional,
                    (config.max_open, config.max_active),
                )?)
            }
            None => None,
        };
        let shared = &device.shared;
        Arc::pin_init(
            pin_init!(RamDisk {
                config,
                device: shared.clone(),
                serial: SERIAL.fetch_add(1, Ordering::Relaxed),
                medium,
                metadata,
                zones,
                budget: Budget::new(shared.clone()),
                reservations <- Reservations::new(),
                kept <- Kept::new(),
                changed: AtomicBool::new(false),
                choked: AtomicBool::new(false),
            }),
            GFP_KERNEL,
        )
    }

    /// Adds a disk to a device. May sleep; its partition table is read on the way.
    pub(crate) fn add(name: &Name, device: &Device, config: DiskConfig) -> Result<GenDisk<Ram>> {
        let limits = limits(&config)?;
        let data = Self::new(device, config, &limits)?;
        let parent = device.parent();
        let mut builder = GenDiskBuilder::new(limits, config.size)
            .read_only(config.read_only)
            .removable(config.removable)
            .no_part(config.no_part)
            .hidden(config.hidden)
            .events(DiskEvents::MEDIA_CHANGE)
            .groups(&attributes::GROUPS);
        if let Some(parent) = &parent {
            builder = builder.parent(parent);
        }
        builder.build(fmt!("{}", name.as_str()), device.set.clone(), data)
    }

    /// Adds a request queue to a device, as a disk with these parameters has it, but without the
    /// disk. May sleep.
    pub(crate) fn add_queue(device: &Device, config: DiskConfig) -> Result<OwnedRequestQueue<Ram>> {
        let limits = limits(&config)?;
        let data = Self::new(device, config, &limits)?;
        OwnedRequestQueue::new(device.set.clone(), &limits, data)
    }

    /// The device's counters.
    #[inline]
    pub(crate) fn counters(&self) -> &Counters {
        &self.device.counters
    }

    /// A number that no other disk of the module has.
    pub(crate) fn serial(&self) -> u64 {
        self.serial
    }

    /// What does work for the device's disks.
    pub(crate) fn work(&self) -> &WorkQueue {
        &self.device.work
    }

    /// Puts another medium in, with the same data.
    pub(crate) fn change_medium(&self) {
        self.changed.store(true, Ordering::Relaxed);
    }

    /// True if another medium was put in since this was asked for the last time.
    pub(crate) fn take_change(&self) -> bool {
        self.changed.swap(false, Ordering::Relaxed)
    }

    /// From now on, or no longer, each hardware context that a request comes by is stopped.
    pub(crate) fn choke(&self, yes: bool) {
        self.choked.store(yes, Ordering::Relaxed);
    }

    /// Whether that is so.
    #[inline]
    pub(crate) fn is_choked(&self) -> bool {
        self.choked.load(Ordering::Relaxed)
    }

    /// Forgets all data.
    pub(crate) fn forget(&self) {
        self.clear(0, self.config.size);
    }

    /// The zones, if it has such.
    pub(crate) fn zones(&self) -> Option<&Zones> {
        self.zones.as_ref()
    }

    /// The budget.
    #[inline]
    pub(crate) fn budget(&self) -> &Budget {
        &self.budget
    }

    /// Memory of a program that somebody is to take up.
    pub(crate) fn kept(&self) -> &Kept {
        &self.kept
    }

    /// The reservations.
    pub(crate) fn reservations(&self) -> &Reservations {
        &self.reservations
    }

    /// Does what a request asks for, and says how it ends.
    #[inline]
    pub(crate) fn serve(&self, rq: &RequestInfo<Ram>) -> Outcome {
        let counters = self.counters();
        if rq.is_fua() {
            counters.fua.add();
        }
        if rq.is_atomic() {
            counters.atomic.add();
        }
        if rq.write_stream() != 0 {
            counters.in_stream.add();
        }
        if rq.ioprio() >> PRIORITY_CLASS_SHIFT == REAL_TIME {
            counters.urgent.add();
        }
        if rq.is_nowait() {
            counters.nowait.add();
        }
        if self.is_bad(rq) {
            counters.bad.add();
            return Err(BlkStatus::Medium);
        }
        match rq.op() {
            Op::Read => self.copy(rq, rq.offset()),
            Op::Write => self.write(rq, false),
            Op::Flush => {
                counters.flush.add();
                Ok(None)
            }
            Op::Discard => {
                counters.discard.add();
                self.clear_ranges(rq)
            }
            Op::WriteZeroes => {
                counters.write_zeroes.add();
                self.clear_ranges(rq)
            }
            Op::ZoneAppend => {
                counters.appends.add();
                self.write(rq, true)
            }
            Op::ZoneOpen => self.manage(rq.offset(), Action::Open),
            Op::ZoneClose => self.manage(rq.offset(), Action::Close),
            Op::ZoneFinish => self.manage(rq.offset(), Action::Finish),
            Op::ZoneReset => self.manage(rq.offset(), Action::Reset),
            Op::ZoneResetAll => self.reset_all(),
            Op::DriverIn | Op::DriverOut => self.exchange(rq),
            _ => Err(BlkStatus::NotSupported),
        }
    }

    /// Serves the one command of the driver's own.
    fn exchange(&self, rq: &RequestInfo<Ram>) -> Outcome {
        let counters = self.counters();
        counters.pings.add();
        if rq.is_polled() {
            counters.polled_pings.add();
        }
        if rq.is_reserved() {
            counters.reserved_pings.add();
        }
        exchange::serve(rq)
            .then_some(None)
            .ok_or(BlkStatus::IoError)
    }

    fn write(&self, rq: &RequestInfo<Ram>, is_append: bool) -> Outcome {
        let at = match &self.zones {
            Some(zones) => zones.write(rq.offset(), rq.len(), is_append)?,
            None => rq.offset(),
        };
        self.copy(rq, at)?;
        Ok(is_append.then_some(at))
    }

    /// Copies the data of a request to or from the medium.
    #[inline]
    fn copy(&self, rq: &RequestInfo<Ram>, at: u64) -> Outcome {
        if rq.has_integrity() {
            self.copy_metadata(rq, at)?;
        }
        match &self.medium {
            Some(medium) if !medium.transfer(rq, at) => Err(BlkStatus::IoError),
            _ => Ok(None),
        }
    }

    fn copy_metadata(&self, rq: &RequestInfo<Ram>, at: u64) -> Outcome {
        self.counters().with_metadata.add();
        let metadata = self.metadata.as_ref().ok_or(BlkStatus::Invalid)?;
        if rq.is_write() && self.config.spoil_metadata {
            metadata.spoil(at, u64::from(rq.len()));
            return Ok(None);
        }
        let whole = metadata.copy(rq, at);
        whole.then_some(None).ok_or(BlkStatus::IoError)
    }

    /// Makes what a request is about zeroes. A discard may have several ranges, each of
    /// them a bio.
    fn clear_ranges(&self, rq: &RequestInfo<Ram>) -> Outcome {
        let mut whole = true;
        rq.for_each_bio(|offset, len| whole &= self.clear(offset, u64::from(len)));
        whole.then_some(None).ok_or(BlkStatus::IoError)
    }

    fn clear(&self, offset: u64, len: u64) -> bool {
        if let Some(metadata) = &self.metadata {
            metadata.clear(offset, len);
        }
        self.medium.as_ref().is_none_or(|medium| {
            medium.for_each_page(offset, len, |bytes| {
                bytes.fill(0);
                true
            })
        })
    }

    /// Does something to a zone.
    fn manage(&self, offset: u64, action: Action) -> Outcome {
        self.counters().zone_commands.add();
        let zones = self.zones.as_ref().ok_or(BlkStatus::NotSupported)?;
        match zones.manage(offset, action) {
            BlkStatus::Ok => {}
            status => return Err(status),
        }
        if action == Action::Reset {
            self.clear(offset, zones.size());
        }
        Ok(None)
    }

    /// Resets all zones that can be.
    fn reset_all(&self) -> Outcome {
        let zones = self.zones.as_ref().ok_or(BlkStatus::NotSupported)?;
        for start in zones.sequential() {
            self.manage(start, Action::Reset)?;
        }
        Ok(None)
    }

    /// Whether a request touches the range that is bad.
    #[inline]
    fn is_bad(&self, rq: &RequestInfo<Ram>) -> bool {
        let (bad_at, bad_len) = (self.config.bad_at, self.config.bad_len);
        if bad_len == 0 || rq.op() == Op::Flush || !rq.is_block_io() {
            return false;
        }
        let end = rq.offset().saturating_add(u64::from(rq.len()));
        rq.offset() < bad_at.saturating_add(bad_len) && bad_at < end
    }
}

/// The limits of a disk with these parameters.
///
/// # Errors
///
/// `EINVAL` for a size that has to be a power of two and is not.
fn limits(config: &DiskConfig) -> Result<QueueLimits> {
    let zones = match config.zone_size {
        0 => None,
        size => Some(ZoneLimits {
            size: PowerOfTwo::new(size)?,
            max_open: config.max_open,
            max_active: config.max_active,
            max_append: config.append,
            write_granularity: 0,
        }),
    };
    let integrity = match u8::try_from(config.metadata)? {
        0 => None,
        size => Some(IntegrityProfile {
            checksum: config.guard.checksum(),
            ref_tag: config.ref_tag,
            max_segments: 16,
            ..IntegrityProfile::opaque(size)
        }),
    };
    let discard = (config.discard != 0).then_some(DiscardLimits {
        max_bytes: config.discard,
        max_segments: 8,
        granularity: 0,
        alignment: 0,
    });
    let write_zeroes = (config.write_zeroes != 0).then_some(WriteZeroesLimits {
        max_bytes: config.write_zeroes,
        unmap: true,
    });
    let atomic_writes = match config.atomic {
        0 => None,
        unit_max => Some(AtomicWriteLimits {
            max_bytes: u32::try_from(unit_max)?,
            boundary: None,
            unit_min: BlockSize::new(config.block)?.into(),
            unit_max: PowerOfTwo::new(unit_max)?,
        }),
    };
    let write_streams = match u16::try_from(config.streams)? {
        0 => None,
        max => Some(WriteStreamLimits {
            max,
            granularity: config.stream_size,
        }),
    };
    Ok(QueueLimits {
        atomic_writes,
        write_streams,
        write_cache: match config.cache {
            true => WriteCache::BackWithFua,
            false => WriteCache::Through,
        },
        discard,
        write_zeroes,
        zones,
        integrity,
        ..QueueLimits::transfer(config.max_bytes, u16::try_from(config.segments)?, None)
            .block_size(BlockSize::new(config.block)?)
    })
}
