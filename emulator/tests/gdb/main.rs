//! The GDB server: its protocol against a small program, and gdb-multiarch against genuine firmware.

#[path = "../common/vendor.rs"]
mod vendor;

mod core_files;
mod hostile;
mod multiarch;
mod protocol;
mod script;
mod session;
