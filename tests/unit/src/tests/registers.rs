// SPDX-License-Identifier: GPL-2.0

//! Bring-up and shutdown, with a controller that is slow, stuck, broken or gone: each wait ends.

use std::{
    cell::RefCell,
    rc::Rc, //
};

use crate::{
    dma::{
        test_addr,
        DmaStopped, //
    },
    nvme::{
        registers::{
            ControllerError,
            Registers, //
        },
        spec::{
            ids::{
                QueueId,
                QueueSize, //
            },
            regs::{
                self,
                Aqa, //
            },
        },
    },
    os::wait::now_ms,
    pci::{
        self,
        Bar,
        Lease, //
    },
};

const CC_EN: u32 = 1;
const CSTS_RDY: u32 = 1;
const CSTS_CFS: u32 = 1 << 1;
/// CAP.TO is 15: 7.5 s.
const CAP: u64 = 0x0040_0820_0f01_07ff;
const LIMIT_MS: u64 = 7500;
/// CAP.CRMS: ready with media.
const CRMS: u64 = 1 << 59;
const BAR_LEN: usize = 0x2000;
const ASQ: u64 = 0x12_3456_7000;
const ACQ: u64 = 0x98_7654_3000;
const NEVER: u64 = u64::MAX / 2;

/// A controller that is as fast as it was told to be.
struct Controller {
    cap: u64,
    crto: u32,
    cc: u32,
    /// The time at which CSTS.RDY becomes what CC.EN is.
    follows_at: u64,
    /// The time at which CSTS.SHST becomes 2.
    prepared_at: u64,
    delay_ms: u64,
    fatal: bool,
    gone: bool,
    was_ready: bool,
    asq: u64,
    acq: u64,
    aqa: u32,
    doorbells: Vec<(usize, u32)>,
}

impl Controller {
    fn new() -> Rc<RefCell<Self>> {
        Rc::new(RefCell::new(Self {
            cap: CAP,
            crto: 0,
            cc: 0,
            follows_at: 0,
            prepared_at: 0,
            delay_ms: 0,
            fatal: false,
            gone: false,
            was_ready: false,
            asq: 0,
            acq: 0,
            aqa: 0,
            doorbells: Vec::new(),
        }))
    }

    /// As a boot loader may leave it.
    fn running() -> Rc<RefCell<Self>> {
        let controller = Self::new();
        controller.borrow_mut().cc = 0x0046_0001;
        controller
    }

    fn is_ready(&self) -> bool {
        if now_ms() >= self.follows_at {
            self.cc & CC_EN != 0
        } else {
            self.was_ready
        }
    }

    fn csts(&self) -> u32 {
        let shutting_down = self.cc >> 14 & 3 != 0;
        let shst = match (shutting_down, now_ms() >= self.prepared_at) {
            (false, _) => 0,
            (true, false) => 1,
            (true, true) => 2,
        };
        let cfs = if self.fatal { CSTS_CFS } else { 0 };
        let rdy = if self.is_ready() { CSTS_RDY } else { 0 };
        shst << 2 | cfs | rdy
    }

    fn set_cc(&mut self, cc: u32) {
        if (cc ^ self.cc) & CC_EN != 0 {
            let ready = self.is_ready();
            if cc & CC_EN != 0 {
                assert!(!ready, "enabled before CSTS.RDY was 0");
                assert_eq!((self.asq, self.acq), (ASQ, ACQ), "no admin queue");
                assert_ne!(self.aqa, 0, "no size of the admin queue");
            }
            self.was_ready = ready;
            self.follows_at = now_ms() + self.delay_ms;
        }
        if (cc ^ self.cc) >> 14 & 3 != 0 {
            self.prepared_at = now_ms() + self.delay_ms;
        }
        self.cc = cc;
    }
}

/// Changes one half of a register of 64 bits.
fn set_half(register: &mut u64, high: bool, value: u32) {
    let shift = if high { 32 } else { 0 };
    *register &= !(0xffff_ffff << shift);
    *register |= u64::from(value) << shift;
}

impl pci::Registers for Controller {
    fn read(&mut self, offset: usize) -> u32 {
        if self.gone {
            return u32::MAX;
        }
        match offset {
            0x00 => self.cap as u32,
            0x04 => (self.cap >> 32) as u32,
            0x08 => 0x0001_0400,
            0x14 => self.cc,
            0x1c => self.csts(),
            0x68 => self.crto,
            _ => panic!("{offset:#x} read"),
        }
    }

    fn write(&mut self, offset: usize, value: u32) {
        if self.gone {
            return;
        }
        if (0x24..0x38).contains(&offset) {
            assert!(!self.is_ready(), "the admin queue is in use");
        }
        match offset {
            0x14 => self.set_cc(value),
            0x24 => self.aqa = value,
            0x28 | 0x2c => set_half(&mut self.asq, offset == 0x2c, value),
            0x30 | 0x34 => set_half(&mut self.acq, offset == 0x34, value),
            0x1000.. => self.doorbells.push((offset, value)),
            _ => panic!("{value:#x} written to {offset:#x}"),
        }
    }
}

fn registers(controller: &Rc<RefCell<Controller>>) -> Registers {
    Registers::new(Bar::new(Lease::default(), controller.clone(), BAR_LEN)).unwrap()
}

fn enable(registers: &Registers, stopped: DmaStopped) -> Result<(), ControllerError> {
    let size = QueueSize::new(32).unwrap();
    let aqa = Aqa::new(size, size).unwrap();
    registers.enable(stopped, aqa, test_addr(ASQ), test_addr(ACQ))
}

/// What `f` returns, and how long it took.
fn timed<R>(f: impl FnOnce() -> R) -> (R, u64) {
    let start = now_ms();
    let result = f();
    (result, now_ms() - start)
}

#[test]
fn brings_up() {
    for delay_ms in [0, 1, 1000, LIMIT_MS] {
        let controller = Controller::running();
        let registers = registers(&controller);
        controller.borrow_mut().delay_ms = delay_ms;
        let (stopped, took) = timed(|| registers.disable());
        assert_eq!(took, delay_ms);
        assert!(!controller.borrow().is_ready());
        let (enabled, took) = timed(|| enable(&registers, stopped.unwrap()));
        assert_eq!((enabled, took), (Ok(()), delay_ms));
        let controller = controller.borrow();
        assert!(controller.is_ready());
        assert_eq!(controller.aqa, 31 << 16 | 31);
        // IOCQES 4, IOSQES 6, MPS 4 KiB, NVM commands or all, EN.
        assert_eq!(controller.cc & !(7 << 4), 0x0046_0001);
    }
}

/// A controller that is not enabled is not waited for, and not told what it knows.
#[test]
fn stops_what_is_stopped() {
    let controller = Controller::new();
    let registers = registers(&controller);
    let (stopped, took) = timed(|| registers.disable());
    assert!(stopped.is_ok());
    assert_eq!(took, 0);
    // Nothing to prepare for either.
    assert_eq!(timed(|| registers.shut_down(1000)), (true, 0));
    assert_eq!(controller.borrow().cc, 0);
}

#[test]
fn never_stops() {
    let controller = Controller::running();
    let registers = registers(&controller);
    controller.borrow_mut().delay_ms = NEVER;
    let (stopped, took) = timed(|| registers.disable());
    let error = ControllerError::NotReady {
        wanted: false,
        limit_ms: LIMIT_MS as u32,
    };
    assert_eq!(stopped.map(drop), Err(error));
    assert!((LIMIT_MS..LIMIT_MS + 3).contains(&took), "{took} ms");
}

/// CRTO is about becoming ready, not about the way back.
#[test]
fn never_stops_with_media() {
    let controller = Controller::running();
    controller.borrow_mut().cap |= CRMS;
    controller.borrow_mut().crto = 100;
    let registers = registers(&controller);
    controller.borrow_mut().delay_ms = NEVER;
    let (stopped, took) = timed(|| registers.disable());
    assert!(stopped.is_err());
    assert!((LIMIT_MS..LIMIT_MS + 3).contains(&took), "{took} ms");
}

/// If CC.EN does not help, bus mastering is taken away; if not even that, there is no proof.
#[test]
fn stops_by_bus_mastering() {
    for (lease, is_stopped) in [(Lease::default(), true), (Lease::stubborn(), false)] {
        let controller = Controller::running();
        let registers = registers(&controller);
        controller.borrow_mut().delay_ms = NEVER;
        let (stopped, took) = timed(|| registers.stop(&lease));
        assert_eq!(stopped.is_some(), is_stopped);
        assert!(took < LIMIT_MS + 3, "{took} ms");
        // One that obeys is believed.
        controller.borrow_mut().follows_at = 0;
        assert!(registers.stop(&lease).is_some());
    }
}

#[test]
fn never_ready() {
    // CRTO counts if it says more than CAP.TO: there, in units of 500 ms.
    for (cap, crto, limit_ms) in [
        (CAP, 0xffff, LIMIT_MS),
        (CAP | CRMS, 0, LIMIT_MS),
        (CAP | CRMS, 14, LIMIT_MS),
        (CAP | CRMS, 100, 50_000),
        // Not nine hours.
        (CAP | CRMS, 0xffff, 600_000),
    ] {
        let controller = Controller::new();
        controller.borrow_mut().cap = cap;
        controller.borrow_mut().crto = crto;
        let registers = registers(&controller);
        let stopped = registers.disable().unwrap();
        controller.borrow_mut().delay_ms = NEVER;
        let (enabled, took) = timed(|| enable(&registers, stopped));
        let error = ControllerError::NotReady {
            wanted: true,
            limit_ms: limit_ms as u32,
        };
        assert_eq!(enabled, Err(error));
        assert!((limit_ms..limit_ms + 3).contains(&took), "{took} ms");
    }
}

#[test]
fn fatal() {
    let controller = Controller::new();
    let registers = registers(&controller);
    let stopped = registers.disable().unwrap();
    controller.borrow_mut().fatal = true;
    controller.borrow_mut().delay_ms = 1000;
    let (enabled, took) = timed(|| enable(&registers, stopped));
    assert_eq!((enabled, took), (Err(ControllerError::Fatal), 0));
}

/// Whoever reads all ones waits no longer.
#[test]
fn gone() {
    let controller = Controller::running();
    let registers = registers(&controller);
    controller.borrow_mut().gone = true;
    let found = Registers::new(Bar::new(Lease::default(), controller.clone(), BAR_LEN));
    assert_eq!(found.map(drop), Err(ControllerError::Gone));
    let (stopped, took) = timed(|| registers.disable());
    assert_eq!(took, 0);
    let (enabled, took) = timed(|| enable(&registers, stopped.unwrap()));
    assert_eq!((enabled, took), (Err(ControllerError::Gone), 0));
    assert_eq!(timed(|| registers.shut_down(1000)), (true, 0));
    assert!(registers.stop(&Lease::stubborn()).is_some());
    assert!(registers.csts().is_gone());
}

/// All ones alone prove nothing: the device may only have its memory switched off.
#[test]
fn gone_but_a_bus_master() {
    let controller = Controller::running();
    let lease = Lease::stubborn();
    let bar = Bar::new(lease.clone(), controller.clone(), BAR_LEN);
    let registers = Registers::new(bar).unwrap();
    controller.borrow_mut().gone = true;
    let (stopped, took) = timed(|| registers.stop(&lease));
    assert!(stopped.is_none());
    assert!(took < LIMIT_MS + 3, "{took} ms");
}

#[test]
fn shuts_down() {
    for (delay_ms, in_time) in [(0, true), (999, true), (1000, true), (NEVER, false)] {
        let controller = Controller::running();
        let registers = registers(&controller);
        controller.borrow_mut().delay_ms = delay_ms;
        let (done, took) = timed(|| registers.shut_down(1000));
        assert_eq!(done, in_time);
        assert!(took <= 1002, "{took} ms");
        // SHN 01b, and all else as it was.
        assert_eq!(controller.borrow().cc, 0x0046_4001);
    }
}

/// Doorbells at 1000h, two for each queue, 4 << CAP.DSTRD bytes apart.
#[test]
fn doorbells() {
    let submission = |queue: usize, bytes: usize| 0x1000 + 2 * queue * bytes;
    for dstrd in 0..=15 {
        let bytes = 4 << dstrd;
        let controller = Controller::new();
        controller.borrow_mut().cap |= dstrd << 32;
        for (len, last) in [
            (submission(1, bytes), 0),
            (submission(2, bytes) - 1, 0),
            (submission(2, bytes), 1),
            (submission(4, bytes), 3),
            (submission(9, bytes) + 4, 8),
            (usize::MAX / 2, u16::MAX),
        ] {
            let bar = Bar::new(Lease::default(), controller.clone(), len);
            let registers = Registers::new(bar).unwrap();
            assert_eq!(registers.last_queue(), last, "DSTRD {dstrd}, {len} bytes");
        }
        let bar = Bar::new(Lease::default(), controller.clone(), submission(4, bytes));
        let registers = Registers::new(bar).unwrap();
        let queue = QueueId::new(3);
        registers.submission_tail(queue).unwrap().ring(11);
        registers.completion_head(queue).unwrap().ring(22);
        let tail = submission(3, bytes);
        let expected = [(tail, 11), (tail + bytes, 22)];
        assert_eq!(controller.borrow().doorbells, expected);
        let outside = QueueId::new(4);
        assert!(registers.submission_tail(outside).is_err());
        assert!(registers.completion_head(outside).is_err());
        assert_eq!(submission(0, bytes), regs::DOORBELLS);
    }
}
