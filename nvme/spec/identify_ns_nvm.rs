// SPDX-License-Identifier: GPL-2.0

//! Identify Namespace for the NVM command set, CNS 05h and CSI 00h.
//!
//! NVM Command Set Specification 1.0c, 4.1.5.3; bytes 268 to 287 came with 1.1, and are reserved
//! and thus 0 before.

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

use super::bits::assert_layout;

/// What Identify Namespace had no room for.
#[derive(Clone, Copy, FromBytes, IntoBytes, Immutable, KnownLayout)]
#[repr(C)]
pub(crate) struct IdentifyNsNvm {
    /// LBSTM: logical block storage tag mask.
    pub(crate) lbstm: U64,
    /// PIC: protection information capabilities.
    pub(crate) pic: u8,
    _reserved9: [u8; 3],
    /// ELBAF0 to ELBAF63: extensions of the LBA formats. STS, bits 6:0, storage tag size in bits;
    /// PIF, bits 8:7, protection information format.
    pub(crate) elbaf: [U32; 64],
    /// NPDGL: preferred deallocate granularity in logical blocks; 0: not reported.
    pub(crate) npdgl: U32,
    /// NPRG: preferred read granularity in logical blocks; 0: not reported.
    pub(crate) nprg: U32,
    /// NPRA: preferred read alignment in logical blocks; 0: not reported.
    pub(crate) npra: U32,
    /// NORS: optimal read size in logical blocks; 0: not reported.
    pub(crate) nors: U32,
    /// NPDAL: preferred deallocate alignment in logical blocks; 0: not reported.
    pub(crate) npdal: U32,
    _reserved288: [u8; 3808],
}

assert_layout!(
    IdentifyNsNvm, 4096,
    lbstm @ 0, pic @ 8, elbaf @ 12, npdgl @ 268, nprg @ 272, npra @ 276, nors @ 280, npdal @ 284,
);
