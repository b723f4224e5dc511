//! The `lockstep` command.

#![forbid(unsafe_code)]

mod cli;
mod pcap;
mod pty;
mod view;

fn main() -> std::process::ExitCode {
    cli::main()
}
