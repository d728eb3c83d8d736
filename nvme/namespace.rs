// SPDX-License-Identifier: GPL-2.0

//! Namespaces as disks, `/dev/rnvmeNnM` for namespace identifier M.

use super::{
    admin::{
        Admin,
        AdminError, //
    },
    controller::Controller,
    io::IoQueues,
    ioctl,
    spec::{
        admin,
        identify::Csi,
        identify_list::NsDescriptor,
        identify_ns::IdentifyNs,
        ids::Nsid,
        io::IoControl,
        lba::LbaSize,
        limits::{
            BlockLimits,
            Sources, //
        },
        regs::Version, //
    },
    sysfs,
};
use crate::{
    dma::{
        mapper,
        prp::PageSize, //
    },
    mq::{
        atomic::{
            AtomicU64,
            Ordering, //
        },
        BlockDevice,
        BlockSize,
        DiscardLimits,
        Disk,
        DiskRef,
        GenDisk,
        GenDiskBuilder,
        Geometry,
        OpenMode,
        PowerOfTwo,
        QueueLimits,
        WriteCache,
        WriteZeroesLimits, //
    },
};
use kernel::{
    new_mutex,
    prelude::*,
    str::CString,
    sync::{
        Arc,
        Mutex, //
    },
};

/// The names of a namespace, as far as the controller gives them.
#[derive(Clone, Copy, Default, PartialEq, Eq)]
pub(crate) struct Identifiers {
    /// IEEE extended unique identifier.
    pub(crate) eui64: Option<[u8; 8]>,
    /// Namespace globally unique identifier.
    pub(crate) nguid: Option<[u8; 16]>,
    /// UUID.
    pub(crate) uuid: Option<[u8; 16]>,
    /// Command set, NVM if the controller does not say.
    pub(crate) csi: Option<Csi>,
    /// There was a list of them.
    listed: bool,
}

impl Identifiers {
    /// Whether they can be those of the same namespace. If one of the two has no list of them,
    /// what that one has decides.
    fn agree_with(&self, other: &Self) -> bool {
        fn same<T: PartialEq>(one: &Option<T>, other: &Option<T>) -> bool {
            one.is_none() || other.is_none() || one == other
        }
        if self.listed == other.listed {
            return self == other;
        }
        same(&self.eui64, &other.eui64)
            && same(&self.nguid, &other.nguid)
            && same(&self.uuid, &other.uuid)
            && same(&self.csi, &other.csi)
    }
}

/// A namespace. It lives until its disk is closed for the last time.
///
/// What may change while the disk is there is in words that are written with its queue frozen,
/// so that a request sees the same in all of them.
#[pin_data]
pub(crate) struct Namespace {
    // What the data path reads comes first.
    nsid: Nsid,
    /// [`LbaSize::code`].
    lba_size: AtomicU64,
    /// [`IoControl::bits`].
    how: AtomicU64,
    /// [`ZEROES`], and how many ranges a discard may have.
    discard: AtomicU64,
    controller: Arc<Controller>,
    identifiers: Identifiers,
    name: CString,
    /// What the disk has been told.
    #[pin]
    limits: Mutex<BlockLimits>,
}

/// Deallocated blocks read as zeroes, and Write Zeroes may deallocate.
const ZEROES: u64 = 1 << 16;

impl Namespace {
    /// The namespace identifier.
    #[inline]
    pub(crate) fn nsid(&self) -> Nsid {
        self.nsid
    }

    /// The size of a logical block.
    #[inline]
    pub(crate) fn lba_size(&self) -> LbaSize {
        LbaSize::from_code(self.lba_size.load(Ordering::Relaxed))
    }

    /// What every read and write asks for.
    #[inline]
    pub(crate) fn io_control(&self) -> IoControl {
        IoControl::from_bits(self.how.load(Ordering::Relaxed))
    }

    /// Deallocated blocks read as zeroes, and Write Zeroes may deallocate.
    pub(crate) fn zeroes_by_deallocation(&self) -> bool {
        self.discard.load(Ordering::Relaxed) & ZEROES != 0
    }

    /// How many ranges a discard may have.
    pub(crate) fn discard_ranges(&self) -> usize {
        // CAST: 16 bits.
        usize::from(self.discard.load(Ordering::Relaxed) as u16)
    }

    /// For who has frozen the queue.
    fn set(&self, found: &Found) {
        self.lba_size
            .store(found.limits.lba_size.code(), Ordering::Relaxed);
        self.how.store(found.how.bits(), Ordering::Relaxed);
        self.discard
            .store(discard(&found.limits), Ordering::Relaxed);
    }

    /// The controller.
    #[inline]
    pub(crate) fn controller(&self) -> &Arc<Controller> {
        &self.controller
    }

    /// The names that the controller gave.
    pub(crate) fn identifiers(&self) -> &Identifiers {
        &self.identifiers
    }

    /// The name of the disk.
    pub(crate) fn name(&self) -> &CStr {
        &self.name
    }
}

#[vtable]
impl BlockDevice for IoQueues {
    fn ioctl(disk: &DiskRef<'_, Self>, mode: OpenMode, cmd: u32, arg: usize) -> Result<c_int> {
        // CAST: an ioctl's value is an `int`; identifiers above 2^31 wrap, as they do in C.
        ioctl::on_disk(disk, mode, cmd, arg).map(|value| value as c_int)
    }

    // The structures are the same for 32-bit programs.
    fn compat_ioctl(
        disk: &DiskRef<'_, Self>,
        mode: OpenMode,
        cmd: u32,
        arg: usize,
    ) -> Result<c_int> {
        Self::ioctl(disk, mode, cmd, arg)
    }

    fn getgeo(disk: &Disk<Self>) -> Result<Geometry> {
        Ok(Geometry::linear(disk.capacity()))
    }
}

/// A namespace as the controller describes it, which a disk can be made of.
pub(super) struct Found {
    identifiers: Identifiers,
    how: IoControl,
    limits: BlockLimits,
}

/// Asks what a namespace is; `None` for one that is not there, or that cannot be used, which
/// the log then says. May sleep.
pub(super) fn look(
    controller: &Controller,
    admin: &Admin,
    nsid: Nsid,
) -> Result<Option<Found>, AdminError> {
    let ns = admin.query(admin::identify_ns(nsid))?;
    if ns.is_inactive() {
        return Ok(None);
    }
    let identifiers = identifiers(controller, admin, nsid, &ns)?;
    if let Some(csi) = identifiers.csi.filter(|csi| *csi != Csi::NVM) {
        controller.warn(format_args!(
            "namespace {nsid}: no disk: {csi} is not supported"
        ));
        return Ok(None);
    }
    let identity = controller.identify().ok_or(ENODEV)?;
    let limits = match BlockLimits::new(&Sources {
        cap: controller.look(|hw| hw.registers().cap()).ok_or(ENODEV)?,
        ctrl: identity,
        ctrl_nvm: controller.command_set(),
        ns: &ns,
        ns_nvm: None,
        ns_indep: None,
        page_size: PageSize::KIB_4,
        host_max_transfer: controller
            .look(|hw| hw.lease().optimal_transfer(mapper::MAX_BYTES))
            .ok_or(ENODEV)?,
    }) {
        Ok(limits) => limits,
        Err(error) => {
            controller.warn(format_args!("namespace {nsid}: no disk: {error}"));
            return Ok(None);
        }
    };
    // CAST: widening.
    if (limits.max_transfer as usize) < kernel::page::PAGE_SIZE {
        controller.warn(format_args!(
            "namespace {nsid}: no disk: transfers of {} bytes at most (MDTS), a page has {}",
            limits.max_transfer,
            kernel::page::PAGE_SIZE
        ));
        return Ok(None);
    }
    let how = match ns.protection_type() {
        Some(_) => IoControl::NONE.protection_action(),
        None => IoControl::NONE,
    };
    Ok(Some(Found {
        identifiers,
        how,
        limits,
    }))
}

/// Makes a disk of a namespace. May sleep.
pub(super) fn add(
    controller: &Arc<Controller>,
    nsid: Nsid,
    found: Found,
) -> Result<GenDisk<IoQueues>> {
    let set = controller.look(|hw| hw.io_set()).flatten().ok_or(ENODEV)?;
    let name = CString::try_from_fmt(format_args!("rnvme{}n{}", controller.number(), nsid))?;
    let Found {
        identifiers,
        how,
        limits,
    } = found;
    let data = Arc::pin_init(
        pin_init!(Namespace {
            nsid,
            lba_size: AtomicU64::new(limits.lba_size.code()),
            how: AtomicU64::new(how.bits()),
            discard: AtomicU64::new(discard(&limits)),
            controller: controller.clone(),
            identifiers,
            name,
            limits <- new_mutex!(limits),
        }),
        GFP_KERNEL,
    )?;
    let ns = data.clone();
    let parent = controller.device().ok_or(ENODEV)?;
    GenDiskBuilder::new(queue_limits(&limits)?, limits.capacity)
        .read_only(limits.read_only)
        .parent(&parent)
        .groups(&sysfs::NAMESPACE_GROUPS)
        .build(fmt!("{}", *ns.name), set, data)
}

/// What came of looking again at a namespace that has a disk.
pub(super) enum Change {
    /// The disk is as the namespace is.
    Done,
    /// The disk cannot become what the namespace is.
    Other,
}

/// Makes a disk what its namespace has become. May sleep, and waits for the disk's requests if
/// there is anything to change.
pub(super) fn update(disk: &GenDisk<IoQueues>, found: &Found) -> Change {
    let ns = disk.data();
    let nsid = ns.nsid;
    if !found.identifiers.agree_with(&ns.identifiers) {
        ns.controller.warn(format_args!(
            "namespace {nsid}: it is another one than before"
        ));
        return Change::Other;
    }
    let mut limits = ns.limits.lock();
    if *limits == found.limits && ns.io_control() == found.how {
        return Change::Done;
    }
    let result = queue_limits(&found.limits).and_then(|new| {
        disk.update_limits_and(
            |in_effect| {
                *in_effect = new;
                Ok(())
            },
            || {
                ns.set(found);
                if limits.read_only != found.limits.read_only {
                    disk.set_read_only(found.limits.read_only);
                }
                // It is a whole number of blocks, so of sectors.
                let _ = disk.set_capacity(found.limits.capacity);
            },
        )
    });
    if let Err(error) = result {
        ns.controller.warn(format_args!(
            "namespace {nsid}: its disk cannot be changed: {error:?}"
        ));
        return Change::Other;
    }
    ns.controller.say(format_args!(
        "namespace {nsid}: {} blocks of {} bytes now",
        found.limits.lba_size.blocks_in(found.limits.capacity),
        found.limits.lba_size.bytes()
    ));
    *limits = found.limits;
    Change::Done
}

/// The word of a namespace that tells how to discard.
fn discard(limits: &BlockLimits) -> u64 {
    let ranges = limits.discard.map_or(1, |discard| discard.max_ranges);
    let zeroes = limits.write_zeroes.is_some_and(|wz| wz.deallocate);
    u64::from(ranges) | if zeroes { ZEROES } else { 0 }
}

/// The limits, as the block layer has them.
fn queue_limits(limits: &BlockLimits) -> Result<QueueLimits> {
    let lba_size = BlockSize::new(limits.lba_size.bytes())?;
    Ok(QueueLimits {
        write_cache: if limits.write_cache {
            WriteCache::BackWithFua
        } else {
            WriteCache::Through
        },
        logical_block_size: lba_size,
        physical_block_size: PowerOfTwo::new(u64::from(limits.physical_block_size))?
            .max(lba_size.into()),
        io_min: limits.io_min,
        io_opt: limits.io_opt,
        chunk: u64::from(limits.chunk),
        discard: limits.discard.map(|discard| DiscardLimits {
            max_bytes: discard.max_bytes,
            max_segments: discard.max_ranges,
            granularity: discard.granularity,
            alignment: 0,
        }),
        write_zeroes: limits.write_zeroes.map(|zeroes| WriteZeroesLimits {
            max_bytes: u64::from(zeroes.max_bytes),
            unmap: zeroes.deallocate,
        }),
        ..QueueLimits::transfer(
            u64::from(limits.max_transfer),
            limits.max_segments.min(mapper::MAX_SEGMENTS),
            Some(mapper::PAGE),
        )
    })
}

/// Asks for the namespace's names, as the controller's version lets us.
fn identifiers(
    controller: &Controller,
    admin: &Admin,
    nsid: Nsid,
    ns: &IdentifyNs,
) -> Result<Identifiers, AdminError> {
    let mut found = Identifiers {
        eui64: ns.eui64(),
        nguid: ns.nguid(),
        ..Identifiers::default()
    };
    if controller.version() < Version::V1_3 {
        return Ok(found);
    }
    match admin.query(admin::identify_ns_descriptors(nsid)) {
        Ok(list) => {
            found.listed = true;
            for descriptor in list.iter() {
                match descriptor {
                    NsDescriptor::Eui64(eui64) => found.eui64 = Some(eui64),
                    NsDescriptor::Nguid(nguid) => found.nguid = Some(nguid),
                    NsDescriptor::Uuid(uuid) => found.uuid = Some(uuid),
                    NsDescriptor::Csi(csi) => found.csi = Some(csi),
                    NsDescriptor::Unknown { .. } => {}
                }
            }
        }
        Err(error @ AdminError::Status(_)) => controller.warn(format_args!(
            "namespace {nsid}: Identify, namespace descriptors failed: {error}"
        )),
        Err(error @ AdminError::Kernel(_)) => return Err(error),
    }
    Ok(found)
}
