// SPDX-License-Identifier: GPL-2.0

//! Commands of the driver's own, in each of the ways in which one can be executed.

#![forbid(unsafe_code)]

use crate::{
    exchange::data_byte,
    mq::{
        self,
        atomic::{
            AtomicBool,
            Ordering, //
        },
        DataDirection,
        EndIo,
        Ended,
        GenDisk,
        Passthrough,
        PassthroughConfig, //
    },
    operations::Ram,
};
use kernel::{
    prelude::*,
    sync::Arc,
    time::{
        delay::fsleep,
        Delta, //
    },
};

/// How long a command may take, in milliseconds.
const LIMIT_MS: u32 = 10_000;

/// How long somebody waits who does not wait for the end, and how long the command may take then.
const SHORT_MS: u32 = 50;
const LATE_MS: u32 = 1_000;

/// How long a disk is held frozen, in milliseconds.
const HOLD_MS: i64 = 1_000;

/// How long a disk is held quiesced, in milliseconds.
const QUIESCED_MS: i64 = 300;

/// Who is told of the end of a command.
struct Told {
    ended: AtomicBool,
    well: AtomicBool,
}

impl EndIo<Ram> for Arc<Told> {
    fn end_io(self, rq: Ended<Ram>, result: Result) {
        drop(rq);
        self.well.store(result.is_ok(), Ordering::Relaxed);
        self.ended.store(true, Ordering::Release);
    }
}

/// Sends a disk a command of the driver's own, and looks at what comes back. May sleep.
///
/// `how` is `wait`, `limit` for a wait with a bound, `short` for one with a bound so low that a
/// command which the device loses is given up, `told` without data and by one who is told of
/// its end, or `wait` with a property of the request: `head`, `nowait`, `reserved`,
/// `polled`, or `queue`, which is the last one.
///
/// # Errors
///
/// `EIO` for a wrong answer, `EINVAL` for a word that is none of these; that of the status
/// with which the command ended.
pub(crate) fn ping(disk: &mq::Disk<Ram>, how: &str, queues: u32) -> Result {
    let config = PassthroughConfig::new(DataDirection::In).timeout_ms(LIMIT_MS);
    let config = match how {
        "wait" | "limit" | "told" => config,
        "short" => config.timeout_ms(LATE_MS),
        "head" => config.at_head(),
        "nowait" => config.nowait(),
        "reserved" => config.reserved(),
        "polled" => config.polled(),
        "queue" => config.on_queue(queues.wrapping_sub(1)),
        _ => return Err(EINVAL),
    };
    let mut answer = KVec::from_elem(0u8, 512, GFP_KERNEL)?;
    match how {
        "told" => return told(disk, config),
        "limit" | "short" => {
            let limit_ms = if how == "short" { SHORT_MS } else { LIMIT_MS };
            let rq = Passthrough::for_disk(disk, config)?;
            answer = rq.execute_timeout(answer, limit_ms)?.1;
        }
        _ => {
            Passthrough::for_disk(disk, config)?.execute_kernel(&mut answer)?;
        }
    }
    let mut bytes = answer.iter().enumerate();
    match answer.len() == 512 && bytes.all(|(at, byte)| *byte == data_byte(at)) {
        true => Ok(()),
        false => Err(EIO),
    }
}

/// Holds a disk frozen for a while, and asks for a reserved tag meanwhile. May sleep.
///
/// # Errors
///
/// What came of asking.
pub(crate) fn hold(disk: &GenDisk<Ram>) -> Result {
    let config = PassthroughConfig::new(DataDirection::In)
        .reserved()
        .nowait();
    let _frozen = disk.queue().freeze_timeout(LIMIT_MS)?;
    let answer = Passthrough::new(disk.queue(), config).map(drop);
    fsleep(Delta::from_millis(HOLD_MS));
    answer
}

/// Holds a disk quiesced for a while, and looks whether a request reaches the driver. May sleep.
///
/// # Errors
///
/// `EIO` if one did.
pub(crate) fn quiesce(disk: &GenDisk<Ram>) -> Result {
    let counters = disk.data().counters();
    let reached = || (counters.queue_rq.get(), counters.queue_rqs.get());
    let _quiesced = disk.queue().quiesce();
    // Who comes and goes meanwhile lets nothing on.
    drop(disk.queue().quiesce());
    let before = reached();
    fsleep(Delta::from_millis(QUIESCED_MS));
    match reached() == before {
        true => Ok(()),
        false => Err(EIO),
    }
}

fn told(disk: &mq::Disk<Ram>, config: PassthroughConfig) -> Result {
    let who = Arc::new(
        Told {
            ended: AtomicBool::new(false),
            well: AtomicBool::new(false),
        },
        GFP_KERNEL,
    )?;
    Passthrough::for_disk(disk, config)?.execute_nowait(who.clone());
    for _ in 0..LIMIT_MS {
        if who.ended.load(Ordering::Acquire) {
            let well = who.well.load(Ordering::Relaxed);
            return if well { Ok(()) } else { Err(EIO) };
        }
        fsleep(Delta::from_millis(1));
    }
    Err(ETIMEDOUT)
}
