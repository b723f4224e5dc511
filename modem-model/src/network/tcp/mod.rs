//! One end of a TCP connection (RFC 9293), sans-IO: segments and calls in with their times, segments and events out.
//!
//! | file | what |
//! |---|---|
//! | `segment.rs` | segments, sequence numbers |
//! | `state.rs` | the states |
//! | `arrival.rs` | what a segment that arrives does (RFC 9293 3.10.7) |
//! | `send.rs`, `rto.rs`, `congestion.rs` | what is sent when, and again |
//! | `receive.rs` | order, window |
//!
//! Not modelled: urgent data, window scaling, timestamps, selective and delayed acknowledgments, keepalive.

mod arrival;
mod congestion;
mod receive;
mod rto;
mod segment;
mod send;
mod state;
#[cfg(test)]
mod tests;

use std::collections::VecDeque;

use serde::{Deserialize, Serialize};

use self::receive::Receiver;
pub use self::segment::{Flags, Segment, Seq};
use self::send::{Expiry, Sender};
pub use self::state::TcpState;
use crate::time::PS_PER_S;

/// How long a connection that we closed first is remembered: RFC 9293 wants two segment lifetimes (4 minutes); no
/// link here keeps a packet that long.
const TIME_WAIT_PS: u64 = 10 * PS_PER_S;
/// How long FIN-WAIT-2 waits for the other end once nobody reads any more (Linux: tcp_fin_timeout).
const FIN_WAIT_2_PS: u64 = 60 * PS_PER_S;
/// Segments that wait to be taken beside the stream itself: resets, challenges.
const REPLIES_MAX: usize = 16;

/// What can be chosen about an end.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct TcpConfig {
    /// MSS that it announces, in bytes.
    pub mss: u16,
    /// Bytes it holds for the reader. Windows are at most 65,535.
    pub receive_bytes: usize,
    /// Small segments wait for what is outstanding (Nagle).
    pub nagle: bool,
    /// Repetitions of a SYN before it gives up.
    pub syn_retries: u32,
    /// Repetitions of anything else.
    pub retries: u32,
}

impl Default for TcpConfig {
    /// 7 repetitions of a SYN are 183 s, 8 of data at least 243 s (RFC 9293 3.8.3 asks for 3 minutes and 100 s).
    fn default() -> Self {
        Self { mss: 1460, receive_bytes: 16_384, nagle: true, syn_retries: 7, retries: 8 }
    }
}

/// Why a connection is no more.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub enum TcpFailure {
    /// The SYN was answered by a reset.
    Refused,
    /// A reset came.
    Reset,
    /// Nothing was heard in spite of all repetitions.
    TimedOut,
}

/// What happened. That there is something to read, [`Connection::readable`] tells.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub enum TcpEvent {
    /// The handshake is done.
    Connected,
    /// The other end sends no more.
    PeerClosed,
    /// Both ends have closed.
    Closed,
    /// It failed; nothing is sent any more.
    Failed(TcpFailure),
}

/// One end.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Connection {
    config: TcpConfig,
    state: TcpState,
    is_active: bool,
    sender: Sender,
    receiver: Receiver,
    ack_due: bool,
    replies: VecDeque<Segment>,
    events: VecDeque<TcpEvent>,
    /// The end of TIME-WAIT or FIN-WAIT-2.
    linger_ps: Option<u64>,
}

impl Connection {
    /// Opens actively: a SYN is to be sent. `iss` is the initial sequence number.
    pub fn connect(config: TcpConfig, iss: u32) -> Self {
        Self::new(config, iss, TcpState::SynSent, true)
    }

    /// Opens passively, for a SYN that came: a SYN with ACK is to be sent. `None` if the segment is no SYN.
    pub fn accept(config: TcpConfig, iss: u32, syn: &Segment) -> Option<Self> {
        if !is_opening(syn) {
            return None;
        }
        let mut connection = Self::new(config, iss, TcpState::SynReceived, false);
        connection.receiver.begin(syn.sequence);
        connection.sender.learn(syn, usize::from(connection.config.mss));
        Some(connection)
    }

    fn new(config: TcpConfig, iss: u32, state: TcpState, is_active: bool) -> Self {
        Self {
            sender: Sender::new(Seq(iss), config.nagle),
            receiver: Receiver::new(config.receive_bytes),
            config,
            state,
            is_active,
            ack_due: false,
            replies: VecDeque::new(),
            events: VecDeque::new(),
            linger_ps: None,
        }
    }

    /// Its state.
    pub fn state(&self) -> TcpState {
        self.state
    }

    /// Takes what happened, oldest first.
    pub fn poll_event(&mut self) -> Option<TcpEvent> {
        self.events.pop_front()
    }

    /// Writes; what cannot go out yet waits, unbounded: the caller looks at [`unacknowledged`](Self::unacknowledged).
    /// `false` if this side is closed.
    pub fn write(&mut self, bytes: &[u8]) -> bool {
        let is_open = !self.sender.is_finishing && self.state != TcpState::Closed;
        if is_open {
            self.sender.write(bytes);
        }
        is_open
    }

    /// Bytes written and not acknowledged.
    pub fn unacknowledged(&self) -> usize {
        self.sender.buffered()
    }

    /// Bytes that wait to be read; they stay when the connection ends.
    pub fn readable(&self) -> usize {
        self.receiver.unread()
    }

    /// Reads at most `length` bytes.
    pub fn read(&mut self, length: usize) -> Vec<u8> {
        let bytes = self.receiver.read(length);
        if self.state.receives() && !bytes.is_empty() {
            self.ack_due |= self.receiver.has_news(usize::from(self.config.mss));
        }
        bytes
    }

    /// Forgets what waits to be read.
    pub fn discard_readable(&mut self) {
        self.receiver.discard();
    }

    /// Whether a SYN opens a new connection in place of this one, which is over (RFC 9293 3.6.1).
    pub fn gives_way_to(&self, segment: &Segment) -> bool {
        self.state == TcpState::TimeWait && is_opening(segment) && self.receiver.next.is_before(segment.sequence)
    }

    /// Whether the other end has closed, and everything it sent is here.
    pub fn peer_has_closed(&self) -> bool {
        self.receiver.is_finished
    }

    /// Segments sent again so far.
    pub fn retransmissions(&self) -> u64 {
        self.sender.retransmissions
    }

    /// Whether small segments wait for what is outstanding.
    pub fn set_nagle(&mut self, nagle: bool) {
        self.sender.nagle = nagle;
    }

    /// Sends no more: a FIN follows what was written. The other end may go on sending.
    pub fn close(&mut self) {
        match self.state {
            TcpState::SynSent => self.end(TcpEvent::Closed),
            TcpState::SynReceived => self.sender.is_finishing = true,
            TcpState::Established => {
                self.sender.is_finishing = true;
                self.state = TcpState::FinWait1;
            }
            TcpState::CloseWait => {
                self.sender.is_finishing = true;
                self.state = TcpState::LastAck;
            }
            _ => {}
        }
    }

    /// The same, and nobody reads any more: what arrives now is answered by a reset (RFC 9293 3.6.1), and the other
    /// end's FIN is not waited for without limit.
    pub fn close_both(&mut self, now_ps: u64) {
        self.receiver.discard();
        self.receiver.is_discarding = true;
        self.close();
        if self.state == TcpState::FinWait2 {
            self.linger_ps = Some(now_ps.saturating_add(FIN_WAIT_2_PS));
        }
    }

    /// Ends it at once; a connection that the other end knows of is reset.
    pub fn abort(&mut self) {
        if self.state == TcpState::SynReceived || (self.state.is_synchronised() && self.state != TcpState::TimeWait) {
            self.reply(Segment {
                sequence: self.sender.number_for_ack(),
                flags: Flags { rst: true, ..Flags::default() },
                ..Segment::default()
            });
        }
        self.end(TcpEvent::Closed);
    }

    /// When [`advance`](Self::advance) has something to do; `u64::MAX` is never.
    pub fn next_wake_ps(&self) -> u64 {
        self.sender.next_wake_ps().min(self.linger_ps.unwrap_or(u64::MAX))
    }

    /// Time has come to `now_ps`.
    pub fn advance(&mut self, now_ps: u64) {
        if self.linger_ps.is_some_and(|at| at <= now_ps) {
            self.end(TcpEvent::Closed);
        }
        let is_opening = matches!(self.state, TcpState::SynSent | TcpState::SynReceived);
        let retries_max = if is_opening { self.config.syn_retries } else { self.config.retries };
        if self.sender.expire(now_ps, retries_max) == Expiry::GiveUp {
            self.end(TcpEvent::Failed(TcpFailure::TimedOut));
        }
    }

    /// The next segment to send, if there is one now.
    pub fn poll(&mut self, now_ps: u64) -> Option<Segment> {
        if let Some(reply) = self.replies.pop_front() {
            return Some(reply);
        }
        let mut segment = self.next_segment(now_ps)?;
        if self.state != TcpState::SynSent {
            segment.flags.ack = true;
            segment.acknowledgment = self.receiver.next;
        }
        segment.window = if self.state == TcpState::SynSent {
            u16::try_from(self.config.receive_bytes).unwrap_or(u16::MAX)
        } else {
            self.receiver.tell_window()
        };
        self.ack_due = false;
        Some(segment)
    }

    fn next_segment(&mut self, now_ps: u64) -> Option<Segment> {
        if matches!(self.state, TcpState::SynSent | TcpState::SynReceived) {
            let flags = Flags { syn: true, ..Flags::default() };
            let (sequence, mss) = (self.sender.iss, Some(self.config.mss));
            return self.sender.take_syn(now_ps).then(|| Segment { sequence, flags, mss, ..Segment::default() });
        }
        if self.state.sends()
            && let Some((sequence, payload, fin)) = self.sender.take_piece(now_ps)
        {
            let psh = !payload.is_empty() && !self.sender.has_unsent();
            let flags = Flags { fin, psh, ..Flags::default() };
            return Some(Segment { sequence, flags, payload, ..Segment::default() });
        }
        if self.state.sends() {
            self.sender.arm(now_ps);
        }
        self.ack_due.then(|| Segment { sequence: self.sender.number_for_ack(), ..Segment::default() })
    }

    fn reply(&mut self, segment: Segment) {
        if self.replies.len() < REPLIES_MAX {
            self.replies.push_back(segment);
        }
    }

    fn end(&mut self, event: TcpEvent) {
        if self.state != TcpState::Closed {
            self.state = TcpState::Closed;
            self.events.push_back(event);
        }
        self.sender.stop();
        self.linger_ps = None;
        self.ack_due = false;
    }
}

/// Whether a segment opens a connection.
pub fn is_opening(segment: &Segment) -> bool {
    segment.flags.syn && !segment.flags.ack && !segment.flags.rst
}
