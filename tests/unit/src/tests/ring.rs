// SPDX-License-Identifier: GPL-2.0

//! Rings with a device at the other end: every command arrives once and in order, every
//! completion is read once, whoever is ahead of the other and however often they come by the start.
//!
//! The device counts what it has fetched and posted since the beginning and has no cursors, so
//! that it does not share an error with the driver.

use std::collections::BTreeMap;

use proptest::prelude::*;

use super::runner::check;
use crate::{
    dma::{
        prp::Prps,
        test_addr, //
    },
    mq::Completion,
    nvme::{
        ring::{
            CompletionMemory,
            CompletionRing,
            SubmissionRing, //
        },
        spec::{
            command::Command,
            ids::{
                Nsid,
                QueueSize, //
            },
            sqe::Sqe,
            status::Status, //
        },
    },
    pci::Lease,
};

const TAIL: usize = 0;
const HEAD: usize = 1;
const SQE_WORDS: usize = 8;
const CQE_WORDS: usize = 2;

/// What the device returns for the command with this number.
fn result_of(number: u32) -> u64 {
    u64::from(number) << 32 | 0x8765_4321
}

/// The status that it ends with.
fn status_of(number: u32) -> Status {
    Status::from_field((number % 0x7fff) as u16)
}

struct Device {
    function: Lease,
    size: u32,
    commands: usize,
    completions: usize,
    fetched: u32,
    posted: u32,
    /// Fetched and not completed yet: identifier and number.
    at_work: Vec<(u16, u32)>,
}

impl Device {
    fn doorbell(&self, index: usize) -> u32 {
        let (value, _) = self.function.rung(index);
        assert!(value < self.size, "doorbell beyond the ring");
        value
    }

    /// Fetches the next command, if it was told of one.
    fn fetch(&mut self) -> bool {
        let slot = self.fetched % self.size;
        if slot == self.doorbell(TAIL) {
            return false;
        }
        let word = self.commands + slot as usize * SQE_WORDS;
        let (opcode, number) = {
            let first = u64::from_le(self.function.load(word));
            (first as u32, (first >> 32) as u32)
        };
        assert_eq!(number, self.fetched, "not the next command");
        self.fetched += 1;
        self.at_work.push(((opcode >> 16) as u16, number));
        true
    }

    /// Completes any command that it works on, if there is room.
    fn post(&mut self, which: usize) -> bool {
        let is_full = (self.posted + 1) % self.size == self.doorbell(HEAD);
        if is_full || self.at_work.is_empty() {
            return false;
        }
        let (cid, number) = self.at_work.swap_remove(which % self.at_work.len());
        let word = self.completions + (self.posted % self.size) as usize * CQE_WORDS;
        let phase = u64::from(self.posted / self.size % 2 == 0);
        let tail = u64::from(status_of(number).bits()) << 49 | phase << 48 | u64::from(cid) << 32;
        self.function.store(word, result_of(number).to_le());
        self.function.store(word + 1, tail.to_le());
        self.posted += 1;
        true
    }
}

/// A queue pair: the driver's rings, a device, and who has which tag.
struct Rig {
    sq: SubmissionRing,
    cq: CompletionRing,
    memory: CompletionMemory,
    device: Device,
    free_tags: Vec<u16>,
    /// The numbers of the commands that are outstanding, by tag.
    outstanding: BTreeMap<u16, u32>,
    written: u32,
    read: u32,
}

impl Rig {
    fn new(entries: u32) -> Self {
        let function = Lease::default();
        let size = QueueSize::new(entries).unwrap();
        let sq = SubmissionRing::new(function.clone(), size, function.doorbell(TAIL)).unwrap();
        let memory = CompletionMemory::new(function.clone(), size).unwrap();
        let cq = CompletionRing::new(size, function.doorbell(HEAD));
        let device = Device {
            commands: (sq.dma_addr().bits() / 8) as usize,
            completions: (memory.dma_addr().bits() / 8) as usize,
            function,
            size: entries,
            fetched: 0,
            posted: 0,
            at_work: Vec::new(),
        };
        Self {
            sq,
            cq,
            memory,
            device,
            free_tags: (0..(entries - 1) as u16).collect(),
            outstanding: BTreeMap::new(),
            written: 0,
            read: 0,
        }
    }

    /// Writes the next command, if there is a tag for it.
    fn submit(&mut self) -> bool {
        let Some(tag) = self.free_tags.pop() else {
            return false;
        };
        let command = Command::new(0, Nsid::new(self.written));
        let nowhere = Prps::from_addrs(test_addr(0), None);
        self.sq.write(Sqe::from_command(&command, tag, nowhere));
        self.outstanding.insert(tag, self.written);
        self.written += 1;
        true
    }

    /// Tells the device of the commands; says it once.
    fn commit_commands(&mut self) {
        let (before, writes) = self.device.function.rung(TAIL);
        self.sq.commit();
        let (now, writes_now) = self.device.function.rung(TAIL);
        assert_eq!(now, self.written % self.device.size);
        assert_eq!(writes_now - writes, usize::from(now != before));
    }

    /// Reads the next completion, if there is one.
    fn pop(&mut self) -> bool {
        let Some(entry) = self.cq.pop(&self.memory) else {
            assert_eq!(self.read, self.device.posted, "not seen");
            return false;
        };
        assert!(self.read < self.device.posted, "nobody wrote this");
        let tag = entry.cid().bits();
        let number = self.outstanding.remove(&tag).expect("read before");
        let completion = entry.completion();
        assert_eq!(completion.result, result_of(number));
        assert_eq!(completion.status, status_of(number));
        assert_eq!(entry.status(), completion.status);
        self.free_tags.push(tag);
        self.read += 1;
        true
    }

    /// Gives the places of the completions back to the device.
    fn commit_completions(&mut self) {
        self.cq.commit(&self.memory);
        assert_eq!(self.device.doorbell(HEAD), self.read % self.device.size);
        // Who only looks sees whether there is one more.
        let is_waiting = self.memory.waiting().is_some();
        assert_eq!(is_waiting, self.read != self.device.posted);
    }

    /// Both sides finish what they have.
    fn finish(&mut self) {
        self.commit_commands();
        while self.device.fetch() {}
        for _ in 0..self.device.size {
            while self.device.post(0) {}
            while self.pop() {}
            self.commit_completions();
        }
        assert_eq!(self.device.fetched, self.written, "commands lost");
        assert_eq!(self.read, self.written, "completions lost");
        assert_eq!(self.free_tags.len() as u32, self.device.size - 1);
    }
}

#[test]
fn every_size() {
    for size in 2..=130 {
        for batch in [1, size / 2, size - 1] {
            let mut rig = Rig::new(size);
            while rig.written <= 4 * size {
                for _ in 0..batch.max(1) {
                    assert!(rig.submit());
                }
                rig.commit_commands();
                while rig.device.fetch() {}
                // The last one first.
                while rig.device.post(rig.device.at_work.len().wrapping_sub(1)) {}
                while rig.pop() {}
                rig.commit_completions();
                assert_eq!(rig.read, rig.written);
            }
            rig.finish();
        }
    }
}

/// The device may be one ring ahead of the host's reading, and not more.
#[test]
fn a_full_completion_queue() {
    let mut rig = Rig::new(4);
    while rig.submit() {}
    rig.commit_commands();
    while rig.device.fetch() {}
    while rig.device.post(0) {}
    assert_eq!(rig.device.posted, 3);
    // The tags are free when the entries were read, their places are not yet.
    while rig.pop() {}
    while rig.submit() {}
    rig.commit_commands();
    while rig.device.fetch() {}
    assert!(!rig.device.post(0), "not told of room");
    rig.commit_completions();
    assert!(rig.device.post(0));
    rig.finish();
}

#[test]
fn nothing_new_is_not_told() {
    let mut rig = Rig::new(3);
    rig.commit_commands();
    assert_eq!(rig.device.function.rung(TAIL), (0, 0));
    assert!(rig.submit());
    rig.commit_commands();
    rig.commit_commands();
    assert_eq!(rig.device.function.rung(TAIL), (1, 1));
    rig.finish();
}

#[derive(Clone, Debug)]
enum Step {
    Submit(u8),
    CommitCommands,
    Fetch(u8),
    Post(u8, usize),
    Pop(u8),
    CommitCompletions,
}

fn steps() -> impl Strategy<Value = Vec<Step>> {
    let batch = || prop_oneof![3 => 1u8..4, 1 => 1u8..40];
    let step = prop_oneof![
        batch().prop_map(Step::Submit),
        Just(Step::CommitCommands),
        batch().prop_map(Step::Fetch),
        (batch(), 0usize..40).prop_map(|(times, which)| Step::Post(times, which)),
        batch().prop_map(Step::Pop),
        Just(Step::CommitCompletions),
    ];
    prop::collection::vec(step, 1..300)
}

#[test]
fn any_sequence() {
    check((2u32..=34, steps()), |(size, steps)| {
        let mut rig = Rig::new(size);
        for step in steps {
            match step {
                Step::Submit(times) => {
                    (0..times).all(|_| rig.submit());
                }
                Step::CommitCommands => rig.commit_commands(),
                Step::Fetch(times) => {
                    (0..times).all(|_| rig.device.fetch());
                }
                Step::Post(times, which) => {
                    (0..times).all(|_| rig.device.post(which));
                }
                Step::Pop(times) => {
                    (0..times).all(|_| rig.pop());
                }
                Step::CommitCompletions => rig.commit_completions(),
            }
        }
        rig.finish();
        Ok(())
    });
}
