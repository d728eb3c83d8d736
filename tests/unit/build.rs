// SPDX-License-Identifier: GPL-2.0

//! Makes wrong copies of `mq/slot.rs`, for `loom/mutants.rs`.

#![allow(clippy::expect_used, reason = "a build that panics has failed")]

use std::{
    env,
    fs,
    path::PathBuf, //
};

const SOURCE: &str = "../../mq/slot.rs";

/// How the address is taken.
const EXCHANGE: &str = "\
        self.0
            .compare_exchange(
                old,
                old & GENERATION_MASK,
                Ordering::Acquire,
                Ordering::Relaxed,
            )
            .ok()
            .map(|_| address)
";

/// What each copy is called, what is replaced, and by what.
const MUTANTS: [(&str, &str, &str); 8] = [
    (
        "blind_exchange",
        EXCHANGE,
        "\
        self.0.swap(old & GENERATION_MASK, Ordering::Acquire);
        Some(address)
",
    ),
    (
        "exchange_of_whatever_is_there",
        EXCHANGE,
        "\
        let now = self.0.swap(old & GENERATION_MASK, Ordering::Acquire);
        (now > GENERATION_MASK).then_some(now & !GENERATION_MASK)
",
    ),
    (
        "take_without_exchange",
        EXCHANGE,
        "\
        self.0.store(old & GENERATION_MASK, Ordering::Relaxed);
        self.0.load(Ordering::Acquire);
        Some(address)
",
    ),
    (
        "relaxed_put",
        "store(address | generation, Ordering::Release)",
        "store(address | generation, Ordering::Relaxed)",
    ),
    ("relaxed_take", "Ordering::Acquire,", "Ordering::Relaxed,"),
    (
        "generation_ignored",
        "old & GENERATION_MASK != generation",
        "generation > GENERATION_MASK",
    ),
    (
        "generation_stays",
        "Some(layout.next(old))",
        "Some(old & GENERATION_MASK)",
    ),
    (
        "generation_forgotten",
        "                old & GENERATION_MASK,\n",
        "                0,\n",
    ),
];

fn main() {
    println!("cargo::rerun-if-changed=build.rs");
    println!("cargo::rerun-if-changed={SOURCE}");
    // As in a kernel that can hide completions, which the stand-in for C's structures does.
    println!("cargo::rustc-cfg=CONFIG_FAIL_IO_TIMEOUT");
    let out = PathBuf::from(env::var_os("OUT_DIR").expect("cargo says where"));
    let source = fs::read_to_string(SOURCE).expect("the driver's file");
    // `include!` takes items, but not the documentation of the file around them.
    let items = source
        .split_inclusive('\n')
        .filter(|line| !line.starts_with("//!"));
    let items: String = items.collect();
    for (name, right, wrong) in MUTANTS {
        assert_eq!(
            items.matches(right).count(),
            1,
            "{name}: {SOURCE} has changed"
        );
        fs::write(
            out.join(name).with_extension("rs"),
            items.replace(right, wrong),
        )
        .expect("a place to write to");
    }
}
