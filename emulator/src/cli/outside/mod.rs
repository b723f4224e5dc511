//! Who plays the real network in a run: nobody, a gateway, or a recording.
//!
//! The simulated world only ever sees events with virtual times; wall clock, socket and threads are here.

mod describe;
mod link;
mod live;
mod replay;

use lockstep::Machine;
use lockstep_gateway_protocol::Inbound;
use lockstep_modem::network::OutboundAt;
use lockstep_traces::recording::Hash;

use super::summary::Finding;
use super::{CliError, RunArguments};
pub use describe::{describe_inbound, describe_outbound};
pub use link::GatewayLink;
use live::Live;
use replay::Replay;

/// Something that crossed the border, to show.
#[derive(Clone, Debug)]
pub struct Crossing {
    /// When, in picoseconds.
    pub time_ps: u64,
    /// From the device to the network.
    pub is_outbound: bool,
    /// What.
    pub text: String,
}

/// Who plays the real network.
pub enum Outside {
    /// Nobody: what no peer in process answers is refused or lost.
    Nobody,
    /// A gateway, at the other end of a Unix socket.
    Gateway(Box<Live>),
    /// A recording.
    Recording(Box<Replay>),
}

impl Outside {
    /// As the arguments say. The machine stands where the run begins.
    pub fn open(arguments: &RunArguments, machine: &mut Machine) -> Result<Self, CliError> {
        if arguments.gateway.is_none() && arguments.replay.is_none() {
            return Ok(Self::Nobody);
        }
        machine.world.state.electron.modem.network().attach_outside();
        if let Some(path) = &arguments.replay {
            return Ok(Self::Recording(Box::new(Replay::open(path, machine)?)));
        }
        match &arguments.gateway {
            Some(path) => Ok(Self::Gateway(Box::new(Live::open(path, arguments.record.as_deref(), machine)?))),
            None => Ok(Self::Nobody),
        }
    }

    /// The machine has to stop here at the latest, for what comes in.
    pub fn next_ps(&self) -> u64 {
        match self {
            Self::Nobody | Self::Gateway(_) => u64::MAX,
            Self::Recording(replay) => replay.next_ps(),
        }
    }

    /// Where the run ends if it is not told otherwise.
    pub fn end_ps(&self) -> Option<u64> {
        match self {
            Self::Nobody | Self::Gateway(_) => None,
            Self::Recording(replay) => Some(replay.end_ps()),
        }
    }

    /// Whether a real network may answer: then virtual time must not run ahead of real time.
    pub fn may_answer(&self) -> bool {
        matches!(self, Self::Gateway(live) if live.may_answer())
    }

    /// Moves what went out and what came in, at the machine's present instant.
    pub fn exchange(&mut self, machine: &mut Machine) -> Result<Exchanged, CliError> {
        let outbound = machine.observer.take_outbound();
        let mut exchanged = Exchanged::default();
        match self {
            Self::Nobody => {}
            Self::Gateway(live) => live.exchange(outbound, machine, &mut exchanged)?,
            Self::Recording(replay) => replay.exchange(outbound, machine, &mut exchanged),
        }
        Ok(exchanged)
    }

    /// The run is over.
    pub fn finish(&mut self, machine: &mut Machine) -> Result<Exchanged, CliError> {
        let outbound = machine.observer.take_outbound();
        let mut exchanged = Exchanged::default();
        match self {
            Self::Nobody => {}
            Self::Gateway(live) => live.finish(outbound, machine, &mut exchanged)?,
            Self::Recording(replay) => replay.finish(outbound, machine, &mut exchanged),
        }
        Ok(exchanged)
    }
}

/// What crossed the border, and what was wrong with it.
#[derive(Debug, Default)]
pub struct Exchanged {
    /// To show.
    pub crossings: Vec<Crossing>,
    /// What left.
    pub outbound: Vec<OutboundAt>,
    /// What came, with its times in picoseconds.
    pub inbound: Vec<(u64, Inbound)>,
    /// What was found.
    pub findings: Vec<Finding>,
    /// The run is of no more use.
    pub is_over: bool,
}

impl Exchanged {
    fn left(&mut self, outbound: &OutboundAt) {
        let text = describe_outbound(&outbound.event);
        self.crossings.push(Crossing { time_ps: outbound.time_ps, is_outbound: true, text });
        self.outbound.push(outbound.clone());
    }

    fn came(&mut self, time_ps: u64, event: &Inbound) {
        self.inbound.push((time_ps, event.clone()));
        self.crossings.push(Crossing { time_ps, is_outbound: false, text: describe_inbound(event) });
    }
}

/// The hash of all images in flash.
fn images_hash(machine: &Machine) -> Hash {
    Hash(*blake3::hash(&machine.world.memory.flash.to_vec()).as_bytes())
}

fn state_hash(machine: &mut Machine) -> Hash {
    Hash(*machine.state_hash().as_bytes())
}
