// SPDX-License-Identifier: GPL-2.0

//! PCI functions: the driver's registration, the BAR, interrupt vectors.
//!
//! C header: [`include/linux/pci.h`](srctree/include/linux/pci.h)
//!
//! What a driver acquires of a function it must give back before the function is
//! unbound. Rings are reached from reference-counted tag sets, which disks, interrupt
//! handlers and ioctls under way on other CPUs hold, so no scope contains them and a
//! borrow cannot say it. Here each resource holds a [`Lease`], and unbinding does not
//! end before the last lease is gone.

pub(crate) mod bar;
pub(crate) mod driver;
pub(crate) mod irq;
pub(crate) mod lease;
mod power;
mod recovery;

pub(crate) use self::{
    bar::{
        Bar,
        Doorbell, //
    },
    driver::{
        Adapter,
        Driver, //
    },
    irq::{
        HandlerCell,
        IrqHandler,
        IrqRegistration,
        Vectors, //
    },
    lease::Lease,
    recovery::LinkError, //
};
