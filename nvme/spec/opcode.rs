// SPDX-License-Identifier: GPL-2.0

//! Opcodes of admin and I/O commands.
//!
//! NVM Express Base Specification 2.0c, 5 (admin commands) and 7 (I/O commands of all command
//! sets); NVM Command Set Specification 1.0c, 3; Zoned Namespace Command Set Specification 1.1c, 3.

use super::bits::open_enum;

/// Which way the data of a command goes: bits 1:0 of its opcode.
///
/// It holds for vendor specific opcodes, too, but not for Fabrics commands.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(crate) enum Direction {
    /// 00b: there is no data.
    None,
    /// 01b: to the controller.
    ToController,
    /// 10b: from the controller.
    FromController,
    /// 11b: both ways.
    Both,
}

impl Direction {
    const fn of(opcode: u8) -> Self {
        match opcode & 0b11 {
            0b00 => Self::None,
            0b01 => Self::ToController,
            0b10 => Self::FromController,
            _ => Self::Both,
        }
    }
}

open_enum! {
    /// The opcode of an admin command.
    pub(crate) struct AdminOpcode(u8), "opcode" {
        DELETE_IO_SQ = 0x00, "Delete I/O Submission Queue";
        CREATE_IO_SQ = 0x01, "Create I/O Submission Queue";
        GET_LOG_PAGE = 0x02, "Get Log Page";
        DELETE_IO_CQ = 0x04, "Delete I/O Completion Queue";
        CREATE_IO_CQ = 0x05, "Create I/O Completion Queue";
        IDENTIFY = 0x06, "Identify";
        ABORT = 0x08, "Abort";
        SET_FEATURES = 0x09, "Set Features";
        GET_FEATURES = 0x0a, "Get Features";
        ASYNC_EVENT_REQUEST = 0x0c, "Asynchronous Event Request";
        NAMESPACE_MANAGEMENT = 0x0d, "Namespace Management";
        FIRMWARE_COMMIT = 0x10, "Firmware Commit";
        FIRMWARE_IMAGE_DOWNLOAD = 0x11, "Firmware Image Download";
        DEVICE_SELF_TEST = 0x14, "Device Self-test";
        NAMESPACE_ATTACHMENT = 0x15, "Namespace Attachment";
        KEEP_ALIVE = 0x18, "Keep Alive";
        DIRECTIVE_SEND = 0x19, "Directive Send";
        DIRECTIVE_RECEIVE = 0x1a, "Directive Receive";
        VIRTUALIZATION_MANAGEMENT = 0x1c, "Virtualization Management";
        NVME_MI_SEND = 0x1d, "NVMe-MI Send";
        NVME_MI_RECEIVE = 0x1e, "NVMe-MI Receive";
        CAPACITY_MANAGEMENT = 0x20, "Capacity Management";
        LOCKDOWN = 0x24, "Lockdown";
        DOORBELL_BUFFER_CONFIG = 0x7c, "Doorbell Buffer Config";
        FABRICS = 0x7f, "Fabrics";
        FORMAT_NVM = 0x80, "Format NVM";
        SECURITY_SEND = 0x81, "Security Send";
        SECURITY_RECEIVE = 0x82, "Security Receive";
        SANITIZE = 0x84, "Sanitize";
        GET_LBA_STATUS = 0x86, "Get LBA Status";
    }
}

impl AdminOpcode {
    /// Which way the data goes.
    pub(crate) const fn direction(self) -> Direction {
        Direction::of(self.0)
    }

    /// Whether it is C0h to FFh, vendor specific.
    pub(crate) const fn is_vendor_specific(self) -> bool {
        self.0 >= 0xc0
    }
}

open_enum! {
    /// The opcode of an I/O command of the NVM or the zoned namespace command set.
    pub(crate) struct IoOpcode(u8), "opcode" {
        FLUSH = 0x00, "Flush";
        WRITE = 0x01, "Write";
        READ = 0x02, "Read";
        WRITE_UNCORRECTABLE = 0x04, "Write Uncorrectable";
        COMPARE = 0x05, "Compare";
        WRITE_ZEROES = 0x08, "Write Zeroes";
        DATASET_MANAGEMENT = 0x09, "Dataset Management";
        VERIFY = 0x0c, "Verify";
        RESERVATION_REGISTER = 0x0d, "Reservation Register";
        RESERVATION_REPORT = 0x0e, "Reservation Report";
        RESERVATION_ACQUIRE = 0x11, "Reservation Acquire";
        IO_MANAGEMENT_RECEIVE = 0x12, "I/O Management Receive";
        RESERVATION_RELEASE = 0x15, "Reservation Release";
        COPY = 0x19, "Copy";
        IO_MANAGEMENT_SEND = 0x1d, "I/O Management Send";
        ZONE_MANAGEMENT_SEND = 0x79, "Zone Management Send";
        ZONE_MANAGEMENT_RECEIVE = 0x7a, "Zone Management Receive";
        ZONE_APPEND = 0x7d, "Zone Append";
    }
}

impl IoOpcode {
    /// Which way the data goes.
    pub(crate) const fn direction(self) -> Direction {
        Direction::of(self.0)
    }

    /// Whether it is 80h to FFh, vendor specific.
    pub(crate) const fn is_vendor_specific(self) -> bool {
        self.0 >= 0x80
    }
}
