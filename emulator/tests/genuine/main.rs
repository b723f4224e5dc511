//! Genuine vendor firmware, unmodified, on the whole machine. The images are not part of the repository: without them
//! each test says so on stderr and passes.
//!
//! Run in release mode. `cargo test --release -p lockstep --test genuine`

mod application;
mod boot;
mod buttons;
mod cloud_application;
mod device;
mod echo;
mod faults;
mod mqtt;
mod over_the_air;
mod power_cut;
mod rtos;
mod unknown_version;
mod update;
#[path = "../common/vendor.rs"]
mod vendor;
