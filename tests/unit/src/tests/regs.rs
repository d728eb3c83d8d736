// SPDX-License-Identifier: GPL-2.0

//! Registers: every field of a word is where the specification has it, and nowhere else.

use crate::{
    dma::prp::PageSize,
    nvme::spec::{
        cap::Cap,
        cc::{
            Cc,
            CcBuilder,
            CcError,
            CommandSets,
            Shutdown, //
        },
        cmb::{
            CmbLoc,
            CmbSz, //
        },
        csts::{
            Csts,
            ShutdownStatus, //
        },
        ids::{
            QueueId,
            QueueSize, //
        },
        regs::{
            self,
            Aqa,
            Crto,
            DoorbellStride,
            Version, //
        },
    },
};

/// What QEMU's `nvme` reports: MPSMAX 4, CSS bits 6 and 0, TO 15, CQR, MQES 2047.
const QEMU_CAP: u64 = 0x0040_0820_0f01_07ff;
const PAGE_64K: PageSize = PageSize::from_mps(4);

fn cap(bits: u64) -> Cap {
    Cap::from_bits(bits)
}

/// The number of a bit, and the function that tests it.
type BitTest<T> = (u32, fn(T) -> bool);

fn only_these_bits<T: Copy>(from: impl Fn(u64) -> T, width: u32, tests: &[BitTest<T>]) {
    for (index, test) in tests {
        for other in 0..width {
            assert_eq!(
                test(from(1 << other)),
                other == *index,
                "bit {other} for {index}"
            );
        }
        assert!(!test(from(!(1 << index))), "bit {index} clear");
    }
}

#[test]
fn offsets() {
    let table = [
        (regs::CAP, 0x00),
        (regs::VS, 0x08),
        (regs::INTMS, 0x0c),
        (regs::INTMC, 0x10),
        (regs::CC, 0x14),
        (regs::CSTS, 0x1c),
        (regs::NSSR, 0x20),
        (regs::AQA, 0x24),
        (regs::ASQ, 0x28),
        (regs::ACQ, 0x30),
        (regs::CMBLOC, 0x38),
        (regs::CMBSZ, 0x3c),
        (regs::BPINFO, 0x40),
        (regs::BPRSEL, 0x44),
        (regs::BPMBL, 0x48),
        (regs::CMBMSC, 0x50),
        (regs::CMBSTS, 0x58),
        (regs::CRTO, 0x68),
        (regs::PMRCAP, 0xe00),
        (regs::PMRCTL, 0xe04),
        (regs::PMRSTS, 0xe08),
        (regs::DOORBELLS, 0x1000),
    ];
    for (ours, specified) in table {
        assert_eq!(ours, specified);
    }
    assert_eq!(&regs::NSSR_RESET.to_be_bytes(), b"NVMe");
}

#[test]
fn cap_bits() {
    only_these_bits(
        cap,
        64,
        &[
            (16, Cap::contiguous_queues_required),
            (17, Cap::weighted_round_robin),
            (36, Cap::subsystem_reset),
            (37, Cap::nvm_command_set),
            (43, Cap::all_command_sets),
            (44, Cap::admin_only),
            (45, Cap::boot_partitions),
            (56, Cap::persistent_memory_region),
            (57, Cap::controller_memory_buffer),
            (58, Cap::subsystem_shutdown),
            (59, Cap::ready_with_media),
            (60, Cap::ready_without_media),
        ],
    );
}

#[test]
fn cap_fields() {
    let size = |bits| cap(bits).max_queue_size().map(QueueSize::entries);
    assert_eq!(size(0), None);
    assert_eq!(size(1), Some(2));
    assert_eq!(size(0xffff), Some(65536));
    assert_eq!(size(!0xffff), None);

    assert_eq!(cap(0).timeout_ms(), 500);
    assert_eq!(cap(1 << 24).timeout_ms(), 500);
    assert_eq!(cap(0xff << 24).timeout_ms(), 127_500);
    assert_eq!(cap(!(0xff << 24)).timeout_ms(), 500);

    for dstrd in 0..16 {
        assert_eq!(cap(dstrd << 32).doorbell_stride().bytes(), 4 << dstrd);
        assert_eq!(cap(dstrd << 48).min_page_size().bytes(), 4096 << dstrd);
        assert_eq!(cap(dstrd << 52).max_page_size().bytes(), 4096 << dstrd);
    }
    assert_eq!(cap(!(0xf << 32)).doorbell_stride().bytes(), 4);
    assert_eq!(cap(!(0xf << 48)).min_page_size(), PageSize::KIB_4);
    assert_eq!(cap(!(0xf << 52)).max_page_size(), PageSize::KIB_4);

    assert!(cap(u64::MAX).is_gone());
    assert!(!cap(u64::MAX - 1).is_gone());
}

#[test]
fn csts_bits_and_fields() {
    only_these_bits(
        |bits| Csts::from_bits(bits as u32),
        32,
        &[
            (0, Csts::rdy),
            (1, Csts::cfs),
            (4, Csts::nssro),
            (5, Csts::pp),
            (6, Csts::st),
        ],
    );
    let shst = [
        (0b00, ShutdownStatus::Normal),
        (0b01, ShutdownStatus::Occurring),
        (0b10, ShutdownStatus::Complete),
        (0b11, ShutdownStatus::Reserved),
    ];
    for (bits, status) in shst {
        assert_eq!(Csts::from_bits(bits << 2).shst(), status);
        assert_eq!(Csts::from_bits(bits << 2 | !0xc).shst(), status);
    }
    assert!(Csts::from_bits(u32::MAX).is_gone());
    assert!(!Csts::from_bits(0x7fff_ffff).is_gone());
    assert_eq!(Csts::CLEAR_NSSRO.bits(), 0x10);
}

#[test]
fn cc_of_an_ordinary_controller() {
    let builder = CcBuilder::new(cap(QEMU_CAP), PageSize::KIB_4).unwrap();
    assert_eq!(builder.command_sets(), CommandSets::All);
    // IOCQES 4, IOSQES 6, SHN 0, AMS 0, MPS 0, CSS 110b, EN.
    assert_eq!(builder.build().bits(), 0x0046_0061);
    assert!(builder.build().is_enabled());
    assert_eq!(builder.build().page_size(), PageSize::KIB_4);
}

#[test]
fn cc_selects_what_the_controller_has() {
    let cc = |cap_bits| {
        let builder = CcBuilder::new(cap(cap_bits), PageSize::KIB_4)?;
        Ok((builder.command_sets(), builder.build().bits()))
    };
    assert_eq!(cc(1 << 37), Ok((CommandSets::Nvm, 0x0046_0001)));
    assert_eq!(cc(1 << 43), Ok((CommandSets::All, 0x0046_0061)));
    assert_eq!(cc(1 << 37 | 1 << 43), Ok((CommandSets::All, 0x0046_0061)));
    assert_eq!(cc(1 << 44), Ok((CommandSets::AdminOnly, 0x0046_0071)));
    assert_eq!(cc(0), Err(CcError::CommandSets));
}

#[test]
fn cc_refuses_an_unsupported_page_size() {
    // MPSMIN 1, MPSMAX 4: 8 to 64 KiB.
    let cap = cap(1 << 37 | 1 << 48 | 4 << 52);
    let error = CcBuilder::new(cap, PageSize::KIB_4).unwrap_err();
    assert_eq!(
        error.to_string(),
        "memory pages of 4096 bytes are not supported (CAP: 8192 to 65536)"
    );
    assert!(CcBuilder::new(cap, PageSize::from_mps(5)).is_err());
    let cc = CcBuilder::new(cap, PAGE_64K).unwrap().build();
    assert_eq!(cc.bits(), 0x0046_0201);
    assert_eq!(cc.page_size(), PAGE_64K);
}

#[test]
fn cc_shutdown_and_reset() {
    let cc = CcBuilder::new(cap(QEMU_CAP), PageSize::KIB_4)
        .unwrap()
        .build();
    assert_eq!(cc.with_shutdown(Shutdown::Normal).bits(), 0x0046_4061);
    assert_eq!(cc.with_shutdown(Shutdown::Abrupt).bits(), 0x0046_8061);
    let both = cc
        .with_shutdown(Shutdown::Normal)
        .with_shutdown(Shutdown::Abrupt);
    assert_eq!(both.bits(), 0x0046_8061);
    assert_eq!(both.disabled().bits(), 0x0046_0060);
    assert!(!both.disabled().is_enabled());
    assert!(Cc::from_bits(u32::MAX).is_gone());
}

#[test]
fn cc_ready_without_media_only_if_offered() {
    let (without, with) = (cap(1 << 37), cap(1 << 37 | 1 << 60));
    let builder = |cap| CcBuilder::new(cap, PageSize::KIB_4).unwrap();
    assert!(builder(without).ready_without_media(without).is_none());
    let cc = builder(with).ready_without_media(with).unwrap().build();
    assert_eq!(cc.bits(), 0x0146_0001);
}

#[test]
fn admin_queue_attributes() {
    let size = |entries| QueueSize::new(entries).unwrap();
    assert_eq!(Aqa::new(size(32), size(64)).unwrap().bits(), 0x003f_001f);
    assert_eq!(Aqa::new(size(4096), size(2)).unwrap().bits(), 0x0001_0fff);
    assert_eq!(Aqa::new(size(4097), size(2)), None);
    assert_eq!(Aqa::new(size(2), size(4097)), None);
}

#[test]
fn queue_sizes() {
    assert_eq!(QueueSize::new(0), None);
    assert_eq!(QueueSize::new(1), None);
    assert_eq!(QueueSize::new(2).unwrap().zero_based(), 1);
    assert_eq!(QueueSize::new(65536).unwrap().zero_based(), 0xffff);
    assert_eq!(QueueSize::new(65537), None);
    assert_eq!(QueueSize::new(u32::MAX), None);
}

#[test]
fn doorbells() {
    let at = |dstrd: u64, queue| {
        let stride: DoorbellStride = cap(dstrd << 32).doorbell_stride();
        let queue = QueueId::new(queue);
        (
            stride.submission_tail(queue),
            stride.completion_head(queue),
            stride.mapped_bytes(queue),
        )
    };
    // 1000h + (2y * (4 << DSTRD)) and 1000h + ((2y + 1) * (4 << DSTRD)).
    assert_eq!(at(0, 0), (0x1000, 0x1004, 0x1008));
    assert_eq!(at(0, 1), (0x1008, 0x100c, 0x1010));
    assert_eq!(at(0, 64), (0x1200, 0x1204, 0x1208));
    assert_eq!(at(4, 3), (0x1180, 0x11c0, 0x1200));
    assert_eq!(at(15, 0), (0x1000, 0x21000, 0x41000));
    assert_eq!(
        at(15, 0xffff),
        (0x3_fffc_1000, 0x3_fffe_1000, 0x4_0000_1000)
    );
}

#[test]
fn versions() {
    let version = Version::from_bits(0x0001_0400);
    assert_eq!(version, Version::V1_4);
    assert_eq!(version.to_string(), "1.4.0");
    assert_eq!(Version::from_bits(0x0002_0003).to_string(), "2.0.3");
    assert!(Version::V1_0 < Version::V1_1 && Version::V1_4 < Version::V2_0);
    assert!(Version::from_bits(0) < Version::V1_0);
}

#[test]
fn ready_timeouts() {
    let crto = Crto::from_bits(0x0002_0010);
    assert_eq!(
        (crto.with_media_ms(), crto.without_media_ms()),
        (8000, 1000)
    );
    let crto = Crto::from_bits(u32::MAX);
    assert_eq!(crto.with_media_ms(), 32_767_500);
}

#[test]
fn controller_memory_buffer() {
    // QEMU with cmb_size_mb=64: SZ 64, SZU 2 (1 MiB), RDS, WDS, LISTS, SQS.
    let size = CmbSz::from_bits(64 << 12 | 2 << 8 | 0b11101);
    assert_eq!(size.bytes(), 64 << 20);
    assert!(size.submission_queues() && !size.completion_queues() && size.lists());
    assert!(size.read_data() && size.write_data());
    let location = CmbLoc::from_bits(3 << 12 | 2);
    assert_eq!((location.bar(), location.offset_units()), (2, 3));
    assert_eq!(size.offset(location), Some(3 << 20));
    let units = [4096, 1 << 16, 1 << 20, 1 << 24, 1 << 28, 1 << 32, 1 << 36];
    for szu in 0..16 {
        let unit = units.get(szu as usize).copied();
        assert_eq!(CmbSz::from_bits(szu << 8).unit(), unit);
    }
    assert_eq!(CmbSz::from_bits(u32::MAX).bytes(), 0);
    assert_eq!(CmbSz::from_bits(0).bytes(), 0);
}
