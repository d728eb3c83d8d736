// SPDX-License-Identifier: GPL-2.0

//! Proof that a device can no longer reach memory.

use crate::pci::{
    Bar,
    Lease, //
};

/// The device reaches no memory until somebody lets it again, which nobody does
/// while this value lives.
///
/// With it, and only with it, requests that were not completed may be taken back:
/// ending one gives its pages to others.
pub(crate) struct DmaStopped(Lease);

impl DmaStopped {
    /// The device says so itself: the bits of `clear` are 0 in its register at `offset`.
    /// `None` if it says otherwise.
    ///
    /// Registers that read as all ones say nothing: the device may be gone, or somebody has
    /// only switched its memory off. Then it loses bus mastering, see
    /// [`Self::by_bus_master`]. May sleep.
    ///
    /// What the bits mean is for the driver to know; for NVMe, CSTS.RDY is 0 once CC.EN
    /// was set to 0 (Base 2.0c, 3.5.1). It asks after the last time that it let the
    /// device start.
    pub(crate) fn by_register(bar: &Bar, offset: usize, clear: u32) -> Option<Self> {
        match bar.read32(offset) {
            u32::MAX => Self::by_bus_master(bar.lease()),
            value => (clear != 0 && value & clear == 0).then(|| Self(bar.lease().clone())),
        }
    }

    /// The device may not be a bus master any more, and has ended its transactions.
    /// `None` if that could not be verified. May sleep.
    pub(crate) fn by_bus_master(function: &Lease) -> Option<Self> {
        function.clear_master().then(|| Self(function.clone()))
    }

    /// True if it is this function that was stopped.
    pub(crate) fn covers(&self, function: &Lease) -> bool {
        self.0.same_function(function)
    }
}
