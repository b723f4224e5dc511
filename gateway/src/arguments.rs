//! What the command line can say.

use std::path::PathBuf;

use clap::{Args, Parser, Subcommand};
use rumqttc::QoS;

use crate::allow::{Host, Rule};

/// Connects a simulated device to the real network, as far as it is allowed to.
#[derive(Debug, Parser)]
#[command(name = "lockstep-gateway", version, arg_required_else_help = true, propagate_version = true)]
pub struct Cli {
    /// Log more to stderr: -v each connection's details, -vv everything. RUST_LOG has precedence.
    #[arg(short, long, action = clap::ArgAction::Count, global = true)]
    pub verbose: u8,
    /// What to do.
    #[command(subcommand)]
    pub command: Command,
}

#[derive(Debug, Subcommand)]
pub enum Command {
    /// Wait on a Unix socket for `lockstep run --gateway` and bridge what is allowed.
    Bridge(BridgeArguments),
    /// Subscribe to topics of an MQTT broker and print what comes.
    Observe(ObserveArguments),
}

#[derive(Debug, Args)]
pub struct BridgeArguments {
    /// The Unix socket to make; `lockstep run --gateway` is given the same.
    #[arg(value_name = "SOCKET")]
    pub socket: PathBuf,
    /// Allow TCP and UDP to this address or name and port; with =HOST:PORT what the device sends there goes to
    /// another place. A name may then be resolved too. May be given several times. What is not allowed is refused.
    #[arg(long, value_name = "HOST:PORT[=HOST:PORT]", value_parser = Rule::parse)]
    pub allow: Vec<Rule>,
    /// End when the first run ends.
    #[arg(long)]
    pub once: bool,
}

fn parse_qos(text: &str) -> Result<QoS, String> {
    let number = text.parse().ok();
    number.and_then(|number| rumqttc::qos(number).ok()).ok_or_else(|| "0, 1 or 2".to_owned())
}

const OBSERVE_EXIT_CODES: &str =
    "Exit codes: 0 done, 1 fewer messages than --count or the broker was lost, 2 bad usage or no broker.";

#[derive(Debug, Args)]
#[command(after_help = OBSERVE_EXIT_CODES)]
pub struct ObserveArguments {
    /// The broker.
    #[arg(long, value_name = "HOST:PORT", value_parser = Host::parse_with_port)]
    pub broker: (Host, u16),
    /// A topic filter; may be given several times.
    #[arg(long, value_name = "FILTER", default_value = "#")]
    pub topic: Vec<String>,
    /// Quality of service to ask for.
    #[arg(long, value_parser = parse_qos, default_value = "0")]
    pub qos: QoS,
    /// End after this many messages.
    #[arg(long, value_name = "MESSAGES", value_parser = clap::value_parser!(u64).range(1..))]
    pub count: Option<u64>,
    /// End after this many seconds.
    #[arg(long = "for", value_name = "SECONDS", value_parser = clap::value_parser!(u64).range(1..=86_400 * 366))]
    pub for_s: Option<u64>,
    /// The name to connect with.
    #[arg(long, value_name = "ID", default_value = "lockstep-observer")]
    pub client_id: String,
    /// Print one JSON object a line.
    #[arg(long)]
    pub json: bool,
}
