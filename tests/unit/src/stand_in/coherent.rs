// SPDX-License-Identifier: GPL-2.0

//! Stands for `dma/coherent.rs`: memory that the test, which plays the device, can reach.
//!
//! The driver's own ignores an index that is too high; here it is a bug of the caller.

#![allow(clippy::unwrap_used, reason = "a test that panics has failed")]

use core::marker::PhantomData;

use zerocopy::{
    FromBytes,
    Immutable,
    IntoBytes, //
};

use super::{
    test_addr,
    DmaAddr, //
};
use crate::{
    pci::Lease,
    prelude::Result, //
};

/// `len` values of type `T`, zero at first.
pub(crate) struct Coherent<T> {
    lease: Lease,
    first: usize,
    len: usize,
    values: PhantomData<T>,
}

impl<T> Coherent<T> {
    const WORDS: usize = {
        assert!(size_of::<T>() % 8 == 0);
        size_of::<T>() / 8
    };

    pub(crate) fn new(lease: Lease, len: usize) -> Result<Self> {
        Ok(Self {
            first: lease.allocate(len * Self::WORDS),
            lease,
            len,
            values: PhantomData,
        })
    }

    pub(crate) fn dma_addr(&self) -> DmaAddr {
        test_addr(self.first as u64 * 8)
    }

    fn word(&self, index: usize) -> usize {
        assert!(index < self.len, "{index} of {}", self.len);
        self.first + index * Self::WORDS
    }
}

impl<T: IntoBytes + Immutable> Coherent<T> {
    pub(crate) fn write(&mut self, index: usize, value: T) {
        let first = self.word(index);
        for (offset, bytes) in value.as_bytes().chunks_exact(8).enumerate() {
            let word = u64::from_ne_bytes(bytes.try_into().unwrap());
            self.lease.store(first + offset, word);
        }
    }
}

impl<T: FromBytes> Coherent<T> {
    pub(crate) fn clear(&self) {
        for word in 0..self.len * Self::WORDS {
            self.lease.store(self.first + word, 0);
        }
    }

    pub(crate) fn load_acquire<const QWORD: usize>(&self, index: usize) -> Option<u64> {
        Some(self.lease.load(self.word(index) + QWORD))
    }
}
