//! Characters of the serial line put together: those that follow each other without a pause are one record.

use lockstep::electron::LineEvent;

use super::records::{ControlLines, SerialEvent, rtac_serial};
use super::{Interface, Record, Way};

/// Start bit, eight data bits, stop bit.
const BITS_PER_CHARACTER: u64 = 10;
/// A silence of so many characters ends a record.
const PAUSE_CHARACTERS: u64 = 2;
/// A control line that comes back within this time is not told of: the microcontroller's RTS goes off and on for each
/// character that it takes, which is less than a bit at 115200 bit/s and stops nobody.
const GLITCH_PS: u64 = 8_000_000;
/// Characters of a record at most.
const BYTES_MAX: usize = 256;

#[derive(Debug)]
struct Burst {
    start_ps: u64,
    end_ps: u64,
    character_ps: u64,
    bytes: Vec<u8>,
}

/// The state of both directions and of the control lines.
#[derive(Debug)]
pub struct Serial {
    to_modem: Option<Burst>,
    from_modem: Option<Burst>,
    lines: ControlLines,
    /// A change that may be a glitch: when, and what was before.
    change: Option<(u64, ControlLines)>,
}

impl Default for Serial {
    fn default() -> Self {
        Self { to_modem: None, from_modem: None, lines: ControlLines { rts: true, cts: true }, change: None }
    }
}

impl Serial {
    /// Takes an event; gives the records that it completes.
    pub fn event(&mut self, event: &LineEvent) -> Vec<Record> {
        match *event {
            LineEvent::ToModem { end_ps, bit_ps, data } => self.character(Way::Out, end_ps, bit_ps, data),
            LineEvent::FromModem { end_ps, bit_ps, data } => self.character(Way::In, end_ps, bit_ps, data),
            LineEvent::Rts { time_ps, asserted } => self.changed(time_ps, ControlLines { rts: asserted, ..self.lines }),
            LineEvent::Cts { time_ps, asserted } => self.changed(time_ps, ControlLines { cts: asserted, ..self.lines }),
        }
    }

    fn changed(&mut self, time_ps: u64, lines: ControlLines) -> Vec<Record> {
        let told = self.tell_change(time_ps).into_iter().collect();
        match self.change {
            Some((_, before)) if before == lines => self.change = None,
            None if self.lines != lines => self.change = Some((time_ps, self.lines)),
            _ => {}
        }
        self.lines = lines;
        told
    }

    /// The last change, once it is no glitch any more.
    fn tell_change(&mut self, now_ps: u64) -> Option<Record> {
        let (time_ps, _) = self.change.take_if(|(time_ps, _)| now_ps.saturating_sub(*time_ps) > GLITCH_PS)?;
        let bytes = rtac_serial(time_ps, SerialEvent::StatusChange, self.lines, &[]);
        Some(Record { time_ps, interface: Interface::Serial, way: None, bytes, comment: None })
    }

    fn character(&mut self, way: Way, end_ps: u64, bit_ps: u64, data: u8) -> Vec<Record> {
        let character_ps = BITS_PER_CHARACTER * bit_ps;
        let start_ps = end_ps.saturating_sub(character_ps);
        let mut done = Vec::new();
        if self.burst(way).as_ref().is_some_and(|burst| burst.bytes.len() >= BYTES_MAX || burst.is_over(start_ps)) {
            done.extend(self.take(way));
        }
        let burst = self.burst(way).get_or_insert_with(|| Burst { start_ps, end_ps, character_ps, bytes: Vec::new() });
        burst.end_ps = end_ps;
        burst.bytes.push(data);
        done
    }

    fn burst(&mut self, way: Way) -> &mut Option<Burst> {
        match way {
            Way::Out => &mut self.to_modem,
            Way::In => &mut self.from_modem,
        }
    }

    fn take(&mut self, way: Way) -> Option<Record> {
        let Burst { start_ps: time_ps, bytes, .. } = self.burst(way).take()?;
        let event = match way {
            Way::Out => SerialEvent::TransmitStart,
            Way::In => SerialEvent::ReceiveStart,
        };
        let bytes = rtac_serial(time_ps, event, self.lines, &bytes);
        Some(Record { time_ps, interface: Interface::Serial, way: Some(way), bytes, comment: None })
    }

    /// A record that silence until `now_ps` has completed.
    pub fn pause(&mut self, now_ps: u64) -> Option<Record> {
        let over = |burst: &Option<Burst>| burst.as_ref().is_some_and(|burst| burst.is_over(now_ps));
        if over(&self.to_modem) {
            self.take(Way::Out)
        } else if over(&self.from_modem) {
            self.take(Way::In)
        } else {
            self.tell_change(now_ps)
        }
    }

    /// Since when a record grows.
    pub fn open_since_ps(&self) -> u64 {
        let since = |burst: &Option<Burst>| burst.as_ref().map_or(u64::MAX, |burst| burst.start_ps);
        let change = self.change.map_or(u64::MAX, |(time_ps, _)| time_ps);
        since(&self.to_modem).min(since(&self.from_modem)).min(change)
    }
}

impl Burst {
    fn is_over(&self, next_start_ps: u64) -> bool {
        next_start_ps > self.end_ps.saturating_add(PAUSE_CHARACTERS * self.character_ps)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const BIT_PS: u64 = 8_680_555;

    fn sent(end_ps: u64, data: u8) -> LineEvent {
        LineEvent::ToModem { end_ps, bit_ps: BIT_PS, data }
    }

    #[test]
    fn a_pause_ends_a_record_and_the_first_start_bit_dates_it() {
        let mut serial = Serial::default();
        let character_ps = 10 * BIT_PS;
        for (n, byte) in b"AT\r".iter().enumerate() {
            assert!(serial.event(&sent(1_000_000_000 + n as u64 * character_ps, *byte)).is_empty());
        }
        assert_eq!(serial.open_since_ps(), 1_000_000_000 - character_ps);
        assert!(serial.pause(1_000_000_000 + 3 * character_ps).is_none(), "it may go on");
        let record = serial.pause(2_000_000_000).unwrap();
        assert_eq!(record.time_ps, 1_000_000_000 - character_ps);
        assert_eq!(record.way, Some(Way::Out));
        assert_eq!(&record.bytes[8..], b"\x01\x09\0\0AT\r");
        assert_eq!(serial.open_since_ps(), u64::MAX);
    }

    #[test]
    fn directions_are_apart_and_lines_are_told_when_they_change() {
        let mut serial = Serial::default();
        serial.event(&sent(1_000_000_000, b'A'));
        serial.event(&LineEvent::FromModem { end_ps: 1_000_000_001, bit_ps: BIT_PS, data: b'A' });
        assert!(serial.event(&LineEvent::Cts { time_ps: 1_000_000_002, asserted: true }).is_empty(), "as it was");
        serial.event(&LineEvent::Cts { time_ps: 1_000_000_003, asserted: false });
        serial.event(&LineEvent::Cts { time_ps: 1_000_000_004, asserted: true });
        serial.event(&LineEvent::Cts { time_ps: 1_000_000_005, asserted: false });
        let records = serial.event(&LineEvent::Rts { time_ps: 1_100_000_000, asserted: false });
        assert_eq!(records.iter().map(|record| record.time_ps).collect::<Vec<_>>(), [1_000_000_005], "no glitches");
        assert_eq!(&records[0].bytes[8..], b"\0\x08\0\0");
        let ways: Vec<_> = std::iter::from_fn(|| serial.pause(u64::MAX)).map(|record| record.way).collect();
        assert_eq!(ways, [Some(Way::Out), Some(Way::In), None]);
    }

    #[test]
    fn a_record_has_an_end() {
        let mut serial = Serial::default();
        let times = (1..).map(|n| n * 10 * BIT_PS);
        let done: Vec<_> = times.take(BYTES_MAX + 1).flat_map(|end_ps| serial.event(&sent(end_ps, 0))).collect();
        assert_eq!(done.len(), 1);
        assert_eq!(done[0].bytes.len(), 12 + BYTES_MAX);
    }
}
