// SPDX-License-Identifier: GPL-2.0

//! Errors of the link and resets of the function, as the PCI core tells drivers of them
//! (`struct pci_error_handlers`).
//!
//! Context of all of them: process, with the device's lock held, so the device stays bound.

use super::driver::{
    data_of,
    Driver, //
};
use crate::bindings;
use core::marker::PhantomData;

/// What an error did to the link.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum LinkError {
    /// It works (`pci_channel_io_normal`).
    Works,
    /// Nothing gets through until it was reset (`pci_channel_io_frozen`).
    Frozen,
    /// Nothing gets through any more (`pci_channel_io_perm_failure`).
    Lost,
}

/// The functions that C calls.
pub(super) struct Handlers<T: Driver>(PhantomData<T>);

impl<T: Driver> Handlers<T> {
    pub(super) fn as_raw() -> *const bindings::pci_error_handlers {
        const {
            &bindings::pci_error_handlers {
                error_detected: Some(Self::error_detected),
                slot_reset: Some(Self::slot_reset),
                resume: Some(Self::resume),
                reset_prepare: Some(Self::reset_prepare),
                reset_done: Some(Self::reset_done),
                ..pin_init::zeroed()
            }
        }
    }

    /// # Safety
    ///
    /// `pdev` is live and bound to this driver, and its lock is held, for the duration of
    /// the call.
    unsafe extern "C" fn error_detected(
        pdev: *mut bindings::pci_dev,
        state: bindings::pci_channel_state_t,
    ) -> bindings::pci_ers_result_t {
        // SAFETY: by this function's requirements.
        let Some(data) = (unsafe { data_of::<T>(pdev) }) else {
            return bindings::pci_ers_result_PCI_ERS_RESULT_NONE;
        };
        match state {
            bindings::pci_channel_io_normal => {
                T::link_error(data, LinkError::Works);
                bindings::pci_ers_result_PCI_ERS_RESULT_CAN_RECOVER
            }
            bindings::pci_channel_io_frozen => {
                T::link_error(data, LinkError::Frozen);
                bindings::pci_ers_result_PCI_ERS_RESULT_NEED_RESET
            }
            _ => {
                T::link_error(data, LinkError::Lost);
                bindings::pci_ers_result_PCI_ERS_RESULT_DISCONNECT
            }
        }
    }

    /// # Safety
    ///
    /// As for `error_detected`.
    unsafe extern "C" fn slot_reset(pdev: *mut bindings::pci_dev) -> bindings::pci_ers_result_t {
        // SAFETY: by this function's requirements.
        if let Some(data) = unsafe { data_of::<T>(pdev) } {
            T::link_reset(data);
        }
        // SAFETY: live by this function's requirements. The PCI core saved the state when
        // it found the function.
        unsafe { bindings::pci_restore_state(pdev) };
        bindings::pci_ers_result_PCI_ERS_RESULT_RECOVERED
    }

    /// # Safety
    ///
    /// As for `error_detected`.
    unsafe extern "C" fn resume(pdev: *mut bindings::pci_dev) {
        // SAFETY: by this function's requirements.
        if let Some(data) = unsafe { data_of::<T>(pdev) } {
            T::link_recovered(data);
        }
    }

    /// # Safety
    ///
    /// As for `error_detected`.
    unsafe extern "C" fn reset_prepare(pdev: *mut bindings::pci_dev) {
        // SAFETY: by this function's requirements.
        if let Some(data) = unsafe { data_of::<T>(pdev) } {
            T::reset_prepare(data);
        }
    }

    /// # Safety
    ///
    /// As for `error_detected`.
    unsafe extern "C" fn reset_done(pdev: *mut bindings::pci_dev) {
        // SAFETY: by this function's requirements.
        if let Some(data) = unsafe { data_of::<T>(pdev) } {
            T::reset_done(data);
        }
    }
}
