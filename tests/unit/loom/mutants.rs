// SPDX-License-Identifier: GPL-2.0

//! Copies of `mq/slot.rs` with a mistake in each, which `build.rs` makes: were there one that no
//! model notices, the models would prove little.

/// Includes each as a module that has what the original has beside it.
macro_rules! mutants {
    ($($(#[$attribute:meta])* $name:ident),* $(,)?) => {
        pub(crate) use crate::mq::{
            atomic,
            cid, //
        };

        $($(#[$attribute])*
        #[allow(
            dead_code,
            unused_variables,
            reason = "a mistake may be to ignore one, and a model needs a part"
        )]
        pub(crate) mod $name {
            include!(concat!(env!("OUT_DIR"), "/", stringify!($name), ".rs"));
        })*
    };
}

mutants! {
    /// The slot is emptied whatever is in it now, and the address is that of the look before.
    blind_exchange,
    /// The slot is emptied, and whatever was in it is taken.
    exchange_of_whatever_is_there,
    /// The slot is emptied by a store.
    take_without_exchange,
    /// Who takes the request need not see what was written for it.
    relaxed_put,
    /// As before, on the other side.
    relaxed_take,
    /// Any identifier of the tag takes the request.
    generation_ignored,
    /// All requests of a tag have one identifier.
    generation_stays,
    /// The generation starts anew after each request.
    generation_forgotten,
}
