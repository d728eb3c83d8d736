// SPDX-License-Identifier: GPL-2.0

//! What is lent does not reach what may be gone.

use crate::mq::{
    Disk,
    DiskRef,
    Operations,
    RequestQueue, //
};

fn queue_of_a_disk_that_may_be_removed<T: Operations>(disk: &Disk<T>) {
    //= let _ = disk.capacity();
    disk.queue().run_hw_queues(true); //~ E0599
}

fn queue_of_a_disk_that_is_open<T: Operations>(disk: &DiskRef<'_, T>) {
    //= let _ = disk.start();
    disk.queue().run_hw_queues(true); //~ E0599
}

fn frozen_beyond_the_queue<T: Operations>(queue: &RequestQueue<T>) {
    fn keep<T: Operations>(_: crate::mq::FrozenQueue<'static, T>) {}
    fn thaw<T: Operations>(_: crate::mq::FrozenQueue<'_, T>) {}
    //= thaw(queue.freeze());
    keep(queue.freeze()); //~ E0521
}
