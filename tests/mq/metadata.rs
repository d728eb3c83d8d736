// SPDX-License-Identifier: GPL-2.0

//! Metadata: bytes that each block has beside its data, kept and returned.

#![forbid(unsafe_code)]

use crate::{
    mq::{
        BlockSize,
        RequestInfo, //
    },
    operations::Ram,
};
use kernel::{
    prelude::*,
    sync::{
        new_spinlock,
        SpinLock, //
    },
};

/// What a block has that was never written, or was cleared: a protection tuple of all ones
/// says that there is nothing to verify.
const NOTHING: u8 = 0xff;

/// The metadata of a disk.
pub(crate) struct Metadata {
    block: BlockSize,
    per_block: usize,
    bytes: Pin<KBox<SpinLock<KVVec<u8>>>>,
}

impl Metadata {
    /// Metadata of `per_block` bytes for each block of a disk of `size` bytes. May sleep.
    pub(crate) fn new(size: u64, block: BlockSize, per_block: u8) -> Result<Self> {
        let per_block = usize::from(per_block);
        let blocks = usize::try_from(size >> block.shift())?;
        let len = blocks.checked_mul(per_block).ok_or(EINVAL)?;
        let bytes = KVVec::from_elem(NOTHING, len, GFP_KERNEL)?;
        Ok(Self {
            block,
            per_block,
            bytes: KBox::pin_init(new_spinlock!(bytes), GFP_KERNEL)?,
        })
    }

    /// Where the metadata of what begins at this byte of the disk are.
    fn place(&self, offset: u64) -> Option<usize> {
        let block = usize::try_from(offset >> self.block.shift()).ok()?;
        block.checked_mul(self.per_block)
    }

    /// Copies the metadata of a request to or from what is kept from `offset` on, in bytes
    /// of the disk. False if they are not those of blocks that there are.
    pub(crate) fn copy(&self, rq: &RequestInfo<Ram>, offset: u64) -> bool {
        let Some(mut at) = self.place(offset) else {
            return false;
        };
        let mut bytes = self.bytes.lock();
        for segment in rq.integrity_segments() {
            let end = at.saturating_add(segment.len());
            let Some(kept) = bytes.get_mut(at..end) else {
                return false;
            };
            let copied = if rq.is_write() {
                segment.read(kept)
            } else {
                segment.write(kept)
            };
            if copied.is_err() {
                return false;
            }
            at = end;
        }
        true
    }

    /// Forgets the metadata of `len` bytes of the disk, from `offset` on.
    pub(crate) fn clear(&self, offset: u64, len: u64) {
        self.fill(offset, len, NOTHING);
    }

    /// Spoils them: zeroes are a wrong guard of nearly all data.
    pub(crate) fn spoil(&self, offset: u64, len: u64) {
        self.fill(offset, len, 0);
    }

    fn fill(&self, offset: u64, len: u64, byte: u8) {
        let end = offset.saturating_add(len);
        if let Some((at, end)) = self.place(offset).zip(self.place(end)) {
            if let Some(kept) = self.bytes.lock().get_mut(at..end) {
                kept.fill(byte);
            }
        }
    }
}
