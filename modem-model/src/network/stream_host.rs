//! A [`StreamService`] on a [`TcpHost`]: bytes and ends of connections to the service, its actions back to TCP.

use std::collections::{BTreeMap, VecDeque};

use lockstep_traces::Decisions;
use serde::{Deserialize, Serialize};

use super::echo::EchoService;
use super::http::HttpServer;
use super::mqtt::Broker;
use super::packet::{Packet, Payload};
use super::peer::PeerOutput;
use super::stream_service::{ConnectionId, StreamAction, StreamEvent, StreamService};
use super::tcp_host::{HostConfig, HostEvent, TcpHost};

/// While more than this waits to be sent to a client, nothing is read from it: its window closes.
const QUEUE_RESUME_BYTES: usize = 16_384;
/// A client for which more than this waits is reset: it does not read.
const QUEUE_MAX_BYTES: usize = 1 << 20;

/// The services above TCP.
///
/// A new one is a variant here, a [`StreamService`] in a file of its own, and a line in each function below.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub enum Service {
    /// Echo.
    Echo(EchoService),
    /// MQTT broker.
    Mqtt(Box<Broker>),
    /// HTTP server.
    Http(Box<HttpServer>),
}

impl Service {
    fn get(&mut self) -> &mut dyn StreamService {
        match self {
            Self::Echo(service) => service,
            Self::Mqtt(broker) => &mut **broker,
            Self::Http(server) => &mut **server,
        }
    }
}

impl StreamService for Service {
    fn event(
        &mut self,
        now_ps: u64,
        connection: ConnectionId,
        event: StreamEvent<'_>,
        actions: &mut Vec<(ConnectionId, StreamAction)>,
    ) {
        self.get().event(now_ps, connection, event, actions);
    }

    fn next_wake_ps(&self) -> u64 {
        match self {
            Self::Echo(service) => service.next_wake_ps(),
            Self::Mqtt(broker) => broker.next_wake_ps(),
            Self::Http(server) => server.next_wake_ps(),
        }
    }

    fn advance(&mut self, now_ps: u64, actions: &mut Vec<(ConnectionId, StreamAction)>) {
        self.get().advance(now_ps, actions);
    }
}

/// What a connection of the service waits with.
#[derive(Clone, Debug, Default, Serialize, Deserialize)]
struct Waiting {
    /// To be sent, beyond what TCP holds.
    queue: VecDeque<u8>,
    /// The service has closed: a FIN follows the queue.
    is_closing: bool,
    /// The client has closed, and the service is told once it has all that came before.
    is_peer_closed: bool,
}

/// A service with its connections.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub struct StreamHost<S> {
    host: TcpHost,
    service: S,
    connections: BTreeMap<ConnectionId, Waiting>,
}

impl<S: StreamService> StreamHost<S> {
    /// A service without connections.
    pub fn new(service: S) -> Self {
        Self { host: TcpHost::new(HostConfig::default()), service, connections: BTreeMap::new() }
    }

    /// The service.
    pub fn service(&self) -> &S {
        &self.service
    }

    /// The same, to change something that no connection notices.
    pub fn service_mut(&mut self) -> &mut S {
        &mut self.service
    }

    /// The connections, those in TIME-WAIT among them.
    pub fn host(&self) -> &TcpHost {
        &self.host
    }

    pub(super) fn receive(&mut self, now_ps: u64, packet: &Packet, output: &mut PeerOutput, decisions: &mut Decisions) {
        if let Payload::Tcp(segment) = &packet.payload {
            self.host.receive(now_ps, (packet.from, packet.to), segment, output, decisions);
            self.pump(now_ps, output);
        }
    }

    pub(super) fn next_wake_ps(&self) -> u64 {
        self.host.next_wake_ps().min(self.service.next_wake_ps())
    }

    pub(super) fn advance(&mut self, now_ps: u64, output: &mut PeerOutput) {
        if self.host.next_wake_ps() <= now_ps {
            self.host.advance(now_ps, output);
        }
        if self.service.next_wake_ps() <= now_ps {
            let mut actions = Vec::new();
            self.service.advance(now_ps, &mut actions);
            self.act(now_ps, actions, output);
        }
        self.pump(now_ps, output);
    }

    /// Moves everything that can move.
    fn pump(&mut self, now_ps: u64, output: &mut PeerOutput) {
        loop {
            while let Some((id, event)) = self.host.poll_event() {
                match event {
                    HostEvent::Connected { with } => {
                        self.connections.insert(id, Waiting::default());
                        self.tell(now_ps, id, StreamEvent::Connected { from: with }, output);
                    }
                    HostEvent::PeerClosed => {
                        if let Some(waiting) = self.connections.get_mut(&id) {
                            waiting.is_peer_closed = true;
                        }
                    }
                    HostEvent::Closed => {
                        self.connections.remove(&id);
                    }
                    HostEvent::Lost(_) => {
                        if self.connections.remove(&id).is_some() {
                            self.tell(now_ps, id, StreamEvent::Lost, output);
                        }
                    }
                    HostEvent::Incoming { .. } | HostEvent::Readable | HostEvent::Writable => {}
                }
            }
            let ids: Vec<ConnectionId> = self.connections.keys().copied().collect();
            let told = ids.into_iter().filter(|id| self.move_on(now_ps, *id, output)).count();
            if told == 0 {
                return;
            }
        }
    }

    /// Sends and reads what a connection can; `true` if the service was told something.
    fn move_on(&mut self, now_ps: u64, id: ConnectionId, output: &mut PeerOutput) -> bool {
        let Some(waiting) = self.connections.get_mut(&id) else { return false };
        if !waiting.queue.is_empty() {
            let taken = self.host.send(now_ps, id, waiting.queue.make_contiguous(), output);
            waiting.queue.drain(..taken);
        }
        if waiting.is_closing {
            if waiting.queue.is_empty() {
                self.host.close(now_ps, id, output);
            }
        } else if waiting.queue.len() > QUEUE_RESUME_BYTES {
            return false;
        }
        let bytes = self.host.read(now_ps, id, usize::MAX, output);
        if !bytes.is_empty() {
            self.tell(now_ps, id, StreamEvent::Data(&bytes), output);
            return true;
        }
        let Some(waiting) = self.connections.get_mut(&id) else { return false };
        let is_end = std::mem::take(&mut waiting.is_peer_closed);
        if is_end {
            self.tell(now_ps, id, StreamEvent::PeerClosed, output);
        }
        is_end
    }

    fn tell(&mut self, now_ps: u64, id: ConnectionId, event: StreamEvent<'_>, output: &mut PeerOutput) {
        let mut actions = Vec::new();
        self.service.event(now_ps, id, event, &mut actions);
        self.act(now_ps, actions, output);
    }

    fn act(&mut self, now_ps: u64, actions: Vec<(ConnectionId, StreamAction)>, output: &mut PeerOutput) {
        let mut lost = Vec::new();
        for (id, action) in actions {
            let Some(waiting) = self.connections.get_mut(&id) else { continue };
            match action {
                StreamAction::Send(_) if waiting.is_closing => {}
                StreamAction::Send(bytes) if waiting.queue.len().saturating_add(bytes.len()) > QUEUE_MAX_BYTES => {
                    self.connections.remove(&id);
                    self.host.abort(now_ps, id, output);
                    lost.push(id);
                }
                StreamAction::Send(bytes) => waiting.queue.extend(bytes),
                StreamAction::Close => waiting.is_closing = true,
                StreamAction::Abort => {
                    self.connections.remove(&id);
                    self.host.abort(now_ps, id, output);
                }
            }
        }
        for id in lost {
            self.tell(now_ps, id, StreamEvent::Lost, output);
        }
    }
}
