// SPDX-License-Identifier: GPL-2.0

//! The tests, a file for each file that they test.

// A test that panics has failed, and says where.
#![allow(
    clippy::expect_used,
    clippy::indexing_slicing,
    clippy::panic,
    clippy::unwrap_used
)]

mod admin;
mod cid;
mod command_data;
mod completion;
mod cursor;
mod data_len;
mod event_table;
mod identify;
mod io;
mod layout;
mod limits;
mod log;
mod pool;
mod prp;
mod queue_limits;
mod recent;
mod registers;
mod regs;
mod ring;
mod runner;
mod slot;
mod slots;
mod state;
mod status;
mod tally;
