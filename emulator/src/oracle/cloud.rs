//! The device and its service: updates that do not go on, requests that nobody answers, data that nobody reads.

use std::collections::BTreeMap;

use lockstep_modem::network::CloudEventKind;

use super::finding::{Finding, Kind};
use super::limits::Limits;
use crate::machine::Machine;
use crate::observe::Seen;
use crate::setup::duration::seconds;

/// What the oracle remembers.
#[derive(Clone, Debug, Default)]
pub struct Cloud {
    /// When the update under way last went on, and how far it was.
    update: Option<(u64, &'static str)>,
    is_stall_told: bool,
    /// Sockets with unread data.
    unread: BTreeMap<u32, Unread>,
}

#[derive(Clone, Copy, Debug)]
struct Unread {
    /// Since when nothing was read.
    since_ps: u64,
    /// Bytes read from the socket since it was opened: what tells reading from a queue that fills as fast as it is read.
    read_bytes: u64,
    local_port: u16,
    is_told: bool,
}

impl Cloud {
    /// Something was seen.
    pub fn see(&mut self, seen: &Seen, instructions: u64, findings: &mut Vec<Finding>) {
        let event = match seen {
            Seen::Cloud(event) => event,
            Seen::Reset(_) => {
                self.update = None;
                return;
            }
            _ => return,
        };
        let time_ps = event.time_ps;
        let step = match &event.kind {
            CloudEventKind::UpdateBegun { .. } => Some("it was told of it"),
            CloudEventKind::UpdateReady { .. } => Some("it was ready for the chunks"),
            CloudEventKind::UpdateProgress { .. } => Some("chunks were sent"),
            CloudEventKind::UpdateChunksMissed { .. } => Some("it asked for missing chunks"),
            CloudEventKind::UpdateDelivered { .. } => {
                self.update = None;
                None
            }
            CloudEventKind::UpdateFailed { reason, .. } => {
                let (text, signature) = match self.update.take() {
                    Some((_, step)) => (format!("; the last of it was that {step}"), format!("after {step}")),
                    None => ("; the device had been reset before".to_owned(), "after a reset".to_owned()),
                };
                let text = format!("the update came to nothing: {reason}{text}");
                findings.push(Finding { kind: Kind::UpdateFailed, time_ps, instructions, text, signature });
                None
            }
            CloudEventKind::Unanswered { request } => {
                findings.push(Finding {
                    kind: Kind::CloudDeaf,
                    time_ps,
                    instructions,
                    text: format!("the device did not answer request {request}, however often it was sent"),
                    signature: "unanswered".to_owned(),
                });
                None
            }
            _ => None,
        };
        if let Some(step) = step {
            self.update = Some((time_ps, step));
            self.is_stall_told = false;
        }
    }

    /// The machine, looked at.
    pub fn look(&mut self, machine: &Machine, limits: &Limits, findings: &mut Vec<Finding>) {
        let (now_ps, instructions) = (machine.now().time_ps, machine.instructions());
        if let Some((since_ps, step)) = self.update
            && now_ps.saturating_sub(since_ps) > limits.update_stalled_ps
            && !self.is_stall_told
        {
            self.is_stall_told = true;
            findings.push(Finding {
                kind: Kind::UpdateStalled,
                time_ps: since_ps,
                instructions,
                text: format!("the device was told of an update and {step} at {} s; nothing since", seconds(since_ps)),
                signature: format!("after {step}"),
            });
        }
        self.look_at_sockets(machine, limits, findings);
    }

    fn look_at_sockets(&mut self, machine: &Machine, limits: &Limits, findings: &mut Vec<Finding>) {
        let (now_ps, instructions) = (machine.now().time_ps, machine.instructions());
        let sockets = machine.world.state.electron.modem.sockets();
        self.unread.retain(|handle, _| sockets.iter().any(|s| s.handle == *handle && s.pending_bytes > 0));
        for socket in sockets.iter().filter(|socket| socket.pending_bytes > 0) {
            let bytes = socket.pending_bytes;
            let read_bytes = socket.received_bytes.saturating_sub(bytes as u64);
            let fresh = Unread { since_ps: now_ps, read_bytes, local_port: socket.local_port, is_told: false };
            let unread = self.unread.entry(socket.handle).or_insert(fresh);
            if (unread.read_bytes, unread.local_port) != (read_bytes, socket.local_port) {
                *unread = fresh;
            }
            if now_ps - unread.since_ps > limits.unread_ps && !unread.is_told {
                unread.is_told = true;
                let (handle, protocol) = (socket.handle, socket.protocol);
                findings.push(Finding {
                    kind: Kind::UnreadData,
                    time_ps: unread.since_ps,
                    instructions,
                    text: format!(
                        "socket {handle} ({protocol:?}) has {bytes} bytes; none were read since {} s",
                        seconds(unread.since_ps)
                    ),
                    signature: format!("{protocol:?}"),
                });
            }
        }
    }
}
