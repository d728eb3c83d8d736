// SPDX-License-Identifier: GPL-2.0

//! The least that a driver on `mq/` has to have: a disk whose requests end as soon as they
//! come, or wherever blk-mq has them end. No device, no slots, and nothing else either.
//!
//! It is where to start reading, and what the cost of `mq/` is measured with.

#![forbid(unsafe_code)]

use crate::{
    config::{
        CompletionMode,
        DiskConfig,
        Name, //
    },
    medium::Medium,
    mq::{
        BlkStatus,
        BlockDevice,
        BlockSize,
        Cid,
        Completed,
        Completion,
        Expired,
        GenDisk,
        GenDiskBuilder,
        HwCtx,
        IdleRequest,
        Op,
        Operations,
        Queue,
        QueueLimits,
        Refused,
        RequestList,
        StopProof,
        TagSet,
        TagSetConfig,
        TagSetFlags,
        TimeoutAction, //
    },
};
use core::convert::Infallible;
use kernel::{
    prelude::*,
    sync::Arc, //
};

/// The driver.
pub(crate) struct Plain;

/// A disk of it.
pub(crate) struct PlainDisk {
    /// Whether blk-mq chooses where requests end.
    elsewhere: bool,
    /// Without, nothing is copied.
    medium: Option<Medium>,
}

impl PlainDisk {
    /// Adds a disk with a tag set of its own. May sleep.
    ///
    /// # Errors
    ///
    /// `EINVAL` for a completion that takes a device.
    pub(crate) fn add(
        name: &Name,
        completion: CompletionMode,
        config: &DiskConfig,
    ) -> Result<GenDisk<Plain>> {
        let elsewhere = match completion {
            CompletionMode::Inline => false,
            CompletionMode::SoftIrq => true,
            _ => return Err(EINVAL),
        };
        let set = TagSet::new(
            TagSetConfig {
                flags: TagSetFlags::NO_SCHED_BY_DEFAULT,
                ..TagSetConfig::new(64)
            },
            [Ok(())],
            (),
        )?;
        let medium = match config.memory {
            true => Some(Medium::new(config.size)?),
            false => None,
        };
        let data = Arc::new(PlainDisk { elsewhere, medium }, GFP_KERNEL)?;
        let limits =
            QueueLimits::transfer(1 << 20, 128, None).block_size(BlockSize::new(config.block)?);
        GenDiskBuilder::new(limits, config.size).build(fmt!("{}", name.as_str()), set, data)
    }

    /// Does what a request asks for.
    #[inline]
    fn serve(&self, rq: &IdleRequest<Plain>) -> BlkStatus {
        if !matches!(rq.op(), Op::Read | Op::Write) {
            return BlkStatus::NotSupported;
        }
        match &self.medium {
            Some(medium) if !medium.transfer(rq, rq.offset()) => BlkStatus::IoError,
            _ => BlkStatus::Ok,
        }
    }

    /// Takes a request, and is done with it.
    #[inline]
    fn take(&self, mut rq: IdleRequest<Plain>) {
        let status = self.serve(&rq);
        if !self.elsewhere {
            return rq.start().end(status);
        }
        *rq.data_mut() = status;
        // blk-mq calls `complete` where the request shall end.
        match rq.start().into_completed(()) {
            Ok(rq) => rq.complete(),
            Err((rq, ())) => rq.end(BlkStatus::IoError),
        }
    }
}

#[vtable]
impl Operations for Plain {
    type TagSetData = ();
    type Queue = ();
    type HwCtxData = ();
    type QueueData = PlainDisk;
    /// How the request ends.
    type RequestData = BlkStatus;
    type Mapping = ();
    /// There is no device that could complete anything,
    type Completion<'a> = Nobody;
    /// nor one to be stopped.
    type DmaStopped = Nobody;

    const REQUEST_DATA_BUDGET: usize = 1;

    #[inline]
    fn queue_rq(
        _hctx: HwCtx<'_, Self>,
        disk: &PlainDisk,
        rq: IdleRequest<Self>,
        _last: bool,
    ) -> Result<(), Refused<Self>> {
        disk.take(rq);
        Ok(())
    }

    #[inline]
    fn queue_rqs(list: &mut RequestList<'_, Self>) {
        let disk = list.request_queue().data();
        while let Some((rq, _)) = list.pop() {
            disk.take(rq);
        }
    }

    #[inline]
    fn complete(rq: Completed<Self>) {
        let status = *rq.data();
        rq.end(status);
    }

    #[inline]
    fn release(_queue: &Queue<Self>, (): ()) {}

    fn timeout(_queue: &Queue<Self>, _disk: &PlainDisk, _rq: Expired<'_, Self>) -> TimeoutAction {
        TimeoutAction::ResetTimer
    }

    fn init_hctx(
        _set: &(),
        _queue: &Queue<Self>,
        _disk: &PlainDisk,
        _numa_node: i32,
    ) -> impl PinInit<(), Error> {
        Ok(())
    }

    fn init_request(
        _set: &(),
        _queue: Option<&Queue<Self>>,
        _numa_node: i32,
    ) -> impl PinInit<BlkStatus, Error> {
        Ok(BlkStatus::Ok)
    }
}

#[vtable]
impl BlockDevice for Plain {}

/// What nobody has.
pub(crate) struct Nobody(Infallible);

impl Completion for Nobody {
    fn cid(&self) -> Cid {
        match self.0 {}
    }
}

impl StopProof<Plain> for Nobody {
    fn covers(&self, _queue: &()) -> bool {
        match self.0 {}
    }
}
