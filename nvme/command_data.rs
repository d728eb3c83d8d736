// SPDX-License-Identifier: GPL-2.0

//! What a request carries privately: a command of our own, then its outcome.

use super::spec::{
    command::Command,
    completion::Completion,
    status::Status, //
};

/// What is in a request, in turn.
#[derive(Clone, Copy, Default)]
enum Payload {
    /// The block layer's own request says what to do.
    #[default]
    Block,
    /// A command of the driver or of a user.
    Command(Command),
    /// What the command returned (DW0 and DW1).
    Result([u32; 2]),
}

/// The private data of a request.
///
/// With `struct request` of the stock kernel they fill five cache lines, not eight
/// as in a driver that keeps a whole command there.
#[derive(Clone, Copy, Default)]
pub(crate) struct CommandData {
    payload: Payload,
    status: Outcome,
    /// How often the request was tried again.
    pub(crate) retries: u8,
}

/// The status of a command, once it has one.
#[derive(Clone, Copy)]
struct Outcome(Status);

impl Default for Outcome {
    fn default() -> Self {
        Self(Status::SUCCESS)
    }
}

impl CommandData {
    /// The size that `io.rs` and `admin.rs` promise to the tag set.
    pub(crate) const SIZE: usize = 48;

    /// For a request that carries `command`.
    pub(crate) const fn for_command(command: Command) -> Self {
        Self {
            payload: Payload::Command(command),
            status: Outcome(Status::SUCCESS),
            retries: 0,
        }
    }

    /// The command, until it has completed.
    pub(crate) fn command(&self) -> Option<&Command> {
        match &self.payload {
            Payload::Command(command) => Some(command),
            _ => None,
        }
    }

    /// Keeps the status of a block request.
    #[inline]
    pub(crate) fn set_status(&mut self, status: Status) {
        self.status = Outcome(status);
    }

    /// Keeps what a command of our own returned; it takes the command's place.
    pub(crate) fn set_completion(&mut self, completion: Completion) {
        // CAST: the two halves.
        self.payload =
            Payload::Result([completion.result as u32, (completion.result >> 32) as u32]);
        self.status = Outcome(completion.status);
    }

    /// The status that was kept.
    #[inline]
    pub(crate) fn status(&self) -> Status {
        self.status.0
    }

    /// What the command returned; `None` if it has not completed.
    pub(crate) fn completion(&self) -> Option<Completion> {
        match self.payload {
            Payload::Result([low, high]) => Some(Completion {
                result: u64::from(low) | u64::from(high) << 32,
                status: self.status(),
            }),
            _ => None,
        }
    }
}

impl AsMut<CommandData> for CommandData {
    #[inline]
    fn as_mut(&mut self) -> &mut CommandData {
        self
    }
}

const _: () = assert!(size_of::<CommandData>() <= CommandData::SIZE);
