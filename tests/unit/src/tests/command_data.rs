// SPDX-License-Identifier: GPL-2.0

//! What a request carries privately, in a few bytes.

use proptest::prelude::*;

use super::runner::check;
use crate::nvme::{
    command_data::CommandData,
    spec::{
        command::Command,
        completion::Completion,
        ids::Nsid,
        status::Status, //
    },
};

/// `struct request` of the stock kernel has 272 bytes, so that 48 more end with a cache line.
#[test]
fn fits_into_five_cache_lines() {
    assert!(size_of::<CommandData>() <= CommandData::SIZE);
    assert_eq!((272 + CommandData::SIZE) % 64, 0);
    assert!(align_of::<CommandData>() <= 8);
}

fn completion(result: u64, status: u16) -> Completion {
    Completion {
        result,
        status: Status::from_field(status),
    }
}

#[test]
fn of_the_block_layer() {
    let mut data = CommandData::default();
    assert_eq!(data.command(), None);
    assert_eq!(data.completion(), None);
    assert_eq!(data.status(), Status::SUCCESS);
    assert_eq!(data.retries, 0);
    let status = Status::from_field(0x2085);
    data.set_status(status);
    assert_eq!(data.status(), status);
    assert_eq!(data.command(), None);
    // A result is that of a command of our own.
    assert_eq!(data.completion(), None);
}

#[test]
fn a_command_and_its_outcome() {
    check(
        (any::<(u8, u32, u32)>(), any::<(u64, u16, u8)>()),
        |((opcode, nsid, cdw10), (result, status, retries))| {
            let mut command = Command::new(opcode, Nsid::new(nsid));
            command.cdw10 = cdw10;
            command.cdw15 = !cdw10;
            let mut data = CommandData::for_command(command);
            data.as_mut().retries = retries;
            prop_assert_eq!(data.command(), Some(&command));
            prop_assert_eq!(data.completion(), None);
            prop_assert_eq!(data.status(), Status::SUCCESS);
            let completion = completion(result, status);
            data.set_completion(completion);
            prop_assert_eq!(data.completion(), Some(completion));
            prop_assert_eq!(data.status(), completion.status);
            prop_assert_eq!(data.command(), None);
            prop_assert_eq!(data.retries, retries);
            Ok(())
        },
    );
}
