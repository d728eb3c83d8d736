// SPDX-License-Identifier: GPL-2.0

//! Sleep and wake-up of the system (`struct dev_pm_ops`).
//!
//! Context: process, with the device's lock held. The PCI core saves and restores the
//! function's configuration, interrupt vectors included, and switches its power.

use super::driver::{
    data_of,
    Driver, //
};
use crate::bindings;
use core::marker::PhantomData;
use kernel::prelude::*;

/// The functions that C calls.
pub(super) struct PowerOps<T: Driver>(PhantomData<T>);

impl<T: Driver> PowerOps<T> {
    /// Standby and suspend to memory, and the steps of hibernation: to all of them the
    /// function is quiet, and may lose its power.
    pub(super) fn as_raw() -> *const bindings::dev_pm_ops {
        const {
            &bindings::dev_pm_ops {
                suspend: Some(Self::suspend),
                resume: Some(Self::resume),
                freeze: Some(Self::suspend),
                thaw: Some(Self::resume),
                poweroff: Some(Self::suspend),
                restore: Some(Self::resume),
                ..pin_init::zeroed()
            }
        }
    }

    /// # Safety
    ///
    /// `dev` is that of a live function that is bound to this driver, and its lock is held,
    /// for the duration of the call.
    unsafe extern "C" fn suspend(dev: *mut bindings::device) -> c_int {
        // SAFETY: by this function's requirements `dev` lies in a `pci_dev`.
        let pdev = unsafe { kernel::container_of!(dev, bindings::pci_dev, dev) };
        // SAFETY: by this function's requirements.
        match unsafe { data_of::<T>(pdev) }.map_or(Ok(()), T::suspend) {
            Ok(()) => 0,
            Err(error) => error.to_errno(),
        }
    }

    /// # Safety
    ///
    /// As for `suspend`.
    unsafe extern "C" fn resume(dev: *mut bindings::device) -> c_int {
        // SAFETY: by this function's requirements `dev` lies in a `pci_dev`.
        let pdev = unsafe { kernel::container_of!(dev, bindings::pci_dev, dev) };
        // SAFETY: by this function's requirements.
        if let Some(data) = unsafe { data_of::<T>(pdev) } {
            T::resume(data);
        }
        0
    }
}
