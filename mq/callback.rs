// SPDX-License-Identifier: GPL-2.0

//! Entries of the tables of functions that C calls.

/// `$function` if `$has`, which says that the driver has it: else C finds a null pointer, and
/// does what it does without.
macro_rules! only_if {
    ($has:expr, $function:expr) => {
        if $has {
            Some($function)
        } else {
            None
        }
    };
}

pub(super) use only_if;
