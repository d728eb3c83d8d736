// SPDX-License-Identifier: GPL-2.0

//! The properties of a controller, and bounded waits for them.
//!
//! NVM Express Base Specification 2.0c, 3.1.3, 3.5 and 3.6.

use super::{
    fault,
    spec::{
        cap::Cap,
        cc::{
            Cc,
            CcBuilder,
            CcError,
            Shutdown, //
        },
        csts::{
            Csts,
            ShutdownStatus, //
        },
        ids::QueueId,
        regs::{
            self,
            Aqa,
            Crto,
            Version, //
        },
    },
};
use crate::{
    dma::{
        prp::PageSize,
        DmaAddr,
        DmaStopped, //
    },
    os::wait::poll_until,
    pci::{
        Bar,
        Doorbell,
        Lease, //
    },
};
use core::fmt;
use kernel::prelude::*;

/// The longest that a controller gets to become ready, in milliseconds: by CRTO it may ask for nine
/// hours, in which nobody could unbind it.
const MAX_READY_MS: u32 = 10 * 60 * 1000;

/// Why a controller did not do what it was asked.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum ControllerError {
    /// Its registers read as all ones.
    Gone,
    /// CSTS.CFS is set.
    Fatal,
    /// CSTS.RDY did not become what it should within this many milliseconds.
    NotReady { wanted: bool, limit_ms: u32 },
    /// It cannot be configured as this driver needs it.
    Unsupported(CcError),
    /// CAP.MQES is 0, which no controller may say.
    QueueSize,
}

impl fmt::Display for ControllerError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Gone => f.write_str("the device does not answer (registers read as all ones)"),
            Self::Fatal => f.write_str("the controller reports a fatal status (CSTS.CFS)"),
            Self::NotReady {
                wanted: true,
                limit_ms,
            } => write!(f, "not ready {limit_ms} ms after CC.EN was set (CSTS.RDY)"),
            Self::NotReady {
                wanted: false,
                limit_ms,
            } => write!(
                f,
                "still ready {limit_ms} ms after CC.EN was cleared (CSTS.RDY)"
            ),
            Self::Unsupported(error) => error.fmt(f),
            Self::QueueSize => f.write_str("queues of one entry (CAP.MQES is 0)"),
        }
    }
}

impl From<ControllerError> for Error {
    fn from(_: ControllerError) -> Self {
        ENODEV
    }
}

/// The registers in BAR 0.
pub(crate) struct Registers {
    bar: Bar,
    cap: Cap,
}

impl Registers {
    /// The least length of BAR 0: the properties, and the doorbells of one queue.
    pub(crate) const MIN_LEN: usize = regs::DOORBELLS + 8;

    /// Reads what the controller can do.
    ///
    /// # Errors
    ///
    /// [`ControllerError::Gone`].
    pub(crate) fn new(bar: Bar) -> Result<Self, ControllerError> {
        let cap = Cap::from_bits(bar.read64(regs::CAP));
        let this = Self { bar, cap };
        if cap.is_gone() || this.csts().is_gone() {
            return Err(ControllerError::Gone);
        }
        Ok(this)
    }

    /// CAP, the capabilities.
    pub(crate) fn cap(&self) -> Cap {
        self.cap
    }

    /// VS, the version of the specification.
    pub(crate) fn version(&self) -> Version {
        Version::from_bits(self.bar.read32(regs::VS))
    }

    /// CSTS, the status now.
    pub(crate) fn csts(&self) -> Csts {
        Csts::from_bits(self.read(regs::CSTS))
    }

    /// True if it is the controller that answers: CAP never changes.
    pub(crate) fn answer(&self) -> bool {
        self.bar.read64(regs::CAP) == self.cap.bits() && !self.csts().is_gone()
    }

    fn cc(&self) -> Cc {
        Cc::from_bits(self.read(regs::CC))
    }

    fn read(&self, offset: usize) -> u32 {
        fault::register(offset, self.bar.read32(offset))
    }

    fn set_cc(&self, cc: Cc) {
        self.bar.write32(regs::CC, cc.bits());
    }

    /// The tail doorbell of a submission queue.
    pub(crate) fn submission_tail(&self, queue: QueueId) -> Result<Doorbell> {
        self.bar
            .doorbell(self.cap.doorbell_stride().submission_tail(queue))
    }

    /// The head doorbell of a completion queue.
    pub(crate) fn completion_head(&self, queue: QueueId) -> Result<Doorbell> {
        self.bar
            .doorbell(self.cap.doorbell_stride().completion_head(queue))
    }

    /// The last queue whose doorbells lie inside of the BAR.
    pub(crate) fn last_queue(&self) -> u16 {
        let stride = self.cap.doorbell_stride();
        let mut last = 0;
        while last < u16::MAX
            && stride.mapped_bytes(QueueId::new(last.wrapping_add(1))) <= self.bar.len()
        {
            last = last.wrapping_add(1);
        }
        last
    }

    /// How long CSTS.RDY may take to become 0 once CC.EN was cleared, in milliseconds: CAP.TO.
    fn disabled_ms(&self) -> u32 {
        fault::ready_ms(self.cap.timeout_ms())
    }

    /// How long CSTS.RDY may take to become 1 once CC.EN was set, in milliseconds: CAP.TO, or
    /// CRTO.CRWMT if that is longer, within reason.
    fn ready_ms(&self) -> u32 {
        let cap_ms = self.disabled_ms();
        if self.cap.ready_with_media() {
            let crto = Crto::from_bits(self.bar.read32(regs::CRTO));
            cap_ms.max(crto.with_media_ms().min(MAX_READY_MS))
        } else {
            cap_ms
        }
    }

    /// Clears CC.EN and waits for CSTS.RDY to become 0: the controller forgets all
    /// queues, and reaches no memory any more. May sleep, CAP.TO at most.
    ///
    /// # Errors
    ///
    /// [`ControllerError::NotReady`]. A device that is gone is stopped.
    pub(crate) fn disable(&self) -> Result<DmaStopped, ControllerError> {
        let cc = self.cc();
        if !cc.is_gone() {
            self.set_cc(cc.disabled());
        }
        let limit_ms = self.disabled_ms();
        poll_until(limit_ms, || {
            if fault::stuck_ready() {
                return None;
            }
            // CAST: the lower half, which has MQES, not 0.
            let cap = (regs::CAP, self.cap.bits() as u32);
            DmaStopped::by_register(&self.bar, regs::CSTS, Csts::RDY.bits(), cap)
        })
        .ok_or(ControllerError::NotReady {
            wanted: false,
            limit_ms,
        })
    }

    /// Stops the controller's access to memory: by CC.EN, and if it does not obey, by
    /// taking bus mastering away. `None` if even that cannot be verified. May sleep.
    pub(crate) fn stop(&self, function: &Lease) -> Option<DmaStopped> {
        self.disable()
            .ok()
            .or_else(|| DmaStopped::by_bus_master(function))
    }

    /// Sets the admin queue and CC.EN, and waits for CSTS.RDY to become 1. From here on
    /// the controller is not stopped any more. May sleep, CAP.TO (or CRTO.CRWMT) at most.
    pub(crate) fn enable(
        &self,
        _stopped: DmaStopped,
        aqa: Aqa,
        asq: DmaAddr,
        acq: DmaAddr,
    ) -> Result<(), ControllerError> {
        let cc = CcBuilder::new(self.cap, PageSize::KIB_4)
            .map_err(ControllerError::Unsupported)?
            .build();
        self.bar.write32(regs::AQA, aqa.bits());
        self.bar.write64(regs::ASQ, asq.bits());
        self.bar.write64(regs::ACQ, acq.bits());
        self.set_cc(cc);
        let limit_ms = self.ready_ms();
        poll_until(limit_ms, || {
            let csts = self.csts();
            if csts.is_gone() {
                Some(Err(ControllerError::Gone))
            } else if csts.cfs() {
                Some(Err(ControllerError::Fatal))
            } else if fault::never_ready() {
                None
            } else {
                csts.rdy().then_some(Ok(()))
            }
        })
        .unwrap_or(Err(ControllerError::NotReady {
            wanted: true,
            limit_ms,
        }))
    }

    /// Tells the controller that power goes away, and waits `limit_ms` milliseconds
    /// at most until it says that it is prepared. May sleep.
    ///
    /// Returns false if it did not say so in time. One that is gone, or was not running,
    /// has nothing to prepare.
    pub(crate) fn shut_down(&self, limit_ms: u32) -> bool {
        let cc = self.cc();
        if cc.is_gone() || !cc.is_enabled() {
            return true;
        }
        self.set_cc(cc.with_shutdown(Shutdown::Normal));
        poll_until(limit_ms, || {
            let csts = self.csts();
            (csts.is_gone() || csts.shst() == ShutdownStatus::Complete).then_some(())
        })
        .is_some()
    }
}
