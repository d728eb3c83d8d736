// SPDX-License-Identifier: GPL-2.0

//! Memory that the CPU and the device see alike, without synchronisation.

use super::DmaAddr;
use crate::{
    bindings,
    pci::Lease, //
};
use core::{
    mem::size_of,
    ptr::NonNull,
    sync::atomic::{
        AtomicU64,
        Ordering, //
    },
};
use kernel::prelude::*;
use zerocopy::{
    FromBytes,
    Immutable,
    IntoBytes, //
};

/// `len` values of type `T`, zero at first.
///
/// # Invariants
///
/// `cpu` and `addr` are the two addresses of one live coherent allocation of
/// `len * size_of::<T>()` bytes, aligned to a page.
pub(crate) struct Coherent<T> {
    cpu: NonNull<T>,
    addr: u64,
    len: usize,
    lease: Lease,
}

// SAFETY: the memory belongs to this value, and `T` is plain data.
unsafe impl<T: Send> Send for Coherent<T> {}
// SAFETY: through a shared reference the memory is only read and cleared, word by word, by
// atomic operations that tolerate the device's writes, or as the methods' requirements say.
unsafe impl<T: Sync> Sync for Coherent<T> {}

impl<T> Coherent<T> {
    /// Allocates and clears the memory. May sleep.
    ///
    /// # Errors
    ///
    /// `ENOMEM`, `EOVERFLOW`.
    pub(crate) fn new(lease: Lease, len: usize) -> Result<Self> {
        let bytes = len.checked_mul(size_of::<T>()).ok_or(EOVERFLOW)?;
        let mut addr = 0;
        // SAFETY: the device is bound as long as the lease lives; `addr` is valid for
        // writes. Coherent memory is cleared by the DMA layer.
        let cpu = unsafe {
            bindings::dma_alloc_attrs(
                lease.raw_device(),
                bytes.max(1),
                &mut addr,
                bindings::RNVME_GFP_KERNEL,
                0,
            )
        };
        // INVARIANT: allocated just now.
        Ok(Self {
            cpu: NonNull::new(cpu.cast()).ok_or(ENOMEM)?,
            addr,
            len,
            lease,
        })
    }

    /// The device's address of the whole.
    pub(crate) fn dma_addr(&self) -> DmaAddr {
        // SAFETY: the address of a live allocation for this device. The owner keeps the
        // allocation until the device has stopped, or was told of other memory.
        unsafe { DmaAddr::new(self.addr) }
    }

    /// The device's address of value `index`; that of the whole if there is none.
    #[inline]
    pub(super) fn dma_addr_of(&self, index: usize) -> DmaAddr {
        let index = if index < self.len { index } else { 0 };
        self.dma_addr().offset(index.wrapping_mul(size_of::<T>()))
    }

    /// Visits each value. The device has not been told of the memory.
    pub(super) fn for_each_mut(&mut self, mut f: impl FnMut(&mut T)) {
        for index in 0..self.len {
            // SAFETY: exclusively borrowed, and the device has not been told of it.
            if let Some(value) = unsafe { self.get_mut(index) } {
                f(value);
            }
        }
    }

    /// Value `index`, for the CPU alone.
    ///
    /// # Safety
    ///
    /// For the lifetime of the result nobody else uses this value: no other reference
    /// is made, and the device has not been told to access it.
    #[inline]
    pub(super) unsafe fn get_mut(&self, index: usize) -> Option<&mut T> {
        // SAFETY: inside of the allocation; exclusive by this function's requirements.
        (index < self.len).then(|| unsafe { &mut *self.cpu.as_ptr().add(index) })
    }
}

impl<T: IntoBytes + Immutable> Coherent<T> {
    /// Writes value `index`, if there is one.
    ///
    /// The device reads it when it is told of it, by a register that is written later
    /// (see [`crate::pci::Doorbell::ring`]).
    #[inline]
    pub(crate) fn write(&mut self, index: usize, value: T) {
        if index < self.len {
            // SAFETY: inside of the allocation, and exclusively borrowed. `T` is plain
            // data, so a device that reads it too early sees wrong data, no more.
            unsafe { self.cpu.as_ptr().add(index).write(value) };
        }
    }
}

impl<T: FromBytes> Coherent<T> {
    /// Clears all values, each in several stores: for memory that the device does not
    /// write any more, or does not know of yet.
    pub(crate) fn clear(&self) {
        const {
            assert!(size_of::<T>() % 8 == 0, "whole words");
        }
        for index in 0..self.len.wrapping_mul(size_of::<T>() / 8) {
            // SAFETY: inside of the allocation, and aligned, as it starts at a page. All
            // zeroes are a `T`; others read it by such loads only, as it is shared.
            let word = unsafe { AtomicU64::from_ptr(self.cpu.as_ptr().cast::<u64>().add(index)) };
            word.store(0, Ordering::Relaxed);
        }
    }

    /// Reads the eight bytes at offset `8 * QWORD` of value `index` in one load.
    ///
    /// What the device wrote before it wrote these is seen by later reads.
    #[inline]
    pub(crate) fn load_acquire<const QWORD: usize>(&self, index: usize) -> Option<u64> {
        const {
            assert!(
                QWORD < size_of::<T>() / 8 && size_of::<T>() % 8 == 0,
                "the load stays inside of the value, and is aligned"
            );
        }
        if index >= self.len {
            return None;
        }
        // SAFETY: inside of the allocation, and aligned, as it starts at a page.
        let word =
            unsafe { AtomicU64::from_ptr(self.cpu.as_ptr().add(index).cast::<u64>().add(QWORD)) };
        let value = word.load(Ordering::Acquire);
        // A device's writes are ordered by a barrier of its own on weakly ordered CPUs.
        #[cfg(not(target_arch = "x86_64"))]
        kernel::sync::barrier::dma_mb(kernel::sync::barrier::Read);
        Some(value)
    }
}

impl<T> Drop for Coherent<T> {
    fn drop(&mut self) {
        // SAFETY: allocated with this size by the type invariant; the lease says that
        // the device is still bound.
        unsafe {
            bindings::dma_free_attrs(
                self.lease.raw_device(),
                self.len.wrapping_mul(size_of::<T>()).max(1),
                self.cpu.as_ptr().cast(),
                self.addr,
                0,
            )
        };
    }
}
