//! Conditions, watched: when each became true.

use lockstep_modem::network::CloudEventKind;

use crate::machine::Machine;
use crate::observe::Seen;
use crate::oracle::Finding;
use crate::scenario::{About, Condition};

/// A condition and when it became true.
#[derive(Clone, Debug)]
pub struct Watch {
    condition: Condition,
    from_ps: u64,
    count: usize,
    is_true_ps: Option<u64>,
}

/// Something that happened, as conditions see it.
#[derive(Clone, Debug)]
pub enum Happening {
    /// A line on Serial1.
    Serial(String),
    /// A line of the AT dialogue.
    At(String),
    /// Anything else that was seen.
    Seen(Box<Seen>),
    /// A finding.
    Finding(Finding),
    /// The LED shows this.
    Led(String),
}

impl Watch {
    /// Watches a condition; what happened before `from_ps` does not count.
    pub fn new(condition: Condition, from_ps: u64) -> Self {
        Self { condition, from_ps, count: 0, is_true_ps: None }
    }

    /// When it became true.
    pub fn is_true_ps(&self) -> Option<u64> {
        self.is_true_ps
    }

    /// The condition.
    pub fn condition(&self) -> &Condition {
        &self.condition
    }

    /// Something happened.
    pub fn happen(&mut self, time_ps: u64, happening: &Happening) {
        if self.is_true_ps.is_some() || time_ps < self.from_ps {
            return;
        }
        let fits = match (&self.condition.about, happening) {
            (About::Serial(pattern), Happening::Serial(line)) | (About::At(pattern), Happening::At(line)) => {
                pattern.fits(line)
            }
            (About::Led(pattern), Happening::Led(state)) => pattern.fits(state),
            (About::Finding(None), Happening::Finding(finding)) => finding.kind.is_failure(),
            (About::Finding(Some(kind)), Happening::Finding(finding)) => finding.kind == *kind,
            (about, Happening::Seen(seen)) => fits(about, seen, &mut self.count),
            _ => false,
        };
        if fits {
            self.is_true_ps = Some(time_ps);
        }
    }

    /// Looks at the machine, for what is a state and no event.
    pub fn look(&mut self, machine: &mut Machine) {
        let time_ps = machine.now().time_ps;
        if self.is_true_ps.is_some() || time_ps < self.from_ps {
            return;
        }
        let is_true = match &self.condition.about {
            About::Tcp(connected) => tcp(machine, *connected),
            About::CommandsDone => commands_are_done(machine),
            About::Chunk(count) => chunks_sent(machine) >= *count,
            About::Module(module) => module.is_in(&machine.world.memory.flash),
            About::Stage(stage) => machine.observer.stage(*stage).is_some(),
            _ => false,
        };
        if is_true {
            self.is_true_ps = Some(time_ps);
        }
    }
}

/// Whether what was seen is what a condition is about. `resets` counts what a condition on resets has seen.
fn fits(about: &About, seen: &Seen, resets: &mut usize) -> bool {
    match (about, seen) {
        (About::Stage(stage), Seen::Stage(reached)) => reached.stage == *stage,
        (About::Reset(count), Seen::Reset(_)) => {
            *resets += 1;
            *resets >= *count
        }
        (About::Cloud(pattern), Seen::Cloud(event)) => pattern.fits(&event.kind.to_string()),
        (About::CloudConnected, Seen::Cloud(event)) => {
            matches!(event.kind, CloudEventKind::Hello(_) | CloudEventKind::Resumed)
        }
        (About::Update(step), Seen::Cloud(event)) => step.is(&event.kind),
        (About::Chunk(count), Seen::Cloud(event)) => {
            matches!(&event.kind, CloudEventKind::UpdateProgress { chunks_sent, .. } if chunks_sent >= count)
        }
        (About::CommandFailed, Seen::Cloud(event)) => match &event.kind {
            CloudEventKind::Command { progress, .. } => {
                matches!(progress, lockstep_modem::network::service::CommandProgress::Failed { .. })
            }
            _ => false,
        },
        _ => false,
    }
}

/// Chunks of the update under way that the service has sent.
fn chunks_sent(machine: &mut Machine) -> u32 {
    let network = machine.world.state.electron.modem.network();
    network.service().and_then(|service| service.chunks_sent()).unwrap_or(0)
}

fn tcp(machine: &Machine, connected: bool) -> bool {
    let sockets = machine.world.state.electron.modem.sockets();
    let mut tcp = sockets.iter().filter(|socket| socket.protocol == lockstep_modem::network::Protocol::Tcp);
    match connected {
        true => tcp.any(|socket| socket.tcp_state == lockstep_modem::network::TcpState::Established),
        false => tcp.next().is_none(),
    }
}

fn commands_are_done(machine: &mut Machine) -> bool {
    use lockstep_modem::network::service::CommandState::{Done, Watching};
    let network = machine.world.state.electron.modem.network();
    let Some(service) = network.service() else { return false };
    let commands = service.commands();
    !commands.is_empty() && commands.iter().all(|record| matches!(record.state, Done { .. } | Watching))
}
