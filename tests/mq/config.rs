// SPDX-License-Identifier: GPL-2.0

//! The parameters of devices and disks, as words of the form `name=value`.

#![forbid(unsafe_code)]

use crate::mq::{
    Checksum,
    QueueKind, //
};
use core::fmt::{
    self,
    Write, //
};
use kernel::prelude::*;

/// The value of a parameter, to and from text.
pub(crate) trait Value: Sized {
    fn parse(text: &str) -> Result<Self>;
    fn print(&self, out: &mut dyn Write) -> fmt::Result;
}

macro_rules! number {
    ($type:ty) => {
        impl Value for $type {
            fn parse(text: &str) -> Result<Self> {
                <$type>::try_from(parse_number(text)?).map_err(|_| EINVAL)
            }

            fn print(&self, out: &mut dyn Write) -> fmt::Result {
                write!(out, "{self}")
            }
        }
    };
}

number!(i32);
number!(u32);
number!(u64);

/// A number, perhaps followed by K, M or G.
fn parse_number(text: &str) -> Result<u64> {
    let digits = text.trim_end_matches(['K', 'M', 'G']);
    let shift = match text.get(digits.len()..) {
        Some("") => 0,
        Some("K") => 10,
        Some("M") => 20,
        Some("G") => 30,
        _ => return Err(EINVAL),
    };
    let number: u64 = digits.parse().map_err(|_| EINVAL)?;
    number.checked_mul(1 << shift).ok_or(EINVAL)
}

impl Value for bool {
    fn parse(text: &str) -> Result<Self> {
        match text {
            "0" => Ok(false),
            "1" => Ok(true),
            _ => Err(EINVAL),
        }
    }

    fn print(&self, out: &mut dyn Write) -> fmt::Result {
        out.write_str(if *self { "1" } else { "0" })
    }
}

/// Makes an enumeration whose variants have names.
macro_rules! words {
    ($(#[$meta:meta])* $name:ident { $($(#[$doc:meta])* $variant:ident = $text:literal,)* }) => {
        $(#[$meta])*
        #[derive(Clone, Copy, Debug, PartialEq, Eq)]
        pub(crate) enum $name {
            $($(#[$doc])* $variant,)*
        }

        impl Value for $name {
            fn parse(text: &str) -> Result<Self> {
                match text {
                    $($text => Ok(Self::$variant),)*
                    _ => Err(EINVAL),
                }
            }

            fn print(&self, out: &mut dyn Write) -> fmt::Result {
                out.write_str(match self {
                    $(Self::$variant => $text,)*
                })
            }
        }
    };
}

words! {
    /// Who ends a request, and when.
    CompletionMode {
        /// `queue_rq` does, at once. The request is never in a slot.
        Inline = "inline",
        /// `queue_rq` has blk-mq choose where it ends: here, by IPI or by softirq. There is
        /// no device, and so no slot.
        SoftIrq = "softirq",
        /// `queue_rq` takes it out of its slot again, and has blk-mq choose where it
        /// ends: here, by IPI or by softirq.
        Direct = "direct",
        /// The device's interrupt, some time later.
        Interrupt = "interrupt",
    }
}

words! {
    /// What becomes of a request of the least driver.
    LeastMode {
        /// `queue_rq` ends it.
        Inline = "inline",
        /// blk-mq chooses where it ends.
        SoftIrq = "softirq",
        /// It goes into its slot, and is taken out again; then as [`Self::Inline`].
        SlotInline = "slot-inline",
        /// The same; then as [`Self::SoftIrq`].
        SlotSoftIrq = "slot-softirq",
    }
}

words! {
    /// What becomes of a request that the device has lost.
    Rescue {
        /// The device finds all that it has lost, and completes them after all.
        Late = "late",
        /// The device is stopped; what it had is tried again.
        Requeue = "requeue",
        /// The device is stopped; what it had ends with an error.
        Fail = "fail",
        /// The device completes the command at this very moment, for another CPU to see: the
        /// time-out waits a little, and looks who was first.
        Race = "race",
    }
}

words! {
    /// What the device has too little of when a request is refused.
    Refusal {
        /// Something that has nothing to do with its requests: blk-mq tries again by itself.
        Resource = "resource",
        /// Something of its own: the driver runs the queue again.
        Device = "device",
    }
}

words! {
    /// The checksum in a block's metadata.
    Guard {
        /// There is none.
        None = "none",
        /// That of the Internet protocol.
        Ip = "ip",
        /// The CRC of T10 DIF.
        Crc = "crc",
        /// The CRC of 64 bits.
        Crc64 = "crc64",
    }
}

impl Guard {
    /// As `mq/` says it.
    pub(crate) fn checksum(self) -> Checksum {
        match self {
            Self::None => Checksum::None,
            Self::Ip => Checksum::Ip,
            Self::Crc => Checksum::Crc,
            Self::Crc64 => Checksum::Crc64,
        }
    }
}

/// Makes a structure of parameters.
macro_rules! parameters {
    ($(#[$meta:meta])* $name:ident {
        $($(#[$doc:meta])* $field:ident: $type:ty = $default:expr,)*
    }) => {
        $(#[$meta])*
        #[derive(Clone, Copy, Debug)]
        pub(crate) struct $name {
            $($(#[$doc])* pub(crate) $field: $type,)*
        }

        impl $name {
            const DEFAULT: Self = Self { $($field: $default,)* };

            /// Sets one parameter.
            fn set(&mut self, name: &str, value: &str) -> Result {
                match name {
                    $(stringify!($field) => self.$field = Value::parse(value)?,)*
                    _ => return Err(EINVAL),
                }
                Ok(())
            }

            /// Takes parameters from words; those that are not named have their defaults.
            ///
            /// # Errors
            ///
            /// `EINVAL` for a word that is not `name=value`, an unknown name, or a value that
            /// the parameter does not know.
            pub(crate) fn parse<'a>(words: impl Iterator<Item = &'a str>) -> Result<Self> {
                let mut this = Self::DEFAULT;
                for word in words {
                    let (name, value) = word.split_once('=').ok_or(EINVAL)?;
                    this.set(name, value)?;
                }
                Ok(this)
            }

            /// Prints all parameters, each after a space.
            pub(crate) fn print(&self, out: &mut dyn Write) -> fmt::Result {
                $(
                    write!(out, " {}=", stringify!($field))?;
                    self.$field.print(out)?;
                )*
                Ok(())
            }
        }
    };
}

parameters! {
    /// What a device is made with. "Every n-th" is never when n is 0.
    DeviceConfig {
        /// Hardware queues, of all kinds together.
        queues: u32 = 1,
        /// The most that there may ever be; 0 is as many as at first.
        max_queues: u32 = 0,
        /// How many of them are for reads only.
        read_queues: u32 = 0,
        /// How many of them are polled.
        poll_queues: u32 = 0,
        /// Tags of each, reserved ones included.
        depth: u32 = 64,
        /// Tags for requests that ask for a reserved one.
        reserved: u32 = 0,
        /// The time that a request may take, milliseconds.
        timeout_ms: u32 = 30_000,
        /// Who ends a request, and when.
        completion: CompletionMode = CompletionMode::Interrupt,
        /// From the last command until the interrupt, nanoseconds.
        delay_ns: u64 = 20_000,
        /// `queue_rq` may sleep, and does.
        blocking: bool = false,
        /// For how long, nanoseconds.
        sleep_ns: u32 = 0,
        /// Disks start with an I/O scheduler.
        scheduler: bool = false,
        /// The NUMA node that it is on; -1, which is said by saying nothing, for none.
        node: i32 = -1,
        /// All hardware queues share one set of tags.
        shared_tags: bool = false,
        /// Tags are given out in turn.
        round_robin: bool = false,
        /// How many requests of a disk may be on their way from blk-mq; 0 is any number.
        budget: u32 = 0,
        /// Successful requests end in batches.
        batch: bool = true,
        /// Requests end by IPI or softirq, or else where their completion was read, without
        /// batches.
        remote: bool = false,
        /// `queue_rq` refuses every n-th request.
        refuse: u32 = 0,
        /// For want of what.
        refuse_for: Refusal = Refusal::Resource,
        /// Every n-th request is given back to blk-mq when it is complete.
        requeue: u32 = 0,
        /// After how many milliseconds it comes again.
        requeue_ms: u32 = 0,
        /// The device writes every n-th completion entry twice.
        repeat: u32 = 0,
        /// Before every n-th completion entry it writes one of a former command of that tag.
        bogus: u32 = 0,
        /// The device loses every n-th command: it never completes by itself.
        lose: u32 = 0,
        /// What becomes of those.
        rescue: Rescue = Rescue::Late,
        /// Every n-th time-out that wins such a race stops the device; what it had is tried again.
        stop: u32 = 0,
        /// Its disks hang below a device in sysfs, and have nodes for io_uring beside them.
        parent: bool = false,
    }
}

impl DeviceConfig {
    /// The kinds of queues that there are maps for.
    pub(crate) fn maps(&self) -> QueueKind {
        match (self.read_queues, self.poll_queues) {
            (0, 0) => QueueKind::Default,
            (_, 0) => QueueKind::Read,
            _ => QueueKind::Poll,
        }
    }

    /// How `total` queues are divided: those for reads and for polling first, as long as
    /// one is left for the rest.
    pub(crate) fn kinds(&self, total: u32) -> [(QueueKind, u32); 3] {
        let left = total.saturating_sub(1);
        let poll = self.poll_queues.min(left);
        let read = self.read_queues.min(left.saturating_sub(poll));
        let rest = total.saturating_sub(poll).saturating_sub(read);
        [
            (QueueKind::Default, rest),
            (QueueKind::Read, read),
            (QueueKind::Poll, poll),
        ]
    }
}

parameters! {
    /// What a disk is made with.
    DiskConfig {
        /// Its size in bytes.
        size: u64 = 16 << 20,
        /// Its logical blocks' size in bytes.
        block: u32 = 512,
        /// Writes may not be on the medium until a flush.
        cache: bool = false,
        /// The largest request in bytes.
        max_bytes: u64 = 1 << 20,
        /// In how many pieces of memory its data may lie.
        segments: u32 = 128,
        /// The largest discard in bytes; 0 is none.
        discard: u64 = 0,
        /// The largest write of zeroes in bytes; 0 is none.
        write_zeroes: u64 = 0,
        /// The size of each zone in bytes; 0 is none.
        zone_size: u64 = 0,
        /// How much of it can be written; 0 is all.
        zone_capacity: u64 = 0,
        /// How many zones at the start of the disk are conventional.
        conventional: u32 = 0,
        /// The largest append to a zone in bytes; 0 has the block layer make writes of them.
        append: u64 = 0,
        /// How many zones may be open at once; 0 is all.
        max_open: u32 = 0,
        /// How many may be open or closed; 0 is all.
        max_active: u32 = 0,
        /// Metadata of each block in bytes; 0 is none.
        metadata: u32 = 0,
        /// What of them the block layer makes and verifies.
        guard: Guard = Guard::None,
        /// With the number of the block.
        ref_tag: bool = false,
        /// The disk keeps other metadata than it is given.
        spoil_metadata: bool = false,
        /// Whether it keeps data: without, nothing is copied, and reads give whatever
        /// was in memory.
        memory: bool = true,
        /// The largest write that is done whole or not at all, in bytes; 0 is none.
        atomic: u64 = 0,
        /// How many streams writes may belong to.
        streams: u32 = 0,
        /// The unit that a stream is written in, in bytes.
        stream_size: u32 = 0,
        /// Nobody can open it.
        hidden: bool = false,
        /// Nobody looks for partitions, so that adding the disk reads nothing.
        no_part: bool = false,
        /// The medium can be taken out.
        removable: bool = false,
        /// Nobody may write.
        read_only: bool = false,
        /// The first byte of a range in which every access fails with a medium error.
        bad_at: u64 = 0,
        /// The length of that range in bytes; 0 is none.
        bad_len: u64 = 0,
    }
}

/// The name of a device or disk: 1 to 24 letters and digits.
#[derive(Clone, Copy, PartialEq, Eq)]
pub(crate) struct Name {
    bytes: [u8; 24],
    len: usize,
}

impl Name {
    /// # Errors
    ///
    /// `EINVAL` for a text that is no name.
    pub(crate) fn new(text: &str) -> Result<Self> {
        let mut bytes = [0; 24];
        let room = bytes.get_mut(..text.len()).ok_or(EINVAL)?;
        if text.is_empty() || !text.bytes().all(|byte| byte.is_ascii_alphanumeric()) {
            return Err(EINVAL);
        }
        room.copy_from_slice(text.as_bytes());
        Ok(Self {
            bytes,
            len: text.len(),
        })
    }

    /// The text.
    pub(crate) fn as_str(&self) -> &str {
        // Letters and digits: neither of the two fails.
        let bytes = self.bytes.get(..self.len).unwrap_or_default();
        core::str::from_utf8(bytes).unwrap_or_default()
    }
}
