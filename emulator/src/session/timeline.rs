//! What is done to a device, and when.

use lockstep_modem::network::service::OperatorCommand;

use super::watch::{Happening, Watch};
use crate::machine::Machine;
use crate::scenario::{Action, Step};
use crate::setup::SetupError;
use crate::setup::files::Files;

/// A step with what it needs, and how it stands.
#[derive(Clone, Debug)]
pub struct Planned {
    /// The step.
    pub step: Step,
    /// The command with its images, if it is one to the device service.
    pub command: Option<OperatorCommand>,
    watch: Option<Watch>,
    /// When it was done.
    pub done_ps: Option<u64>,
}

impl Planned {
    fn new(step: Step, files: &mut dyn Files) -> Result<Self, SetupError> {
        let command = match &step.action {
            Action::Cloud(command) => Some(command.prepare(files)?),
            _ => None,
        };
        let watch = step.when.clone().map(|condition| Watch::new(condition, step.at_ps));
        Ok(Self { step, command, watch, done_ps: None })
    }

    /// When it is due: `u64::MAX` while it waits for something.
    fn due_ps(&self) -> u64 {
        let from_ps = match &self.watch {
            _ if self.done_ps.is_some() => return u64::MAX,
            Some(watch) => match watch.is_true_ps() {
                Some(time_ps) => time_ps.max(self.step.at_ps),
                None => return u64::MAX,
            },
            None => self.step.at_ps,
        };
        from_ps.saturating_add(self.step.after_ps)
    }
}

/// All steps.
#[derive(Clone, Debug, Default)]
pub struct Timeline {
    steps: Vec<Option<Planned>>,
}

impl Timeline {
    /// Of these steps; those left out are `None`.
    pub fn new(steps: Vec<Option<Step>>, files: &mut dyn Files) -> Result<Self, SetupError> {
        let plan = |step: Option<Step>| step.map(|step| Planned::new(step, files)).transpose();
        Ok(Self { steps: steps.into_iter().map(plan).collect::<Result<_, _>>()? })
    }

    /// The same steps with other fillings, from now on: what was done stays done, what became true stays true.
    pub fn continue_as(&mut self, mut other: Self) {
        for (now, next) in self.steps.iter().zip(&mut other.steps) {
            if let (Some(now), Some(next)) = (now, next) {
                next.done_ps = now.done_ps;
                next.watch = now.watch.clone().or(next.watch.take());
            }
        }
        *self = other;
    }

    /// When the next step is due.
    pub fn next_ps(&self) -> u64 {
        self.steps.iter().flatten().map(Planned::due_ps).min().unwrap_or(u64::MAX)
    }

    /// Takes a step that is due, if there is one.
    pub fn take_due(&mut self, now_ps: u64) -> Option<Planned> {
        let due = self.steps.iter_mut().flatten().filter(|planned| planned.due_ps() <= now_ps);
        let first = due.min_by_key(|planned| planned.due_ps())?;
        first.done_ps = Some(now_ps);
        Some(first.clone())
    }

    /// Something happened.
    pub fn happen(&mut self, time_ps: u64, happening: &Happening) {
        for watch in self.watches() {
            watch.happen(time_ps, happening);
        }
    }

    /// Looks at the machine.
    pub fn look(&mut self, machine: &mut Machine) {
        for watch in self.watches() {
            watch.look(machine);
        }
    }

    fn watches(&mut self) -> impl Iterator<Item = &mut Watch> {
        self.steps.iter_mut().flatten().filter(|planned| planned.done_ps.is_none()).filter_map(|p| p.watch.as_mut())
    }

    /// The steps, those left out as `None`.
    pub fn steps(&self) -> &[Option<Planned>] {
        &self.steps
    }
}
