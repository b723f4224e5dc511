//! How far an update over the air is, from what the device service tells.

use lockstep_modem::network::CloudEventKind;

/// The newest update.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Update {
    /// Length of the image.
    pub bytes: u32,
    /// Its chunks.
    pub chunks: u32,
    /// Chunks sent.
    pub sent: u32,
    /// Chunks that the device asked for again, in all.
    pub again: u32,
    /// Whether the device wants them without acknowledging each; `None` until it says.
    pub fast: Option<bool>,
    /// How it ended.
    pub end: Option<UpdateEnd>,
}

/// How an update ended.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum UpdateEnd {
    /// The device has it all.
    Delivered,
    /// It came to nothing, for this reason.
    Failed(String),
}

impl Update {
    /// Brings the picture up to date with an event.
    pub fn follow(update: &mut Option<Self>, event: &CloudEventKind) {
        if let CloudEventKind::UpdateBegun { bytes, chunks, .. } = *event {
            *update = Some(Self { bytes, chunks, sent: 0, again: 0, fast: None, end: None });
        }
        let Some(update) = update else { return };
        match event {
            CloudEventKind::UpdateReady { fast, .. } => update.fast = Some(*fast),
            CloudEventKind::UpdateProgress { chunks_sent, .. } => update.sent = *chunks_sent,
            CloudEventKind::UpdateChunksMissed { chunks, .. } => {
                update.again = update.again.saturating_add(u32::try_from(chunks.len()).unwrap_or(u32::MAX));
            }
            CloudEventKind::UpdateDelivered { .. } => {
                update.sent = update.chunks;
                update.end = Some(UpdateEnd::Delivered);
            }
            CloudEventKind::UpdateFailed { reason, .. } => update.end = Some(UpdateEnd::Failed(reason.clone())),
            _ => {}
        }
    }

    /// The part that was sent, 0 to 1.
    pub fn ratio(&self) -> f64 {
        (f64::from(self.sent) / f64::from(self.chunks.max(1))).clamp(0.0, 1.0)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_second_update_starts_from_nothing() {
        let mut update = None;
        Update::follow(&mut update, &CloudEventKind::UpdateProgress { request: 1, chunks_sent: 5, chunks: 10 });
        assert_eq!(update, None, "nothing is known of it");
        let begun = CloudEventKind::UpdateBegun { request: 1, bytes: 5_000, chunks: 10 };
        Update::follow(&mut update, &begun);
        Update::follow(&mut update, &CloudEventKind::UpdateProgress { request: 1, chunks_sent: 5, chunks: 10 });
        Update::follow(&mut update, &CloudEventKind::UpdateChunksMissed { request: 1, chunks: vec![1, 2] });
        assert_eq!(update.as_ref().map(|u| (u.ratio(), u.again)), Some((0.5, 2)));
        Update::follow(&mut update, &CloudEventKind::UpdateDelivered { request: 1 });
        assert_eq!(update.as_ref().map(|u| (u.ratio(), &u.end)), Some((1.0, &Some(UpdateEnd::Delivered))));
        Update::follow(&mut update, &begun);
        assert_eq!(update.map(|u| (u.sent, u.again, u.end)), Some((0, 0, None)));
    }
}
