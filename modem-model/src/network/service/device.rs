//! One device's conversation above its session: what it asks is answered, what it is asked is repeated until it answers.
//!
//! Over-the-air updates (UpdateBegin, chunks, UpdateDone) are not served yet: their messages are counted as unmodelled.
//! Their state machine gets a file of its own beside this one.

use std::collections::VecDeque;

use serde::{Deserialize, Serialize};

use super::coap::{self, Incoming, Request, Response, code};
use super::event::{CloudEventKind, DeviceId, Hello};
use super::request::ServerRequest;
use crate::time::PS_PER_S;

/// First wait for an acknowledgement; doubled each time, as devices do it themselves.
const ACKNOWLEDGEMENT_TIMEOUT_PS: u64 = 4 * PS_PER_S;
/// How often a request is sent before it is given up.
const TRANSMISSIONS: u32 = 4;
/// Wait for a response by itself after the acknowledgement: an application may be slow.
const RESPONSE_TIMEOUT_PS: u64 = 60 * PS_PER_S;
/// Messages of a device whose repetition is recognised.
const RECENT_MAX: usize = 32;
/// Number of requests that the service makes by itself.
const OWN_REQUEST: u64 = 0;
/// The Hello flag of devices that describe themselves without being asked.
const FLAG_DESCRIBES_ITSELF: u8 = 0x10;

/// A request to the device that waits for its turn.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
struct Asked {
    number: u64,
    time_ps: u64,
    request: ServerRequest,
}

/// A request to the device that is under way.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
struct Pending {
    number: u64,
    id: u16,
    token: u8,
    bytes: Vec<u8>,
    wants_response: bool,
    is_description: bool,
    is_acknowledged: bool,
    sent: u32,
    due_ps: u64,
}

/// What receiving or waiting led to.
#[derive(Debug, Default)]
pub struct Outcome {
    /// Messages for the device.
    pub messages: Vec<Vec<u8>>,
    /// What happened.
    pub events: Vec<CloudEventKind>,
    /// The device said its name.
    pub device_id: Option<DeviceId>,
    /// What it asked for that is not modelled.
    pub unmodelled: Vec<String>,
}

/// A conversation.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Conversation {
    next_id: u16,
    next_token: u8,
    queue: VecDeque<Asked>,
    pending: Option<Pending>,
    recent: VecDeque<(u16, Vec<u8>)>,
}

impl Conversation {
    /// Takes a request to the device; it is sent when those before it are answered (RFC 7252 section 4.7 allows one
    /// at a time, and devices drop others).
    pub fn ask(&mut self, time_ps: u64, number: u64, request: ServerRequest) {
        self.queue.push_back(Asked { number, time_ps, request });
    }

    /// When [`advance`](Self::advance) is wanted.
    pub fn next_wake_ps(&self) -> u64 {
        match (&self.pending, self.queue.front()) {
            (Some(pending), _) => pending.due_ps,
            (None, Some(asked)) => asked.time_ps,
            (None, None) => u64::MAX,
        }
    }

    /// Sends and repeats what is due.
    pub fn advance(&mut self, now_ps: u64, outcome: &mut Outcome) {
        if let Some(pending) = self.pending.as_mut().filter(|pending| pending.due_ps <= now_ps) {
            if pending.is_acknowledged || pending.sent >= TRANSMISSIONS {
                outcome.events.push(CloudEventKind::Unanswered { request: pending.number });
                self.pending = None;
            } else {
                outcome.messages.push(pending.bytes.clone());
                pending.due_ps = now_ps + (ACKNOWLEDGEMENT_TIMEOUT_PS << pending.sent);
                pending.sent += 1;
            }
        }
        if self.pending.is_some() || self.queue.front().is_none_or(|asked| asked.time_ps > now_ps) {
            return;
        }
        let Some(Asked { number, request, .. }) = self.queue.pop_front() else { return };
        self.next_id = self.next_id.wrapping_add(1);
        self.next_token = self.next_token.wrapping_add(1);
        let (id, token) = (self.next_id, self.next_token);
        let bytes = request.message(id, token);
        outcome.messages.push(bytes.clone());
        self.pending = Some(Pending {
            number,
            id,
            token,
            bytes,
            wants_response: request.wants_response(),
            is_description: matches!(request, ServerRequest::Describe),
            is_acknowledged: false,
            sent: 1,
            due_ps: now_ps + ACKNOWLEDGEMENT_TIMEOUT_PS,
        });
    }

    /// Whether its description has been asked for and has not come.
    fn awaits_description(&self) -> bool {
        self.pending.as_ref().is_some_and(|pending| pending.is_description)
            || self.queue.iter().any(|asked| asked.request == ServerRequest::Describe)
    }

    /// A message from the device. `unix_s` is the service's time.
    pub fn receive(&mut self, now_ps: u64, unix_s: u32, bytes: &[u8], outcome: &mut Outcome) {
        let Some(incoming) = coap::read(bytes) else {
            // One byte or none keeps a NAT's table alive.
            if bytes.len() > 1 {
                outcome.unmodelled.push("message that is not CoAP".to_owned());
            }
            return;
        };
        match incoming {
            Incoming::Ping { id } => {
                outcome.messages.push(coap::acknowledgement(id));
                outcome.events.push(CloudEventKind::Ping);
            }
            Incoming::Acknowledgement { id, response } => self.acknowledged(now_ps, id, response, outcome),
            Incoming::Reset { id } => {
                if let Some(pending) = self.pending.take_if(|pending| pending.id == id) {
                    outcome.events.push(CloudEventKind::Unanswered { request: pending.number });
                }
            }
            Incoming::Response { is_confirmable, id, response } => {
                if is_confirmable {
                    outcome.messages.push(coap::acknowledgement(id));
                }
                self.responded(response, outcome);
            }
            Incoming::Request(request) => self.requested(now_ps, unix_s, &request, outcome),
        }
        // The next request need not wait for a timer.
        if self.pending.is_none() {
            self.advance(now_ps, outcome);
        }
    }

    fn acknowledged(&mut self, now_ps: u64, id: u16, response: Option<Response>, outcome: &mut Outcome) {
        let Some(pending) = self.pending.as_mut().filter(|pending| pending.id == id) else { return };
        match response {
            Some(response) => self.responded(response, outcome),
            None if pending.wants_response => {
                pending.is_acknowledged = true;
                pending.due_ps = now_ps + RESPONSE_TIMEOUT_PS;
            }
            None => {
                let request = pending.number;
                self.pending = None;
                outcome.events.push(CloudEventKind::Answered { request, code: code::EMPTY, payload: Vec::new() });
            }
        }
    }

    fn responded(&mut self, response: Response, outcome: &mut Outcome) {
        let Some(pending) = self.pending.take_if(|pending| response.token == [pending.token]) else { return };
        if pending.is_description && response.code == code::CONTENT {
            let text = text(&response.payload);
            outcome.events.push(CloudEventKind::Described { text });
        }
        // What the service asks by itself nobody waits for.
        if pending.number != OWN_REQUEST {
            let Response { code, payload, .. } = response;
            outcome.events.push(CloudEventKind::Answered { request: pending.number, code, payload });
        }
    }

    fn requested(&mut self, now_ps: u64, unix_s: u32, request: &Request, outcome: &mut Outcome) {
        // A repeated message gets the same answer and has no other effect.
        if request.is_confirmable
            && let Some((_, answer)) = self.recent.iter().find(|(id, _)| *id == request.id)
        {
            return outcome.messages.push(answer.clone());
        }
        let answer = self.answer(now_ps, unix_s, request, outcome);
        if request.is_confirmable {
            let answer = answer.unwrap_or_else(|| coap::acknowledgement(request.id));
            if self.recent.len() >= RECENT_MAX {
                self.recent.pop_front();
            }
            self.recent.push_back((request.id, answer.clone()));
            outcome.messages.push(answer);
        }
    }

    /// The answer to a request; `None` is an empty acknowledgement.
    fn answer(&mut self, now_ps: u64, unix_s: u32, request: &Request, outcome: &mut Outcome) -> Option<Vec<u8>> {
        let mut path = request.path.iter().map(Vec::as_slice);
        let resource = path.next().unwrap_or_default();
        match (request.method, resource) {
            (code::POST, b"h") => match hello(&request.payload) {
                Some((hello, device_id)) => {
                    // Message ids of a device start anew with its session.
                    self.recent.clear();
                    outcome.device_id = Some(device_id);
                    let describes_itself = hello.flags & FLAG_DESCRIBES_ITSELF != 0;
                    outcome.events.push(CloudEventKind::Hello(hello));
                    if !describes_itself && !self.awaits_description() {
                        self.ask(now_ps, OWN_REQUEST, ServerRequest::Describe);
                    }
                    None
                }
                None => refuse(request, "hello that is malformed", code::BAD_REQUEST, outcome),
            },
            (code::POST, b"e" | b"E") => {
                let name = join(path);
                let (data, is_public) = (text(&request.payload), resource == b"e");
                let is_confirmable = request.is_confirmable;
                outcome.events.push(CloudEventKind::Published { name, data, is_public, is_confirmable });
                None
            }
            (code::GET, b"e" | b"E") => {
                outcome.events.push(CloudEventKind::Subscribed { filter: join(path) });
                None
            }
            (code::GET, b"t") => {
                outcome.events.push(CloudEventKind::Time { unix_s });
                Some(coap::response(request.id, &request.token, code::CONTENT, &unix_s.to_be_bytes()))
            }
            (code::POST, b"d") => {
                outcome.events.push(CloudEventKind::Described { text: text(&request.payload) });
                Some(coap::response(request.id, &request.token, code::CHANGED, &[]))
            }
            (method, resource) => {
                let what = format!("request {method} {:?}", String::from_utf8_lossy(resource));
                refuse(request, &what, code::NOT_FOUND, outcome)
            }
        }
    }
}

fn refuse(request: &Request, what: &str, code: u8, outcome: &mut Outcome) -> Option<Vec<u8>> {
    outcome.unmodelled.push(what.to_owned());
    Some(coap::response(request.id, &request.token, code, &[]))
}

fn join<'a>(path: impl Iterator<Item = &'a [u8]>) -> String {
    path.map(text).collect::<Vec<_>>().join("/")
}

fn text(bytes: &[u8]) -> String {
    String::from_utf8_lossy(bytes).into_owned()
}

fn hello(payload: &[u8]) -> Option<(Hello, DeviceId)> {
    let (&[p1, p0, v1, v0, _, flags, f1, f0, 0, 12], id) = payload.split_first_chunk::<10>()? else { return None };
    let hello = Hello {
        product_id: u16::from_be_bytes([p1, p0]),
        product_version: u16::from_be_bytes([v1, v0]),
        flags,
        platform: u16::from_be_bytes([f1, f0]),
    };
    Some((hello, DeviceId(id.try_into().ok()?)))
}
