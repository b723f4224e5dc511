//! FreeRTOS as an observer sees it, without symbols: what is recognised by the shape of the kernel's own structures in
//! SRAM, and what its context switches tell over time.
//!
//! What is certain is said, the rest is `None`. Nothing here touches the guest.

pub mod chain;
mod clock;
mod lists;
mod memory;
mod objects;
mod observer;
#[cfg(test)]
pub(crate) mod synthetic;
mod tasks;
pub mod thumb;

pub use clock::{MutexTimes, PastWait, Run, Starvation, TaskClock, TaskTimes, Waiting};
pub use memory::{MemoryCopy, Words};
pub use objects::{ObjectKind, SyncObject, WaitsFor, Wants, object};
pub use observer::{Rtos, RtosObserver};
pub use tasks::{Task, TaskState};
