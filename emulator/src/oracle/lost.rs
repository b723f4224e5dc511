//! Data lost on the way to the firmware: characters that its serial lines overran, datagrams that a socket of the modem
//! had no room for. Hardware does that too, and protocols that send again live with it: worth knowing, no failure.

use std::collections::BTreeMap;

use lockstep_modem::network::Protocol;
use lockstep_peripherals::usart::OVERRUN_NOTE;

use super::finding::{Finding, Kind};
use crate::machine::Machine;
use crate::setup::duration::seconds;

/// A loss is told when nothing more was lost for this long, in picoseconds of virtual time, so that a burst is told
/// whole.
const BURST_PS: u64 = 1_000_000_000_000;

/// A socket as long as it is open; handles are given again.
type Socket = (u32, u16);

/// What the oracle remembers.
#[derive(Clone, Debug, Default)]
pub struct Lost {
    has_looked: bool,
    /// Overruns already counted, by line.
    overruns: BTreeMap<String, u64>,
    sockets: BTreeMap<Socket, Loss>,
}

#[derive(Clone, Copy, Debug)]
struct Loss {
    protocol: Protocol,
    bytes: u64,
    /// When the first and the last byte were lost; `None` before.
    span_ps: Option<(u64, u64)>,
    is_told: bool,
}

impl Lost {
    /// The machine, looked at.
    pub fn look(&mut self, machine: &Machine, findings: &mut Vec<Finding>) {
        let now_ps = machine.now().time_ps;
        let instructions = machine.instructions();
        self.look_at_lines(machine, findings);
        let sockets = machine.world.state.electron.modem.sockets();
        for socket in sockets.iter().filter(|socket| socket.lost_bytes > 0) {
            let fresh = Loss { protocol: socket.protocol, bytes: 0, span_ps: None, is_told: false };
            let loss = self.sockets.entry((socket.handle, socket.local_port)).or_insert(fresh);
            if !self.has_looked {
                loss.bytes = socket.lost_bytes;
            }
            if socket.lost_bytes > loss.bytes {
                loss.bytes = socket.lost_bytes;
                loss.span_ps = Some((loss.span_ps.map_or(now_ps, |(first_ps, _)| first_ps), now_ps));
            }
        }
        for ((handle, port), loss) in &mut self.sockets {
            let Some((first_ps, last_ps)) = loss.span_ps.filter(|_| !loss.is_told) else { continue };
            let is_open = sockets.iter().any(|socket| (socket.handle, socket.local_port) == (*handle, *port));
            if is_open && now_ps.saturating_sub(last_ps) < BURST_PS {
                continue;
            }
            loss.is_told = true;
            let (bytes, protocol) = (loss.bytes, loss.protocol);
            findings.push(Finding {
                kind: Kind::DataLost,
                time_ps: first_ps,
                instructions,
                text: format!(
                    "socket {handle} ({protocol:?}, local port {port}) lost {bytes} bytes by {} s: its buffer was full",
                    seconds(last_ps)
                ),
                signature: format!("socket, {protocol:?}"),
            });
        }
        self.sockets.retain(|(handle, port), _| sockets.iter().any(|s| (s.handle, s.local_port) == (*handle, *port)));
        self.has_looked = true;
    }

    fn look_at_lines(&mut self, machine: &Machine, findings: &mut Vec<Finding>) {
        for (name, note) in machine.world.state.ledger.notes() {
            let Some(line) = name.strip_suffix(OVERRUN_NOTE) else { continue };
            let is_new = !self.overruns.contains_key(line);
            let counted = self.overruns.entry(line.to_owned()).or_insert(0);
            let before = std::mem::replace(counted, note.count);
            // What was there before the oracle came is not of this run.
            if !is_new || !self.has_looked || note.count == before {
                continue;
            }
            let line = line.trim_end();
            findings.push(Finding {
                kind: Kind::DataLost,
                time_ps: note.first_time_ps,
                instructions: machine.instructions(),
                text: format!(
                    "{line} was overrun: a character came while the one before it had not been read, and was lost"
                ),
                signature: format!("overrun of {line}"),
            });
        }
    }
}
