//! What was seen while debugging, each once, however often the run went by it.

use std::collections::BTreeSet;

use lockstep_modem::Direction;

use crate::observe::Seen;

/// Events kept; the oldest are given up first.
const KEPT_MAX: usize = 100_000;

/// Its time in picoseconds, and what it was.
pub type Event = (u64, String);

/// Events in order of time.
#[derive(Debug, Default)]
pub struct EventLog {
    events: BTreeSet<Event>,
    seen: Vec<(u64, Seen)>,
}

impl EventLog {
    /// Takes over what was seen.
    pub fn add(&mut self, seen: Vec<Seen>) {
        for seen in seen {
            let (time_ps, text) = describe(&seen);
            if self.events.insert((time_ps, text)) {
                self.seen.push((time_ps, seen));
            }
        }
        while self.events.len() > KEPT_MAX {
            self.events.pop_first();
        }
    }

    /// The last `count` events up to a time, and as many after it that are known.
    pub fn around(&self, now_ps: u64, count: usize) -> (Vec<&Event>, Vec<&Event>) {
        let split = (now_ps.saturating_add(1), String::new());
        let is_shown = |event: &&Event| !event.1.starts_with(HIDDEN);
        let mut before: Vec<_> = self.events.range(..split.clone()).rev().filter(is_shown).take(count).collect();
        before.reverse();
        (before, self.events.range(split..).filter(is_shown).take(count).collect())
    }

    /// What was seen up to a time, for who shows it when the debugger is gone.
    pub fn into_seen(self, until_ps: u64) -> Vec<Seen> {
        self.seen.into_iter().filter(|(time_ps, _)| *time_ps <= until_ps).map(|(_, seen)| seen).collect()
    }
}

/// Bytes and packets are kept for later, but are no events of their own.
const HIDDEN: &str = "\0";

fn describe(seen: &Seen) -> Event {
    match seen {
        Seen::Stage(stage) => (stage.time_ps, format!("stage {:?}", stage.stage)),
        Seen::At(entry) => {
            let arrow = match entry.direction {
                Direction::ToModem => "->",
                Direction::PayloadToModem => "=>",
                Direction::FromModem => "<-",
            };
            let bytes = entry.bytes.trim_ascii();
            let is_text = bytes.iter().all(|byte| matches!(byte, b' '..=b'~' | b'\r' | b'\n'));
            let text = if is_text { bytes.escape_ascii().to_string() } else { format!("[{} bytes]", bytes.len()) };
            (entry.time_ps, format!("modem {arrow} {text}"))
        }
        Seen::Cloud(event) => (event.time_ps, format!("cloud {}", event.kind)),
        Seen::Fault(fault) => {
            let (_, bit) = fault.fault.cfsr_bit();
            (fault.now.time_ps, format!("FAULT {bit} at {:#010x}, LR {:#010x}", fault.pc, fault.lr))
        }
        Seen::Reset(reset) => (reset.now.time_ps, format!("reset: {:?}", reset.cause)),
        Seen::ExternalWatchdog { now } => (now.time_ps, "the watchdog on the reset pin".to_owned()),
        Seen::NullWrite(write) => {
            (write.now.time_ps, format!("store through a null pointer at {:#010x} to {:#x}", write.pc, write.address))
        }
        Seen::LockUp { now, pc } => (now.time_ps, format!("LOCK-UP at {pc:#010x}")),
        Seen::Datagram(datagram) => (
            datagram.time_ps,
            format!("datagram {} to {}, {} bytes, unanswered", datagram.from, datagram.to, datagram.bytes.len()),
        ),
        Seen::Serial { usart, byte, now } => (now.time_ps, format!("{HIDDEN}{usart} {byte}")),
        Seen::Line(event) => (0, format!("{HIDDEN}{event:?}")),
        Seen::Packet(packet) => (0, format!("{HIDDEN}{packet:?}")),
    }
}
