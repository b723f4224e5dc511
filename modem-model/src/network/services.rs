//! The services above TCP: one variant each, so that the state of all of them is serialisable.

use serde::{Deserialize, Serialize};

use super::http::HttpServer;
use super::mqtt::Broker;
use super::stream_service::{ConnectionId, StreamAction, StreamEvent, StreamService};

/// A service above TCP.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub enum Services {
    /// MQTT broker.
    Mqtt(Box<Broker>),
    /// HTTP server.
    Http(Box<HttpServer>),
}

impl Services {
    fn service(&self) -> &dyn StreamService {
        match self {
            Self::Mqtt(broker) => &**broker,
            Self::Http(server) => &**server,
        }
    }

    fn service_mut(&mut self) -> &mut dyn StreamService {
        match self {
            Self::Mqtt(broker) => &mut **broker,
            Self::Http(server) => &mut **server,
        }
    }
}

impl StreamService for Services {
    fn event(
        &mut self,
        now_ps: u64,
        connection: ConnectionId,
        event: StreamEvent<'_>,
        actions: &mut Vec<(ConnectionId, StreamAction)>,
    ) {
        self.service_mut().event(now_ps, connection, event, actions);
    }

    fn next_wake_ps(&self) -> u64 {
        self.service().next_wake_ps()
    }

    fn advance(&mut self, now_ps: u64, actions: &mut Vec<(ConnectionId, StreamAction)>) {
        self.service_mut().advance(now_ps, actions);
    }
}
