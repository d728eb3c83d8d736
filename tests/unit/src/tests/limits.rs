// SPDX-License-Identifier: GPL-2.0

//! The limits of a disk, against those of QEMU's device and against other devices' extremes.

use proptest::{
    prelude::*,
    test_runner::TestCaseResult, //
};
use zerocopy::{
    little_endian::{
        U16,
        U32,
        U64, //
    },
    FromBytes,
    FromZeros, //
};

use super::runner::check;
use crate::{
    dma::prp::PageSize,
    nvme::spec::{
        cap::Cap,
        identify_ctrl::IdentifyCtrl,
        identify_ctrl_nvm::IdentifyCtrlNvm,
        identify_ns::{
            IdentifyNs,
            LbaFormat,
            UnsupportedFormat, //
        },
        identify_ns_indep::IdentifyNsIndep,
        identify_ns_nvm::IdentifyNsNvm,
        lba::LbaSize,
        limits::{
            AtomicWrites,
            BlockLimits,
            Discard,
            Sources,
            WriteZeroes, //
        },
    },
};

/// All that a device says about itself and a namespace.
struct Device {
    cap: u64,
    ctrl: IdentifyCtrl,
    ctrl_nvm: Option<IdentifyCtrlNvm>,
    ns: IdentifyNs,
    ns_nvm: Option<IdentifyNsNvm>,
    ns_indep: Option<IdentifyNsIndep>,
}

impl Device {
    /// QEMU's `nvme` and `nvme-ns` as they are without options, 1 GiB large.
    fn qemu() -> Self {
        let mut ctrl = IdentifyCtrl::new_zeroed();
        ctrl.mdts = 7;
        ctrl.oncs = U16::new(0x75d);
        ctrl.vwc = 7;
        let mut ctrl_nvm = IdentifyCtrlNvm::new_zeroed();
        ctrl_nvm.dmrl = 255;
        ctrl_nvm.dmrsl = U32::new((i32::MAX as u32) >> 9);
        let mut ns = IdentifyNs::new_zeroed();
        ns.nsze = U64::new(1 << 21);
        ns.ncap = U64::new(1 << 21);
        ns.nlbaf = 7;
        ns.lbaf[0].lbads = 9;
        ns.lbaf[4].lbads = 12;
        ns.nsfeat = 0x34;
        ns.dlfeat = 0x09;
        ns.npdg = U16::new(7);
        ns.npda = U16::new(7);
        let mut ns_nvm = IdentifyNsNvm::new_zeroed();
        ns_nvm.npdgl = U32::new(8);
        ns_nvm.npdal = U32::new(8);
        Self {
            cap: 0x0040_0820_0f01_07ff,
            ctrl,
            ctrl_nvm: Some(ctrl_nvm),
            ns,
            ns_nvm: Some(ns_nvm),
            ns_indep: Some(IdentifyNsIndep::new_zeroed()),
        }
    }

    fn limits(&self) -> Result<BlockLimits, UnsupportedFormat> {
        BlockLimits::new(&Sources {
            cap: Cap::from_bits(self.cap),
            ctrl: &self.ctrl,
            ctrl_nvm: self.ctrl_nvm.as_ref(),
            ns: &self.ns,
            ns_nvm: self.ns_nvm.as_ref(),
            ns_indep: self.ns_indep.as_ref(),
            page_size: PageSize::KIB_4,
            host_max_transfer: 8 << 20,
        })
    }
}

/// The values that Linux shows in sysfs for this device with its own driver.
#[test]
fn qemu() {
    let limits = Device::qemu().limits().unwrap();
    let expected = BlockLimits {
        capacity: 1 << 30,
        lba_size: LbaSize::BYTES_512,
        physical_block_size: 512,
        io_min: 512,
        io_opt: 0,
        max_transfer: 512 << 10,
        max_segments: 129,
        chunk: 0,
        discard: Some(Discard {
            max_bytes: 4_194_303 * 512,
            max_ranges: 255,
            granularity: 4096,
        }),
        write_zeroes: Some(WriteZeroes {
            max_bytes: 512 << 10,
            deallocate: true,
        }),
        write_cache: true,
        atomic: AtomicWrites {
            max: 512,
            unit_min: 512,
            unit_max: 512,
            boundary: 0,
        },
        rotational: false,
        read_only: false,
    };
    assert_eq!(limits, expected);
}

/// A controller of the time before all of the optional structures and commands.
#[test]
fn old_controller() {
    let mut device = Device::qemu();
    device.ctrl.mdts = 0;
    device.ctrl.oncs = U16::ZERO;
    device.ctrl.vwc = 0;
    device.ns.nsfeat = 0;
    device.ctrl_nvm = None;
    device.ns_nvm = None;
    device.ns_indep = None;
    let limits = device.limits().unwrap();
    assert_eq!(limits.max_transfer, 8 << 20);
    assert_eq!(limits.max_segments, 2049);
    assert_eq!((limits.discard, limits.write_zeroes), (None, None));
    assert!(!limits.write_cache);
    assert_eq!((limits.io_min, limits.io_opt), (512, 0));

    device.ctrl.oncs = U16::new(1 << 2 | 1 << 3);
    device.ns.dlfeat = 0;
    let limits = device.limits().unwrap();
    let discard = limits.discard.unwrap();
    assert_eq!(discard.max_bytes, u64::from(u32::MAX) * 512);
    assert_eq!((discard.max_ranges, discard.granularity), (256, 512));
    let write_zeroes = limits.write_zeroes.unwrap();
    assert_eq!(
        (write_zeroes.max_bytes, write_zeroes.deallocate),
        (8 << 20, false)
    );
}

#[test]
fn hints() {
    let mut device = Device::qemu();
    device.ns.flbas = 4;
    device.ns.nsfeat = 0x12; // NSABP, OPTPERF as in 1.0c.
    device.ns.npwg = U16::new(3);
    device.ns.nows = U16::new(31);
    device.ns.npdg = U16::new(15);
    device.ns.npda = U16::new(3);
    device.ns.nawupf = U16::new(6);
    device.ns.noiob = U16::new(32);
    let limits = device.limits().unwrap();
    assert_eq!(limits.lba_size, LbaSize::BYTES_4096);
    assert_eq!((limits.io_min, limits.io_opt), (16384, 131_072));
    assert_eq!(limits.chunk, 131_072);
    assert_eq!(limits.discard.unwrap().granularity, 65536);
    let atomic = AtomicWrites {
        max: 28672,
        unit_min: 4096,
        unit_max: 16384,
        boundary: 0,
    };
    assert_eq!(limits.atomic, atomic);
    assert_eq!(limits.physical_block_size, 16384);

    device.ns.noiob = U16::new(33);
    assert_eq!(device.limits().unwrap().chunk, 0);
    device.ns.nawupf = U16::new(1);
    assert_eq!(device.limits().unwrap().physical_block_size, 8192);
}

#[test]
fn atomic_boundaries() {
    let mut device = Device::qemu();
    let mut atomic = |nawupf, nabspf, nabo| {
        device.ns.nsfeat = 2;
        device.ns.nawupf = U16::new(nawupf);
        device.ns.nabspf = U16::new(nabspf);
        device.ns.nabo = U16::new(nabo);
        let atomic = device.limits().unwrap().atomic;
        (atomic.max, atomic.unit_max, atomic.boundary)
    };
    assert_eq!(atomic(15, 0, 0), (8192, 8192, 0));
    assert_eq!(atomic(15, 15, 0), (8192, 8192, 8192));
    assert_eq!(atomic(15, 63, 0), (8192, 8192, 32768));
    assert_eq!(atomic(15, 62, 0), (512, 512, 0));
    assert_eq!(atomic(15, 7, 0), (512, 512, 0));
    assert_eq!(atomic(15, 0, 1), (512, 512, 0));
    assert_eq!(atomic(65535, 0, 0), (32 << 20, 32 << 20, 0));
}

#[test]
fn discard_and_write_zeroes() {
    let mut device = Device::qemu();
    let nvm = device.ctrl_nvm.as_mut().unwrap();
    nvm.dmsl = U64::new(1000);
    nvm.dmrsl = U32::new(2000);
    nvm.dmrl = 16;
    nvm.wzsl = 12;
    let limits = device.limits().unwrap();
    let discard = limits.discard.unwrap();
    assert_eq!((discard.max_bytes, discard.max_ranges), (512_000, 16));
    assert_eq!(limits.write_zeroes.unwrap().max_bytes, 16 << 20);
    // More than NLB can say.
    device.ctrl_nvm.as_mut().unwrap().wzsl = 40;
    assert_eq!(
        device.limits().unwrap().write_zeroes.unwrap().max_bytes,
        32 << 20
    );
    // The large fields count from 1, and go before the small ones.
    device.ns_nvm.as_mut().unwrap().npdgl = U32::new(1 << 12);
    assert_eq!(
        device.limits().unwrap().discard.unwrap().granularity,
        2 << 20
    );
    device.ns.nsfeat = 0x10;
    assert_eq!(device.limits().unwrap().discard.unwrap().granularity, 4096);
}

#[test]
fn flags_of_the_namespace() {
    let mut device = Device::qemu();
    device.ns_indep.as_mut().unwrap().nsfeat = 0x30;
    device.ns.nsattr = 1;
    let limits = device.limits().unwrap();
    assert!(limits.rotational && !limits.write_cache && limits.read_only);
}

#[test]
fn unsupported() {
    let mut device = Device::qemu();
    device.ns.nsze = U64::new(1 << 55);
    assert!(matches!(
        device.limits(),
        Err(UnsupportedFormat::Capacity { .. })
    ));
    device.ns.nsze = U64::new((1 << 55) - 1);
    assert_eq!(device.limits().unwrap().capacity, u64::MAX - 511);
    device.ns.lbaf[0].lbads = 16;
    assert!(matches!(
        device.limits(),
        Err(UnsupportedFormat::LbaSize(_))
    ));
    device.ns.lbaf[0] = LbaFormat {
        ms: U16::new(8),
        lbads: 9,
        rp: 0,
    };
    assert!(matches!(
        device.limits(),
        Err(UnsupportedFormat::Metadata(_))
    ));
}

/// The transfer is a number of blocks that NLB can say, for every MDTS and every wish of the host.
#[test]
fn max_transfer() {
    let mut device = Device::qemu();
    for (mdts, mpsmin) in (0..=255).flat_map(|mdts| (0..16).map(move |mpsmin| (mdts, mpsmin))) {
        device.ctrl.mdts = mdts;
        for host_max_transfer in [0, 511, 513, 4096, 8 << 20, u32::MAX] {
            let limits = BlockLimits::new(&Sources {
                cap: Cap::from_bits(mpsmin << 48),
                ctrl: &device.ctrl,
                ctrl_nvm: None,
                ns: &device.ns,
                ns_nvm: None,
                ns_indep: None,
                page_size: PageSize::from_mps(mpsmin as u8),
                host_max_transfer,
            });
            let max_transfer = limits.unwrap().max_transfer;
            assert!((512..=32 << 20).contains(&max_transfer) && max_transfer % 512 == 0);
        }
    }
}

/// Whatever a device says, the block layer gets limits that it accepts.
fn acceptable(limits: &BlockLimits) -> TestCaseResult {
    let block = limits.lba_size.bytes();
    prop_assert!(limits.physical_block_size.is_power_of_two());
    prop_assert!(limits.physical_block_size >= block);
    prop_assert!(limits.io_min >= block && limits.io_min % block == 0);
    prop_assert_eq!(limits.io_opt % block, 0);
    prop_assert!(limits.max_transfer >= block && limits.max_transfer % block == 0);
    prop_assert!(limits.max_segments >= 1);
    prop_assert!(limits.chunk == 0 || limits.chunk.is_power_of_two() && limits.chunk >= block);
    if let Some(discard) = limits.discard {
        prop_assert!(discard.max_bytes >= u64::from(block));
        prop_assert!((1..=256).contains(&discard.max_ranges));
        prop_assert!(discard.granularity >= block && discard.granularity % block == 0);
    }
    if let Some(write_zeroes) = limits.write_zeroes {
        prop_assert!(write_zeroes.max_bytes >= block && write_zeroes.max_bytes % block == 0);
    }
    let atomic = limits.atomic;
    prop_assert_eq!(atomic.unit_min, block);
    prop_assert!(atomic.unit_max.is_power_of_two());
    prop_assert!(block <= atomic.unit_max && atomic.unit_max <= atomic.max);
    prop_assert!(atomic.boundary == 0 || atomic.boundary.is_power_of_two());
    prop_assert!(atomic.boundary == 0 || atomic.boundary >= atomic.max);
    Ok(())
}

#[test]
fn noise() {
    fn page() -> impl Strategy<Value = Vec<u8>> {
        prop::collection::vec(any::<u8>(), 4096)
    }
    let noise = (
        any::<u64>(),
        page(),
        page(),
        page(),
        page(),
        page(),
        9..=12u8,
        0..4u8,
    );
    check(
        noise,
        |(cap, ctrl, ctrl_nvm, ns, ns_nvm, ns_indep, lbads, optperf)| {
            let mut device = Device {
                cap,
                ctrl: IdentifyCtrl::read_from_bytes(&ctrl).unwrap(),
                ctrl_nvm: Some(IdentifyCtrlNvm::read_from_bytes(&ctrl_nvm).unwrap()),
                ns: IdentifyNs::read_from_bytes(&ns).unwrap(),
                ns_nvm: Some(IdentifyNsNvm::read_from_bytes(&ns_nvm).unwrap()),
                ns_indep: Some(IdentifyNsIndep::read_from_bytes(&ns_indep).unwrap()),
            };
            if let Ok(limits) = device.limits() {
                acceptable(&limits)?;
            }
            // Most noise is no valid format: once more with one.
            let index = usize::from(device.ns.format_index());
            device.ns.nsfeat = device.ns.nsfeat & !0x30 | optperf << 4;
            device.ns.nsze = U64::new(device.ns.nsze.get() >> 16);
            if let Some(lbaf) = device.ns.lbaf.get_mut(index) {
                lbaf.lbads = lbads;
                lbaf.ms = U16::ZERO;
            }
            match device.limits() {
                Ok(limits) => acceptable(&limits),
                Err(error) => {
                    prop_assert!(
                        matches!(error, UnsupportedFormat::Index { .. }),
                        "{}",
                        error
                    );
                    Ok(())
                }
            }
        },
    );
}
