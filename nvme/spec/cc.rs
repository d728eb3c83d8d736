// SPDX-License-Identifier: GPL-2.0

//! CC, the configuration of a controller.
//!
//! NVM Express Base Specification 2.0c, 3.1.3.5.

use core::fmt;

use super::{
    bits::{
        bit,
        field, //
    },
    cap::Cap,
    completion::Cqe,
    sqe::Sqe, //
};
use crate::dma::prp::PageSize;

/// The 32-bit controller configuration property.
///
/// A value that enables a controller comes from [`CcBuilder`] alone, so its page size, command
/// sets and entry sizes are ones which that controller supports and this driver uses.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(crate) struct Cc(u32);

/// CC.SHN: what to tell the controller about a loss of power.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(crate) enum Shutdown {
    /// 01b: power goes away after the controller has said that it is ready for that.
    Normal,
    /// 10b: power goes away now.
    Abrupt,
}

/// CC.CSS: which I/O command sets are selected.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(crate) enum CommandSets {
    /// 000b: the NVM command set.
    Nvm,
    /// 110b: all supported ones, as Identify Controller's CNS 1Ch reports.
    All,
    /// 111b: none, admin commands only.
    AdminOnly,
}

/// Why a controller cannot be enabled.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(crate) enum CcError {
    /// CAP does not allow the page size.
    PageSize {
        /// What the driver would have used.
        wanted: PageSize,
        /// CAP.MPSMIN.
        min: PageSize,
        /// CAP.MPSMAX.
        max: PageSize,
    },
    /// CAP.CSS names no command set that this driver knows.
    CommandSets,
}

impl fmt::Display for CcError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::PageSize { wanted, min, max } => write!(
                f,
                "memory pages of {} bytes are not supported (CAP: {} to {})",
                wanted.bytes(),
                min.bytes(),
                max.bytes()
            ),
            Self::CommandSets => f.write_str("no known command set is supported (CAP.CSS)"),
        }
    }
}

impl Cc {
    /// EN, bit 0.
    const EN: u32 = 1 << 0;
    /// CSS, bits 6:4.
    const CSS: u32 = 4;
    /// MPS, bits 10:7.
    const MPS: u32 = 7;
    /// SHN, bits 15:14.
    const SHN: u32 = 14;
    /// IOSQES, bits 19:16.
    const IOSQES: u32 = 16;
    /// IOCQES, bits 23:20.
    const IOCQES: u32 = 20;
    /// CRIME, bit 24.
    const CRIME: u32 = 1 << 24;

    /// The value as read.
    pub(crate) const fn from_bits(bits: u32) -> Self {
        Self(bits)
    }

    /// The value to write.
    pub(crate) const fn bits(self) -> u32 {
        self.0
    }

    /// Whether it reads all ones, as everything does once the device is gone.
    pub(crate) const fn is_gone(self) -> bool {
        self.0 == u32::MAX
    }

    /// EN: the controller is, or is to be, enabled.
    pub(crate) const fn is_enabled(self) -> bool {
        bit(self.0 as u64, 0)
    }

    /// MPS, bits 10:7: the memory page size in force.
    pub(crate) const fn page_size(self) -> PageSize {
        PageSize::from_mps(field(self.0 as u64, 10, 7) as u8)
    }

    /// The same configuration, disabled and with no shutdown notification: resets the controller.
    pub(crate) const fn disabled(self) -> Self {
        Self(self.0 & !(Self::EN | 0b11 << Self::SHN))
    }

    /// The same configuration with a shutdown notification.
    ///
    /// It is for an enabled controller. To use it again afterwards takes a reset.
    pub(crate) const fn with_shutdown(self, shutdown: Shutdown) -> Self {
        let shn = match shutdown {
            Shutdown::Normal => 0b01,
            Shutdown::Abrupt => 0b10,
        };
        Self(self.0 & !(0b11 << Self::SHN) | shn << Self::SHN)
    }
}

/// Makes the value that enables a controller.
///
/// ```ignore
/// let cc = CcBuilder::new(cap, PageSize::KIB_4)?.build();
/// ```
#[derive(Clone, Copy, Debug)]
pub(crate) struct CcBuilder {
    page_size: PageSize,
    command_sets: CommandSets,
    ready_without_media: bool,
}

impl CcBuilder {
    /// A configuration for the controller that has these capabilities.
    ///
    /// It selects all command sets where the controller can, and round robin arbitration. The
    /// controller becomes ready with its media, as one does that knows no other way.
    pub(crate) fn new(cap: Cap, page_size: PageSize) -> Result<Self, CcError> {
        let (min, max) = (cap.min_page_size(), cap.max_page_size());
        if page_size < min || page_size > max {
            return Err(CcError::PageSize {
                wanted: page_size,
                min,
                max,
            });
        }
        let command_sets = if cap.admin_only() {
            CommandSets::AdminOnly
        } else if cap.all_command_sets() {
            CommandSets::All
        } else if cap.nvm_command_set() {
            CommandSets::Nvm
        } else {
            return Err(CcError::CommandSets);
        };
        Ok(Self {
            page_size,
            command_sets,
            ready_without_media: false,
        })
    }

    /// The command sets that [`build`](Self::build) is going to select.
    pub(crate) const fn command_sets(&self) -> CommandSets {
        self.command_sets
    }

    /// Sets CRIME, so that the controller is ready as soon as it processes commands which need no
    /// media; `None` if `cap` does not offer that.
    pub(crate) fn ready_without_media(mut self, cap: Cap) -> Option<Self> {
        self.ready_without_media = true;
        cap.ready_without_media().then_some(self)
    }

    /// The value to write to CC, with EN set.
    pub(crate) const fn build(self) -> Cc {
        let css = match self.command_sets {
            CommandSets::Nvm => 0b000,
            CommandSets::All => 0b110,
            CommandSets::AdminOnly => 0b111,
        };
        let crime = if self.ready_without_media {
            Cc::CRIME
        } else {
            0
        };
        // AMS, bits 13:11: round robin is 000b. The entry sizes, as powers of two, may be set
        // before Identify Controller has confirmed them: no I/O queue exists yet.
        Cc(Cc::EN
            | css << Cc::CSS
            | (self.page_size.mps() as u32) << Cc::MPS
            | Sqe::SIZE.trailing_zeros() << Cc::IOSQES
            | Cqe::SIZE.trailing_zeros() << Cc::IOCQES
            | crime)
    }
}
