//! The device service ("cloud") that the vendor's firmware connects to: CoAP over DTLS over UDP.
//!
//! | file | what |
//! |---|---|
//! | `dtls/` | DTLS 1.2 server for the vendor's clients; sessions that outlive a device's resets |
//! | `coap.rs` | CoAP messages as bytes |
//! | `device.rs` | one device's conversation: what it asks and what it is asked |
//! | `confirmable.rs` | a message that is repeated until it is acknowledged |
//! | `update.rs` | an update over the air: one image to one device |
//! | `modules.rs` | modules that can be sent, and in which order |
//! | `install.rs` | images sent one after the other, each until the device is back with it |
//! | `delivery.rs` | events on their way to devices |
//! | `operator.rs` | the operator's commands |
//! | `description.rs` | what a device says of itself |
//! | `request.rs` | what the service can ask of a device |
//! | `event.rs` | what an observer sees |

pub mod coap;
mod confirmable;
mod delivery;
mod description;
mod device;
pub mod dtls;
mod event;
mod install;
pub mod modules;
mod operator;
#[cfg(test)]
mod operator_tests;
mod request;
#[cfg(test)]
mod tests;
mod update;
#[cfg(test)]
mod update_tests;

use std::collections::BTreeMap;

use lockstep_traces::Decisions;
use serde::{Deserialize, Serialize};

pub use self::description::{Description, DeviceModule};
use self::device::{Context, Conversation, Outcome};
use self::dtls::{DtlsEvent, DtlsServer};
pub use self::event::{CloudEvent, CloudEventKind, CommandProgress, DeviceId, Hello};
use self::operator::Operator;
pub use self::operator::{Action, CommandRecord, CommandState, OperatorCommand};
pub use self::request::{RequestError, ServerRequest};
pub use self::update::{IMAGE_BYTES_MAX, UpdateSettings};
use super::packet::{Packet, Payload};
use super::peer::PeerOutput;
use crate::time::PS_PER_S;

/// UDP port of the service.
pub const PORT: u16 = 5684;
/// Stream of the service's randomness.
const STREAM: &str = "network.service";
/// Devices remembered at most; one that was not heard of for the longest time gives way.
const DEVICES_MAX: usize = 256;
/// A device that has connected still sends subscriptions and events, and waits for their acknowledgements; this much
/// after its description it listens.
const SETTLING_PS: u64 = 3 * PS_PER_S;
/// What a device publishes that runs without its application.
const SAFE_MODE_EVENT: &str = "spark/device/safemode";
/// Subscriptions remembered of a device.
const SUBSCRIPTIONS_MAX: usize = 64;

/// What can be chosen about the service.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct ServiceConfig {
    /// Private key: a scalar of secp256r1, big-endian. Devices must have the public key that belongs to it.
    pub private_key: [u8; 32],
    /// The service's time at power-on of the world, in seconds since 1970.
    pub epoch_unix_s: u32,
    /// What it calls a device that asks for its name.
    pub device_name: String,
    /// How it updates devices.
    pub update: UpdateSettings,
}

/// What the service knows of a device.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct DeviceRecord {
    /// The session it uses.
    pub session: u64,
    /// Its last hello.
    pub hello: Option<Hello>,
    /// When that was, in picoseconds.
    pub connected_since_ps: u64,
    /// When it was heard last.
    pub last_heard_ps: u64,
    /// How often it went on in a session after a reset.
    pub resumptions: u64,
    /// Events it has published.
    pub events: u64,
    /// Pings of its that were answered.
    pub pings: u64,
    /// What it has subscribed to since its hello.
    pub subscriptions: Vec<String>,
    /// From when on the operator's commands reach it: it has described itself since it connected. The end of time while
    /// it has not.
    pub ready_from_ps: u64,
    /// It has said since its hello that it is in safe mode.
    pub is_safe_mode: bool,
    /// What it has said of itself.
    pub description: Description,
}

impl DeviceRecord {
    fn new(session: u64, now_ps: u64) -> Self {
        Self {
            session,
            hello: None,
            connected_since_ps: now_ps,
            last_heard_ps: now_ps,
            resumptions: 0,
            events: 0,
            pings: 0,
            subscriptions: Vec::new(),
            ready_from_ps: u64::MAX,
            is_safe_mode: false,
            description: Description::default(),
        }
    }

    /// Whether it has subscribed to events of this name: a filter is the beginning of names.
    pub fn wants_event(&self, name: &str) -> bool {
        self.subscriptions.iter().any(|filter| name.starts_with(filter.as_str()))
    }

    /// Takes in what happened to it.
    fn record(&mut self, now_ps: u64, kind: &CloudEventKind) {
        match kind {
            CloudEventKind::Hello(hello) => {
                self.hello = Some(hello.clone());
                self.connected_since_ps = now_ps;
                self.subscriptions.clear();
                self.is_safe_mode = false;
                self.ready_from_ps = u64::MAX;
            }
            CloudEventKind::Resumed => {
                self.resumptions += 1;
                self.ready_from_ps = now_ps + SETTLING_PS;
            }
            CloudEventKind::Published { name, .. } => {
                self.events += 1;
                self.is_safe_mode |= name == SAFE_MODE_EVENT;
            }
            CloudEventKind::Ping => self.pings += 1,
            CloudEventKind::Subscribed { filter }
                if self.subscriptions.len() < SUBSCRIPTIONS_MAX && !self.subscriptions.contains(filter) =>
            {
                self.subscriptions.push(filter.clone());
            }
            CloudEventKind::Described { text } => {
                self.description.take(text);
                self.ready_from_ps = self.ready_from_ps.min(now_ps + SETTLING_PS);
            }
            CloudEventKind::Alert { .. } => self.ready_from_ps = u64::MAX,
            _ => {}
        }
    }
}

/// The service.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub struct DeviceService {
    config: ServiceConfig,
    dtls: DtlsServer,
    /// By session.
    conversations: BTreeMap<u64, Conversation>,
    devices: BTreeMap<DeviceId, DeviceRecord>,
    operator: Operator,
    next_request: u64,
}

impl DeviceService {
    /// A service that knows nobody yet.
    pub fn new(config: ServiceConfig) -> Self {
        let dtls = DtlsServer::new(config.private_key);
        let operator = Operator::default();
        Self { config, dtls, conversations: BTreeMap::new(), devices: BTreeMap::new(), operator, next_request: 1 }
    }

    /// The devices that have said hello, by name.
    pub fn devices(&self) -> &BTreeMap<DeviceId, DeviceRecord> {
        &self.devices
    }

    /// How many chunks of an update under way have been sent; `None` if there is none.
    pub fn chunks_sent(&self) -> Option<u32> {
        self.conversations.values().find_map(Conversation::chunks_sent)
    }

    /// The DTLS sessions.
    pub fn dtls(&self) -> &DtlsServer {
        &self.dtls
    }

    /// Asks something of a device at a time that has not passed yet. Returns the number by which [`CloudEventKind::Answered`] or
    /// [`CloudEventKind::Unanswered`] refers to it.
    pub fn ask(&mut self, time_ps: u64, device_id: DeviceId, request: ServerRequest) -> Result<u64, RequestError> {
        request.check()?;
        let session = self.devices.get(&device_id).map(|device| device.session);
        let conversation = session.and_then(|session| self.conversations.get_mut(&session));
        let conversation = conversation.ok_or(RequestError::UnknownDevice(device_id))?;
        let number = self.next_request;
        self.next_request += 1;
        conversation.ask(time_ps, number, request);
        Ok(number)
    }

    /// The service's time.
    pub fn unix_s(&self, now_ps: u64) -> u32 {
        // 136 years of virtual time fit; after them it wraps as the format does.
        self.config.epoch_unix_s.wrapping_add((now_ps / PS_PER_S) as u32)
    }

    pub(super) fn next_wake_ps(&self) -> u64 {
        let operator_ps = self.operator.next_wake_ps(self.commanded().map(|(_, device)| device));
        self.conversations.values().map(Conversation::next_wake_ps).fold(operator_ps, u64::min)
    }

    pub(super) fn advance(&mut self, now_ps: u64, output: &mut PeerOutput, decisions: &mut Decisions) {
        let device_id = self.commanded().map(|(id, _)| id);
        for kind in self.operate(now_ps) {
            output.observe(CloudEvent { time_ps: now_ps, device_id, kind });
        }
        let due = self.conversations.iter().filter(|(_, c)| c.next_wake_ps() <= now_ps);
        let due: Vec<u64> = due.map(|(session, _)| *session).collect();
        for session in due {
            self.converse(now_ps, session, output, decisions, |conversation, context, outcome| {
                conversation.advance(context, outcome);
            });
        }
    }

    pub(super) fn receive(&mut self, now_ps: u64, packet: &Packet, output: &mut PeerOutput, decisions: &mut Decisions) {
        let Payload::Udp(datagram) = &packet.payload else { return };
        let mut entropy = || {
            let words: [u32; 8] = std::array::from_fn(|_| decisions.entropy_u32(STREAM));
            let mut bytes = [0; 32];
            for (to, from) in bytes.chunks_exact_mut(4).zip(words) {
                to.copy_from_slice(&from.to_be_bytes());
            }
            bytes
        };
        let received = self.dtls.receive(now_ps, packet.to, packet.from, datagram, &mut entropy);
        for answer in received.answers {
            output.reply(packet, Payload::Udp(answer));
        }
        for event in received.events {
            self.dtls_event(now_ps, event, output, decisions);
        }
        self.abandon_lost_sessions(now_ps, output);
    }

    /// A session that gave way to another has nobody to talk to.
    fn abandon_lost_sessions(&mut self, now_ps: u64, output: &mut PeerOutput) {
        let is_lost = |session: &u64| self.dtls.session(*session).is_none();
        let lost: Vec<u64> = self.conversations.keys().copied().filter(is_lost).collect();
        for session in lost {
            let Some(conversation) = self.conversations.remove(&session) else { continue };
            let (device_id, mut outcome) = (conversation.device_id, Outcome::default());
            conversation.abandon(&mut outcome);
            self.happened(now_ps, session, device_id, outcome.events, output);
        }
    }

    /// Lets a conversation go on, and sends and tells what comes of it.
    fn converse(
        &mut self,
        now_ps: u64,
        session: u64,
        output: &mut PeerOutput,
        decisions: &mut Decisions,
        go_on: impl FnOnce(&mut Conversation, &mut Context<'_>, &mut Outcome),
    ) {
        let device = self.named(session).and_then(|id| self.devices.get(&id));
        let completes_itself = device.is_some_and(|device| device.description.completes_updates_itself());
        let mut outcome = Outcome::default();
        let unix_s = self.unix_s(now_ps);
        let mut context = Context { now_ps, unix_s, update: &self.config.update, completes_itself, decisions };
        if let Some(conversation) = self.conversations.get_mut(&session) {
            go_on(conversation, &mut context, &mut outcome);
        }
        let published: Vec<_> = outcome.events.iter().filter_map(Self::publication).collect();
        self.take_outcome(now_ps, session, outcome, output);
        for (name, data) in published {
            if let Some(device_id) = self.named(session) {
                self.published(now_ps, device_id, (&name, &data), output, decisions);
            }
        }
    }

    fn dtls_event(&mut self, now_ps: u64, event: DtlsEvent, output: &mut PeerOutput, decisions: &mut Decisions) {
        let mut emit = |device_id, kind| output.observe(CloudEvent { time_ps: now_ps, device_id, kind });
        match event {
            DtlsEvent::ClientHello { has_cookie } => emit(None, CloudEventKind::ClientHello { has_cookie }),
            DtlsEvent::Established { session } => {
                self.conversations.insert(session, Conversation::default());
                emit(None, CloudEventKind::Handshake);
            }
            DtlsEvent::Continued { session } => {
                self.converse(now_ps, session, output, decisions, |conversation, _, outcome| {
                    outcome.events.push(CloudEventKind::Resumed);
                    conversation.reconnected(outcome);
                });
            }
            DtlsEvent::Moved { session, to } => {
                let kind = CloudEventKind::AddressChanged { to };
                self.happened(now_ps, session, self.named(session), vec![kind], output);
            }
            DtlsEvent::Data { session, bytes } => {
                self.conversations.entry(session).or_default();
                self.converse(now_ps, session, output, decisions, |conversation, context, outcome| {
                    conversation.receive(context, &bytes, outcome);
                });
                if let Some(device) = self.named(session).and_then(|id| self.devices.get_mut(&id)) {
                    device.last_heard_ps = now_ps;
                }
            }
            DtlsEvent::Alert { session, description } => {
                let kind = CloudEventKind::Alert { description };
                match session {
                    Some(session) => self.happened(now_ps, session, self.named(session), vec![kind], output),
                    None => emit(None, kind),
                }
            }
            DtlsEvent::Failed { error } => emit(None, CloudEventKind::handshake_failed(error)),
            DtlsEvent::UnknownSession { device_id } => emit(Some(DeviceId(device_id)), CloudEventKind::UnknownSession),
            DtlsEvent::Ignored { what } => output.unmodelled(format!("cloud: {what}")),
        }
    }

    fn take_outcome(&mut self, now_ps: u64, session: u64, outcome: Outcome, output: &mut PeerOutput) {
        if let Some(device_id) = outcome.device_id {
            self.dtls.name_session(session, device_id.0);
        }
        for message in outcome.messages {
            if let Some((from, to, datagram)) = self.dtls.send(session, &message) {
                output.send(Packet { from, to, payload: Payload::Udp(datagram), sent_ps: 0 });
            }
        }
        for what in outcome.unmodelled {
            output.unmodelled(format!("cloud: {what}"));
        }
        self.happened(now_ps, session, self.named(session), outcome.events, output);
    }

    /// The device of a session.
    fn named(&self, session: u64) -> Option<DeviceId> {
        self.dtls.session(session).and_then(|session| session.device_id).map(DeviceId)
    }

    /// Records and tells what happened in a session.
    fn happened(
        &mut self,
        now_ps: u64,
        session: u64,
        device_id: Option<DeviceId>,
        events: Vec<CloudEventKind>,
        output: &mut PeerOutput,
    ) {
        let is_alive = self.dtls.session(session).is_some();
        for kind in events {
            let mut told = Vec::new();
            if let Some(device_id) = device_id {
                self.make_room_for(device_id);
                let device = self.devices.entry(device_id).or_insert_with(|| DeviceRecord::new(session, now_ps));
                if is_alive {
                    device.session = session;
                }
                device.record(now_ps, &kind);
                told = self.operator.observe(now_ps, &kind, device);
            }
            for kind in std::iter::once(kind).chain(told) {
                output.observe(CloudEvent { time_ps: now_ps, device_id, kind });
            }
        }
    }

    fn make_room_for(&mut self, device_id: DeviceId) {
        if self.devices.len() >= DEVICES_MAX && !self.devices.contains_key(&device_id) {
            let oldest = self.devices.iter().min_by_key(|(_, device)| device.last_heard_ps).map(|(id, _)| *id);
            oldest.map(|id| self.devices.remove(&id));
        }
    }
}
