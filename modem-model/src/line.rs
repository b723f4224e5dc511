//! The modem's serial line: characters at their true duration both ways, wrong rates, and RTS/CTS.

use std::collections::VecDeque;

use serde::{Deserialize, Serialize};

use crate::time::PS_PER_S;

/// Bits of a character on the wire: start, eight data, stop (8N1).
const BITS_PER_CHARACTER: u64 = 10;
/// Characters kept while a command executes. Beyond it they are lost (the ledger counts them).
const RECEIVE_BYTES_MAX: usize = 4096;
/// CTS goes inactive at this fill level: a client that heeds it loses nothing.
const CTS_OFF_BYTES: usize = 3072;
/// CTS comes back at this one.
const CTS_ON_BYTES: usize = 1024;
/// Rates that autobauding recognises.
const RATES_HZ: [u32; 10] = [1200, 2400, 4800, 9600, 19_200, 38_400, 57_600, 115_200, 230_400, 460_800];

/// Duration of one bit in picoseconds.
pub fn bit_ps(baud_hz: u32) -> u64 {
    PS_PER_S / u64::from(baud_hz.max(1))
}

/// Something that happens when everything queued before it has left the line.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) enum Mark {
    /// Information lines of a command have been sent.
    InformationSent,
    /// The final result code has been sent.
    FinalSent,
    /// The prompt for payload has been sent.
    PromptSent,
    /// The rate changes here (`AT+IPR`).
    SetBaud(u32),
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
enum Item {
    Byte(u8),
    Mark(Mark),
}

/// A character on TXD.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) struct Sending {
    pub data: u8,
    pub bit_ps: u64,
    pub end_ps: u64,
}

#[derive(Clone, Debug, Serialize, Deserialize)]
pub(crate) struct Line {
    /// Own rate; 0 while autobauding has not heard an `A`.
    baud_hz: u32,
    autobaud: bool,
    transmit: VecDeque<Item>,
    sending: Option<Sending>,
    /// The client is ready to receive.
    dte_ready: bool,
    idle_since_ps: u64,
    receive: VecDeque<u8>,
    cts: bool,
    /// The module's side takes and gives nothing (a fault).
    held: bool,
    /// The client's RTS is heeded.
    flow_control: bool,
}

impl Line {
    pub fn new(baud_hz: u32) -> Self {
        Self {
            baud_hz,
            autobaud: baud_hz == 0,
            transmit: VecDeque::new(),
            sending: None,
            dte_ready: true,
            idle_since_ps: 0,
            receive: VecDeque::new(),
            cts: true,
            held: false,
            flow_control: true,
        }
    }

    /// The module lost power or was reset: nothing queued survives, the client's RTS does.
    pub fn power_cycle(&mut self, baud_hz: u32, time_ps: u64) {
        *self = Self { dte_ready: self.dte_ready, idle_since_ps: time_ps, ..Self::new(baud_hz) };
    }

    pub fn baud_hz(&self) -> u32 {
        self.baud_hz
    }

    pub fn set_baud_hz(&mut self, baud_hz: u32) {
        self.autobaud = baud_hz == 0;
        self.baud_hz = baud_hz;
    }

    pub fn set_dte_ready(&mut self, ready: bool) {
        self.dte_ready = ready;
    }

    pub fn dte_ready(&self) -> bool {
        self.dte_ready
    }

    pub fn set_flow_control(&mut self, flow_control: bool) {
        self.flow_control = flow_control;
    }

    pub fn send(&mut self, bytes: &[u8]) {
        self.transmit.extend(bytes.iter().map(|&b| Item::Byte(b)));
    }

    /// A character before everything that waits.
    pub fn send_noise(&mut self, byte: u8) {
        self.transmit.push_front(Item::Byte(byte));
    }

    /// Stops and restarts the module's side of the line.
    pub fn hold(&mut self, held: bool) {
        self.held = held;
    }

    pub fn mark(&mut self, mark: Mark) {
        self.transmit.push_back(Item::Mark(mark));
    }

    /// Characters waiting to be sent.
    pub fn transmit_len(&self) -> usize {
        self.transmit.len()
    }

    /// A character is on the line.
    pub fn is_sending(&self) -> bool {
        self.sending.is_some()
    }

    pub fn is_idle(&self) -> bool {
        self.sending.is_none() && self.transmit.is_empty()
    }

    pub fn idle_since_ps(&self) -> u64 {
        self.idle_since_ps
    }

    /// When the character on the line ends.
    pub fn next_ps(&self) -> u64 {
        self.sending.map_or(u64::MAX, |s| s.end_ps)
    }

    /// The character that ended by `now_ps`.
    pub fn take_sent(&mut self, now_ps: u64) -> Option<Sending> {
        let sent = self.sending.take_if(|s| s.end_ps <= now_ps)?;
        self.idle_since_ps = sent.end_ps;
        Some(sent)
    }

    /// Starts the next character if the line is free and the client ready; gives the next mark that has been reached.
    pub fn pump(&mut self, now_ps: u64) -> Option<Mark> {
        while self.sending.is_none() && !self.held {
            match self.transmit.front().copied()? {
                Item::Mark(mark) => {
                    self.transmit.pop_front();
                    return Some(mark);
                }
                Item::Byte(_) if self.flow_control && !self.dte_ready => return None,
                Item::Byte(data) => {
                    self.transmit.pop_front();
                    // Autobauding without a rate yet: answer at the power-on default.
                    let bit_ps = bit_ps(if self.baud_hz == 0 { 115_200 } else { self.baud_hz });
                    self.sending = Some(Sending { data, bit_ps, end_ps: now_ps + BITS_PER_CHARACTER * bit_ps });
                }
            }
        }
        None
    }

    /// A character from the client. `false` if it was lost because the buffer is full.
    pub fn receive(&mut self, data: u8, dte_bit_ps: u64) -> bool {
        if self.autobaud && self.baud_hz == 0 && data.eq_ignore_ascii_case(&b'A') {
            self.baud_hz = RATES_HZ.into_iter().min_by_key(|&r| bit_ps(r).abs_diff(dte_bit_ps)).unwrap_or(115_200);
        }
        if self.receive.len() >= RECEIVE_BYTES_MAX {
            return false;
        }
        self.receive.push_back(sample(
            data,
            dte_bit_ps,
            bit_ps(if self.baud_hz == 0 { 115_200 } else { self.baud_hz }),
        ));
        true
    }

    pub fn take_received(&mut self) -> Option<u8> {
        if self.held { None } else { self.receive.pop_front() }
    }

    pub fn discard_received(&mut self) {
        self.receive.clear();
    }

    /// Whether the receive buffer has room, with hysteresis.
    pub fn update_cts(&mut self) -> bool {
        self.cts = self.receive.len() < if self.cts { CTS_OFF_BYTES } else { CTS_ON_BYTES };
        self.cts
    }
}

/// What a receiver at `own_bit_ps` reads from a character sent at `sender_bit_ps`: each bit is sampled in its middle.
///
/// Approximated: a character is always read as one character, though at a much slower sender a real receiver would
/// see several.
pub fn sample(data: u8, sender_bit_ps: u64, own_bit_ps: u64) -> u8 {
    let (sender, own) = (u128::from(sender_bit_ps.max(1)), u128::from(own_bit_ps.max(1)));
    let frame = (u32::from(data) << 1) | (1 << 9);
    (0..8u128).fold(0, |byte, bit| {
        let position = (own * (2 * bit + 3) / 2) / sender;
        let level = if position > 9 { 1 } else { (frame >> position as u32) & 1 };
        byte | ((level as u8) << bit)
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn characters_take_their_time_and_rts_stops_after_the_current_one() {
        let mut line = Line::new(115_200);
        line.send(b"OK");
        assert_eq!(line.pump(1000), None);
        let end = 1000 + 10 * bit_ps(115_200);
        assert_eq!(line.next_ps(), end);
        line.set_dte_ready(false);
        assert_eq!(line.take_sent(end - 1), None);
        assert_eq!(line.take_sent(end).map(|s| s.data), Some(b'O'));
        line.pump(end);
        assert_eq!(line.next_ps(), u64::MAX, "held by RTS");
        line.set_dte_ready(true);
        line.pump(end + 5);
        assert_eq!(line.next_ps(), end + 5 + 10 * bit_ps(115_200));
    }

    #[test]
    fn a_wrong_rate_gives_garbage_and_a_near_one_does_not() {
        let own = bit_ps(115_200);
        for byte in 0..=255 {
            assert_eq!(sample(byte, own, own), byte);
            assert_eq!(sample(byte, own * 103 / 100, own), byte);
            assert_eq!(sample(byte, own * 97 / 100, own), byte);
        }
        assert_ne!(sample(b'A', bit_ps(9600), own), b'A');
        assert_ne!(sample(b'A', bit_ps(921_600), own), b'A');
    }

    #[test]
    fn autobauding_follows_the_first_a() {
        let mut line = Line::new(0);
        assert!(line.receive(b'a', bit_ps(9600)));
        assert_eq!((line.baud_hz(), line.take_received()), (9600, Some(b'a')));
    }
}
