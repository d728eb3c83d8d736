// SPDX-License-Identifier: GPL-2.0

//! Stands for `pci/`: a function whose registers and memory the test has.

#![allow(clippy::indexing_slicing, reason = "a test that panics has failed")]

use std::{
    cell::{
        Cell,
        RefCell, //
    },
    rc::Rc, //
};

use crate::prelude::{
    Result,
    ENODEV, //
};

/// The memory that a function reaches, and what was written to its doorbells.
#[derive(Default)]
struct Function {
    /// Words of eight bytes; the address of the first is 0.
    memory: RefCell<Vec<u64>>,
    doorbells: [Register; 2],
    /// Bus mastering, and whether it can be taken away.
    is_master: Cell<bool>,
    keeps_master: Cell<bool>,
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
    /// True if both are leases of the same function.
    pub(crate) fn same_function(&self, other: &Self) -> bool {
        Rc::ptr_eq(&self.0, &other.0)
    }

    /// A function that stays a bus master.
    pub(crate) fn stubborn() -> Self {
        let lease = Self::default();
        lease.0.keeps_master.set(true);
        lease
    }

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
        let lease = self.clone();
        Doorbell(Box::new(move |value| {
            let register = &lease.0.doorbells[index];
            register.value.set(value);
            register.writes.set(register.writes.get() + 1);
        }))
    }

    /// What was written to a doorbell last, and how often it was written.
    pub(crate) fn rung(&self, index: usize) -> (u32, usize) {
        let register = &self.0.doorbells[index];
        (register.value.get(), register.writes.get())
    }

    pub(crate) fn clear_master(&self) -> bool {
        self.0.is_master.set(self.0.keeps_master.get());
        !self.0.is_master.get()
    }
}

/// A doorbell.
pub(crate) struct Doorbell(Box<dyn Fn(u32)>);

impl Doorbell {
    pub(crate) fn ring(&self, value: u32) {
        (self.0)(value);
    }
}

/// A device, as its registers show it.
pub(crate) trait Registers {
    fn read(&mut self, offset: usize) -> u32;
    fn write(&mut self, offset: usize, value: u32);
}

/// The registers of a device.
#[derive(Clone)]
pub(crate) struct Bar {
    device: Rc<RefCell<dyn Registers>>,
    len: usize,
    lease: Lease,
}

impl Bar {
    /// `len` bytes of registers.
    pub(crate) fn new(lease: Lease, device: Rc<RefCell<dyn Registers>>, len: usize) -> Self {
        Self { device, len, lease }
    }

    pub(crate) fn lease(&self) -> &Lease {
        &self.lease
    }

    pub(crate) fn len(&self) -> usize {
        self.len
    }

    pub(crate) fn read32(&self, offset: usize) -> u32 {
        self.device.borrow_mut().read(offset)
    }

    pub(crate) fn write32(&self, offset: usize, value: u32) {
        self.device.borrow_mut().write(offset, value);
    }

    pub(crate) fn read64(&self, offset: usize) -> u64 {
        u64::from(self.read32(offset)) | u64::from(self.read32(offset + 4)) << 32
    }

    pub(crate) fn write64(&self, offset: usize, value: u64) {
        self.write32(offset, value as u32);
        self.write32(offset + 4, (value >> 32) as u32);
    }

    pub(crate) fn doorbell(&self, offset: usize) -> Result<Doorbell> {
        if offset + 4 > self.len {
            return Err(ENODEV);
        }
        let bar = self.clone();
        Ok(Doorbell(Box::new(move |value| bar.write32(offset, value))))
    }
}
