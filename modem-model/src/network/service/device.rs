//! One device's conversation above its session: what it asks is answered, what it is asked is repeated until it answers.

use std::collections::VecDeque;

use lockstep_traces::Decisions;
use serde::{Deserialize, Serialize};

use super::coap::{self, Incoming, Request, Response, code};
use super::confirmable::Confirmable;
use super::event::{CloudEventKind, DeviceId, Hello};
use super::request::ServerRequest;
use super::update::{Progress, Update, UpdateSettings};
use crate::time::PS_PER_S;

/// Wait for a response by itself after the acknowledgement: an application may be slow.
const RESPONSE_TIMEOUT_PS: u64 = 60 * PS_PER_S;
/// Messages of a device whose repetition is recognised.
const RECENT_MAX: usize = 32;
/// Requests to a device that wait for their turn, at most; beyond it the service makes none by itself.
const QUEUE_MAX: usize = 64;
/// Number of requests that the service makes by itself.
pub(super) const OWN_REQUEST: u64 = 0;
/// The Hello flag of devices that describe themselves without being asked (`protocol.cpp`, v2.0.0).
const FLAG_DESCRIBES_ITSELF: u8 = 0x20;

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
    token: u8,
    message: Confirmable,
    wants_response: bool,
    is_description: bool,
    /// It is acknowledged, and its answer is awaited until then.
    answer_due_ps: Option<u64>,
}

impl Pending {
    fn due_ps(&self) -> u64 {
        self.answer_due_ps.unwrap_or(self.message.due_ps)
    }
}

/// Message ids and tokens for the messages to a device.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Numbers {
    id: u16,
    token: u8,
}

impl Numbers {
    /// The next message id.
    pub fn id(&mut self) -> u16 {
        self.id = self.id.wrapping_add(1);
        self.id
    }

    /// The next message id and the next token.
    pub fn next(&mut self) -> (u16, u8) {
        self.token = self.token.wrapping_add(1);
        (self.id(), self.token)
    }
}

/// What a conversation needs to know of the world.
pub struct Context<'a> {
    /// Virtual time.
    pub now_ps: u64,
    /// The service's time, in seconds since 1970.
    pub unix_s: u32,
    /// How to update.
    pub update: &'a UpdateSettings,
    /// Whether the device is one that completes updates by itself: before 1.0.0.
    pub completes_itself: bool,
    /// The choices of the service.
    pub decisions: &'a mut Decisions,
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
    /// The device, once it has said its name.
    pub device_id: Option<DeviceId>,
    numbers: Numbers,
    queue: VecDeque<Asked>,
    pending: Option<Pending>,
    update: Option<Update>,
    recent: VecDeque<(u16, Vec<u8>)>,
    /// It was asked for its description and never answered.
    lacks_description: bool,
}

impl Conversation {
    /// Takes a request to the device; it is sent when those before it are answered (RFC 7252 section 4.7 allows one
    /// at a time, and devices drop others). An update is no obstacle to other requests, as it takes minutes.
    pub fn ask(&mut self, time_ps: u64, number: u64, request: ServerRequest) {
        self.queue.push_back(Asked { number, time_ps, request });
    }

    /// Whether the service may add a request of its own: a device that acknowledges nothing must not fill the memory.
    pub fn has_room(&self) -> bool {
        self.queue.len() < QUEUE_MAX
    }

    /// How many chunks of the update under way have been sent; `None` if there is none.
    pub fn chunks_sent(&self) -> Option<u32> {
        self.update.as_ref().map(Update::chunks_sent)
    }

    /// When [`advance`](Self::advance) is wanted.
    pub fn next_wake_ps(&self) -> u64 {
        let request_ps = match &self.pending {
            Some(pending) => pending.due_ps(),
            None => self.startable().map_or(u64::MAX, |asked| asked.time_ps),
        };
        request_ps.min(self.update.as_ref().map_or(u64::MAX, Update::next_wake_ps))
    }

    /// The next request, unless it is an update that waits for another.
    fn startable(&self) -> Option<&Asked> {
        let is_update = |asked: &&Asked| matches!(asked.request, ServerRequest::Update { .. });
        self.queue.front().filter(|asked| self.update.is_none() || !is_update(asked))
    }

    /// Sends and repeats what is due.
    pub fn advance(&mut self, context: &mut Context<'_>, outcome: &mut Outcome) {
        let now_ps = context.now_ps;
        if let Some(update) = self.update.as_mut().filter(|update| update.next_wake_ps() <= now_ps) {
            let progress = update.advance(now_ps, &mut self.numbers, context.decisions, outcome);
            self.update_went(Some(progress));
        }
        if let Some(pending) = self.pending.as_mut().filter(|pending| pending.due_ps() <= now_ps) {
            let again = if pending.answer_due_ps.is_some() { None } else { pending.message.again(now_ps) };
            match again {
                Some(bytes) => outcome.messages.push(bytes),
                None => {
                    self.lacks_description |= pending.is_description && pending.number == OWN_REQUEST;
                    // What the service asks by itself nobody waits for.
                    if pending.number != OWN_REQUEST {
                        outcome.events.push(CloudEventKind::Unanswered { request: pending.number });
                    }
                    self.pending = None;
                }
            }
        }
        while self.pending.is_none() && self.startable().is_some_and(|asked| asked.time_ps <= now_ps) {
            let Some(Asked { number, request, .. }) = self.queue.pop_front() else { return };
            self.start(context, number, request, outcome);
        }
    }

    fn start(&mut self, context: &Context<'_>, number: u64, request: ServerRequest, outcome: &mut Outcome) {
        let now_ps = context.now_ps;
        let (wants_response, is_description) = (request.wants_response(), matches!(request, ServerRequest::Describe));
        if let ServerRequest::Update { image } = request {
            let (settings, completes_itself) = (context.update.clone(), context.completes_itself);
            let numbers = &mut self.numbers;
            self.update = Some(Update::begin(now_ps, number, image, settings, completes_itself, numbers, outcome));
            return;
        }
        let (id, token) = self.numbers.next();
        let bytes = request.message(id, token);
        outcome.messages.push(bytes.clone());
        let message = Confirmable::new(now_ps, id, bytes);
        self.pending = Some(Pending { number, token, message, wants_response, is_description, answer_due_ps: None });
    }

    fn update_went(&mut self, progress: Option<Progress>) {
        if progress == Some(Progress::Over) {
            self.update = None;
        }
    }

    /// Whether its description has been asked for and has not come.
    fn awaits_description(&self) -> bool {
        self.pending.as_ref().is_some_and(|pending| pending.is_description)
            || self.queue.iter().any(|asked| asked.request == ServerRequest::Describe)
    }

    /// The device has connected anew, which it does after a reset or a failure: what it was in the middle of is over.
    pub fn reconnected(&mut self, outcome: &mut Outcome) {
        if let Some(mut update) = self.update.take() {
            update.fail("the device connected anew in the middle of it".to_owned(), outcome);
        }
    }

    /// Its session is no more.
    pub fn abandon(mut self, outcome: &mut Outcome) {
        self.reconnected(outcome);
        let pending = self.pending.into_iter().map(|pending| pending.number);
        for request in pending.chain(self.queue.into_iter().map(|asked| asked.number)) {
            if request != OWN_REQUEST {
                outcome.events.push(CloudEventKind::Unanswered { request });
            }
        }
    }

    /// A message from the device.
    pub fn receive(&mut self, context: &mut Context<'_>, bytes: &[u8], outcome: &mut Outcome) {
        let Some(incoming) = coap::read(bytes) else {
            // One byte or none keeps a NAT's table alive.
            if bytes.len() > 1 {
                outcome.unmodelled.push("message that is not CoAP".to_owned());
            }
            return;
        };
        let now_ps = context.now_ps;
        // Without a description no command of the operator reaches the device.
        if std::mem::take(&mut self.lacks_description) && !self.awaits_description() {
            self.ask(now_ps, OWN_REQUEST, ServerRequest::Describe);
        }
        match incoming {
            Incoming::Ping { id } => {
                outcome.messages.push(coap::acknowledgement(id));
                outcome.events.push(CloudEventKind::Ping);
            }
            Incoming::Acknowledgement { id, response } => self.acknowledged(now_ps, id, response, outcome),
            Incoming::Reset { id } => {
                if let Some(pending) = self.pending.take_if(|pending| pending.message.id == id)
                    && pending.number != OWN_REQUEST
                {
                    outcome.events.push(CloudEventKind::Unanswered { request: pending.number });
                }
                let progress = self.update.as_mut().and_then(|update| update.reset(id, outcome));
                self.update_went(progress);
            }
            Incoming::Response { is_confirmable, id, response } => {
                if is_confirmable {
                    outcome.messages.push(coap::acknowledgement(id));
                    if self.recent.iter().any(|(known, _)| *known == id) {
                        return;
                    }
                    self.remember(id, coap::acknowledgement(id));
                }
                self.responded(now_ps, response, outcome);
            }
            Incoming::Request(request) => self.requested(context, &request, outcome),
        }
        // The next request need not wait for a timer.
        if self.pending.is_none() {
            self.advance(context, outcome);
        }
    }

    fn acknowledged(&mut self, now_ps: u64, id: u16, response: Option<Response>, outcome: &mut Outcome) {
        if let Some(update) = &mut self.update
            && let Some(progress) = update.acknowledged(now_ps, id, response.as_ref(), outcome)
        {
            return self.update_went(Some(progress));
        }
        let Some(pending) = self.pending.as_mut().filter(|pending| pending.message.id == id) else { return };
        match response {
            Some(response) => self.responded(now_ps, response, outcome),
            None if pending.wants_response => pending.answer_due_ps = Some(now_ps + RESPONSE_TIMEOUT_PS),
            None => {
                let request = pending.number;
                self.pending = None;
                if request != OWN_REQUEST {
                    outcome.events.push(CloudEventKind::Answered { request, code: code::EMPTY, payload: Vec::new() });
                }
            }
        }
    }

    fn responded(&mut self, now_ps: u64, response: Response, outcome: &mut Outcome) {
        if let Some(update) = &mut self.update
            && let Some(progress) = update.responded(now_ps, &response, &mut self.numbers, outcome)
        {
            return self.update_went(Some(progress));
        }
        let Some(pending) = self.pending.take_if(|pending| response.token == [pending.token]) else { return };
        if pending.is_description && response.code == code::CONTENT {
            let text = text(&response.payload);
            outcome.events.push(CloudEventKind::Described { text });
        }
        if pending.number != OWN_REQUEST {
            let Response { code, payload, .. } = response;
            outcome.events.push(CloudEventKind::Answered { request: pending.number, code, payload });
        }
    }

    /// Remembers the answer to a confirmable message, for its repetitions.
    fn remember(&mut self, id: u16, answer: Vec<u8>) {
        if self.recent.len() >= RECENT_MAX {
            self.recent.pop_front();
        }
        self.recent.push_back((id, answer));
    }

    fn requested(&mut self, context: &Context<'_>, request: &Request, outcome: &mut Outcome) {
        // A repeated message gets the same answer and has no other effect.
        if request.is_confirmable
            && let Some((_, answer)) = self.recent.iter().find(|(id, _)| *id == request.id)
        {
            return outcome.messages.push(answer.clone());
        }
        // A device that waits for the acknowledgement drops all before it, so it goes first.
        let place = outcome.messages.len();
        let answer = self.answer(context, request, outcome);
        if request.is_confirmable {
            let answer = answer.unwrap_or_else(|| coap::acknowledgement(request.id));
            self.remember(request.id, answer.clone());
            outcome.messages.insert(place, answer);
        }
    }

    /// The answer to a request; `None` is an empty acknowledgement.
    fn answer(&mut self, context: &Context<'_>, request: &Request, outcome: &mut Outcome) -> Option<Vec<u8>> {
        let (now_ps, unix_s) = (context.now_ps, context.unix_s);
        let mut path = request.path.iter().map(Vec::as_slice);
        let resource = path.next().unwrap_or_default();
        match (request.method, resource) {
            (code::POST, b"h") => match hello(&request.payload) {
                Some((hello, device_id)) => {
                    // Message ids of a device start anew with its session.
                    self.recent.clear();
                    self.reconnected(outcome);
                    (self.device_id, outcome.device_id) = (Some(device_id), Some(device_id));
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
            (code::GET, b"c") if self.update.is_some() => {
                if let Some(update) = &mut self.update {
                    update.missed(now_ps, &request.payload, outcome);
                }
                None
            }
            (code::PUT, b"u") if self.update.is_some() => {
                let progress = self.update.as_mut().map(|update| update.completed(outcome));
                self.update_went(progress);
                None
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
