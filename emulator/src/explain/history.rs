//! What has been seen of the outside so far, cut to what an explanation shows.

use std::collections::VecDeque;

use lockstep_modem::network::{CloudEvent, CloudEventKind};
use lockstep_modem::{AtLogEntry, Direction};
use lockstep_peripherals::time::PS_PER_S;
use serde::Serialize;

use super::moment::{Moment, Reason};
use crate::rtos::TaskClock;

/// AT lines remembered.
const AT_KEPT: usize = 256;
/// Events of the device service remembered.
const CLOUD_KEPT: usize = 64;
/// Moments kept: a device that faults again and again does so in the same way.
const MOMENTS_KEPT: usize = 6;
/// Chunks named as missing.
const MISSING_KEPT: usize = 64;
/// The task that sends a line gives up the core as soon as the first character is on its way: up to 3 microseconds
/// before the line seems to begin, as ten bits a character give it (measured on 0.5.2 and 2.2.0). Its runs are longer
/// than this.
const SETTLING_PS: u64 = 8_000_000;

/// A line between microcontroller and modem.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct AtSeen {
    /// When, in picoseconds: the last character received, or the first ready to be sent.
    pub time_ps: u64,
    /// Whether it went to the modem.
    pub to_modem: bool,
    /// Whether it is a payload.
    pub is_payload: bool,
    /// What it said, in ASCII with escapes, cut where it is long.
    pub text: String,
    /// TCB of the task that had the core when a line to the modem began to be sent.
    pub task: Option<u32>,
}

/// An update over the air, as the device service sees it.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize)]
pub struct OverTheAir {
    /// When the device was told of it, in picoseconds.
    pub begun_ps: u64,
    /// Length of the image.
    pub bytes: u32,
    /// Its chunks.
    pub chunks: u32,
    /// When the device was ready, and whether it wanted the fast mode.
    pub ready: Option<(u64, bool)>,
    /// Chunks sent, told at each tenth of all.
    pub sent: u32,
    /// Chunks that the device asked for again, last.
    pub missing: Vec<u16>,
    /// When it had all of them.
    pub delivered_ps: Option<u64>,
    /// When and why it came to nothing.
    pub failed: Option<(u64, String)>,
}

/// What has been seen.
#[derive(Clone, Debug, Default)]
pub struct History {
    pub(super) at: VecDeque<AtSeen>,
    pub(super) cloud: VecDeque<(u64, String)>,
    pub(super) update: Option<OverTheAir>,
    moments: Vec<Moment>,
}

impl History {
    /// Moments kept: faults, lock-ups and the first SOS after each reset, oldest first; at most six.
    pub fn moments(&self) -> &[Moment] {
        &self.moments
    }

    /// Whether there is room for a moment. An SOS says nothing new about a fault that was kept since the last reset.
    pub(crate) fn wants_moment(&self, reason: Reason, reset_ps: u64) -> bool {
        let is_known = self.moments.last().is_some_and(|last| last.now.time_ps >= reset_ps);
        let says_nothing_new = matches!(reason, Reason::Sos { .. }) && is_known;
        self.moments.len() < MOMENTS_KEPT && !says_nothing_new
    }

    pub(crate) fn keep(&mut self, moment: Moment) {
        self.moments.push(moment);
    }

    /// `running` is the task that has the core now; the baud rate is that of the modem's line.
    pub(crate) fn at_line(
        &mut self,
        entry: &AtLogEntry,
        clock: Option<&TaskClock>,
        running: Option<u32>,
        baud_hz: u32,
    ) {
        let to_modem = entry.direction != Direction::FromModem;
        let line_ps = 10 * PS_PER_S / u64::from(baud_hz.max(1)) * entry.bytes.len() as u64;
        let began_ps = entry.time_ps.saturating_sub(line_ps + SETTLING_PS);
        let task = to_modem.then(|| clock.and_then(|clock| clock.running_at(began_ps)).or(running)).flatten();
        if self.at.len() == AT_KEPT {
            self.at.pop_front();
        }
        self.at.push_back(AtSeen {
            time_ps: entry.time_ps,
            to_modem,
            is_payload: entry.direction == Direction::PayloadToModem,
            text: line_text(&entry.bytes),
            task,
        });
    }

    pub(crate) fn cloud_event(&mut self, event: &CloudEvent) {
        self.follow_update(event);
        if self.cloud.len() == CLOUD_KEPT {
            self.cloud.pop_front();
        }
        self.cloud.push_back((event.time_ps, cut(event.kind.to_string())));
    }

    fn follow_update(&mut self, event: &CloudEvent) {
        if let CloudEventKind::UpdateBegun { bytes, chunks, .. } = event.kind {
            let begun_ps = event.time_ps;
            self.update = Some(OverTheAir { begun_ps, bytes, chunks, ..OverTheAir::default() });
        }
        let Some(update) = &mut self.update else { return };
        match &event.kind {
            CloudEventKind::UpdateReady { fast, .. } => update.ready = Some((event.time_ps, *fast)),
            CloudEventKind::UpdateProgress { chunks_sent, .. } => update.sent = *chunks_sent,
            CloudEventKind::UpdateChunksMissed { chunks, .. } => {
                update.missing = chunks.iter().copied().take(MISSING_KEPT).collect();
            }
            CloudEventKind::UpdateDelivered { .. } => {
                update.missing.clear();
                update.delivered_ps = Some(event.time_ps);
            }
            CloudEventKind::UpdateFailed { reason, .. } => update.failed = Some((event.time_ps, reason.clone())),
            _ => {}
        }
    }
}

/// A line without its end, in ASCII.
fn line_text(bytes: &[u8]) -> String {
    let escape = |byte: &u8| match *byte {
        b'"' | b'\'' => char::from(*byte).to_string(),
        other => other.escape_ascii().to_string(),
    };
    cut(bytes.trim_ascii().iter().map(escape).collect())
}

/// At most 100 characters.
fn cut(text: String) -> String {
    const LONGEST: usize = 100;
    match text.char_indices().nth(LONGEST) {
        Some((end, _)) => format!("{}…", text.get(..end).unwrap_or_default()),
        None => text,
    }
}
