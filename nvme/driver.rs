// SPDX-License-Identifier: GPL-2.0

//! The PCI driver: which devices it takes, and how it gets and gives them.

use super::{
    controller::Controller,
    pause::Pause,
    reset::Cause, //
};
use crate::{
    os::{
        globals,
        params, //
    },
    pci::{
        self,
        driver::{
            disable,
            is_claimed_by_override,
            set_dma, //
        },
        Lease, //
    },
};
use kernel::{
    device::Core,
    pci::{
        Device,
        DeviceId,
        IdTable, //
    },
    prelude::*,
    sync::Arc, //
};

/// NVMe over PCIe: mass storage, non-volatile memory, NVM Express I/O controller.
const CLASS_NVME: u32 = 0x010802;

/// How long a reset of the function waits for the controller to be up, in milliseconds.
const UP_MS: u32 = 10_000;

/// Makes the controller quiet, since it is about to be cut off.
fn pause(data: &Arc<Controller>) {
    // Only sleep can be refused.
    let _ = data.pause(Pause::Cut);
}

/// The driver.
pub(crate) struct NvmeDriver;

kernel::pci_device_table!(
    PCI_TABLE,
    <NvmeDriver as pci::Driver>::IdInfo,
    [(DeviceId::from_class(CLASS_NVME, 0xff_ffff), ())]
);

impl pci::Driver for NvmeDriver {
    type IdInfo = ();
    type Data = Arc<Controller>;
    const ID_TABLE: IdTable<Self::IdInfo> = &PCI_TABLE;

    fn probe(dev: &Device<Core<'_>>, lease: Lease, _info: Option<&()>) -> Result<Self::Data> {
        // The C driver matches the same class, and a machine's root disk may depend on
        // who is first. Without a word of the administrator it is not us.
        if !params::claim_all() && !is_claimed_by_override(dev) {
            return Err(ENODEV);
        }
        let globals = globals::get().ok_or(ENODEV)?;
        dev.enable_device_mem()?;
        set_dma(dev, 4096)
            .and_then(|()| Controller::new(lease, globals))
            .inspect_err(|_| disable(dev))
    }

    fn remove(dev: &Device<Core<'_>>, data: &Self::Data) {
        data.give_back();
        disable(dev);
    }

    fn shutdown(data: &Self::Data) {
        data.go_down();
    }

    fn reset_prepare(data: &Self::Data) {
        pause(data);
    }

    fn reset_done(data: &Self::Data) {
        data.go_on(Cause::FunctionReset);
        // For the user who asked for it; it may take longer, but others need the lock.
        data.wait_until_up(UP_MS);
    }

    fn link_error(data: &Self::Data, error: pci::LinkError) {
        match error {
            pci::LinkError::Works => data.warn(format_args!("error of the link: it goes on")),
            pci::LinkError::Frozen => pause(data),
            pci::LinkError::Lost => data.lose(),
        }
    }

    fn link_reset(data: &Self::Data) {
        // After an error for which only another function wanted it.
        if !data.is_paused() {
            pause(data);
        }
    }

    fn link_recovered(data: &Self::Data) {
        data.go_on(Cause::LinkError);
    }

    fn suspend(data: &Self::Data) -> Result {
        data.pause(Pause::Sleep)
    }

    fn resume(data: &Self::Data) {
        // Those who need the drive wait for it; the rest of the system need not.
        data.go_on(Cause::Resume);
    }
}
