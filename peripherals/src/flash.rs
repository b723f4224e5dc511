//! Flash memory interface (PM0059): unlock sequences, programming, erasing, option bytes, one-time programmable area.
//!
//! The array itself belongs to the machine ([`Memory`](crate::Memory)); this is the controller in front of it. A
//! programmed value is in the array at once, an erased sector when its busy time is over; a reset or a power cut in
//! between leaves something in between ([`FlashController::abort`]).
//!
//! Approximated: the accelerator (prefetch, caches) has no state, its enable bits only store; read protection is
//! stored and not enforced (there is no debug port to keep out).

mod information;
mod interrupted;
mod operation;
mod table;

use serde::{Deserialize, Serialize};

pub use information::{INFORMATION_BASE, INFORMATION_END, UniqueId};
pub use operation::{ARRAY_BASE, ARRAY_SIZE, OperationKind, OperationStarted, Sector, sector_of, sectors};

use information::Information;
use operation::Operation;
use table::*;

use crate::device::{Cx, Device};
use crate::registers::{Register, RegisterFile};
use crate::time::{Clocks, Wake};

/// One of the two unlock sequences (PM0059 2.4.1, 2.5.2).
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
enum Unlock {
    /// Waits for the first key.
    First,
    /// Waits for the second key.
    Second,
    /// A wrong key was written: locked until the next reset.
    Refused,
}

impl Unlock {
    /// Takes a written key. Returns whether the sequence is complete.
    fn key(&mut self, value: u32, first: u32, second: u32) -> bool {
        *self = match (*self, value) {
            (Self::First, v) if v == first => Self::Second,
            (Self::Second, v) if v == second => {
                *self = Self::First;
                return true;
            }
            _ => Self::Refused,
        };
        false
    }
}

/// The flash memory interface. Interrupt line bit 0: end of operation or error.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub struct FlashController {
    regs: RegisterFile,
    unlock: Unlock,
    option_unlock: Unlock,
    operation: Operation,
    /// BSY until this instant; the last operation's end even when it is past.
    busy_until_ps: u64,
    /// Program and erase operations begun since power-on, for observers.
    operations: u64,
    last_operation: Option<OperationStarted>,
    /// Time of one program operation, drawn at the first.
    program_us: Option<u64>,
    information: Information,
}

impl FlashController {
    /// After power-on, with this chip's unique id, factory option bytes and an unused one-time area.
    pub fn new(unique_id: UniqueId) -> Self {
        Self {
            regs: RegisterFile::new(TABLE),
            unlock: Unlock::First,
            option_unlock: Unlock::First,
            operation: Operation::Idle,
            busy_until_ps: 0,
            operations: 0,
            last_operation: None,
            program_us: None,
            information: Information::new(unique_id),
        }
    }

    /// Until when an access to the array stalls the processor; a past instant when it does not (PM0059 2.4: reading
    /// during a program or erase operation stalls the bus).
    pub fn busy_until_ps(&self) -> u64 {
        self.busy_until_ps
    }

    /// Program and erase operations begun since the machine was made: for observers.
    pub fn operations(&self) -> u64 {
        self.operations
    }

    /// The last of them, for observers.
    pub fn last_operation(&self) -> Option<OperationStarted> {
        self.last_operation
    }

    /// Whether the accelerator's instruction cache is on (ACR.ICEN).
    pub fn instruction_cache_enabled(&self) -> bool {
        self.regs[ACR] & 1 << 9 != 0
    }

    /// Wait states of a read of the array (ACR.LATENCY).
    pub fn latency(&self) -> u32 {
        self.regs[ACR] & 7
    }

    /// Option bits as OPTCR shows them: what was in force at the last reset or option programming.
    pub fn options(&self) -> u32 {
        self.information.options()
    }

    /// Option WDG_SW is 0: the independent watchdog starts by itself at reset.
    pub fn hardware_watchdog(&self) -> bool {
        self.options() & 1 << 5 == 0
    }

    /// Reads system memory, one-time area, unique id, flash size or option bytes. `None` outside them, and in the
    /// chip maker's boot loader, which is not part of the project.
    pub fn information_read(&self, address: u32, size: u32) -> Option<u32> {
        self.information.read(address, size)
    }

    /// A system reset: registers start anew, the option bytes are loaded (PM0059 2.5.1), an operation under
    /// way stops where it is.
    pub fn system_reset(&mut self, cx: &mut Cx<'_>) {
        self.abort(cx);
        self.reset();
    }

    fn error(&mut self, flag: u32) {
        self.regs[SR] |= flag;
        // "Set only if error interrupts are enabled" (3.8.4).
        if self.regs[CR] & ERRIE != 0 {
            self.regs[SR] |= OPERR;
        }
    }

    /// Ends an operation whose busy time is over.
    fn update(&mut self, cx: &mut Cx<'_>) {
        if self.operation == Operation::Idle || cx.now.time_ps < self.busy_until_ps {
            return;
        }
        match std::mem::replace(&mut self.operation, Operation::Idle) {
            Operation::Idle | Operation::Program { .. } => {}
            Operation::Erase { offset, length } => {
                cx.memory.flash_erase(offset, length);
                self.regs[CR] &= !STRT;
            }
            Operation::Options { bits } => {
                self.information.set_options(bits);
                self.regs[OPTCR] &= !OPTSTRT;
            }
        }
        self.regs[SR] &= !BSY;
        if self.regs[CR] & EOPIE != 0 {
            self.regs[SR] |= EOP;
        }
    }

    fn start(&mut self, operation: Operation, duration_ps: u64, cx: &Cx<'_>) {
        self.operation = operation;
        self.busy_until_ps = cx.now.time_ps.saturating_add(duration_ps);
        self.regs[SR] |= BSY;
    }

    fn write_cr(&mut self, value: u32, lanes: u32, cx: &mut Cx<'_>) {
        if self.regs[CR] & LOCK != 0 {
            return;
        }
        // The configuration cannot be changed while an operation runs (3.8.5: written only when BSY is clear).
        if self.regs[SR] & BSY != 0 {
            return;
        }
        self.regs.write(TABLE, CR, value, lanes, "FLASH", cx);
        if self.regs[CR] & STRT != 0 {
            self.start_erase(cx);
        }
    }

    fn write_optcr(&mut self, value: u32, lanes: u32, cx: &mut Cx<'_>) {
        if self.regs[OPTCR] & OPTLOCK != 0 || self.regs[SR] & BSY != 0 {
            return;
        }
        self.regs.write(TABLE, OPTCR, value, lanes, "FLASH", cx);
        if self.regs[OPTCR] & OPTSTRT != 0 {
            let bits = self.regs[OPTCR] & OPTION_BITS;
            let duration_ps = operation::option_time_ps(cx);
            self.start(Operation::Options { bits }, duration_ps, cx);
        }
    }
}

impl Device for FlashController {
    fn name(&self) -> &str {
        "FLASH"
    }

    fn table(&self) -> &'static [Register] {
        TABLE
    }

    fn read(&mut self, offset: u32, cx: &mut Cx<'_>) -> u32 {
        self.update(cx);
        match RegisterFile::index_of(TABLE, offset) {
            Some(index) => self.regs[index],
            None => {
                cx.unmodelled(&format!("FLASH read offset {offset:#x}"));
                0
            }
        }
    }

    fn write(&mut self, offset: u32, value: u32, lanes: u32, cx: &mut Cx<'_>) {
        self.update(cx);
        match RegisterFile::index_of(TABLE, offset) {
            Some(KEYR) => {
                if self.unlock.key(value, 0x4567_0123, 0xcdef_89ab) {
                    self.regs[CR] &= !LOCK;
                }
            }
            Some(OPTKEYR) => {
                if self.option_unlock.key(value, 0x0819_2a3b, 0x4c5d_6e7f) {
                    self.regs[OPTCR] &= !OPTLOCK;
                }
            }
            Some(CR) => self.write_cr(value, lanes, cx),
            Some(OPTCR) => self.write_optcr(value, lanes, cx),
            Some(index) => {
                self.regs.write(TABLE, index, value, lanes, "FLASH", cx);
            }
            None => cx.unmodelled(&format!("FLASH write offset {offset:#x}")),
        }
    }

    fn wake(&self, _clocks: &Clocks) -> Wake {
        if self.operation == Operation::Idle { Wake::NEVER } else { Wake::at_time_ps(self.busy_until_ps) }
    }

    fn advance(&mut self, cx: &mut Cx<'_>) {
        self.update(cx);
    }

    fn irq_lines(&self) -> u32 {
        let (sr, cr) = (self.regs[SR], self.regs[CR]);
        u32::from((sr & EOP != 0 && cr & EOPIE != 0) || (sr & OPERR != 0 && cr & ERRIE != 0))
    }

    /// Registers only: [`FlashController::system_reset`] is what the composition calls.
    fn reset(&mut self) {
        self.regs = RegisterFile::new(TABLE);
        self.information.load_options();
        self.regs[OPTCR] = self.information.options() | OPTLOCK;
        self.unlock = Unlock::First;
        self.option_unlock = Unlock::First;
        self.operation = Operation::Idle;
    }
}

#[cfg(test)]
mod tests;
