//! From what was seen to what conditions speak of.

use std::collections::BTreeMap;

use super::Progress;
use super::watch::Happening;
use crate::machine::Machine;
use crate::observe::Seen;
use crate::oracle::Finding;

/// Longest line; a longer one is cut.
const LINE_BYTES_MAX: usize = 4096;
/// USART1: the pins TX and RX, `Serial1`.
const SERIAL1: u8 = 1;

/// Lines of Serial1, put together from bytes.
#[derive(Clone, Debug, Default)]
pub struct SerialLines {
    bytes: BTreeMap<u8, Vec<u8>>,
}

impl SerialLines {
    /// A byte; a line, if it ends one.
    pub fn byte(&mut self, usart: u8, byte: u8) -> Option<String> {
        let line = self.bytes.entry(usart).or_default();
        if byte == b'\n' || line.len() >= LINE_BYTES_MAX {
            let whole = std::mem::take(line);
            return Some(String::from_utf8_lossy(&whole).trim_end_matches('\r').to_owned());
        }
        line.push(byte);
        None
    }
}

/// What happened, in order, with its virtual time.
pub(super) fn happenings(
    machine: &Machine,
    seen: &[Seen],
    findings: &[Finding],
    progress: &mut Progress,
) -> Vec<(u64, Happening)> {
    let mut happenings = Vec::new();
    for seen in seen {
        match seen {
            Seen::Serial { usart: SERIAL1, byte, now } => {
                if let Some(line) = progress.lines.byte(SERIAL1, *byte) {
                    happenings.push((now.time_ps, Happening::Serial(line)));
                }
            }
            Seen::At(entry) => {
                let text = String::from_utf8_lossy(entry.bytes.trim_ascii()).into_owned();
                happenings.push((entry.time_ps, Happening::At(text)));
            }
            Seen::Cloud(event) => happenings.push((event.time_ps, Happening::Seen(Box::new(seen.clone())))),
            Seen::Reset(reset) => happenings.push((reset.now.time_ps, Happening::Seen(Box::new(seen.clone())))),
            Seen::Stage(stage) => happenings.push((stage.time_ps, Happening::Seen(Box::new(seen.clone())))),
            _ => {}
        }
    }
    let changes = machine.observer.led().changes();
    for change in changes.get(progress.led_changes..).unwrap_or_default() {
        happenings.push((change.time_ps, Happening::Led(change.state.to_string())));
    }
    progress.led_changes = changes.len();
    let now_ps = machine.now().time_ps;
    happenings.extend(findings.iter().map(|finding| (now_ps, Happening::Finding(finding.clone()))));
    happenings
}
