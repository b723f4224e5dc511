//! A recording plays the real network: what came in comes in again at the same virtual times, and what goes out is
//! compared with what went out.

use std::path::Path;

use lockstep::Machine;
use lockstep_modem::network::OutboundAt;
use lockstep_traces::Recording;
use lockstep_traces::recording::Header;

use super::{Exchanged, describe_outbound, images_hash, state_hash};
use crate::cli::CliError;
use crate::cli::summary::Finding;
use lockstep::setup::duration::seconds;
use lockstep::setup::files::{Disk, Files as _};

/// The recording, as far as it was not used yet.
pub struct Replay {
    recording: Recording,
    has_diverged: bool,
}

impl Replay {
    /// Reads a recording and compares its beginning with the machine.
    pub fn open(path: &Path, machine: &mut Machine) -> Result<Self, CliError> {
        let failed = |reason: String| CliError::file(path, reason);
        let recording = Recording::parse(&Disk.read(path)?).map_err(|error| failed(error.to_string()))?;
        same_start(&recording.header, machine).map_err(failed)?;
        if recording.end.is_none() {
            tracing::warn!(
                "{}: the recorded run was killed at {} s ({} bytes of an unfinished frame are left out): there is no \
                 state hash to compare at its end",
                path.display(),
                seconds(recording.last_ps),
                recording.cut_bytes
            );
        } else if recording.cut_bytes > 0 {
            return Err(failed(format!("{} bytes follow behind the end of the recording", recording.cut_bytes)));
        }
        Ok(Self { recording, has_diverged: false })
    }

    /// When something comes in next.
    pub fn next_ps(&self) -> u64 {
        self.recording.inbound.front().map_or(u64::MAX, |(time_ps, _)| *time_ps)
    }

    /// When the recorded run ended.
    pub fn end_ps(&self) -> u64 {
        self.recording.end.map_or(self.recording.last_ps, |end| end.time_ps)
    }

    /// Compares what went out, and lets in what is due.
    pub fn exchange(&mut self, outbound: Vec<OutboundAt>, machine: &mut Machine, exchanged: &mut Exchanged) {
        let now_ps = machine.now().time_ps;
        self.compare(outbound, exchanged);
        let Some(outside) = machine.world.state.electron.modem.network().outside_mut() else { return };
        while !self.has_diverged
            && self.next_ps() <= now_ps
            && let Some((time_ps, event)) = self.recording.inbound.pop_front()
        {
            if time_ps < now_ps {
                let text = format!("an event came in at {} s, when this run cannot be stopped", seconds(time_ps));
                self.diverge(now_ps, text, exchanged);
                return;
            }
            exchanged.came(time_ps, &event);
            outside.arrive(time_ps, event);
        }
    }

    /// Compares the end.
    pub fn finish(&mut self, outbound: Vec<OutboundAt>, machine: &mut Machine, exchanged: &mut Exchanged) {
        self.compare(outbound, exchanged);
        let now_ps = machine.now().time_ps;
        let Some(end) = self.recording.end.filter(|_| !self.has_diverged) else { return };
        if now_ps < end.time_ps {
            tracing::warn!("the recorded run went on to {} s: its state hash is not compared", seconds(end.time_ps));
            return;
        }
        if let Some((time_ps, event)) = self.recording.outbound.front() {
            let text = format!("the recorded run sent at {} s {}", seconds(*time_ps), describe_outbound(event));
            return self.diverge(now_ps, format!("{text}; this one did not"), exchanged);
        }
        let state = state_hash(machine);
        if (machine.instructions(), state) != (end.instructions, end.state) {
            let text = format!(
                "after {} instructions the state hash is {state}; the recorded run ended after {} with {}",
                machine.instructions(),
                end.instructions,
                end.state
            );
            self.diverge(now_ps, text, exchanged);
        }
    }

    fn compare(&mut self, outbound: Vec<OutboundAt>, exchanged: &mut Exchanged) {
        for outbound in outbound {
            if self.has_diverged {
                return;
            }
            exchanged.left(&outbound);
            let OutboundAt { time_ps, event } = outbound;
            match self.recording.outbound.pop_front() {
                Some((recorded_ps, recorded)) if (recorded_ps, &recorded) == (time_ps, &event) => {}
                // A killed run may have sent more than it could write down.
                None if self.recording.end.is_none() => {}
                recorded => {
                    let recorded = recorded.map_or("nothing".to_owned(), |(recorded_ps, recorded)| {
                        format!("{} at {} s", difference(&recorded, &event), seconds(recorded_ps))
                    });
                    let text = format!("the device sent {}; the recorded one {recorded}", describe_outbound(&event));
                    self.diverge(time_ps, text, exchanged);
                }
            }
        }
    }

    fn diverge(&mut self, time_ps: u64, text: String, exchanged: &mut Exchanged) {
        self.has_diverged = true;
        exchanged.is_over = true;
        exchanged.findings.push(Finding { kind: "divergence", time_ps, text });
    }
}

/// The recorded event in words, with the first byte that differs where the words do not show it.
fn difference(recorded: &lockstep_gateway_protocol::Outbound, sent: &lockstep_gateway_protocol::Outbound) -> String {
    use lockstep_gateway_protocol::Outbound::{Data, Datagram};
    let text = describe_outbound(recorded);
    match (recorded, sent) {
        (Data { bytes: old, .. }, Data { bytes: new, .. })
        | (Datagram { bytes: old, .. }, Datagram { bytes: new, .. })
            if old != new =>
        {
            let at = old.iter().zip(new).position(|(old, new)| old != new).unwrap_or(old.len().min(new.len()));
            format!("{text} (they differ from byte {at})")
        }
        _ => text,
    }
}

fn same_start(header: &Header, machine: &mut Machine) -> Result<(), String> {
    let now_ps = machine.now().time_ps;
    if header.start_ps != now_ps {
        let (was, is) = (seconds(header.start_ps), seconds(now_ps));
        return Err(format!("the recording begins at {was} s of virtual time, this run at {is} s"));
    }
    let seed = machine.world.state.decisions.seed();
    if header.seed != seed {
        return Err(format!("recorded with seed {}, this run has {seed}: give --seed {}", header.seed, header.seed));
    }
    let images = images_hash(machine);
    if header.images != images {
        return Err(format!("recorded with other images (flash hash {}, here {images})", header.images));
    }
    let state = state_hash(machine);
    if header.state != state {
        let text = "recorded with other settings, or by another build of lockstep";
        return Err(format!("{text} (recorded by {}, state hash {}, here {state})", header.program, header.state));
    }
    Ok(())
}
