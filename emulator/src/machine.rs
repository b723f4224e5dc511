//! The machine: the engine, the exception model and the world, driven by one loop in virtual time.

use std::rc::Rc;

use lockstep_engine::{CoreRegisters, Engine, EngineError, RunEnd, StopReason};
use lockstep_peripherals::board::SdSlot;
use lockstep_peripherals::rcc::ResetCause;
use lockstep_peripherals::soc::Soc;
use lockstep_peripherals::{Ledger, Now};
use lockstep_traces::Decisions;
use serde::{Deserialize, Serialize};

use crate::clock::Clock;
use crate::core::entry::{self, masks};
use crate::core::exceptions::{Masks, NMI, SV_CALL};
use crate::core::faults::Fault;
use crate::core::scs::{CCR_DIV_0_TRP, CCR_UNALIGN_TRP, SCR_SEVONPEND, SCR_SLEEPDEEP, Scs};
use crate::electron::Electron;
use crate::explain::Reason;
use crate::idle::IdleFinder;
use crate::observe::Observer;
use crate::watch::Watched;
use crate::world::{FLASH_BASE, GuestMemory, SRAM_BASE, World, WorldState};

mod checkpoint;
mod debug;
mod exception_flow;
mod power;
mod snapshot;

pub use checkpoint::Checkpoint;
pub use snapshot::Snapshot;

/// What the core is doing.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub enum CoreState {
    /// Executing instructions.
    Running,
    /// Asleep after WFI (or sleep-on-exit), until an interrupt.
    WaitForInterrupt,
    /// Asleep after WFE, until an event.
    WaitForEvent,
    /// Locked up: only a reset helps (ARMv7-M ARM B1.5.15).
    LockedUp,
    /// Without power ([`Machine::power_cut`]).
    Off,
}

/// Why [`Machine::run_until`] came back.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Stop {
    /// The cycle or instruction asked for was reached.
    Limit,
    /// The core locked up just now.
    LockUp,
    /// A host call (semihosting BKPT 0xAB) that the caller serves.
    HostCall,
    /// The next instruction has a breakpoint ([`Machine::set_breakpoints`]).
    Breakpoint,
    /// An access that is watched for was made ([`Machine::set_watchpoints`]).
    Watchpoint(Watched),
}

/// A guest fault, as it was raised.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct GuestFault {
    /// When.
    pub now: Now,
    /// Address of the faulting instruction.
    pub pc: u32,
    /// Cause.
    pub fault: Fault,
    /// Link register at that moment.
    pub lr: u32,
}

/// What a new machine is made of.
#[derive(Debug)]
pub struct MachineParts {
    /// Content of flash from 0x0800_0000, at most 1 MB; the rest is erased.
    pub flash: Vec<u8>,
    /// The chip; the machine powers it on.
    pub soc: Soc,
    /// The board.
    pub electron: Electron,
    /// Seed of every choice.
    pub seed: u64,
    /// Serve semihosting calls instead of faulting on BKPT: for bare-metal test programs.
    pub semihosting: bool,
}

/// The machine.
#[derive(Debug)]
pub struct Machine {
    engine: Engine,
    /// Everything but the instructions.
    pub world: World,
    core: CoreState,
    event: bool,
    cycles: u64,
    instructions: u64,
    semihosting: bool,
    idle: IdleFinder,
    idle_skipping: bool,
    /// What was seen, without influence on the run.
    pub observer: Observer,
    flash_hash: Option<(u64, blake3::Hash)>,
    /// A copy of flash of this generation, shared between checkpoints.
    kept_flash: Option<(u64, Rc<[u8]>)>,
}

/// A machine that cannot be made or go on.
#[derive(Debug, thiserror::Error)]
pub enum MachineError {
    /// The engine.
    #[error(transparent)]
    Engine(#[from] EngineError),
    /// More flash than the chip has.
    #[error("the flash image is {length} bytes long; an STM32F205 has {} (1 MB)", crate::world::FLASH_SIZE)]
    FlashTooLong {
        /// Its length.
        length: usize,
    },
    /// A model that does not let time go on.
    #[error(
        "a part of the board asks to be woken at {time_ps} ps again and again; this is a defect of Lockstep: please report it with images, settings and seed"
    )]
    Stuck {
        /// When.
        time_ps: u64,
    },
    /// A snapshot that does not belong to this machine.
    #[error("the snapshot holds {found} bytes of {what} instead of {expected}; it was made for another chip")]
    SnapshotSize {
        /// Which memory.
        what: &'static str,
        /// Its length.
        found: usize,
        /// The length it must have.
        expected: usize,
    },
    /// A snapshot that cannot be written as bytes.
    #[error("cannot encode the state: {reason}")]
    SnapshotEncoding {
        /// What the encoding says.
        reason: String,
    },
    /// Bytes that are no snapshot of this build.
    #[error("the snapshot was written by another build of lockstep ({reason}); make it again with this one")]
    SnapshotBytes {
        /// What the encoding says.
        reason: String,
    },
}

impl Machine {
    /// A machine at power-on, its core about to execute the first instruction of the reset handler.
    pub fn new(parts: MachineParts) -> Result<Self, MachineError> {
        let memory = GuestMemory::new();
        if !memory.flash.write(0, &parts.flash) {
            return Err(MachineError::FlashTooLong { length: parts.flash.len() });
        }
        let state = WorldState {
            clock: Clock::new(parts.soc.clocks().hclk_hz),
            scs: Scs::new(),
            soc: parts.soc,
            electron: parts.electron,
            decisions: Decisions::new(parts.seed),
            ledger: Ledger::default(),
            reset_requested: false,
            watchdog_resets: false,
            stalled_until_ps: 0,
            power_returns_ps: None,
        };
        let mut world = World::new(state, memory);
        world.with_soc(Now::default(), 0, |soc, env| soc.power_on_reset(false, env));
        world.follow_soc(Now::default());
        let mut machine = Self::around(world, parts.semihosting)?;
        machine.reset_core();
        Ok(machine)
    }

    fn around(world: World, semihosting: bool) -> Result<Self, MachineError> {
        let mut engine = Engine::new()?;
        engine.map_rom(0, &world.memory.flash)?;
        engine.map_rom(FLASH_BASE, &world.memory.flash)?;
        engine.map_ram(SRAM_BASE, &world.memory.sram)?;
        // Option bytes, OTP and unique id; bit-band of SRAM; peripherals and their bit-band; the private bus.
        for (base, length) in [
            (0x1fff_0000, 0x1_0000),
            (0x2200_0000, 0x200_0000),
            (0x4000_0000, 0x8_0000),
            (0x4200_0000, 0x200_0000),
            (0x5000_0000, 0x10_0000),
            (0xa000_0000, 0x1000),
            (0xe000_0000, 0x10_0000),
        ] {
            engine.map_device(base, length)?;
        }
        let mut machine = Self {
            engine,
            world,
            core: CoreState::Running,
            event: false,
            cycles: 0,
            instructions: 0,
            semihosting,
            idle: IdleFinder::default(),
            idle_skipping: true,
            observer: Observer::default(),
            flash_hash: None,
            kept_flash: None,
        };
        machine.apply_engine_settings();
        Ok(machine)
    }

    /// HCLK cycles since power-on.
    pub fn cycles(&self) -> u64 {
        self.cycles
    }

    /// Instructions executed since power-on.
    pub fn instructions(&self) -> u64 {
        self.instructions
    }

    /// The present instant.
    pub fn now(&self) -> Now {
        self.world.state.clock.at(self.cycles)
    }

    /// What the core is doing.
    pub fn core_state(&self) -> CoreState {
        self.core
    }

    /// Core registers.
    pub fn registers(&self) -> CoreRegisters {
        self.engine.registers()
    }

    /// Sets core registers (host calls, debuggers).
    pub fn set_registers(&mut self, registers: &CoreRegisters) {
        self.engine.set_registers(registers);
    }

    /// Whether idle loops are skipped. It changes nothing but the speed.
    pub fn set_idle_skipping(&mut self, on: bool) {
        self.idle_skipping = on;
    }

    /// Idle cycles that were skipped rather than executed.
    pub fn skipped_cycles(&self) -> u64 {
        self.idle.skipped_cycles()
    }

    /// Instructions of idle loops that were skipped rather than executed; they count as executed in virtual time.
    pub fn skipped_instructions(&self) -> u64 {
        self.idle.skipped_instructions()
    }

    fn apply_engine_settings(&mut self) {
        let ccr = self.world.state.scs.ccr;
        self.engine.set_traps(ccr & CCR_DIV_0_TRP != 0, ccr & CCR_UNALIGN_TRP != 0);
        self.world.line_penalty_cycles = self.world.state.soc.flash_line_penalty();
        self.engine.set_line_penalty_cycles(self.world.line_penalty_cycles);
        self.world.engine_settings_changed = false;
    }

    fn reset_core(&mut self) {
        // The vector table at address 0, an alias of flash (BOOT0 low, RM0033 2.4).
        let sp = self.world.memory.peek_word(0).unwrap_or(0);
        let pc = self.world.memory.peek_word(4).unwrap_or(0);
        self.engine.set_registers(&CoreRegisters {
            msp: sp & !3,
            pc: pc & !1,
            thumb: pc & 1 != 0,
            lr: u32::MAX,
            exclusive_address: u64::MAX,
            ..CoreRegisters::default()
        });
        self.core = CoreState::Running;
        self.event = false;
        self.apply_engine_settings();
    }

    /// A system reset, now.
    pub fn reset(&mut self, cause: ResetCause) {
        self.observer.reset(self.now(), self.instructions, cause);
        self.world.system_reset(cause, self.cycles);
        self.reset_core();
    }

    /// A finger presses the MODE button; its contact bounces as the decision stream `board.button` says.
    pub fn press_mode(&mut self) {
        let (now_ps, state) = (self.now().time_ps, &mut self.world.state);
        state.electron.mode_button.press(now_ps, &mut state.decisions);
        self.world.fire_events(self.cycles);
    }

    /// The finger lets the MODE button go.
    pub fn release_mode(&mut self) {
        let (now_ps, state) = (self.now().time_ps, &mut self.world.state);
        state.electron.mode_button.release(now_ps, &mut state.decisions);
        self.world.fire_events(self.cycles);
    }

    /// Does something to the SD card's socket; `None` if there is none.
    pub fn with_sd_slot<R>(&mut self, action: impl FnOnce(&mut SdSlot, u64, &mut Decisions) -> R) -> Option<R> {
        let (now_ps, state) = (self.now().time_ps, &mut self.world.state);
        let result = state.electron.sd_slot().map(|slot| action(slot, now_ps, &mut state.decisions))?;
        self.world.fire_events(self.cycles);
        Some(result)
    }

    /// A tap on the RESET button: a pulse on NRST. How long it is held is not modelled.
    pub fn tap_reset(&mut self) {
        self.reset(ResetCause::Pin);
    }

    /// Runs until the given number of cycles has passed since power-on (the first instruction boundary there).
    pub fn run_until_cycle(&mut self, cycles: u64) -> Result<Stop, MachineError> {
        while self.cycles < cycles {
            let stop = self.step(cycles)?;
            if stop != Stop::Limit {
                return Ok(stop);
            }
        }
        Ok(Stop::Limit)
    }

    /// Runs until the given virtual time.
    pub fn run_until_ps(&mut self, time_ps: u64) -> Result<Stop, MachineError> {
        while self.now().time_ps < time_ps {
            let limit = self.world.state.clock.cycle_at(time_ps);
            let stop = self.step(limit)?;
            if stop != Stop::Limit {
                return Ok(stop);
            }
        }
        Ok(Stop::Limit)
    }

    /// Runs until exactly this many instructions have been executed since power-on, or until virtual time `time_ps`
    /// (a sleeping core executes none).
    pub fn run_until_instruction(&mut self, instructions: u64, time_ps: u64) -> Result<Stop, MachineError> {
        while self.instructions < instructions && self.now().time_ps < time_ps {
            // Every instruction takes a cycle at least, so this never goes too far.
            let limit = self.cycles.saturating_add(instructions - self.instructions);
            let limit = limit.min(self.world.state.clock.cycle_at(time_ps)).max(self.cycles + 1);
            let stop = self.step(limit)?;
            if stop != Stop::Limit {
                return Ok(stop);
            }
        }
        Ok(Stop::Limit)
    }

    /// Goes on by one stretch, and says if an access was made that is watched for. A lock-up is said first, the access
    /// then at once when the machine is asked to go on.
    fn step(&mut self, limit_cycles: u64) -> Result<Stop, MachineError> {
        let stop = self.stretch(limit_cycles)?;
        if stop == Stop::Limit
            && let Some(watched) = self.world.memory.watching.take()
        {
            return Ok(Stop::Watchpoint(watched));
        }
        Ok(stop)
    }

    /// Events, then at most one exception entry, then instructions up to the next event.
    fn stretch(&mut self, limit_cycles: u64) -> Result<Stop, MachineError> {
        self.world.board_may_have_changed();
        if self.world.next_event_cycle() <= self.cycles {
            self.world.fire_events(self.cycles);
        }
        if self.world.memory.watching.has_hit() {
            return Ok(Stop::Limit);
        }
        if self.world.stuck {
            return Err(MachineError::Stuck { time_ps: self.now().time_ps });
        }
        self.observer.look(&mut self.world, self.cycles, self.instructions);
        let sample_cycle = self.world.state.clock.cycle_at(self.observer.led().next_sample_ps());
        let limit_cycles = limit_cycles.min(sample_cycle.max(self.cycles + 1));
        if let Some(returns_ps) = self.world.state.power_returns_ps {
            self.stay_off(returns_ps, limit_cycles);
            return Ok(Stop::Limit);
        }
        if let Some(code) = self.observer.take_sos() {
            let registers = self.engine.registers();
            self.keep_moment(Reason::Sos { code }, &registers);
        }
        if self.world.state.reset_requested {
            self.reset(ResetCause::Software);
            return Ok(Stop::Limit);
        }
        if std::mem::take(&mut self.world.state.watchdog_resets) {
            self.observer.external_watchdog(self.now());
            self.reset(ResetCause::Pin);
            return Ok(Stop::Limit);
        }
        if let Some(cause) = self.world.state.soc.take_reset_request() {
            self.reset(cause);
            return Ok(Stop::Limit);
        }
        for (address, length) in self.world.take_changed_code() {
            self.engine.code_changed(address, length);
        }
        if self.world.engine_settings_changed {
            self.apply_engine_settings();
        }
        self.wake_up();
        let stalled = self.world.state.stalled_until_ps > self.now().time_ps;
        if self.core != CoreState::Running || stalled {
            self.pass_time(limit_cycles, stalled);
            return Ok(Stop::Limit);
        }
        let mut registers = self.engine.registers();
        if let Some(exception) = self.world.state.scs.exceptions.takeable(masks(&registers)) {
            return self.take_exception(&mut registers, exception);
        }
        let masked = self.world.state.scs.exceptions.any_pending();
        self.engine.stop_on_unmask(masked);
        if self.idle_skipping && !masked && registers.ipsr() == 0 {
            let next = limit_cycles.min(self.world.next_event_cycle());
            let at = RunEnd { cycles: self.cycles, instructions: self.instructions, reason: StopReason::Deadline };
            if let Some(end) = self.idle.skip(&mut self.engine, &mut self.world, &registers, at, next)? {
                return self.finish_run(end);
            }
        }
        self.world.begin_run(limit_cycles);
        let end = self.engine.run(&mut self.world, self.cycles, self.instructions)?;
        self.finish_run(end)
    }

    fn finish_run(&mut self, end: RunEnd) -> Result<Stop, MachineError> {
        self.cycles = end.cycles;
        self.instructions = end.instructions;
        for fetch in self.engine.take_first_fetches() {
            let now = self.world.state.clock.at(fetch.cycles);
            self.observer.fetched(fetch.address, now, fetch.instructions);
        }
        for write in self.world.null_writes.drain(..) {
            self.observer.null_write(write);
        }
        if let Some(hit) = self.engine.take_watch_hit() {
            self.world.memory.watching.note(hit);
        }
        match end.reason {
            StopReason::Deadline | StopReason::Unmasked | StopReason::Watched => Ok(Stop::Limit),
            StopReason::AtBreakpoint => {
                self.pass_breakpoint();
                Ok(Stop::Breakpoint)
            }
            StopReason::SupervisorCall => {
                let registers = self.engine.registers();
                let raised = entry::raise(&mut self.world.state.scs, &registers, SV_CALL);
                Ok(self.or_lock_up(raised))
            }
            StopReason::Breakpoint => self.breakpoint(),
            StopReason::UndefinedInstruction => Ok(self.fault(Fault::Undefined)),
            StopReason::InvalidState => Ok(self.fault(Fault::InvalidState)),
            StopReason::NoCoprocessor => Ok(self.fault(Fault::NoCoprocessor)),
            StopReason::Unaligned => Ok(self.fault(Fault::Unaligned)),
            StopReason::DivideByZero => Ok(self.fault(Fault::DivideByZero)),
            StopReason::DataFault { address, .. } => Ok(self.data_fault(address)),
            StopReason::FetchFault { address } => {
                // Peripherals, external devices and the system space are execute-never (B3.1).
                let fault = if address >= 0xa000_0000 || (0x4000_0000..0x6000_0000).contains(&address) {
                    Fault::InstructionAccess
                } else {
                    Fault::InstructionBus
                };
                Ok(self.fault(fault))
            }
            StopReason::ExceptionReturn => self.exception_return(),
            StopReason::WaitForInterrupt => {
                self.core = CoreState::WaitForInterrupt;
                self.note_deep_sleep();
                Ok(Stop::Limit)
            }
            StopReason::WaitForEvent => {
                if !std::mem::take(&mut self.event) {
                    self.core = CoreState::WaitForEvent;
                    self.note_deep_sleep();
                }
                Ok(Stop::Limit)
            }
            StopReason::SendEvent => {
                self.event = true;
                Ok(Stop::Limit)
            }
        }
    }

    fn note_deep_sleep(&mut self) {
        if self.world.state.scs.scr & SCR_SLEEPDEEP != 0 {
            let (now, pc) = (self.now(), self.engine.registers().pc);
            self.world.state.ledger.unmodelled(
                "SCR.SLEEPDEEP (stop and standby are entered as sleep)",
                pc,
                now.time_ps,
            );
        }
    }

    fn wake_up(&mut self) {
        let exceptions = &mut self.world.state.scs.exceptions;
        let sends_event = exceptions.take_pended() && self.world.state.scs.scr & SCR_SEVONPEND != 0;
        self.event |= self.world.state.soc.take_event() | sends_event;
        let registers = match self.core {
            CoreState::Running => return,
            _ => self.engine.registers(),
        };
        let wake = match self.core {
            CoreState::WaitForEvent => {
                std::mem::take(&mut self.event) || exceptions.takeable(masks(&registers)).is_some()
            }
            // An NMI gets through to a core locked up by a fault in HardFault (B1.5.15).
            CoreState::LockedUp => exceptions.takeable(masks(&registers)) == Some(NMI),
            // PRIMASK does not keep the core asleep (B1.5.18).
            _ => exceptions.takeable(Masks { primask: false, ..masks(&registers) }).is_some(),
        };
        if wake {
            self.core = CoreState::Running;
        }
    }

    /// The core does nothing until something happens.
    fn pass_time(&mut self, limit_cycles: u64, stalled: bool) {
        let mut target = limit_cycles.min(self.world.next_event_cycle());
        if stalled {
            target = target.min(self.world.state.clock.cycle_at(self.world.state.stalled_until_ps));
        }
        self.cycles = target.max(self.cycles);
    }
}
