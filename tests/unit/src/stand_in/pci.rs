// SPDX-License-Identifier: GPL-2.0

//! Stands for `pci/`: a function whose registers and memory the test can see.

#![allow(clippy::indexing_slicing, reason = "a test that panics has failed")]

use std::{
    cell::{
        Cell,
        RefCell, //
    },
    rc::Rc, //
};

/// The memory that a function reaches, and what was written to its doorbells.
#[derive(Default)]
struct Function {
    /// Words of eight bytes; the address of the first is 0.
    memory: RefCell<Vec<u64>>,
    doorbells: [Register; 2],
}

/// A register that is only written.
#[derive(Default)]
struct Register {
    value: Cell<u32>,
    writes: Cell<usize>,
}

/// A reference to the function.
#[derive(Clone, Default)]
pub(crate) struct Lease(Rc<Function>);

impl Lease {
    /// Reserves `words` words, all of them 0, and returns the index of the first.
    pub(crate) fn allocate(&self, words: usize) -> usize {
        let mut memory = self.0.memory.borrow_mut();
        let first = memory.len();
        memory.resize(first + words, 0);
        first
    }

    /// Reads a word, for host or device.
    pub(crate) fn load(&self, word: usize) -> u64 {
        self.0.memory.borrow()[word]
    }

    /// Writes a word, for host or device.
    pub(crate) fn store(&self, word: usize, value: u64) {
        self.0.memory.borrow_mut()[word] = value;
    }

    /// A doorbell to write.
    pub(crate) fn doorbell(&self, index: usize) -> Doorbell {
        Doorbell {
            lease: self.clone(),
            index,
        }
    }

    /// What was written to a doorbell last, and how often it was written.
    pub(crate) fn rung(&self, index: usize) -> (u32, usize) {
        let register = &self.0.doorbells[index];
        (register.value.get(), register.writes.get())
    }
}

/// A doorbell.
pub(crate) struct Doorbell {
    lease: Lease,
    index: usize,
}

impl Doorbell {
    pub(crate) fn ring(&self, value: u32) {
        let register = &self.lease.0.doorbells[self.index];
        register.value.set(value);
        register.writes.set(register.writes.get() + 1);
    }
}
