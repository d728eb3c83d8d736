// SPDX-License-Identifier: GPL-2.0

//! A device: the tag set of its disks, and its hardware queues.

#![forbid(unsafe_code)]

use crate::{
    config::{
        DeviceConfig,
        Name, //
    },
    counters::Counters,
    hardware::{
        self,
        HwQueue, //
    },
    line,
    mq::{
        atomic::{
            AtomicBool,
            Ordering, //
        },
        BlkStatus,
        TagSet,
        TagSetConfig,
        TagSetFlags, //
    },
    operations::Ram,
    os::{
        device::ClassDeviceRef,
        work::WorkQueue, //
    },
};
use kernel::{
    faux,
    prelude::*,
    str::CString,
    sync::{
        new_mutex,
        Arc,
        Mutex, //
    },
};

/// What the queues and disks of a device have in common. Outlives the device, so that
/// its counters can be read afterwards.
#[pin_data]
pub(crate) struct Shared {
    pub(crate) name: Name,
    pub(crate) config: DeviceConfig,
    pub(crate) counters: Counters,
    /// Nothing comes from the device any more, nor goes there.
    dead: AtomicBool,
    /// Held by who stops the device, until it runs again.
    #[pin]
    stopping: Mutex<()>,
    /// What is done later.
    pub(crate) work: WorkQueue,
}

impl Shared {
    /// From now on the device is gone.
    pub(crate) fn die(&self) {
        self.dead.store(true, Ordering::Relaxed);
    }

    /// True if it is gone.
    #[inline]
    pub(crate) fn is_dead(&self) -> bool {
        self.dead.load(Ordering::Relaxed)
    }
}

/// A device. Dropping it is for when its disks are gone.
pub(crate) struct Device {
    pub(crate) shared: Arc<Shared>,
    pub(crate) set: Arc<TagSet<Ram>>,
    /// What its disks hang below in sysfs.
    parent: Option<faux::Registration>,
}

impl Device {
    /// Makes a device. May sleep.
    pub(crate) fn new(name: Name, config: DeviceConfig) -> Result<Self> {
        let parent = match config.parent {
            true => {
                let name = CString::try_from_fmt(fmt!("{}", name.as_str()))?;
                Some(faux::Registration::new(&name, None)?)
            }
            false => None,
        };
        let shared = Arc::pin_init(
            try_pin_init!(Shared {
                name,
                config,
                counters: Counters::default(),
                dead: AtomicBool::new(false),
                stopping <- new_mutex!(()),
                work: WorkQueue::new(c"mq_ram")?,
            }),
            GFP_KERNEL,
        )?;
        let owned = usize::try_from(config.queues.max(config.max_queues))?;
        let queues = (0..owned).map(|index| HwQueue::new(shared.clone(), index));
        let set = TagSet::<Ram>::new(
            TagSetConfig {
                reserved_tags: config.reserved,
                timeout_ms: config.timeout_ms,
                numa_node: config.node,
                flags: flags(&config),
                maps: config.maps(),
                nr_hw_queues: Some(config.queues),
                ..TagSetConfig::new(config.depth)
            },
            queues,
            shared.clone(),
        )?;
        for queue in set.queues() {
            queue.line().connect(set.clone());
        }
        Ok(Self {
            shared,
            set,
            parent,
        })
    }

    /// The device of sysfs that its disks hang below, if it has one.
    pub(crate) fn faux(&self) -> Option<&kernel::device::Device> {
        let dev: &kernel::device::Device<_> = self.parent.as_ref()?.as_ref().as_ref();
        Some(dev)
    }

    /// The same, for a disk to keep.
    pub(crate) fn parent(&self) -> Option<ClassDeviceRef> {
        self.faux().map(Into::into)
    }

    /// How many of the queues have requests in their slots.
    pub(crate) fn busy_queues(&self) -> usize {
        let busy = |queue: &&_| !crate::mq::Queue::<Ram>::slots(queue).is_empty();
        self.set.queues().filter(busy).count()
    }
}

/// The flags of a device with these parameters.
fn flags(config: &DeviceConfig) -> TagSetFlags {
    [
        (config.blocking, TagSetFlags::BLOCKING),
        (!config.scheduler, TagSetFlags::NO_SCHED_BY_DEFAULT),
        (config.shared_tags, TagSetFlags::TAG_HCTX_SHARED),
        (config.round_robin, TagSetFlags::TAG_RR),
    ]
    .into_iter()
    .filter_map(|(yes, flag)| yes.then_some(flag))
    .fold(TagSetFlags::NONE, |flags, flag| flags | flag)
}

impl Drop for Device {
    fn drop(&mut self) {
        for _ in 0..self.busy_queues() {
            self.shared.counters.left.add();
        }
        for queue in self.set.queues() {
            line::disconnect(queue.line());
        }
    }
}

/// Stops the device, takes back all that it had, and starts it again: the requests end
/// with `status`, or are tried again if there is none. May sleep.
pub(crate) fn take_back(set: &TagSet<Ram>, status: Option<BlkStatus>) {
    let shared = set.data();
    // Another one's device must not run again while we hold a proof that it does not.
    let _stopping = shared.stopping.lock();
    // From here on nobody fills a slot,
    let _quiesced = set.quiesce();
    // and nothing completes.
    let halted = hardware::halt(set);
    shared.counters.stops.add();
    for queue in set.queues() {
        let drained = queue.drain(&halted, |mut rq| {
            shared.counters.drained.add();
            rq.data_mut().taken_back(status);
            rq.complete();
        });
        if drained.is_err() {
            pr_err!("mq_ram: proof of another device\n");
        }
    }
    hardware::resume(set, halted);
}
