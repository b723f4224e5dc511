//! What is debugged: a bare machine, or a session around one.

use crate::machine::{Checkpoint, Machine, MachineError, Stop};
use crate::observe::Seen;

/// Something with a machine that runs deterministically and can be put back to where it was.
pub trait Debuggee {
    /// A state to come back to.
    type Mark;
    /// What can go wrong.
    type Error: std::error::Error + 'static;

    /// The machine.
    fn machine(&self) -> &Machine;
    /// The machine, for breakpoints and watchpoints, and for what the user changes on purpose.
    fn machine_mut(&mut self) -> &mut Machine;
    /// Runs until a virtual time, a breakpoint or a watchpoint.
    fn run_until_ps(&mut self, to_ps: u64) -> Result<Stop, Self::Error>;
    /// Runs until exactly so many instructions have been executed, a virtual time, a breakpoint or a watchpoint.
    fn run_until_instruction(&mut self, instructions: u64, limit_ps: u64) -> Result<Stop, Self::Error>;
    /// The present state.
    fn mark(&mut self) -> Self::Mark;
    /// Back, or forwards, to a state.
    fn rewind(&mut self, mark: &Self::Mark) -> Result<(), Self::Error>;
    /// What was seen since the last call; what is done again after a rewind may be seen again.
    fn take_seen(&mut self) -> Vec<Seen>;
}

impl Debuggee for Machine {
    type Mark = Checkpoint;
    type Error = MachineError;

    fn machine(&self) -> &Machine {
        self
    }
    fn machine_mut(&mut self) -> &mut Machine {
        self
    }
    fn run_until_ps(&mut self, to_ps: u64) -> Result<Stop, MachineError> {
        Machine::run_until_ps(self, to_ps)
    }
    fn run_until_instruction(&mut self, instructions: u64, limit_ps: u64) -> Result<Stop, MachineError> {
        Machine::run_until_instruction(self, instructions, limit_ps)
    }
    fn mark(&mut self) -> Checkpoint {
        self.checkpoint()
    }
    fn rewind(&mut self, mark: &Checkpoint) -> Result<(), MachineError> {
        Machine::rewind(self, mark);
        Ok(())
    }
    fn take_seen(&mut self) -> Vec<Seen> {
        self.observer.take_seen()
    }
}
