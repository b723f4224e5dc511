//! Oracles on genuine vendor firmware: each finds what our application does wrong on purpose, names who and where, and
//! finds nothing in the same run without that. What it found is then explained. The images are not part of the
//! repository: without them each test says so on stderr and passes.
//!
//! Run in release mode. `cargo test --release -p lockstep --test oracles`

mod bench;
mod cloud;
mod crash;
mod threads;
#[path = "../common/vendor.rs"]
mod vendor;
