// SPDX-License-Identifier: GPL-2.0

//! Zones: parts of a disk that are written from start to end.
//!
//! The first zones may be conventional, and are written anywhere. In the others each
//! write begins where the last one ended, or it fails; an append is told where it went.

#![forbid(unsafe_code)]

use crate::mq::{
    BlkStatus,
    PowerOfTwo,
    Zone,
    ZoneCondition,
    ZoneType, //
};
use kernel::{
    prelude::*,
    sync::{
        new_spinlock,
        SpinLock, //
    },
};

/// What changes about a sequential zone.
struct State {
    /// Where the next write goes, in bytes from the start of the disk.
    write_pointer: u64,
    condition: ZoneCondition,
}

/// What a command does to a zone.
#[derive(Clone, Copy, PartialEq, Eq)]
pub(crate) enum Action {
    Open,
    Close,
    Finish,
    Reset,
}

/// The zones of a disk.
pub(crate) struct Zones {
    size: PowerOfTwo,
    capacity: u64,
    conventional: usize,
    /// All of them, the conventional ones too.
    states: KVVec<Pin<KBox<SpinLock<State>>>>,
}

impl Zones {
    /// Zones of `size` bytes for a disk of `disk` bytes, `conventional` of them at its start,
    /// the others with room for `capacity` bytes. May sleep.
    ///
    /// # Errors
    ///
    /// `EINVAL` if the disk is no whole number of zones, or the capacity exceeds the size.
    pub(crate) fn new(
        disk: u64,
        size: PowerOfTwo,
        capacity: u64,
        conventional: u32,
    ) -> Result<Self> {
        let count = disk >> size.shift();
        if disk & size.mask() != 0 || capacity == 0 || capacity > size.bytes() {
            return Err(EINVAL);
        }
        let mut states = KVVec::with_capacity(usize::try_from(count)?, GFP_KERNEL)?;
        for index in 0..count {
            let state = State {
                write_pointer: index << size.shift(),
                condition: ZoneCondition::Empty,
            };
            states.push(
                KBox::pin_init(new_spinlock!(state), GFP_KERNEL)?,
                GFP_KERNEL,
            )?;
        }
        Ok(Self {
            size,
            capacity,
            conventional: usize::try_from(conventional)?,
            states,
        })
    }

    /// The zone that a byte lies in: its index, its start, its state if it is sequential.
    fn find(&self, offset: u64) -> Option<(usize, u64, Option<&SpinLock<State>>)> {
        let index = usize::try_from(offset >> self.size.shift()).ok()?;
        let start = offset & !self.size.mask();
        let state = self.states.get(index)?;
        let is_sequential = index >= self.conventional;
        Some((index, start, is_sequential.then_some(&**state)))
    }

    /// Reserves room for a write of `len` bytes at `offset`, which the write pointer has to
    /// be at, or for an append to the zone that starts there. Returns where the data go.
    ///
    /// # Errors
    ///
    /// The status that the request ends with: it is not at the write pointer, or there is
    /// not enough room.
    pub(crate) fn write(
        &self,
        offset: u64,
        len: u32,
        is_append: bool,
    ) -> core::result::Result<u64, BlkStatus> {
        let (_, start, state) = self.find(offset).ok_or(BlkStatus::IoError)?;
        let Some(state) = state else {
            // Appending has no meaning there.
            return if is_append {
                Err(BlkStatus::IoError)
            } else {
                Ok(offset)
            };
        };
        let mut state = state.lock();
        let at = state.write_pointer;
        let expected = if is_append { start } else { at };
        let next = at.saturating_add(u64::from(len));
        let end = start.saturating_add(self.capacity);
        if state.condition == ZoneCondition::Full || offset != expected || next > end {
            return Err(BlkStatus::IoError);
        }
        state.write_pointer = next;
        if next == end {
            state.condition = ZoneCondition::Full;
        } else if state.condition != ZoneCondition::ExplicitOpen {
            state.condition = ZoneCondition::ImplicitOpen;
        }
        Ok(at)
    }

    /// Does something to the zone that starts at `offset`. A reset forgets its data: the
    /// caller clears them, if this says so.
    pub(crate) fn manage(&self, offset: u64, action: Action) -> BlkStatus {
        let Some((_, start, Some(state))) = self.find(offset) else {
            return BlkStatus::IoError;
        };
        let mut state = state.lock();
        let is_full = state.condition == ZoneCondition::Full;
        match action {
            Action::Open if is_full => return BlkStatus::IoError,
            Action::Open => state.condition = ZoneCondition::ExplicitOpen,
            Action::Close if is_full => return BlkStatus::IoError,
            Action::Close if state.write_pointer == start => state.condition = ZoneCondition::Empty,
            Action::Close => state.condition = ZoneCondition::Closed,
            Action::Finish => {
                state.condition = ZoneCondition::Full;
                state.write_pointer = start.saturating_add(self.size.bytes());
            }
            Action::Reset => {
                state.condition = ZoneCondition::Empty;
                state.write_pointer = start;
            }
        }
        BlkStatus::Ok
    }

    /// The starts of all sequential zones.
    pub(crate) fn sequential(&self) -> impl Iterator<Item = u64> + '_ {
        (self.conventional..self.states.len()).map(|index| self.start(index))
    }

    /// The size of each zone in bytes.
    pub(crate) fn size(&self) -> u64 {
        self.size.bytes()
    }

    // CAST: widening.
    fn start(&self, index: usize) -> u64 {
        (index as u64) << self.size.shift()
    }

    /// What is to be said of the zone that `offset` lies in; `None` beyond the last.
    pub(crate) fn describe(&self, offset: u64) -> Option<Zone> {
        let (_, start, state) = self.find(offset)?;
        let (kind, write_pointer, condition, capacity) = match state {
            None => (
                ZoneType::Conventional,
                start,
                ZoneCondition::NotWritePointer,
                self.size.bytes(),
            ),
            Some(state) => {
                let state = state.lock();
                (
                    ZoneType::SequentialRequired,
                    state.write_pointer,
                    state.condition,
                    self.capacity,
                )
            }
        };
        Some(Zone {
            start,
            len: self.size.bytes(),
            capacity,
            write_pointer,
            kind,
            condition,
            reset_recommended: false,
            non_sequential: false,
        })
    }
}
