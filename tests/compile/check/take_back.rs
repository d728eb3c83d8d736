// SPDX-License-Identifier: GPL-2.0

//! What the device may reach comes back for a completion or for a proof, and for nothing else.

use core::{
    marker::PhantomData,
    ptr::NonNull, //
};

use crate::{
    bindings,
    dma::DmaStopped,
    mq::{
        BlkStatus,
        Cid,
        Completed,
        Expired,
        Operations,
        Queue,
        Request,
        Slots, //
    },
    nvme::ring::Entry,
    pci::Lease, //
};
use kernel::prelude::*;

fn by_its_identifier<T: Operations>(slots: &Slots<T>, cid: Cid, completion: &T::Completion<'_>) {
    //= let rq = slots.take(completion);
    let rq = slots.take(&cid); //~ E0308
}

fn without_proof<T: Operations>(queue: &Queue<T>, stopped: &T::DmaStopped) -> Result {
    //= queue.drain(stopped, |rq| rq.end(BlkStatus::IoError))
    queue.drain(&(), |rq| rq.end(BlkStatus::IoError)) //~ E0308
}

fn past_the_proof<T: Operations>(slots: &Slots<T>) {
    //= let _ = slots.is_empty();
    slots.drain(|rq| rq.end(BlkStatus::IoError)); //~ E0624
}

fn with_a_proof_made_up(stopped: DmaStopped, function: Lease) -> (DmaStopped, Option<Lease>) {
    //= (stopped, Some(function))
    (DmaStopped(function), None) //~ E0423
}

fn with_another_identifier<'a>(mut entry: Entry<'a>, other: Entry<'_>) -> Entry<'a> {
    //=
    entry.tail = other.tail; //~ E0616
    entry
}

fn by_its_address<T: Operations>(rq: NonNull<bindings::request>, other: Request<T>) -> Request<T> {
    //= other
    Request(rq, PhantomData) //~ E0423
}

fn by_the_way_of_c<T: Operations>(other: Completed<T>) {
    //= let from_raw = other;
    let from_raw = Completed::<T>::from_raw; //~ E0624
}

fn when_its_time_is_over<T: Operations>(rq: Expired<'_, T>) {
    //= let _ = rq.tag();
    rq.end(BlkStatus::Timeout); //~ E0599
}

fn expired_kept_beyond_timeout<T: Operations>(rq: Expired<'_, T>) {
    fn keep<T: Operations>(_: Expired<'static, T>) {}
    fn look<T: Operations>(_: Expired<'_, T>) {}
    //= look(rq);
    keep(rq); //~ E0521
}

fn expired_kept_by_who_was_told<'a, T: Operations>(
    kept: &mut Option<Expired<'a, T>>,
    of_another_call: Expired<'a, T>,
    rq: Expired<'_, T>,
) {
    //= *kept = Some(of_another_call);
    *kept = Some(rq); //~ E0621
}
