//! What becomes of a device whose power was cut.

use lockstep_modem::network::CloudEventKind;
use lockstep_peripherals::time::{PS_PER_MS, PS_PER_S};
use serde::Serialize;

use super::{NEW, OLD, Operation, PowerCutError, Update, written};
use crate::machine::{Machine, Snapshot};
use crate::observe::Seen;

/// What is drawn for a cut beside what the model draws.
const STREAM: &str = "power_cut";
/// How long the power is away, in milliseconds.
const OFF_MS: (u64, u64) = (5, 5_000);
/// Where user modules live.
const APP_PLACE: u32 = 0x0808_0000;
/// Virtual time from the power's return until a verdict falls in any case. 0.5.2 looks for its registration every 15 s,
/// and tries for 71 s to go on with a session that it has found damaged (docs/FINDINGS.md).
const LIMIT_PS: u64 = 180 * PS_PER_S;
/// An application, which runs before the device is connected, does not run if it is silent so long afterwards.
const SAFE_MODE_PS: u64 = 10 * PS_PER_S;
const LOOK_PS: u64 = 100 * PS_PER_MS;

/// When in an operation the power goes.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize)]
#[serde(rename_all = "snake_case")]
pub enum Variant {
    /// At a drawn moment within it.
    During,
    /// When it has just ended.
    After,
}

/// What a device runs in the end.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize)]
#[serde(rename_all = "snake_case")]
pub enum Runs {
    /// The new application.
    New,
    /// The old one.
    Old,
    /// None, but it is in contact with its service: an update brings it back.
    SafeMode,
    /// Nothing: somebody must go there.
    Nothing,
}

/// What became of a device.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct Verdict {
    /// What it runs.
    pub runs: Runs,
    /// It talks with its service again.
    pub is_connected: bool,
    /// The application in flash is, byte for byte, the new or the old one.
    pub is_whole: bool,
    /// Resets after the power was back.
    pub resets: usize,
    /// Faults since then.
    pub faults: usize,
    /// It locked up.
    pub locked_up: bool,
    /// What its LED shows in the end.
    pub led: String,
    /// How long the power was away, in milliseconds.
    pub off_ms: u64,
    /// From the power's return to the verdict, in milliseconds.
    pub after_ms: u64,
    /// What `flash.power_loss` decided.
    pub left: Vec<(String, u64)>,
}

impl Verdict {
    /// Somebody must go there.
    pub fn needs_visit(&self) -> bool {
        self.runs == Runs::Nothing
    }
}

/// A device in which an operation on flash has just begun.
pub struct Cut {
    /// The operation's number in the course.
    pub index: usize,
    /// Which it is.
    pub operation: Operation,
    /// The device.
    pub snapshot: Snapshot,
}

impl Cut {
    /// Cuts the power, gives it back, and looks what the device does. The seed decides all that is drawn. Without
    /// `connects` the verdict falls when an application speaks, connected or not. `watch` is shown what happens after the
    /// power's return.
    pub fn judge(
        &self,
        update: &Update,
        variant: Variant,
        seed: u64,
        connects: bool,
        mut watch: impl FnMut(&Seen),
    ) -> Result<Verdict, PowerCutError> {
        let mut machine = Machine::restore(&self.snapshot, false)?;
        let now_ps = machine.now().time_ps;
        let decisions = &mut machine.world.state.decisions;
        decisions.reseed(seed);
        let drawn_before = decisions.log().len();
        let (start_ps, end_ps) = (self.operation.started.start_ps, self.operation.started.end_ps);
        let cut_ps = match variant {
            Variant::During => {
                let into = decisions.draw(now_ps, STREAM, "into_operation_ps", 1, (end_ps - start_ps).max(2) - 1);
                start_ps + into
            }
            Variant::After => end_ps,
        };
        let off_ms = decisions.draw(now_ps, STREAM, "off_ms", OFF_MS.0, OFF_MS.1);
        machine.run_until_ps(cut_ps)?;
        machine.power_cut(off_ms * PS_PER_MS);
        let left: Vec<(String, u64)> = machine
            .world
            .state
            .decisions
            .log()
            .get(drawn_before..)
            .unwrap_or_default()
            .iter()
            .filter(|decision| decision.stream == "flash.power_loss")
            .map(|decision| (decision.what.clone(), decision.value))
            .collect();
        let back_ps = machine.now().time_ps + off_ms * PS_PER_MS;
        let (faults, resets) = (machine.observer.faults().len(), machine.observer.resets().len());
        machine.run_until_ps(back_ps)?;
        machine.observer.take_seen();

        let (mut text, mut connected_ps) = (String::new(), None);
        let speaks = |text: &str, version: u16| text.contains(&format!("lockstep-app {version} loop 2 "));
        let runs_one = |text: &str| speaks(text, OLD) || speaks(text, NEW);
        loop {
            let now_ps = machine.now().time_ps;
            let is_over = match connected_ps {
                Some(connected_ps) => runs_one(&text) || now_ps > connected_ps + SAFE_MODE_PS,
                None => runs_one(&text) && !connects,
            };
            if is_over || now_ps >= back_ps + LIMIT_PS {
                break;
            }
            machine.run_until_ps(now_ps + LOOK_PS)?;
            for seen in machine.observer.take_seen() {
                watch(&seen);
                text.extend(written(&seen));
                match &seen {
                    // It may begin anew and run another application than before.
                    Seen::Reset(_) => (text, connected_ps) = (String::new(), None),
                    Seen::Cloud(event) if is_back(&event.kind) => connected_ps = connected_ps.or(Some(event.time_ps)),
                    _ => {}
                }
            }
        }
        let is_connected = connected_ps.is_some();
        let runs = match (speaks(&text, NEW), speaks(&text, OLD)) {
            (true, _) => Runs::New,
            (_, true) => Runs::Old,
            _ if is_connected => Runs::SafeMode,
            _ => Runs::Nothing,
        };
        let mut there = vec![0; update.new.len()];
        let is_whole = machine.world.memory.peek(APP_PLACE, &mut there) && (there == update.new || there == update.old);
        let observer = &machine.observer;
        Ok(Verdict {
            runs,
            is_connected,
            is_whole,
            // The first of them is the power's return.
            resets: observer.resets().len().saturating_sub(resets + 1),
            faults: observer.faults().len() - faults,
            locked_up: observer.lock_up().is_some(),
            led: observer.led().state().to_string(),
            off_ms,
            after_ms: (machine.now().time_ps - back_ps) / PS_PER_MS,
            left,
        })
    }
}

/// The device talks with the service.
fn is_back(kind: &CloudEventKind) -> bool {
    use CloudEventKind::{Described, Handshake, Hello, Published, Resumed, Time};
    matches!(kind, Resumed | Handshake | Hello(_) | Published { .. } | Time { .. } | Described { .. })
}
