// SPDX-License-Identifier: GPL-2.0

//! A node beside a disk, for commands by io_uring: the driver's own command, with memory that was
//! registered with the ring.

#![forbid(unsafe_code)]

use crate::{
    config::Name,
    mq::{
        atomic::{
            AtomicU64,
            Ordering, //
        },
        DataDirection,
        Passthrough,
        PassthroughConfig, //
    },
    os::{
        attribute::{
            Attribute,
            AttributeGroup,
            AttributeGroups,
            AttributeList,
            OfDevice, //
        },
        chrdev::{
            CharDevice,
            Registration, //
        },
        globals,
        uring_cmd::FixedBuffer, //
    },
    registry::REGISTRY,
};
use kernel::{
    device,
    prelude::*,
    sync::{
        Arc,
        ArcBorrow, //
    },
};

/// The disk fills memory: the payload is an address and a length.
const FILL: u32 = 1;
/// The disk looks at memory.
const LOOK: u32 = 2;

/// The node of a disk.
pub(crate) struct Node {
    disk: Name,
}

static ATTRIBUTES: [Attribute<OfDevice, Node>; 1] = [Attribute::new(c"disk", |node, out| {
    out.line(format_args!("{}", node.disk.as_str()))
})];
static LIST: AttributeList<OfDevice, Node, 2> = AttributeList::new(&ATTRIBUTES);
static GROUP: AttributeGroup<OfDevice, Node> = AttributeGroup::new(&LIST);
static GROUPS: AttributeGroups<OfDevice, Node> = AttributeGroups::new(&GROUP);

/// The number of the next node.
static MINOR: AtomicU64 = AtomicU64::new(0);

impl Node {
    /// Makes `/dev/mq_ram_NAME`. May sleep.
    pub(crate) fn add(disk: Name, parent: &device::Device) -> Result<Registration<Self>> {
        // CAST: after as many disks the numbers begin anew.
        let minor = u32::from(MINOR.fetch_add(1, Ordering::Relaxed) as u16);
        Registration::new(
            fmt!("mq_ram_{}", disk.as_str()),
            globals::get().ok_or(ENODEV)?,
            parent,
            minor,
            &GROUPS,
            Arc::new(Self { disk }, GFP_KERNEL)?,
        )
    }
}

#[vtable]
impl CharDevice for Node {
    fn ioctl(_this: ArcBorrow<'_, Self>, _cmd: u32, _arg: usize) -> Result<isize> {
        Err(ENOTTY)
    }

    fn uring_cmd(
        this: ArcBorrow<'_, Self>,
        op: u32,
        [address, len]: [u64; 2],
        buffer: Option<FixedBuffer<'_>>,
    ) -> Result<i32> {
        let direction = match op {
            FILL => DataDirection::In,
            LOOK => DataDirection::Out,
            _ => return Err(ENOTTY),
        };
        let buffer = buffer.ok_or(EINVAL)?;
        let registry = REGISTRY.lock();
        let config = PassthroughConfig::new(direction);
        let rq = Passthrough::for_disk(registry.gen_disk(this.disk)?, config)?;
        rq.execute_fixed(&buffer, address, usize::try_from(len)?)?;
        Ok(0)
    }
}
