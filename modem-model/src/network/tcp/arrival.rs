//! What a segment that arrives does (RFC 9293 3.10.7.3 and 3.10.7.4; RFC 5961 for resets and SYNs in the window).

use super::segment::{Flags, Segment, Seq};
use super::{Connection, FIN_WAIT_2_PS, TIME_WAIT_PS, TcpEvent, TcpFailure, TcpState};

impl Connection {
    /// A segment of this connection arrived.
    pub fn on_segment(&mut self, now_ps: u64, segment: &Segment) {
        match self.state {
            TcpState::Closed | TcpState::Listen => {
                if let Some(refusal) = segment.refusal() {
                    self.reply(refusal);
                }
            }
            TcpState::SynSent => self.answer_to_syn(now_ps, segment),
            _ => self.segment_of_open(now_ps, segment),
        }
    }

    fn answer_to_syn(&mut self, now_ps: u64, segment: &Segment) {
        let (flags, ack) = (segment.flags, segment.acknowledgment);
        let is_for_our_syn = flags.ack && ack == self.sender.iss + 1 && self.sender.max == ack;
        if flags.ack && !is_for_our_syn {
            if let Some(refusal) = segment.refusal() {
                self.reply(refusal);
            }
            return;
        }
        if flags.rst {
            if is_for_our_syn {
                self.end(TcpEvent::Failed(TcpFailure::Refused));
            }
            return;
        }
        if !flags.syn {
            return;
        }
        self.receiver.begin(segment.sequence);
        self.sender.learn(segment, usize::from(self.config.mss));
        if is_for_our_syn {
            self.sender.acknowledge(now_ps, segment);
            self.established();
            self.ack_due = true;
            self.text(now_ps, segment);
        } else {
            // Both have opened at once.
            self.state = TcpState::SynReceived;
            self.sender.force();
        }
    }

    fn established(&mut self) {
        self.sender.established();
        self.state = if self.sender.is_finishing { TcpState::FinWait1 } else { TcpState::Established };
        self.events.push_back(TcpEvent::Connected);
    }

    fn segment_of_open(&mut self, now_ps: u64, segment: &Segment) {
        let flags = segment.flags;
        if !self.receiver.accepts(segment) {
            if flags.rst {
                return;
            }
            if self.state == TcpState::SynReceived && flags.syn {
                // Our SYN with ACK was lost, or has crossed theirs.
                if !flags.ack {
                    return self.sender.force();
                }
                if segment.acknowledgment != self.sender.iss + 1 {
                    return;
                }
            }
            if self.state == TcpState::TimeWait && flags.fin {
                self.linger_ps = Some(now_ps.saturating_add(TIME_WAIT_PS));
            }
            self.ack_due = true;
            // In a closed window, acknowledgments still count.
            let is_crossed_syn = self.state == TcpState::SynReceived && flags.syn;
            if flags.ack && (is_crossed_syn || (self.receiver.window() == 0 && !flags.syn)) {
                self.acknowledgment(now_ps, segment);
            }
            return;
        }
        if flags.rst {
            if segment.sequence == self.receiver.next {
                self.reset();
            } else {
                self.ack_due = true;
            }
            return;
        }
        if flags.syn {
            self.ack_due = true;
            return;
        }
        if flags.ack && self.acknowledgment(now_ps, segment) {
            self.text(now_ps, segment);
        }
    }

    fn reset(&mut self) {
        let event = match self.state {
            TcpState::SynReceived if self.is_active => TcpEvent::Failed(TcpFailure::Refused),
            // Nothing that somebody waits for is lost.
            TcpState::Closing | TcpState::LastAck | TcpState::TimeWait => TcpEvent::Closed,
            _ => TcpEvent::Failed(TcpFailure::Reset),
        };
        self.end(event);
    }

    /// The acknowledgment field. `false`: the segment says nothing more.
    fn acknowledgment(&mut self, now_ps: u64, segment: &Segment) -> bool {
        let ack = segment.acknowledgment;
        if self.state == TcpState::SynReceived {
            if ack != self.sender.iss + 1 {
                if let Some(refusal) = segment.refusal() {
                    self.reply(refusal);
                }
                return false;
            }
            self.sender.acknowledge(now_ps, segment);
            self.sender.set_window(segment);
            self.established();
        }
        if self.sender.max.is_before(ack) {
            self.ack_due = true;
            return false;
        }
        if !ack.is_before(self.sender.una) {
            self.sender.acknowledge(now_ps, segment);
        }
        if self.sender.fin_is_acknowledged() {
            match self.state {
                TcpState::FinWait1 => {
                    self.state = TcpState::FinWait2;
                    self.linger_ps = self.receiver.is_discarding.then(|| now_ps.saturating_add(FIN_WAIT_2_PS));
                }
                TcpState::Closing => self.time_wait(now_ps),
                TcpState::LastAck => self.end(TcpEvent::Closed),
                _ => {}
            }
        }
        self.state != TcpState::Closed
    }

    /// Payload and FIN.
    fn text(&mut self, now_ps: u64, segment: &Segment) {
        if !self.state.receives() {
            if segment.length() > 0 {
                self.ack_due = true;
            }
            return;
        }
        let data_end: Seq = segment.sequence + u32::try_from(segment.payload.len()).unwrap_or(u32::MAX);
        if self.receiver.is_discarding && self.receiver.next.is_before(data_end) {
            // Nobody will read it.
            let flags = Flags { rst: true, ..Flags::default() };
            self.reply(Segment { sequence: self.sender.number_for_ack(), flags, ..Segment::default() });
            return self.end(TcpEvent::Closed);
        }
        self.receiver.take(segment);
        self.ack_due |= segment.length() > 0;
        if self.receiver.is_finished {
            self.ack_due = true;
            self.events.push_back(TcpEvent::PeerClosed);
            match self.state {
                TcpState::Established => self.state = TcpState::CloseWait,
                TcpState::FinWait1 => self.state = TcpState::Closing,
                _ => self.time_wait(now_ps),
            }
        }
    }

    fn time_wait(&mut self, now_ps: u64) {
        self.state = TcpState::TimeWait;
        self.sender.stop();
        self.linger_ps = Some(now_ps.saturating_add(TIME_WAIT_PS));
    }
}
