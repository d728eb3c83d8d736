// SPDX-License-Identifier: GPL-2.0

//! A request is a value that moves: nobody has it after he gave it away.

use crate::mq::{
    BlkStatus,
    Completed,
    CompletionBatch,
    IdleRequest,
    Operations,
    Passthrough,
    Refused,
    Request,
    Slots, //
};

fn idle_ends_twice<T: Operations>(rq: IdleRequest<T>) {
    rq.end(BlkStatus::IoError);
    //=
    rq.end(BlkStatus::IoError); //~ E0382
}

fn started_ends_twice<T: Operations>(rq: Request<T>) {
    rq.end(BlkStatus::IoError);
    //=
    rq.end(BlkStatus::IoError); //~ E0382
}

fn completed_ends_twice<T: Operations>(rq: Completed<T>) {
    rq.end_ok();
    //=
    rq.end_ok(); //~ E0382
}

fn starts_twice<T: Operations>(rq: IdleRequest<T>) {
    rq.start().end(BlkStatus::IoError);
    //=
    rq.start().end(BlkStatus::IoError); //~ E0382
}

fn ends_after_it_was_started<T: Operations>(rq: IdleRequest<T>) -> Request<T> {
    let started = rq.start();
    //=
    rq.end(BlkStatus::IoError); //~ E0382
    started
}

fn ends_in_flight<T: Operations>(slots: &Slots<T>, rq: Request<T>, mapping: T::Mapping) {
    if slots.put(rq, mapping).is_ok() {
        //=
        rq.end(BlkStatus::IoError); //~ E0382
    }
}

fn looked_at_in_flight<T: Operations>(
    slots: &Slots<T>,
    rq: Request<T>,
    mapping: T::Mapping,
) -> u32 {
    let before = rq.len();
    if slots.put(rq, mapping).is_ok() {
        //= return before;
        return rq.len(); //~ E0382
    }
    0
}

fn mapping_kept_in_flight<T: Operations>(
    slots: &Slots<T>,
    rq: Request<T>,
    mapping: T::Mapping,
) -> Option<T::Mapping> {
    if slots.put(rq, mapping).is_ok() {
        //= return None;
        return Some(mapping); //~ E0382
    }
    None
}

fn ends_after_it_was_requeued<T: Operations>(rq: Completed<T>) {
    rq.requeue(0);
    //=
    rq.end_ok(); //~ E0382
}

fn ends_in_the_batch<T: Operations>(rq: Completed<T>, batch: &mut CompletionBatch<'_, T>) {
    rq.complete_batched(batch, false);
    //=
    rq.end_ok(); //~ E0382
}

fn refused_after_it_ended<T: Operations>(rq: IdleRequest<T>) -> Result<(), Refused<T>> {
    rq.end(BlkStatus::IoError);
    //= Ok(())
    Err(rq.refuse_resource()) //~ E0382
}

fn refused_in_flight<T: Operations>(
    slots: &Slots<T>,
    rq: Request<T>,
    mapping: T::Mapping,
) -> Result<(), Refused<T>> {
    if slots.put(rq, mapping).is_ok() {
        //= return Ok(());
        return Err(rq.refuse_resource()); //~ E0382
    }
    Ok(())
}

fn refused_when_completed<T: Operations>(rq: Completed<T>) -> Result<(), Refused<T>> {
    //= Ok(rq.end_ok())
    Err(rq.refuse_resource()) //~ E0599
}

fn data_outlive_the_request<T: Operations<RequestData = u32>>(rq: Completed<T>) -> u32 {
    //= let data = &{ *rq.data() };
    let data = rq.data();
    rq.end_ok(); //~ E0505
    *data
}

fn queue_outlives_the_request<T: Operations>(rq: Completed<T>) -> u32 {
    let queue = rq.queue();
    //=
    rq.end_ok(); //~ E0505
    queue.index()
}

fn copied<T: Operations>(rq: Request<T>) -> (Request<T>, Option<Request<T>>) {
    //= let other = None;
    let other = Some(rq.clone()); //~ E0599
    (rq, other)
}

fn passthrough_runs_twice<T: Operations>(command: Passthrough<'_, T>) {
    let _ = command.execute();
    //=
    let _ = command.execute(); //~ E0382
}
