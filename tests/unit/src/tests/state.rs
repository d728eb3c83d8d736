// SPDX-License-Identifier: GPL-2.0

//! The states of a controller: the arrows of `Documentation/design.rst`, and no others.

use crate::nvme::state::{
    State,
    StateMachine, //
};

const ALL: [State; 6] = [
    State::New,
    State::Connecting,
    State::Live,
    State::Resetting,
    State::Deleting,
    State::Dead,
];

/// From the state of a line to the state of a column.
const ARROWS: [(State, [bool; 6]); 6] = {
    const O: bool = false;
    const X: bool = true;
    [
        //                  new, connecting, live, resetting, deleting, dead
        (State::New, [O, X, O, O, X, X]),
        (State::Connecting, [O, O, X, O, X, X]),
        (State::Live, [O, O, O, X, X, X]),
        (State::Resetting, [O, X, O, O, O, X]),
        (State::Deleting, [O, O, O, O, O, X]),
        (State::Dead, [O, O, O, O, O, O]),
    ]
};

/// A machine that was brought to `state` along the usual way.
fn machine_in(state: State) -> StateMachine {
    let machine = StateMachine::new();
    assert_eq!(machine.get(), State::New);
    let way: &[State] = match state {
        State::New => &[],
        State::Connecting => &[State::Connecting],
        State::Live => &[State::Connecting, State::Live],
        State::Resetting => &[State::Connecting, State::Live, State::Resetting],
        State::Deleting => &[State::Connecting, State::Live, State::Deleting],
        State::Dead => &[State::Dead],
    };
    for next in way {
        let before = machine.get();
        assert_eq!(machine.change(*next), Ok(before));
    }
    assert_eq!(machine.get(), state);
    machine
}

#[test]
fn every_arrow() {
    for (from, allowed) in ARROWS {
        for (to, allowed) in ALL.into_iter().zip(allowed) {
            let machine = machine_in(from);
            let changed = machine.change(to);
            if allowed {
                assert_eq!(changed, Ok(from), "{from} to {to}");
                assert_eq!(machine.get(), to);
            } else {
                assert_eq!(changed, Err(from), "{from} to {to}");
                assert_eq!(machine.get(), from);
            }
        }
    }
}

/// Users see the names in sysfs.
#[test]
fn names() {
    let names = ALL.map(|state| state.to_string());
    assert_eq!(
        names,
        ["new", "connecting", "live", "resetting", "deleting", "dead"]
    );
}
