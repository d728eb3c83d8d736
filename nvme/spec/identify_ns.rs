// SPDX-License-Identifier: GPL-2.0

//! Identify Namespace, CNS 00h.
//!
//! NVM Command Set Specification 1.0c, 4.1.5.1.

use core::fmt;

use zerocopy::byteorder::little_endian::{
    U128,
    U16,
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
    bits::{
        assert_layout,
        bit,
        field, //
    },
    lba::{
        LbaSize,
        UnsupportedLbaSize, //
    }, //
};

/// The Identify Namespace data structure of a namespace with logical blocks.
///
/// Fields are as the controller wrote them; the functions below give them units.
#[derive(Clone, Copy, FromBytes, IntoBytes, Immutable, KnownLayout)]
#[repr(C)]
pub(crate) struct IdentifyNs {
    /// NSZE: size in logical blocks.
    pub(crate) nsze: U64,
    /// NCAP: capacity in logical blocks, less than `nsze` if thinly provisioned.
    pub(crate) ncap: U64,
    /// NUSE: logical blocks in use.
    pub(crate) nuse: U64,
    /// NSFEAT: features, [`Self::is_thin`] and below.
    pub(crate) nsfeat: u8,
    /// NLBAF: number of LBA formats, 0's based.
    pub(crate) nlbaf: u8,
    /// FLBAS: the LBA format in use, [`Self::format`].
    pub(crate) flbas: u8,
    /// MC: metadata capabilities.
    pub(crate) mc: u8,
    /// DPC: end-to-end data protection capabilities.
    pub(crate) dpc: u8,
    /// DPS: end-to-end data protection settings, [`Self::protection_type`].
    pub(crate) dps: u8,
    /// NMIC: multi-path and sharing capabilities.
    pub(crate) nmic: u8,
    /// RESCAP: reservation capabilities.
    pub(crate) rescap: u8,
    /// FPI: format progress, in percent that remains, bits 6:0; valid if bit 7 is set.
    pub(crate) fpi: u8,
    /// DLFEAT: what deallocated blocks read as, [`Self::zeroes_by_deallocation`].
    pub(crate) dlfeat: u8,
    /// NAWUN: atomic write unit in normal operation, in logical blocks, 0's based.
    pub(crate) nawun: U16,
    /// NAWUPF: atomic write unit when power fails, in logical blocks, 0's based.
    pub(crate) nawupf: U16,
    /// NACWU: atomic compare and write unit, in logical blocks, 0's based.
    pub(crate) nacwu: U16,
    /// NABSN: atomic boundary in normal operation, in logical blocks, 0's based; 0: none.
    pub(crate) nabsn: U16,
    /// NABO: the first logical block that an atomic boundary is at.
    pub(crate) nabo: U16,
    /// NABSPF: atomic boundary when power fails, in logical blocks, 0's based; 0: none.
    pub(crate) nabspf: U16,
    /// NOIOB: optimal I/O boundary in logical blocks; 0: none.
    pub(crate) noiob: U16,
    /// NVMCAP: the NVM that is allocated to the namespace, in bytes.
    pub(crate) nvmcap: U128,
    /// NPWG: preferred write granularity in logical blocks, 0's based.
    pub(crate) npwg: U16,
    /// NPWA: preferred write alignment in logical blocks, 0's based.
    pub(crate) npwa: U16,
    /// NPDG: preferred deallocate granularity in logical blocks, 0's based.
    pub(crate) npdg: U16,
    /// NPDA: preferred deallocate alignment in logical blocks, 0's based.
    pub(crate) npda: U16,
    /// NOWS: optimal write size in logical blocks, 0's based.
    pub(crate) nows: U16,
    /// MSSRL: most logical blocks of a source range of Copy.
    pub(crate) mssrl: U16,
    /// MCL: most logical blocks of a Copy.
    pub(crate) mcl: U32,
    /// MSRC: most source ranges of a Copy, 0's based.
    pub(crate) msrc: u8,
    /// NULBAF: LBA formats behind the first NLBAF + 1 that have unique attributes.
    pub(crate) nulbaf: u8,
    _reserved82: [u8; 10],
    /// ANAGRPID: ANA group identifier.
    pub(crate) anagrpid: U32,
    _reserved96: [u8; 3],
    /// NSATTR: attributes, [`Self::is_write_protected`].
    pub(crate) nsattr: u8,
    /// NVMSETID: NVM set identifier.
    pub(crate) nvmsetid: U16,
    /// ENDGID: endurance group identifier.
    pub(crate) endgid: U16,
    /// NGUID: globally unique identifier, big-endian; all zeroes: none.
    pub(crate) nguid: [u8; 16],
    /// EUI64: IEEE extended unique identifier, big-endian; all zeroes: none.
    pub(crate) eui64: [u8; 8],
    /// LBAF0 to LBAF63: the LBA formats.
    pub(crate) lbaf: [LbaFormat; 64],
    /// Vendor specific.
    pub(crate) vendor: [u8; 3712],
}

assert_layout!(
    IdentifyNs, 4096,
    nsfeat @ 24, nawun @ 34, nvmcap @ 48, npwg @ 64, mcl @ 76, anagrpid @ 92, nsattr @ 99,
    nguid @ 104, eui64 @ 120, lbaf @ 128, vendor @ 384,
);

/// An LBA format data structure.
#[derive(Clone, Copy, Debug, FromBytes, IntoBytes, Immutable, KnownLayout)]
#[repr(C)]
pub(crate) struct LbaFormat {
    /// MS: metadata of a logical block in bytes.
    pub(crate) ms: U16,
    /// LBADS: size of a logical block, 2^n bytes; 0: the format is not available.
    pub(crate) lbads: u8,
    /// RP: relative performance, bits 1:0; 0 is best.
    pub(crate) rp: u8,
}

assert_layout!(LbaFormat, 4, ms @ 0, lbads @ 2, rp @ 3);

/// How a namespace is formatted.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(crate) struct Format {
    /// The size of a logical block, metadata not counted.
    pub(crate) lba_size: LbaSize,
    /// What comes with each logical block.
    pub(crate) metadata: Metadata,
}

/// The metadata of a logical block.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(crate) enum Metadata {
    /// None.
    None,
    /// Protection information of eight bytes and nothing else. The controller can make and strip
    /// it (PRACT), and then none of it is transferred.
    ProtectionOnly,
    /// So many bytes in a buffer of their own.
    Separate(u16),
    /// So many bytes behind the data of each block ("extended LBA").
    Interleaved(u16),
}

/// Why a namespace cannot be used for block I/O.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(crate) enum UnsupportedFormat {
    /// FLBAS selects a format that NLBAF and NULBAF do not have.
    Index {
        /// The format's index.
        index: u8,
    },
    /// The size of logical blocks.
    LbaSize(UnsupportedLbaSize),
    /// Metadata that has to be transferred.
    Metadata(Metadata),
    /// NSZE is 2^64 bytes or more.
    Capacity {
        /// NSZE.
        blocks: u64,
    },
}

impl fmt::Display for UnsupportedFormat {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Index { index } => write!(f, "LBA format {index} is in use but does not exist"),
            Self::LbaSize(error) => error.fmt(f),
            Self::Metadata(Metadata::Interleaved(bytes)) => write!(
                f,
                "{bytes} bytes of metadata interleaved with the data are not supported"
            ),
            Self::Metadata(Metadata::Separate(bytes)) => {
                write!(
                    f,
                    "{bytes} bytes of metadata in a separate buffer are not supported"
                )
            }
            Self::Metadata(_) => f.write_str("the metadata is not supported"),
            Self::Capacity { blocks } => {
                write!(f, "a size of {blocks} logical blocks is not supported")
            }
        }
    }
}

impl Format {
    /// Whether blocks of this format can be read and written without a metadata buffer.
    pub(crate) const fn check_block_io(self) -> Result<Self, UnsupportedFormat> {
        match self.metadata {
            Metadata::None | Metadata::ProtectionOnly => Ok(self),
            metadata => Err(UnsupportedFormat::Metadata(metadata)),
        }
    }
}

impl IdentifyNs {
    /// Whether the structure is that of an inactive namespace, which is all zeroes.
    pub(crate) fn is_inactive(&self) -> bool {
        self.nsze.get() == 0 && self.ncap.get() == 0
    }

    /// FLBAS bits 3:0 and, if there are more than 16 formats, bits 6:5: which LBA format is in use.
    pub(crate) fn format_index(&self) -> u8 {
        let low = field(u64::from(self.flbas), 3, 0);
        let high = field(u64::from(self.flbas), 6, 5);
        if self.last_format() < 16 {
            low as u8
        } else {
            (high << 4 | low) as u8
        }
    }

    /// The index of the last LBA format, which may be beyond 63 if the controller is wrong.
    fn last_format(&self) -> u16 {
        u16::from(self.nlbaf) + u16::from(self.nulbaf)
    }

    /// The LBA formats that exist, supported by the driver or not.
    pub(crate) fn formats(&self) -> impl Iterator<Item = &LbaFormat> {
        self.lbaf.iter().take(usize::from(self.last_format()) + 1)
    }

    /// How the namespace is formatted.
    pub(crate) fn format(&self) -> Result<Format, UnsupportedFormat> {
        let index = self.format_index();
        let lbaf = self
            .formats()
            .nth(usize::from(index))
            .ok_or(UnsupportedFormat::Index { index })?;
        let lba_size = LbaSize::from_lbads(lbaf.lbads).map_err(UnsupportedFormat::LbaSize)?;
        let metadata = match lbaf.ms.get() {
            0 => Metadata::None,
            8 if self.protection_type().is_some() => Metadata::ProtectionOnly,
            bytes if bit(u64::from(self.flbas), 4) => Metadata::Interleaved(bytes),
            bytes => Metadata::Separate(bytes),
        };
        Ok(Format { lba_size, metadata })
    }

    /// NSZE, in bytes.
    pub(crate) fn capacity_bytes(&self, lba_size: LbaSize) -> Result<u64, UnsupportedFormat> {
        let blocks = self.nsze.get();
        lba_size
            .bytes_of(blocks)
            .ok_or(UnsupportedFormat::Capacity { blocks })
    }

    /// DPS bits 2:0: the type of protection information, or `None` if it is off.
    pub(crate) fn protection_type(&self) -> Option<u8> {
        match field(u64::from(self.dps), 2, 0) as u8 {
            0 => None,
            kind => Some(kind),
        }
    }

    /// NSFEAT bit 0, THINP: less capacity than size can be allocated.
    pub(crate) fn is_thin(&self) -> bool {
        bit(u64::from(self.nsfeat), 0)
    }

    /// NSFEAT bit 1, NSABP: NAWUN, NAWUPF and NACWU are valid, and AWUN and its kin do not count.
    pub(crate) fn has_atomic_units(&self) -> bool {
        bit(u64::from(self.nsfeat), 1)
    }

    /// NSFEAT bit 2, DAE: reading deallocated blocks can be made an error.
    pub(crate) fn has_deallocated_error(&self) -> bool {
        bit(u64::from(self.nsfeat), 2)
    }

    /// NSFEAT bit 3, UIDREUSE: NGUID and EUI64 are never used again for another namespace.
    pub(crate) fn has_unique_ids(&self) -> bool {
        bit(u64::from(self.nsfeat), 3)
    }

    /// NSFEAT bits 5:4, OPTPERF: which hints for performance are valid.
    ///
    /// The NVM Command Set Specification 1.0c knows bit 4 alone. Its successor 1.1 makes a field of
    /// two bits of it.
    pub(crate) fn performance_hints(&self) -> PerformanceHints {
        let optperf = field(u64::from(self.nsfeat), 5, 4);
        PerformanceHints {
            write: optperf != 0,
            deallocate: optperf & 0b01 != 0,
            deallocate_large: optperf & 0b10 != 0,
        }
    }

    /// DLFEAT: whether Write Zeroes with DEAC deallocates blocks and makes them read as zeroes.
    ///
    /// Bits 2:0 are 001b, deallocated blocks read as zeroes; bit 3, DEAC is supported.
    pub(crate) fn zeroes_by_deallocation(&self) -> bool {
        field(u64::from(self.dlfeat), 2, 0) == 1 && bit(u64::from(self.dlfeat), 3)
    }

    /// NSATTR bit 0: nobody can write to it now.
    pub(crate) fn is_write_protected(&self) -> bool {
        bit(u64::from(self.nsattr), 0)
    }

    /// NGUID, if the namespace has one.
    pub(crate) fn nguid(&self) -> Option<[u8; 16]> {
        (self.nguid != [0; 16]).then_some(self.nguid)
    }

    /// EUI64, if the namespace has one.
    pub(crate) fn eui64(&self) -> Option<[u8; 8]> {
        (self.eui64 != [0; 8]).then_some(self.eui64)
    }
}

/// Which hints for performance are valid: OPTPERF.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(crate) struct PerformanceHints {
    /// NPWG, NPWA and NOWS.
    pub(crate) write: bool,
    /// NPDG and NPDA.
    pub(crate) deallocate: bool,
    /// NPDGL and NPDAL of
    /// [`IdentifyNsNvm`](super::identify_ns_nvm::IdentifyNsNvm), which go before NPDG and NPDA.
    pub(crate) deallocate_large: bool,
}
