// SPDX-License-Identifier: GPL-2.0

//! The states of a controller, changed by several at once: out of each state leads one change, and
//! who sees a state sees what was done before.

// That of loom would be one more thing to interleave.
use std::sync::Arc;

use loom::{
    cell::UnsafeCell,
    thread, //
};

use crate::{
    explore::{
        explore,
        multisets, //
    },
    nvme::state::{
        State,
        StateMachine, //
    },
};

/// Where a controller can be, beside new and dead.
const STATES: [State; 4] = [
    State::Connecting,
    State::Live,
    State::Resetting,
    State::Deleting,
];

/// A machine that was brought to `state`.
fn machine_in(state: State) -> StateMachine {
    let machine = StateMachine::new();
    let way: &[State] = match state {
        State::New => &[],
        State::Connecting => &[State::Connecting],
        State::Live => &[State::Connecting, State::Live],
        State::Resetting => &[State::Connecting, State::Live, State::Resetting],
        State::Deleting => &[State::Connecting, State::Live, State::Deleting],
        State::Dead => &[State::Dead],
    };
    for next in way {
        machine.change(*next).unwrap();
    }
    machine
}

fn meeting(start: State, targets: &[State]) {
    let machine = Arc::new(machine_in(start));
    let threads: Vec<_> = targets
        .iter()
        .map(|target| {
            let (machine, target) = (machine.clone(), *target);
            thread::spawn(move || (machine.change(target), target))
        })
        .collect();
    let mut arrows = Vec::new();
    let mut refused = Vec::new();
    for thread in threads {
        match thread.join().unwrap() {
            (Ok(from), to) => arrows.push((from, to)),
            (Err(present), to) => refused.push((present, to)),
        }
    }
    // The changes make one way from the first state to the last. None of two can come back.
    let mut state = start;
    let mut visited = vec![state];
    while let Some(index) = arrows.iter().position(|(from, _)| *from == state) {
        (_, state) = arrows.swap_remove(index);
        visited.push(state);
    }
    assert_eq!(arrows, [], "two ways out of one state");
    assert_eq!(machine.get(), state);
    // Who is refused was too late, and not only hindered by another.
    for (present, to) in refused {
        assert!(visited.contains(&present), "{present} to {to}");
        assert_eq!(machine_in(present).change(to), Err(present));
    }
}

#[test]
fn one_winner() {
    let targets = [
        State::Connecting,
        State::Live,
        State::Resetting,
        State::Deleting,
        State::Dead,
    ];
    for start in STATES.into_iter().chain([State::New]) {
        for set in multisets(&targets, 2) {
            println!("{start:?}: {set:?}"); // Shown if it fails.
            let runs = explore(move || meeting(start, &set));
            println!("    {runs} interleavings");
        }
    }
}

/// What is brought up while it is connecting is there for all who see it live.
#[test]
fn what_was_done_before() {
    struct Controller {
        machine: StateMachine,
        brought_up: UnsafeCell<bool>,
    }

    // SAFETY: Written in one state and read in another, and loom checks that.
    unsafe impl Sync for Controller {}

    explore(|| {
        let controller = Arc::new(Controller {
            machine: StateMachine::new(),
            brought_up: UnsafeCell::new(false),
        });
        controller.machine.change(State::Connecting).unwrap();
        let other = controller.clone();
        let probe = thread::spawn(move || {
            other.brought_up.with_mut(|brought_up| {
                // SAFETY: Nobody reads it before the controller is live.
                unsafe { *brought_up = true };
            });
            other.machine.change(State::Live).unwrap();
        });
        if controller.machine.get() == State::Live {
            controller.brought_up.with(|brought_up| {
                // SAFETY: Nobody writes it any more.
                assert!(unsafe { *brought_up });
            });
        }
        probe.join().unwrap();
    });
}
