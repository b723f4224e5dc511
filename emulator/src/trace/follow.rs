//! Runs on with somebody who takes everything down.

use super::rerun::{Rerun, Shown};
use super::tracer::{Tracer, Trouble};
use crate::setup::SetupError;

/// What is shown is taken at multiples of this, in picoseconds.
const SLICE_PS: u64 = 10_000_000_000;

/// Runs until `end` gives a reason to end, which is asked at multiples of 10 ms, or until the run is not the recorded one.
/// `show` gets what was shown meanwhile.
pub fn follow(
    run: &mut Rerun,
    tracer: &mut Tracer,
    mut end: impl FnMut(&mut Rerun) -> End,
    mut show: impl FnMut(&mut Rerun, &Shown),
) -> Result<(), SetupError> {
    let reason = loop {
        let now_ps = run.machine().now().time_ps;
        let to_ps = match end(run) {
            End::Now(reason) => break reason,
            _ if run.is_over() => break "the guest ended it",
            _ if is_apart(tracer) => break "it is not the recorded run",
            End::NotBefore(end_ps) => end_ps.min((now_ps / SLICE_PS + 1) * SLICE_PS),
        };
        loop {
            let next_hash = tracer.next_hash();
            run.run_to(next_hash, to_ps)?;
            let shown = run.take_shown();
            hand_over(run, tracer, &shown);
            show(run, &shown);
            let is_there = run.is_over() || run.machine().now().time_ps >= to_ps;
            tracer.state(run.machine_mut());
            if is_there {
                break;
            }
        }
    };
    tracer.finish(run.machine_mut(), reason);
    Ok(())
}

/// Whether a run is over.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum End {
    /// It is, and why.
    Now(&'static str),
    /// It is not, and will not be before this virtual time, in picoseconds.
    NotBefore(u64),
}

impl End {
    /// At a virtual time, in picoseconds.
    pub fn at(run: &Rerun, end_ps: u64) -> Self {
        if run.machine().now().time_ps >= end_ps { Self::Now("time is up") } else { Self::NotBefore(end_ps) }
    }
}

fn is_apart(tracer: &Tracer) -> bool {
    matches!(tracer.trouble(), Some(Trouble::Divergence(_) | Trouble::Unreadable(_)))
}

fn hand_over(run: &mut Rerun, tracer: &mut Tracer, shown: &Shown) {
    let machine = run.machine_mut();
    for (time_ps, what) in &shown.inputs {
        tracer.input(machine, *time_ps, what.clone());
    }
    for (time_ps, event) in &shown.inbound {
        tracer.inbound(machine, *time_ps, event.clone());
    }
    for (time_ps, event) in &shown.outbound {
        tracer.outbound(machine, *time_ps, event.clone());
    }
    for (time_ps, bytes) in &shown.console {
        tracer.console(machine, *time_ps, bytes);
    }
    tracer.observe(machine, &shown.seen);
    for finding in &shown.findings {
        tracer.finding(finding.time_ps, finding.kind.name(), &finding.text);
    }
}
