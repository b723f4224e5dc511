//! The power goes while flash changes, counted: `cargo run --release -p lockstep --example power_cuts -- --help`.
//!
//! For each firmware version one update of our application over the air, and the boot loader's copy after it, is cut
//! short at its program and erase operations: in the middle of each, and right after it. Printed is what the devices do
//! when the power is back; each that needs a visit is named with all that is needed to do it again.

use std::collections::BTreeMap;
use std::io::Write as _;
use std::path::PathBuf;

use clap::{Parser, ValueEnum};
use lockstep::power_cut::{Cut, Operation, Place, PowerCutError, Programmer, Runs, Update, Variant, Verdict, choose};
use lockstep::{Seen, fleet};
use lockstep_peripherals::flash::OperationKind;

/// Cuts the power at flash operations of an update of genuine firmware and prints a table of outcomes.
#[derive(Parser)]
struct Arguments {
    /// Firmware versions.
    #[arg(long, value_delimiter = ',', default_value = "0.5.2,1.5.0,1.5.1,2.0.0,2.1.0,2.2.0,2.3.1")]
    firmware: Vec<String>,
    /// Bytes of the application, old and new: as many as in the one log of an update on hardware.
    #[arg(long, default_value_t = 14_252)]
    image_bytes: usize,
    /// Of the program operations each N-th is cut, beside all erases and both ends of what is filled.
    #[arg(long, default_value_t = 64)]
    every: usize,
    /// At most so many operations of each version, evenly spread over those chosen.
    #[arg(long)]
    at_most: Option<usize>,
    /// Only this operation, by its number in the course.
    #[arg(long)]
    cut: Option<usize>,
    /// Only this moment.
    #[arg(long)]
    variant: Option<Moment>,
    /// Seed of all choices.
    #[arg(long, default_value_t = 1)]
    seed: u64,
    /// The verdict falls when an application speaks, connected or not.
    #[arg(long)]
    boots_only: bool,
    /// Print what happens after the power's return: to look at one cut.
    #[arg(long)]
    events: bool,
    /// Print the course and cut nothing.
    #[arg(long)]
    course: bool,
    /// Worker threads.
    #[arg(long, default_value_t = 2)]
    jobs: usize,
    /// Write a JSON line for each cut.
    #[arg(long)]
    out: Option<PathBuf>,
}

#[derive(Clone, Copy, PartialEq, Eq, ValueEnum)]
enum Moment {
    During,
    After,
}

impl Arguments {
    fn variants(&self) -> Vec<Variant> {
        match self.variant {
            Some(Moment::During) => vec![Variant::During],
            Some(Moment::After) => vec![Variant::After],
            None => vec![Variant::During, Variant::After],
        }
    }

    fn chosen(&self, course: &[Operation]) -> Vec<usize> {
        if let Some(cut) = self.cut {
            return vec![cut];
        }
        let all = choose(course, self.every);
        match self.at_most {
            Some(most) if most < all.len() => (0..most).map(|i| all[i * all.len() / most]).collect(),
            _ => all,
        }
    }

    /// Each cut has its own, and keeps it whichever others are made.
    fn seed_of(&self, index: usize, variant: Variant) -> u64 {
        self.seed.wrapping_mul(1_000_003).wrapping_add(2 * index as u64 + u64::from(variant == Variant::After))
    }
}

type Judged = Result<Vec<(Variant, Verdict)>, PowerCutError>;
type Row = (Programmer, Place, OperationKind, Variant);

fn main() -> Result<(), Box<dyn std::error::Error>> {
    let arguments = Arguments::parse();
    let mut out = arguments.out.as_ref().map(std::fs::File::create).transpose()?;
    for firmware in &arguments.firmware {
        let update = Update::offered(firmware, arguments.image_bytes, arguments.seed)?;
        let course = update.course()?;
        println!("{firmware}: {}", summary(&course));
        if arguments.course {
            for (index, operation) in course.iter().enumerate() {
                println!("{}", serde_json::json!({ "firmware": firmware, "index": index, "operation": operation }));
            }
            continue;
        }
        let chosen = arguments.chosen(&course);
        let mut verdicts: BTreeMap<Row, Vec<Verdict>> = BTreeMap::new();
        let total = chosen.len();
        let mut finished = 0;
        let produce =
            |cuts: crossbeam_channel::Sender<Cut>| update.visit(&course, &chosen, |cut| cuts.send(cut).is_ok());
        let work = |cut: Cut| {
            let watch = |seen: &Seen| {
                if arguments.events {
                    print_event(seen);
                }
            };
            let judge = |variant| {
                let seed = arguments.seed_of(cut.index, variant);
                cut.judge(&update, variant, seed, !arguments.boots_only, watch).map(|verdict| (variant, verdict))
            };
            let judged = arguments.variants().into_iter().map(judge).collect::<Judged>();
            (cut.index, cut.operation, judged)
        };
        let mut failure = None;
        let done = |(index, operation, judged): (usize, Operation, Judged)| {
            finished += 1;
            eprint!("\r{firmware}: {finished} of {total} ");
            let judged = match judged {
                Ok(judged) => judged,
                Err(error) => {
                    failure = Some(error);
                    return false;
                }
            };
            for (variant, verdict) in judged {
                let line = serde_json::json!({ "firmware": firmware, "image_bytes": arguments.image_bytes,
                    "seed": arguments.seed, "cut": index, "variant": variant, "operation": operation,
                    "verdict": verdict });
                if let Some(out) = &mut out {
                    let _ = writeln!(out, "{line}");
                }
                if verdict.needs_visit() || verdict.faults > 0 || verdict.locked_up {
                    eprintln!("\nfinding: {line}");
                }
                let row = (operation.by, operation.place, operation.started.kind, variant);
                verdicts.entry(row).or_default().push(verdict);
            }
            true
        };
        let visited = fleet::run_stream(arguments.jobs, produce, work, done);
        eprintln!();
        if let Some(error) = failure {
            return Err(error.into());
        }
        visited.ok_or("the pass that visits the operations has ended by a panic")??;
        print_table(firmware, &course, &verdicts);
    }
    Ok(())
}

fn print_event(seen: &Seen) {
    let s = |time_ps: u64| time_ps as f64 / 1e12;
    match seen {
        Seen::At(entry) => {
            eprintln!("{:12.6} {:?} {}", s(entry.time_ps), entry.direction, entry.bytes.escape_ascii());
        }
        Seen::Cloud(event) => eprintln!("{:12.6} {}", s(event.time_ps), event.kind),
        Seen::Reset(reset) => eprintln!("{:12.6} reset: {:?}", s(reset.now.time_ps), reset.cause),
        Seen::Fault(fault) => {
            eprintln!("{:12.6} fault: {:?} at {:#010x}", s(fault.now.time_ps), fault.fault, fault.pc);
        }
        Seen::Stage(reached) => eprintln!("{:12.6} {:?}", s(reached.time_ps), reached.stage),
        _ => {}
    }
}

fn word(value: impl serde::Serialize) -> String {
    serde_json::to_value(value)
        .ok()
        .and_then(|value| value.as_str().map(|text| text.replace('_', " ")))
        .unwrap_or_default()
}

/// Operations by whose they are.
fn counts(course: &[Operation]) -> BTreeMap<(Programmer, Place, OperationKind), usize> {
    let mut counts = BTreeMap::new();
    for operation in course {
        *counts.entry((operation.by, operation.place, operation.started.kind)).or_default() += 1;
    }
    counts
}

fn summary(course: &[Operation]) -> String {
    let erases = course.iter().filter(|operation| operation.started.kind == OperationKind::Erase).count();
    let seconds = match (course.first(), course.last()) {
        (Some(first), Some(last)) => (last.started.end_ps - first.started.start_ps) / 1_000_000_000_000,
        _ => 0,
    };
    format!("{} program operations and {erases} erases in {seconds} s", course.len() - erases)
}

fn print_table(firmware: &str, course: &[Operation], verdicts: &BTreeMap<Row, Vec<Verdict>>) {
    println!(
        "| firmware | by | place | kind | operations | power lost | cuts | new | old | safe mode | nothing | not connected | application damaged | faults |"
    );
    println!("|---|---|---|---|---:|---|---:|---:|---:|---:|---:|---:|---:|---:|");
    let counts = counts(course);
    for (&(by, place, kind, variant), verdicts) in verdicts {
        let count = |is_it: &dyn Fn(&Verdict) -> bool| verdicts.iter().filter(|verdict| is_it(verdict)).count();
        println!(
            "| {firmware} | {} | {} | {} | {} | {} | {} | {} | {} | {} | {} | {} | {} | {} |",
            word(by),
            word(place),
            word(kind),
            counts.get(&(by, place, kind)).copied().unwrap_or_default(),
            word(variant),
            verdicts.len(),
            count(&|verdict| verdict.runs == Runs::New),
            count(&|verdict| verdict.runs == Runs::Old),
            count(&|verdict| verdict.runs == Runs::SafeMode),
            count(&|verdict| verdict.runs == Runs::Nothing),
            count(&|verdict| !verdict.is_connected),
            count(&|verdict| !verdict.is_whole),
            verdicts.iter().map(|verdict| verdict.faults).sum::<usize>(),
        );
    }
}
