// SPDX-License-Identifier: GPL-2.0

//! The NVMe driver, without a line of unsafe code.
//!
//! | file | what |
//! |---|---|
//! | [`spec`] | the specification as types, pure |
//! | [`driver`] | the PCI driver: probe, remove, shutdown, sleep, errors of the link |
//! | [`controller`] | a controller |
//! | [`bring_up`] | its life: up to its disks |
//! | [`reset`] | its life: once more |
//! | [`pause`] | its life: quiet for a while |
//! | [`removal`] | its life: the end |
//! | [`state`] | the states of a controller |
//! | [`registers`] | controller properties, and bounded waits for them |
//! | [`cursor`] | a position in a ring, pure |
//! | [`ring`] | submission and completion queues in memory |
//! | [`queue`] | a queue pair: rings, lock, mapper, interrupt handler |
//! | [`command_data`] | what a request carries privately |
//! | [`io`] | the data path |
//! | [`peek`] | interrupts that do not come |
//! | [`backlink`] | from what works for a controller back to it |
//! | [`abort`] | commands that are asked back |
//! | [`events`] | asynchronous events |
//! | [`event_table`] | the requests for them, pure |
//! | [`admin`] | the admin queue and its commands |
//! | [`hardware`] | what is acquired of the device; its I/O queues; taking all of it back |
//! | [`namespace`] | namespaces as disks |
//! | [`scan`] | which namespaces there are, and what has changed |
//! | [`ioctl`] | commands of users, and who may send them |
//! | [`sysfs`] | attributes |
//! | [`journal`] | what happened to a controller |
//! | [`recent`], [`tally`] | last events and counts by kind, pure |
//! | [`fault`] | faults on demand, in modules that are built for it |
//! | [`positions`] | where both sides of a queue are, for people |
//! | [`debugfs`] | what is shown of the inside |
#![forbid(unsafe_code)]

mod abort;
pub(crate) mod admin;
mod backlink;
mod bring_up;
pub(crate) mod command_data;
pub(crate) mod controller;
pub(crate) mod cursor;
pub(crate) mod debugfs;
pub(crate) mod driver;
mod event_table;
mod events;
#[cfg_attr(not(CONFIG_RNVME_FAULT_INJECTION), path = "fault_none.rs")]
pub(crate) mod fault;
pub(crate) mod hardware;
pub(crate) mod io;
pub(crate) mod ioctl;
mod journal;
pub(crate) mod namespace;
pub(crate) mod pause;
pub(crate) mod peek;
mod positions;
pub(crate) mod queue;
mod recent;
pub(crate) mod registers;
mod removal;
pub(crate) mod reset;
pub(crate) mod ring;
mod scan;
pub(crate) mod spec;
pub(crate) mod state;
pub(crate) mod sysfs;
mod tally;
