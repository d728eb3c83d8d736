// SPDX-License-Identifier: GPL-2.0

//! Stands for `kernel::prelude`.

use core::{
    num::TryFromIntError,
    ops::Deref,
    slice, //
};

/// An error of the kernel; there is no difference between them here.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Error;

/// No such device.
pub(crate) const ENODEV: Error = Error;

/// Invalid argument.
pub(crate) const EINVAL: Error = Error;

impl From<TryFromIntError> for Error {
    fn from(_: TryFromIntError) -> Self {
        Self
    }
}

pub(crate) type Result<T = (), E = Error> = core::result::Result<T, E>;

/// How to allocate.
pub(crate) struct Flags;

/// May sleep.
pub(crate) const GFP_KERNEL: Flags = Flags;

/// A vector that tells if there is no memory, which does not happen here.
pub(crate) struct KVVec<T>(Vec<T>);

impl<T> KVVec<T> {
    pub(crate) fn with_capacity(capacity: usize, _flags: Flags) -> Result<Self> {
        Ok(Self(Vec::with_capacity(capacity)))
    }

    pub(crate) fn push(&mut self, value: T, _flags: Flags) -> Result {
        self.0.push(value);
        Ok(())
    }
}

impl<T> Deref for KVVec<T> {
    type Target = [T];

    fn deref(&self) -> &[T] {
        &self.0
    }
}

impl<'a, T> IntoIterator for &'a KVVec<T> {
    type Item = &'a T;
    type IntoIter = slice::Iter<'a, T>;

    fn into_iter(self) -> Self::IntoIter {
        self.0.iter()
    }
}
