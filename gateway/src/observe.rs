//! `lockstep-gateway observe`: what a broker publishes, as an independent client sees it.

use std::io::Write;
use std::process::ExitCode;
use std::time::Duration;

use rumqttc::{AsyncClient, ConnectionError, Event, Incoming, MqttOptions, Publish, SubscribeReasonCode};
use serde_json::json;
use tokio::time::Instant;

use crate::arguments::ObserveArguments;
use crate::error::GatewayError;

/// Fewer messages than wanted, or the broker was lost.
const EXIT_TOO_FEW: u8 = 1;
/// Bytes of a packet at most (MQTT allows 256 MB).
const PACKET_BYTES_MAX: usize = 1 << 20;
/// Packets on their way to the broker; a few subscriptions are all we send.
const REQUESTS_MAX: usize = 16;

/// Subscribes and prints until count or time is reached.
pub async fn observe(arguments: &ObserveArguments) -> Result<ExitCode, GatewayError> {
    let (host, port) = &arguments.broker;
    let failed = |reason: String| GatewayError::Broker { broker: format!("{host}:{port}"), reason };
    let mut options = MqttOptions::new(arguments.client_id.clone(), host.to_string(), *port);
    options.set_keep_alive(Duration::from_secs(20));
    options.set_max_packet_size(PACKET_BYTES_MAX, PACKET_BYTES_MAX);
    let (client, mut events) = AsyncClient::new(options, REQUESTS_MAX.max(arguments.topic.len()));
    for topic in &arguments.topic {
        client
            .subscribe(topic, arguments.qos)
            .await
            .map_err(|error| failed(format!("cannot subscribe to {topic:?}: {error}")))?;
    }
    let end = arguments.for_s.map(|seconds| Instant::now() + Duration::from_secs(seconds));
    let mut count = 0;
    let mut subscribed = 0;
    loop {
        let event = match end {
            Some(end) => tokio::time::timeout_at(end, events.poll()).await,
            None => Ok(events.poll().await),
        };
        match event {
            Err(_) => break,
            Ok(Ok(Event::Incoming(Incoming::SubAck(ack)))) => {
                if ack.return_codes.contains(&SubscribeReasonCode::Failure) {
                    return Err(failed("the broker refuses the subscription".to_owned()));
                }
                subscribed += 1;
                if subscribed == arguments.topic.len() {
                    tracing::info!("subscribed to {}", arguments.topic.join(", "));
                }
            }
            Ok(Ok(Event::Incoming(Incoming::Publish(message)))) => {
                let line = if arguments.json { json_line(&message) } else { text_line(&message) };
                let mut output = std::io::stdout();
                writeln!(output, "{line}").and_then(|()| output.flush()).map_err(GatewayError::Output)?;
                count += 1;
                if arguments.count == Some(count) {
                    // A DISCONNECT, so that the broker does not take us for lost; what becomes of it is not ours.
                    let _ = client.disconnect().await;
                    let _ = tokio::time::timeout(Duration::from_millis(200), events.poll()).await;
                    return Ok(ExitCode::SUCCESS);
                }
            }
            Ok(Ok(_)) => {}
            Ok(Err(error)) if subscribed == 0 => return Err(failed(connection_error(&error))),
            Ok(Err(error)) => {
                tracing::error!("the broker was lost: {}", connection_error(&error));
                return Ok(ExitCode::from(EXIT_TOO_FEW));
            }
        }
    }
    match arguments.count {
        Some(wanted) => {
            tracing::error!("{count} messages instead of {wanted}");
            Ok(ExitCode::from(EXIT_TOO_FEW))
        }
        None => Ok(ExitCode::SUCCESS),
    }
}

fn connection_error(error: &ConnectionError) -> String {
    match error {
        ConnectionError::Io(error) => error.to_string(),
        error => error.to_string(),
    }
}

fn text_line(message: &Publish) -> String {
    format!("{} {}", message.topic.escape_debug(), message.payload.escape_ascii())
}

fn json_line(message: &Publish) -> String {
    let (qos, retain) = (message.qos as u8, message.retain);
    // Text where it is text; else the bytes, so that nothing is lost.
    let payload = match std::str::from_utf8(&message.payload) {
        Ok(text) => json!({ "payload": text }),
        Err(_) => json!({ "payload_bytes": message.payload.to_vec() }),
    };
    let mut line = json!({ "type": "message", "topic": message.topic, "qos": qos, "retain": retain });
    if let (Some(line), Some(payload)) = (line.as_object_mut(), payload.as_object()) {
        line.extend(payload.clone());
    }
    line.to_string()
}
