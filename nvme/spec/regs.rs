// SPDX-License-Identifier: GPL-2.0

//! Where the properties of a controller lie in BAR 0, and the small ones.
//!
//! NVM Express Base Specification 2.0c, 3.1.3 (controller properties); NVM Express over PCIe
//! Transport Specification 1.0c, 3.1.2 (doorbells). Offsets are in bytes.

use core::fmt;

use super::{
    bits::field,
    ids::{
        QueueId,
        QueueSize, //
    }, //
};

/// CAP, 64 bits: controller capabilities, [`Cap`](super::cap::Cap).
pub(crate) const CAP: usize = 0x00;
/// VS, 32 bits: [`Version`].
pub(crate) const VS: usize = 0x08;
/// INTMS, 32 bits: interrupt mask set (not with MSI-X).
pub(crate) const INTMS: usize = 0x0c;
/// INTMC, 32 bits: interrupt mask clear (not with MSI-X).
pub(crate) const INTMC: usize = 0x10;
/// CC, 32 bits: controller configuration, [`Cc`](super::cc::Cc).
pub(crate) const CC: usize = 0x14;
/// CSTS, 32 bits: controller status, [`Csts`](super::csts::Csts).
pub(crate) const CSTS: usize = 0x1c;
/// NSSR, 32 bits: NVM subsystem reset; does something when [`NSSR_RESET`] is written.
pub(crate) const NSSR: usize = 0x20;
/// AQA, 32 bits: admin queue attributes, [`Aqa`].
pub(crate) const AQA: usize = 0x24;
/// ASQ, 64 bits: base address of the admin submission queue, page aligned.
pub(crate) const ASQ: usize = 0x28;
/// ACQ, 64 bits: base address of the admin completion queue, page aligned.
pub(crate) const ACQ: usize = 0x30;
/// CMBLOC, 32 bits: controller memory buffer location, [`CmbLoc`](super::cmb::CmbLoc).
pub(crate) const CMBLOC: usize = 0x38;
/// CMBSZ, 32 bits: controller memory buffer size, [`CmbSz`](super::cmb::CmbSz).
pub(crate) const CMBSZ: usize = 0x3c;
/// BPINFO, 32 bits: boot partition information.
pub(crate) const BPINFO: usize = 0x40;
/// BPRSEL, 32 bits: boot partition read select.
pub(crate) const BPRSEL: usize = 0x44;
/// BPMBL, 64 bits: boot partition memory buffer location.
pub(crate) const BPMBL: usize = 0x48;
/// CMBMSC, 64 bits: controller memory buffer memory space control.
pub(crate) const CMBMSC: usize = 0x50;
/// CMBSTS, 32 bits: controller memory buffer status.
pub(crate) const CMBSTS: usize = 0x58;
/// CRTO, 32 bits: controller ready time-outs, [`Crto`].
pub(crate) const CRTO: usize = 0x68;
/// PMRCAP, 32 bits: persistent memory region capabilities.
pub(crate) const PMRCAP: usize = 0xe00;
/// PMRCTL, 32 bits: persistent memory region control.
pub(crate) const PMRCTL: usize = 0xe04;
/// PMRSTS, 32 bits: persistent memory region status.
pub(crate) const PMRSTS: usize = 0xe08;
/// The first doorbell. All that is below it must be mapped to bring up a controller.
pub(crate) const DOORBELLS: usize = 0x1000;

/// Written to [`NSSR`], "NVMe" in ASCII, this resets the whole NVM subsystem.
pub(crate) const NSSR_RESET: u32 = 0x4e56_4d65;

/// VS: the version of the specification that a controller implements (Base 3.1.3.2).
///
/// Ordered: `version >= Version::V1_2`.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Debug)]
pub(crate) struct Version(u32);

impl Version {
    /// 1.0: reported as 0 in Identify Controller by controllers older than the field.
    pub(crate) const V1_0: Self = Self::new(1, 0, 0);
    /// 1.1: namespace lists, reservations.
    pub(crate) const V1_1: Self = Self::new(1, 1, 0);
    /// 1.2: namespace management, controller memory buffer, VER in Identify Controller.
    pub(crate) const V1_2: Self = Self::new(1, 2, 0);
    /// 1.3: namespace identification descriptors, sanitize.
    pub(crate) const V1_3: Self = Self::new(1, 3, 0);
    /// 1.4: persistent events, NPWG and its kin.
    pub(crate) const V1_4: Self = Self::new(1, 4, 0);
    /// 2.0: command sets in specifications of their own.
    pub(crate) const V2_0: Self = Self::new(2, 0, 0);

    /// The version `major.minor.tertiary`.
    pub(crate) const fn new(major: u16, minor: u8, tertiary: u8) -> Self {
        Self((major as u32) << 16 | (minor as u32) << 8 | tertiary as u32)
    }

    /// The value as VS and Identify Controller hold it.
    pub(crate) const fn from_bits(bits: u32) -> Self {
        Self(bits)
    }

    /// MJR, bits 31:16.
    pub(crate) const fn major(self) -> u16 {
        (self.0 >> 16) as u16
    }

    /// MNR, bits 15:8.
    pub(crate) const fn minor(self) -> u8 {
        (self.0 >> 8) as u8
    }

    /// TER, bits 7:0.
    pub(crate) const fn tertiary(self) -> u8 {
        self.0 as u8
    }
}

impl fmt::Display for Version {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}.{}.{}", self.major(), self.minor(), self.tertiary())
    }
}

/// AQA: the sizes of the admin queues (Base 3.1.3.8).
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(crate) struct Aqa(u32);

impl Aqa {
    /// The largest admin queue, in entries: the fields have 12 bits and are 0's based.
    pub(crate) const MAX_ENTRIES: u32 = 4096;

    /// The value for queues of these sizes, or `None` above [`Self::MAX_ENTRIES`].
    pub(crate) const fn new(submission: QueueSize, completion: QueueSize) -> Option<Self> {
        if submission.entries() > Self::MAX_ENTRIES || completion.entries() > Self::MAX_ENTRIES {
            return None;
        }
        // ASQS, bits 11:0; ACQS, bits 27:16.
        Some(Self(
            (completion.zero_based() as u32) << 16 | submission.zero_based() as u32,
        ))
    }

    /// The value to write.
    pub(crate) const fn bits(self) -> u32 {
        self.0
    }
}

/// CRTO: how long a controller may take to become ready (Base 3.1.3.21).
///
/// Exists if [`Cap::ready_with_media`](super::cap::Cap::ready_with_media) or
/// [`Cap::ready_without_media`](super::cap::Cap::ready_without_media) says so; else it reads 0.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(crate) struct Crto(u32);

impl Crto {
    /// The value as read.
    pub(crate) const fn from_bits(bits: u32) -> Self {
        Self(bits)
    }

    /// CRWMT, bits 15:0, in milliseconds: until all media are accessible.
    pub(crate) const fn with_media_ms(self) -> u32 {
        (field(self.0 as u64, 15, 0) as u32).wrapping_mul(500) // At most 32,767,500.
    }

    /// CRIMT, bits 31:16, in milliseconds: until commands that need no media are processed.
    pub(crate) const fn without_media_ms(self) -> u32 {
        (field(self.0 as u64, 31, 16) as u32).wrapping_mul(500) // At most 32,767,500.
    }
}

/// How far apart doorbells lie: CAP.DSTRD.
///
/// # Invariants
///
/// The distance is a power of two from 4 bytes to 128 KiB.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(crate) struct DoorbellStride(u32);

impl DoorbellStride {
    /// From the field's value, of which the low four bits exist.
    pub(super) const fn from_dstrd(dstrd: u8) -> Self {
        // INVARIANT: 4 << 0 is 4, 4 << 15 is 128 KiB.
        Self(4u32.wrapping_shl((dstrd & 0xf) as u32))
    }

    /// The distance between doorbells in bytes.
    pub(crate) const fn bytes(self) -> u32 {
        self.0
    }

    /// Where the tail doorbell of submission queue `queue` is, in bytes from the start of BAR 0.
    pub(crate) const fn submission_tail(self, queue: QueueId) -> usize {
        self.nth(2 * queue.get() as u64)
    }

    /// Where the head doorbell of completion queue `queue` is, in bytes from the start of BAR 0.
    pub(crate) const fn completion_head(self, queue: QueueId) -> usize {
        self.nth(2 * queue.get() as u64 + 1)
    }

    /// How much of BAR 0 must be mapped for the doorbells of queues 0 to `last`, in bytes.
    pub(crate) const fn mapped_bytes(self, last: QueueId) -> usize {
        self.nth(2 * last.get() as u64 + 2)
    }

    /// The offset of doorbell `index`, at most 2^17: the result stays below 2^35.
    const fn nth(self, index: u64) -> usize {
        (DOORBELLS as u64).wrapping_add(index.wrapping_mul(self.0 as u64)) as usize
    }
}
