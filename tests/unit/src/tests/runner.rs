// SPDX-License-Identifier: GPL-2.0

//! How property tests are run: the same cases each time, more of them on request.
//!
//! `PROPTEST_CASES` sets the number of cases of each property, `RNVME_UNIT_SEED` where to start.

use std::env;

use proptest::{
    strategy::Strategy,
    test_runner::{
        Config,
        RngAlgorithm,
        TestCaseResult,
        TestRng,
        TestRunner, //
    },
};

/// Cases of each property unless `PROPTEST_CASES` says otherwise.
const CASES: u32 = 200;

fn number<T: std::str::FromStr>(name: &str) -> Option<T> {
    let value = env::var(name).ok()?;
    match value.parse() {
        Ok(number) => Some(number),
        Err(_) => panic!("{name}={value} is not a number"),
    }
}

/// Checks that `property` holds for all that `strategy` makes; prints the smallest case if not.
pub(super) fn check<S: Strategy>(strategy: S, property: impl Fn(S::Value) -> TestCaseResult) {
    let seed: u64 = number("RNVME_UNIT_SEED").unwrap_or(0);
    let mut bytes = [0; 32];
    bytes[..8].copy_from_slice(&seed.to_le_bytes());
    let config = Config {
        cases: number("PROPTEST_CASES").unwrap_or(CASES),
        failure_persistence: None,
        ..Config::default()
    };
    let rng = TestRng::from_seed(RngAlgorithm::ChaCha, &bytes);
    if let Err(error) = TestRunner::new_with_rng(config, rng).run(&strategy, property) {
        panic!("{error}\nRNVME_UNIT_SEED={seed}");
    }
}
