//! Explanations: `lockstep explain`, and at the end of a run.

use std::sync::atomic::Ordering;

use indicatif::ProgressBar;
use lockstep::Machine;
use lockstep::explain::{Evidence, Explanation, Finding as Said, Moment, page};
use lockstep::oracle::Kind;
use lockstep::places::Places;
use lockstep::setup::files::Disk;
use lockstep::setup::load;
use lockstep::trace::{Rerun, TraceFile, explain_run, open, readable_ps};
use lockstep_images::SymbolTable;

use super::arguments::ExplainArguments;
use super::output::Output;
use super::summary::Finding;
use super::{CliError, Outcome, stop_on_interrupt};
use lockstep::observe::cause_text;

/// `lockstep explain`.
pub fn explain(arguments: &ExplainArguments) -> Result<Outcome, CliError> {
    let path = &arguments.trace;
    let mut trace: TraceFile = open(path)?;
    let end_ps = readable_ps(&mut trace, arguments.until).map_err(|reason| CliError::file(path, reason))?;
    let mut run = Rerun::of(&mut trace).map_err(|error| CliError::file(path, error.to_string()))?;
    load::more_symbols(&arguments.symbols, &arguments.map, &mut run.symbols, &mut Disk)?;
    let stop = stop_on_interrupt();
    let progress = ProgressBar::new(end_ps / PS_PER_MS).with_prefix("running again");
    let mut explanations = explain_run(&mut run, end_ps, |now_ps| {
        progress.set_position(now_ps / PS_PER_MS);
        !stop.load(Ordering::Relaxed)
    })
    .map_err(|error| CliError::file(path, error.to_string()))?;
    progress.finish_and_clear();
    if !arguments.all {
        explanations.truncate(1);
    }
    let mut output = Output::new();
    match arguments.json {
        true => output.json(&serde_json::json!(explanations))?,
        false => {
            let pages: Vec<String> = explanations.iter().map(page).collect();
            output.text(&pages.join("\n"))?;
        }
    }
    output.finish()?;
    Ok(Outcome::Done)
}

const PS_PER_MS: u64 = 1_000_000_000;

/// One for each moment that was kept; one for the machine as it is if there are none, or if something else was found that
/// lasts.
pub fn explanations(machine: &Machine, symbols: &SymbolTable, findings: &[Finding]) -> Vec<Explanation> {
    let observer = &machine.observer;
    let mut said: Vec<Said> = findings
        .iter()
        .map(|found| Said { kind: found.kind.to_owned(), time_ps: found.time_ps, text: found.text.clone() })
        .collect();
    let lasts =
        |found: &Finding| found.kind.parse().is_ok_and(|kind: Kind| kind.is_failure() && !kind.is_of_a_moment());
    said.sort_by_key(|said| said.time_ps);
    let resets: Vec<(u64, String)> =
        observer.resets().iter().map(|reset| (reset.now.time_ps, cause_text(reset.cause))).collect();
    let explain = |moment: &Moment| {
        let places = Places::new(symbols.clone(), &moment.flash);
        let led = observer.led().changes();
        Explanation::of(&Evidence { moment, findings: &said, led, resets: &resets, places: &places, last_write: None })
    };
    let kept = observer.history().map(|history| history.moments()).unwrap_or_default();
    let mut explanations: Vec<Explanation> = kept.iter().map(explain).collect();
    if kept.is_empty() || findings.iter().any(lasts) {
        explanations.push(explain(&Moment::of(machine)));
    }
    explanations
}
