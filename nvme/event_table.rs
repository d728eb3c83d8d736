// SPDX-License-Identifier: GPL-2.0

//! Which Asynchronous Event Requests a controller has, and what it answered.
//!
//! These commands stay with the controller until something happens, for ever perhaps. So they
//! are no requests of blk-mq, for which every freeze and every end of a queue would wait: each
//! is one word here. They have no data, so there is nothing to give back when they end.

use super::spec::{
    completion::Completion,
    status::Status, //
};
use crate::{
    dma::DmaStopped,
    mq::{
        atomic::{
            AtomicU64,
            Ordering, //
        },
        Cid, //
    },
};

/// The most of them.
pub(crate) const MAX: usize = 16;

/// Their identifiers have this bit. With [`MAX_ENTRIES`] no request's has it: a tag takes 6 bits
/// at most, and its generation 6 more.
const IDENTIFIER: u16 = 1 << 15;

/// The most entries of the queue that these commands share with requests.
pub(crate) const MAX_ENTRIES: u32 = 64;

/// The place has no command.
const FREE: u64 = 0;
/// The controller has it.
const SENT: u64 = 1 << 62;
/// The controller has answered: status in bits 46:32, DW0 in bits 31:0.
const ANSWERED: u64 = 1 << 63;

/// The places of these commands, each a word that goes from free to sent, to answered, to free.
pub(crate) struct EventTable {
    words: [AtomicU64; MAX],
}

impl EventTable {
    /// No command is sent.
    pub(crate) fn new() -> Self {
        Self {
            words: core::array::from_fn(|_| AtomicU64::new(FREE)),
        }
    }

    /// Takes a free place for a command that is about to be written to the ring, under its
    /// lock, and returns its identifier; `None` if all of the first `limit` places have one, or
    /// an answer that was not [taken](Self::take).
    pub(crate) fn send(&self, limit: usize) -> Option<Cid> {
        for (index, word) in self.words.iter().enumerate().take(limit) {
            if word
                .compare_exchange(FREE, SENT, Ordering::Relaxed, Ordering::Relaxed)
                .is_ok()
            {
                // CAST: below `MAX`.
                return Some(Cid::from_bits(IDENTIFIER | index as u16));
            }
        }
        None
    }

    /// Keeps what the controller answered to the command `cid`. Returns false if it is none of
    /// these, or none that the controller had. Any context.
    pub(crate) fn answer(&self, cid: Cid, completion: Completion) -> bool {
        let index = usize::from(cid.bits() ^ IDENTIFIER);
        let Some(word) = self.words.get(index) else {
            return false;
        };
        let answer =
            ANSWERED | u64::from(completion.status.bits()) << 32 | u64::from(completion.dw0());
        // Release: it pairs with the acquire of `take`.
        word.compare_exchange(SENT, answer, Ordering::Release, Ordering::Relaxed)
            .is_ok()
    }

    /// Takes an answer out, and frees its place.
    pub(crate) fn take(&self) -> Option<Completion> {
        self.words.iter().find_map(|word| {
            let answer = word.load(Ordering::Acquire);
            if answer & ANSWERED == 0 {
                return None;
            }
            // Nobody but who takes changes an answer.
            word.store(FREE, Ordering::Relaxed);
            Some(Completion {
                // CAST: the lower half, DW0.
                result: u64::from(answer as u32),
                // CAST: 15 bits.
                status: Status::from_field((answer >> 32) as u16),
            })
        })
    }

    /// The controller was stopped, and has forgotten these commands.
    pub(crate) fn forget(&self, _stopped: &DmaStopped) {
        for word in &self.words {
            let _ = word.compare_exchange(SENT, FREE, Ordering::Relaxed, Ordering::Relaxed);
        }
    }
}
