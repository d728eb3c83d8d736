// SPDX-License-Identifier: GPL-2.0

//! How a request ended, as the block layer says it.

use crate::bindings;
use kernel::prelude::*;

/// The status of a request (`blk_status_t`).
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[repr(u8)]
pub(crate) enum BlkStatus {
    /// Success.
    Ok = bindings::BLK_STS_OK,
    /// The operation is not supported (`EOPNOTSUPP`).
    NotSupported = bindings::BLK_STS_NOTSUPP,
    /// The device did not answer in time (`ETIMEDOUT`).
    Timeout = bindings::BLK_STS_TIMEOUT,
    /// No space left on the device (`ENOSPC`).
    NoSpace = bindings::BLK_STS_NOSPC,
    /// A recoverable error between host and device (`ENOLINK`).
    Transport = bindings::BLK_STS_TRANSPORT,
    /// The device refused the command (`EREMOTEIO`).
    Target = bindings::BLK_STS_TARGET,
    /// A reservation of another host is in the way (`EBADE`).
    ReservationConflict = bindings::BLK_STS_RESV_CONFLICT,
    /// The medium is at fault (`ENODATA`).
    Medium = bindings::BLK_STS_MEDIUM,
    /// A protection information check failed (`EILSEQ`).
    Protection = bindings::BLK_STS_PROTECTION,
    /// Any other error (`EIO`).
    IoError = bindings::BLK_STS_IOERR,
    /// Too many open zones (`ETOOMANYREFS`).
    ZoneOpenResource = bindings::BLK_STS_ZONE_OPEN_RESOURCE,
    /// Too many active zones (`EOVERFLOW`).
    ZoneActiveResource = bindings::BLK_STS_ZONE_ACTIVE_RESOURCE,
    /// The device is not there any more (`ENODEV`).
    Offline = bindings::BLK_STS_OFFLINE,
    /// The request itself is wrong (`EINVAL`).
    Invalid = bindings::BLK_STS_INVAL,
}

impl BlkStatus {
    /// The value that C knows.
    #[inline]
    pub(super) const fn as_raw(self) -> bindings::blk_status_t {
        // CAST: the discriminants are the C values.
        self as bindings::blk_status_t
    }
}

/// The error number that belongs to a status that C gave us.
pub(super) fn status_to_result(status: bindings::blk_status_t) -> Result {
    // SAFETY: the function reads a table and checks its index.
    kernel::error::to_result(unsafe { bindings::blk_status_to_errno(status) })
}

/// How far blk-mq has got with a request (`enum mq_rq_state`).
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum RequestState {
    /// Not started.
    Idle,
    /// Started, and not yet completed.
    InFlight,
    /// Completed, and about to end.
    Complete,
}

impl RequestState {
    /// What C says.
    pub(super) const fn from_raw(state: bindings::mq_rq_state) -> Self {
        match state {
            bindings::mq_rq_state_MQ_RQ_IDLE => Self::Idle,
            bindings::mq_rq_state_MQ_RQ_IN_FLIGHT => Self::InFlight,
            _ => Self::Complete,
        }
    }
}
