// SPDX-License-Identifier: GPL-2.0

//! The registration of a PCI driver, with the callbacks that `kernel::pci` lacks.

use super::{
    lease::{
        Lease,
        LeaseRoot, //
    },
    power::PowerOps,
    recovery::{
        Handlers,
        LinkError, //
    },
};
use crate::{
    bindings,
    os::device::as_raw, //
};
use core::pin::Pin;
use kernel::{
    device::Core,
    driver,
    pci,
    prelude::*,
    types::Opaque,
    ThisModule, //
};

/// A PCI driver.
pub(crate) trait Driver: Sized + 'static {
    /// What the table of identifiers says of a device.
    type IdInfo: 'static;

    /// What the driver keeps for a device, from probe to the end of removal.
    type Data: Send + Sync + 'static;

    /// The devices that this driver can drive.
    const ID_TABLE: pci::IdTable<Self::IdInfo>;

    /// Takes a device. May sleep.
    ///
    /// # Errors
    ///
    /// Any error leaves the device as it was; `ENODEV` leaves it to other drivers
    /// without a word in the log.
    fn probe(
        dev: &pci::Device<Core<'_>>,
        lease: Lease,
        info: Option<&Self::IdInfo>,
    ) -> Result<Self::Data>;

    /// Gives a device back: unbind, unload, or its removal. May sleep. Afterwards
    /// the data are dropped, and the last [`Lease`] must go with them.
    fn remove(dev: &pci::Device<Core<'_>>, data: &Self::Data);

    /// The system goes down; the device must be quiet when this returns. May sleep.
    fn shutdown(data: &Self::Data);

    /// The function is about to be reset, by a user say; the device must be quiet when this
    /// returns. [`Self::reset_done`] follows. May sleep.
    fn reset_prepare(data: &Self::Data);

    /// The function was reset, or it was tried in vain. Its configuration is as before. May
    /// sleep.
    fn reset_done(data: &Self::Data);

    /// An error was found on the way to the device. If the link is frozen the device
    /// must be quiet when this returns, and [`Self::link_recovered`] follows when the link
    /// works again. May sleep.
    fn link_error(data: &Self::Data, error: LinkError);

    /// The link was reset; the configuration of the function is restored after this. The
    /// device must be quiet then. May sleep.
    fn link_reset(data: &Self::Data);

    /// The link works again, after an error. May sleep.
    fn link_recovered(data: &Self::Data);

    /// The system goes to sleep: the device must be quiet when this returns, and may lose
    /// its power. May sleep.
    ///
    /// # Errors
    ///
    /// The system does not go to sleep.
    fn suspend(data: &Self::Data) -> Result;

    /// The system wakes up. May sleep.
    fn resume(data: &Self::Data);
}

/// A device that this driver has.
pub(crate) struct Binding<T: Driver> {
    // Dropped in this order: the data, with the leases in them, then the root.
    data: T::Data,
    _root: LeaseRoot,
}

/// What registers a [`Driver`].
pub(crate) struct Adapter<T: Driver>(T);

impl<T: Driver> pci::Driver for Adapter<T> {
    type IdInfo = T::IdInfo;
    type Data<'bound> = Binding<T>;
    const ID_TABLE: pci::IdTable<Self::IdInfo> = T::ID_TABLE;

    fn probe<'bound>(
        dev: &'bound pci::Device<Core<'_>>,
        info: Option<&'bound Self::IdInfo>,
    ) -> impl PinInit<Self::Data<'bound>, Error> + 'bound {
        // Run when there is memory for the result: a binding that was made is kept.
        pin_init::pin_init_scope(move || {
            // SAFETY: dropped here on failure, and else with the driver data, which the
            // driver core drops while the device is still bound.
            let root = unsafe { LeaseRoot::new(dev) }?;
            let data = T::probe(dev, root.lease().ok_or(ENODEV)?, info)?;
            Ok(Ok::<_, Error>(Binding { data, _root: root }))
        })
    }

    fn unbind<'bound>(dev: &'bound pci::Device<Core<'_>>, this: Pin<&Self::Data<'bound>>) {
        T::remove(dev, &this.get_ref().data);
    }
}

// SAFETY: the layout is that of PCI's own `Adapter`, to which everything is delegated.
unsafe impl<T: Driver> driver::DriverLayout for Adapter<T> {
    type DriverType = bindings::pci_driver;
    type DriverData<'bound> = Binding<T>;
    const DEVICE_DRIVER_OFFSET: usize = core::mem::offset_of!(Self::DriverType, driver);
}

// SAFETY: both calls are delegated to `pci::Adapter`, whose calls pair.
unsafe impl<T: Driver> driver::RegistrationOps for Adapter<T> {
    unsafe fn register(
        pdrv: &Opaque<Self::DriverType>,
        name: &'static CStr,
        module: &'static ThisModule,
    ) -> Result {
        // SAFETY: the driver is not registered yet, so nobody else uses it.
        unsafe {
            (*pdrv.get()).shutdown = Some(Self::shutdown);
            (*pdrv.get()).err_handler = Handlers::<T>::as_raw();
            (*pdrv.get()).driver.pm = PowerOps::<T>::as_raw();
            (*pdrv.get()).driver.probe_type = bindings::probe_type_PROBE_PREFER_ASYNCHRONOUS;
        }
        // SAFETY: the requirements are those of this function.
        unsafe { <pci::Adapter<Self> as driver::RegistrationOps>::register(pdrv, name, module) }
    }

    unsafe fn unregister(pdrv: &Opaque<Self::DriverType>) {
        // SAFETY: the requirements are those of this function.
        unsafe { <pci::Adapter<Self> as driver::RegistrationOps>::unregister(pdrv) }
    }
}

impl<T: Driver> Adapter<T> {
    /// # Safety
    ///
    /// `pdev` is live and bound to this driver, and its lock is held, for the
    /// duration of the call.
    unsafe extern "C" fn shutdown(pdev: *mut bindings::pci_dev) {
        // SAFETY: by this function's requirements.
        if let Some(data) = unsafe { data_of::<T>(pdev) } {
            T::shutdown(data);
        }
    }
}

/// What the driver keeps for a function; `None` while it is not bound.
///
/// # Safety
///
/// `pdev` is live, its driver is that of `T`, and its lock is held, for `'a`.
pub(super) unsafe fn data_of<'a, T: Driver>(pdev: *mut bindings::pci_dev) -> Option<&'a T::Data> {
    // SAFETY: `pdev` is live by this function's requirements.
    let data = unsafe { bindings::dev_get_drvdata(&raw mut (*pdev).dev) };
    // SAFETY: a bound device has driver data: a `Binding<T>` that probe made, and that
    // stays while the device's lock is held.
    unsafe { data.cast::<Binding<T>>().as_ref() }.map(|binding| &binding.data)
}

/// True if the administrator named this driver for this very device
/// (`driver_override`). Only while the device is probed.
pub(crate) fn is_claimed_by_override(dev: &pci::Device<Core<'_>>) -> bool {
    let raw = core::ptr::from_ref(dev).cast_mut().cast();
    // SAFETY: the device is live, and being probed, so its driver is this one.
    unsafe { bindings::rnvme_pci_claimed_by_override(raw) }
}

/// Lets the device reach memory up to the end of 64 bits, tells the DMA layer that
/// offsets within a page of `page_size` bytes must survive, and that segments may
/// have any length.
pub(crate) fn set_dma(dev: &pci::Device<Core<'_>>, page_size: u32) -> Result {
    use kernel::dma::{
        Device,
        DmaMask, //
    };

    // SAFETY: probe has mapped nothing yet.
    unsafe { dev.dma_set_mask_and_coherent(DmaMask::new::<64>())? };
    let generic: &kernel::device::Device<Core<'_>> = dev.as_ref();
    // SAFETY: the device is live and has DMA parameters, as each PCI function does.
    unsafe {
        bindings::rnvme_dma_set_min_align_mask(as_raw(generic), page_size.wrapping_sub(1));
        bindings::dma_set_max_seg_size(as_raw(generic), u32::MAX);
    }
    Ok(())
}

/// Undoes `enable_device_mem` and `set_master`; for a device that is given back.
pub(crate) fn disable(dev: &pci::Device<Core<'_>>) {
    let raw = core::ptr::from_ref(dev).cast_mut().cast();
    // SAFETY: the device is live, and was enabled by this driver.
    unsafe { bindings::pci_disable_device(raw) };
}
