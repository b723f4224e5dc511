//! `lockstep run --gdb` and `lockstep replay --gdb`: a debugger has the run.

use std::path::Path;
use std::sync::Arc;
use std::sync::atomic::AtomicBool;

use lockstep::gdb::debuggee::Debuggee;
use lockstep::gdb::{Debugger, Ended, Listener, ServerError, serve};
use lockstep::setup::press::{Edge, edges};
use lockstep::{Checkpoint, Machine, MachineError, Seen, Snapshot, Stop};

use super::{CliError, RunArguments, snapshot_file};

/// What a debugger left.
pub struct Debugged {
    /// The machine, where it is now.
    pub machine: Machine,
    /// Presses that are still to come.
    pub edges: Vec<Edge>,
    /// What was seen until then.
    pub seen: Vec<Seen>,
    /// The run goes on without a debugger.
    pub goes_on: bool,
    /// Where the run would have ended, in picoseconds.
    pub end_ps: u64,
}

/// Waits for a debugger and lets it have the run.
pub fn debug(
    address: &str,
    machine: Machine,
    arguments: &RunArguments,
    stop: &Arc<AtomicBool>,
) -> Result<Debugged, CliError> {
    let now_ps = machine.now().time_ps;
    let end_ps = now_ps.saturating_add(arguments.for_ps);
    let edges = edges(&arguments.press).into_iter().filter(|edge| edge.at_ps >= now_ps).collect();
    let pressed = Pressed { machine, edges, next: 0 };
    let (mut pressed, seen, ended) = attend(address, pressed, end_ps, stop)?;
    if ended == Ended::Detached {
        eprintln!("lockstep: the run goes on");
    }
    let edges = pressed.edges.split_off(pressed.next);
    Ok(Debugged { machine: pressed.machine, edges, seen, goes_on: ended == Ended::Detached, end_ps })
}

/// Waits for a debugger of anything; what it left, what was seen until then, and how it went away.
pub fn attend<D: Debuggee>(
    address: &str,
    debuggee: D,
    end_ps: u64,
    stop: &Arc<AtomicBool>,
) -> Result<(D, Vec<Seen>, Ended), CliError> {
    let wrong = |error: ServerError| CliError::usage(error.to_string());
    let listener = Listener::bind(address).map_err(wrong)?;
    // For people, whatever the output is for.
    eprintln!(
        "lockstep: waiting for GDB: gdb-multiarch FILE.elf -ex \"target remote {}\"",
        listener.address().map_err(wrong)?
    );
    let mut debugger = Debugger::new(debuggee, end_ps).with_snapshots(write_snapshot);
    let ended = serve(&listener, &mut debugger, stop).map_err(wrong)?;
    let (debuggee, seen, is_changed) = debugger.end();
    eprintln!(
        "lockstep: {}{}",
        match ended {
            Ended::Detached => "GDB has detached",
            Ended::Killed => "GDB has ended the run",
            Ended::Lost => "the connection to GDB is lost, the run ends",
            Ended::Stopped => "stopped",
        },
        if is_changed { "; the run was changed by writes and is not the one that was started" } else { "" }
    );
    Ok((debuggee, seen, ended))
}

fn write_snapshot(path: &Path, snapshot: &Snapshot) -> Result<(), String> {
    snapshot_file::write(path, snapshot).map_err(|error| error.to_string())
}

/// A machine whose buttons are pressed.
struct Pressed {
    machine: Machine,
    edges: Vec<Edge>,
    next: usize,
}

impl Pressed {
    fn run(&mut self, instructions: u64, to_ps: u64) -> Result<Stop, MachineError> {
        loop {
            let now_ps = self.machine.now().time_ps;
            while let Some(edge) = self.edges.get(self.next).copied().filter(|edge| edge.at_ps <= now_ps) {
                edge.apply(&mut self.machine);
                self.next += 1;
            }
            if now_ps >= to_ps || self.machine.instructions() >= instructions {
                return Ok(Stop::Limit);
            }
            let next_ps = self.edges.get(self.next).map_or(to_ps, |edge| edge.at_ps.min(to_ps));
            let stop = match instructions {
                u64::MAX => self.machine.run_until_ps(next_ps)?,
                _ => self.machine.run_until_instruction(instructions, next_ps)?,
            };
            if stop != Stop::Limit {
                return Ok(stop);
            }
        }
    }
}

impl Debuggee for Pressed {
    type Mark = (Checkpoint, usize);
    type Error = MachineError;

    fn machine(&self) -> &Machine {
        &self.machine
    }
    fn machine_mut(&mut self) -> &mut Machine {
        &mut self.machine
    }
    fn run_until_ps(&mut self, to_ps: u64) -> Result<Stop, MachineError> {
        self.run(u64::MAX, to_ps)
    }
    fn run_until_instruction(&mut self, instructions: u64, limit_ps: u64) -> Result<Stop, MachineError> {
        self.run(instructions, limit_ps)
    }
    fn mark(&mut self) -> Self::Mark {
        (self.machine.checkpoint(), self.next)
    }
    fn rewind(&mut self, (checkpoint, next): &Self::Mark) -> Result<(), MachineError> {
        self.machine.rewind(checkpoint);
        self.next = *next;
        Ok(())
    }
    fn take_seen(&mut self) -> Vec<Seen> {
        self.machine.observer.take_seen()
    }
}
