//! Images sent to a device one after the other, each until the device is back with it.
//!
//! A device resets after each update it has taken, and says afterwards what it has: by its description, and some
//! platforms by a flag in Hello (the Electron's firmware never sets it: `hw_config.c`, v0.5.2 to v2.2.0). The next image
//! waits until then, as it may need the one before.

use serde::{Deserialize, Serialize};

use super::DeviceRecord;
use super::event::{CloudEventKind, CommandProgress};
use super::modules::Upload;
use super::request::ServerRequest;
use crate::time::PS_PER_S;

/// How often an image of a set is tried.
const ATTEMPTS: u32 = 3;
/// Wait before the next try.
const RETRY_PS: u64 = 10 * PS_PER_S;
/// Wait for the description of a device that is back, before it is asked for it.
const DESCRIPTION_PS: u64 = 20 * PS_PER_S;
/// Wait before it is asked again: longer than a request is repeated.
const DESCRIPTION_AGAIN_PS: u64 = 90 * PS_PER_S;
/// How often it is asked.
const DESCRIPTIONS: u32 = 3;
/// Wait for a device that has an image: longer than one takes that is denied by a network and tries again.
const AWAY_PS: u64 = 1800 * PS_PER_S;
/// Flag of Hello: an update was taken.
const FLAG_UPDATED: u8 = 1;

#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
enum Phase {
    /// The next image is to be sent, not before this time.
    Next { not_before_ps: u64 },
    /// It is being sent.
    Sending { request: u64 },
    /// The device has it and resets; it is waited for until then.
    Away { until_ps: u64 },
    /// The device is back; its description is to come, or is asked for when this time has passed.
    Back(Back),
}

/// A device that is to say what it has.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
struct Back {
    is_flagged: bool,
    /// Why the service does not know whether the device has taken the image.
    doubt: Option<String>,
    ask_ps: u64,
    asked: u32,
}

impl Back {
    fn new(now_ps: u64, is_flagged: bool, doubt: Option<String>) -> Self {
        Self { is_flagged, doubt, ask_ps: now_ps + DESCRIPTION_PS, asked: 0 }
    }
}

/// A series of images for one device.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub(super) struct Install {
    uploads: Vec<Upload>,
    /// A set: what the device has already is left out, and what fails is tried again.
    is_set: bool,
    position: usize,
    attempts: u32,
    phase: Phase,
}

/// What an install wants next.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) enum Want {
    /// Time to pass, or something to happen.
    Wait,
    /// Something asked of the device.
    Ask(ServerRequest),
    /// Nothing: all is done.
    Finished,
    /// Nothing: it has failed.
    GiveUp(String),
}

impl Install {
    /// Images in the order in which they are sent.
    pub fn new(uploads: Vec<Upload>, is_set: bool) -> Self {
        Self { uploads, is_set, position: 0, attempts: 0, phase: Phase::Next { not_before_ps: 0 } }
    }

    /// Whether the device is in the middle of something.
    pub fn is_busy(&self) -> bool {
        !matches!(self.phase, Phase::Next { .. })
    }

    /// When [`go_on`](Self::go_on) is wanted although nothing happened.
    pub fn next_wake_ps(&self, device: &DeviceRecord) -> u64 {
        match self.phase {
            Phase::Next { not_before_ps } => not_before_ps.max(device.ready_from_ps),
            Phase::Away { until_ps } => until_ps,
            Phase::Back(Back { ask_ps, .. }) => ask_ps,
            Phase::Sending { .. } => u64::MAX,
        }
    }

    /// What to do now. An update that is asked for is told by [`asked`](Self::asked).
    pub fn go_on(&mut self, now_ps: u64, device: &DeviceRecord) -> Want {
        let is_due = self.next_wake_ps(device) <= now_ps;
        match &mut self.phase {
            Phase::Next { .. } if is_due => {
                let modules = &device.description.modules;
                while self.is_set && self.uploads.get(self.position).is_some_and(|upload| upload.is_on(modules)) {
                    self.position += 1;
                }
                match self.uploads.get(self.position) {
                    Some(upload) => Want::Ask(ServerRequest::Update { image: upload.image.clone() }),
                    None => Want::Finished,
                }
            }
            Phase::Away { .. } if is_due => self.failed(now_ps, "the device has it and did not come back"),
            Phase::Back(back) if is_due && back.asked >= DESCRIPTIONS => {
                let reason = back.doubt.take().unwrap_or_else(|| "the device does not say what it has".to_owned());
                self.failed(now_ps, &reason)
            }
            Phase::Back(back) if is_due => {
                (back.ask_ps, back.asked) = (now_ps + DESCRIPTION_AGAIN_PS, back.asked + 1);
                Want::Ask(ServerRequest::Describe)
            }
            _ => Want::Wait,
        }
    }

    /// What was wanted has been asked under this number.
    pub fn asked(&mut self, request: u64) -> Option<CommandProgress> {
        let Phase::Next { .. } = self.phase else { return None };
        self.phase = Phase::Sending { request };
        let image = self.uploads.get(self.position).map(|upload| upload.name.clone()).unwrap_or_default();
        Some(CommandProgress::Sending { image, position: self.position + 1, of: self.uploads.len() })
    }

    /// Something happened to its device.
    pub fn observe(
        &mut self,
        now_ps: u64,
        kind: &CloudEventKind,
        device: &DeviceRecord,
    ) -> (Want, Option<CommandProgress>) {
        match (&mut self.phase, kind) {
            (Phase::Sending { request }, CloudEventKind::UpdateDelivered { request: delivered })
                if request == delivered =>
            {
                self.phase = Phase::Away { until_ps: now_ps + AWAY_PS };
            }
            (Phase::Sending { request }, CloudEventKind::UpdateFailed { request: failed, reason, may_have_it })
                if request == failed =>
            {
                if !may_have_it {
                    return (self.failed(now_ps, reason), None);
                }
                // What became of it the device says itself.
                self.phase = Phase::Back(Back::new(now_ps, false, Some(reason.clone())));
            }
            (Phase::Sending { request }, CloudEventKind::Unanswered { request: failed }) if request == failed => {
                return (self.failed(now_ps, "the session ended before it began"), None);
            }
            (Phase::Away { .. }, CloudEventKind::Resumed) => self.phase = Phase::Back(Back::new(now_ps, false, None)),
            (Phase::Away { .. }, CloudEventKind::Hello(hello)) => {
                self.phase = Phase::Back(Back::new(now_ps, hello.flags & FLAG_UPDATED != 0, None));
            }
            // It was reset once more, and what it was asked is lost.
            (Phase::Back(back), CloudEventKind::Resumed) => {
                self.phase = Phase::Back(Back::new(now_ps, back.is_flagged, back.doubt.take()));
            }
            (Phase::Back(back), CloudEventKind::Hello(hello)) => {
                self.phase = Phase::Back(Back::new(now_ps, hello.flags & FLAG_UPDATED != 0, back.doubt.take()));
            }
            (Phase::Back(back), CloudEventKind::Described { .. }) => {
                let Some(upload) = self.uploads.get(self.position) else { return (Want::Finished, None) };
                if !upload.is_on(&device.description.modules) && !back.is_flagged {
                    let reason = back.doubt.take().unwrap_or_else(|| "the device came back without it".to_owned());
                    return (self.failed(now_ps, &reason), None);
                }
                let applied = CommandProgress::Applied { image: upload.name.clone() };
                (self.position, self.attempts) = (self.position + 1, 0);
                self.phase = Phase::Next { not_before_ps: now_ps };
                let want = if self.position < self.uploads.len() { Want::Wait } else { Want::Finished };
                return (want, Some(applied));
            }
            _ => {}
        }
        (Want::Wait, None)
    }

    fn failed(&mut self, now_ps: u64, reason: &str) -> Want {
        self.attempts += 1;
        if !self.is_set || self.attempts >= ATTEMPTS {
            let name = self.uploads.get(self.position).map_or("", |upload| upload.name.as_str());
            return Want::GiveUp(format!("{name}: {reason}"));
        }
        self.phase = Phase::Next { not_before_ps: now_ps + RETRY_PS };
        Want::Wait
    }
}
