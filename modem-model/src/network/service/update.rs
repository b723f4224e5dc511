//! An update over the air, as the service sees it: one image to one device.
//!
//! ```text
//! UpdateBegin ──ACK──► UpdateReady ──ACK──► chunks ──► UpdateDone ──2.04──► delivered
//!                                             ▲            │4.00
//!                                             └─ChunkMissed┘
//! ```
//! Devices before 1.0.0 ask for missing chunks again after 3 s of silence, and say themselves that they have all. Later
//! ones do nothing by themselves, so the service repeats UpdateDone until nothing is missing. To a device of the first
//! kind it is not repeated: one that reaches it after its update has ended makes it read through a null pointer
//! (`chunked_transfer.cpp`, v0.5.2 to v0.9.0 against v1.0.0).

use std::collections::VecDeque;

use lockstep_traces::Decisions;
use serde::{Deserialize, Serialize};

use super::STREAM;
use super::coap::{self, Response, code};
use super::confirmable::Confirmable;
use super::device::{Numbers, Outcome};
use super::event::CloudEventKind;
use crate::time::{DurationRange, PS_PER_S};

/// The staging area of a device: 128 KB at 0x080C0000.
pub const IMAGE_BYTES_MAX: usize = 128 << 10;
/// The flash writer of a device takes words.
const WORD_BYTES: usize = 4;
/// Wait for UpdateReady: the device asks its application (up to 30 s before 1.2.0), then erases 128 KB of flash.
const READY_TIMEOUT_PS: u64 = 90 * PS_PER_S;
/// Wait for what the device says of a chunk, in slow mode.
const CHUNK_ANSWER_TIMEOUT_PS: u64 = 60 * PS_PER_S;
/// Wait between the last chunk that was asked for again and the next UpdateDone. A device takes about 0.11 s for a
/// chunk (log 0002); it need not have taken them all, they are read in order.
const DONE_AGAIN_PS: u64 = PS_PER_S;
/// The same while a device does not say what is missing.
const MISSED_TIMEOUT_PS: u64 = 10 * PS_PER_S;
/// What can be chosen about updates.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct UpdateSettings {
    /// Fast mode: chunks without acknowledgements. The device may want the slow one.
    pub fast: bool,
    /// Bytes of a chunk; 512 in log 0002. A device's buffer takes no more than about 700.
    pub chunk_bytes: u16,
    /// Time from one chunk to the next in fast mode, drawn for each. In log 0002 28 chunks and UpdateDone arrive within
    /// 0.21 to 0.27 s: 7.5 to 9.6 ms each.
    pub chunk_interval: DurationRange,
    /// An update that takes longer is given up, in seconds.
    pub timeout_s: u64,
}

impl Default for UpdateSettings {
    fn default() -> Self {
        Self { fast: true, chunk_bytes: 512, chunk_interval: DurationRange::us(7_500, 9_600), timeout_s: 900 }
    }
}

#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
enum Phase {
    /// UpdateBegin waits for its acknowledgement.
    Begin(Confirmable),
    /// It has it; UpdateReady is to come.
    Ready { due_ps: u64 },
    /// Fast mode: these chunks are to be sent, for the first time or because the device asked.
    Chunks { waiting: VecDeque<u16>, is_repetition: bool, due_ps: u64 },
    /// Slow mode: a chunk waits for its acknowledgement, or for what the device says of it.
    Chunk { index: u16, sent: Option<Confirmable>, due_ps: u64 },
    /// UpdateDone waits for its answer.
    Done(Confirmable),
    /// Chunks are missing: the device says which, or takes those sent again.
    Missing { due_ps: u64 },
}

/// An update under way.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub(super) struct Update {
    /// The request's number.
    pub number: u64,
    image: Vec<u8>,
    settings: UpdateSettings,
    completes_itself: bool,
    token: u8,
    phase: Phase,
    give_up_ps: u64,
    /// Tenths of the image sent, for observers.
    tenths: u32,
}

/// How an update goes on.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Progress {
    /// It is under way.
    Going,
    /// It is over; the outcome says how.
    Over,
}
use Progress::{Going, Over};

impl Update {
    /// Begins: sends UpdateBegin. `completes_itself` tells a device before 1.0.0.
    pub fn begin(
        now_ps: u64,
        number: u64,
        mut image: Vec<u8>,
        settings: UpdateSettings,
        completes_itself: bool,
        numbers: &mut Numbers,
        outcome: &mut Outcome,
    ) -> Self {
        image.resize(image.len().next_multiple_of(WORD_BYTES), 0xff);
        let (id, token) = numbers.next();
        let length = image.len() as u32;
        let mut payload = vec![u8::from(settings.fast)];
        payload.extend(settings.chunk_bytes.to_be_bytes());
        payload.extend(length.to_be_bytes());
        // Store 0 is firmware; its address counts from the staging area's start.
        payload.extend([0; 5]);
        let bytes = coap::request(id, token, code::POST, &[b"u"], &[], &payload);
        outcome.messages.push(bytes.clone());
        let give_up_ps = now_ps.saturating_add(settings.timeout_s.saturating_mul(PS_PER_S));
        let phase = Phase::Begin(Confirmable::new(now_ps, id, bytes));
        let update = Self { number, image, settings, completes_itself, token, phase, give_up_ps, tenths: 0 };
        outcome.events.push(CloudEventKind::UpdateBegun { request: number, bytes: length, chunks: update.chunks() });
        update
    }

    fn chunks(&self) -> u32 {
        self.image.len().div_ceil(self.chunk_bytes()) as u32
    }

    /// How many of the chunks have been sent.
    pub fn chunks_sent(&self) -> u32 {
        match &self.phase {
            Phase::Begin(_) | Phase::Ready { .. } => 0,
            Phase::Chunks { waiting, is_repetition: false, .. } => self.chunks().saturating_sub(waiting.len() as u32),
            Phase::Chunk { index, .. } => u32::from(*index) + 1,
            Phase::Chunks { .. } | Phase::Done(_) | Phase::Missing { .. } => self.chunks(),
        }
    }

    fn chunk_bytes(&self) -> usize {
        usize::from(self.settings.chunk_bytes).max(WORD_BYTES)
    }

    /// When [`advance`](Self::advance) is wanted.
    pub fn next_wake_ps(&self) -> u64 {
        let due_ps = match &self.phase {
            Phase::Begin(message) | Phase::Done(message) | Phase::Chunk { sent: Some(message), .. } => message.due_ps,
            Phase::Ready { due_ps }
            | Phase::Chunks { due_ps, .. }
            | Phase::Chunk { due_ps, .. }
            | Phase::Missing { due_ps } => *due_ps,
        };
        due_ps.min(self.give_up_ps)
    }

    /// Time has come to [`next_wake_ps`](Self::next_wake_ps).
    pub fn advance(
        &mut self,
        now_ps: u64,
        numbers: &mut Numbers,
        decisions: &mut Decisions,
        outcome: &mut Outcome,
    ) -> Progress {
        if now_ps >= self.give_up_ps {
            return self.fail(format!("not done after {} s", self.settings.timeout_s), outcome);
        }
        match &mut self.phase {
            Phase::Begin(message) | Phase::Done(message) | Phase::Chunk { sent: Some(message), .. }
                if message.due_ps <= now_ps =>
            {
                let Some(bytes) = message.again(now_ps) else {
                    return self.fail(format!("no answer to {}", self.waits_for()), outcome);
                };
                outcome.messages.push(bytes);
            }
            Phase::Ready { due_ps } | Phase::Chunk { due_ps, .. } if *due_ps <= now_ps => {
                return self.fail(format!("the device did not go on after {}", self.waits_for()), outcome);
            }
            Phase::Chunks { waiting, is_repetition, due_ps } if *due_ps <= now_ps => match waiting.pop_front() {
                Some(index) => {
                    let is_first_time = !*is_repetition;
                    let interval = self.settings.chunk_interval;
                    let interval_ps = interval.draw_ps(now_ps, STREAM, "chunk_interval_us", decisions);
                    *due_ps = now_ps.saturating_add(interval_ps);
                    let id = numbers.id();
                    let (crc, bytes) = self.chunk(index);
                    let query: [&[u8]; 2] = [&crc, &index.to_be_bytes()];
                    let token = self.token;
                    outcome.messages.push(coap::notification(id, token, code::POST, &[b"c"], &query, bytes));
                    if is_first_time {
                        self.tell_progress(index, outcome);
                    }
                }
                None if *is_repetition => {
                    // A device that completes by itself says so, or asks again.
                    let wait_ps = if self.completes_itself { u64::MAX } else { now_ps + DONE_AGAIN_PS };
                    self.phase = Phase::Missing { due_ps: wait_ps };
                }
                None => self.done(now_ps, numbers, outcome),
            },
            Phase::Missing { due_ps } if *due_ps <= now_ps => self.done(now_ps, numbers, outcome),
            _ => {}
        }
        Going
    }

    fn waits_for(&self) -> &'static str {
        match self.phase {
            Phase::Begin(_) | Phase::Ready { .. } => "UpdateBegin",
            Phase::Chunks { .. } | Phase::Chunk { .. } => "a chunk",
            Phase::Done(_) | Phase::Missing { .. } => "UpdateDone",
        }
    }

    /// The device acknowledged a message, with a response in it or without.
    pub fn acknowledged(
        &mut self,
        now_ps: u64,
        id: u16,
        response: Option<&Response>,
        outcome: &mut Outcome,
    ) -> Option<Progress> {
        match &mut self.phase {
            Phase::Begin(message) if message.id == id => {
                if let Some(response) = response.filter(|response| response.code != code::CHANGED) {
                    let code = coap::code_text(response.code);
                    return Some(self.refused(format!("the device refuses it with {code}"), outcome));
                }
                self.phase = Phase::Ready { due_ps: now_ps + READY_TIMEOUT_PS };
            }
            Phase::Chunk { sent, due_ps, .. } if sent.as_ref().is_some_and(|message| message.id == id) => {
                *sent = None;
                *due_ps = now_ps + CHUNK_ANSWER_TIMEOUT_PS;
            }
            Phase::Done(message) if message.id == id => match response.map(|response| response.code) {
                None | Some(code::CHANGED) => return Some(self.delivered(outcome)),
                Some(code::BAD_REQUEST) => {
                    // A device that completes by itself asks until it has all.
                    let wait_ps = if self.completes_itself { u64::MAX } else { now_ps + MISSED_TIMEOUT_PS };
                    self.phase = Phase::Missing { due_ps: wait_ps };
                }
                Some(other) => {
                    let code = coap::code_text(other);
                    return Some(self.refused(format!("the device ends it with {code}"), outcome));
                }
            },
            _ => return None,
        }
        Some(Going)
    }

    /// The device refused a message with a CoAP reset.
    pub fn reset(&mut self, id: u16, outcome: &mut Outcome) -> Option<Progress> {
        match &self.phase {
            Phase::Begin(message) | Phase::Done(message) | Phase::Chunk { sent: Some(message), .. }
                if message.id == id =>
            {
                Some(self.refused(format!("the device answered {} with a reset", self.waits_for()), outcome))
            }
            _ => None,
        }
    }

    /// The device responded by a message of its own: UpdateReady, or what it says of a chunk.
    pub fn responded(
        &mut self,
        now_ps: u64,
        response: &Response,
        numbers: &mut Numbers,
        outcome: &mut Outcome,
    ) -> Option<Progress> {
        if response.token != [self.token] {
            return None;
        }
        match (&self.phase, response.code) {
            (Phase::Begin(_) | Phase::Ready { .. }, code::CHANGED) => {
                // Bit 0: what the device chose.
                let fast = response.payload.first().map_or(self.settings.fast, |flags| flags & 1 != 0);
                outcome.events.push(CloudEventKind::UpdateReady { request: self.number, fast });
                if fast {
                    let waiting = (0..self.chunks()).map(|index| index as u16).collect();
                    self.phase = Phase::Chunks { waiting, is_repetition: false, due_ps: now_ps };
                } else {
                    self.slow_chunk(now_ps, 0, numbers, outcome);
                }
            }
            (Phase::Begin(_) | Phase::Ready { .. }, refusal) => {
                let code = coap::code_text(refusal);
                return Some(self.refused(format!("the device refuses it with {code}"), outcome));
            }
            (&Phase::Chunk { index, .. }, code::CHANGED) => {
                self.tell_progress(index, outcome);
                if u32::from(index) + 1 < self.chunks() {
                    self.slow_chunk(now_ps, index + 1, numbers, outcome);
                } else {
                    self.done(now_ps, numbers, outcome);
                }
            }
            (&Phase::Chunk { index, .. }, _) => {
                outcome.events.push(CloudEventKind::UpdateChunksMissed { request: self.number, chunks: vec![index] });
                self.slow_chunk(now_ps, index, numbers, outcome);
            }
            _ => {}
        }
        Some(Going)
    }

    /// ChunkMissed: the device says which chunks it does not have.
    pub fn missed(&mut self, now_ps: u64, payload: &[u8], outcome: &mut Outcome) {
        let chunks = self.chunks();
        let asked = payload.chunks_exact(2).map(|pair| u16::from_be_bytes([pair[0], pair[1]]));
        let asked: Vec<u16> = asked.filter(|index| u32::from(*index) < chunks).collect();
        outcome.events.push(CloudEventKind::UpdateChunksMissed { request: self.number, chunks: asked.clone() });
        match &mut self.phase {
            Phase::Chunks { waiting, .. } => {
                let new: Vec<u16> = asked.into_iter().filter(|index| !waiting.contains(index)).collect();
                waiting.extend(new);
            }
            // UpdateDone was received, whatever became of its answer.
            Phase::Done(_) | Phase::Missing { .. } => {
                self.phase = Phase::Chunks { waiting: asked.into(), is_repetition: true, due_ps: now_ps };
            }
            Phase::Begin(_) | Phase::Ready { .. } | Phase::Chunk { .. } => {}
        }
    }

    /// UpdateDone from the device: it has everything.
    pub fn completed(&mut self, outcome: &mut Outcome) -> Progress {
        self.delivered(outcome)
    }

    /// It cannot go on.
    pub fn fail(&mut self, reason: String, outcome: &mut Outcome) -> Progress {
        // UpdateDone has been sent: its answer may be what was lost.
        let may_have_it = match self.phase {
            Phase::Done(_) | Phase::Missing { .. } => true,
            Phase::Chunks { is_repetition, .. } => is_repetition,
            Phase::Begin(_) | Phase::Ready { .. } | Phase::Chunk { .. } => false,
        };
        outcome.events.push(CloudEventKind::UpdateFailed { request: self.number, reason, may_have_it });
        Over
    }

    /// The device does not want it.
    fn refused(&mut self, reason: String, outcome: &mut Outcome) -> Progress {
        outcome.events.push(CloudEventKind::UpdateFailed { request: self.number, reason, may_have_it: false });
        Over
    }

    fn delivered(&mut self, outcome: &mut Outcome) -> Progress {
        outcome.events.push(CloudEventKind::UpdateDelivered { request: self.number });
        Over
    }

    /// CRC-32 and bytes of a chunk.
    fn chunk(&self, index: u16) -> ([u8; 4], &[u8]) {
        let start = usize::from(index) * self.chunk_bytes();
        let end = (start + self.chunk_bytes()).min(self.image.len());
        let bytes = self.image.get(start..end).unwrap_or_default();
        (crc32fast::hash(bytes).to_be_bytes(), bytes)
    }

    /// Slow mode: the device counts the chunks itself.
    fn slow_chunk(&mut self, now_ps: u64, index: u16, numbers: &mut Numbers, outcome: &mut Outcome) {
        let id = numbers.id();
        let (crc, bytes) = self.chunk(index);
        let message = coap::request(id, self.token, code::POST, &[b"c"], &[&crc], bytes);
        outcome.messages.push(message.clone());
        let sent = Some(Confirmable::new(now_ps, id, message));
        self.phase = Phase::Chunk { index, sent, due_ps: u64::MAX };
    }

    fn done(&mut self, now_ps: u64, numbers: &mut Numbers, outcome: &mut Outcome) {
        let id = numbers.id();
        let message = coap::request(id, self.token, code::PUT, &[b"u"], &[], &[]);
        outcome.messages.push(message.clone());
        self.phase = Phase::Done(Confirmable::new(now_ps, id, message));
    }

    fn tell_progress(&mut self, index: u16, outcome: &mut Outcome) {
        let (sent, chunks) = (u32::from(index) + 1, self.chunks());
        let tenths = sent * 10 / chunks.max(1);
        if tenths > self.tenths {
            self.tenths = tenths;
            outcome.events.push(CloudEventKind::UpdateProgress { request: self.number, chunks_sent: sent, chunks });
        }
    }
}
