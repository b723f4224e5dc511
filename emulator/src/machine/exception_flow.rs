//! How the machine takes exceptions and faults, returns from them, and locks up (ARMv7-M ARM B1.5).

use lockstep_engine::CoreRegisters;

use super::{CoreState, GuestFault, Machine, MachineError, Stop};
use crate::core::entry::{self, LockUp, masks};
use crate::core::exceptions::PEND_SV;
use crate::core::faults::{Fault, HFSR_DEBUGEVT};
use crate::core::scs::{CCR_BFHFNMIGN, SCR_SLEEPONEXIT};
use crate::explain::Reason;
use crate::semihosting::HOST_CALL;

impl Machine {
    pub(super) fn or_lock_up(&mut self, outcome: Result<(), LockUp>) -> Stop {
        match outcome {
            Ok(()) => Stop::Limit,
            Err(LockUp) => {
                self.core = CoreState::LockedUp;
                let registers = self.engine.registers();
                self.observer.locked_up(self.now(), self.instructions, registers.pc);
                self.keep_moment(Reason::LockUp, &registers);
                Stop::LockUp
            }
        }
    }

    pub(super) fn fault(&mut self, fault: Fault) -> Stop {
        let registers = self.engine.registers();
        let seen = self.saw_fault(&registers, fault);
        let raised = entry::raise_fault(&mut self.world.state.scs, &registers, fault);
        self.keep_moment(Reason::Fault(seen), &registers);
        self.or_lock_up(raised)
    }

    fn saw_fault(&mut self, registers: &CoreRegisters, fault: Fault) -> GuestFault {
        let seen = GuestFault { now: self.now(), pc: registers.pc, fault, lr: registers.lr };
        self.observer.fault(seen, self.instructions);
        seen
    }

    pub(super) fn keep_moment(&mut self, reason: Reason, registers: &CoreRegisters) {
        let at = (self.now(), self.instructions);
        self.observer.keep_moment(reason, at, registers, &self.world);
    }

    /// A data access that the bus refused. With CCR.BFHFNMIGN code at priority -1 or -2 goes on after it: that is how
    /// a handler finds out what answers (B3.2.8). What a load would have loaded is unknown; here it loads nothing.
    pub(super) fn data_fault(&mut self, address: u32) -> Stop {
        let mut registers = self.engine.registers();
        let scs = &mut self.world.state.scs;
        if scs.ccr & CCR_BFHFNMIGN == 0 || scs.exceptions.execution_priority(masks(&registers)) >= 0 {
            return self.fault(Fault::DataBus(address));
        }
        scs.record_fault(Fault::DataBus(address));
        let mut instruction = [0; 2];
        if !self.world.memory.peek(registers.pc, &mut instruction) {
            return self.fault(Fault::DataBus(address));
        }
        let is_wide = u16::from_le_bytes(instruction) >> 11 >= 0x1d;
        registers.pc = registers.pc.wrapping_add(if is_wide { 4 } else { 2 });
        registers.advance_it_state();
        self.engine.set_registers(&registers);
        self.cycles += 1;
        self.instructions += 1;
        Stop::Limit
    }

    pub(super) fn breakpoint(&mut self) -> Result<Stop, MachineError> {
        let registers = self.engine.registers();
        let mut instruction = [0; 2];
        if self.semihosting
            && self.world.memory.peek(registers.pc, &mut instruction)
            && u16::from_le_bytes(instruction) == HOST_CALL
        {
            return Ok(Stop::HostCall);
        }
        let scs = &mut self.world.state.scs;
        scs.hfsr |= HFSR_DEBUGEVT;
        scs.dfsr |= 1 << 1;
        let priority = scs.exceptions.execution_priority(masks(&registers));
        let raised = entry::raise_hard_fault(scs, priority);
        Ok(self.or_lock_up(raised))
    }

    pub(super) fn take_exception(
        &mut self,
        registers: &mut CoreRegisters,
        exception: usize,
    ) -> Result<Stop, MachineError> {
        let (exc_return, fault) = entry::push_frame(registers, &self.world.state.scs, &mut self.world.memory);
        let mut outcome = Ok(());
        if let Some(fault) = fault {
            let seen = self.saw_fault(registers, fault);
            outcome = entry::raise_derived(&mut self.world.state.scs, registers, fault);
            self.keep_moment(Reason::Fault(seen), registers);
        }
        self.engine.set_registers(registers);
        if outcome.is_err() {
            return Ok(self.or_lock_up(outcome));
        }
        self.spend(entry::ENTRY_CYCLES);
        self.enter_most_urgent(registers, exception, exc_return)
    }

    /// Late arrival (B1.5.11): whatever is most urgent when the frame is on the stack gets the handler.
    pub(super) fn enter_most_urgent(
        &mut self,
        registers: &mut CoreRegisters,
        exception: usize,
        exc_return: u32,
    ) -> Result<Stop, MachineError> {
        let scs = &mut self.world.state.scs;
        let exception = scs.exceptions.takeable(masks(registers)).unwrap_or(exception);
        let entered = entry::enter_handler(registers, scs, &mut self.world.memory, exception, exc_return);
        self.engine.set_registers(registers);
        self.event = true;
        match entered {
            Ok(exception) => {
                let now = self.world.state.clock.at(self.cycles);
                self.observer.exception(exception, now, self.instructions);
                if exception == PEND_SV {
                    self.observer.switching(&self.world.memory, registers.psp, now);
                }
                Ok(Stop::Limit)
            }
            Err(lock_up) => Ok(self.or_lock_up(Err(lock_up))),
        }
    }

    /// Lets cycles pass in which the core is busy with itself, with the world's events at their times.
    pub(super) fn spend(&mut self, cycles: u64) {
        let end = self.cycles + cycles;
        loop {
            let next = self.world.next_event_cycle();
            if next > end {
                break;
            }
            self.cycles = next.max(self.cycles);
            self.world.fire_events(self.cycles);
        }
        self.cycles = end;
    }

    pub(super) fn exception_return(&mut self) -> Result<Stop, MachineError> {
        let mut registers = self.engine.registers();
        let exc_return = registers.pc | 1;
        if registers.ipsr() == 0 {
            // Not a return in thread mode: an ordinary branch to memory that cannot be executed.
            return Ok(self.fault(Fault::InstructionAccess));
        }
        if let Err(fault) = entry::begin_return(&mut registers, &mut self.world.state.scs, exc_return) {
            self.engine.set_registers(&registers);
            return self.fault_on_return(&mut registers, fault, exc_return);
        }
        self.event = true;
        let scs = &mut self.world.state.scs;
        if scs.exceptions.takeable(masks(&registers)).is_some() {
            // Tail-chaining: the frame stays where it is.
            registers.pc = exc_return & !1;
            self.engine.set_registers(&registers);
            self.spend(entry::TAIL_CHAIN_CYCLES);
            if let Some(next) = self.world.state.scs.exceptions.takeable(masks(&registers)) {
                return self.enter_most_urgent(&mut registers, next, exc_return);
            }
        }
        let popped = entry::pop_frame(&mut registers, &mut self.world.state.scs, &mut self.world.memory, exc_return);
        if let Err(fault) = popped {
            self.engine.set_registers(&registers);
            return self.fault_on_return(&mut registers, fault, exc_return);
        }
        self.engine.set_registers(&registers);
        self.spend(entry::RETURN_CYCLES);
        if registers.ipsr() == 0 && self.world.state.scs.scr & SCR_SLEEPONEXIT != 0 {
            self.core = CoreState::WaitForInterrupt;
            self.note_deep_sleep();
        }
        Ok(Stop::Limit)
    }

    /// A return that failed: the fault is taken by tail-chaining, on the frame that could not be restored.
    pub(super) fn fault_on_return(
        &mut self,
        registers: &mut CoreRegisters,
        fault: Fault,
        exc_return: u32,
    ) -> Result<Stop, MachineError> {
        let seen = self.saw_fault(registers, fault);
        let raised = entry::raise_fault(&mut self.world.state.scs, registers, fault);
        self.keep_moment(Reason::Fault(seen), registers);
        if raised.is_err() {
            return Ok(self.or_lock_up(raised));
        }
        self.spend(entry::TAIL_CHAIN_CYCLES);
        match self.world.state.scs.exceptions.takeable(masks(registers)) {
            Some(exception) => self.enter_most_urgent(registers, exception, exc_return),
            None => Ok(self.or_lock_up(Err(LockUp))),
        }
    }
}
