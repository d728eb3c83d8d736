// SPDX-License-Identifier: GPL-2.0

//! Aborts: a command whose time is over is asked back once, before its controller is reset.
//!
//! NVM Express Base Specification 2.0c, 5.1.

use super::{
    admin::AdminQueue,
    controller::Controller,
    spec::{
        identify_ctrl::IdentifyCtrl,
        ids::QueueId, //
    },
};
use crate::mq::{
    atomic::{
        AtomicU64,
        Ordering, //
    },
    Cid,
    EndIo,
    Ended, //
};
use kernel::{
    prelude::*,
    sync::Arc, //
};

/// How many commands are remembered for which an Abort was sent. One that is forgotten gets
/// another Abort; one with the identifier of another that is remembered gets none.
const REMEMBERED: usize = 16;

/// The commands that were asked back.
pub(super) struct Aborted {
    commands: [Option<(QueueId, Cid)>; REMEMBERED],
    next: usize,
}

impl Aborted {
    /// None.
    pub(super) const fn new() -> Self {
        Self {
            commands: [None; REMEMBERED],
            next: 0,
        }
    }

    /// Remembers a command, in place of the one that was remembered for the longest time.
    /// Returns false if it is there already.
    fn insert(&mut self, queue: QueueId, cid: Cid) -> bool {
        let command = Some((queue, cid));
        if self.commands.contains(&command) {
            return false;
        }
        if let Some(place) = self.commands.get_mut(self.next) {
            *place = command;
        }
        self.next = self.next.wrapping_add(1) % REMEMBERED;
        true
    }
}

/// How many Abort commands the controller has.
pub(super) struct AbortsUnderWay(AtomicU64);

impl AbortsUnderWay {
    /// None.
    pub(super) fn new() -> Self {
        Self(AtomicU64::new(0))
    }

    /// One more, if there are fewer than `limit`.
    fn add(&self, limit: u32) -> bool {
        let before = self.0.fetch_add(1, Ordering::Relaxed);
        if before >= u64::from(limit) {
            self.remove();
            return false;
        }
        true
    }

    fn remove(&self) {
        self.0.fetch_sub(1, Ordering::Relaxed);
    }
}

impl Controller {
    /// Asks the controller to give a command back, if that was not done before. Returns true if
    /// the command gets more time, false if nothing is left but a reset. Process context; may
    /// sleep.
    pub(super) fn abort(self: &Arc<Self>, queue: QueueId, cid: Cid) -> bool {
        let limit = self.identify().map_or(1, IdentifyCtrl::abort_limit);
        if queue == QueueId::ADMIN {
            return false;
        }
        if !self.aborts.add(limit) {
            // Others come first; they are done, or lead to a reset.
            return true;
        }
        let sent = self.aborted.lock().insert(queue, cid)
            && self
                .admin()
                .is_ok_and(|admin| admin.abort(queue, cid, self.clone()).is_ok());
        if sent {
            self.journal.abort_sent();
        } else {
            self.aborts.remove();
        }
        sent
    }
}

/// An Abort has ended, one way or the other: the command that it was about has a completion of its
/// own, or is still where it was.
impl EndIo<AdminQueue> for Arc<Controller> {
    fn end_io(self, ended: Ended<AdminQueue>, result: Result) {
        self.aborts.remove();
        if let (Ok(()), Some(completion)) = (result, ended.data().completion()) {
            self.warn(format_args!(
                "Abort: {}, {}",
                completion.status,
                if completion.dw0() & 1 == 0 {
                    "the command was aborted"
                } else {
                    "the command was not aborted"
                }
            ));
        }
    }
}
