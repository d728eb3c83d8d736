// SPDX-License-Identifier: GPL-2.0

//! Asynchronous events: what a controller reports of its own accord.
//!
//! NVM Express Base Specification 2.0c, 5.2.1.

use core::fmt;

use super::{
    bits::{
        field,
        open_enum, //
    },
    log::LogId, //
};

open_enum! {
    /// Asynchronous event type.
    pub(crate) struct EventType(u8), "event type" {
        ERROR = 0, "Error";
        SMART = 1, "SMART / Health";
        NOTICE = 2, "Notice";
        IO_COMMAND_SET = 6, "I/O Command Specific";
        VENDOR = 7, "Vendor Specific";
    }
}

/// An event, DW0 of the completion of an Asynchronous Event Request.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(crate) struct AsyncEvent(u32);

impl AsyncEvent {
    /// Error 03h: the controller has failed in a way that does not pass.
    pub(crate) const PERSISTENT_ERROR: (EventType, u8) = (EventType::ERROR, 0x03);
    /// Notice 00h: a namespace, or the list of them, has changed.
    pub(crate) const NAMESPACE_ATTRIBUTES: (EventType, u8) = (EventType::NOTICE, 0x00);

    /// From DW0 of the completion.
    pub(crate) const fn from_dword(dword: u32) -> Self {
        Self(dword)
    }

    /// The dword.
    pub(crate) const fn bits(self) -> u32 {
        self.0
    }

    /// Asynchronous event type, bits 2:0.
    pub(crate) const fn kind(self) -> EventType {
        EventType(field(self.0 as u64, 2, 0) as u8)
    }

    /// Asynchronous event information, bits 15:8: which event of its type it is.
    pub(crate) const fn info(self) -> u8 {
        field(self.0 as u64, 15, 8) as u8
    }

    /// Log page identifier, bits 23:16: the page that has more, and that is to be read before
    /// the controller reports events of this type again.
    pub(crate) const fn log(self) -> LogId {
        LogId(field(self.0 as u64, 23, 16) as u8)
    }

    /// What the event is: its type and which one of these.
    pub(crate) const fn what(self) -> (EventType, u8) {
        (self.kind(), self.info())
    }

    /// The specification's name of [`Self::info`], if this file knows it.
    const fn name(self) -> Option<&'static str> {
        Some(match (self.kind().0, self.info()) {
            (0, 0x00) => "write to an invalid doorbell register",
            (0, 0x01) => "invalid doorbell value",
            (0, 0x02) => "diagnostic failure",
            (0, 0x03) => "persistent internal error",
            (0, 0x04) => "transient internal error",
            (0, 0x05) => "firmware image load error",
            (1, 0x00) => "reliability of the NVM subsystem",
            (1, 0x01) => "temperature threshold",
            (1, 0x02) => "spare below threshold",
            (2, 0x00) => "namespace attributes changed",
            (2, 0x01) => "firmware activation starts",
            (2, 0x02) => "telemetry log changed",
            (2, 0x03) => "asymmetric namespace access changed",
            (2, 0x04) => "predictable latency event log changed",
            (2, 0x05) => "LBA status information alert",
            (2, 0x06) => "endurance group event log changed",
            (2, 0xef) => "zone descriptor changed",
            (6, 0x00) => "reservation log page available",
            (6, 0x01) => "sanitize operation completed",
            (6, 0x02) => "sanitize operation completed with unexpected deallocation",
            _ => return None,
        })
    }
}

impl fmt::Display for AsyncEvent {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self.name() {
            Some(name) => write!(f, "{}, {name}", self.kind()),
            None => write!(f, "{}, information {:#04x}", self.kind(), self.info()),
        }
    }
}
