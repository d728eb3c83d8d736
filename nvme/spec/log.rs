// SPDX-License-Identifier: GPL-2.0

//! Log pages.
//!
//! NVM Express Base Specification 2.0c, 5.16.1.

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
        field,
        open_enum, //
    },
    identify::Text,
    status::Status, //
};

open_enum! {
    /// LID, log page identifier.
    pub(crate) struct LogId(u8), "log page" {
        SUPPORTED = 0x00, "Supported Log Pages";
        ERROR = 0x01, "Error Information";
        SMART = 0x02, "SMART / Health Information";
        FIRMWARE_SLOT = 0x03, "Firmware Slot Information";
        CHANGED_NS_LIST = 0x04, "Changed Namespace List";
        COMMAND_EFFECTS = 0x05, "Commands Supported and Effects";
        SELF_TEST = 0x06, "Device Self-test";
        TELEMETRY_HOST = 0x07, "Telemetry Host-Initiated";
        TELEMETRY_CONTROLLER = 0x08, "Telemetry Controller-Initiated";
        ENDURANCE_GROUP = 0x09, "Endurance Group Information";
        PREDICTABLE_LATENCY_SET = 0x0a, "Predictable Latency Per NVM Set";
        PREDICTABLE_LATENCY_EVENTS = 0x0b, "Predictable Latency Event Aggregate";
        ANA = 0x0c, "Asymmetric Namespace Access";
        PERSISTENT_EVENTS = 0x0d, "Persistent Event Log";
        LBA_STATUS = 0x0e, "LBA Status Information";
        ENDURANCE_GROUP_EVENTS = 0x0f, "Endurance Group Event Aggregate";
        MEDIA_UNIT_STATUS = 0x10, "Media Unit Status";
        CAPACITY_CONFIGURATIONS = 0x11, "Supported Capacity Configuration List";
        FEATURE_EFFECTS = 0x12, "Feature Identifiers Supported and Effects";
        MI_EFFECTS = 0x13, "NVMe-MI Commands Supported and Effects";
        LOCKDOWN = 0x14, "Command and Feature Lockdown";
        BOOT_PARTITION = 0x15, "Boot Partition";
        ROTATIONAL_MEDIA = 0x16, "Rotational Media Information";
        DISCOVERY = 0x70, "Discovery";
        RESERVATION_NOTIFICATION = 0x80, "Reservation Notification";
        SANITIZE = 0x81, "Sanitize Status";
        CHANGED_ZONE_LIST = 0xbf, "Changed Zone List";
    }
}

/// An entry of the Error Information log, LID 01h (Base 5.16.1.2).
#[derive(Clone, Copy, FromBytes, IntoBytes, Immutable, KnownLayout)]
#[repr(C)]
pub(crate) struct ErrorEntry {
    /// Error count, ever increasing; 0: the entry is not used.
    pub(crate) error_count: U64,
    /// SQID of the command; FFFFh if it was no command.
    pub(crate) sqid: U16,
    /// CID of the command; FFFFh if it was no command.
    pub(crate) cid: U16,
    /// Status of the command with the phase tag, [`Self::status`].
    pub(crate) status_field: U16,
    /// Where in the command the error is: byte 7:0, bit 10:8; FFFFh if nowhere.
    pub(crate) parameter_error_location: U16,
    /// The first logical block that had the error.
    pub(crate) lba: U64,
    /// The namespace.
    pub(crate) nsid: U32,
    /// A vendor specific log page that has more.
    pub(crate) vendor_info: u8,
    /// TRTYPE, transport type.
    pub(crate) trtype: u8,
    _reserved30: [u8; 2],
    /// Command specific information.
    pub(crate) command_info: U64,
    /// Transport type specific information.
    pub(crate) transport_info: U16,
    _reserved42: [u8; 22],
}

assert_layout!(
    ErrorEntry, 64,
    sqid @ 8, status_field @ 12, lba @ 16, nsid @ 24, command_info @ 32, transport_info @ 40,
);

impl ErrorEntry {
    /// The status of the command.
    pub(crate) fn status(&self) -> Status {
        Status::from_field(self.status_field.get() >> 1)
    }
}

/// SMART / Health Information, LID 02h (Base 5.16.1.3).
#[derive(Clone, Copy, FromBytes, IntoBytes, Immutable, KnownLayout)]
#[repr(C)]
pub(crate) struct SmartLog {
    /// Critical warning. Bit 0: spare capacity; 1: temperature; 2: reliability; 3: read only;
    /// 4: backup of volatile memory; 5: persistent memory region.
    pub(crate) critical_warning: u8,
    /// Composite temperature in kelvins.
    pub(crate) temperature: U16,
    /// Available spare in percent.
    pub(crate) available_spare: u8,
    /// Available spare threshold in percent.
    pub(crate) spare_threshold: u8,
    /// Percentage used of the device's life; may exceed 100.
    pub(crate) percentage_used: u8,
    /// Endurance group critical warning summary.
    pub(crate) endurance_warning: u8,
    _reserved7: [u8; 25],
    /// Data units read, of 512,000 bytes each, rounded up.
    pub(crate) data_units_read: U128,
    /// Data units written, of 512,000 bytes each, rounded up.
    pub(crate) data_units_written: U128,
    /// Read commands (SMART host reads).
    pub(crate) host_reads: U128,
    /// Write commands (SMART host writes).
    pub(crate) host_writes: U128,
    /// Controller busy time in minutes.
    pub(crate) busy_time: U128,
    /// Power cycles.
    pub(crate) power_cycles: U128,
    /// Power on hours.
    pub(crate) power_on_hours: U128,
    /// Unsafe shutdowns.
    pub(crate) unsafe_shutdowns: U128,
    /// Media and data integrity errors.
    pub(crate) media_errors: U128,
    /// Number of error information log entries over the device's life.
    pub(crate) error_log_entries: U128,
    /// Time above the warning temperature in minutes.
    pub(crate) warning_temperature_time: U32,
    /// Time above the critical temperature in minutes.
    pub(crate) critical_temperature_time: U32,
    /// Temperature sensors 1 to 8 in kelvins; 0: not there.
    pub(crate) temperature_sensor: [U16; 8],
    /// Transitions to thermal management temperatures 1 and 2.
    pub(crate) thermal_transitions: [U32; 2],
    /// Total time of thermal management temperatures 1 and 2 in seconds.
    pub(crate) thermal_time: [U32; 2],
    _reserved232: [u8; 280],
}

assert_layout!(
    SmartLog, 512,
    temperature @ 1, data_units_read @ 32, error_log_entries @ 176,
    warning_temperature_time @ 192, temperature_sensor @ 200, thermal_time @ 224,
);

/// Firmware Slot Information, LID 03h (Base 5.16.1.4).
#[derive(Clone, Copy, FromBytes, IntoBytes, Immutable, KnownLayout)]
#[repr(C)]
pub(crate) struct FirmwareSlotLog {
    /// AFI: active firmware, [`Self::active_slot`] and [`Self::next_slot`].
    pub(crate) afi: u8,
    _reserved1: [u8; 7],
    /// FRS1 to FRS7: firmware revisions; all zeroes: the slot is empty.
    pub(crate) frs: [[u8; 8]; 7],
    _reserved64: [u8; 448],
}

assert_layout!(FirmwareSlotLog, 512, afi @ 0, frs @ 8);

impl FirmwareSlotLog {
    /// AFI bits 2:0: the slot that the running firmware came from, 1 to 7.
    pub(crate) fn active_slot(&self) -> u8 {
        field(u64::from(self.afi), 2, 0) as u8
    }

    /// AFI bits 6:4: the slot that is going to be used after the next reset, if it is said.
    pub(crate) fn next_slot(&self) -> Option<u8> {
        match field(u64::from(self.afi), 6, 4) as u8 {
            0 => None,
            slot => Some(slot),
        }
    }

    /// The firmware in slot `slot`, 1 to 7; `None` for other numbers and for an empty slot.
    pub(crate) fn revision(&self, slot: u8) -> Option<Text<'_>> {
        let frs = self.frs.get(usize::from(slot).checked_sub(1)?)?;
        (*frs != [0; 8]).then(|| Text::new(frs))
    }
}

/// Changed Namespace List, LID 04h (Base 5.16.1.5): like a namespace list.
///
/// A list that is too long has FFFFFFFFh as its only entry.
#[derive(Clone, Copy, FromBytes, IntoBytes, Immutable, KnownLayout)]
#[repr(C)]
pub(crate) struct ChangedNsList {
    /// The identifiers, ended by 0h.
    pub(crate) nsid: [U32; 1024],
}

assert_layout!(ChangedNsList, 4096, nsid @ 0);

/// Commands Supported and Effects, LID 05h (Base 5.16.1.6).
#[derive(Clone, Copy, FromBytes, IntoBytes, Immutable, KnownLayout)]
#[repr(C)]
pub(crate) struct EffectsLog {
    /// ACS0 to ACS255: admin commands by opcode.
    pub(crate) admin: [U32; 256],
    /// IOCS0 to IOCS255: I/O commands by opcode.
    pub(crate) io: [U32; 256],
    _reserved2048: [u8; 2048],
}

assert_layout!(EffectsLog, 4096, admin @ 0, io @ 1024);

impl EffectsLog {
    /// The effects of the admin command `opcode`.
    pub(crate) fn of_admin(&self, opcode: u8) -> Effects {
        Effects(self.admin.get(usize::from(opcode)).map_or(0, |e| e.get()))
    }

    /// The effects of the I/O command `opcode`.
    pub(crate) fn of_io(&self, opcode: u8) -> Effects {
        Effects(self.io.get(usize::from(opcode)).map_or(0, |e| e.get()))
    }
}

/// What a command does besides what it is for.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(crate) struct Effects(pub(crate) u32);

impl Effects {
    /// CSUPP, bit 0: the command is supported.
    pub(crate) const fn is_supported(self) -> bool {
        bit(self.0 as u64, 0)
    }

    /// LBCC, bit 1: it may change logical blocks.
    pub(crate) const fn changes_blocks(self) -> bool {
        bit(self.0 as u64, 1)
    }

    /// NCC, bit 2: it may change the capabilities of a namespace.
    pub(crate) const fn changes_namespace(self) -> bool {
        bit(self.0 as u64, 2)
    }

    /// NIC, bit 3: it may change the number of namespaces.
    pub(crate) const fn changes_inventory(self) -> bool {
        bit(self.0 as u64, 3)
    }

    /// CCC, bit 4: it may change the capabilities of the controller.
    pub(crate) const fn changes_controller(self) -> bool {
        bit(self.0 as u64, 4)
    }

    /// CSE, bits 18:16: what may run beside it. 0: anything; 1: nothing on the same namespace; 2:
    /// nothing at all.
    pub(crate) const fn exclusion(self) -> u8 {
        field(self.0 as u64, 18, 16) as u8
    }
}
