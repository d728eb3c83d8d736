// SPDX-License-Identifier: GPL-2.0

//! An address as a device sees it, which cannot be made up.
//!
//! A device that is given a wrong address writes over whatever lies there, and no borrow checker
//! notices. So the only way to a [`DmaAddr`] is memory that was mapped for the device: everything
//! which a controller can be told to access (PRP and SGL entries, queue base registers, the
//! buffers of administrative commands) takes this type and nothing else.

use core::fmt;

/// A bus address inside memory that is mapped for a device.
///
/// # Invariants
///
/// The value comes from a live DMA mapping, or is one of the two constants below, which are in no
/// mapping.
#[derive(Clone, Copy, PartialEq, Eq)]
#[repr(transparent)]
pub(crate) struct DmaAddr(u64);

impl DmaAddr {
    /// The value of an address field that is not used: "a reserved field shall be cleared to 0h".
    pub(in crate::dma) const UNUSED: Self = Self(0);

    /// What stands behind the last entry of an address list: no mapping ever contains it.
    ///
    /// It is above 2^57, the largest I/O virtual address of any IOMMU that Linux drives and above
    /// all physical memory, so an access faults or is aborted. A device that decodes only 48 bits
    /// makes 0xdead_0000_0000 of it, 222 TiB, rather than something near zero. It is aligned for
    /// every controller page size up to 128 MiB, so that no device can reject a list for entries
    /// that it has no business reading.
    pub(in crate::dma) const POISON: Self = Self(0xdead_dead_0000_0000);

    /// Declares that a device may access the address `bits`.
    ///
    /// # Safety
    ///
    /// `bits` must lie in memory mapped for the device which the address is going to be given to,
    /// and stay mapped until the device is done with it, or was stopped.
    #[inline(always)] // One move: a call would cost more than it does.
    pub(in crate::dma) const unsafe fn new(bits: u64) -> Self {
        // INVARIANT: By the safety requirement, `bits` is in a live mapping.
        Self(bits)
    }

    /// The value of the address, in the processor's byte order.
    ///
    /// Reading an address gives no power: only a `DmaAddr` can be handed to a device.
    #[inline(always)] // One move: a call would cost more than it does.
    pub(crate) const fn bits(self) -> u64 {
        self.0
    }

    /// The address `bytes` further on.
    ///
    /// The caller, always within `dma`, keeps it inside of the mapping that `self` points into.
    #[inline(always)] // One addition: a call would cost more than it does.
    pub(in crate::dma) const fn offset(self, bytes: usize) -> Self {
        // INVARIANT: The caller stays within the mapping. `usize` fits in `u64` on every target.
        Self(self.0.wrapping_add(bytes as u64))
    }
}

impl fmt::Debug for DmaAddr {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "DmaAddr({:#x})", self.0)
    }
}
