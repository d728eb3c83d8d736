// SPDX-License-Identifier: GPL-2.0

//! The data of commands, in bytes.

use crate::nvme::spec::{
    admin,
    command::Command,
    data_len::{
        of_admin,
        of_io, //
    },
    ids::Nsid,
    io,
    lba::LbaSize,
};

fn command(opcode: u8) -> Command {
    Command::new(opcode, Nsid::new(1))
}

/// What our own commands ask for is what is computed of their fields.
#[test]
fn of_queries() {
    assert_eq!(of_admin(admin::identify_ctrl().command()), 4096);
    assert_eq!(of_admin(admin::get_smart_log().command()), 512);
    assert_eq!(of_admin(admin::get_error_log::<1>().command()), 64);
    assert_eq!(of_admin(admin::get_changed_ns_list().command()), 4096);
    let discard = io::deallocate(Nsid::new(1), 256).unwrap();
    assert_eq!(of_io(&discard, LbaSize::BYTES_512), 4096);
    assert_eq!(of_io(&io::flush(Nsid::new(1)), LbaSize::BYTES_512), 0);
}

#[test]
fn of_admin_commands() {
    for (opcode, cdw10, cdw11, cdw12, bytes) in [
        (0x02, 0xffff_0002, 0x0000_ffff, 0, 4 << 32),
        // The identifier of a log, and what is beside NUMDU, do not count.
        (0x02, 0x0000_ffff, 0xffff_0000, 0, 4),
        (0x06, 0xff, 0, 0, 4096),
        (0x11, 0x3ff, 0, 0, 4096),
        (0x11, u32::MAX, 0, 0, 4 << 32),
        (0x86, 0, 0, 7, 32),
        // Set Features: it depends on the feature.
        (0x09, 0x0e, 0, 0, 0),
        (0xc0, 0xffff_ffff, 0xffff_ffff, 0xffff_ffff, 0),
    ] {
        let mut command = command(opcode);
        command.cdw10 = cdw10;
        command.cdw11 = cdw11;
        command.cdw12 = cdw12;
        assert_eq!(of_admin(&command), bytes, "{command:?}");
    }
}

#[test]
fn of_io_commands() {
    for (opcode, cdw10, cdw12, size_512, size_4096) in [
        (0x01, 9, 0, 512, 4096),
        (0x02, 9, 0xffff_ffff, 32 << 20, 256 << 20),
        (0x05, 9, 7, 4096, 32768),
        (0x7d, 9, 7, 4096, 32768),
        // Write Zeroes and Verify name blocks, and have no data.
        (0x08, 0, 7, 0, 0),
        (0x0c, 0, 7, 0, 0),
        (0x09, 0xffff_ff00, 0, 16, 16),
        (0x19, 0, 0xffff_ffff, 8192, 8192),
        (0x0d, 0, 0, 16, 16),
        (0x0e, 1023, 0, 4096, 4096),
        (0x11, 0, 0, 16, 16),
        (0x15, 0, 0, 8, 8),
        (0x7a, 0, 1023, 4096, 4096),
        (0x80, u32::MAX, u32::MAX, 0, 0),
    ] {
        let mut command = command(opcode);
        command.cdw10 = cdw10;
        command.cdw12 = cdw12;
        assert_eq!(of_io(&command, LbaSize::BYTES_512), size_512, "{command:?}");
        assert_eq!(
            of_io(&command, LbaSize::BYTES_4096),
            size_4096,
            "{command:?}"
        );
    }
}
