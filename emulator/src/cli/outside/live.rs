//! A gateway plays the real network; a recording of it is written if wanted.

use std::fs::File;
use std::path::{Path, PathBuf};

use lockstep::Machine;
use lockstep_modem::network::OutboundAt;
use lockstep_traces::RecordingWriter;
use lockstep_traces::recording::{End, Entry, Header};

use super::link::GatewayLink;
use super::{Exchanged, images_hash, state_hash};
use crate::cli::CliError;
use crate::cli::summary::Finding;

/// Events that are let in at one stop of the machine; the others wait, and so does the gateway in the end.
const EVENTS_AT_ONCE: usize = 256;

/// The gateway and the recording.
pub struct Live {
    link: GatewayLink,
    recorder: Option<Recorder>,
    has_left: bool,
    loss_told: bool,
}

struct Recorder {
    path: PathBuf,
    writer: RecordingWriter<File>,
}

impl Recorder {
    fn create(path: &Path, machine: &mut Machine) -> Result<Self, CliError> {
        let header = Header {
            program: format!("lockstep {}", env!("CARGO_PKG_VERSION")),
            seed: machine.world.state.decisions.seed(),
            start_ps: machine.now().time_ps,
            images: images_hash(machine),
            state: state_hash(machine),
        };
        let file = File::create(path).map_err(CliError::io(path))?;
        let writer = RecordingWriter::new(file, &header).map_err(CliError::io(path))?;
        Ok(Self { path: path.to_owned(), writer })
    }

    /// Each entry reaches the operating system at once, so that a killed run leaves all it did.
    fn write(&mut self, entry: &Entry) -> Result<(), CliError> {
        self.writer.write(entry).map_err(CliError::io(&self.path))
    }
}

impl Live {
    /// Connects to the gateway and begins the recording.
    pub fn open(gateway: &Path, record: Option<&Path>, machine: &mut Machine) -> Result<Self, CliError> {
        let link = GatewayLink::open(gateway)?;
        let recorder = record.map(|path| Recorder::create(path, machine)).transpose()?;
        Ok(Self { link, recorder, has_left: false, loss_told: false })
    }

    /// Whether an answer may come: something has gone out, and the gateway is there.
    pub fn may_answer(&self) -> bool {
        self.has_left && self.link.lost().is_none()
    }

    /// Moves what can move. What comes in gets the present as its time.
    pub fn exchange(
        &mut self,
        outbound: Vec<OutboundAt>,
        machine: &mut Machine,
        exchanged: &mut Exchanged,
    ) -> Result<(), CliError> {
        let now_ps = machine.now().time_ps;
        self.send(outbound, exchanged)?;
        if let Some(outside) = machine.world.state.electron.modem.network().outside_mut() {
            for _ in 0..EVENTS_AT_ONCE.min(outside.room()) {
                let Some(event) = self.link.receive() else { break };
                exchanged.came(now_ps, &event);
                if let Some(recorder) = &mut self.recorder {
                    recorder.write(&Entry::Inbound { time_ps: now_ps, event: event.clone() })?;
                }
                outside.arrive(now_ps, event);
            }
        }
        if let Some(reason) = self.link.lost().filter(|_| !self.loss_told) {
            let text = format!("the gateway is lost: {reason}; from here on the device gets no answers from outside");
            tracing::error!("{text}");
            exchanged.findings.push(Finding { kind: "gateway_lost", time_ps: now_ps, text });
            self.loss_told = true;
        }
        Ok(())
    }

    /// Writes the end of the recording.
    pub fn finish(
        &mut self,
        outbound: Vec<OutboundAt>,
        machine: &mut Machine,
        exchanged: &mut Exchanged,
    ) -> Result<(), CliError> {
        self.send(outbound, exchanged)?;
        if let Some(recorder) = &mut self.recorder {
            let (time_ps, instructions) = (machine.now().time_ps, machine.instructions());
            recorder.write(&Entry::End(End { time_ps, instructions, state: state_hash(machine) }))?;
        }
        Ok(())
    }

    fn send(&mut self, outbound: Vec<OutboundAt>, exchanged: &mut Exchanged) -> Result<(), CliError> {
        for outbound in outbound {
            self.has_left = true;
            exchanged.left(&outbound);
            let OutboundAt { time_ps, event } = outbound;
            if let Some(recorder) = &mut self.recorder {
                recorder.write(&Entry::Outbound { time_ps, event: event.clone() })?;
            }
            self.link.send(event);
        }
        Ok(())
    }
}
