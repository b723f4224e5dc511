//! Unicorn as the instruction-exact core of a Cortex-M3.
//!
//! [`Engine::run`] executes guest code up to the first instruction boundary at or after a cycle count. Every device
//! access arrives at a [`Bus`] with its exact PC, cycle and instruction count, and may move the end of the run; a
//! store takes effect before the next instruction. Nothing here knows about interrupts, exceptions or devices: the
//! machine does (see `emulator`). What Unicorn lacks is added by `unicorn-2.1.5-exact.patch` and `csrc/`, built by
//! `build.rs`.
//!
//! This crate is the only one of the workspace with `unsafe` code.

mod debug;
mod ffi;
mod memory;
mod registers;
mod run;

pub use debug::{Watch, WatchHit, WatchKind};
pub use memory::HostMemory;
pub use registers::CoreRegisters;
pub use run::{Access, AccessFault, Bus, Engine, EngineError, FirstFetch, RunEnd, StopReason};
