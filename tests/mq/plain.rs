// SPDX-License-Identifier: GPL-2.0

//! The least that a driver on `mq/` has to have: a disk whose requests end as soon as they
//! come, or wherever blk-mq has them end. There is no device, and nothing else either.
//!
//! It is where to start reading, and what the cost of `mq/` is measured with. For slots it pretends
//! that a device gives each identifier back at once.

#![forbid(unsafe_code)]

use crate::{
    config::{
        DiskConfig,
        LeastMode,
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
    /// What becomes of its requests.
    mode: LeastMode,
    /// Without, nothing is copied.
    medium: Option<Medium>,
}

impl PlainDisk {
    /// Adds a disk with a tag set of its own. May sleep.
    pub(crate) fn add(name: &Name, mode: LeastMode, config: &DiskConfig) -> Result<GenDisk<Plain>> {
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
        let data = Arc::new(PlainDisk { mode, medium }, GFP_KERNEL)?;
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
    fn take(&self, queue: &Queue<Plain>, mut rq: IdleRequest<Plain>) {
        let status = self.serve(&rq);
        if self.mode == LeastMode::Inline {
            return rq.start().end(status);
        }
        *rq.data_mut() = status;
        let rq = rq.start();
        if self.mode == LeastMode::SoftIrq {
            return match rq.into_completed(()) {
                Ok(rq) => rq.complete(),
                Err((rq, ())) => rq.end(BlkStatus::IoError),
            };
        }
        match queue.slots().put(rq, ()) {
            Ok(cid) => self.completed(queue, Echo(cid)),
            // blk-mq's tags rule it out.
            Err((rq, ())) => rq.end(BlkStatus::IoError),
        }
    }

    /// Takes the request that a completion names out of its slot, and ends it.
    #[inline]
    fn completed(&self, queue: &Queue<Plain>, entry: Echo) {
        let Some(rq) = queue.slots().take(&entry) else {
            return;
        };
        match self.mode {
            LeastMode::SlotSoftIrq => rq.complete(),
            _ => {
                let status = *rq.data();
                rq.end(status);
            }
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
    type Completion<'a> = Echo;
    /// There is no device that could be stopped.
    type DmaStopped = Nobody;

    const REQUEST_DATA_BUDGET: usize = 1;

    #[inline]
    fn queue_rq(
        hctx: HwCtx<'_, Self>,
        disk: &PlainDisk,
        rq: IdleRequest<Self>,
        _last: bool,
    ) -> Result<(), Refused<Self>> {
        disk.take(hctx.queue(), rq);
        Ok(())
    }

    #[inline]
    fn queue_rqs(list: &mut RequestList<'_, Self>) {
        let disk = list.request_queue().data();
        while let Some((rq, hctx)) = list.pop() {
            disk.take(hctx.queue(), rq);
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

/// What a device would write that is done at once: the identifier that it was given.
pub(crate) struct Echo(Cid);

impl Completion for Echo {
    #[inline]
    fn cid(&self) -> Cid {
        self.0
    }
}

/// What nobody has.
pub(crate) struct Nobody(Infallible);

impl StopProof<Plain> for Nobody {
    fn covers(&self, _queue: &()) -> bool {
        match self.0 {}
    }
}
