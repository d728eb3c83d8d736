// SPDX-License-Identifier: GPL-2.0

//! Admin commands.
//!
//! NVM Express Base Specification 2.0c, 5. Each function makes one command; those that ask for data
//! say of which type it is ([`Query`]).

use core::mem;

use super::{
    command::{
        Command,
        Query, //
    },
    feature::{
        FeatureId,
        Select, //
    },
    identify::{
        Cns,
        Csi, //
    },
    identify_ctrl::IdentifyCtrl,
    identify_ctrl_nvm::IdentifyCtrlNvm,
    identify_list::{
        NsDescriptorList,
        NsList, //
    },
    identify_ns::IdentifyNs,
    identify_ns_indep::IdentifyNsIndep,
    identify_ns_nvm::IdentifyNsNvm,
    ids::{
        Nsid,
        QueueId,
        QueueSize, //
    },
    log::{
        ChangedNsList,
        EffectsLog,
        ErrorEntry,
        FirmwareSlotLog,
        LogId,
        SmartLog, //
    },
    opcode::AdminOpcode, //
};

/// A command of which only the opcode and the namespace are set.
const fn bare(opcode: AdminOpcode, nsid: Nsid) -> Command {
    Command::new(opcode.0, nsid)
}

/// Identify (Base 5.17). The caller's types fix what comes back.
const fn identify<T>(cns: Cns, nsid: Nsid, csi: Csi) -> Query<T> {
    const { assert!(mem::size_of::<T>() == 4096) };
    let mut command = bare(AdminOpcode::IDENTIFY, nsid);
    command.cdw10 = cns.0 as u32; // CNS, bits 7:0; CNTID, bits 31:16, is for other values of CNS.
    command.cdw11 = (csi.0 as u32) << 24; // CSI, bits 31:24.
    Query::new(command)
}

/// Identify Controller, CNS 01h: mandatory for every controller.
pub(crate) const fn identify_ctrl() -> Query<IdentifyCtrl> {
    identify(Cns::CONTROLLER, Nsid::NONE, Csi::NVM)
}

/// Identify Controller for the NVM command set, CNS 06h: since 2.0, optional.
pub(crate) const fn identify_ctrl_nvm() -> Query<IdentifyCtrlNvm> {
    identify(Cns::CSI_CONTROLLER, Nsid::NONE, Csi::NVM)
}

/// Identify Namespace, CNS 00h: for namespaces of command sets with logical blocks.
pub(crate) const fn identify_ns(nsid: Nsid) -> Query<IdentifyNs> {
    identify(Cns::NAMESPACE, nsid, Csi::NVM)
}

/// Identify Namespace for the NVM command set, CNS 05h: since 2.0, optional.
pub(crate) const fn identify_ns_nvm(nsid: Nsid) -> Query<IdentifyNsNvm> {
    identify(Cns::CSI_NAMESPACE, nsid, Csi::NVM)
}

/// Identify Namespace for any command set, CNS 08h: since 2.0.
pub(crate) const fn identify_ns_indep(nsid: Nsid) -> Query<IdentifyNsIndep> {
    identify(Cns::INDEPENDENT_NAMESPACE, nsid, Csi::NVM)
}

/// The active namespaces whose identifiers are greater than `after`, CNS 02h: since 1.1.
pub(crate) const fn identify_active_ns_list(after: Nsid) -> Query<NsList> {
    identify(Cns::ACTIVE_NS_LIST, after, Csi::NVM)
}

/// The names of a namespace, CNS 03h: since 1.3.
pub(crate) const fn identify_ns_descriptors(nsid: Nsid) -> Query<NsDescriptorList> {
    identify(Cns::NS_DESCRIPTORS, nsid, Csi::NVM)
}

/// Get Log Page (Base 5.16), from the start of the page, as long as the type.
///
/// Asynchronous events of this log's kind are reported again afterwards unless `retain` is set.
const fn get_log<T>(log: LogId, nsid: Nsid, retain: bool) -> Query<T> {
    const { assert!(mem::size_of::<T>() % 4 == 0 && mem::size_of::<T>() > 0) };
    let dwords = (mem::size_of::<T>() / 4 - 1) as u32; // NUMD is 0's based.
    let mut command = bare(AdminOpcode::GET_LOG_PAGE, nsid);
    // LID, bits 7:0; RAE, bit 15; NUMDL, bits 31:16.
    command.cdw10 = log.0 as u32 | (retain as u32) << 15 | dwords << 16;
    command.cdw11 = dwords >> 16; // NUMDU, bits 15:0.
    Query::new(command)
}

/// SMART / Health Information of the whole controller, LID 02h.
pub(crate) const fn get_smart_log() -> Query<SmartLog> {
    get_log(LogId::SMART, Nsid::ALL, false)
}

/// The `N` latest entries of Error Information, LID 01h; there are [`IdentifyCtrl::elpe`] + 1.
pub(crate) const fn get_error_log<const N: usize>() -> Query<[ErrorEntry; N]> {
    get_log(LogId::ERROR, Nsid::ALL, false)
}

/// Firmware Slot Information, LID 03h.
pub(crate) const fn get_firmware_slot_log() -> Query<FirmwareSlotLog> {
    get_log(LogId::FIRMWARE_SLOT, Nsid::ALL, false)
}

/// Changed Namespace List, LID 04h: reading it clears it.
pub(crate) const fn get_changed_ns_list() -> Query<ChangedNsList> {
    get_log(LogId::CHANGED_NS_LIST, Nsid::ALL, false)
}

/// Commands Supported and Effects, LID 05h: if LPA bit 1 is set.
pub(crate) const fn get_effects_log(csi: Csi) -> Query<EffectsLog> {
    let query: Query<EffectsLog> = get_log(LogId::COMMAND_EFFECTS, Nsid::NONE, false);
    let mut command = *query.command();
    command.cdw14 = (csi.0 as u32) << 24; // CSI, bits 31:24.
    Query::new(command)
}

/// Set Features (Base 5.27) of a feature whose value is one dword.
pub(crate) const fn set_features(feature: FeatureId, nsid: Nsid, value: u32) -> Command {
    let mut command = bare(AdminOpcode::SET_FEATURES, nsid);
    command.cdw10 = feature.0 as u32; // FID, bits 7:0; SV, bit 31, would save the value.
    command.cdw11 = value;
    command
}

/// Get Features (Base 5.15) of a feature whose value is one dword, which DW0 of the completion is.
pub(crate) const fn get_features(feature: FeatureId, nsid: Nsid, select: Select) -> Command {
    let mut command = bare(AdminOpcode::GET_FEATURES, nsid);
    command.cdw10 = feature.0 as u32 | (select as u32) << 8; // FID, bits 7:0; SEL, bits 10:8.
    command
}

/// How a completion queue tells that it has entries.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(crate) enum CompletionSignal {
    /// By this interrupt vector (IEN = 1). There is one vector, 0, unless MSI or MSI-X is used.
    Interrupt(u16),
    /// Not at all (IEN = 0): someone polls.
    Polled,
}

/// Create I/O Completion Queue (Base 5.4). PRP1 is the address of its memory, which is contiguous.
pub(crate) const fn create_io_cq(
    queue: QueueId,
    size: QueueSize,
    signal: CompletionSignal,
) -> Command {
    let mut command = bare(AdminOpcode::CREATE_IO_CQ, Nsid::NONE);
    // QID, bits 15:0; QSIZE, bits 31:16.
    command.cdw10 = queue.get() as u32 | (size.zero_based() as u32) << 16;
    // PC, bit 0; IEN, bit 1; IV, bits 31:16.
    command.cdw11 = 1 | match signal {
        CompletionSignal::Interrupt(vector) => 1 << 1 | (vector as u32) << 16,
        CompletionSignal::Polled => 0,
    };
    command
}

/// QPRIO: the class of a submission queue. Matters with weighted round robin only.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(crate) enum QueuePriority {
    /// 00b.
    Urgent = 0b00,
    /// 01b.
    High = 0b01,
    /// 10b.
    Medium = 0b10,
    /// 11b.
    Low = 0b11,
}

/// Create I/O Submission Queue (Base 5.5), whose commands complete in the completion queue
/// `completions`. PRP1 is the address of its memory, which is contiguous.
pub(crate) const fn create_io_sq(
    queue: QueueId,
    size: QueueSize,
    completions: QueueId,
    priority: QueuePriority,
) -> Command {
    let mut command = bare(AdminOpcode::CREATE_IO_SQ, Nsid::NONE);
    // QID, bits 15:0; QSIZE, bits 31:16.
    command.cdw10 = queue.get() as u32 | (size.zero_based() as u32) << 16;
    // PC, bit 0; QPRIO, bits 2:1; CQID, bits 31:16.
    command.cdw11 = 1 | (priority as u32) << 1 | (completions.get() as u32) << 16;
    command
}

/// Delete I/O Completion Queue (Base 5.6): after all submission queues that use it.
pub(crate) const fn delete_io_cq(queue: QueueId) -> Command {
    let mut command = bare(AdminOpcode::DELETE_IO_CQ, Nsid::NONE);
    command.cdw10 = queue.get() as u32; // QID, bits 15:0.
    command
}

/// Delete I/O Submission Queue (Base 5.7). Once it succeeds, the controller uses neither the queue
/// nor the memory of any command in it.
pub(crate) const fn delete_io_sq(queue: QueueId) -> Command {
    let mut command = bare(AdminOpcode::DELETE_IO_SQ, Nsid::NONE);
    command.cdw10 = queue.get() as u32; // QID, bits 15:0.
    command
}

/// Abort (Base 5.1) the command `cid` of submission queue `queue`.
///
/// Bit 0 of DW0 of the completion is 0 if that command was aborted. It has a completion of its own
/// in either case.
pub(crate) const fn abort(queue: QueueId, cid: u16) -> Command {
    let mut command = bare(AdminOpcode::ABORT, Nsid::NONE);
    // SQID, bits 15:0; CID, bits 31:16.
    command.cdw10 = queue.get() as u32 | (cid as u32) << 16;
    command
}

/// Asynchronous Event Request (Base 5.2): completes when something happens.
pub(crate) const fn async_event_request() -> Command {
    bare(AdminOpcode::ASYNC_EVENT_REQUEST, Nsid::NONE)
}

/// Doorbell Buffer Config (Base 5.8): PRP1 is the shadow doorbells, PRP2 the event indices.
pub(crate) const fn doorbell_buffer_config() -> Command {
    bare(AdminOpcode::DOORBELL_BUFFER_CONFIG, Nsid::NONE)
}
