// SPDX-License-Identifier: GPL-2.0

//! Entry points for the search for panics: `tools/unit` compiles them as the kernel does, with
//! overflow checks, and fails if the object calls any of core's panic functions.
//!
//! Each function takes what a device says, or what a caller could get wrong, and uses every
//! function of ours that computes with it. The optimizer has to prove that none of them panics.

use core::{
    fmt::Write,
    hint::black_box, //
};

use crate::{
    dma::{
        addr::DmaAddr,
        pool::Pool,
        prp::{
            ListMemory,
            ListPage,
            Page4K,
            PageShape,
            PageSize,
            PrpBuilder,
            Prps,
            Segment, //
        },
        put_all,
    },
    mq::{
        cid::{
            Cid,
            CidLayout, //
        },
        slot::SlotWord,
    },
    nvme::{
        command_data::CommandData,
        cursor::Cursor,
        spec::{
            admin,
            cap::Cap,
            cc::{
                Cc,
                CcBuilder,
                Shutdown, //
            },
            cmb::{
                CmbLoc,
                CmbSz, //
            },
            command::Command,
            completion::{
                Completion,
                CqeTail, //
            },
            csts::Csts,
            feature::QueueCounts,
            identify::Text,
            identify_ctrl::{
                IdentifyCtrl,
                OptionalAdmin,
                OptionalIo, //
            },
            identify_list::{
                NsDescriptorList,
                NsList, //
            },
            identify_ns::{
                IdentifyNs,
                UnsupportedFormat, //
            },
            ids::{
                Nsid,
                QueueId,
                QueueSize, //
            },
            io::{
                self,
                IoControl,
                Transfer, //
            },
            lba::{
                BlockCount,
                LbaRange,
                LbaSize, //
            },
            limits::{
                BlockLimits,
                Sources, //
            },
            log::{
                EffectsLog,
                ErrorEntry,
                FirmwareSlotLog, //
            },
            opcode::{
                AdminOpcode,
                IoOpcode, //
            },
            regs::{
                Aqa,
                Crto,
                Version, //
            },
            sqe::Sqe,
            status::Status,
        },
        state::{
            State,
            StateMachine, //
        },
    },
};

/// List memory that may be anything, also nothing.
struct Lists<'s>(&'s mut dyn FnMut(u32) -> Option<ListPage<'static>>);

impl ListMemory<'static> for Lists<'_> {
    fn next_page(&mut self, wanted: u32) -> Option<ListPage<'static>> {
        (self.0)(wanted)
    }
}

fn prps(page: impl PageShape, segments: &[Segment], bytes: u32, lists: Lists<'_>) -> Option<Prps> {
    let (first, rest) = segments.split_first()?;
    if let Some(prps) = Prps::from_segment(page, *first) {
        return Some(prps);
    }
    let mut builder = PrpBuilder::start(page, lists, bytes, *first).ok()?;
    for segment in rest {
        builder.push(*segment).ok()?;
    }
    builder.finish().ok()
}

#[no_mangle]
fn no_panic_prps(
    mps: u8,
    segments: &[Segment],
    bytes: u32,
    next: &mut dyn FnMut(u32) -> Option<ListPage<'static>>,
) -> [Option<Prps>; 2] {
    [
        prps(PageSize::from_mps(mps), segments, bytes, Lists(next)),
        prps(Page4K, segments, bytes, Lists(next)),
    ]
}

#[no_mangle]
fn no_panic_limits(sources: &Sources<'_>) -> Result<BlockLimits, UnsupportedFormat> {
    BlockLimits::new(sources)
}

#[no_mangle]
fn no_panic_registers(cap: u64, word: u32, mps: u8, queue: u16, out: &mut dyn Write) {
    let cap = Cap::from_bits(cap);
    black_box((cap.timeout_ms(), cap.min_page_size(), cap.max_page_size()));
    black_box((cap.max_queue_size(), cap.weighted_round_robin()));
    let stride = cap.doorbell_stride();
    let queue = QueueId::new(queue);
    black_box((stride.submission_tail(queue), stride.completion_head(queue)));
    black_box(stride.mapped_bytes(queue));
    match CcBuilder::new(cap, PageSize::from_mps(mps)) {
        Ok(builder) => drop(black_box(
            builder.ready_without_media(cap).map(CcBuilder::build),
        )),
        Err(error) => drop(write!(out, "{error}")),
    }
    let cc = Cc::from_bits(word);
    black_box((
        cc.page_size(),
        cc.disabled(),
        cc.with_shutdown(Shutdown::Normal),
    ));
    black_box((Csts::from_bits(word).shst(), Csts::from_bits(word).rdy()));
    let crto = Crto::from_bits(word);
    black_box((crto.with_media_ms(), crto.without_media_ms()));
    let cmb = CmbSz::from_bits(word);
    black_box((cmb.bytes(), cmb.offset(CmbLoc::from_bits(word))));
    let _ = write!(out, "{}", Version::from_bits(word));
    if let Some(size) = QueueSize::new(word) {
        black_box((size.entries(), Aqa::new(size, size)));
    }
}

#[no_mangle]
fn no_panic_controller(ctrl: &IdentifyCtrl, mps: u8, status: u16, out: &mut dyn Write) {
    black_box(ctrl.max_transfer_bytes(PageSize::from_mps(mps)));
    black_box(ctrl.retry_delay_ms(Status::from_field(status)));
    black_box((ctrl.shutdown_ms(), ctrl.has_usual_entry_sizes()));
    black_box((ctrl.controller_type(), ctrl.sgl_support(), ctrl.version()));
    black_box((ctrl.abort_limit(), ctrl.async_event_limit()));
    black_box(ctrl.has_admin(OptionalAdmin::Lockdown) && ctrl.has_io(OptionalIo::Copy));
    let texts: [Text<'_>; 4] = [
        ctrl.serial_number(),
        ctrl.model_number(),
        ctrl.firmware_revision(),
        ctrl.subsystem_nqn(),
    ];
    for text in texts {
        let _ = write!(out, "{text}{:?}", Status::from_field(status));
    }
}

#[no_mangle]
fn no_panic_namespace(ns: &IdentifyNs, list: &NsList, after: u32, out: &mut dyn Write) {
    match ns.format() {
        Ok(format) => drop(black_box((
            format.check_block_io(),
            ns.capacity_bytes(format.lba_size),
        ))),
        Err(error) => drop(write!(out, "{error}")),
    }
    black_box((ns.formats().count(), ns.nguid(), ns.eui64()));
    black_box((ns.protection_type(), ns.performance_hints()));
    let after = Nsid::new(after);
    black_box((list.iter(after).last(), list.next(after)));
}

#[no_mangle]
fn no_panic_descriptors(list: &NsDescriptorList) {
    for descriptor in list.iter() {
        black_box(descriptor);
    }
}

#[no_mangle]
fn no_panic_logs(error: &ErrorEntry, slots: &FirmwareSlotLog, effects: &EffectsLog, index: u8) {
    black_box(error.status());
    black_box((
        slots.active_slot(),
        slots.next_slot(),
        slots.revision(index),
    ));
    black_box((effects.of_admin(index), effects.of_io(index).exclusion()));
}

#[no_mangle]
fn no_panic_completion(tail: u64, out: &mut dyn Write) {
    let tail = CqeTail::from_le(tail);
    black_box((tail.sq_head(), tail.sq_id(), tail.cid(), tail.phase()));
    let status = tail.status();
    black_box((status.block_status(), status.is_retryable(), status.crd()));
    let _ = write!(out, "{status}");
}

#[no_mangle]
fn no_panic_commands(number: u32, lbads: u8, addr: DmaAddr, out: &mut dyn Write) -> Option<Sqe> {
    black_box(QueueCounts::pairs(number).to_dword());
    black_box(QueueCounts::from_dword(number).usable_pairs());
    black_box((AdminOpcode(lbads).direction(), IoOpcode(lbads).direction()));
    black_box(admin::get_error_log::<64>());
    let size = LbaSize::from_lbads(lbads).ok()?;
    black_box((size.bytes_of(number.into()), size.blocks_in(number.into())));
    let range = LbaRange {
        start: number.into(),
        blocks: BlockCount::new(number)?,
    };
    let _ = write!(out, "{range}");
    let nsid = Nsid::new(number);
    let commands: [Command; 3] = [
        io::transfer(Transfer::Read, nsid, range, IoControl::NONE.fua()),
        io::write_zeroes(nsid, range, IoControl::NONE, true),
        io::deallocate(nsid, number as usize)?,
    ];
    let prps = Prps::from_addrs(addr, None);
    let mut entries = commands
        .map(|command| Sqe::from_command(&command, 0, prps))
        .into_iter();
    black_box(entries.next());
    entries.next_back()
}

/// All that a queue does with an identifier, also one that the device has made up.
#[no_mangle]
fn no_panic_slot(slot: &SlotWord, depth: u32, bits: u16, tag: usize, address: u64) -> Option<Cid> {
    let layout = CidLayout::new(depth, bits & 1 == 0);
    let cid = Cid::from_bits(bits);
    black_box((layout.tag(cid), layout.generation(cid), cid.bits()));
    black_box((slot.take(cid, layout), slot.is_full(), slot.drain()));
    let generation = slot.prepare(address, layout)?;
    Some(slot.put(address, generation, tag, layout))
}

#[no_mangle]
fn no_panic_pool(pool: &Pool, count: usize, bits: u64) -> Pool {
    if let Some(index) = pool.take() {
        black_box(index.get());
        pool.put(index);
    }
    put_all(pool, bits);
    Pool::new(count)
}

#[no_mangle]
fn no_panic_cursor(cursor: &mut Cursor, entries: u32) -> Option<Cursor> {
    cursor.advance();
    black_box((cursor.index(), cursor.phase()));
    QueueSize::new(entries).map(Cursor::new)
}

#[no_mangle]
fn no_panic_state(machine: &StateMachine, to: u8, out: &mut dyn Write) {
    let to = [
        State::New,
        State::Connecting,
        State::Live,
        State::Resetting,
        State::Deleting,
    ]
    .into_iter()
    .nth(to.into())
    .unwrap_or(State::Dead);
    black_box(machine.change(to).ok());
    let _ = write!(out, "{}", machine.get());
}

#[no_mangle]
fn no_panic_command_data(data: &mut CommandData, command: Command, result: u64, status: u16) {
    let status = Status::from_field(status);
    data.set_status(status);
    black_box((data.command(), data.completion()));
    data.set_completion(Completion { result, status });
    black_box((data.command(), data.completion(), data.status()));
    *data = CommandData::for_command(command);
}
