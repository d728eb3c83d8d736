// SPDX-License-Identifier: GPL-2.0

//! Leases: proof that a function is bound to this driver.

use crate::{
    bindings,
    os::device::as_raw, //
};
use core::ops::Deref;
use kernel::{
    device, pci,
    prelude::*,
    sync::{
        aref::ARef,
        Arc,
        Completion, //
    },
};

/// What all leases of one binding share; the last one to go tells `gone`.
struct Shared {
    function: ARef<pci::Device>,
    gone: Arc<Completion>,
}

impl Drop for Shared {
    fn drop(&mut self) {
        self.gone.complete_all();
    }
}

/// While a lease is alive its function stays bound to this driver. Cloning counts
/// a reference, so it is for set-up, not for the data path.
#[derive(Clone)]
pub(crate) struct Lease(Arc<Shared>);

/// The first lease of a binding, kept by the adapter in `driver.rs`; dropping it
/// waits until all others are gone.
pub(super) struct LeaseRoot {
    lease: Option<Lease>,
    gone: Arc<Completion>,
}

impl LeaseRoot {
    /// # Safety
    ///
    /// The value is dropped before the binding of `function` that exists during this
    /// call ends.
    pub(super) unsafe fn new(function: &pci::Device<device::Core<'_>>) -> Result<Self> {
        let gone = Arc::pin_init(Completion::new(), GFP_KERNEL)?;
        let function: &pci::Device = function;
        let lease = Lease(Arc::new(
            Shared {
                function: function.into(),
                gone: gone.clone(),
            },
            GFP_KERNEL,
        )?);
        Ok(Self {
            lease: Some(lease),
            gone,
        })
    }

    /// Another lease.
    pub(super) fn lease(&self) -> Option<Lease> {
        self.lease.clone()
    }
}

impl Drop for LeaseRoot {
    fn drop(&mut self) {
        drop(self.lease.take());
        // The driver has dropped what it had. Whoever still holds a lease is a function
        // that runs on another CPU, an ioctl say, whose request has ended: no device has
        // to do anything for this wait to end.
        self.gone.wait_for_completion();
    }
}

impl Lease {
    /// Lets the binding end although leases are left, which are never used or dropped
    /// again: for memory that is forgotten since the device may still write to it.
    pub(crate) fn abandon(&self) {
        self.0.gone.complete_all();
    }

    /// True if both are leases of the same binding of the same function.
    pub(crate) fn same_function(&self, other: &Self) -> bool {
        Arc::ptr_eq(&self.0, &other.0)
    }

    /// The raw function.
    pub(super) fn as_raw(&self) -> *mut bindings::pci_dev {
        core::ptr::from_ref::<pci::Device>(&self.0.function)
            .cast_mut()
            .cast()
    }

    /// The function as a device, bound.
    pub(crate) fn device(&self) -> &device::Device<device::Bound> {
        let dev: &device::Device = (*self.0.function).as_ref();
        // SAFETY: the binding does not end while this lease is alive.
        unsafe { dev.as_bound() }
    }

    /// The function as a raw device.
    pub(crate) fn raw_device(&self) -> *mut bindings::device {
        as_raw(self.device())
    }

    /// True if the device does not answer any more and the system knows it.
    pub(crate) fn is_disconnected(&self) -> bool {
        // SAFETY: the function is live.
        unsafe { bindings::rnvme_pci_is_disconnected(self.as_raw()) }
    }

    /// True while nothing gets through to the device, since the PCI core deals with an error
    /// of its link (`pci_channel_io_frozen`).
    pub(crate) fn is_frozen(&self) -> bool {
        // SAFETY: the function is live.
        unsafe { bindings::rnvme_pci_channel_is_frozen(self.as_raw()) }
    }

    /// The NUMA node of the device, or -1.
    pub(crate) fn numa_node(&self) -> i32 {
        // SAFETY: the function is live.
        unsafe { bindings::rnvme_dev_to_node(self.raw_device()) }
    }

    /// The most bytes that a request should map at once, `limit` at most: IOMMUs are fast
    /// up to some length only.
    pub(crate) fn optimal_transfer(&self, limit: u32) -> u32 {
        // SAFETY: the function is live.
        let optimal = unsafe { bindings::dma_opt_mapping_size(self.raw_device()) };
        u32::try_from(optimal).unwrap_or(u32::MAX).min(limit)
    }

    /// Lets the device reach memory.
    pub(crate) fn set_master(&self) {
        // SAFETY: the function is live, and ours.
        unsafe { bindings::pci_set_master(self.as_raw()) };
    }

    /// Lets the host reach the device's registers, whoever has forbidden it. May sleep.
    pub(crate) fn restore_registers(&self) {
        let command = self.command();
        // CAST: a bit of 16.
        let wanted = command | bindings::PCI_COMMAND_MEMORY as u16;
        if wanted != command {
            // CAST: a small constant.
            let place = bindings::PCI_COMMAND as i32;
            // SAFETY: the function is live, and ours.
            unsafe { bindings::pci_write_config_word(self.as_raw(), place, wanted) };
        }
    }

    /// The command register; all ones if the device is gone.
    fn command(&self) -> u16 {
        let mut command = u16::MAX;
        // CAST: a small constant.
        let place = bindings::PCI_COMMAND as i32;
        // SAFETY: the function is live, and ours; `command` is valid for writes.
        unsafe { bindings::pci_read_config_word(self.as_raw(), place, &mut command) };
        command
    }

    /// Forbids the device to reach memory, waits for transactions under way (a bounded
    /// wait of the PCI core), and makes sure of it by reading the setting back.
    ///
    /// Returns true if the device can no longer reach memory. May sleep.
    pub(crate) fn clear_master(&self) -> bool {
        if self.command() == u16::MAX {
            // It is gone, and reaches nothing.
            return true;
        }
        // SAFETY: the function is live, and ours.
        unsafe {
            bindings::pci_clear_master(self.as_raw());
            if !bindings::rnvme_wait_for_pending_transaction(self.as_raw()) {
                // What it began before, it may wait to see answered; it begins nothing new.
                dev_warn!(
                    self.device(),
                    "transactions of the device are still pending\n"
                );
            }
        }
        let command = self.command();
        command == u16::MAX || u32::from(command) & bindings::PCI_COMMAND_MASTER == 0
    }
}

impl Deref for Lease {
    type Target = pci::Device;

    fn deref(&self) -> &pci::Device {
        &self.0.function
    }
}
