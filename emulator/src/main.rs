//! The `lockstep` command.

mod cli;
mod view;

fn main() -> std::process::ExitCode {
    cli::main()
}
