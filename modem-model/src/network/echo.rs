//! Echo service (RFC 862), and the one of the hardware logs, which answers each byte with its two hexadecimal digits.

use serde::{Deserialize, Serialize};

use super::packet::{Endpoint, Packet, Payload, Segment};
use super::peer::PeerOutput;
use super::stream::StreamSender;

/// Bytes a connection accepts before its answers have left.
const WINDOW_BYTES: u32 = 16_384;

/// How a byte is answered.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub enum EchoForm {
    /// By itself.
    Same,
    /// By two lower-case hexadecimal digits.
    HexDigits,
}

#[derive(Clone, Debug, Serialize, Deserialize)]
struct Connection {
    ours: Endpoint,
    theirs: Endpoint,
    sender: StreamSender,
    /// Received, and not acknowledged because the answers wait for room.
    held_bytes: u32,
}

/// The service's state: its TCP connections.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub struct Echo {
    form: EchoForm,
    connections: Vec<Connection>,
}

impl Echo {
    /// Without connections.
    pub fn new(form: EchoForm) -> Self {
        Self { form, connections: Vec::new() }
    }

    /// Open TCP connections.
    pub fn connections(&self) -> usize {
        self.connections.len()
    }

    pub(super) fn receive(&mut self, packet: &Packet, output: &mut PeerOutput) {
        let (ours, theirs) = (packet.to, packet.from);
        let is_other = |c: &Connection| (c.ours, c.theirs) != (ours, theirs);
        let segment = match &packet.payload {
            Payload::Udp(bytes) => return output.reply(packet, Payload::Udp(answer(self.form, bytes))),
            Payload::Tcp(segment) => segment,
        };
        let mut reply = |segment| output.reply(packet, Payload::Tcp(segment));
        match segment {
            Segment::Syn(window) => {
                self.connections.retain(is_other);
                let sender = StreamSender::new(*window);
                self.connections.push(Connection { ours, theirs, sender, held_bytes: 0 });
                return reply(Segment::SynAck(WINDOW_BYTES));
            }
            Segment::Reset => {
                self.connections.retain(is_other);
                return;
            }
            _ => {}
        }
        let Some(connection) = self.connections.iter_mut().find(|c| !is_other(c)) else { return reply(Segment::Reset) };
        match segment {
            Segment::Data(bytes) => {
                connection.sender.write(&answer(self.form, bytes));
                connection.held_bytes += u32::try_from(bytes.len()).unwrap_or(u32::MAX);
            }
            Segment::Ack(bytes) => connection.sender.acknowledge(*bytes),
            Segment::Fin => connection.sender.finish(),
            Segment::Syn(_) | Segment::SynAck(_) | Segment::Reset => {}
        }
        let mut ended = false;
        while let Some(segment) = connection.sender.next_segment() {
            ended |= segment == Segment::Fin;
            reply(segment);
        }
        if connection.held_bytes > 0 && connection.sender.queued() < WINDOW_BYTES as usize {
            reply(Segment::Ack(std::mem::take(&mut connection.held_bytes)));
        }
        if ended {
            self.connections.retain(is_other);
        }
    }
}

fn answer(form: EchoForm, bytes: &[u8]) -> Vec<u8> {
    match form {
        EchoForm::Same => bytes.to_vec(),
        EchoForm::HexDigits => bytes.iter().flat_map(|b| format!("{b:02x}").into_bytes()).collect(),
    }
}
