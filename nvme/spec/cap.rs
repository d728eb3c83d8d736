// SPDX-License-Identifier: GPL-2.0

//! CAP, what a controller can do.
//!
//! NVM Express Base Specification 2.0c, 3.1.3.1.

use super::{
    bits::{
        bit,
        field, //
    },
    ids::QueueSize,
    regs::DoorbellStride, //
};
use crate::dma::prp::PageSize;

/// The 64-bit controller capabilities property.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(crate) struct Cap(u64);

impl Cap {
    /// The value as read.
    pub(crate) const fn from_bits(bits: u64) -> Self {
        Self(bits)
    }

    /// The value as read.
    pub(crate) const fn bits(self) -> u64 {
        self.0
    }

    /// Whether it reads all ones, as everything does once the device is gone.
    pub(crate) const fn is_gone(self) -> bool {
        self.0 == u64::MAX
    }

    /// MQES, bits 15:0: the largest I/O queue, or `None` for the value 0h, which the
    /// specification forbids: one entry is no queue.
    pub(crate) const fn max_queue_size(self) -> Option<QueueSize> {
        QueueSize::new(field(self.0, 15, 0) as u32 + 1)
    }

    /// CQR, bit 16: I/O queues must be physically contiguous.
    pub(crate) const fn contiguous_queues_required(self) -> bool {
        bit(self.0, 16)
    }

    /// AMS bit 0, bit 17: weighted round robin with an urgent class is supported.
    pub(crate) const fn weighted_round_robin(self) -> bool {
        bit(self.0, 17)
    }

    /// TO, bits 31:24, in milliseconds: the longest that CSTS.RDY takes to follow CC.EN.
    ///
    /// The register counts units of 500 ms. A controller that reports 0 is given one unit.
    pub(crate) const fn timeout_ms(self) -> u32 {
        let units = field(self.0, 31, 24) as u32; // At most 255.
        if units == 0 {
            500
        } else {
            units * 500
        }
    }

    /// DSTRD, bits 35:32: the distance between doorbells.
    pub(crate) const fn doorbell_stride(self) -> DoorbellStride {
        DoorbellStride::from_dstrd(field(self.0, 35, 32) as u8)
    }

    /// NSSRS, bit 36: the NVM subsystem reset is supported, so CSTS.NSSRO and NSSR have a meaning.
    pub(crate) const fn subsystem_reset(self) -> bool {
        bit(self.0, 36)
    }

    /// CSS bit 0, bit 37: the NVM command set is supported.
    pub(crate) const fn nvm_command_set(self) -> bool {
        bit(self.0, 37)
    }

    /// CSS bit 6, bit 43: one or more command sets are supported, as Identify reports.
    pub(crate) const fn all_command_sets(self) -> bool {
        bit(self.0, 43)
    }

    /// CSS bit 7, bit 44: no I/O command set is supported.
    pub(crate) const fn admin_only(self) -> bool {
        bit(self.0, 44)
    }

    /// BPS, bit 45: boot partitions are supported.
    pub(crate) const fn boot_partitions(self) -> bool {
        bit(self.0, 45)
    }

    /// MPSMIN, bits 51:48: the smallest memory page size, 2^(12 + MPSMIN) bytes.
    ///
    /// Sizes in Identify structures count in it.
    pub(crate) const fn min_page_size(self) -> PageSize {
        PageSize::from_mps(field(self.0, 51, 48) as u8)
    }

    /// MPSMAX, bits 55:52: the largest memory page size, 2^(12 + MPSMAX) bytes.
    pub(crate) const fn max_page_size(self) -> PageSize {
        PageSize::from_mps(field(self.0, 55, 52) as u8)
    }

    /// PMRS, bit 56: there is a persistent memory region.
    pub(crate) const fn persistent_memory_region(self) -> bool {
        bit(self.0, 56)
    }

    /// CMBS, bit 57: there is a controller memory buffer, described after CMBMSC.CRE is set.
    pub(crate) const fn controller_memory_buffer(self) -> bool {
        bit(self.0, 57)
    }

    /// NSSS, bit 58: the NVM subsystem shutdown is supported.
    pub(crate) const fn subsystem_shutdown(self) -> bool {
        bit(self.0, 58)
    }

    /// CRMS.CRWMS, bit 59: "controller ready with media" is supported and CRTO.CRWMT is valid.
    pub(crate) const fn ready_with_media(self) -> bool {
        bit(self.0, 59)
    }

    /// CRMS.CRIMS, bit 60: "controller ready independent of media" is supported and CRTO.CRIMT is
    /// valid.
    pub(crate) const fn ready_without_media(self) -> bool {
        bit(self.0, 60)
    }
}
