// SPDX-License-Identifier: GPL-2.0

//! Lists that Identify returns: namespaces, and the names of one.
//!
//! NVM Express Base Specification 2.0c, 5.17.2.2 (CNS 02h) and 5.17.2.3 (CNS 03h).

use zerocopy::byteorder::little_endian::U32;
use zerocopy_derive::{
    FromBytes,
    Immutable,
    IntoBytes,
    KnownLayout, //
};

use super::{
    bits::assert_layout,
    identify::Csi,
    ids::Nsid, //
};

/// A list of namespace identifiers, ascending, which ends with 0h if it is not full.
#[derive(Clone, Copy, FromBytes, IntoBytes, Immutable, KnownLayout)]
#[repr(C)]
pub(crate) struct NsList {
    /// The identifiers.
    pub(crate) nsid: [U32; 1024],
}

assert_layout!(NsList, 4096, nsid @ 0);

impl NsList {
    /// The identifiers, in answer to a command that asked for those `after` one.
    ///
    /// A controller that returns one twice, or a smaller one, would make a scan run forever: the
    /// list ends before the first identifier that is out of order or names no namespace.
    pub(crate) fn iter(&self, after: Nsid) -> impl Iterator<Item = Nsid> + '_ {
        self.nsid.iter().scan(after, |last, nsid| {
            let nsid = Nsid::new(nsid.get());
            let is_next = nsid.is_one() && nsid > *last;
            *last = nsid;
            is_next.then_some(nsid)
        })
    }

    /// Where to ask for the rest of the list; `None` if this is the end of it.
    pub(crate) fn next(&self, after: Nsid) -> Option<Nsid> {
        self.iter(after).nth(self.nsid.len() - 1)
    }
}

/// The names of a namespace, one after the other.
#[derive(Clone, Copy, FromBytes, IntoBytes, Immutable, KnownLayout)]
#[repr(C)]
pub(crate) struct NsDescriptorList {
    /// The descriptors.
    pub(crate) bytes: [u8; 4096],
}

assert_layout!(NsDescriptorList, 4096, bytes @ 0);

/// A namespace identification descriptor.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(crate) enum NsDescriptor<'a> {
    /// NIDT 1h: IEEE extended unique identifier, big-endian.
    Eui64([u8; 8]),
    /// NIDT 2h: namespace globally unique identifier, big-endian.
    Nguid([u8; 16]),
    /// NIDT 3h: namespace UUID, big-endian (RFC 4122).
    Uuid([u8; 16]),
    /// NIDT 4h: the command set of the namespace.
    Csi(Csi),
    /// Any other type, or a length that does not fit the type.
    Unknown {
        /// NIDT, the type.
        nidt: u8,
        /// NID, the identifier.
        nid: &'a [u8],
    },
}

impl<'a> NsDescriptor<'a> {
    fn new(nidt: u8, nid: &'a [u8]) -> Self {
        match (nidt, nid.try_into(), nid.try_into(), nid) {
            (1, Ok(eui64), _, _) => Self::Eui64(eui64),
            (2, _, Ok(nguid), _) => Self::Nguid(nguid),
            (3, _, Ok(uuid), _) => Self::Uuid(uuid),
            (4, _, _, [csi]) => Self::Csi(Csi(*csi)),
            _ => Self::Unknown { nidt, nid },
        }
    }
}

impl NsDescriptorList {
    /// The descriptors, up to one of length 0, which ends the list, or one that is cut off.
    pub(crate) fn iter(&self) -> impl Iterator<Item = NsDescriptor<'_>> {
        let mut rest: &[u8] = &self.bytes;
        core::iter::from_fn(move || {
            // NIDT, NIDL, two reserved bytes, NID.
            let ([nidt, nidl, _, _], tail) = rest.split_first_chunk()?;
            if *nidl == 0 {
                return None;
            }
            let (nid, tail) = tail.split_at_checked(usize::from(*nidl))?;
            rest = tail;
            Some(NsDescriptor::new(*nidt, nid))
        })
    }
}
