// SPDX-License-Identifier: GPL-2.0

//! Identify Controller, CNS 01h.
//!
//! NVM Express Base Specification 2.0c, 5.17.2.1. Bytes 512 to 559 are of the NVM Command Set
//! Specification 1.0c, 4.1.5.2, in part.

use zerocopy::byteorder::little_endian::{
    U128,
    U16,
    U32, //
};
use zerocopy_derive::{
    FromBytes,
    Immutable,
    IntoBytes,
    KnownLayout, //
};

use super::{
    bits::{
        assert_layout,
        bit,
        field, //
    },
    completion::Cqe,
    identify::Text,
    regs::Version,
    sqe::Sqe,
    status::Status, //
};
use crate::dma::prp::PageSize;

/// The Identify Controller data structure.
///
/// Fields are as the controller wrote them; the functions below give them units.
#[derive(Clone, Copy, FromBytes, IntoBytes, Immutable, KnownLayout)]
#[repr(C)]
pub(crate) struct IdentifyCtrl {
    /// VID: PCI vendor identifier.
    pub(crate) vid: U16,
    /// SSVID: PCI subsystem vendor identifier.
    pub(crate) ssvid: U16,
    /// SN: serial number, [`Self::serial_number`].
    pub(crate) sn: [u8; 20],
    /// MN: model number, [`Self::model_number`].
    pub(crate) mn: [u8; 40],
    /// FR: firmware revision, [`Self::firmware_revision`].
    pub(crate) fr: [u8; 8],
    /// RAB: recommended arbitration burst, 2^n commands.
    pub(crate) rab: u8,
    /// IEEE: OUI of the vendor, least significant byte first.
    pub(crate) ieee: [u8; 3],
    /// CMIC: multi-path and namespace sharing capabilities.
    pub(crate) cmic: u8,
    /// MDTS: maximum data transfer size, [`Self::max_transfer_bytes`].
    pub(crate) mdts: u8,
    /// CNTLID: controller identifier, unique in the NVM subsystem.
    pub(crate) cntlid: U16,
    /// VER: [`Self::version`].
    pub(crate) ver: U32,
    /// RTD3R: RTD3 resume latency in microseconds.
    pub(crate) rtd3r: U32,
    /// RTD3E: RTD3 entry latency in microseconds, how long a normal shutdown typically takes.
    pub(crate) rtd3e: U32,
    /// OAES: optional asynchronous events that are supported.
    pub(crate) oaes: U32,
    /// CTRATT: controller attributes.
    pub(crate) ctratt: U32,
    /// RRLS: read recovery levels that are supported.
    pub(crate) rrls: U16,
    _reserved102: [u8; 9],
    /// CNTRLTYPE: [`Self::controller_type`].
    pub(crate) cntrltype: u8,
    /// FGUID: identifier of the field-replaceable unit.
    pub(crate) fguid: [u8; 16],
    /// CRDT1: first command retry delay, in units of 100 ms, [`Self::retry_delay_ms`].
    pub(crate) crdt1: U16,
    /// CRDT2: second command retry delay, in units of 100 ms.
    pub(crate) crdt2: U16,
    /// CRDT3: third command retry delay, in units of 100 ms.
    pub(crate) crdt3: U16,
    _reserved134: [u8; 106],
    _reserved240: [u8; 13],
    /// NVMSR: NVM subsystem report, part of the NVMe Management Interface.
    pub(crate) nvmsr: u8,
    /// VWCI: remaining writes of vital product data.
    pub(crate) vwci: u8,
    /// MEC: management endpoint capabilities.
    pub(crate) mec: u8,
    /// OACS: optional admin commands that are supported, [`Self::has_admin`].
    pub(crate) oacs: U16,
    /// ACL: abort command limit, 0's based.
    pub(crate) acl: u8,
    /// AERL: asynchronous event request limit, 0's based.
    pub(crate) aerl: u8,
    /// FRMW: firmware updates.
    pub(crate) frmw: u8,
    /// LPA: log page attributes.
    pub(crate) lpa: u8,
    /// ELPE: entries of the error log, 0's based.
    pub(crate) elpe: u8,
    /// NPSS: power states, 0's based.
    pub(crate) npss: u8,
    /// AVSCC: admin vendor specific command configuration.
    pub(crate) avscc: u8,
    /// APSTA: autonomous power state transition attributes.
    pub(crate) apsta: u8,
    /// WCTEMP: warning composite temperature threshold in kelvins.
    pub(crate) wctemp: U16,
    /// CCTEMP: critical composite temperature threshold in kelvins.
    pub(crate) cctemp: U16,
    /// MTFA: maximum time for firmware activation, in units of 100 ms.
    pub(crate) mtfa: U16,
    /// HMPRE: host memory buffer preferred size, in units of 4 KiB.
    pub(crate) hmpre: U32,
    /// HMMIN: host memory buffer minimum size, in units of 4 KiB.
    pub(crate) hmmin: U32,
    /// TNVMCAP: total NVM capacity in bytes.
    pub(crate) tnvmcap: U128,
    /// UNVMCAP: unallocated NVM capacity in bytes.
    pub(crate) unvmcap: U128,
    /// RPMBS: replay protected memory block support.
    pub(crate) rpmbs: U32,
    /// EDSTT: extended device self-test time in minutes.
    pub(crate) edstt: U16,
    /// DSTO: device self-test options.
    pub(crate) dsto: u8,
    /// FWUG: firmware update granularity, in units of 4 KiB.
    pub(crate) fwug: u8,
    /// KAS: granularity of the keep alive timer, in units of 100 ms.
    pub(crate) kas: U16,
    /// HCTMA: host controlled thermal management attributes.
    pub(crate) hctma: U16,
    /// MNTMT: minimum thermal management temperature in kelvins.
    pub(crate) mntmt: U16,
    /// MXTMT: maximum thermal management temperature in kelvins.
    pub(crate) mxtmt: U16,
    /// SANICAP: sanitize capabilities.
    pub(crate) sanicap: U32,
    /// HMMINDS: host memory buffer minimum descriptor entry size, in units of 4 KiB.
    pub(crate) hmminds: U32,
    /// HMMAXD: host memory maximum descriptor entries.
    pub(crate) hmmaxd: U16,
    /// NSETIDMAX: the largest NVM set identifier.
    pub(crate) nsetidmax: U16,
    /// ENDGIDMAX: the largest endurance group identifier.
    pub(crate) endgidmax: U16,
    /// ANATT: ANA transition time in seconds.
    pub(crate) anatt: u8,
    /// ANACAP: asymmetric namespace access capabilities.
    pub(crate) anacap: u8,
    /// ANAGRPMAX: the largest ANA group identifier.
    pub(crate) anagrpmax: U32,
    /// NANAGRPID: number of ANA group identifiers.
    pub(crate) nanagrpid: U32,
    /// PELS: persistent event log size, in units of 64 KiB.
    pub(crate) pels: U32,
    /// Domain identifier.
    pub(crate) domain_id: U16,
    _reserved358: [u8; 10],
    /// MEGCAP: maximum endurance group capacity in bytes.
    pub(crate) megcap: U128,
    _reserved384: [u8; 128],
    /// SQES: submission queue entry sizes: required 3:0, maximum 7:4, 2^n bytes.
    pub(crate) sqes: u8,
    /// CQES: completion queue entry sizes: required 3:0, maximum 7:4, 2^n bytes.
    pub(crate) cqes: u8,
    /// MAXCMD: maximum outstanding commands of a queue; 0 if not reported.
    pub(crate) maxcmd: U16,
    /// NN: the largest namespace identifier, or the number of namespaces.
    pub(crate) nn: U32,
    /// ONCS: optional I/O commands that are supported, [`Self::has_io`].
    pub(crate) oncs: U16,
    /// FUSES: fused operations that are supported; bit 0: Compare and Write.
    pub(crate) fuses: U16,
    /// FNA: Format NVM attributes.
    pub(crate) fna: u8,
    /// VWC: volatile write cache, [`Self::has_write_cache`].
    pub(crate) vwc: u8,
    /// AWUN: atomic write unit in normal operation, in logical blocks, 0's based.
    pub(crate) awun: U16,
    /// AWUPF: atomic write unit when power fails, in logical blocks, 0's based.
    pub(crate) awupf: U16,
    /// ICSVSCC: I/O vendor specific command configuration.
    pub(crate) icsvscc: u8,
    /// NWPC: namespace write protection capabilities.
    pub(crate) nwpc: u8,
    /// ACWU: atomic compare and write unit, in logical blocks, 0's based.
    pub(crate) acwu: U16,
    /// CDFS: copy descriptor formats that are supported.
    pub(crate) cdfs: U16,
    /// SGLS: SGL support, [`Self::sgl_support`].
    pub(crate) sgls: U32,
    /// MNAN: maximum number of allowed namespaces.
    pub(crate) mnan: U32,
    /// MAXDNA: maximum domain namespace attachments.
    pub(crate) maxdna: U128,
    /// MAXCNA: maximum I/O controller namespace attachments.
    pub(crate) maxcna: U32,
    _reserved564: [u8; 204],
    /// SUBNQN: NVMe qualified name of the NVM subsystem, [`Self::subsystem_nqn`].
    pub(crate) subnqn: [u8; 256],
    _reserved1024: [u8; 768],
    /// IOCCSZ to OFCS and reserved bytes: NVMe over Fabrics.
    pub(crate) fabrics: [u8; 256],
    /// PSD0 to PSD31: the power states.
    pub(crate) psd: [PowerState; 32],
    /// Vendor specific.
    pub(crate) vendor: [u8; 1024],
}

assert_layout!(
    IdentifyCtrl, 4096,
    mdts @ 77, cntrltype @ 111, oacs @ 256, hmpre @ 272, sanicap @ 328, megcap @ 368,
    sqes @ 512, oncs @ 520, sgls @ 536, subnqn @ 768, fabrics @ 1792, psd @ 2048, vendor @ 3072,
);

/// A power state descriptor.
#[derive(Clone, Copy, FromBytes, IntoBytes, Immutable, KnownLayout)]
#[repr(C)]
pub(crate) struct PowerState {
    /// MP: maximum power, in units of 10 mW, or of 0.1 mW with [`Self::flags`] bit 0.
    pub(crate) mp: U16,
    _reserved2: u8,
    /// Bit 0, MXPS: the unit of `mp`; bit 1, NOPS: no I/O commands are processed in this state.
    pub(crate) flags: u8,
    /// ENLAT: entry latency in microseconds.
    pub(crate) enlat: U32,
    /// EXLAT: exit latency in microseconds.
    pub(crate) exlat: U32,
    /// RRT: relative read throughput, bits 4:0; lower is better.
    pub(crate) rrt: u8,
    /// RRL: relative read latency, bits 4:0.
    pub(crate) rrl: u8,
    /// RWT: relative write throughput, bits 4:0.
    pub(crate) rwt: u8,
    /// RWL: relative write latency, bits 4:0.
    pub(crate) rwl: u8,
    /// IDLP: idle power, in the unit of `ips`.
    pub(crate) idlp: U16,
    /// IPS: idle power scale, bits 7:6.
    pub(crate) ips: u8,
    _reserved19: u8,
    /// ACTP: active power, in the unit of `apws`.
    pub(crate) actp: U16,
    /// APW: active power workload, bits 2:0; APS: active power scale, bits 7:6.
    pub(crate) apws: u8,
    _reserved23: [u8; 9],
}

assert_layout!(PowerState, 32, flags @ 3, rrt @ 12, idlp @ 16, actp @ 20);

/// CNTRLTYPE: what a controller is for.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(crate) enum ControllerType {
    /// 0h: older than the field, or not telling. An I/O controller if it is a PCI function.
    NotReported,
    /// 1h: I/O controller.
    Io,
    /// 2h: discovery controller.
    Discovery,
    /// 3h: administrative controller.
    Administrative,
    /// Any other value.
    Reserved(u8),
}

/// SGLS bits 1:0: whether commands may describe their data by SGLs.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(crate) enum SglSupport {
    /// 00b: no.
    None,
    /// 01b: yes, with any alignment.
    Unaligned,
    /// 10b: yes, in multiples of four bytes.
    DwordAligned,
    /// 11b: reserved.
    Reserved,
}

/// A bit of OACS: an optional admin command.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(crate) enum OptionalAdmin {
    /// Security Send and Security Receive.
    Security = 0,
    /// Format NVM.
    FormatNvm = 1,
    /// Firmware Commit and Firmware Image Download.
    Firmware = 2,
    /// Namespace Management and Namespace Attachment.
    NamespaceManagement = 3,
    /// Device Self-test.
    SelfTest = 4,
    /// Directive Send and Directive Receive.
    Directives = 5,
    /// NVMe-MI Send and NVMe-MI Receive.
    NvmeMi = 6,
    /// Virtualization Management.
    Virtualization = 7,
    /// Doorbell Buffer Config.
    DoorbellBuffer = 8,
    /// Get LBA Status.
    GetLbaStatus = 9,
    /// Lockdown.
    Lockdown = 10,
}

/// A bit of ONCS: an optional I/O command or a feature of some.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(crate) enum OptionalIo {
    /// Compare.
    Compare = 0,
    /// Write Uncorrectable.
    WriteUncorrectable = 1,
    /// Dataset Management.
    DatasetManagement = 2,
    /// Write Zeroes.
    WriteZeroes = 3,
    /// The Save field of Set Features and the Select field of Get Features.
    SaveSelect = 4,
    /// Reservations.
    Reservations = 5,
    /// The Timestamp feature.
    Timestamp = 6,
    /// Verify.
    Verify = 7,
    /// Copy.
    Copy = 8,
}

impl IdentifyCtrl {
    /// SN.
    pub(crate) fn serial_number(&self) -> Text<'_> {
        Text::new(&self.sn)
    }

    /// MN.
    pub(crate) fn model_number(&self) -> Text<'_> {
        Text::new(&self.mn)
    }

    /// FR.
    pub(crate) fn firmware_revision(&self) -> Text<'_> {
        Text::new(&self.fr)
    }

    /// SUBNQN; empty if the controller is older than the field.
    pub(crate) fn subsystem_nqn(&self) -> Text<'_> {
        Text::new(&self.subnqn)
    }

    /// VER: the version of the specification; 0.0.0 from a controller older than 1.2.
    pub(crate) fn version(&self) -> Version {
        Version::from_bits(self.ver.get())
    }

    /// MDTS, in bytes: the most that a command may transfer, metadata not counted.
    ///
    /// `None` if there is no limit, or one that no `u64` can hold. The field is a power of two in
    /// units of `unit`, which is [`Cap::min_page_size`](super::cap::Cap::min_page_size).
    pub(crate) fn max_transfer_bytes(&self, unit: PageSize) -> Option<u64> {
        power_of_two_bytes(self.mdts, unit)
    }

    /// CNTRLTYPE.
    pub(crate) fn controller_type(&self) -> ControllerType {
        match self.cntrltype {
            0 => ControllerType::NotReported,
            1 => ControllerType::Io,
            2 => ControllerType::Discovery,
            3 => ControllerType::Administrative,
            other => ControllerType::Reserved(other),
        }
    }

    /// OACS: whether the controller has this optional admin command.
    pub(crate) fn has_admin(&self, what: OptionalAdmin) -> bool {
        bit(u64::from(self.oacs.get()), what as u32)
    }

    /// ONCS: whether the controller has this optional I/O command.
    pub(crate) fn has_io(&self, what: OptionalIo) -> bool {
        bit(u64::from(self.oncs.get()), what as u32)
    }

    /// ACL: how many Abort commands may be outstanding, 1 to 256.
    pub(crate) fn abort_limit(&self) -> u32 {
        u32::from(self.acl) + 1
    }

    /// AERL: how many Asynchronous Event Requests may be outstanding, 1 to 256.
    pub(crate) fn async_event_limit(&self) -> u32 {
        u32::from(self.aerl) + 1
    }

    /// LPA bit 1: there is a Commands Supported and Effects log.
    pub(crate) fn has_effects_log(&self) -> bool {
        bit(u64::from(self.lpa), 1)
    }

    /// VWC bit 0: there is a volatile write cache, unless a namespace says that it has none.
    pub(crate) fn has_write_cache(&self) -> bool {
        bit(u64::from(self.vwc), 0)
    }

    /// Whether 64-byte submission queue entries and 16-byte completion queue entries, the only
    /// ones that the driver uses, are among the sizes that the controller supports.
    pub(crate) fn has_usual_entry_sizes(&self) -> bool {
        let contains = |sizes: u8, bytes: u32| {
            let wanted = bytes.trailing_zeros() as u8;
            field(u64::from(sizes), 3, 0) as u8 <= wanted
                && wanted <= field(u64::from(sizes), 7, 4) as u8
        };
        contains(self.sqes, Sqe::SIZE) && contains(self.cqes, Cqe::SIZE)
    }

    /// SGLS bits 1:0.
    pub(crate) fn sgl_support(&self) -> SglSupport {
        match field(u64::from(self.sgls.get()), 1, 0) {
            0 => SglSupport::None,
            1 => SglSupport::Unaligned,
            2 => SglSupport::DwordAligned,
            _ => SglSupport::Reserved,
        }
    }

    /// CRDT1 to CRDT3, in milliseconds: how long to wait before a command that failed with
    /// `status` is sent again. 0 if the status asks for no delay.
    pub(crate) fn retry_delay_ms(&self, status: Status) -> u32 {
        let units = match status.crd() {
            1 => self.crdt1,
            2 => self.crdt2,
            3 => self.crdt3,
            _ => U16::ZERO,
        };
        u32::from(units.get()) * 100
    }

    /// RTD3E, in milliseconds and rounded up: how long a normal shutdown takes; `None` if the
    /// controller does not say.
    pub(crate) fn shutdown_ms(&self) -> Option<u32> {
        match self.rtd3e.get() {
            0 => None,
            us => Some(us.div_ceil(1000)),
        }
    }
}

/// A size that is given as a power of two in units of the smallest memory page, as bytes.
///
/// `None` for 0, which means that there is no limit, and for 2^64 and more.
pub(super) fn power_of_two_bytes(exponent: u8, unit: PageSize) -> Option<u64> {
    if exponent == 0 {
        return None;
    }
    // A shift by 64 or more gives `None`; a shift that loses the bit gives 0.
    1u64.checked_shl(u32::from(exponent))
        .and_then(|units| units.checked_mul(u64::from(unit.bytes())))
}
