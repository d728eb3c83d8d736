// SPDX-License-Identifier: GPL-2.0

//! I/O Command Set Independent Identify Namespace, CNS 08h.
//!
//! NVM Express Base Specification 2.0c, 5.17.2.8.

use zerocopy::byteorder::little_endian::{
    U16,
    U32, //
};
use zerocopy_derive::{
    FromBytes,
    Immutable,
    IntoBytes,
    KnownLayout, //
};

use super::bits::{
    assert_layout,
    bit, //
};

/// What is true of a namespace whatever its command set.
#[derive(Clone, Copy, FromBytes, IntoBytes, Immutable, KnownLayout)]
#[repr(C)]
pub(crate) struct IdentifyNsIndep {
    /// NSFEAT: features, [`Self::is_rotational`] and below.
    pub(crate) nsfeat: u8,
    /// NMIC: multi-path and sharing capabilities.
    pub(crate) nmic: u8,
    /// RESCAP: reservation capabilities.
    pub(crate) rescap: u8,
    /// FPI: format progress, in percent that remains, bits 6:0; valid if bit 7 is set.
    pub(crate) fpi: u8,
    /// ANAGRPID: ANA group identifier.
    pub(crate) anagrpid: U32,
    /// NSATTR: attributes, [`Self::is_write_protected`].
    pub(crate) nsattr: u8,
    _reserved9: u8,
    /// NVMSETID: NVM set identifier.
    pub(crate) nvmsetid: U16,
    /// ENDGID: endurance group identifier.
    pub(crate) endgid: U16,
    /// NSTAT: status, [`Self::is_ready`].
    pub(crate) nstat: u8,
    _reserved15: [u8; 4081],
}

assert_layout!(
    IdentifyNsIndep, 4096,
    nsfeat @ 0, anagrpid @ 4, nsattr @ 8, nvmsetid @ 10, endgid @ 12, nstat @ 14,
);

impl IdentifyNsIndep {
    /// NSFEAT bit 4, RMEDIA: the namespace is on rotational media.
    pub(crate) fn is_rotational(&self) -> bool {
        bit(u64::from(self.nsfeat), 4)
    }

    /// NSFEAT bit 5, VWCNP: the controller's volatile write cache is not there for this namespace.
    pub(crate) fn has_no_write_cache(&self) -> bool {
        bit(u64::from(self.nsfeat), 5)
    }

    /// NSATTR bit 0: nobody can write to it now.
    pub(crate) fn is_write_protected(&self) -> bool {
        bit(u64::from(self.nsattr), 0)
    }

    /// NSTAT bit 0, NRDY: the namespace processes commands.
    pub(crate) fn is_ready(&self) -> bool {
        bit(u64::from(self.nstat), 0)
    }
}
