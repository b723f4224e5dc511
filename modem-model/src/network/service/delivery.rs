//! Events on their way to devices: what devices publish reaches those that subscribed, and some names are questions to
//! the service itself.

use lockstep_traces::Decisions;

use super::device::OWN_REQUEST;
use super::event::{CloudEventKind, DeviceId};
use super::{DeviceService, STREAM, ServerRequest};
use crate::network::peer::PeerOutput;

/// Names that are the system's: nobody hears what devices publish under them.
const RESERVED: [&str; 2] = ["spark", "particle"];
/// A device asks for its name by publishing this.
const NAME_EVENT: &str = "spark/device/name";
/// For the address it is seen under.
const ADDRESS_EVENT: &str = "spark/device/ip";
/// For 40 random bytes.
const RANDOM_EVENT: &str = "spark/device/random";

impl DeviceService {
    /// Delivers what a device has published, or answers it.
    pub(super) fn published(
        &mut self,
        now_ps: u64,
        from: DeviceId,
        (name, data): (&str, &str),
        output: &mut PeerOutput,
        decisions: &mut Decisions,
    ) {
        let answer = match name {
            NAME_EVENT => Some(self.config.device_name.clone()),
            ADDRESS_EVENT => {
                let session = self.devices.get(&from).and_then(|device| self.dtls.session(device.session));
                session.map(|session| session.remote.address.to_string())
            }
            RANDOM_EVENT => Some((0..10).map(|_| format!("{:08x}", decisions.entropy_u32(STREAM))).collect::<String>()),
            _ => None,
        };
        if let Some(data) = answer {
            return self.give(now_ps, from, name, data, output);
        }
        if RESERVED.iter().any(|reserved| name.starts_with(reserved)) {
            return;
        }
        let wants = self.devices.iter().filter(|(_, device)| device.wants_event(name));
        let wants: Vec<DeviceId> = wants.map(|(id, _)| *id).collect();
        for device_id in wants {
            self.give(now_ps, device_id, name, data.to_owned(), output);
        }
    }

    fn give(&mut self, now_ps: u64, to: DeviceId, name: &str, data: String, output: &mut PeerOutput) {
        let request = ServerRequest::Event { name: name.to_owned(), data };
        let session = self.devices.get(&to).map(|device| device.session);
        if let Some(conversation) = session.and_then(|session| self.conversations.get_mut(&session))
            && request.check().is_ok()
        {
            if !conversation.has_room() {
                return output.unmodelled("cloud: event dropped, the device acknowledges none".to_owned());
            }
            conversation.ask(now_ps, OWN_REQUEST, request);
        }
    }

    /// Name and data of an event that a device published.
    pub(super) fn publication(kind: &CloudEventKind) -> Option<(String, String)> {
        match kind {
            CloudEventKind::Published { name, data, .. } => Some((name.clone(), data.clone())),
            _ => None,
        }
    }
}
