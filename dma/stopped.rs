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
    /// `constant` is a register that never changes, and its value, neither 0 nor all ones. If
    /// it reads as something else, then it is not the device that answers: it may be gone, or
    /// somebody has only switched its memory off. Then it loses bus mastering, see
    /// [`Self::by_bus_master`]. May sleep.
    ///
    /// What the bits mean is for the driver to know; for NVMe, CSTS.RDY is 0 once CC.EN
    /// was set to 0 (Base 2.0c, 3.5.1). It asks after the last time that it let the
    /// device start.
    pub(crate) fn by_register(
        bar: &Bar,
        offset: usize,
        clear: u32,
        constant: (usize, u32),
    ) -> Option<Self> {
        let value = bar.read32(offset);
        let (place, known) = constant;
        if value == u32::MAX || bar.read32(place) != known {
            return Self::by_bus_master(bar.lease());
        }
        (clear != 0 && value & clear == 0).then(|| Self(bar.lease().clone()))
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
