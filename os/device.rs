// SPDX-License-Identifier: GPL-2.0

//! Classes of devices, and references to a device of a class.

use crate::bindings;
use core::ptr::NonNull;
use kernel::{
    device::{
        Device,
        DeviceContext, //
    },
    error::from_err_ptr,
    prelude::*, //
};

/// The raw pointer of a device.
#[inline]
pub(crate) fn as_raw<C: DeviceContext>(dev: &Device<C>) -> *mut bindings::device {
    // `Device` is transparent over `struct device`.
    core::ptr::from_ref(dev).cast_mut().cast()
}

/// A class of devices in `/sys/class`.
///
/// # Invariants
///
/// Made by `class_create`.
pub(crate) struct Class(NonNull<bindings::class>);

// SAFETY: a class may be used and destroyed from any thread.
unsafe impl Send for Class {}
// SAFETY: as above.
unsafe impl Sync for Class {}

impl Class {
    /// Makes the class. May sleep.
    pub(crate) fn new(name: &'static CStr) -> Result<Self> {
        // SAFETY: the name is static.
        let class = from_err_ptr(unsafe { bindings::class_create(name.as_char_ptr()) })?;
        // INVARIANT: made just now.
        Ok(Self(NonNull::new(class).ok_or(ENOMEM)?))
    }

    pub(super) fn as_raw(&self) -> *mut bindings::class {
        self.0.as_ptr()
    }
}

impl Drop for Class {
    fn drop(&mut self) {
        // SAFETY: made by `class_create`; its devices are gone, as each belongs to
        // a device of a driver that was unregistered before.
        unsafe { bindings::class_destroy(self.0.as_ptr()) };
    }
}

/// A reference to a device (`struct device`) that keeps it alive.
pub(crate) struct ClassDeviceRef(NonNull<bindings::device>);

// SAFETY: references to devices are counted atomically.
unsafe impl Send for ClassDeviceRef {}
// SAFETY: as above.
unsafe impl Sync for ClassDeviceRef {}

impl ClassDeviceRef {
    /// # Safety
    ///
    /// `dev` is initialised, and live for the duration of the call.
    pub(super) unsafe fn new(dev: NonNull<bindings::device>) -> Self {
        // SAFETY: by this function's requirements.
        unsafe { bindings::get_device(dev.as_ptr()) };
        Self(dev)
    }

    /// The raw device, for the wrappers of other folders.
    pub(crate) fn as_raw(&self) -> *mut bindings::device {
        self.0.as_ptr()
    }
}

impl<C: DeviceContext> From<&Device<C>> for ClassDeviceRef {
    fn from(dev: &Device<C>) -> Self {
        // SAFETY: a device that is lent is live; `Device` is transparent.
        unsafe { Self::new(NonNull::from(dev).cast()) }
    }
}

impl Drop for ClassDeviceRef {
    fn drop(&mut self) {
        // SAFETY: taken in `new()`, given back once.
        unsafe { bindings::put_device(self.0.as_ptr()) };
    }
}
