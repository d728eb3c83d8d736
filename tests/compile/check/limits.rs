// SPDX-License-Identifier: GPL-2.0

//! A size that has to be a power of two is of a type that is nothing else.

use crate::mq::{
    BlockSize,
    PowerOfTwo,
    QueueLimits, //
};

fn block_size_from_integer(limits: QueueLimits, size: BlockSize) -> QueueLimits {
    //= limits.block_size(size)
    limits.block_size(4096) //~ E0308
}

fn block_size_by_hand(size: PowerOfTwo) -> BlockSize {
    //= BlockSize::SECTOR
    BlockSize(size) //~ E0423
}

fn boundary_from_integer(boundary: PowerOfTwo) -> QueueLimits {
    //= QueueLimits::transfer(1 << 17, 32, Some(boundary))
    QueueLimits::transfer(1 << 17, 32, Some(4096)) //~ E0308
}
