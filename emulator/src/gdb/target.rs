//! What gdbstub asks of a debugger.

use gdbstub::common::{Signal, Tid};
use gdbstub::target::ext::base::BaseOps;
use gdbstub::target::ext::base::multithread::{
    MultiThreadBase, MultiThreadResume, MultiThreadResumeOps, MultiThreadSchedulerLocking,
    MultiThreadSchedulerLockingOps, MultiThreadSingleStep, MultiThreadSingleStepOps,
};
use gdbstub::target::ext::base::reverse_exec::{ReverseCont, ReverseContOps, ReverseStep, ReverseStepOps};
use gdbstub::target::ext::breakpoints::{
    Breakpoints, BreakpointsOps, HwBreakpoint, HwBreakpointOps, HwWatchpoint, HwWatchpointOps, SwBreakpoint,
    SwBreakpointOps, WatchKind as GdbWatchKind,
};
use gdbstub::target::ext::monitor_cmd::{ConsoleOutput, MonitorCmd, MonitorCmdOps};
use gdbstub::target::ext::thread_extra_info::{ThreadExtraInfo, ThreadExtraInfoOps};
use gdbstub::target::{Target, TargetError, TargetResult};
use lockstep_engine::{Watch, WatchKind};

use super::arch::{CortexM3, CortexM3Registers};
use super::debuggee::Debuggee;
use super::{Debugger, Inserted, Resume, Usize};
use crate::machine::Machine;

/// POSIX numbers that GDB shows: EPERM and EFAULT.
const REFUSED: u8 = 1;
const NO_SUCH_ADDRESS: u8 = 14;

impl<D: Debuggee> Target for Debugger<D> {
    type Arch = CortexM3;
    type Error = D::Error;

    fn base_ops(&mut self) -> BaseOps<'_, CortexM3, D::Error> {
        BaseOps::MultiThread(self)
    }
    fn support_breakpoints(&mut self) -> Option<BreakpointsOps<'_, Self>> {
        Some(self)
    }
    fn support_monitor_cmd(&mut self) -> Option<MonitorCmdOps<'_, Self>> {
        Some(self)
    }
}

/// Reads as much as can be read: memory in one go, registers of devices in naturally aligned pieces.
fn read_memory(machine: &Machine, start: u32, data: &mut [u8]) -> usize {
    if machine.world.memory.peek(start, data) {
        return data.len();
    }
    let mut places = Vec::new();
    let mut done = 0u32;
    while (done as usize) < data.len() {
        let Some(address) = start.checked_add(done) else { break };
        let left = data.len() as u32 - done;
        let size = [4, 2, 1].into_iter().find(|size| address.is_multiple_of(*size) && *size <= left).unwrap_or(1);
        places.push((address, size));
        done += size;
    }
    let mut length = 0;
    for ((_, size), value) in places.iter().zip(machine.inspect_all(&places)) {
        let (Some(value), Some(to)) = (value, data.get_mut(length..length + *size as usize)) else { break };
        to.copy_from_slice(&value.to_le_bytes()[..*size as usize]);
        length += *size as usize;
    }
    length
}

impl<D: Debuggee> MultiThreadBase for Debugger<D> {
    fn read_registers(&mut self, registers: &mut CortexM3Registers, tid: Tid) -> TargetResult<(), Self> {
        let machine = self.history.debuggee().machine();
        self.threads.look(machine);
        // After `monitor goto` GDB may ask for a task that is not there now: it gets what executes.
        let thread = self.threads.get(tid);
        *registers = thread.map_or_else(|| (&machine.registers()).into(), |thread| thread.registers(machine));
        Ok(())
    }

    fn write_registers(&mut self, registers: &CortexM3Registers, tid: Tid) -> TargetResult<(), Self> {
        let machine = self.history.debuggee().machine();
        let executes = self.threads.executing(machine) == tid;
        let mut core = machine.registers();
        if !self.allows_writes || !executes {
            tracing::warn!("GDB wants to write registers: refused, unless `monitor allow-writes on` is given");
            return Err(TargetError::Errno(REFUSED));
        }
        registers.store(&mut core);
        self.history.debuggee_mut().machine_mut().set_registers(&core);
        self.changed();
        Ok(())
    }

    fn read_addrs(&mut self, start: Usize, data: &mut [u8], _tid: Tid) -> TargetResult<usize, Self> {
        match read_memory(self.history.debuggee().machine(), start, data) {
            0 if !data.is_empty() => Err(TargetError::Errno(NO_SUCH_ADDRESS)),
            length => Ok(length),
        }
    }

    fn write_addrs(&mut self, start: Usize, data: &[u8], _tid: Tid) -> TargetResult<(), Self> {
        if !self.allows_writes {
            tracing::warn!("GDB wants to write to {start:#010x}: refused, unless `monitor allow-writes on` is given");
            return Err(TargetError::Errno(REFUSED));
        }
        if !self.history.debuggee_mut().machine_mut().change_memory(start, data) {
            return Err(TargetError::Errno(NO_SUCH_ADDRESS));
        }
        self.changed();
        Ok(())
    }

    fn list_active_threads(&mut self, thread_is_active: &mut dyn FnMut(Tid)) -> Result<(), D::Error> {
        for thread in self.threads.look(self.history.debuggee().machine()) {
            thread_is_active(thread.id);
        }
        Ok(())
    }

    fn support_resume(&mut self) -> Option<MultiThreadResumeOps<'_, Self>> {
        Some(self)
    }
    fn support_thread_extra_info(&mut self) -> Option<ThreadExtraInfoOps<'_, Self>> {
        Some(self)
    }
}

impl<D: Debuggee> Debugger<D> {
    fn changed(&mut self) {
        self.is_changed = true;
        self.history.forget();
        self.moved();
    }

    fn insert(&mut self, address: u32, which: fn(&mut Inserted) -> &mut u32) {
        let count = which(self.breakpoints.entry(address & !1).or_default());
        *count = count.saturating_add(1);
    }

    /// Whether it was there.
    fn remove(&mut self, address: u32, which: fn(&mut Inserted) -> &mut u32) -> bool {
        let Some(inserted) = self.breakpoints.get_mut(&(address & !1)) else { return false };
        let count = which(inserted);
        let was_there = *count > 0;
        *count = count.saturating_sub(1);
        if inserted.software == 0 && inserted.hardware == 0 {
            self.breakpoints.remove(&(address & !1));
        }
        was_there
    }
}

impl<D: Debuggee> ThreadExtraInfo for Debugger<D> {
    fn thread_extra_info(&self, tid: Tid, buffer: &mut [u8]) -> Result<usize, D::Error> {
        let text = self.threads.get(tid).map(super::threads::Thread::description).unwrap_or_default();
        let length = text.len().min(buffer.len());
        buffer[..length].copy_from_slice(&text.as_bytes()[..length]);
        Ok(length)
    }
}

/// There is one core: whatever is stepped or goes on, it is the core.
impl<D: Debuggee> MultiThreadResume for Debugger<D> {
    fn resume(&mut self) -> Result<(), D::Error> {
        Ok(())
    }
    fn clear_resume_actions(&mut self) -> Result<(), D::Error> {
        self.resume = Resume::Continue;
        Ok(())
    }
    fn set_resume_action_continue(&mut self, _tid: Tid, _signal: Option<Signal>) -> Result<(), D::Error> {
        Ok(())
    }
    fn support_single_step(&mut self) -> Option<MultiThreadSingleStepOps<'_, Self>> {
        Some(self)
    }
    fn support_scheduler_locking(&mut self) -> Option<MultiThreadSchedulerLockingOps<'_, Self>> {
        Some(self)
    }
    fn support_reverse_step(&mut self) -> Option<ReverseStepOps<'_, Tid, Self>> {
        Some(self)
    }
    fn support_reverse_cont(&mut self) -> Option<ReverseContOps<'_, Tid, Self>> {
        Some(self)
    }
}

impl<D: Debuggee> MultiThreadSingleStep for Debugger<D> {
    fn set_resume_action_step(&mut self, _tid: Tid, _signal: Option<Signal>) -> Result<(), D::Error> {
        self.resume = Resume::Step;
        Ok(())
    }
}

/// GDB asks for it with each step, to keep other threads from moving. Here they move when the firmware's scheduler has
/// them move; a step passes over that.
impl<D: Debuggee> MultiThreadSchedulerLocking for Debugger<D> {
    fn set_resume_action_scheduler_lock(&mut self) -> Result<(), D::Error> {
        Ok(())
    }
}

impl<D: Debuggee> ReverseStep<Tid> for Debugger<D> {
    fn reverse_step(&mut self, _tid: Tid) -> Result<(), D::Error> {
        self.resume = Resume::StepBack;
        Ok(())
    }
}

impl<D: Debuggee> ReverseCont<Tid> for Debugger<D> {
    fn reverse_cont(&mut self) -> Result<(), D::Error> {
        self.resume = Resume::ContinueBack;
        Ok(())
    }
}

impl<D: Debuggee> Breakpoints for Debugger<D> {
    fn support_sw_breakpoint(&mut self) -> Option<SwBreakpointOps<'_, Self>> {
        Some(self)
    }
    fn support_hw_breakpoint(&mut self) -> Option<HwBreakpointOps<'_, Self>> {
        Some(self)
    }
    fn support_hw_watchpoint(&mut self) -> Option<HwWatchpointOps<'_, Self>> {
        Some(self)
    }
}

impl<D: Debuggee> SwBreakpoint for Debugger<D> {
    fn add_sw_breakpoint(&mut self, address: Usize, _kind: usize) -> TargetResult<bool, Self> {
        self.insert(address, |inserted| &mut inserted.software);
        Ok(true)
    }
    fn remove_sw_breakpoint(&mut self, address: Usize, _kind: usize) -> TargetResult<bool, Self> {
        Ok(self.remove(address, |inserted| &mut inserted.software))
    }
}

impl<D: Debuggee> HwBreakpoint for Debugger<D> {
    fn add_hw_breakpoint(&mut self, address: Usize, _kind: usize) -> TargetResult<bool, Self> {
        self.insert(address, |inserted| &mut inserted.hardware);
        Ok(true)
    }
    fn remove_hw_breakpoint(&mut self, address: Usize, _kind: usize) -> TargetResult<bool, Self> {
        Ok(self.remove(address, |inserted| &mut inserted.hardware))
    }
}

fn watch(address: u32, length: u32, kind: GdbWatchKind) -> Watch {
    let kind = match kind {
        GdbWatchKind::Write => WatchKind::Write,
        GdbWatchKind::Read => WatchKind::Read,
        GdbWatchKind::ReadWrite => WatchKind::Access,
    };
    Watch { address, length, kind }
}

impl<D: Debuggee> HwWatchpoint for Debugger<D> {
    fn add_hw_watchpoint(&mut self, address: Usize, length: Usize, kind: GdbWatchKind) -> TargetResult<bool, Self> {
        if length == 0 {
            return Ok(false);
        }
        self.watches.push(watch(address, length, kind));
        Ok(true)
    }
    fn remove_hw_watchpoint(&mut self, address: Usize, length: Usize, kind: GdbWatchKind) -> TargetResult<bool, Self> {
        let watch = watch(address, length, kind);
        let index = self.watches.iter().position(|other| *other == watch);
        Ok(index.map(|index| self.watches.swap_remove(index)).is_some())
    }
}

impl<D: Debuggee> MonitorCmd for Debugger<D> {
    fn handle_monitor_cmd(&mut self, command: &[u8], mut out: ConsoleOutput<'_>) -> Result<(), D::Error> {
        for line in self.monitor(command)? {
            gdbstub::outputln!(out, "{line}");
            // One packet a line: GDB's packets are short.
            out.flush();
        }
        Ok(())
    }
}
