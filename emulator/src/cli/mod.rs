//! The command line: arguments, exit codes, errors.

mod app;
mod arguments;
mod dct;
mod debug;
mod error;
mod exception_names;
mod explain;
mod hashes;
mod hunt;
mod images;
mod logging;
mod modem;
pub mod output;
pub mod outside;
mod replay;
mod run;
mod sd;
mod sd_arguments;
mod settings;
pub mod show;
mod shown;
mod snapshot_file;
mod summary;
mod test;
mod trace;

use std::process::ExitCode;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};

use clap::Parser;

pub use arguments::RunArguments;
use arguments::{Cli, Command};
pub use error::CliError;

/// How a command ended; the value is the exit code.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Outcome {
    /// All was as it should be.
    Done = 0,
    /// An expectation (`--strict`, `--until`, a command to the device service, the guest's own exit status) was not met.
    ExpectationFailed = 1,
    /// Bad usage or bad input.
    BadInput = 2,
    /// The guest took a fault.
    GuestFault = 3,
    /// The guest hangs: its core locked up.
    Hang = 4,
    /// The run is not the one it was compared with.
    Divergence = 5,
}

/// Runs the command that the arguments name.
pub fn main() -> ExitCode {
    let cli = match Cli::try_parse() {
        Ok(cli) => cli,
        Err(error) => return usage(&error),
    };
    logging::start(cli.verbose);
    let outcome = match &cli.command {
        Command::Run(arguments) => run::run(arguments),
        Command::Hunt(arguments) => hunt::hunt(arguments),
        Command::Test(arguments) => test::test(arguments),
        Command::Explain(arguments) => explain::explain(arguments),
        Command::Replay(arguments) => replay::replay(arguments),
        Command::Diff(arguments) => trace::diff(arguments),
        Command::Trace(command) => trace::trace(command),
        Command::Modem(arguments) => modem::modem(arguments),
        Command::Inspect(arguments) => images::inspect(arguments),
        Command::Images(command) => images::images(command),
        Command::Dct(command) => dct::dct(command),
        Command::App(command) => app::app(command),
        Command::Sd(command) => sd::sd(command),
        Command::Settings(arguments) => settings::list(arguments),
    };
    let outcome = outcome.unwrap_or_else(|error| {
        complain(&error.to_string());
        Outcome::BadInput
    });
    ExitCode::from(outcome as u8)
}

/// A flag that Ctrl-C and the signals that ask a process to end set from now on.
fn stop_on_interrupt() -> Arc<AtomicBool> {
    let stop = Arc::new(AtomicBool::new(false));
    let handler_stop = Arc::clone(&stop);
    // Without a handler an interrupt ends the process at once: worse, but no reason to refuse.
    if let Err(error) = ctrlc::set_handler(move || handler_stop.store(true, Ordering::Relaxed)) {
        tracing::warn!("no orderly end on Ctrl-C: {error}");
    }
    stop
}

/// Says in one line what is wrong.
fn complain(text: &str) {
    let lines: Vec<&str> = text.lines().map(str::trim).filter(|line| !line.is_empty()).collect();
    // Nobody is left to be told when stderr is closed.
    let _ = std::io::Write::write_fmt(&mut std::io::stderr(), format_args!("lockstep: {}\n", lines.join(" / ")));
}

/// Help and version as clap prints them; an error as one line, with clap's tip if it has one.
fn usage(error: &clap::Error) -> ExitCode {
    if !error.use_stderr() {
        let _ = error.print();
        return ExitCode::SUCCESS;
    }
    let text = error.render().to_string();
    // A bare `lockstep` or `lockstep images` gets the help text whole.
    if error.kind() == clap::error::ErrorKind::DisplayHelpOnMissingArgumentOrSubcommand {
        let _ = error.print();
        return ExitCode::from(Outcome::BadInput as u8);
    }
    let lines = text.lines().map(str::trim).filter(|line| !line.is_empty());
    let told: Vec<&str> = lines
        .take_while(|line| !line.starts_with("Usage:") && !line.starts_with("For more information"))
        .map(|line| line.strip_prefix("error: ").unwrap_or(line))
        .collect();
    complain(&format!("{} (see --help)", told.join(" ")));
    ExitCode::from(Outcome::BadInput as u8)
}
