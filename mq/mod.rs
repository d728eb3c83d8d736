// SPDX-License-Identifier: GPL-2.0

//! Block devices on blk-mq: a request is a value that moves.
//!
//! C headers: [`include/linux/blk-mq.h`](srctree/include/linux/blk-mq.h),
//! [`include/linux/blkdev.h`](srctree/include/linux/blkdev.h).
//!
//! This folder knows nothing of NVMe and nothing of PCI. A driver implements
//! [`Operations`] and [`BlockDevice`], makes a [`TagSet`], and adds a [`GenDisk`] for
//! each disk. Its module keeps a [`Disks`], which lets disks be made, and waits for them.
//!
//! # The life of a request
//!
//! ```text
//!            queue_rq                start()               Slots::put()
//!  blk-mq ------------> IdleRequest --------> Request ------------------> slot
//!                          |  |                 |                          |
//!               refuse_*()  end(status)       end(status)       take(&completion)
//!                          |                                      drain(&stopped)
//!                          v                                               |
//!                       Refused                                            v
//!                                                complete_batched()    Completed
//!                                     Operations::complete() <-----------  |
//!                                                                  end(), requeue()
//! ```
//!
//! Each arrow consumes the value at its tail, so no request ends twice, none is
//! used after it was ended, and there is no count that pretends to keep it alive.
//! While a request lies in a slot the device may reach its memory, and only two
//! calls take it out: [`Slots::take`], because a completion for it was read, and
//! [`Queue::drain`], with proof that the device has stopped. A time-out, an abort
//! or a removal has neither, and so cannot end it.

#![allow(
    dead_code,
    unused_imports,
    reason = "what blk-mq offers is here; each driver uses a part of it"
)]

pub(crate) mod atomic;
pub(crate) mod batch;
pub(crate) mod block_device;
pub(crate) mod block_size;
pub(crate) mod budget;
mod callback;
pub(crate) mod cid;
pub(crate) mod data;
pub(crate) mod disk;
pub(crate) mod disk_count;
mod disk_table;
pub(crate) mod execute;
pub(crate) mod freeze;
pub(crate) mod gen_disk;
pub(crate) mod hctx;
pub(crate) mod integrity;
#[cfg(CONFIG_RNVME_KUNIT_TEST)]
#[path = "../tests/kunit/limits.rs"]
mod kunit_limits;
pub(crate) mod limits;
pub(crate) mod limits_raw;
mod limits_update;
pub(crate) mod list;
pub(crate) mod map;
pub(crate) mod observed;
pub(crate) mod operations;
pub(crate) mod passthrough;
pub(crate) mod pr;
pub(crate) mod queue;
pub(crate) mod quiesce;
pub(crate) mod request;
pub(crate) mod request_info;
pub(crate) mod request_queue;
pub(crate) mod segment;
pub(crate) mod slot;
pub(crate) mod slots;
pub(crate) mod status;
pub(crate) mod tag_set;
pub(crate) mod tag_set_config;
pub(crate) mod user_mapping;
mod vtable;
pub(crate) mod zoned;

pub(crate) use self::{
    batch::CompletionBatch,
    block_device::{
        BlockDevice,
        DiskEvents,
        Geometry,
        OpenMode,
        UniqueId,
        UniqueIdType, //
    },
    block_size::{
        BlockSize,
        PowerOfTwo, //
    },
    budget::BudgetToken,
    cid::Cid,
    data::DataCursor,
    disk::{
        Disk,
        DiskRef, //
    },
    disk_count::Disks,
    execute::EndIo,
    freeze::{
        FrozenQueue,
        FrozenTagSet,
        KeptFrozen, //
    },
    gen_disk::{
        GenDisk,
        GenDiskBuilder, //
    },
    hctx::HwCtx,
    integrity::{
        Checksum,
        IntegrityProfile, //
    },
    limits::{
        AtomicWriteLimits,
        DiscardLimits,
        Features,
        QueueLimits,
        WriteCache,
        WriteStreamLimits,
        WriteZeroesLimits,
        ZoneLimits, //
    },
    list::RequestList,
    map::{
        QueueKind,
        QueueMap,
        QueueMaps, //
    },
    observed::{
        Expired,
        Observed, //
    },
    operations::{
        Completion,
        Operations,
        StopProof,
        TimeoutAction, //
    },
    passthrough::{
        DataDirection,
        Ended,
        Passthrough,
        PassthroughConfig, //
    },
    pr::{
        PrKeys,
        PrReservation,
        PrStatus,
        PrType, //
    },
    queue::Queue,
    quiesce::{
        HeldTagSet,
        QuiescedQueue,
        QuiescedTagSet, //
    },
    request::{
        Completed,
        IdleRequest,
        Refused,
        Request, //
    },
    request_info::{
        Op,
        RequestInfo, //
    },
    request_queue::{
        OwnedRequestQueue,
        RequestQueue, //
    },
    segment::{
        Segment,
        Segments, //
    },
    slots::Slots,
    status::{
        BlkStatus,
        RequestState, //
    },
    tag_set::{
        QueueRef,
        TagSet, //
    },
    tag_set_config::{
        TagSetConfig,
        TagSetFlags, //
    },
    user_mapping::UserMapping,
    zoned::{
        Zone,
        ZoneCondition,
        ZoneReport,
        ZoneType, //
    },
};
