//! `cargo bench -p lockstep --bench speed`: how fast the machine is, beside unpatched Unicorn and QEMU.
//!
//! Every engine runs the same ELF in a process of its own; what counts is the CPU time of that process (user and
//! system, so that a busy host matters less), minus that of the same ELF with its loop cut to one round: start-up and
//! translation are not measured. Engines take turns, several rounds; figures are medians, ratios are medians of the
//! ratios within a round.
//!
//! Options after `--`: `--rounds N` (5), `--kernels-only`, `--firmware-only`, `--kernel NAME`.
//! `speed machine ELF` runs one ELF on the machine: what the bench starts for itself, and what to profile.

mod engines;
mod firmware;
mod kernels;
mod table;

use std::error::Error;
use std::process::ExitCode;

use engines::Engines;

/// What the command line asks for.
#[derive(Debug)]
struct Options {
    rounds: usize,
    kernels: bool,
    firmware: bool,
    only: Option<String>,
}

fn main() -> ExitCode {
    match run() {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            eprintln!("speed: {error}");
            ExitCode::FAILURE
        }
    }
}

fn run() -> Result<(), Box<dyn Error>> {
    // Cargo adds `--bench`.
    let arguments: Vec<String> = std::env::args().skip(1).filter(|a| a != "--bench").collect();
    let arguments: Vec<&str> = arguments.iter().map(String::as_str).collect();
    match arguments.as_slice() {
        ["machine", elf] => return engines::run_on_machine(elf),
        ["firmware", version] => return firmware::run(version),
        _ => {}
    }
    let options = parse(&arguments)?;
    println!("{}", table::host());
    if options.kernels {
        let engines = Engines::prepare()?;
        let results = kernels::measure(&engines, options.rounds, options.only.as_deref())?;
        print!("{}", table::kernels(&results));
    }
    if options.firmware {
        match firmware::measure("2.2.0", options.rounds)? {
            Some(results) => print!("{}", table::firmware("2.2.0", &results)),
            None => eprintln!("SKIPPED (no vendor images): firmware; fetch them with `lockstep images fetch`"),
        }
    }
    Ok(())
}

fn parse(arguments: &[&str]) -> Result<Options, String> {
    let mut options = Options { rounds: 5, kernels: true, firmware: true, only: None };
    let mut arguments = arguments.iter();
    while let Some(argument) = arguments.next() {
        match *argument {
            "--kernels-only" => options.firmware = false,
            "--firmware-only" => options.kernels = false,
            "--rounds" => {
                let value = arguments.next().ok_or("--rounds needs a number")?;
                options.rounds = value.parse().map_err(|_| format!("--rounds {value}: a number is needed"))?;
            }
            "--kernel" => options.only = Some((*arguments.next().ok_or("--kernel needs a name")?).to_owned()),
            other => {
                return Err(format!(
                    "unknown option {other}; there are --rounds, --kernel, --kernels-only, --firmware-only"
                ));
            }
        }
    }
    if options.rounds == 0 {
        return Err("--rounds 0: one round at least is needed".into());
    }
    Ok(options)
}
