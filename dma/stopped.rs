// SPDX-License-Identifier: GPL-2.0

//! Proof that a device can no longer reach memory.

use crate::pci::Lease;

/// The device reaches no memory until somebody lets it again, which nobody does
/// while this value lives.
///
/// With it, and only with it, requests that were not completed may be taken back:
/// ending one gives its pages to others.
pub(crate) struct DmaStopped(());

impl DmaStopped {
    /// The device has said so itself, in a way that its specification defines: for
    /// NVMe, CSTS.RDY is 0 after CC.EN was set to 0 (Base 2.0c, 3.5.1), or the
    /// device is gone and its registers read as all ones.
    ///
    /// The caller read this from the device after the last time that it let the
    /// device start.
    pub(crate) fn by_device_status() -> Self {
        Self(())
    }

    /// The device may not be a bus master any more, and all its transactions are
    /// over. `None` if that could not be verified. May sleep.
    pub(crate) fn by_bus_master(function: &Lease) -> Option<Self> {
        function.clear_master().then_some(Self(()))
    }
}
