// SPDX-License-Identifier: GPL-2.0

//! Identify structures, and what is made of fields that a device got wrong.

use zerocopy::{
    little_endian::{
        U16,
        U32,
        U64, //
    },
    FromZeros,
    IntoBytes, //
};

use crate::{
    dma::prp::PageSize,
    nvme::spec::{
        identify::Csi,
        identify_ctrl::{
            ControllerType,
            IdentifyCtrl,
            OptionalAdmin,
            OptionalIo,
            SglSupport, //
        },
        identify_ctrl_nvm::IdentifyCtrlNvm,
        identify_list::{
            NsDescriptor,
            NsDescriptorList,
            NsList, //
        },
        identify_ns::{
            IdentifyNs,
            LbaFormat,
            Metadata,
            UnsupportedFormat, //
        },
        identify_ns_indep::IdentifyNsIndep,
        ids::Nsid,
        lba::{
            LbaSize,
            UnsupportedLbaSize, //
        },
        regs::Version,
        status::Status,
    },
};

fn ctrl() -> IdentifyCtrl {
    IdentifyCtrl::new_zeroed()
}

fn ns() -> IdentifyNs {
    IdentifyNs::new_zeroed()
}

fn lbaf(lbads: u8, ms: u16) -> LbaFormat {
    LbaFormat {
        ms: U16::new(ms),
        lbads,
        rp: 0,
    }
}

#[test]
fn text() {
    let mut ctrl = ctrl();
    ctrl.sn = *b"S4EVNX0R   123456   ";
    ctrl.fr = *b"2B2QEXM7";
    ctrl.mn[..6].copy_from_slice(b"QEMU \xe9");
    ctrl.subnqn[..7].copy_from_slice(b"nqn.x:1");
    assert_eq!(ctrl.serial_number().to_string(), "S4EVNX0R   123456");
    assert_eq!(ctrl.firmware_revision().to_string(), "2B2QEXM7");
    assert_eq!(ctrl.model_number().to_string(), "QEMU ?");
    assert_eq!(ctrl.model_number().as_bytes(), b"QEMU \xe9");
    assert_eq!(ctrl.subsystem_nqn().to_string(), "nqn.x:1");
    ctrl.sn = [b' '; 20];
    assert_eq!(ctrl.serial_number().as_bytes(), b"");
    ctrl.sn = [0; 20];
    assert_eq!(ctrl.serial_number().as_bytes(), b"");
    ctrl.sn = *b"AB \x1b[31m            ";
    assert_eq!(ctrl.serial_number().to_string(), "AB ?[31m");
}

#[test]
fn max_transfer() {
    let mut ctrl = ctrl();
    let mut bytes = |mdts, unit| {
        ctrl.mdts = mdts;
        ctrl.max_transfer_bytes(unit)
    };
    assert_eq!(bytes(0, PageSize::KIB_4), None);
    assert_eq!(bytes(1, PageSize::KIB_4), Some(8192));
    assert_eq!(bytes(7, PageSize::KIB_4), Some(512 << 10));
    assert_eq!(bytes(7, PageSize::from_mps(4)), Some(8 << 20));
    assert_eq!(bytes(51, PageSize::KIB_4), Some(1 << 63));
    assert_eq!(bytes(52, PageSize::KIB_4), None);
    assert_eq!(bytes(63, PageSize::KIB_4), None);
    assert_eq!(bytes(64, PageSize::KIB_4), None);
    assert_eq!(bytes(255, PageSize::from_mps(15)), None);
}

#[test]
fn controller_fields() {
    let mut ctrl = ctrl();
    ctrl.ver = U32::new(0x0001_0400);
    assert_eq!(ctrl.version(), Version::V1_4);
    ctrl.acl = 3;
    ctrl.aerl = 255;
    assert_eq!((ctrl.abort_limit(), ctrl.async_event_limit()), (4, 256));
    assert_eq!(ctrl.shutdown_ms(), None);
    ctrl.rtd3e = U32::new(1);
    assert_eq!(ctrl.shutdown_ms(), Some(1));
    ctrl.rtd3e = U32::new(u32::MAX);
    assert_eq!(ctrl.shutdown_ms(), Some(4_294_968));
    ctrl.vwc = 6;
    assert!(!ctrl.has_write_cache());
    ctrl.vwc = 7;
    assert!(ctrl.has_write_cache());
    ctrl.lpa = 2;
    assert!(ctrl.has_effects_log());

    let types = [
        (0, ControllerType::NotReported),
        (1, ControllerType::Io),
        (2, ControllerType::Discovery),
        (3, ControllerType::Administrative),
        (4, ControllerType::Reserved(4)),
        (255, ControllerType::Reserved(255)),
    ];
    for (bits, kind) in types {
        ctrl.cntrltype = bits;
        assert_eq!(ctrl.controller_type(), kind);
    }
    let sgls = [
        (0, SglSupport::None),
        (0x000f_0001, SglSupport::Unaligned),
        (2, SglSupport::DwordAligned),
        (3, SglSupport::Reserved),
    ];
    for (bits, support) in sgls {
        ctrl.sgls = U32::new(bits);
        assert_eq!(ctrl.sgl_support(), support);
    }
}

#[test]
fn optional_commands() {
    let mut ctrl = ctrl();
    // What QEMU reports: Compare, DSM, Write Zeroes, Save/Select, Timestamp, Verify, Copy ...
    ctrl.oncs = U16::new(0x75d);
    assert!(ctrl.has_io(OptionalIo::Compare) && !ctrl.has_io(OptionalIo::WriteUncorrectable));
    assert!(ctrl.has_io(OptionalIo::DatasetManagement) && ctrl.has_io(OptionalIo::WriteZeroes));
    assert!(ctrl.has_io(OptionalIo::SaveSelect) && !ctrl.has_io(OptionalIo::Reservations));
    assert!(ctrl.has_io(OptionalIo::Timestamp) && !ctrl.has_io(OptionalIo::Verify));
    assert!(ctrl.has_io(OptionalIo::Copy));
    ctrl.oacs = U16::new(1 << 8);
    assert!(ctrl.has_admin(OptionalAdmin::DoorbellBuffer));
    assert!(!ctrl.has_admin(OptionalAdmin::Security) && !ctrl.has_admin(OptionalAdmin::Lockdown));
}

#[test]
fn entry_sizes() {
    let mut ctrl = ctrl();
    let mut usual = |sqes, cqes| {
        ctrl.sqes = sqes;
        ctrl.cqes = cqes;
        ctrl.has_usual_entry_sizes()
    };
    assert!(usual(0x66, 0x44));
    assert!(usual(0x76, 0x54));
    assert!(!usual(0x77, 0x44));
    assert!(!usual(0x55, 0x44));
    assert!(!usual(0x66, 0x55));
    assert!(!usual(0x00, 0x00));
    assert!(!usual(0x67, 0x44));
}

#[test]
fn retry_delays() {
    let mut ctrl = ctrl();
    ctrl.crdt1 = U16::new(1);
    ctrl.crdt2 = U16::new(2);
    ctrl.crdt3 = U16::new(u16::MAX);
    let delays = [0, 1, 2, 3].map(|crd| ctrl.retry_delay_ms(Status::from_field(crd << 11 | 1)));
    assert_eq!(delays, [0, 100, 200, 6_553_500]);
}

#[test]
fn limits_of_the_nvm_command_set() {
    let mut nvm = IdentifyCtrlNvm::new_zeroed();
    assert_eq!(nvm.max_write_zeroes_bytes(PageSize::KIB_4), None);
    nvm.wzsl = 4;
    nvm.vsl = 1;
    assert_eq!(nvm.max_write_zeroes_bytes(PageSize::KIB_4), Some(65536));
    assert_eq!(nvm.max_verify_bytes(PageSize::KIB_4), Some(8192));
}

#[test]
fn lba_formats() {
    let mut ns = ns();
    ns.nlbaf = 1;
    ns.lbaf[0] = lbaf(9, 0);
    ns.lbaf[1] = lbaf(12, 0);
    let size = |ns: &IdentifyNs| ns.format().map(|format| format.lba_size);
    assert_eq!(size(&ns), Ok(LbaSize::BYTES_512));
    ns.flbas = 1;
    assert_eq!(size(&ns), Ok(LbaSize::BYTES_4096));
    ns.flbas = 2;
    assert_eq!(size(&ns), Err(UnsupportedFormat::Index { index: 2 }));
    assert_eq!(
        size(&ns).unwrap_err().to_string(),
        "LBA format 2 is in use but does not exist"
    );
    ns.flbas = 0;
    for lbads in [0, 8, 13, 31, 32, 64, 255] {
        ns.lbaf[0] = lbaf(lbads, 0);
        let error = UnsupportedFormat::LbaSize(UnsupportedLbaSize { lbads });
        assert_eq!(size(&ns), Err(error));
    }
    assert_eq!(ns.formats().count(), 2);
}

#[test]
fn lba_format_index_beyond_sixteen() {
    let mut ns = ns();
    ns.flbas = 0b0110_0101; // Bits 6:5 are 11b, bits 3:0 are 5.
    ns.nlbaf = 15;
    assert_eq!(ns.format_index(), 5);
    ns.nlbaf = 16;
    assert_eq!(ns.format_index(), 0x35);
    assert_eq!(ns.format(), Err(UnsupportedFormat::Index { index: 0x35 }));
    ns.nlbaf = 63;
    ns.lbaf[0x35] = lbaf(11, 0);
    assert_eq!(ns.format().unwrap().lba_size.bytes(), 2048);
    // More formats than there can be.
    ns.nlbaf = 255;
    ns.nulbaf = 255;
    assert_eq!(ns.formats().count(), 64);
    assert_eq!(ns.format().unwrap().lba_size.bytes(), 2048);
    // Bit 4 is about metadata.
    ns.flbas = 0b0001_0000;
    assert_eq!(ns.format_index(), 0);
}

#[test]
fn metadata() {
    let mut ns = ns();
    let mut metadata = |ms, flbas, dps| {
        ns.lbaf[0] = lbaf(12, ms);
        ns.flbas = flbas;
        ns.dps = dps;
        let format = ns.format().unwrap();
        let error = format.check_block_io().err().map(|error| error.to_string());
        (format.metadata, error.unwrap_or_default())
    };
    assert_eq!(metadata(0, 0, 0), (Metadata::None, String::new()));
    assert_eq!(metadata(0, 0x10, 0), (Metadata::None, String::new()));
    assert_eq!(metadata(8, 0, 1), (Metadata::ProtectionOnly, String::new()));
    assert_eq!(
        metadata(8, 0x10, 0x0a),
        (Metadata::ProtectionOnly, String::new())
    );
    assert_eq!(
        metadata(8, 0, 8),
        (
            Metadata::Separate(8),
            "8 bytes of metadata in a separate buffer are not supported".into()
        )
    );
    assert_eq!(
        metadata(64, 0x10, 0),
        (
            Metadata::Interleaved(64),
            "64 bytes of metadata interleaved with the data are not supported".into()
        )
    );
    assert_eq!(metadata(16, 0, 1).0, Metadata::Separate(16));
}

#[test]
fn namespace_flags() {
    let mut ns = ns();
    assert!(ns.is_inactive());
    ns.nsze = U64::new(1);
    assert!(!ns.is_inactive());
    let flags = |nsfeat| {
        let mut ns = IdentifyNs::new_zeroed();
        ns.nsfeat = nsfeat;
        let hints = ns.performance_hints();
        [
            ns.is_thin(),
            ns.has_atomic_units(),
            ns.has_deallocated_error(),
            ns.has_unique_ids(),
            hints.write,
            hints.deallocate,
            hints.deallocate_large,
        ]
    };
    assert_eq!(
        flags(0x01),
        [true, false, false, false, false, false, false]
    );
    assert_eq!(
        flags(0x02),
        [false, true, false, false, false, false, false]
    );
    assert_eq!(
        flags(0x04),
        [false, false, true, false, false, false, false]
    );
    assert_eq!(
        flags(0x08),
        [false, false, false, true, false, false, false]
    );
    assert_eq!(flags(0x10), [false, false, false, false, true, true, false]);
    assert_eq!(flags(0x20), [false, false, false, false, true, false, true]);
    assert_eq!(flags(0x30), [false, false, false, false, true, true, true]);
    assert_eq!(flags(0xc0), [false; 7]);

    for dlfeat in 0..=u8::MAX {
        ns.dlfeat = dlfeat;
        assert_eq!(ns.zeroes_by_deallocation(), dlfeat & 0xf == 0b1001);
    }
    ns.nsattr = 0xfe;
    assert!(!ns.is_write_protected());
    ns.nsattr = 1;
    assert!(ns.is_write_protected());
    assert_eq!((ns.nguid(), ns.eui64()), (None, None));
    ns.nguid[15] = 1;
    ns.eui64[0] = 1;
    assert_eq!(ns.nguid().unwrap()[15], 1);
    assert_eq!(ns.eui64().unwrap()[0], 1);
}

#[test]
fn independent_flags() {
    let mut indep = IdentifyNsIndep::new_zeroed();
    indep.nsfeat = !0x30;
    assert!(!indep.is_rotational() && !indep.has_no_write_cache());
    indep.nsfeat = 0x10;
    assert!(indep.is_rotational() && !indep.has_no_write_cache());
    indep.nsfeat = 0x20;
    assert!(!indep.is_rotational() && indep.has_no_write_cache());
    indep.nsattr = 1;
    assert!(indep.is_write_protected() && !indep.is_ready());
    indep.nstat = 1;
    assert!(indep.is_ready());
}

fn ns_list(nsids: &[u32]) -> NsList {
    let mut list = NsList::new_zeroed();
    for (entry, nsid) in list.nsid.iter_mut().zip(nsids) {
        *entry = U32::new(*nsid);
    }
    list
}

#[test]
fn namespace_lists() {
    let from = |nsids: &[u32], after| -> Vec<u32> {
        let list = ns_list(nsids);
        list.iter(Nsid::new(after)).map(Nsid::get).collect()
    };
    assert_eq!(from(&[], 0), []);
    assert_eq!(from(&[1, 2, 5], 0), [1, 2, 5]);
    assert_eq!(from(&[1, 0, 5], 0), [1]);
    assert_eq!(from(&[1, 3, 2, 4], 0), [1, 3]);
    assert_eq!(from(&[1, 1, 2], 0), [1]);
    assert_eq!(from(&[4, 5], 5), []);
    assert_eq!(from(&[6, u32::MAX - 2, u32::MAX - 1], 5), [6, u32::MAX - 2]);
    assert_eq!(from(&[u32::MAX], 0), []);
}

#[test]
fn namespace_lists_go_on_only_when_full() {
    let full: Vec<u32> = (1..=1024).collect();
    assert_eq!(ns_list(&full).next(Nsid::NONE), Some(Nsid::new(1024)));
    assert_eq!(ns_list(&full[..1023]).next(Nsid::NONE), None);
    assert_eq!(ns_list(&full).next(Nsid::new(1)), None);
    assert_eq!(ns_list(&[]).next(Nsid::NONE), None);
}

#[test]
fn namespace_descriptors() {
    let mut list = NsDescriptorList::new_zeroed();
    let parts: [&[u8]; 6] = [
        &[1, 8, 0, 0, 1, 2, 3, 4, 5, 6, 7, 8],
        &[2, 16, 0, 0, 9, 9, 9, 9, 9, 9, 9, 9, 9, 9, 9, 9, 9, 9, 9, 9],
        &[3, 16, 0, 0, 7, 7, 7, 7, 7, 7, 7, 7, 7, 7, 7, 7, 7, 7, 7, 7],
        &[4, 1, 0, 0, 2],
        &[1, 2, 0, 0, 0xaa, 0xbb],
        &[0xee, 1, 0, 0, 0xcc],
    ];
    let bytes = parts.concat();
    list.bytes[..bytes.len()].copy_from_slice(&bytes);
    let descriptors: Vec<_> = list.iter().collect();
    assert_eq!(
        descriptors,
        [
            NsDescriptor::Eui64([1, 2, 3, 4, 5, 6, 7, 8]),
            NsDescriptor::Nguid([9; 16]),
            NsDescriptor::Uuid([7; 16]),
            NsDescriptor::Csi(Csi::ZONED),
            NsDescriptor::Unknown {
                nidt: 1,
                nid: &[0xaa, 0xbb],
            },
            NsDescriptor::Unknown {
                nidt: 0xee,
                nid: &[0xcc],
            },
        ]
    );
}

#[test]
fn namespace_descriptors_that_never_end() {
    let mut list = NsDescriptorList::new_zeroed();
    list.bytes = [0xff; 4096];
    // 259 bytes each; the last 211 bytes hold no whole one.
    assert_eq!(list.iter().count(), 15);
    // A header that is cut off.
    list.bytes = [1; 4096];
    assert_eq!(list.iter().count(), 819);
}

/// Whatever a device says, there is an answer and no panic.
#[test]
fn noise() {
    let mut ctrl = ctrl();
    let mut ns = ns();
    for byte in 0..=u8::MAX {
        ctrl.as_mut_bytes().fill(byte);
        ns.as_mut_bytes().fill(byte);
        for mps in 0..16 {
            ctrl.max_transfer_bytes(PageSize::from_mps(mps));
        }
        ctrl.retry_delay_ms(Status::from_field(u16::MAX));
        ctrl.shutdown_ms();
        ctrl.has_usual_entry_sizes();
        let _ = ctrl.model_number().to_string();
        for format in ns.formats() {
            let _ = LbaSize::from_lbads(format.lbads);
        }
        if let Ok(format) = ns.format() {
            assert!(ns.capacity_bytes(format.lba_size).is_err() || byte == 0);
        }
    }
}
