// SPDX-License-Identifier: GPL-2.0

//! Features and their values.
//!
//! NVM Express Base Specification 2.0c, 5.27.1; NVM Command Set Specification 1.0c, 4.1.3.

use super::bits::{
    bit,
    field,
    open_enum, //
};

open_enum! {
    /// FID, feature identifier.
    pub(crate) struct FeatureId(u8), "feature" {
        ARBITRATION = 0x01, "Arbitration";
        POWER_MANAGEMENT = 0x02, "Power Management";
        LBA_RANGE_TYPE = 0x03, "LBA Range Type";
        TEMPERATURE_THRESHOLD = 0x04, "Temperature Threshold";
        ERROR_RECOVERY = 0x05, "Error Recovery";
        VOLATILE_WRITE_CACHE = 0x06, "Volatile Write Cache";
        NUMBER_OF_QUEUES = 0x07, "Number of Queues";
        INTERRUPT_COALESCING = 0x08, "Interrupt Coalescing";
        INTERRUPT_VECTOR = 0x09, "Interrupt Vector Configuration";
        WRITE_ATOMICITY = 0x0a, "Write Atomicity Normal";
        ASYNC_EVENTS = 0x0b, "Asynchronous Event Configuration";
        AUTONOMOUS_POWER = 0x0c, "Autonomous Power State Transition";
        HOST_MEMORY_BUFFER = 0x0d, "Host Memory Buffer";
        TIMESTAMP = 0x0e, "Timestamp";
        KEEP_ALIVE = 0x0f, "Keep Alive Timer";
        THERMAL_MANAGEMENT = 0x10, "Host Controlled Thermal Management";
        NON_OPERATIONAL_POWER = 0x11, "Non-Operational Power State Config";
        READ_RECOVERY_LEVEL = 0x12, "Read Recovery Level Config";
        PREDICTABLE_LATENCY = 0x13, "Predictable Latency Mode Config";
        PREDICTABLE_LATENCY_WINDOW = 0x14, "Predictable Latency Mode Window";
        LBA_STATUS_ATTRIBUTES = 0x15, "LBA Status Information Attributes";
        HOST_BEHAVIOR = 0x16, "Host Behavior Support";
        SANITIZE = 0x17, "Sanitize Config";
        ENDURANCE_GROUP_EVENTS = 0x18, "Endurance Group Event Configuration";
        IO_COMMAND_SET_PROFILE = 0x19, "I/O Command Set Profile";
        SPINUP_CONTROL = 0x1a, "Spinup Control";
        ENHANCED_CONTROLLER_METADATA = 0x7d, "Enhanced Controller Metadata";
        CONTROLLER_METADATA = 0x7e, "Controller Metadata";
        NAMESPACE_METADATA = 0x7f, "Namespace Metadata";
        SOFTWARE_PROGRESS = 0x80, "Software Progress Marker";
        HOST_IDENTIFIER = 0x81, "Host Identifier";
        RESERVATION_MASK = 0x82, "Reservation Notification Mask";
        RESERVATION_PERSISTENCE = 0x83, "Reservation Persistence";
        NS_WRITE_PROTECTION = 0x84, "Namespace Write Protection Config";
    }
}

/// SEL: which value Get Features returns. All but `Current` need ONCS bit 4.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(crate) enum Select {
    /// 000b: the value in force.
    Current = 0,
    /// 001b: the default value.
    Default = 1,
    /// 010b: the saved value.
    Saved = 2,
    /// 011b: what can be done to the feature.
    Capabilities = 3,
}

/// Number of Queues, FID 07h: so many I/O submission and completion queues.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(crate) struct QueueCounts {
    /// I/O submission queues, 1 to 65,535.
    pub(crate) submission: u32,
    /// I/O completion queues, 1 to 65,535.
    pub(crate) completion: u32,
}

impl QueueCounts {
    /// Both fields are 0's based, and FFFFh is not allowed.
    const MAX: u32 = 0xffff;

    /// As many pairs; numbers out of range become the nearest one that is allowed.
    pub(crate) fn pairs(count: u32) -> Self {
        let count = count.clamp(1, Self::MAX);
        Self {
            submission: count,
            completion: count,
        }
    }

    /// The value for Set Features: NSQR, bits 15:0; NCQR, bits 31:16.
    pub(crate) fn to_dword(self) -> u32 {
        let zero_based = |count: u32| count.clamp(1, Self::MAX) - 1;
        zero_based(self.completion) << 16 | zero_based(self.submission)
    }

    /// From DW0 of the completion: NSQA, bits 15:0; NCQA, bits 31:16.
    ///
    /// A controller may grant fewer than were asked for, or more.
    pub(crate) fn from_dword(dword: u32) -> Self {
        Self {
            submission: field(u64::from(dword), 15, 0) as u32 + 1,
            completion: field(u64::from(dword), 31, 16) as u32 + 1,
        }
    }

    /// How many pairs of a submission and a completion queue these are.
    pub(crate) fn usable_pairs(self) -> u32 {
        self.submission.min(self.completion)
    }
}

/// Volatile Write Cache, FID 06h: bit 0, WCE, the cache is on.
pub(crate) const fn write_cache_enabled(dword: u32) -> bool {
    bit(dword as u64, 0)
}

/// Asynchronous Event Configuration, FID 0Bh: which events are reported.
///
/// Bits 7:0 are SMART warnings as in
/// [`SmartLog::critical_warning`](super::log::SmartLog::critical_warning). The others need the
/// same bit of OAES.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(crate) struct AsyncEvents(pub(crate) u32);

impl AsyncEvents {
    /// Bits 4:0: all SMART warnings of a drive without a persistent memory region.
    pub(crate) const SMART: Self = Self(0x1f);
    /// Bit 8: namespace attributes have changed.
    pub(crate) const NAMESPACE_ATTRIBUTES: Self = Self(1 << 8);
    /// Bit 9: firmware activation starts.
    pub(crate) const FIRMWARE_ACTIVATION: Self = Self(1 << 9);
    /// Bit 11: asymmetric namespace access has changed.
    pub(crate) const ANA_CHANGE: Self = Self(1 << 11);

    /// Both.
    pub(crate) const fn or(self, other: Self) -> Self {
        Self(self.0 | other.0)
    }

    /// Those that OAES has, and the SMART warnings, which need no support.
    pub(crate) const fn supported_by(self, oaes: u32) -> Self {
        Self(self.0 & (oaes | 0xff))
    }
}
