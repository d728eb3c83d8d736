// SPDX-License-Identifier: GPL-2.0

//! The registers of a function.

use super::Lease;
use crate::bindings;
use core::ptr::NonNull;
use kernel::{
    error::to_result,
    prelude::*,
    sync::Arc, //
};

/// The mapping of a BAR, shared by those who use registers in it.
///
/// # Invariants
///
/// `base` is the start of an I/O mapping of `len` bytes, of the region `index`
/// of the function, which is requested by this driver.
struct Mapping {
    base: NonNull<u8>,
    len: usize,
    index: i32,
    lease: Lease,
}

// SAFETY: registers may be read and written from any thread.
unsafe impl Send for Mapping {}
// SAFETY: as above.
unsafe impl Sync for Mapping {}

impl Drop for Mapping {
    fn drop(&mut self) {
        // SAFETY: mapped and requested by the type invariant; the lease says that
        // the function is still ours.
        unsafe {
            bindings::iounmap(self.base.as_ptr().cast());
            bindings::pci_release_region(self.lease.as_raw(), self.index);
        }
    }
}

/// A BAR of little-endian registers.
#[derive(Clone)]
pub(crate) struct Bar(Arc<Mapping>);

impl Bar {
    /// Requests and maps BAR `index`, all of it. May sleep.
    ///
    /// # Errors
    ///
    /// `EBUSY` if another driver has it, `ENODEV` if the BAR is smaller than
    /// `min_len` bytes, `ENOMEM`.
    pub(crate) fn new(
        lease: Lease,
        index: u32,
        min_len: usize,
        name: &'static CStr,
    ) -> Result<Self> {
        let len = usize::try_from(lease.resource_len(index)?)?;
        if len < min_len || len % 4 != 0 {
            return Err(ENODEV);
        }
        let number = i32::try_from(index)?;
        // SAFETY: the function is ours; the name is static.
        to_result(unsafe {
            bindings::pci_request_region(lease.as_raw(), number, name.as_char_ptr())
        })?;
        // SAFETY: the region was requested. Null for a region of I/O ports.
        let base = unsafe { bindings::pci_ioremap_bar(lease.as_raw(), number) };
        let Some(base) = NonNull::new(base.cast::<u8>()) else {
            // SAFETY: requested above.
            unsafe { bindings::pci_release_region(lease.as_raw(), number) };
            return Err(ENOMEM);
        };
        // INVARIANT: requested and mapped just now, with this length.
        Ok(Self(Arc::new(
            Mapping {
                base,
                len,
                index: number,
                lease,
            },
            GFP_KERNEL,
        )?))
    }

    /// The function whose registers these are.
    pub(crate) fn lease(&self) -> &Lease {
        &self.0.lease
    }

    /// The length in bytes.
    pub(crate) fn len(&self) -> usize {
        self.0.len
    }

    fn at(&self, offset: usize) -> Option<NonNull<u8>> {
        let inside = offset % 4 == 0 && offset.checked_add(4)? <= self.0.len;
        // SAFETY: inside of the mapping, as just checked.
        inside.then(|| unsafe { self.0.base.add(offset) })
    }

    /// Reads the register at `offset`, a multiple of 4 inside of the BAR; a device
    /// that is gone reads as all ones, and so does what is outside.
    pub(crate) fn read32(&self, offset: usize) -> u32 {
        match self.at(offset) {
            // SAFETY: aligned and inside of the mapping.
            Some(register) => unsafe { bindings::readl(register.as_ptr().cast()) },
            None => u32::MAX,
        }
    }

    /// Writes the register at `offset`, a multiple of 4; nothing happens outside of
    /// the BAR.
    pub(crate) fn write32(&self, offset: usize, value: u32) {
        if let Some(register) = self.at(offset) {
            // SAFETY: aligned and inside of the mapping.
            unsafe { bindings::writel(value, register.as_ptr().cast()) };
        }
    }

    /// Reads two registers as one value, the low one first, as the specification
    /// allows where a device cannot do 64 bits at once.
    pub(crate) fn read64(&self, offset: usize) -> u64 {
        let low = self.read32(offset);
        let high = self.read32(offset.wrapping_add(4));
        u64::from(low) | u64::from(high) << 32
    }

    /// Writes a value to two registers, the low one first.
    pub(crate) fn write64(&self, offset: usize, value: u64) {
        // CAST: the two halves.
        self.write32(offset, value as u32);
        self.write32(offset.wrapping_add(4), (value >> 32) as u32);
    }

    /// The register at `offset`, to be written on the data path.
    ///
    /// # Errors
    ///
    /// `ENODEV` if it lies outside of the BAR.
    pub(crate) fn doorbell(&self, offset: usize) -> Result<Doorbell> {
        let register = self.at(offset).ok_or(ENODEV)?.cast();
        // INVARIANT: aligned and inside of the mapping, which is kept.
        Ok(Doorbell {
            register,
            _bar: self.clone(),
        })
    }
}

/// One register that is only written, without a check on the way.
///
/// # Invariants
///
/// `register` is aligned and lies in the mapping of `_bar`.
pub(crate) struct Doorbell {
    register: NonNull<u32>,
    _bar: Bar,
}

// SAFETY: a register may be written from any thread.
unsafe impl Send for Doorbell {}

impl Doorbell {
    /// Writes `value`, after everything this CPU wrote to coherent memory before.
    #[inline]
    pub(crate) fn ring(&self, value: u32) {
        #[cfg(target_arch = "x86_64")]
        {
            // The CPU keeps stores in order; only the compiler must be told. The
            // out-of-line `writel` does the same, at ten times the instructions.
            core::sync::atomic::compiler_fence(core::sync::atomic::Ordering::Release);
            // SAFETY: valid for writes by the type invariant.
            unsafe { self.register.as_ptr().write_volatile(value) };
        }
        #[cfg(not(target_arch = "x86_64"))]
        {
            // SAFETY: valid for writes by the type invariant.
            unsafe { bindings::writel(value, self.register.as_ptr().cast()) };
        }
    }
}
