//! Echo service (RFC 862), and the one of the hardware logs, which answers each byte with its two hexadecimal digits.

use lockstep_traces::Decisions;
use serde::{Deserialize, Serialize};

use super::packet::{Packet, Payload};
use super::peer::PeerOutput;
use super::stream_host::StreamHost;
use super::stream_service::{ConnectionId, StreamAction, StreamEvent, StreamService};

/// How a byte is answered.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub enum EchoForm {
    /// By itself.
    Same,
    /// By two lower-case hexadecimal digits.
    HexDigits,
}

impl EchoForm {
    fn answer(self, bytes: &[u8]) -> Vec<u8> {
        match self {
            Self::Same => bytes.to_vec(),
            Self::HexDigits => bytes.iter().flat_map(|b| format!("{b:02x}").into_bytes()).collect(),
        }
    }
}

/// The half above TCP: it answers until the client closes, and closes then.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct EchoService {
    form: EchoForm,
}

impl EchoService {
    /// With this form of answer.
    pub fn new(form: EchoForm) -> Self {
        Self { form }
    }
}

impl StreamService for EchoService {
    fn event(
        &mut self,
        _now_ps: u64,
        connection: ConnectionId,
        event: StreamEvent<'_>,
        actions: &mut Vec<(ConnectionId, StreamAction)>,
    ) {
        match event {
            StreamEvent::Data(bytes) => actions.push((connection, StreamAction::Send(self.form.answer(bytes)))),
            StreamEvent::PeerClosed => actions.push((connection, StreamAction::Close)),
            StreamEvent::Connected { .. } | StreamEvent::Lost => {}
        }
    }
}

/// The service over UDP and TCP.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub struct Echo {
    form: EchoForm,
    tcp: StreamHost<EchoService>,
}

impl Echo {
    /// Without connections.
    pub fn new(form: EchoForm) -> Self {
        Self { form, tcp: StreamHost::new(EchoService::new(form)) }
    }

    /// TCP connections, those in TIME-WAIT among them.
    pub fn connections(&self) -> usize {
        self.tcp.host().len()
    }

    pub(super) fn receive(&mut self, now_ps: u64, packet: &Packet, output: &mut PeerOutput, decisions: &mut Decisions) {
        match &packet.payload {
            Payload::Udp(bytes) => output.reply(packet, Payload::Udp(self.form.answer(bytes))),
            Payload::Tcp(_) => self.tcp.receive(now_ps, packet, output, decisions),
        }
    }

    pub(super) fn next_wake_ps(&self) -> u64 {
        self.tcp.next_wake_ps()
    }

    pub(super) fn advance(&mut self, now_ps: u64, output: &mut PeerOutput) {
        self.tcp.advance(now_ps, output);
    }
}
