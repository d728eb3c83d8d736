// SPDX-License-Identifier: GPL-2.0

//! The admin queue and its commands.
//!
//! NVM Express Base Specification 2.0c, 5. It is a queue like the others, with its
//! own tag set and a request queue without a disk.

use super::{
    command_data::CommandData,
    controller::Controller,
    events::EventRequests,
    fault,
    hardware::IoQueueMemory,
    io::map_if_any,
    queue::{
        bogus,
        submit_one,
        NvmeOperations,
        Prepared,
        QueuePair,
        Submitter, //
    },
    ring::Entry,
    spec::{
        admin,
        command::{
            Command,
            Query, //
        },
        completion::Completion,
        feature::{
            FeatureId,
            QueueCounts, //
        },
        ids::{
            Nsid,
            QueueId, //
        },
        status::Status, //
    },
};
use crate::{
    dma::{
        prp::Prps,
        DmaAddr,
        DmaStopped,
        MapError,
        Mapping, //
    },
    mq::{
        self,
        BlkStatus,
        Cid,
        Completed,
        DataDirection,
        Expired,
        HwCtx,
        IdleRequest,
        OwnedRequestQueue,
        Passthrough,
        PassthroughConfig,
        Queue,
        QueueLimits,
        QueueRef,
        Refused,
        TagSet,
        TimeoutAction, //
    },
    os::zeroed, //
};
use core::fmt;
use kernel::{
    alloc::AllocError,
    prelude::*,
    sync::Arc, //
};
use zerocopy::{
    FromBytes,
    Immutable,
    IntoBytes,
    KnownLayout, //
};

/// The operations of the admin queue.
pub(crate) struct AdminQueue;

/// The private data of an admin request.
#[derive(Default)]
pub(crate) struct AdminData {
    common: CommandData,
    /// The memory of the queue that the command creates.
    queue: Option<DmaAddr>,
}

impl AdminData {
    /// What the command returned; `None` if it has not completed.
    pub(crate) fn completion(&self) -> Option<Completion> {
        self.common.completion()
    }
}

impl AsMut<CommandData> for AdminData {
    fn as_mut(&mut self) -> &mut CommandData {
        &mut self.common
    }
}

impl NvmeOperations for AdminQueue {
    fn stray(queue: &QueueRef<Self>, cid: Cid, completion: Completion) {
        let events = queue.set().data();
        if events.table.answer(cid, completion) {
            events.listener.wake();
        } else {
            bogus(queue, cid, completion);
        }
    }
}

#[vtable]
impl mq::Operations for AdminQueue {
    type TagSetData = EventRequests;
    type Queue = QueuePair;
    type HwCtxData = ();
    type QueueData = AdminOwner;
    type RequestData = AdminData;
    type Mapping = Mapping;
    type Completion<'a> = Entry<'a>;
    type DmaStopped = DmaStopped;
    const REQUEST_DATA_BUDGET: usize = 2 * CommandData::SIZE;

    fn queue_rq(
        hctx: HwCtx<'_, Self>,
        _owner: &AdminOwner,
        rq: IdleRequest<Self>,
        last: bool,
    ) -> Result<(), Refused<Self>> {
        let queue = hctx.queue();
        let Some(command) = rq.data().common.command().copied() else {
            end(queue, rq, BlkStatus::NotSupported, last);
            return Ok(());
        };
        let mapped = match rq.data().queue {
            Some(addr) => Ok((Prps::from_addrs(addr, None), Mapping::none())),
            None => map_if_any(queue, &rq),
        };
        match mapped {
            Ok((prps, mapping)) => submit_one(
                queue,
                rq.start(),
                Prepared {
                    command,
                    prps,
                    mapping,
                },
                last,
            ),
            // A closed queue gets no better, however often one tries.
            Err(MapError::Busy) if queue.is_open() => return Err(rq.refuse_resource()),
            Err(MapError::Busy) => end(queue, rq, BlkStatus::Offline, last),
            Err(MapError::Invalid) => end(queue, rq, BlkStatus::IoError, last),
        }
        Ok(())
    }

    fn commit_rqs(hctx: HwCtx<'_, Self>) {
        Submitter::new(hctx.queue()).commit();
    }

    fn complete(rq: Completed<Self>) {
        // Whoever sent the command judges its status.
        rq.end_ok();
    }

    fn release(queue: &Queue<Self>, mapping: Mapping) {
        queue.mapper().unmap(mapping);
    }

    fn timeout(queue: &Queue<Self>, owner: &AdminOwner, rq: Expired<'_, Self>) -> TimeoutAction {
        let Some(tag) = rq.tag() else {
            return TimeoutAction::ResetTimer;
        };
        owner.0.expired(
            queue.id(),
            || queue.slots().cid(tag),
            format_args!("admin command with tag {tag}, {} bytes", rq.len()),
        );
        TimeoutAction::ResetTimer
    }

    fn init_hctx(
        _events: &EventRequests,
        _queue: &Queue<Self>,
        _owner: &AdminOwner,
        _numa_node: i32,
    ) -> impl PinInit<(), Error> {
        Ok(())
    }

    fn init_request(
        _events: &EventRequests,
        _queue: Option<&Queue<Self>>,
        _numa_node: i32,
    ) -> impl PinInit<AdminData, Error> {
        Ok(AdminData::default())
    }
}

/// Ends a request that is not sent. blk-mq hears of no failure, so it does not call
/// `commit_rqs` for those before.
#[cold]
fn end(queue: &Queue<AdminQueue>, rq: IdleRequest<AdminQueue>, status: BlkStatus, last: bool) {
    rq.end(status);
    if last {
        Submitter::new(queue).commit();
    }
}

/// Whose admin queue it is.
pub(crate) struct AdminOwner(pub(crate) Arc<Controller>);

/// Why an admin command brought nothing.
#[derive(Clone, Copy, Debug)]
pub(crate) enum AdminError {
    /// The controller refused it.
    Status(Status),
    /// It did not get to the controller, or no answer came back.
    Kernel(Error),
}

impl From<Error> for AdminError {
    fn from(error: Error) -> Self {
        Self::Kernel(error)
    }
}

impl From<AllocError> for AdminError {
    fn from(_: AllocError) -> Self {
        Self::Kernel(ENOMEM)
    }
}

impl From<AdminError> for Error {
    fn from(error: AdminError) -> Self {
        match error {
            AdminError::Status(_) => EIO,
            AdminError::Kernel(error) => error,
        }
    }
}

impl fmt::Display for AdminError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Status(status) => status.fmt(f),
            // By its name.
            Self::Kernel(error) => write!(f, "{error:?}"),
        }
    }
}

/// The admin queue of a controller, for those who send commands. All methods sleep,
/// no longer than the command's time-out and what dealing with it takes.
pub(crate) struct Admin {
    queue: OwnedRequestQueue<AdminQueue>,
}

impl Admin {
    /// The request queue on an admin tag set. `limits` are those of a transfer.
    pub(crate) fn new(
        set: Arc<TagSet<AdminQueue>>,
        limits: &QueueLimits,
        controller: Arc<Controller>,
    ) -> Result<Arc<Self>> {
        let owner = Arc::new(AdminOwner(controller), GFP_KERNEL)?;
        Ok(Arc::new(
            Self {
                queue: OwnedRequestQueue::new(set, limits, owner)?,
            },
            GFP_KERNEL,
        )?)
    }

    /// Makes a request for `command`.
    fn request(
        &self,
        command: Command,
        direction: DataDirection,
        timeout_ms: u32,
    ) -> Result<Passthrough<'_, AdminQueue>> {
        let mut request = Passthrough::new(
            &self.queue,
            PassthroughConfig::new(direction).timeout_ms(timeout_ms),
        )?;
        request.data_mut().set(AdminData {
            common: CommandData::for_command(command),
            queue: None,
        });
        Ok(request)
    }

    /// Asks the controller to abort a command. `who` is told of the end; this does not wait,
    /// not even for a tag: one is kept for it.
    ///
    /// # Errors
    ///
    /// There is no free tag, or the queue is going away.
    pub(crate) fn abort(&self, queue: QueueId, cid: Cid, who: Arc<Controller>) -> Result {
        let mut request = Passthrough::new(
            &self.queue,
            PassthroughConfig::new(DataDirection::In)
                .reserved()
                .nowait(),
        )?;
        request.data_mut().set(AdminData {
            common: CommandData::for_command(admin::abort(queue, cid.bits())),
            queue: None,
        });
        request.execute_nowait(who);
        Ok(())
    }

    /// The Asynchronous Event Requests of the queue.
    pub(super) fn events(&self) -> &EventRequests {
        self.queue.set().data()
    }

    /// Sends Asynchronous Event Requests, until the first `limit` places have one or an answer.
    /// Nothing is sent to a queue that is closed. Does not sleep.
    pub(super) fn send_event_requests(&self, limit: usize) {
        let Some(queue) = self.queue.set().queue(0) else {
            return;
        };
        let table = &self.events().table;
        let mut submitter = Submitter::new(queue);
        for _ in 0..limit {
            submitter.submit_bare(&admin::async_event_request(), || table.send(limit));
        }
        submitter.commit();
    }

    /// Sends a command of a user, with `len` bytes at `address`.
    ///
    /// # Errors
    ///
    /// Those of [`Passthrough::execute_user`]; an NVMe status is no error here.
    pub(crate) fn user(
        &self,
        command: Command,
        direction: DataDirection,
        timeout_ms: u32,
        address: usize,
        len: usize,
    ) -> Result<Completion> {
        let request = self.request(command, direction, timeout_ms)?;
        let ended = if len == 0 {
            request.execute()?
        } else {
            request.execute_user(address, len)?
        };
        ended.data().common.completion().ok_or(EIO)
    }

    /// Sends a command that has no data.
    pub(crate) fn execute(&self, command: Command) -> Result<Completion, AdminError> {
        fault::delay();
        let ended = self.request(command, DataDirection::In, 0)?.execute()?;
        judge(ended.data().common.completion())
    }

    /// Sends a command whose data are a `T`.
    pub(crate) fn query<T>(&self, query: Query<T>) -> Result<KBox<T>, AdminError>
    where
        T: FromBytes + IntoBytes + Immutable + KnownLayout,
    {
        let mut reply = zeroed::boxed::<T>()?;
        let ended = self
            .request(*query.command(), DataDirection::In, 0)?
            .execute_kernel(reply.as_mut_bytes())?;
        judge(ended.data().common.completion())?;
        match fault::query(reply.as_mut_bytes()) {
            Some(status) => Err(AdminError::Status(status)),
            None => Ok(reply),
        }
    }

    /// Asks for `wanted` pairs of I/O queues (Set Features, FID 07h) and returns how
    /// many there may be.
    pub(crate) fn set_queue_count(&self, wanted: u32) -> Result<u32, AdminError> {
        let value = QueueCounts::pairs(wanted).to_dword();
        let completion = self.execute(admin::set_features(
            FeatureId::NUMBER_OF_QUEUES,
            Nsid::NONE,
            value,
        ))?;
        let granted = QueueCounts::from_dword(completion.dw0()).usable_pairs();
        Ok(fault::granted(granted))
    }

    /// Creates an I/O completion queue, then the submission queue that uses it. Returns the
    /// status with which the controller refused one of them, if it did and knows of neither.
    ///
    /// # Errors
    ///
    /// The controller may know of one of them, so it has to be stopped.
    pub(crate) fn create_queue_pair(
        &self,
        queue: &IoQueueMemory,
    ) -> Result<Option<Status>, AdminError> {
        let IoQueueMemory { id, size, .. } = *queue;
        let signal = admin::CompletionSignal::Interrupt(queue.vector);
        match self.create(admin::create_io_cq(id, size, signal), queue.completions) {
            Ok(()) => {}
            Err(AdminError::Status(status)) => return Ok(Some(status)),
            Err(error) => return Err(error),
        }
        let command = admin::create_io_sq(id, size, id, admin::QueuePriority::Medium);
        match self.create(command, queue.submissions) {
            Ok(()) => Ok(None),
            Err(AdminError::Status(status)) => {
                self.execute(admin::delete_io_cq(id))?;
                Ok(Some(status))
            }
            Err(error) => Err(error),
        }
    }

    /// Deletes an I/O submission queue, then its completion queue.
    pub(crate) fn delete_queue_pair(&self, id: QueueId) -> Result<(), AdminError> {
        self.execute(admin::delete_io_sq(id))?;
        self.execute(admin::delete_io_cq(id)).map(|_| ())
    }

    fn create(&self, command: Command, memory: DmaAddr) -> Result<(), AdminError> {
        if let Some(status) = fault::create() {
            return Err(AdminError::Status(status));
        }
        let mut request = self.request(command, DataDirection::In, 0)?;
        request.data_mut().queue = Some(memory);
        judge(request.execute()?.data().common.completion()).map(|_| ())
    }
}

/// Tells success from failure.
fn judge(completion: Option<Completion>) -> Result<Completion, AdminError> {
    match completion {
        Some(completion) if completion.status.is_success() => Ok(completion),
        Some(completion) => Err(AdminError::Status(completion.status)),
        None => Err(AdminError::Kernel(EIO)),
    }
}
