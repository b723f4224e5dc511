//! `lockstep replay`.

use std::sync::atomic::Ordering;
use std::time::Instant;

use lockstep::rtos::RtosObserver;
use lockstep::setup::duration::seconds;
use lockstep::trace::{End, Rerun, TraceFile, Tracer, Verifier, follow, open, readable_ps};

use super::arguments::ReplayArguments;
use super::output::Output;
use super::run::trouble_finding;
use super::show::{Json, Plain, Show};
use super::shown::Shower;
use super::summary::{Finding, Summary};
use super::{CliError, Outcome, stop_on_interrupt};

/// `lockstep replay`.
pub fn replay(arguments: &ReplayArguments) -> Result<Outcome, CliError> {
    let path = &arguments.trace;
    let mut trace: TraceFile = open(path)?;
    let end_ps = readable_ps(&mut trace, arguments.until).map_err(|reason| CliError::file(path, reason))?;
    let mut run = Rerun::of(&mut trace).map_err(|error| CliError::file(path, error.to_string()))?;
    if let Some(address) = &arguments.gdb {
        super::debug::attend(address, run, end_ps, &stop_on_interrupt())?;
        return Ok(Outcome::Done);
    }
    let show: Box<dyn Show> = if arguments.json { Box::new(Json::new()) } else { Box::new(Plain::new()) };
    let mut shower = Shower::new(show, &mut run);
    let hash_every = trace.head().hash_every;
    let mut tracer = Tracer::verifying(Verifier::new(trace), hash_every, run.machine_mut());
    let stop = stop_on_interrupt();
    let started = Instant::now();
    let mut shown = Ok(());
    let mut found: Vec<Finding> = Vec::new();
    let mut rtos = RtosObserver::default();
    follow(
        &mut run,
        &mut tracer,
        |run| if stop.load(Ordering::Relaxed) { End::Now("interrupted") } else { End::at(run, end_ps) },
        |run, news| {
            found.extend(news.findings.iter().filter_map(Finding::of));
            if shown.is_ok() {
                shown = shower.show(run, news);
            }
        },
    )
    .map_err(|error| CliError::file(path, error.to_string()))?;
    shown?;
    shower.end()?;
    let tasks = rtos.look(run.machine());
    let symbols = std::mem::take(&mut run.symbols);
    found.extend(tracer.trouble().map(|trouble| trouble_finding(&trouble, run.machine())));
    let mut summary = Summary {
        machine: run.machine_mut(),
        symbols: &symbols,
        findings: found,
        host: started.elapsed(),
        from_ps: 0,
        from_instructions: 0,
        tasks,
    };
    // Whatever was found in the run was found again: only a divergence is one.
    let outcome = match summary.judge() {
        _ if tracer.trouble().is_some() => Outcome::Divergence,
        _ => Outcome::Done,
    };
    let mut output = Output::new();
    if arguments.json {
        output.json(&summary.json(outcome))?;
    } else {
        output.text(&summary.text(outcome))?;
        if let (Outcome::Done, Some(verifier)) = (outcome, tracer.verifier()) {
            output.line(&format!(
                "identical to the recorded run: {} records and {} state hashes, to {} s",
                verifier.compared(),
                verifier.states(),
                seconds(run.machine().now().time_ps)
            ))?;
        }
    }
    output.finish()?;
    Ok(outcome)
}
