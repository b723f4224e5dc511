//! `lockstep-gateway`: bridges sockets of a simulated device to the real network, and observes an MQTT broker.
//!
//! A process of its own: what it links (rumqttc, Apache-2.0) does not go with the licence of `lockstep`.

#![forbid(unsafe_code)]

mod allow;
mod arguments;
mod bridge;
mod datagrams;
mod error;
mod observe;
mod session;
mod stream;

use std::io::Write;
use std::process::ExitCode;

use clap::Parser;
use tracing_subscriber::EnvFilter;

use arguments::{Cli, Command};
use error::GatewayError;

/// Bad usage, or nothing could be begun.
const EXIT_BAD_INPUT: u8 = 2;

fn main() -> ExitCode {
    let cli = Cli::parse();
    start_logging(cli.verbose);
    let runtime = match tokio::runtime::Builder::new_current_thread().enable_all().build() {
        Ok(runtime) => runtime,
        Err(error) => return complain(&GatewayError::Runtime(error)),
    };
    let outcome = runtime.block_on(async {
        match &cli.command {
            Command::Bridge(arguments) => bridge::bridge(arguments).await,
            Command::Observe(arguments) => observe::observe(arguments).await,
        }
    });
    // A name that is being looked up would hold the end up.
    runtime.shutdown_background();
    outcome.unwrap_or_else(|error| complain(&error))
}

fn complain(error: &GatewayError) -> ExitCode {
    // Nobody is left to be told when stderr is closed.
    let _ = writeln!(std::io::stderr(), "lockstep-gateway: {error}");
    ExitCode::from(EXIT_BAD_INPUT)
}

fn start_logging(verbose: u8) {
    let level = match verbose {
        0 => "lockstep_gateway=info,warn",
        1 => "lockstep_gateway=debug,info",
        _ => "debug",
    };
    let filter = EnvFilter::try_from_default_env().unwrap_or_else(|_| EnvFilter::new(level));
    tracing_subscriber::fmt().with_env_filter(filter).with_writer(std::io::stderr).without_time().init();
}
