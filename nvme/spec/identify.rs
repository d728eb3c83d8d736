// SPDX-License-Identifier: GPL-2.0

//! What Identify can be asked for, and the text in its answers.
//!
//! NVM Express Base Specification 2.0c, 5.17.1.

use core::fmt;

use super::bits::open_enum;

/// The size of every Identify data structure in bytes.
pub(crate) const SIZE: usize = 4096;

open_enum! {
    /// CNS, controller or namespace structure: what Identify returns.
    pub(crate) struct Cns(u8), "CNS" {
        NAMESPACE = 0x00, "Identify Namespace";
        CONTROLLER = 0x01, "Identify Controller";
        ACTIVE_NS_LIST = 0x02, "Active Namespace ID list";
        NS_DESCRIPTORS = 0x03, "Namespace Identification Descriptor list";
        NVM_SET_LIST = 0x04, "NVM Set List";
        CSI_NAMESPACE = 0x05, "I/O Command Set specific Identify Namespace";
        CSI_CONTROLLER = 0x06, "I/O Command Set specific Identify Controller";
        CSI_ACTIVE_NS_LIST = 0x07, "I/O Command Set specific Active Namespace ID list";
        INDEPENDENT_NAMESPACE = 0x08, "I/O Command Set Independent Identify Namespace";
        ALLOCATED_NS_LIST = 0x10, "Allocated Namespace ID list";
        ALLOCATED_NAMESPACE = 0x11, "Identify Namespace of an allocated Namespace ID";
        NS_CONTROLLER_LIST = 0x12, "Namespace Attached Controller list";
        CONTROLLER_LIST = 0x13, "Controller list";
        PRIMARY_CONTROLLER = 0x14, "Primary Controller Capabilities";
        SECONDARY_CONTROLLERS = 0x15, "Secondary Controller list";
        NS_GRANULARITY = 0x16, "Namespace Granularity List";
        UUID_LIST = 0x17, "UUID List";
        DOMAIN_LIST = 0x18, "Domain List";
        ENDURANCE_GROUP_LIST = 0x19, "Endurance Group List";
        IO_COMMAND_SETS = 0x1c, "I/O Command Set data structure";
    }
}

open_enum! {
    /// CSI, command set identifier.
    pub(crate) struct Csi(u8), "command set" {
        NVM = 0x00, "NVM Command Set";
        KEY_VALUE = 0x01, "Key Value Command Set";
        ZONED = 0x02, "Zoned Namespace Command Set";
    }
}

/// A text field: ASCII, left-aligned, padded with spaces, or so it should be.
#[derive(Clone, Copy, PartialEq, Eq)]
pub(crate) struct Text<'a>(&'a [u8]);

impl<'a> Text<'a> {
    /// The text in a field of fixed length.
    ///
    /// It ends before the first NUL, which some controllers pad with, and without spaces at its
    /// end.
    pub(super) fn new(field: &'a [u8]) -> Self {
        let text = field.split(|byte| *byte == 0).next().unwrap_or_default();
        Self(text.trim_ascii_end())
    }

    /// The bytes, which may not be ASCII: a device wrote them.
    pub(crate) const fn as_bytes(self) -> &'a [u8] {
        self.0
    }
}

/// Prints `?` in place of every byte that is not printable ASCII.
impl fmt::Display for Text<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        use fmt::Write;

        self.0.iter().try_for_each(|byte| {
            f.write_char(match byte {
                b' '..=b'~' => char::from(*byte),
                _ => '?',
            })
        })
    }
}

impl fmt::Debug for Text<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "\"{self}\"")
    }
}
