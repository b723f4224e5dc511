//! States of a session to come back to within the same process.

use super::{Branch, Progress, Session, SessionError, Timeline};
use crate::gdb::debuggee::Debuggee;
use crate::machine::{Checkpoint, Machine, Stop};
use crate::observe::Seen;

/// A session as it was at some instant; cheaper to keep and to come back to than a [`super::Checkpoint`], but only for
/// the session that it was taken of.
#[derive(Clone, Debug)]
pub struct Mark {
    machine: Checkpoint,
    progress: Progress,
    branch: Option<(Branch, Timeline)>,
}

impl Debuggee for Session {
    type Mark = Mark;
    type Error = SessionError;

    fn machine(&self) -> &Machine {
        &self.machine
    }
    fn machine_mut(&mut self) -> &mut Machine {
        &mut self.machine
    }
    fn run_until_ps(&mut self, to_ps: u64) -> Result<Stop, SessionError> {
        Self::run_until_ps(self, to_ps)
    }
    fn run_until_instruction(&mut self, instructions: u64, limit_ps: u64) -> Result<Stop, SessionError> {
        Self::run_until_instruction(self, instructions, limit_ps)
    }
    fn mark(&mut self) -> Mark {
        Mark { machine: self.machine.checkpoint(), progress: self.progress.clone(), branch: self.branch.clone() }
    }
    fn rewind(&mut self, mark: &Mark) -> Result<(), SessionError> {
        self.machine.rewind(&mark.machine);
        self.progress = mark.progress.clone();
        self.branch = mark.branch.clone();
        Ok(())
    }
    fn take_seen(&mut self) -> Vec<Seen> {
        self.keep_seen();
        Self::take_seen(self)
    }
}
