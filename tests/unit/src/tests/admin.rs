// SPDX-License-Identifier: GPL-2.0

//! Admin commands, dword by dword.

use crate::{
    dma::{
        prp::Prps,
        test_addr, //
    },
    nvme::spec::{
        admin::{
            self,
            CompletionSignal,
            QueuePriority, //
        },
        command::Command,
        feature::{
            AsyncEvents,
            FeatureId,
            QueueCounts,
            Select, //
        },
        identify::Csi,
        ids::{
            Nsid,
            QueueId,
            QueueSize, //
        },
        log::LogId,
        opcode::{
            AdminOpcode,
            Direction,
            IoOpcode, //
        },
        sqe::Sqe,
    },
};
use zerocopy::IntoBytes;

/// The dwords of the entry that the controller reads.
pub(super) fn dwords(command: &Command, cid: u16, prps: Prps) -> [u32; 16] {
    let sqe = Sqe::from_command(command, cid, prps);
    assert_eq!(sqe.opcode(), command.opcode);
    assert_eq!(sqe.cid(), cid);
    assert_eq!(sqe.nsid(), command.nsid);
    let mut dwords = [0; 16];
    for (dword, bytes) in dwords.iter_mut().zip(sqe.as_bytes().chunks_exact(4)) {
        *dword = u32::from_le_bytes(bytes.try_into().unwrap());
    }
    dwords
}

/// Compares a command with the dwords of it that are not 0.
#[track_caller]
pub(super) fn assert_dwords(command: &Command, not_zero: &[(usize, u32)]) {
    let mut expected = [0; 16];
    for (index, value) in not_zero {
        expected[*index] = *value;
    }
    assert_eq!(dwords(command, 0, Prps::NONE), expected);
}

fn size(entries: u32) -> QueueSize {
    QueueSize::new(entries).unwrap()
}

#[test]
fn entry() {
    let mut command = Command::new(0xc1, Nsid::new(0x0101_0101));
    command.cdw2 = 0x0202_0202;
    command.cdw3 = 0x0303_0303;
    command.cdw10 = 0x1010_1010;
    command.cdw11 = 0x1111_1111;
    command.cdw12 = 0x1212_1212;
    command.cdw13 = 0x1313_1313;
    command.cdw14 = 0x1414_1414;
    command.cdw15 = 0x1515_1515;
    let prps = Prps::from_addrs(
        test_addr(0x0706_0504_0706_0504),
        Some(test_addr(0x0908_0908_0908_0908)),
    );
    let expected = [
        0xbeef_00c1,
        0x0101_0101,
        0x0202_0202,
        0x0303_0303,
        0,
        0,
        0x0706_0504,
        0x0706_0504,
        0x0908_0908,
        0x0908_0908,
        0x1010_1010,
        0x1111_1111,
        0x1212_1212,
        0x1313_1313,
        0x1414_1414,
        0x1515_1515,
    ];
    assert_eq!(dwords(&command, 0xbeef, prps), expected);
    let sqe = Sqe::from_command(&command, 0, prps).with_metadata(test_addr(0x1122_3344_5566_7788));
    assert_eq!(
        sqe.as_bytes()[16..24],
        0x1122_3344_5566_7788u64.to_le_bytes()
    );
}

#[test]
fn identify() {
    let nsid = Nsid::new(7);
    assert_dwords(admin::identify_ctrl().command(), &[(0, 6), (10, 1)]);
    assert_dwords(admin::identify_ctrl_nvm().command(), &[(0, 6), (10, 6)]);
    assert_dwords(admin::identify_ns(nsid).command(), &[(0, 6), (1, 7)]);
    assert_dwords(
        admin::identify_ns_nvm(nsid).command(),
        &[(0, 6), (1, 7), (10, 5)],
    );
    assert_dwords(
        admin::identify_ns_indep(nsid).command(),
        &[(0, 6), (1, 7), (10, 8)],
    );
    assert_dwords(
        admin::identify_active_ns_list(nsid).command(),
        &[(0, 6), (1, 7), (10, 2)],
    );
    assert_dwords(
        admin::identify_ns_descriptors(nsid).command(),
        &[(0, 6), (1, 7), (10, 3)],
    );
}

#[test]
fn get_log_page() {
    // NUMD is 0's based, in dwords: 512 bytes are 7Fh, 4096 are 3FFh.
    assert_dwords(
        admin::get_smart_log().command(),
        &[(0, 2), (1, u32::MAX), (10, 0x007f_0002)],
    );
    assert_dwords(
        admin::get_firmware_slot_log().command(),
        &[(0, 2), (1, u32::MAX), (10, 0x007f_0003)],
    );
    assert_dwords(
        admin::get_changed_ns_list().command(),
        &[(0, 2), (1, u32::MAX), (10, 0x03ff_0004)],
    );
    assert_dwords(
        admin::get_effects_log(Csi::ZONED).command(),
        &[(0, 2), (10, 0x03ff_0005), (14, 0x0200_0000)],
    );
    assert_dwords(
        admin::get_error_log::<1>().command(),
        &[(0, 2), (1, u32::MAX), (10, 0x000f_0001)],
    );
    // 8192 entries are 2^17 dwords: NUMDL FFFFh, NUMDU 1.
    assert_dwords(
        admin::get_error_log::<8192>().command(),
        &[(0, 2), (1, u32::MAX), (10, 0xffff_0001), (11, 1)],
    );
}

#[test]
fn features() {
    assert_dwords(
        &admin::set_features(FeatureId::NUMBER_OF_QUEUES, Nsid::NONE, 0x0003_0003),
        &[(0, 9), (10, 7), (11, 0x0003_0003)],
    );
    assert_dwords(
        &admin::get_features(FeatureId::VOLATILE_WRITE_CACHE, Nsid::ALL, Select::Saved),
        &[(0, 0xa), (1, u32::MAX), (10, 0x206)],
    );
}

#[test]
fn queues() {
    assert_dwords(
        &admin::create_io_cq(QueueId::new(3), size(1024), CompletionSignal::Interrupt(5)),
        &[(0, 5), (10, 0x03ff_0003), (11, 0x0005_0003)],
    );
    assert_dwords(
        &admin::create_io_cq(QueueId::new(3), size(65536), CompletionSignal::Polled),
        &[(0, 5), (10, 0xffff_0003), (11, 1)],
    );
    assert_dwords(
        &admin::create_io_sq(
            QueueId::new(4),
            size(2),
            QueueId::new(3),
            QueuePriority::Medium,
        ),
        &[(0, 1), (10, 0x0001_0004), (11, 0x0003_0005)],
    );
    assert_dwords(&admin::delete_io_cq(QueueId::new(9)), &[(0, 4), (10, 9)]);
    assert_dwords(&admin::delete_io_sq(QueueId::new(9)), &[(10, 9)]);
}

#[test]
fn others() {
    assert_dwords(
        &admin::abort(QueueId::new(2), 0xabcd),
        &[(0, 8), (10, 0xabcd_0002)],
    );
    assert_dwords(&admin::async_event_request(), &[(0, 0xc)]);
    assert_dwords(&admin::doorbell_buffer_config(), &[(0, 0x7c)]);
}

#[test]
fn queue_counts() {
    assert_eq!(QueueCounts::pairs(4).to_dword(), 0x0003_0003);
    assert_eq!(QueueCounts::pairs(0).to_dword(), 0);
    assert_eq!(QueueCounts::pairs(u32::MAX).to_dword(), 0xfffe_fffe);
    let counts = QueueCounts::from_dword(0x0003_0007);
    assert_eq!((counts.submission, counts.completion), (8, 4));
    assert_eq!(counts.usable_pairs(), 4);
    assert_eq!(QueueCounts::from_dword(u32::MAX).usable_pairs(), 65536);
    assert_eq!(QueueCounts::from_dword(u32::MAX).to_dword(), 0xfffe_fffe);
}

#[test]
fn async_events() {
    let wanted = AsyncEvents::NAMESPACE_ATTRIBUTES.or(AsyncEvents::FIRMWARE_ACTIVATION);
    assert_eq!(wanted.supported_by(0x100).0, 0x100);
    assert_eq!(AsyncEvents(0x17f).supported_by(0).0, 0x7f);
    assert_eq!(AsyncEvents::ANA_CHANGE.0, 0x800);
}

#[test]
fn names_of_codes() {
    assert_eq!(AdminOpcode::IDENTIFY.to_string(), "Identify");
    assert_eq!(AdminOpcode(0xc3).to_string(), "opcode 0xc3");
    assert_eq!(IoOpcode(0x02).to_string(), "Read");
    assert_eq!(IoOpcode(0x03).to_string(), "opcode 0x03");
    assert_eq!(FeatureId(0x07).to_string(), "Number of Queues");
    assert_eq!(LogId(0xc0).to_string(), "log page 0xc0");
    assert_eq!(Csi::NVM.name(), Some("NVM Command Set"));
}

#[test]
fn directions() {
    let table = [
        (AdminOpcode::DELETE_IO_SQ.direction(), Direction::None),
        (
            AdminOpcode::CREATE_IO_SQ.direction(),
            Direction::ToController,
        ),
        (AdminOpcode::IDENTIFY.direction(), Direction::FromController),
        (AdminOpcode::FABRICS.direction(), Direction::Both),
        (IoOpcode::READ.direction(), Direction::FromController),
        (IoOpcode::WRITE.direction(), Direction::ToController),
        (IoOpcode::WRITE_ZEROES.direction(), Direction::None),
        (
            IoOpcode::DATASET_MANAGEMENT.direction(),
            Direction::ToController,
        ),
    ];
    for (ours, specified) in table {
        assert_eq!(ours, specified);
    }
    assert!(AdminOpcode(0xc0).is_vendor_specific() && !AdminOpcode(0xbf).is_vendor_specific());
    assert!(IoOpcode(0x80).is_vendor_specific() && !IoOpcode(0x7f).is_vendor_specific());
}
