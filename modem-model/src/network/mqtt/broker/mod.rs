//! The broker: its connections, and who may have one. What goes to whom is in [`routing`].

mod routing;

use std::collections::{BTreeMap, VecDeque};

use serde::{Deserialize, Serialize};
use thiserror::Error;

use super::codec::{self, ClientPacket, CodecError, Connect, ConnectCode, ServerPacket};
use super::session::Session;
use super::{BrokerEvent, BrokerEventKind, DisconnectReason, Message, ProtocolError, topic};
use crate::network::packet::Endpoint;
use crate::network::stream_service::{ConnectionId, StreamAction, StreamEvent, StreamService};
use crate::time::{PS_PER_MS, PS_PER_S, TimerQueue};

/// Connections at most; more are reset.
const CONNECTIONS_MAX: usize = 256;
/// Sessions kept at most; a client that would need one more finds the server unavailable.
const SESSIONS_MAX: usize = 256;
/// Events kept for an observer that does not drain them; the oldest give way.
const EVENTS_MAX: usize = 1024;
/// Messages of the operator that wait for their time, at most.
const OPERATOR_MAX: usize = 1024;
/// Bytes that what a client sent at once may bring it, at most; one that asks for more is cut off before it fills the
/// memory. No more waits for a client that does not read.
const ANSWER_BYTES_MAX: usize = 1 << 20;
/// Longest client name, in bytes. All servers must take 23 (section 3.1.3.1).
const CLIENT_ID_BYTES_MAX: usize = 256;

/// Who may connect.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Access {
    /// Everybody, whatever user name and password.
    #[default]
    Anyone,
    /// These users with these passwords: a client without a user name is not authorized, a wrong password is a bad one.
    Users(BTreeMap<String, String>),
    /// Nobody: every CONNECT gets this answer.
    Refuse(ConnectCode),
}

/// What can be chosen about the broker.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct BrokerConfig {
    /// Who may connect.
    pub access: Access,
    /// How long a connection may wait with its CONNECT, in milliseconds. The standard says "a reasonable amount of time"
    /// (section 3.1).
    pub connect_timeout_ms: u64,
}

impl Default for BrokerConfig {
    fn default() -> Self {
        Self { access: Access::Anyone, connect_timeout_ms: 30_000 }
    }
}

/// Why the operator cannot publish a message.
#[derive(Clone, Debug, PartialEq, Eq, Error)]
pub enum PublishError {
    /// Not a topic name: empty, with a wildcard or U+0000, or longer than 65,535 bytes.
    #[error("{0:?} is not a topic name: it must not be empty, longer than 65,535 bytes, or contain +, # or U+0000")]
    Topic(String),
    /// Longer than a client could publish.
    #[error("payload of {0} bytes: give at most {max}", max = codec::PACKET_BYTES_MAX)]
    Payload(usize),
    /// Too many messages whose time has not come.
    #[error("{OPERATOR_MAX} messages wait for their time already")]
    Full,
}

#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
struct Connection {
    from: Endpoint,
    /// The beginning of a packet.
    received: Vec<u8>,
    /// Once it has said its name.
    client: Option<String>,
    /// One and a half keepalives, or 0.
    silence_ps: u64,
    /// When it is given up; `u64::MAX` is never.
    deadline_ps: u64,
    will: Option<Message>,
}

/// The broker.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub struct Broker {
    config: BrokerConfig,
    connections: BTreeMap<ConnectionId, Connection>,
    /// By the client's name.
    sessions: BTreeMap<String, Session>,
    /// By topic.
    retained: BTreeMap<String, Message>,
    /// Messages of the operator whose time has not come.
    operator: TimerQueue<Message>,
    /// Numbers names for clients that come without one.
    next_name: u64,
    events: VecDeque<BrokerEvent>,
    events_dropped: u64,
}

type Actions = Vec<(ConnectionId, StreamAction)>;

impl Broker {
    /// A broker without clients.
    pub fn new(config: BrokerConfig) -> Self {
        Self {
            config,
            connections: BTreeMap::new(),
            sessions: BTreeMap::new(),
            retained: BTreeMap::new(),
            operator: TimerQueue::default(),
            next_name: 1,
            events: VecDeque::new(),
            events_dropped: 0,
        }
    }

    /// Takes what happened since the last call.
    pub fn take_events(&mut self) -> Vec<BrokerEvent> {
        self.events.drain(..).collect()
    }

    /// What happened and nobody took in time.
    pub fn events_dropped(&self) -> u64 {
        self.events_dropped
    }

    /// Names of the clients that are connected.
    pub fn clients(&self) -> impl Iterator<Item = &str> {
        self.sessions.iter().filter(|(_, s)| s.connection.is_some()).map(|(name, _)| name.as_str())
    }

    /// Retained messages, by topic.
    pub fn retained(&self) -> impl Iterator<Item = &Message> {
        self.retained.values()
    }

    /// A message from the operator, or from a client somewhere else, at a time that has not passed yet.
    pub fn publish(&mut self, time_ps: u64, message: Message) -> Result<(), PublishError> {
        if !topic::is_name(&message.topic) || message.topic.len() > usize::from(u16::MAX) {
            return Err(PublishError::Topic(message.topic));
        }
        if message.payload.len() > codec::PACKET_BYTES_MAX {
            return Err(PublishError::Payload(message.payload.len()));
        }
        if self.operator.len() >= OPERATOR_MAX {
            return Err(PublishError::Full);
        }
        self.operator.insert(time_ps, message);
        Ok(())
    }

    fn observe(&mut self, time_ps: u64, client: Option<&str>, kind: BrokerEventKind) {
        if self.events.len() >= EVENTS_MAX {
            self.events.pop_front();
            self.events_dropped += 1;
        }
        self.events.push_back(BrokerEvent { time_ps, client: client.map(str::to_owned), kind });
    }

    fn receive(&mut self, now_ps: u64, id: ConnectionId, bytes: &[u8], actions: &mut Actions) {
        let Some(connection) = self.connections.get_mut(&id) else { return };
        let mut received = std::mem::take(&mut connection.received);
        received.extend_from_slice(bytes);
        let mut rest = &received[..];
        let (mut looked_at, mut answer_bytes) = (actions.len(), 0);
        // The connection may end with any packet.
        while self.connections.contains_key(&id) {
            match codec::decode(rest) {
                Ok(Some((packet, length))) => {
                    rest = rest.get(length..).unwrap_or_default();
                    self.packet(now_ps, id, packet, actions);
                }
                Ok(None) => break,
                Err(CodecError::ProtocolLevel(_)) if self.client_of(id).is_none() => {
                    self.refuse(now_ps, id, ConnectCode::UnacceptableProtocol, actions);
                }
                Err(error) => self.end(now_ps, id, DisconnectReason::Protocol(error.into()), actions),
            }
            for action in actions.iter().skip(looked_at) {
                if let (to, StreamAction::Send(bytes)) = action
                    && *to == id
                {
                    answer_bytes += bytes.len();
                }
            }
            looked_at = actions.len();
            if answer_bytes > ANSWER_BYTES_MAX && self.connections.contains_key(&id) {
                actions.push((id, StreamAction::Abort));
                self.end(now_ps, id, DisconnectReason::Lost, actions);
            }
        }
        if let Some(connection) = self.connections.get_mut(&id) {
            connection.received = rest.to_vec();
        }
    }

    fn client_of(&self, id: ConnectionId) -> Option<&str> {
        self.connections.get(&id)?.client.as_deref()
    }

    fn packet(&mut self, now_ps: u64, id: ConnectionId, packet: ClientPacket, actions: &mut Actions) {
        let Some(connection) = self.connections.get_mut(&id) else { return };
        if connection.silence_ps > 0 {
            connection.deadline_ps = now_ps.saturating_add(connection.silence_ps);
        }
        let result = match (connection.client.clone(), packet) {
            (None, ClientPacket::Connect(connect)) => {
                self.connect(now_ps, id, *connect, actions);
                Ok(())
            }
            (None, _) => Err(ProtocolError::NotConnected),
            (Some(_), ClientPacket::Connect(_)) => Err(ProtocolError::SecondConnect),
            (Some(_), ClientPacket::Disconnect) => {
                connection.will = None;
                self.end(now_ps, id, DisconnectReason::Disconnect, actions);
                Ok(())
            }
            (Some(client), packet) => self.request(now_ps, id, &client, packet, actions),
        };
        if let Err(error) = result {
            self.end(now_ps, id, DisconnectReason::Protocol(error), actions);
        }
    }

    fn connect(&mut self, now_ps: u64, id: ConnectionId, mut connect: Connect, actions: &mut Actions) {
        if let Some(topic) = connect.will.as_ref().map(|will| &will.topic).filter(|topic| !topic::is_name(topic)) {
            let error = ProtocolError::TopicName(topic.clone());
            return self.end(now_ps, id, DisconnectReason::Protocol(error), actions);
        }
        if let Err(code) = self.admit(&connect) {
            return self.refuse(now_ps, id, code, actions);
        }
        while connect.client_id.is_empty() {
            let name = format!("auto-{}", self.next_name);
            self.next_name += 1;
            if !self.sessions.contains_key(&name) {
                connect.client_id = name;
            }
        }
        let client = connect.client_id;
        if let Some(old) = self.sessions.get(&client).and_then(|session| session.connection) {
            self.end(now_ps, old, DisconnectReason::TakenOver, actions);
        }
        if connect.clean_session {
            self.sessions.remove(&client);
        }
        let session_present = self.sessions.contains_key(&client);
        if !session_present && self.sessions.len() >= SESSIONS_MAX {
            return self.refuse(now_ps, id, ConnectCode::ServerUnavailable, actions);
        }
        let Some(connection) = self.connections.get_mut(&id) else { return };
        connection.client = Some(client.clone());
        connection.will = connect.will;
        connection.silence_ps = u64::from(connect.keep_alive_s) * (PS_PER_S + PS_PER_S / 2);
        connection.deadline_ps = match connection.silence_ps {
            0 => u64::MAX,
            silence_ps => now_ps.saturating_add(silence_ps),
        };
        let kind = BrokerEventKind::Connected {
            from: connection.from,
            clean_session: connect.clean_session,
            session_present,
            keep_alive_s: connect.keep_alive_s,
        };
        let mut packets = vec![ServerPacket::ConnAck { session_present, code: ConnectCode::Accepted }];
        let session = self.sessions.entry(client.clone()).or_insert_with(|| Session::new(connect.clean_session));
        session.connection = Some(id);
        session.is_clean = connect.clean_session;
        session.resume(&mut packets);
        self.observe(now_ps, Some(&client), kind);
        send(id, &packets, actions);
    }

    /// Whether a client may connect.
    fn admit(&self, connect: &Connect) -> Result<(), ConnectCode> {
        let name = &connect.client_id;
        // The server names a client that wants nothing kept (section 3.1.3.1).
        if (name.is_empty() && !connect.clean_session) || name.len() > CLIENT_ID_BYTES_MAX {
            return Err(ConnectCode::IdentifierRejected);
        }
        match &self.config.access {
            Access::Anyone => Ok(()),
            Access::Refuse(code) => Err(*code),
            Access::Users(users) => {
                let user = connect.user.as_ref().ok_or(ConnectCode::NotAuthorized)?;
                let is_right = users.get(user).is_some_and(|p| connect.password.as_deref() == Some(p.as_bytes()));
                if is_right { Ok(()) } else { Err(ConnectCode::BadUserNameOrPassword) }
            }
        }
    }

    fn refuse(&mut self, now_ps: u64, id: ConnectionId, code: ConnectCode, actions: &mut Actions) {
        send(id, &[ServerPacket::ConnAck { session_present: false, code }], actions);
        self.end(now_ps, id, DisconnectReason::Refused(code), actions);
    }

    /// A connection is over, for whatever reason.
    fn end(&mut self, now_ps: u64, id: ConnectionId, reason: DisconnectReason, actions: &mut Actions) {
        let Some(connection) = self.connections.remove(&id) else { return };
        if reason != DisconnectReason::Lost {
            actions.push((id, StreamAction::Close));
        }
        let client = connection.client.as_deref();
        self.observe(now_ps, client, BrokerEventKind::Disconnected(reason));
        let Some(client) = client else { return };
        if let Some(session) = self.sessions.get_mut(client) {
            session.connection = None;
            if session.is_clean {
                self.sessions.remove(client);
            }
        }
        if let Some(will) = connection.will {
            self.route(now_ps, Some(client), will, actions);
        }
    }
}

/// Packets to a client, in one piece.
fn send(id: ConnectionId, packets: &[ServerPacket], actions: &mut Actions) {
    let bytes: Vec<u8> = packets.iter().flat_map(ServerPacket::encode).collect();
    if !bytes.is_empty() {
        actions.push((id, StreamAction::Send(bytes)));
    }
}

impl StreamService for Broker {
    fn event(&mut self, now_ps: u64, id: ConnectionId, event: StreamEvent<'_>, actions: &mut Actions) {
        match event {
            StreamEvent::Connected { .. } if self.connections.len() >= CONNECTIONS_MAX => {
                actions.push((id, StreamAction::Abort));
            }
            StreamEvent::Connected { from } => {
                let wait_ps = self.config.connect_timeout_ms.saturating_mul(PS_PER_MS);
                let connection = Connection {
                    from,
                    received: Vec::new(),
                    client: None,
                    silence_ps: 0,
                    deadline_ps: now_ps.saturating_add(wait_ps),
                    will: None,
                };
                self.connections.insert(id, connection);
            }
            StreamEvent::Data(bytes) => self.receive(now_ps, id, bytes, actions),
            StreamEvent::PeerClosed => self.end(now_ps, id, DisconnectReason::Closed, actions),
            StreamEvent::Lost => self.end(now_ps, id, DisconnectReason::Lost, actions),
        }
    }

    fn next_wake_ps(&self) -> u64 {
        let deadlines = self.connections.values().map(|connection| connection.deadline_ps);
        deadlines.fold(self.operator.next_ps(), u64::min)
    }

    fn advance(&mut self, now_ps: u64, actions: &mut Actions) {
        while let Some((_, message)) = self.operator.pop_due(now_ps) {
            self.route(now_ps, None, message, actions);
        }
        let is_late = |(_, connection): &(&ConnectionId, &Connection)| connection.deadline_ps <= now_ps;
        let late: Vec<ConnectionId> = self.connections.iter().filter(is_late).map(|(id, _)| *id).collect();
        for id in late {
            let reason = match self.client_of(id) {
                Some(_) => DisconnectReason::KeepAlive,
                None => DisconnectReason::NoConnect,
            };
            self.end(now_ps, id, reason, actions);
        }
    }
}
