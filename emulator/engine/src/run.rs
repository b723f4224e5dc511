//! The engine: mappings, runs, and the way of a device access.

use std::ffi::c_void;
use std::ptr::NonNull;

use unicorn_engine::{
    Arch, ArmCpuModel, HookType, MemType, Mode, Prot, TlbEntry, TlbType, Unicorn, uc_engine, uc_error,
};

use crate::HostMemory;
use crate::debug::Debugging;
use crate::ffi::*;

/// Longest stretch handed to Unicorn at once: the budget is a signed 32-bit count with a guard bit.
const MAX_STRETCH_CYCLES: u64 = 1 << 29;
/// The engine's page size for an M-profile core, in bits.
const PAGE_BITS: u32 = 10;

/// One access of the guest to something that is not plain memory.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Access {
    /// Byte address.
    pub address: u32,
    /// 1, 2 or 4 bytes.
    pub size: u32,
    /// Address of the accessing instruction.
    pub pc: u32,
    /// Cycle count at the start of that instruction.
    pub cycles: u64,
    /// Instructions executed before it.
    pub instructions: u64,
    /// Handler mode, or thread mode with CONTROL.nPRIV clear.
    pub privileged: bool,
}

/// The bus answered an access with an error: a BusFault for the guest.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct AccessFault;

/// The world as the running code sees it.
pub trait Bus {
    /// A load.
    fn read(&mut self, access: &Access) -> Result<u32, AccessFault>;
    /// A store, also one to read-only memory (flash).
    fn write(&mut self, access: &Access, value: u32) -> Result<(), AccessFault>;
    /// The cycle at which the run must end, as it stands now. Asked after every access; a value not after the
    /// accessing instruction's start ends the run right after that instruction.
    fn deadline_cycles(&self) -> u64;
}

/// The first instruction fetch from a page, since the engine was made.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct FirstFetch {
    /// First address of the page (1 KB).
    pub address: u32,
    /// Cycle count when it happened, at a block's start.
    pub cycles: u64,
    /// Instruction count likewise.
    pub instructions: u64,
}

/// Why a run ended.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum StopReason {
    /// The deadline was reached.
    Deadline,
    /// An instruction that may have unmasked an interrupt was executed (see [`Engine::stop_on_unmask`]).
    Unmasked,
    /// SVC; PC is after it.
    SupervisorCall,
    /// BKPT; PC is on it.
    Breakpoint,
    /// Undefined instruction; PC is on it.
    UndefinedInstruction,
    /// Execution with EPSR.T clear.
    InvalidState,
    /// Coprocessor instruction; PC is on it.
    NoCoprocessor,
    /// Unaligned access that traps; PC is on the instruction, which has not happened.
    Unaligned,
    /// Division by zero with the trap enabled; PC is on it.
    DivideByZero,
    /// A branch to an EXC_RETURN value; PC holds it with bit 0 set again.
    ExceptionReturn,
    /// The next instruction has a breakpoint (see [`Engine::set_breakpoints`]).
    AtBreakpoint,
    /// The last instruction made an access that is watched for (see [`Engine::set_watches`]).
    Watched,
    /// WFI; PC is after it.
    WaitForInterrupt,
    /// WFE; PC is after it.
    WaitForEvent,
    /// SEV; PC is after it.
    SendEvent,
    /// A data access to nothing, or refused by the bus; PC is on the instruction, which has not happened.
    DataFault {
        /// Byte address.
        address: u32,
        /// Store rather than load.
        write: bool,
    },
    /// An instruction fetch from nothing.
    FetchFault {
        /// Byte address.
        address: u32,
    },
}

/// The end of a run.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct RunEnd {
    /// Cycle count at the end.
    pub cycles: u64,
    /// Instruction count at the end.
    pub instructions: u64,
    /// Why it ended.
    pub reason: StopReason,
}

/// Something that cannot happen with guest code, only with a broken build or a wrong map.
#[derive(Debug, thiserror::Error)]
pub enum EngineError {
    /// Unicorn refused a call.
    #[error("Unicorn refused to {what}: {error:?}")]
    Unicorn {
        /// What was asked of it.
        what: &'static str,
        /// Its answer.
        error: uc_error,
    },
    /// An exception number that the machine does not know.
    #[error("Unicorn stopped with exception {number} at PC {pc:#010x}, which an M-profile core does not raise")]
    UnknownException {
        /// QEMU's number.
        number: i32,
        /// Program counter.
        pc: u32,
    },
}

fn failed(what: &'static str) -> impl Fn(uc_error) -> EngineError {
    move |error| EngineError::Unicorn { what, error }
}

/// What callbacks need during a run.
struct Context {
    uc: *mut uc_engine,
    /// The bus of the present run. Null outside runs.
    bus: *mut c_void,
    /// Cycle count at which the present stretch started.
    start_cycles: u64,
    /// Instruction count likewise.
    start_instructions: u64,
    /// Budget of the present stretch.
    stretch_cycles: u64,
    /// The run's end.
    limit_cycles: u64,
    fault: Option<StopReason>,
    /// Values that the loads of one instruction have got so far, for the rare case that it must be run again.
    loads: Vec<u32>,
    /// Cycle count and address of that instruction.
    loads_of: (u64, u32),
    /// Loads to answer from `loads` before the bus is asked again.
    replay: usize,
    /// The deadline fell inside a block: the present instruction is to be run again by itself.
    again: bool,
    /// First fetches from a page since the last call of `take_first_fetches`.
    first_fetches: Vec<FirstFetch>,
    /// Pages that code was fetched from.
    fetched: Vec<u32>,
    /// Accesses that went to the bus since the engine was made.
    bus_accesses: u64,
}

/// A block of memory at an address.
struct Mapping {
    address: u32,
    memory: HostMemory,
    is_rom: bool,
}

impl Mapping {
    fn offset_of(&self, address: u32) -> Option<u32> {
        address.checked_sub(self.address).filter(|offset| (*offset as usize) < self.memory.len())
    }
}

/// The context's place on the heap, shared with the callbacks and freed after the engine that calls them.
struct ContextPlace(NonNull<Context>);

impl ContextPlace {
    fn new(context: Context) -> Self {
        Self(NonNull::from(Box::leak(Box::new(context))))
    }
}

impl Drop for ContextPlace {
    fn drop(&mut self) {
        // SAFETY: the pointer came from a box, which is given back once, here.
        drop(unsafe { Box::from_raw(self.0.as_ptr()) });
    }
}

impl Context {
    fn access(&self, access: &LsAccess) -> Access {
        Access {
            address: access.address,
            size: access.size,
            pc: access.pc,
            cycles: self.start_cycles.saturating_add_signed(self.stretch_cycles as i64 - access.cycles_left),
            instructions: self.start_instructions + access.instructions,
            privileged: access.privileged,
        }
    }

    /// Applies a changed deadline. Returns whether the run can still stop where it must.
    fn follow_deadline(&mut self, access: &Access, deadline: u64) -> bool {
        if deadline >= self.limit_cycles {
            return true;
        }
        self.limit_cycles = deadline;
        let end = deadline.max(access.cycles);
        let distance = end - access.cycles;
        self.stretch_cycles = end - self.start_cycles;
        // SAFETY: called inside a callback of this engine, whose handle is alive.
        unsafe { uc_ls_move_deadline(self.uc, distance as i64) }
    }
}

/// A load from a device. C calls it with the context that it was given.
unsafe extern "C" fn on_read<B: Bus>(context: *mut c_void, access: *const LsAccess) -> u64 {
    // SAFETY: C passes back the context, which lives longer than the engine and to which there is no other reference
    // while translated code runs, and an access on its stack.
    let (context, access) = unsafe { (&mut *context.cast::<Context>(), &*access) };
    context.bus_accesses += 1;
    let access = context.access(access);
    if context.replay > 0 {
        // The instruction is being run again: its first loads have already happened.
        let done = context.loads.len() - context.replay;
        context.replay -= 1;
        if let Some(value) = context.loads.get(done) {
            return u64::from(*value);
        }
    }
    if context.loads_of != (access.cycles, access.pc) {
        context.loads_of = (access.cycles, access.pc);
        context.loads.clear();
    }
    // SAFETY: `bus` was set by `run`, along with this very instance of the callback, from a reference that outlives
    // the run; no other reference to it is in use while Unicorn runs.
    let bus = unsafe { &mut *context.bus.cast::<B>() };
    match bus.read(&access) {
        Ok(value) => {
            let deadline = bus.deadline_cycles();
            context.loads.push(value);
            if !context.follow_deadline(&access, deadline) {
                context.again = true;
                // SAFETY: inside a callback.
                unsafe { uc_ls_abort_access(context.uc) };
            }
            u64::from(value)
        }
        Err(AccessFault) => {
            context.fault = Some(StopReason::DataFault { address: access.address, write: false });
            // SAFETY: inside a callback.
            unsafe { uc_ls_abort_access(context.uc) };
            0
        }
    }
}

/// A store to a device or to read-only memory. C calls it with the context that it was given.
unsafe extern "C" fn on_write<B: Bus>(context: *mut c_void, access: *const LsAccess, value: u32) {
    // SAFETY: as in `on_read`.
    let (context, access) = unsafe { (&mut *context.cast::<Context>(), &*access) };
    context.bus_accesses += 1;
    let access = context.access(access);
    // SAFETY: as in `on_read`.
    let bus = unsafe { &mut *context.bus.cast::<B>() };
    match bus.write(&access, value) {
        Ok(()) => {
            let deadline = bus.deadline_cycles();
            // A store is the last instruction of its block, so the run can always stop after it.
            context.follow_deadline(&access, deadline);
        }
        Err(AccessFault) => {
            context.fault = Some(StopReason::DataFault { address: access.address, write: true });
            // SAFETY: inside a callback.
            unsafe { uc_ls_abort_access(context.uc) };
        }
    }
}

/// A Cortex-M3 without its exception model.
pub struct Engine {
    uc: Unicorn<'static, NonNull<Context>>,
    /// Behind `uc`, so that it is freed after it.
    context: ContextPlace,
    /// Keeps mapped memory alive as long as the engine.
    mapped: Vec<Mapping>,
    pub(crate) debugging: Debugging,
    code_generation: u64,
}

impl std::fmt::Debug for Engine {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Engine").field("registers", &self.registers()).finish_non_exhaustive()
    }
}

impl Engine {
    /// A core with nothing mapped.
    pub fn new() -> Result<Self, EngineError> {
        let context = ContextPlace::new(Context {
            uc: std::ptr::null_mut(),
            bus: std::ptr::null_mut(),
            start_cycles: 0,
            start_instructions: 0,
            stretch_cycles: 0,
            limit_cycles: 0,
            fault: None,
            loads: Vec::new(),
            loads_of: (0, 0),
            replay: 0,
            again: false,
            first_fetches: Vec::new(),
            fetched: Vec::new(),
            bus_accesses: 0,
        });
        // THUMB without MCLASS, then the model: MCLASS would force a Cortex-M33.
        let mut uc = Unicorn::new_with_data(Arch::ARM, Mode::THUMB, context.0).map_err(failed("open"))?;
        uc.ctl_set_cpu_model(ArmCpuModel::CORTEX_M3 as i32).map_err(failed("become a Cortex-M3"))?;
        uc.ctl_set_tlb_type(TlbType::VIRTUAL).map_err(failed("use a virtual TLB"))?;
        uc.add_tlb_hook(1, 0, |uc, address, kind| {
            let page = (address >> PAGE_BITS) as u32;
            let handle = uc.get_handle();
            // SAFETY: the context lives longer than the engine; no other reference to it is in use while it runs.
            let context = unsafe { uc.get_data_mut().as_mut() };
            let fetched = &mut context.fetched;
            let known = fetched.binary_search(&page);
            let mut perms = Prot::READ | Prot::WRITE;
            match (kind, known) {
                (MemType::FETCH, Err(at)) => {
                    fetched.insert(at, page);
                    perms |= Prot::EXEC;
                    let mut instructions = 0;
                    // SAFETY: called by this engine; translation happens between blocks, where the count is exact.
                    let left = unsafe { uc_ls_left(handle, &mut instructions) };
                    context.first_fetches.push(FirstFetch {
                        address: page << PAGE_BITS,
                        cycles: context.start_cycles.saturating_add_signed(context.stretch_cycles as i64 - left),
                        instructions: context.start_instructions + instructions,
                    });
                }
                (_, Ok(_)) => perms |= Prot::EXEC,
                _ => {}
            }
            Some(TlbEntry { paddr: address, perms })
        })
        .map_err(failed("hook the TLB"))?;
        let unmapped = HookType::MEM_UNMAPPED | HookType::MEM_FETCH_PROT | HookType::MEM_READ_PROT;
        uc.add_mem_hook(unmapped, 1, 0, |uc, kind, address, _size, _value| {
            let address = address as u32;
            // SAFETY: as above.
            let context = unsafe { uc.get_data_mut().as_mut() };
            context.fault = Some(match kind {
                MemType::FETCH_UNMAPPED | MemType::FETCH_PROT => StopReason::FetchFault { address },
                MemType::WRITE_UNMAPPED => StopReason::DataFault { address, write: true },
                _ => StopReason::DataFault { address, write: false },
            });
            false
        })
        .map_err(failed("hook unmapped memory"))?;
        // SAFETY: the callbacks, which hold the same pointer, do not run yet.
        unsafe { (*context.0.as_ptr()).uc = uc.get_handle() };
        Ok(Self { uc, context, mapped: Vec::new(), debugging: Debugging::default(), code_generation: 0 })
    }

    fn context(&mut self) -> &mut Context {
        // SAFETY: callbacks, which hold the same pointer, run only inside `stretch`'s call of Unicorn.
        unsafe { self.context.0.as_mut() }
    }

    pub(crate) fn handle(&self) -> *mut uc_engine {
        self.uc.get_handle()
    }

    /// Maps readable, writable, executable memory. The address and the mapped length are multiples of 4 KB.
    pub fn map_ram(&mut self, address: u32, memory: &HostMemory) -> Result<(), EngineError> {
        self.map(address, memory, Prot::ALL)
    }

    /// Maps memory whose stores go to [`Bus::write`] and do not land. One block may be mapped at several addresses.
    pub fn map_rom(&mut self, address: u32, memory: &HostMemory) -> Result<(), EngineError> {
        self.map(address, memory, Prot::READ | Prot::EXEC)
    }

    fn map(&mut self, address: u32, memory: &HostMemory, perms: Prot) -> Result<(), EngineError> {
        self.code_generation += 1;
        self.mapped.push(Mapping { address, memory: memory.clone(), is_rom: perms.0 & Prot::WRITE.0 == 0 });
        // SAFETY: the block is page-aligned, `mapped_len` long, and kept alive in `mapped` until the engine is gone.
        unsafe { self.uc.mem_map_ptr(address.into(), memory.mapped_len() as u64, perms, memory.as_ptr().cast()) }
            .map_err(failed("map memory"))
    }

    /// Maps a range whose accesses go to the [`Bus`]. Address and length are multiples of 4 KB.
    pub fn map_device(&mut self, address: u32, length: u32) -> Result<(), EngineError> {
        self.uc
            .mmio_map(
                address.into(),
                length.into(),
                // They make the range readable and writable; accesses go to `on_read` and `on_write`.
                Some(|_: &mut Unicorn<'_, NonNull<Context>>, _, _| 0),
                Some(|_: &mut Unicorn<'_, NonNull<Context>>, _, _, _| {}),
            )
            .map_err(failed("map a device"))
    }

    /// Pages that were fetched from for the first time since the last call.
    pub fn take_first_fetches(&mut self) -> Vec<FirstFetch> {
        std::mem::take(&mut self.context().first_fetches)
    }

    /// Discards what was translated from the range, after host code changed its memory, by whichever of its addresses it
    /// was fetched. The range lies in one mapping.
    pub fn code_changed(&mut self, address: u32, length: u32) {
        let is_rom = self.mapped.iter().any(|mapping| mapping.is_rom && mapping.offset_of(address).is_some());
        let aliases = self.aliases(address);
        let last_offset = length.saturating_sub(1);
        let fetched = &self.context().fetched;
        let was_fetched = aliases.iter().any(|alias| {
            let first_fetched = fetched.partition_point(|page| *page < alias >> PAGE_BITS);
            let last_page = alias.saturating_add(last_offset) >> PAGE_BITS;
            fetched.get(first_fetched).is_some_and(|page| *page <= last_page)
        });
        if was_fetched || is_rom {
            self.code_generation += 1;
        }
        // What was never fetched was never translated. What was may be filed under another address than that.
        for alias in aliases.into_iter().filter(|_| was_fetched) {
            // SAFETY: the handle is alive; no run is in progress, because `self` is borrowed mutably.
            unsafe { uc_ls_code_changed(self.handle(), alias, length) }
        }
    }

    /// The address itself and the other addresses at which the same memory is mapped.
    fn aliases(&self, address: u32) -> Vec<u32> {
        let mut aliases = vec![address];
        let place = self.mapped.iter().find_map(|m| Some((m.offset_of(address)?, m.memory.as_ptr())));
        if let Some((offset, memory)) = place {
            let same = self.mapped.iter().filter(|mapping| mapping.memory.as_ptr() == memory);
            aliases.extend(same.map(|mapping| mapping.address + offset).filter(|alias| *alias != address));
        }
        aliases
    }

    /// A number that differs from what it was once the host changed code or read-only memory, mapped more, or set traps or
    /// wait states: code may do other things, or take other time, than before.
    pub fn code_generation(&self) -> u64 {
        self.code_generation
    }

    /// Accesses that went to the bus since the engine was made.
    pub fn bus_accesses(&mut self) -> u64 {
        self.context().bus_accesses
    }

    /// While on, a run ends after each instruction that may unmask interrupts (CPS, MSR).
    pub fn stop_on_unmask(&mut self, on: bool) {
        // SAFETY: as in `code_changed`.
        unsafe { uc_ls_stop_on_unmask(self.handle(), on) }
    }

    /// CCR.DIV_0_TRP and CCR.UNALIGN_TRP.
    pub fn set_traps(&mut self, div_0_trap: bool, unaligned_trap: bool) {
        self.code_generation += 1;
        // SAFETY: as in `code_changed`.
        unsafe { uc_ls_set_traps(self.handle(), div_0_trap, unaligned_trap) }
    }

    /// Extra cycles for fetching each new 128-bit flash line: the wait states while the accelerator is off.
    pub fn set_line_penalty_cycles(&mut self, cycles: u32) {
        self.code_generation += 1;
        // SAFETY: as in `code_changed`.
        unsafe { uc_ls_set_line_penalty(self.handle(), cycles as i32) }
    }

    /// Runs from (`cycles`, `instructions`) to the first instruction boundary at or after the bus's deadline.
    pub fn run<B: Bus>(&mut self, bus: &mut B, cycles: u64, instructions: u64) -> Result<RunEnd, EngineError> {
        let limit = bus.deadline_cycles();
        let opaque = self.context.0.as_ptr().cast();
        // SAFETY: the handle is alive and no run is in progress; the context lives longer than the engine.
        unsafe { uc_ls_set_io(self.handle(), on_read::<B>, on_write::<B>, opaque) };
        let context = self.context();
        context.bus = std::ptr::from_mut(bus).cast();
        context.limit_cycles = limit;
        context.loads.clear();
        context.replay = 0;
        self.debugging.hit = None;
        let mut at = RunEnd { cycles, instructions, reason: StopReason::Deadline };
        let result = loop {
            let context = self.context();
            if at.cycles >= context.limit_cycles && !context.again {
                break Ok(at);
            }
            match self.stretch(at) {
                Ok((end, true)) => at = end,
                Ok((end, false)) => break Ok(end),
                Err(error) => break Err(error),
            }
        };
        self.context().bus = std::ptr::null_mut();
        result
    }

    /// One call of Unicorn. Returns where it ended and whether the run goes on.
    fn stretch(&mut self, from: RunEnd) -> Result<(RunEnd, bool), EngineError> {
        let handle = self.handle();
        let registers = self.registers();
        if !registers.thumb {
            return Ok((RunEnd { reason: StopReason::InvalidState, ..from }, false));
        }
        let context = self.context();
        let mut budget = context.limit_cycles.saturating_sub(from.cycles).min(MAX_STRETCH_CYCLES);
        if context.again {
            // The instruction that was given up runs by itself; its loads are answered from what they got.
            context.again = false;
            context.replay = context.loads.len();
            budget = 1;
        }
        context.start_cycles = from.cycles;
        context.start_instructions = from.instructions;
        context.stretch_cycles = budget;
        context.fault = None;
        let pass = self.debugging.pass_at == Some(from.instructions);
        // SAFETY: the handle is alive and no run is in progress on it.
        unsafe {
            uc_ls_set_budget(handle, budget as i64);
            uc_ls_pass_break(handle, pass);
        }
        let outcome = self.uc.emu_start(u64::from(registers.pc) | 1, 0, 0, 0);
        let mut instructions = 0;
        // SAFETY: as above.
        let (left, exception) = unsafe { (uc_ls_left(handle, &mut instructions), uc_ls_exception(handle)) };
        let hit = self.fetch_hit();
        let context = self.context();
        let end = RunEnd {
            cycles: from.cycles.saturating_add_signed(context.stretch_cycles as i64 - left),
            instructions: from.instructions + instructions,
            reason: StopReason::Deadline,
        };
        let stop = |reason| Ok((RunEnd { reason, ..end }, false));
        if context.again {
            // A hit of the instruction that was given up comes again with it.
            return Ok((end, true));
        }
        self.debugging.hit = hit;
        let context = self.context();
        if let Some(reason) = context.fault.take() {
            return stop(reason);
        }
        match exception {
            -1 => match outcome {
                Ok(()) if hit.is_some() => stop(StopReason::Watched),
                Ok(()) if left > 0 => stop(StopReason::Unmasked),
                Ok(()) => Ok((end, true)),
                Err(error) => Err(EngineError::Unicorn { what: "run", error }),
            },
            1 => stop(StopReason::UndefinedInstruction),
            2 => stop(StopReason::SupervisorCall),
            // A fetch from the EXC_RETURN range while the translator's flags lag behind IPSR.
            3 if self.registers().pc >= 0xffff_ff00 => stop(StopReason::ExceptionReturn),
            3 => stop(StopReason::FetchFault { address: self.registers().pc }),
            7 => stop(StopReason::Breakpoint),
            8 => stop(StopReason::ExceptionReturn),
            17 => stop(StopReason::NoCoprocessor),
            18 => stop(StopReason::InvalidState),
            22 => stop(StopReason::Unaligned),
            23 => stop(StopReason::DivideByZero),
            24 => stop(StopReason::WaitForEvent),
            25 => stop(StopReason::SendEvent),
            26 => stop(StopReason::AtBreakpoint),
            0x1_0001 => stop(StopReason::WaitForInterrupt),
            0x1_0004 => Ok((end, true)), // YIELD: a hint without effect
            number => Err(EngineError::UnknownException { number, pc: self.registers().pc }),
        }
    }
}
