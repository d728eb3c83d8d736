// SPDX-License-Identifier: GPL-2.0

//! The driver's own command, with the memory of the program that asks for it by ioctl.

#![forbid(unsafe_code)]

use crate::{
    config::Name,
    mq::{
        DataDirection,
        DiskRef,
        Ended,
        Passthrough,
        PassthroughConfig,
        UserMapping, //
    },
    operations::Ram,
    os::work,
    registry::REGISTRY,
};
use kernel::{
    prelude::*,
    sync::{
        new_mutex,
        Arc,
        Mutex, //
    },
    time::{
        delay::fsleep,
        Delta, //
    },
    uaccess::{
        UserPtr,
        UserSlice,
        UserSliceReader, //
    },
    workqueue::{
        impl_has_work,
        new_work,
        Work,
        WorkItem, //
    },
};

/// `_IOW('r', 0x73, struct)` with the 32 bytes that [`Order::read`] reads. A 32-bit program has
/// the same structure.
pub(crate) const ORDER: u32 = 1 << 30 | 32 << 16 | 0x72 << 8 | 0x73;

/// From memory to the disk, rather than the other way.
const WRITE: u32 = 1 << 0;
/// The address is that of an array of `struct iovec`, and the length counts these.
const IOVEC: u32 = 1 << 1;
/// The memory is mapped, and the command not executed after all.
const CANCEL: u32 = 1 << 2;
/// A thread of the kernel unmaps the memory, some time after the ioctl has returned.
const LATER: u32 = 1 << 3;
/// If the memory cannot be mapped, the command is executed all the same, without any.
const ANYWAY: u32 = 1 << 4;
/// The metadata are to go with memory that was mapped for a former use of the request.
const STALE: u32 = 1 << 5;
/// A thread of the kernel is to do it, which has no memory of a program.
const THREAD: u32 = 1 << 6;
/// With a reserved tag.
const RESERVED: u32 = 1 << 7;
/// By a request queue that has no disk.
const ALONE: u32 = 1 << 8;
/// The memory is kept for who comes with [`TAKE`]: soon, or it is unmapped as with [`LATER`].
const KEEP: u32 = 1 << 9;
/// There is no command: memory that was kept is unmapped.
const TAKE: u32 = 1 << 10;

/// All of them.
const FLAGS: u32 = (1 << 11) - 1;

/// When [`LATER`] is, in milliseconds.
const LATER_MS: u32 = 300;

/// How long memory is kept, in milliseconds.
const KEPT_MS: u32 = 20_000;

/// What a program asks for.
struct Order {
    address: usize,
    len: usize,
    metadata: usize,
    metadata_len: usize,
    flags: u32,
}

impl Order {
    fn read(arg: usize) -> Result<Self> {
        let mut reader = UserSlice::new(UserPtr::from_addr(arg), 32).reader();
        let word = |reader: &mut UserSliceReader| reader.read::<u64>();
        let order = Self {
            address: usize::try_from(word(&mut reader)?)?,
            len: usize::try_from(word(&mut reader)?)?,
            metadata: usize::try_from(word(&mut reader)?)?,
            metadata_len: usize::try_from(reader.read::<u32>()?)?,
            flags: reader.read::<u32>()?,
        };
        match order.flags & !FLAGS {
            0 => Ok(order),
            _ => Err(EINVAL),
        }
    }

    fn has(&self, flag: u32) -> bool {
        self.flags & flag != 0
    }

    /// A request with the memory that is asked for.
    fn map<'q>(
        &self,
        allocate: impl Fn(PassthroughConfig) -> Result<Passthrough<'q, Ram>>,
    ) -> Result<(Passthrough<'q, Ram>, UserMapping)> {
        let direction = match self.has(WRITE) {
            true => DataDirection::Out,
            false => DataDirection::In,
        };
        let config = PassthroughConfig::new(direction);
        let config = match self.has(RESERVED) {
            true => config.reserved(),
            false => config,
        };
        let mut rq = allocate(config)?;
        let memory = match self.has(IOVEC) {
            true => rq.map_user_iovec(self.address, self.len),
            false => rq.map_user(self.address, self.len),
        };
        let memory = match memory {
            Ok(memory) => memory,
            Err(error) if self.has(ANYWAY) => {
                rq.execute()?;
                return Err(error);
            }
            Err(error) => return Err(error),
        };
        if self.has(STALE) {
            drop(rq);
            rq = allocate(config)?;
        }
        if self.metadata_len != 0 {
            let mapped = rq.map_user_metadata(&memory, self.metadata, self.metadata_len);
            if let Err(error) = mapped {
                memory.cancel(rq)?;
                return Err(error);
            }
        }
        Ok((rq, memory))
    }
}

/// Does what the structure at `arg` asks for. May sleep.
///
/// # Errors
///
/// `EINVAL` for flags that there are not, `ENOENT` if no memory was kept, what mapping and
/// unmapping met, `EIO` if the disk did not find its pattern.
pub(crate) fn execute(disk: &DiskRef<'_, Ram>, arg: usize) -> Result<c_int> {
    let order = Order::read(arg)?;
    if order.has(THREAD) {
        return by_a_thread(disk, order).map(|()| 0);
    }
    if order.has(ALONE) {
        return by_a_queue_alone(disk, &order).map(|()| 0);
    }
    if order.has(TAKE) {
        return disk.data().kept().take().map(|()| 0);
    }
    let (rq, memory) = order.map(|config| Passthrough::for_disk(disk.disk(), config))?;
    if order.has(CANCEL) {
        memory.cancel(rq)?;
    } else if order.has(LATER) || order.has(KEEP) {
        // What comes of it is its own, though nobody is here to see it any more.
        let held = (rq.execute()?, memory);
        let wait_ms = if order.has(KEEP) { KEPT_MS } else { LATER_MS };
        let later = Arc::pin_init(
            pin_init!(Later {
                work <- new_work!("mq_ram::Later"),
                wait_ms,
                held <- new_mutex!(Some(held)),
            }),
            GFP_KERNEL,
        )?;
        if order.has(KEEP) {
            disk.data().kept().put(later.clone());
        }
        disk.data().work().enqueue(later);
    } else {
        rq.execute_mapped(memory)?;
    }
    Ok(0)
}

/// Has a request queue without a disk, made for this, do what is asked for.
fn by_a_queue_alone(disk: &DiskRef<'_, Ram>, order: &Order) -> Result {
    let name = Name::new(disk.disk().name().to_str()?)?;
    let queue = REGISTRY.lock().queue_beside(name)?;
    let (rq, memory) = order.map(|config| Passthrough::new(&queue, config))?;
    rq.execute_mapped(memory).map(drop)
}

/// Memory of a program that may be gone when it is unmapped.
#[pin_data]
struct Later {
    #[pin]
    work: Work<Self>,
    /// When, in milliseconds, unless somebody takes it before.
    wait_ms: u32,
    #[pin]
    held: Mutex<Option<(Ended<Ram>, UserMapping)>>,
}

impl Later {
    /// Unmaps the memory, which nobody else does then, in the process that calls this.
    fn unmap(&self) -> Option<(Ended<Ram>, Result)> {
        let (ended, memory) = self.held.lock().take()?;
        let result = memory.unmap(&ended);
        Some((ended, result))
    }
}

impl_has_work! {
    impl HasWork<Self> for Later { self.work }
}

impl WorkItem for Later {
    type Pointer = Arc<Self>;

    fn run(this: Arc<Self>) {
        for _ in 0..this.wait_ms.div_ceil(STEP_MS) {
            if this.held.lock().is_none() {
                return;
            }
            fsleep(Delta::from_millis(i64::from(STEP_MS)));
        }
        match this.unmap() {
            Some((ended, Ok(()))) => ended.data().counters().unmapped_later.add(),
            Some((ended, Err(EINTR))) => ended.data().counters().not_written.add(),
            _ => {}
        }
    }
}

/// How often [`Later`] looks, in milliseconds.
const STEP_MS: u32 = 50;

/// Memory of a program that somebody is to take up: the last that was kept.
#[pin_data]
pub(crate) struct Kept {
    #[pin]
    last: Mutex<Option<Arc<Later>>>,
}

impl Kept {
    /// None yet.
    pub(crate) fn new() -> impl PinInit<Self> {
        pin_init!(Self { last <- new_mutex!(None) })
    }

    fn put(&self, memory: Arc<Later>) {
        *self.last.lock() = Some(memory);
    }

    /// Unmaps it, in the process that calls this.
    fn take(&self) -> Result {
        let kept = self.last.lock().take().ok_or(ENOENT)?;
        let (_, result) = kept.unmap().ok_or(ENOENT)?;
        result
    }
}

/// Has a thread of the kernel do what is asked for, and waits for it.
fn by_a_thread(disk: &DiskRef<'_, Ram>, order: Order) -> Result {
    let elsewhere = Arc::pin_init(
        try_pin_init!(Elsewhere {
            work <- new_work!("mq_ram::Elsewhere"),
            disk: Name::new(disk.disk().name().to_str()?)?,
            order,
            result <- new_mutex!(Err(ETIMEDOUT)),
        }),
        GFP_KERNEL,
    )?;
    disk.data().work().enqueue(elsewhere.clone());
    work::flush(&elsewhere);
    let result = *elsewhere.result.lock();
    result
}

/// What a thread of the kernel does.
#[pin_data]
struct Elsewhere {
    #[pin]
    work: Work<Self>,
    disk: Name,
    order: Order,
    #[pin]
    result: Mutex<Result>,
}

impl Elsewhere {
    fn execute(&self) -> Result {
        let registry = REGISTRY.lock();
        let disk = registry.gen_disk(self.disk)?;
        let mut rq = Passthrough::for_disk(disk, PassthroughConfig::new(DataDirection::In))?;
        let memory = rq.map_user(self.order.address, self.order.len)?;
        rq.execute_mapped(memory).map(|_| ())
    }
}

impl_has_work! {
    impl HasWork<Self> for Elsewhere { self.work }
}

impl WorkItem for Elsewhere {
    type Pointer = Arc<Self>;

    fn run(this: Arc<Self>) {
        let result = this.execute();
        *this.result.lock() = result;
    }
}
