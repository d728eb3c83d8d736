// SPDX-License-Identifier: GPL-2.0

//! Identify Controller for the NVM command set, CNS 06h and CSI 00h.
//!
//! NVM Command Set Specification 1.0c, 4.1.5.4.

use zerocopy::byteorder::little_endian::{
    U32,
    U64, //
};
use zerocopy_derive::{
    FromBytes,
    Immutable,
    IntoBytes,
    KnownLayout, //
};

use super::{
    bits::assert_layout,
    identify_ctrl::power_of_two_bytes, //
};
use crate::dma::prp::PageSize;

/// Limits of commands that transfer no data. A field of 0 says nothing.
#[derive(Clone, Copy, FromBytes, IntoBytes, Immutable, KnownLayout)]
#[repr(C)]
pub(crate) struct IdentifyCtrlNvm {
    /// VSL: the largest Verify, [`Self::max_verify_bytes`].
    pub(crate) vsl: u8,
    /// WZSL: the largest Write Zeroes, [`Self::max_write_zeroes_bytes`].
    pub(crate) wzsl: u8,
    /// WUSL: the largest Write Uncorrectable, 2^n units of the smallest memory page.
    pub(crate) wusl: u8,
    /// DMRL: the most ranges of a Dataset Management command.
    pub(crate) dmrl: u8,
    /// DMRSL: the most logical blocks of one of these ranges.
    pub(crate) dmrsl: U32,
    /// DMSL: the most logical blocks of all ranges of a command together.
    pub(crate) dmsl: U64,
    _reserved16: [u8; 4080],
}

assert_layout!(
    IdentifyCtrlNvm, 4096,
    vsl @ 0, wzsl @ 1, wusl @ 2, dmrl @ 3, dmrsl @ 4, dmsl @ 8,
);

impl IdentifyCtrlNvm {
    /// VSL, in bytes; `None` if there is no limit. `unit` is CAP.MPSMIN.
    pub(crate) fn max_verify_bytes(&self, unit: PageSize) -> Option<u64> {
        power_of_two_bytes(self.vsl, unit)
    }

    /// WZSL, in bytes; `None` if there is no limit. `unit` is CAP.MPSMIN.
    pub(crate) fn max_write_zeroes_bytes(&self, unit: PageSize) -> Option<u64> {
        power_of_two_bytes(self.wzsl, unit)
    }
}
