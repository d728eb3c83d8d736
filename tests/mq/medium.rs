// SPDX-License-Identifier: GPL-2.0

//! Where the data of a disk are: pages, each with a lock of its own.

#![forbid(unsafe_code)]

use crate::mq::{
    Operations,
    RequestInfo, //
};
use kernel::{
    prelude::*,
    sync::{
        new_spinlock,
        SpinLock, //
    },
};

const PAGE: usize = 4096;

/// The bytes of a disk. They are zero at first.
pub(crate) struct Medium {
    pages: KVVec<Pin<KBox<SpinLock<[u8; PAGE]>>>>,
}

impl Medium {
    /// Memory for `size` bytes. May sleep.
    pub(crate) fn new(size: u64) -> Result<Self> {
        let count = usize::try_from(size)?.div_ceil(PAGE);
        let mut pages = KVVec::with_capacity(count, GFP_KERNEL)?;
        for _ in 0..count {
            let page = KBox::pin_init(new_spinlock!([0; PAGE]), GFP_KERNEL)?;
            pages.push(page, GFP_KERNEL)?;
        }
        Ok(Self { pages })
    }

    /// Copies the data of a request from what is kept from `at` on, or to it. True if all
    /// of it exists. Must not be called in interrupts.
    pub(crate) fn transfer<T: Operations>(&self, rq: &RequestInfo<T>, at: u64) -> bool {
        let mut data = rq.data_cursor();
        let is_write = rq.is_write();
        self.for_each_page(at, u64::from(rq.len()), |bytes| {
            let copied = if is_write {
                data.read(bytes)
            } else {
                data.write(bytes)
            };
            copied == bytes.len()
        })
    }

    /// Shows `f` the bytes from `offset` on, `len` of them, page by page, until it says
    /// false. True if it never did, and all of the bytes exist. Must not be called in
    /// interrupts; `f` must not sleep.
    pub(crate) fn for_each_page(
        &self,
        offset: u64,
        len: u64,
        mut f: impl FnMut(&mut [u8]) -> bool,
    ) -> bool {
        let (Ok(mut at), Ok(mut left)) = (usize::try_from(offset), usize::try_from(len)) else {
            return false;
        };
        while left != 0 {
            let first = at % PAGE;
            let here = left.min(PAGE.wrapping_sub(first));
            let Some(page) = self.pages.get(at / PAGE) else {
                return false;
            };
            let mut bytes = page.lock();
            let Some(bytes) = bytes.get_mut(first..first.wrapping_add(here)) else {
                return false;
            };
            if !f(bytes) {
                return false;
            }
            at = at.wrapping_add(here);
            left = left.wrapping_sub(here);
        }
        true
    }
}
