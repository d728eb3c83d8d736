// SPDX-License-Identifier: GPL-2.0

//! Namespaces as disks, `/dev/rnvmeNnM` for namespace identifier M.

use super::{
    admin::Admin,
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
    prelude::*,
    str::CString,
    sync::Arc, //
};

/// The names of a namespace, as far as the controller gives them.
#[derive(Clone, Copy, Default)]
pub(crate) struct Identifiers {
    /// IEEE extended unique identifier.
    pub(crate) eui64: Option<[u8; 8]>,
    /// Namespace globally unique identifier.
    pub(crate) nguid: Option<[u8; 16]>,
    /// UUID.
    pub(crate) uuid: Option<[u8; 16]>,
    /// Command set, NVM if the controller does not say.
    pub(crate) csi: Option<Csi>,
}

/// A namespace. It lives until its disk is closed for the last time.
pub(crate) struct Namespace {
    // What the data path reads comes first.
    nsid: Nsid,
    lba_size: LbaSize,
    how: IoControl,
    zeroes_by_deallocation: bool,
    discard_ranges: u16,
    controller: Arc<Controller>,
    identifiers: Identifiers,
    name: CString,
}

impl Namespace {
    /// The namespace identifier.
    #[inline]
    pub(crate) fn nsid(&self) -> Nsid {
        self.nsid
    }

    /// The size of a logical block.
    #[inline]
    pub(crate) fn lba_size(&self) -> LbaSize {
        self.lba_size
    }

    /// What every read and write asks for.
    #[inline]
    pub(crate) fn io_control(&self) -> IoControl {
        self.how
    }

    /// Deallocated blocks read as zeroes, and Write Zeroes may deallocate.
    pub(crate) fn zeroes_by_deallocation(&self) -> bool {
        self.zeroes_by_deallocation
    }

    /// How many ranges a discard may have.
    pub(crate) fn discard_ranges(&self) -> usize {
        usize::from(self.discard_ranges)
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

/// Makes a disk of a namespace; `None` for one that is not there, or that cannot be
/// used, which the log then says. May sleep.
pub(crate) fn add(
    controller: &Arc<Controller>,
    admin: &Admin,
    nsid: Nsid,
) -> Result<Option<GenDisk<IoQueues>>> {
    let ns = admin.query(admin::identify_ns(nsid))?;
    if ns.is_inactive() {
        return Ok(None);
    }
    let identifiers = identifiers(controller, admin, nsid, &ns);
    if let Some(csi) = identifiers.csi.filter(|csi| *csi != Csi::NVM) {
        controller.say(format_args!(
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
            controller.say(format_args!("namespace {nsid}: no disk: {error}"));
            return Ok(None);
        }
    };
    // CAST: widening.
    if (limits.max_transfer as usize) < kernel::page::PAGE_SIZE {
        controller.say(format_args!(
            "namespace {nsid}: no disk: transfers of {} bytes at most (MDTS), a page has {}",
            limits.max_transfer,
            kernel::page::PAGE_SIZE
        ));
        return Ok(None);
    }
    let set = controller.look(|hw| hw.io_set()).flatten().ok_or(ENODEV)?;
    let name = CString::try_from_fmt(format_args!("rnvme{}n{}", controller.number(), nsid))?;
    let how = match ns.protection_type() {
        Some(_) => IoControl::NONE.protection_action(),
        None => IoControl::NONE,
    };
    let data = Arc::new(
        Namespace {
            nsid,
            lba_size: limits.lba_size,
            how,
            discard_ranges: limits.discard.map_or(1, |discard| discard.max_ranges),
            zeroes_by_deallocation: limits.write_zeroes.is_some_and(|wz| wz.deallocate),
            controller: controller.clone(),
            identifiers,
            name,
        },
        GFP_KERNEL,
    )?;
    let label = CString::try_from_fmt(fmt!("{}", *data.name))?;
    let parent = controller.device().ok_or(ENODEV)?;
    GenDiskBuilder::new(queue_limits(&limits)?, limits.capacity)
        .read_only(limits.read_only)
        .parent(&parent)
        .groups(&sysfs::NAMESPACE_GROUPS)
        .build(fmt!("{}", *label), set, data)
        .map(Some)
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
            // CAST: 256.
            limits.max_segments.min(mapper::MAX_SEGMENTS as u16),
            Some(mapper::PAGE),
        )
    })
}

/// Asks for the namespace's names, as the controller's version lets us.
fn identifiers(controller: &Controller, admin: &Admin, nsid: Nsid, ns: &IdentifyNs) -> Identifiers {
    let mut found = Identifiers {
        eui64: ns.eui64(),
        nguid: ns.nguid(),
        ..Identifiers::default()
    };
    if controller.version() < Version::V1_3 {
        return found;
    }
    match admin.query(admin::identify_ns_descriptors(nsid)) {
        Ok(list) => {
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
        Err(error) => controller.say(format_args!(
            "namespace {nsid}: Identify, namespace descriptors failed: {error}"
        )),
    }
    found
}
