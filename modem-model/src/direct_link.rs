//! Direct link (`AT+USODL`): the serial line becomes the socket's stream, until `+++` between two silences, or until the
//! connection ends.
//!
//! What is buffered and when it is sent follows the triggers of `AT+UDCONF=5` to `7` (u-blox AT commands manual, +USODL).

use lockstep_traces::Decisions;
use serde::{Deserialize, Serialize};

use crate::at_log::Direction;
use crate::execution::Link;
use crate::modem::{Modem, Timer};
use crate::network::Protocol;
use crate::time::{PS_PER_MS, PS_PER_US};

/// Bytes that wait for a trigger, or for room in TCP; beyond it the line's flow control holds the client.
const BUFFER_BYTES_MAX: usize = 2048;
/// Bytes taken from a socket at once, and on TXD below which more are taken.
const PIECE_BYTES: usize = 512;
const TRANSMIT_LOW_BYTES: usize = 64;

/// When what the client sent leaves (`AT+UDCONF=5,6,7`); 0 and `None` are off.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) struct Triggers {
    pub timer_ms: u32,
    pub length: u32,
    pub character: Option<u8>,
}

impl Triggers {
    /// UDP has a timer and a length, TCP nothing: its bytes leave at once.
    pub fn of(protocol: Protocol) -> Self {
        match protocol {
            Protocol::Udp => Self { timer_ms: 500, length: 1024, character: None },
            Protocol::Tcp => Self { timer_ms: 0, length: 0, character: None },
        }
    }

    fn are_off(self) -> bool {
        self.timer_ms == 0 && self.length == 0 && self.character.is_none()
    }
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) enum DirectLinkStep {
    /// The silence after a `+` is over. The number tells apart silences.
    Silence(u64),
    /// The timer trigger.
    Send(u64),
}

#[derive(Clone, Debug, Default, Serialize, Deserialize)]
pub(crate) struct DirectLink {
    /// `+` that may be an escape.
    pluses: u8,
    heard_ps: u64,
    number: u64,
    buffer: Vec<u8>,
}

impl DirectLink {
    /// Room for another character.
    pub fn has_room(&self) -> bool {
        self.buffer.len() < BUFFER_BYTES_MAX
    }
}

impl Modem {
    pub(crate) fn direct_link_begins(&mut self) {
        let number = self.direct_link.number + 1;
        self.direct_link = DirectLink { number, heard_ps: self.now_ps, ..DirectLink::default() };
    }

    /// A character from the client.
    pub(crate) fn direct_link_character(&mut self, link: Link, byte: u8, decisions: &mut Decisions) {
        let guard_ps = self.config.timing.escape_guard_us.saturating_mul(PS_PER_US);
        let (now_ps, direct) = (self.now_ps, &mut self.direct_link);
        let is_silent = now_ps.saturating_sub(direct.heard_ps) >= guard_ps;
        direct.heard_ps = now_ps;
        direct.number += 1;
        let begins = direct.pluses == 0 && is_silent;
        let continues = (1..3).contains(&direct.pluses) && !is_silent;
        if byte == b'+' && (begins || continues) {
            direct.pluses += 1;
            let step = DirectLinkStep::Silence(direct.number);
            self.timers.insert(now_ps.saturating_add(guard_ps), Timer::DirectLink(step));
            return;
        }
        self.release_pluses();
        let direct = &mut self.direct_link;
        direct.buffer.push(byte);
        let triggers = self.sockets.get(link.handle).map(|socket| socket.triggers);
        let Some(triggers) = triggers else { return };
        let is_long = triggers.length > 0 && direct.buffer.len() >= triggers.length as usize;
        if triggers.are_off() || is_long || triggers.character == Some(byte) || !direct.has_room() {
            self.direct_link_send(link, decisions);
        } else if triggers.timer_ms > 0 {
            let at_ps = now_ps.saturating_add(u64::from(triggers.timer_ms) * PS_PER_MS);
            self.timers.insert(at_ps, Timer::DirectLink(DirectLinkStep::Send(direct.number)));
        }
    }

    /// They were no escape.
    fn release_pluses(&mut self) {
        let pluses = std::mem::take(&mut self.direct_link.pluses);
        self.direct_link.buffer.extend(std::iter::repeat_n(b'+', usize::from(pluses)));
    }

    pub(crate) fn direct_link_step(&mut self, step: DirectLinkStep, decisions: &mut Decisions) {
        let Some(link) = self.direct_link() else { return };
        let (DirectLinkStep::Silence(number) | DirectLinkStep::Send(number)) = step;
        if number != self.direct_link.number {
            return;
        }
        match step {
            DirectLinkStep::Silence(_) if self.direct_link.pluses == 3 => {
                self.direct_link.pluses = 0;
                self.direct_link_send(link, decisions);
                self.leave_direct_link();
            }
            DirectLinkStep::Silence(_) => {
                self.release_pluses();
                self.direct_link_send(link, decisions);
            }
            DirectLinkStep::Send(_) => self.direct_link_send(link, decisions),
        }
    }

    /// Sends what the client wrote, as far as it can be sent.
    fn direct_link_send(&mut self, link: Link, decisions: &mut Decisions) {
        let limit = self.config.sockets.send_bytes;
        let Some(socket) = self.sockets.get_mut(link.handle).filter(|s| s.generation == link.generation) else {
            return;
        };
        let bytes = match &mut socket.tcp {
            Some(tcp) => {
                let room = limit.saturating_sub(tcp.unacknowledged()).min(self.direct_link.buffer.len());
                let bytes: Vec<u8> = self.direct_link.buffer.drain(..room).collect();
                tcp.write(&bytes);
                bytes
            }
            None => std::mem::take(&mut self.direct_link.buffer),
        };
        if bytes.is_empty() {
            return;
        }
        socket.sent_bytes += bytes.len() as u64;
        self.log.push(self.now_ps, Direction::PayloadToModem, &bytes);
        self.send_or_flush(link.handle, bytes, decisions);
    }

    /// Gives the client what came, and notices the end of the connection.
    pub(crate) fn pump_direct_link(&mut self, decisions: &mut Decisions) {
        let Some(link) = self.direct_link() else { return };
        if !self.direct_link.buffer.is_empty() && self.direct_link_retries(link) {
            self.direct_link_send(link, decisions);
        }
        if self.line.transmit_len() >= TRANSMIT_LOW_BYTES {
            return;
        }
        let socket = self.sockets.get_mut(link.handle).filter(|s| s.generation == link.generation);
        let Some(socket) = socket else { return self.leave_direct_link() };
        let is_over = socket.protocol == Protocol::Tcp && !socket.is_established();
        let bytes = match &mut socket.tcp {
            Some(tcp) => tcp.read(PIECE_BYTES),
            None => socket.read_datagram(PIECE_BYTES).map(|(_, bytes)| bytes).unwrap_or_default(),
        };
        if !bytes.is_empty() {
            self.log.push(self.now_ps, Direction::FromModem, &bytes);
            self.line.send(&bytes);
            self.flush_socket(link.handle, decisions);
        } else if is_over {
            self.leave_direct_link();
        }
    }

    /// Whether bytes wait for room in TCP, not for a trigger.
    fn direct_link_retries(&self, link: Link) -> bool {
        self.sockets.get(link.handle).is_some_and(|socket| {
            let limit = self.config.sockets.send_bytes;
            socket.triggers.are_off() && socket.tcp.as_ref().is_some_and(|tcp| tcp.unacknowledged() < limit)
        })
    }
}
