// SPDX-License-Identifier: GPL-2.0

//! A command before it has memory and an identifier.
//!
//! NVM Express Base Specification 2.0c, 3.3.3.1. What a command says is independent of where its
//! data lies and of which slot it occupies: those are added by [`Sqe::from_command`].
//!
//! [`Sqe::from_command`]: super::sqe::Sqe::from_command

use core::{
    marker::PhantomData,
    mem, //
};

use super::ids::Nsid;

/// The parts of a submission queue entry that say what to do.
///
/// There is no data pointer in it, no command identifier and no flags. FUSE is 00b, since the
/// driver sends no fused commands, and PSDT depends on the data pointer. Values are in the
/// processor's byte order.
///
/// It is 40 bytes long, as much as a request has private memory for.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
#[repr(C)]
pub(crate) struct Command {
    /// OPC, an [`AdminOpcode`](super::opcode::AdminOpcode) or an
    /// [`IoOpcode`](super::opcode::IoOpcode).
    pub(crate) opcode: u8,
    pub(super) _reserved: [u8; 3],
    /// NSID.
    pub(crate) nsid: Nsid,
    /// Command dword 2.
    pub(crate) cdw2: u32,
    /// Command dword 3.
    pub(crate) cdw3: u32,
    /// Command dword 10.
    pub(crate) cdw10: u32,
    /// Command dword 11.
    pub(crate) cdw11: u32,
    /// Command dword 12.
    pub(crate) cdw12: u32,
    /// Command dword 13.
    pub(crate) cdw13: u32,
    /// Command dword 14.
    pub(crate) cdw14: u32,
    /// Command dword 15.
    pub(crate) cdw15: u32,
}

const _: () = assert!(mem::size_of::<Command>() == 40);

impl Command {
    /// A command of which nothing but the opcode and the namespace is set yet.
    #[inline(always)] // Stores of constants, which the caller overwrites or keeps in registers.
    pub(crate) const fn new(opcode: u8, nsid: Nsid) -> Self {
        Self {
            opcode,
            _reserved: [0; 3],
            nsid,
            cdw2: 0,
            cdw3: 0,
            cdw10: 0,
            cdw11: 0,
            cdw12: 0,
            cdw13: 0,
            cdw14: 0,
            cdw15: 0,
        }
    }
}

/// A command whose data is a `T` that the controller sends.
///
/// The type says how long the buffer has to be, so that the two cannot disagree.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Query<T> {
    command: Command,
    reply: PhantomData<fn() -> T>,
}

impl<T> Query<T> {
    /// The length of the data in bytes.
    pub(crate) const LEN: usize = mem::size_of::<T>();

    /// Declares that the controller answers `command` with [`Self::LEN`] bytes, which are a `T`.
    pub(super) const fn new(command: Command) -> Self {
        Self {
            command,
            reply: PhantomData,
        }
    }

    /// The command.
    pub(crate) const fn command(&self) -> &Command {
        &self.command
    }
}
