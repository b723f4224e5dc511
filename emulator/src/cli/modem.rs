//! `lockstep modem`.

use lockstep::electron::network;
use lockstep_modem::Modem;
use lockstep_modem::network::directory;

use super::arguments::{ModemArguments, PowerAtStart};
use super::output::Output;
use super::outside::GatewayLink;
use super::{CliError, Outcome, stop_on_interrupt};
use crate::pcap::Capture;
use crate::pty::{Server, Terminal, Transcript};
use lockstep::setup::{Parts, settings};

/// What a modem that finds the rate by itself is opened at.
const DEFAULT_BAUD_HZ: u32 = 115_200;

/// `lockstep modem`.
pub fn modem(arguments: &ModemArguments) -> Result<Outcome, CliError> {
    let mut parts = Parts::default();
    settings::apply(&mut parts, &arguments.set)?;
    let transcript = match &arguments.log {
        Some(path) => Some(Transcript::create(path).map_err(CliError::io(path))?),
        None => None,
    };
    let capture =
        arguments.pcap.as_deref().map(|path| Capture::create(path).map_err(CliError::io(path))).transpose()?;
    let baud_hz = if parts.modem.baud_hz == 0 { DEFAULT_BAUD_HZ } else { parts.modem.baud_hz };
    let gateway = arguments.gateway.as_deref().map(GatewayLink::open).transpose()?;
    let terminal = Terminal::new(&arguments.pty, baud_hz).map_err(CliError::io(&arguments.pty))?;
    let stop = stop_on_interrupt();
    let mut output = Output::new();
    let (path, slave) = (arguments.pty.display(), terminal.slave().display());
    output.line(&format!("the modem ({}) is at {path} ({slave}), {baud_hz} bit/s", parts.modem.model.name()))?;
    let names: Vec<String> = directory::NAMES.iter().map(|(name, address)| format!("{name} ({address})")).collect();
    output.line(&format!("behind it: {}", names.join(", ")))?;
    output.line("Ctrl-C ends it")?;
    output.finish()?;
    let network = network(&parts.modem, &parts.link, Some(&parts.update));
    let mut server = Server::new(Modem::new(parts.modem, network), arguments.seed, terminal, transcript, capture);
    if let Some(gateway) = gateway {
        server.attach(gateway);
    }
    let went = (|| {
        if arguments.power == PowerAtStart::On {
            server.boot()?;
        }
        server.serve(&stop)
    })();
    went.map_err(CliError::io(&arguments.pty))?;
    let (unmodelled, traffic) = server.summary();
    output.line(&format!(
        "opened {} times, {} bytes to the modem, {} from it",
        traffic.opened, traffic.to_modem, traffic.from_modem
    ))?;
    for name in unmodelled {
        output.line(&format!("NOT MODELLED {name}"))?;
    }
    output.finish()?;
    Ok(Outcome::Done)
}
