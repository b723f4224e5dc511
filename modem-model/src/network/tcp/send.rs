//! The sending half: what was written and is not acknowledged, the other end's window, and the retransmission timer.

use std::collections::VecDeque;

use serde::{Deserialize, Serialize};

use super::congestion::Congestion;
use super::rto::Rto;
use super::segment::{Segment, Seq};

/// MSS of a peer that does not tell one (RFC 9293 3.7.1).
const MSS_DEFAULT: usize = 536;
/// A smaller one is taken for this: what hostile ends may ask for.
const MSS_MIN: usize = 64;

#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub(super) struct Sender {
    pub iss: Seq,
    /// SND.UNA.
    pub una: Seq,
    /// SND.NXT: what is sent next. A timeout brings it back to `una`.
    pub next: Seq,
    /// Behind the last number ever sent.
    pub max: Seq,
    /// From `front` on: sent and not acknowledged, then not sent.
    buffer: VecDeque<u8>,
    front: Seq,
    /// Nothing will be written any more: a FIN follows the buffer.
    pub is_finishing: bool,
    window: u32,
    window_max: u32,
    window_from: (Seq, Seq),
    pub mss: usize,
    /// Small segments wait for what is outstanding (RFC 9293 3.7.4).
    pub nagle: bool,
    congestion: Congestion,
    rto: Rto,
    /// When the timer expires, if it runs.
    timer_ps: Option<u64>,
    retries: u32,
    /// One segment goes out whatever the windows say: a repetition or a probe.
    is_forced: bool,
    /// A segment under measurement: its end, and when it was sent.
    timed: Option<(Seq, u64)>,
    pub retransmissions: u64,
}

/// What the timer's expiry means.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Expiry {
    NotYet,
    Retry,
    GiveUp,
}

impl Sender {
    pub fn new(iss: Seq, nagle: bool) -> Self {
        Self {
            iss,
            una: iss,
            next: iss,
            max: iss,
            buffer: VecDeque::new(),
            front: iss + 1,
            is_finishing: false,
            window: 0,
            window_max: 0,
            window_from: (Seq::default(), Seq::default()),
            mss: MSS_DEFAULT,
            nagle,
            congestion: Congestion::new(iss),
            rto: Rto::default(),
            timer_ps: None,
            retries: 0,
            is_forced: false,
            timed: None,
            retransmissions: 0,
        }
    }

    /// The other end's SYN tells its MSS and window.
    pub fn learn(&mut self, syn: &Segment, own_mss: usize) {
        let mss = syn.mss.map_or(MSS_DEFAULT, usize::from);
        self.mss = mss.min(own_mss).max(MSS_MIN);
        self.set_window(syn);
    }

    /// The handshake is done.
    pub fn established(&mut self) {
        let syn_was_lost = self.retransmissions > 0;
        if syn_was_lost {
            self.rto.syn_was_lost();
        }
        self.congestion.established(self.mss, syn_was_lost);
    }

    pub fn set_window(&mut self, segment: &Segment) {
        self.window = u32::from(segment.window);
        self.window_max = self.window_max.max(self.window);
        self.window_from = (segment.sequence, segment.acknowledgment);
    }

    pub fn write(&mut self, bytes: &[u8]) {
        self.buffer.extend(bytes);
    }

    /// Bytes written and not acknowledged.
    pub fn buffered(&self) -> usize {
        self.buffer.len()
    }

    fn end(&self) -> Seq {
        self.front + u32::try_from(self.buffer.len()).unwrap_or(u32::MAX)
    }

    pub fn syn_is_acknowledged(&self) -> bool {
        self.una != self.iss
    }

    pub fn fin_is_acknowledged(&self) -> bool {
        self.is_finishing && self.buffer.is_empty() && self.una == self.front + 1
    }

    fn is_outstanding(&self) -> bool {
        self.una.is_before(self.next)
    }

    /// Something waits that was never sent, or is to be sent again.
    pub fn has_unsent(&self) -> bool {
        self.next.is_before(self.end())
    }

    /// The number of a segment without content: what was sent, but not beyond the other end's window, which would not
    /// accept it.
    pub fn number_for_ack(&self) -> Seq {
        let edge = self.una + self.window;
        if edge.is_before(self.max) { edge } else { self.max }
    }

    /// Something waits to be sent or acknowledged.
    fn has_work(&self) -> bool {
        !self.syn_is_acknowledged() || !self.buffer.is_empty() || (self.is_finishing && !self.fin_is_acknowledged())
    }

    /// A segment's acknowledgment and window. It stands between `una` and `max`.
    pub fn acknowledge(&mut self, now_ps: u64, segment: &Segment) {
        let ack = segment.acknowledgment;
        if self.una.is_before(ack) {
            self.advance_to(now_ps, ack);
        } else if segment.length() == 0 && u32::from(segment.window) == self.window && self.una.is_before(self.max) {
            self.is_forced |= self.congestion.duplicate(self.una, self.max, self.mss);
        }
        let (sequence, acknowledgment) = self.window_from;
        let is_newer =
            sequence.is_before(segment.sequence) || (sequence == segment.sequence && !ack.is_before(acknowledgment));
        if is_newer {
            let was_closed = self.window == 0;
            self.set_window(segment);
            if self.window == 0 {
                // It answers our probes (RFC 9293 3.8.6.1).
                self.retries = 0;
            } else if was_closed && self.una.is_before(self.next) {
                // The probe fell into a closed window.
                self.next = self.una;
            }
        }
    }

    fn advance_to(&mut self, now_ps: u64, ack: Seq) {
        let bytes = if self.front.is_before(ack) { (ack - self.front) as usize } else { 0 }.min(self.buffer.len());
        self.buffer.drain(..bytes);
        self.front = self.front + u32::try_from(bytes).unwrap_or(u32::MAX);
        let was_established = self.syn_is_acknowledged();
        self.una = ack;
        self.next = self.next.later(ack);
        self.retries = 0;
        self.rto.progress();
        if let Some((end, sent_ps)) = self.timed
            && !ack.is_before(end)
        {
            self.timed = None;
            self.rto.measure(now_ps.saturating_sub(sent_ps));
        }
        if was_established {
            self.is_forced |= self.congestion.acknowledged(ack, bytes, self.mss);
        }
        let timer_ps = now_ps.saturating_add(self.rto.current_ps());
        self.timer_ps = self.has_work().then_some(timer_ps);
    }

    pub fn next_wake_ps(&self) -> u64 {
        self.timer_ps.unwrap_or(u64::MAX)
    }

    pub fn stop(&mut self) {
        self.timer_ps = None;
    }

    /// Runs the timer while something waits.
    pub fn arm(&mut self, now_ps: u64) {
        if self.timer_ps.is_none() && self.has_work() {
            self.timer_ps = Some(now_ps.saturating_add(self.rto.current_ps()));
        }
    }

    pub fn expire(&mut self, now_ps: u64, retries_max: u32) -> Expiry {
        if self.next_wake_ps() > now_ps {
            return Expiry::NotYet;
        }
        if self.retries >= retries_max {
            return Expiry::GiveUp;
        }
        if self.is_outstanding() && self.window > 0 {
            self.congestion.timed_out(self.una, self.max, self.retries == 0, self.mss);
        }
        self.retries += 1;
        self.rto.back_off();
        self.next = self.una;
        self.timed = None;
        self.is_forced = true;
        self.timer_ps = Some(now_ps.saturating_add(self.rto.current_ps()));
        Expiry::Retry
    }

    /// The SYN once more.
    pub fn force(&mut self) {
        self.is_forced = true;
    }

    /// Whether the SYN is to be sent now.
    pub fn take_syn(&mut self, now_ps: u64) -> bool {
        if self.next != self.iss && !self.is_forced {
            return false;
        }
        self.is_forced = false;
        self.sent(now_ps, self.iss, self.iss + 1);
        true
    }

    /// The next piece to send: number, bytes, whether the FIN follows them.
    pub fn take_piece(&mut self, now_ps: u64) -> Option<(Seq, Vec<u8>, bool)> {
        let is_forced = std::mem::take(&mut self.is_forced);
        let from = if is_forced { self.una } else { self.next };
        // Behind the FIN nothing follows.
        if self.end().is_before(from) {
            return None;
        }
        let offset = (from - self.front) as usize;
        let unsent = self.buffer.len().saturating_sub(offset);
        let usable = self.usable_bytes();
        let length = if is_forced {
            unsent.min(self.mss).min((self.window as usize).max(1))
        } else {
            let length = unsent.min(usable).min(self.mss);
            if self.is_worth_sending(length, unsent) { length } else { 0 }
        };
        let fin = self.is_finishing && length == unsent;
        if length == 0 && !fin {
            return None;
        }
        let bytes: Vec<u8> = self.buffer.iter().skip(offset).take(length).copied().collect();
        let end = from + u32::try_from(length).unwrap_or(u32::MAX) + u32::from(fin);
        self.sent(now_ps, from, end);
        Some((from, bytes, fin))
    }

    fn usable_bytes(&self) -> usize {
        let outstanding = (self.next - self.una) as usize;
        (self.window as usize).min(self.congestion.window_bytes).saturating_sub(outstanding)
    }

    /// Avoidance of silly windows, and Nagle's algorithm (RFC 9293 3.8.6.2.1).
    fn is_worth_sending(&self, length: usize, unsent: usize) -> bool {
        let is_all = length == unsent && (!self.nagle || self.is_finishing || !self.is_outstanding());
        length > 0 && (length == self.mss || is_all || length >= (self.window_max / 2).max(1) as usize)
    }

    fn sent(&mut self, now_ps: u64, from: Seq, end: Seq) {
        if from.is_before(self.max) {
            self.retransmissions += 1;
            // A repeated segment measures nothing (Karn).
            self.timed = None;
        } else if self.timed.is_none() {
            self.timed = Some((end, now_ps));
        }
        self.next = self.next.later(end);
        self.max = self.max.later(end);
        self.arm(now_ps);
    }
}
