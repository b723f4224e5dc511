//! Runs again what a trace says, to any instruction: what happened from outside happens at its time.

use std::collections::VecDeque;

use lockstep_gateway_protocol::Inbound;
use lockstep_images::SymbolTable;
use lockstep_traces::trace::Record;

use super::file::TraceFile;
use super::files::TraceFiles;
use super::spec::{RunSpec, check_start};
use crate::semihosting::{HostCall, serve};
use crate::setup::SetupError;
use crate::setup::press::{Button, Edge, edges};
use crate::{Machine, Snapshot, Stop};

/// A run that is done again.
pub struct Rerun {
    /// The machine.
    pub machine: Machine,
    /// Symbols of all ELF files.
    pub symbols: SymbolTable,
    edges: VecDeque<Edge>,
    inbound: VecDeque<(u64, Inbound)>,
    semihosting: bool,
}

/// Where a [`Rerun`] stood.
#[derive(Clone)]
pub struct Checkpoint {
    /// The machine's state.
    pub snapshot: Snapshot,
    edges: VecDeque<Edge>,
    inbound: VecDeque<(u64, Inbound)>,
}

impl Rerun {
    /// A trace's machine at power-on.
    pub fn new(trace: &mut TraceFile) -> Result<Self, SetupError> {
        let spec = RunSpec::parse(&trace.head().run)?;
        let (seed, plan) = (trace.head().seed, trace.head().plan.clone());
        let mut prepared = spec.prepare(seed, &plan, &mut TraceFiles::new(trace))?;
        let mut inbound = VecDeque::new();
        if trace.head().has_outside {
            prepared.machine.world.state.electron.modem.network().attach_outside();
            inbound = inbound_of(trace)?;
        }
        check_start(trace.head(), &mut prepared.machine, &prepared.images).map_err(SetupError::Usage)?;
        Ok(Self {
            machine: prepared.machine,
            symbols: prepared.symbols,
            edges: edges(&spec.press).into(),
            inbound,
            semihosting: spec.semihosting,
        })
    }

    /// Goes on to exactly this instruction, or to the first instruction boundary at this time.
    pub fn run_to(&mut self, instructions: u64, time_ps: u64) -> Result<(), SetupError> {
        loop {
            let now_ps = self.machine.now().time_ps;
            while let Some(edge) = self.edges.front().copied().filter(|edge| edge.at_ps <= now_ps) {
                self.edges.pop_front();
                match edge.button {
                    Button::Reset => self.machine.tap_reset(),
                    Button::Mode if edge.down => self.machine.press_mode(),
                    Button::Mode => self.machine.release_mode(),
                }
            }
            while self.inbound.front().is_some_and(|(at_ps, _)| *at_ps <= now_ps)
                && let Some((_, event)) = self.inbound.pop_front()
            {
                if let Some(outside) = self.machine.world.state.electron.modem.network().outside_mut() {
                    outside.arrive(now_ps, event);
                }
            }
            if self.machine.instructions() >= instructions || now_ps >= time_ps {
                return Ok(());
            }
            let edge_ps = self.edges.front().map_or(u64::MAX, |edge| edge.at_ps);
            let inbound_ps = self.inbound.front().map_or(u64::MAX, |(at_ps, _)| *at_ps);
            let to_ps = time_ps.min(edge_ps).min(inbound_ps);
            if self.machine.run_until_instruction(instructions, to_ps)? == Stop::HostCall
                && let HostCall::Exit(_) = serve(&mut self.machine)
            {
                return Ok(());
            }
            // Nobody looks at it.
            self.machine.observer.take_seen();
            self.machine.observer.take_outbound();
        }
    }

    /// Where it stands.
    pub fn checkpoint(&self) -> Checkpoint {
        Checkpoint { snapshot: self.machine.snapshot(), edges: self.edges.clone(), inbound: self.inbound.clone() }
    }

    /// Back to where it stood.
    pub fn restore(&mut self, checkpoint: &Checkpoint) -> Result<(), SetupError> {
        self.machine = Machine::restore(&checkpoint.snapshot, self.semihosting)?;
        (self.edges, self.inbound) = (checkpoint.edges.clone(), checkpoint.inbound.clone());
        Ok(())
    }
}

/// What came from the real network.
fn inbound_of(trace: &mut TraceFile) -> Result<VecDeque<(u64, Inbound)>, SetupError> {
    let mut inbound = VecDeque::new();
    for place in 0..trace.frames().len() {
        for record in trace.records(place).map_err(|error| SetupError::Usage(error.to_string()))? {
            if let Record::Inbound { time_ps, event } = record {
                inbound.push_back((time_ps, event));
            }
        }
    }
    Ok(inbound)
}
