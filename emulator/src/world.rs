//! Everything but the processor's instructions: the bus they run against.

use std::cell::Cell;

use lockstep_engine::{Access, AccessFault, Bus, HostMemory};
use lockstep_modem::Output;
use lockstep_peripherals::rcc::ResetCause;
use lockstep_peripherals::soc::{Soc, SocEnv, bitband_target};
use lockstep_peripherals::{Ledger, Memory, Now, UartFrame};
use lockstep_traces::Decisions;
use serde::{Deserialize, Serialize};

use crate::clock::Clock;
use crate::core::entry::CoreMemory;
use crate::core::exceptions::SYS_TICK;
use crate::core::scs::Scs;
use crate::electron::{Electron, MODE_BUTTON, MODEM_USART, RI_UC};
use crate::watch::{Accessor, Watching};

mod power;

/// Flash, where it really is.
pub const FLASH_BASE: u32 = 0x0800_0000;
/// Flash size in bytes.
pub const FLASH_SIZE: u32 = 1 << 20;
/// SRAM.
pub const SRAM_BASE: u32 = 0x2000_0000;
/// SRAM size in bytes (112 KB SRAM1 and 16 KB SRAM2).
pub const SRAM_SIZE: u32 = 128 << 10;
const SRAM_END: u32 = SRAM_BASE + SRAM_SIZE;

/// SRAM and flash, shared with the engine.
#[derive(Debug)]
pub struct GuestMemory {
    /// SRAM at 0x2000_0000.
    pub sram: HostMemory,
    /// The flash array at 0x0800_0000, aliased at 0.
    pub flash: HostMemory,
    /// Flash ranges (offset, length) changed since the engine was told.
    changed_flash: Vec<(u32, u32)>,
    /// SRAM ranges changed by DMA since the engine was told.
    changed_sram: Vec<(u32, u32)>,
    /// Counts changes of flash, so that its hash can be kept.
    pub flash_generation: u64,
    /// What a debugger watches.
    pub watching: Watching,
}

impl GuestMemory {
    /// Blank SRAM and erased flash.
    pub fn new() -> Self {
        let memory = Self::of(HostMemory::new(SRAM_SIZE as usize), HostMemory::new(FLASH_SIZE as usize));
        let erased = memory.flash.write(0, &vec![0xff; FLASH_SIZE as usize]);
        debug_assert!(erased);
        memory
    }

    /// Of these blocks, 128 KB and 1 MB long.
    pub(crate) fn of(sram: HostMemory, flash: HostMemory) -> Self {
        Self {
            sram,
            flash,
            changed_flash: Vec::new(),
            changed_sram: Vec::new(),
            flash_generation: 0,
            watching: Watching::default(),
        }
    }

    fn locate(&self, address: u32) -> Option<(&HostMemory, usize)> {
        match address {
            0..FLASH_SIZE => Some((&self.flash, address as usize)),
            FLASH_BASE..0x0810_0000 => Some((&self.flash, (address - FLASH_BASE) as usize)),
            SRAM_BASE..0x2002_0000 => Some((&self.sram, (address - SRAM_BASE) as usize)),
            _ => None,
        }
    }

    /// Bytes of SRAM or flash, for observers; `false` outside.
    #[must_use]
    pub fn peek(&self, address: u32, into: &mut [u8]) -> bool {
        self.locate(address).is_some_and(|(memory, offset)| memory.read(offset, into))
    }

    /// A word of SRAM or flash, for observers.
    pub fn peek_word(&self, address: u32) -> Option<u32> {
        self.peek_value(address, 4)
    }

    /// 1, 2 or 4 bytes of SRAM or flash, for observers.
    pub fn peek_value(&self, address: u32, size: u32) -> Option<u32> {
        let (memory, offset) = self.locate(address)?;
        memory.read_value(offset, size as usize)
    }

    /// Changes SRAM or flash from outside; `false` outside of them.
    pub(crate) fn poke(&mut self, address: u32, bytes: &[u8]) -> bool {
        let Some((memory, offset)) = self.locate(address) else { return false };
        if !memory.write(offset, bytes) {
            return false;
        }
        let changed = (offset as u32, bytes.len() as u32);
        if (SRAM_BASE..SRAM_END).contains(&address) {
            self.changed_sram.push(changed);
        } else {
            self.changed_flash.push(changed);
            self.flash_generation += 1;
        }
        true
    }

    fn store(&mut self, address: u32, size: u32, value: u32) -> bool {
        if !(SRAM_BASE..SRAM_BASE + SRAM_SIZE).contains(&address) {
            return false;
        }
        let offset = (address - SRAM_BASE) as usize;
        match self.changed_sram.last_mut() {
            // The words of an exception's frame are one range.
            Some((from, length)) if *from + *length == offset as u32 => *length += size,
            _ => self.changed_sram.push((offset as u32, size)),
        }
        value.to_le_bytes().get(..size as usize).is_some_and(|bytes| self.sram.write(offset, bytes))
    }

    /// Flash is seen at two addresses.
    fn look_at_flash(&mut self, offset: u32, length: u32) {
        self.watching.look(offset, length, true, Accessor::Peripheral);
        self.watching.look(FLASH_BASE + offset, length, true, Accessor::Peripheral);
    }
}

impl Default for GuestMemory {
    fn default() -> Self {
        Self::new()
    }
}

impl Memory for GuestMemory {
    fn read(&mut self, address: u32, size: u32) -> Option<u32> {
        self.watching.look(address, size, false, Accessor::Peripheral);
        self.peek_value(address, size)
    }

    fn write(&mut self, address: u32, size: u32, value: u32) -> bool {
        self.watching.look(address, size, true, Accessor::Peripheral);
        self.store(address, size, value)
    }

    fn flash_program(&mut self, offset: u32, bytes: &[u8]) {
        let mut old = vec![0; bytes.len()];
        if self.flash.read(offset as usize, &mut old) {
            for (old, new) in old.iter_mut().zip(bytes) {
                *old &= new;
            }
            if self.flash.write(offset as usize, &old) {
                self.look_at_flash(offset, bytes.len() as u32);
                self.changed_flash.push((offset, bytes.len() as u32));
                self.flash_generation += 1;
            }
        }
    }

    fn flash_erase(&mut self, offset: u32, length: u32) {
        if self.flash.write(offset as usize, &vec![0xff; length as usize]) {
            self.look_at_flash(offset, length);
            self.changed_flash.push((offset, length));
            self.flash_generation += 1;
        }
    }
}

impl CoreMemory for GuestMemory {
    fn load(&mut self, address: u32) -> Option<u32> {
        self.watching.look(address, 4, false, Accessor::Core);
        self.peek_word(address)
    }
    fn store(&mut self, address: u32, value: u32) -> bool {
        self.watching.look(address, 4, true, Accessor::Core);
        Self::store(self, address, 4, value)
    }
}

/// Rounds of events at one instant after which something is taken for stuck.
const EVENT_ROUNDS: u32 = 100_000;

/// A store below this address is taken for one through a null pointer: flash is seen there, which nobody writes to by
/// that address.
const NULL_BYTES: u32 = 0x1000;
/// So many are noted between two looks.
const NULL_WRITES_MAX: usize = 16;

/// A store to the first 4 KB of the address space.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct NullWrite {
    /// When.
    pub now: Now,
    /// Address of the instruction.
    pub pc: u32,
    /// Where it stored to.
    pub address: u32,
}

/// The part of the world that a snapshot stores.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub struct WorldState {
    /// Cycles to time.
    pub clock: Clock,
    /// Private peripheral bus.
    pub scs: Scs,
    /// On-chip peripherals.
    pub soc: Soc,
    /// The board.
    pub electron: Electron,
    /// Choices.
    pub decisions: Decisions,
    /// What was touched and is not modelled.
    pub ledger: Ledger,
    /// AIRCR asked for a reset.
    pub reset_requested: bool,
    /// The watchdog on the reset pin pulls it low.
    pub watchdog_resets: bool,
    /// The core waits for flash until this instant.
    pub stalled_until_ps: u64,
    /// The board is without power until this instant.
    pub power_returns_ps: Option<u64>,
}

/// The world during a run.
#[derive(Debug)]
pub struct World {
    /// What a snapshot stores.
    pub state: WorldState,
    /// SRAM and flash.
    pub memory: GuestMemory,
    /// The run must not go beyond this cycle.
    pub limit_cycles: u64,
    deadline_cycles: u64,
    /// CCR trap bits or flash wait states changed.
    pub engine_settings_changed: bool,
    /// Device accesses that may change something, since the machine was made; idle recognition compares it.
    pub accesses: u64,
    /// Extra cycles of a new flash line, as the engine was last told.
    pub line_penalty_cycles: u32,
    /// A part asks to be woken at the same instant again and again.
    pub stuck: bool,
    /// Stores that look like one through a null pointer, for observers; the machine takes them after each run of the engine.
    pub null_writes: Vec<NullWrite>,
    /// The last time turned into a cycle: the clock it was done with, the time, the cycle.
    converted: Cell<(Clock, u64, u64)>,
    /// When the board has something to do next, as long as nothing has been done to it: every device access asks.
    board_wake_ps: Cell<Option<u64>>,
}

impl World {
    /// Around a state.
    pub fn new(state: WorldState, memory: GuestMemory) -> Self {
        Self {
            state,
            memory,
            limit_cycles: 0,
            deadline_cycles: 0,
            engine_settings_changed: false,
            accesses: 0,
            line_penalty_cycles: 0,
            stuck: false,
            null_writes: Vec::new(),
            converted: Cell::new((Clock::new(1), 0, 0)),
            board_wake_ps: Cell::new(None),
        }
    }

    fn split(&mut self, now: Now, pc: u32) -> (&mut Soc, SocEnv<'_>) {
        let state = &mut self.state;
        let env = SocEnv {
            now,
            pc,
            memory: &mut self.memory,
            board: &mut state.electron,
            decisions: &mut state.decisions,
            ledger: &mut state.ledger,
        };
        (&mut state.soc, env)
    }

    /// Calls a function of the chip with the rest of the world at hand.
    pub fn with_soc<R>(&mut self, now: Now, pc: u32, f: impl FnOnce(&mut Soc, &mut SocEnv<'_>) -> R) -> R {
        let (soc, mut env) = self.split(now, pc);
        f(soc, &mut env)
    }

    /// Somebody outside of the world may have changed the board.
    pub fn board_may_have_changed(&self) {
        self.board_wake_ps.set(None);
    }

    fn follow_board(&mut self) {
        if self.state.electron.take_touched() {
            self.board_may_have_changed();
        }
    }

    fn board_wake_ps(&self) -> u64 {
        let wake_ps = self.board_wake_ps.get().unwrap_or_else(|| self.state.electron.next_wake_ps());
        debug_assert_eq!(wake_ps, self.state.electron.next_wake_ps());
        self.board_wake_ps.set(Some(wake_ps));
        wake_ps
    }

    /// The cycle of the next event of the world.
    pub fn next_event_cycle(&self) -> u64 {
        let wake = self.state.soc.next_wake();
        let time_ps = wake.time_ps.min(self.board_wake_ps());
        let (clock, known_ps, known_cycle) = self.converted.get();
        let cycle = if known_ps == time_ps && clock == self.state.clock {
            known_cycle
        } else {
            let cycle = self.state.clock.cycle_at(time_ps);
            self.converted.set((self.state.clock, time_ps, cycle));
            cycle
        };
        wake.cycle.min(cycle).min(self.state.scs.systick.next_cycle())
    }

    /// Makes everything happen that is due at `cycles`, to a fixed point.
    pub fn fire_events(&mut self, cycles: u64) {
        let now = self.state.clock.at(cycles);
        self.board_may_have_changed();
        // A part that is due again at the same instant for ever is a defect of its model: the machine reports it.
        for round in 0.. {
            let soc_due = self.state.soc.next_wake().is_due(now);
            let board_due = self.board_wake_ps() <= now.time_ps;
            if !soc_due && !board_due {
                break;
            }
            if round == EVENT_ROUNDS {
                self.stuck = true;
                break;
            }
            if soc_due {
                self.with_soc(now, 0, |soc, env| soc.advance(env));
                self.follow_board();
            }
            if board_due {
                let outputs = self.state.electron.advance(now, &mut self.state.decisions);
                for output in outputs {
                    self.modem_output(output, now);
                }
                if let Some(watchdog) = &mut self.state.electron.watchdog {
                    self.state.watchdog_resets |= watchdog.takes_effect(now.time_ps);
                }
                while let Some(level) = self.state.electron.mode_button.take_level(now.time_ps) {
                    self.with_soc(now, 0, |soc, env| soc.drive_pin(MODE_BUTTON, level, env));
                }
                for number in 0..self.state.electron.parts.len() {
                    while let Some((pin, level)) = self.state.electron.parts[number].take_level() {
                        self.with_soc(now, 0, |soc, env| soc.drive_pin(pin, Some(level), env));
                    }
                }
                self.board_may_have_changed();
            }
        }
        if self.state.scs.systick.next_cycle() <= cycles && self.state.scs.systick.advance(cycles) {
            self.state.scs.exceptions.set_pending(SYS_TICK);
        }
        self.follow_soc(now);
    }

    fn modem_output(&mut self, output: Output, now: Now) {
        self.with_soc(now, 0, |soc, env| match output {
            Output::StartBit { .. } => soc.uart_receive_start(MODEM_USART, env),
            Output::Byte { data, bit_ps, .. } => soc.uart_receive(MODEM_USART, UartFrame::byte(data, bit_ps), env),
            Output::Cts { asserted, .. } => soc.uart_cts(MODEM_USART, asserted, env),
            Output::VInt { high, .. } => soc.drive_pin(RI_UC, Some(high), env),
            Output::Ri { .. } => {} // not wired on the Electron
        });
    }

    /// Takes over what the chip changed: interrupt lines, clocks, flash wait states.
    pub fn follow_soc(&mut self, now: Now) {
        self.state.scs.exceptions.set_lines(self.state.soc.irq_levels());
        let hclk_hz = self.state.soc.clocks().hclk_hz;
        if hclk_hz != self.state.clock.hclk_hz() {
            self.state.clock.set_hclk_hz(now, hclk_hz);
        }
        self.engine_settings_changed |= self.state.soc.flash_line_penalty() != self.line_penalty_cycles;
    }

    fn after_access(&mut self, now: Now) {
        self.follow_soc(now);
        self.follow_board();
        let urgent = self.state.scs.exceptions.take_changed()
            || self.state.reset_requested
            || self.engine_settings_changed
            || self.state.soc.reset_pending()
            || self.state.stalled_until_ps > now.time_ps
            || !self.memory.changed_flash.is_empty()
            || !self.memory.changed_sram.is_empty()
            || self.memory.watching.has_hit();
        self.deadline_cycles = if urgent { 0 } else { self.limit_cycles.min(self.next_event_cycle()) };
    }

    /// Ranges of flash and SRAM changed since the last call, as (address, length).
    pub fn take_changed_code(&mut self) -> Vec<(u32, u32)> {
        let flash = self.memory.changed_flash.drain(..).map(|(o, l)| (FLASH_BASE + o, l));
        flash.chain(self.memory.changed_sram.drain(..).map(|(o, l)| (SRAM_BASE + o, l))).collect()
    }

    /// Sets the end of the next run.
    pub fn begin_run(&mut self, limit_cycles: u64) {
        self.limit_cycles = limit_cycles;
        self.deadline_cycles = limit_cycles.min(self.next_event_cycle());
        self.state.scs.exceptions.take_changed();
    }

    fn private_bus(&mut self, access: &Access, write: Option<u32>) -> Result<u32, AccessFault> {
        let offset = (access.address & !3) - 0xe000_0000;
        if !access.privileged && !self.state.scs.allows_unprivileged(offset, write.is_some()) {
            return Err(AccessFault);
        }
        let shift = 8 * (access.address & 3);
        let time_ps = self.state.clock.at(access.cycles).time_ps;
        let state = &mut self.state;
        let Some(value) = write else {
            let word = state.scs.read(offset, access.cycles, access.pc, time_ps, &mut state.ledger);
            return Ok(word >> shift);
        };
        let lanes = (u32::MAX >> (32 - 8 * access.size)) << shift;
        let effect =
            state.scs.write(offset, value << shift, lanes, access.cycles, access.pc, time_ps, &mut state.ledger);
        self.state.reset_requested |= effect.reset;
        self.engine_settings_changed |= effect.traps_changed;
        Ok(0)
    }

    /// Notes an access that is watched for; the run ends right after it.
    fn look_at(&mut self, access: &Access, write: bool) {
        let watching = &mut self.memory.watching;
        if watching.is_empty() {
            return;
        }
        let by = Accessor::Instruction { pc: access.pc };
        watching.look(access.address, access.size, write, by);
        if let Some((byte, _)) = bitband_target(access.address) {
            watching.look(byte, 1, write, by);
        }
        if watching.has_hit() {
            self.deadline_cycles = 0;
        }
    }

    /// One note for each place in a run is enough: whoever looks wants to know of each place once.
    fn note_null_write(&mut self, access: &Access) {
        let (pc, address) = (access.pc, access.address);
        if self.null_writes.len() < NULL_WRITES_MAX && self.null_writes.iter().all(|write| write.pc != pc) {
            self.null_writes.push(NullWrite { now: self.state.clock.at(access.cycles), pc, address });
        }
    }

    /// The core fetches from flash and therefore waits for the end of an operation on it (PM0059 2.3).
    fn stall_while_flash_is_busy(&mut self, pc: u32, now: Now) {
        let busy_until_ps = self.state.soc.flash_busy_until_ps();
        let from_flash = pc < FLASH_SIZE || (FLASH_BASE..FLASH_BASE + FLASH_SIZE).contains(&pc);
        if busy_until_ps > now.time_ps && from_flash {
            self.state.stalled_until_ps = busy_until_ps;
        }
    }
}

const PRIVATE_BUS: std::ops::RangeInclusive<u32> = 0xe000_0000..=0xe00f_ffff;
/// DBGMCU sits on the private bus but belongs to ST.
const DBGMCU: std::ops::RangeInclusive<u32> = 0xe004_2000..=0xe004_2fff;

impl World {
    #[inline(never)]
    fn read_slowly(&mut self, access: &Access) -> Result<u32, AccessFault> {
        self.accesses += u64::from(!self.state.soc.read_changes_nothing(access.address));
        self.look_at(access, false);
        if PRIVATE_BUS.contains(&access.address) && !DBGMCU.contains(&access.address) {
            let value = self.private_bus(access, None)?;
            self.after_access(self.state.clock.at(access.cycles));
            return Ok(value);
        }
        let now = self.state.clock.at(access.cycles);
        let (soc, mut env) = self.split(now, access.pc);
        let value = match bitband_target(access.address) {
            // The bus reads the byte and gives the bit.
            Some((byte, bit)) if byte < SRAM_END => env.memory.read(byte, 1).ok_or(AccessFault)? >> bit & 1,
            Some(_) => soc.bitband_read(access.address, access.size, &mut env).map_err(|_| AccessFault)?,
            None => soc.read(access.address, access.size, &mut env).map_err(|_| AccessFault)?,
        };
        self.after_access(now);
        Ok(value)
    }
}

impl Bus for World {
    #[inline]
    fn read(&mut self, access: &Access) -> Result<u32, AccessFault> {
        // Before the deadline nothing is due, neither in the device nor elsewhere.
        if access.cycles < self.deadline_cycles
            && let Some(value) = self.state.soc.quiet_read(access.address, access.size)
        {
            if !self.memory.watching.is_empty() {
                self.look_at(access, false);
            }
            return Ok(value);
        }
        self.read_slowly(access)
    }

    fn write(&mut self, access: &Access, value: u32) -> Result<(), AccessFault> {
        self.accesses += 1;
        self.look_at(access, true);
        if access.address < NULL_BYTES {
            self.note_null_write(access);
        }
        let now = self.state.clock.at(access.cycles);
        if PRIVATE_BUS.contains(&access.address) && !DBGMCU.contains(&access.address) {
            self.private_bus(access, Some(value))?;
        } else {
            let (soc, mut env) = self.split(now, access.pc);
            match bitband_target(access.address) {
                // The bus reads the byte, changes the bit and writes the byte.
                Some((byte, bit)) if byte < SRAM_END => {
                    let old = env.memory.read(byte, 1).ok_or(AccessFault)?;
                    if !env.memory.write(byte, 1, old & !(1 << bit) | (value & 1) << bit) {
                        return Err(AccessFault);
                    }
                }
                Some(_) => {
                    soc.bitband_write(access.address, access.size, value, &mut env).map_err(|_| AccessFault)?;
                }
                None => soc.write(access.address, access.size, value, &mut env).map_err(|_| AccessFault)?,
            }
            self.stall_while_flash_is_busy(access.pc, now);
        }
        self.after_access(now);
        Ok(())
    }

    fn deadline_cycles(&self) -> u64 {
        self.deadline_cycles
    }
}

impl World {
    /// Puts chip and private bus into the state after a system reset.
    pub fn system_reset(&mut self, cause: ResetCause, cycles: u64) {
        let now = self.state.clock.at(cycles);
        self.with_soc(now, 0, |soc, env| soc.system_reset(cause, env));
        self.after_reset(now);
    }

    fn after_reset(&mut self, now: Now) {
        self.state.scs = Scs::new();
        self.state.stalled_until_ps = 0;
        self.state.reset_requested = false;
        self.engine_settings_changed = true;
        self.follow_soc(now);
    }
}

#[cfg(test)]
mod tests;
