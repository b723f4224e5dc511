//! `lockstep hunt`.

use std::collections::BTreeMap;
use std::path::Path;
use std::sync::atomic::Ordering;
use std::time::{Duration, Instant};

use indicatif::{ProgressBar, ProgressStyle};
use lockstep::fleet;
use lockstep::hunt::{
    Base, Difference, Groups, Line, Outcome as RunOutcome, Store, branch, difference, done, minimise,
};
use lockstep::scenario::{Scenario, Variant};
use lockstep::session::SessionError;
use lockstep::setup::duration::seconds;
use lockstep::setup::files::{Disk, Files as _, Folder};
use lockstep::trace::ScenarioRun;

use super::arguments::HuntArguments;
use super::output::Output;
use super::show::{Event, Json, Lines, Plain, Show, event_time_ps, translate};
use super::{CliError, Outcome, stop_on_interrupt};

struct Task<'a> {
    base: &'a Base,
    seed: u64,
}

/// `lockstep hunt`.
pub fn hunt(arguments: &HuntArguments) -> Result<Outcome, CliError> {
    let scenario = read_scenario(&arguments.scenario)?;
    let folder = arguments.scenario.parent().unwrap_or(Path::new("."));
    let variants = variants(&scenario, arguments)?;
    let (mut store, lines) = match &arguments.out {
        Some(path) => {
            let (store, lines) = Store::open(path, &scenario.text)?;
            (Some(store), lines)
        }
        None => (None, Vec::new()),
    };
    let mut output = Output::new();
    let stop = stop_on_interrupt();
    let mut worst = Outcome::Done;
    for variant in &variants {
        if stop.load(Ordering::Relaxed) {
            break;
        }
        let base = Base::new(&scenario, variant, folder).map_err(|error| of(&arguments.scenario, error))?;
        let name = device_name(&base);
        if let Some(seed) = arguments.show {
            worst = worst.max(show_run(&base, seed, arguments)?);
            continue;
        }
        let known = done(&lines);
        let mut groups = Groups::default();
        let mut outcomes: BTreeMap<u64, RunOutcome> = BTreeMap::new();
        for line in lines.iter().filter(|line| line.variant == name) {
            groups.add(line.seed, &line.outcome);
            outcomes.insert(line.seed, line.outcome.clone());
        }
        let seeds = arguments.first_seed..arguments.first_seed.saturating_add(arguments.runs);
        let tasks: Vec<Task<'_>> = seeds
            .filter(|seed| !known.contains(&(name.clone(), *seed)))
            .map(|seed| Task { base: &base, seed })
            .collect();
        let started = Instant::now();
        let (mut virtual_ps, mut count) = (0, 0);
        let progress = progress_bar(&name, tasks.len() as u64, arguments.json);
        let mut failure = None;
        let work = |task: &Task<'_>| task.base.run(branch(&task.base.scenario, task.seed));
        fleet::run_all(arguments.jobs, &tasks, work, |index, result| {
            let seed = tasks[index].seed;
            progress.inc(1);
            match result {
                Ok(outcome) => {
                    virtual_ps += outcome.end_ps.saturating_sub(base.branch_ps);
                    count += 1;
                    let line = Line { variant: name.clone(), seed, outcome };
                    failure = store.as_mut().and_then(|store| store.add(&line).err()).map(CliError::from);
                    groups.add(seed, &line.outcome);
                    outcomes.insert(seed, line.outcome);
                    progress.set_message(format!("{} causes", groups.causes.len()));
                }
                Err(error) => failure = Some(of(&arguments.scenario, error)),
            }
            let is_time_over = arguments.stop_after.is_some_and(|after_ps| started.elapsed() >= host_time(after_ps));
            failure.is_none() && !is_time_over && !stop.load(Ordering::Relaxed)
        });
        progress.finish_and_clear();
        if let Some(error) = failure {
            return Err(error);
        }
        report(&mut output, arguments, &name, &groups, &outcomes)?;
        let host_s = started.elapsed().as_secs_f64();
        if count > 0 && !arguments.json {
            output.line(&format!(
                "  {count} runs in {host_s:.0} s: {:.0} a minute, {:.0} virtual hours an hour, {} at once",
                f64::from(count) * 60.0 / host_s,
                virtual_ps as f64 / 1e12 / host_s,
                arguments.jobs
            ))?;
        }
        for (cause, seeds) in &groups.causes {
            worst = worst.max(if cause.kind.is_fatal() { Outcome::GuestFault } else { Outcome::Hang });
            let Some(seed) = seeds.first() else { continue };
            if stop.load(Ordering::Relaxed) || arguments.minimise == 0 {
                continue;
            }
            let witness = minimise(&base, branch(&base.scenario, *seed), cause, arguments.minimise)
                .map_err(|error| of(&arguments.scenario, error))?;
            let difference = match &witness.neighbour {
                Some(neighbour) => Some(
                    difference(&base, &witness.branch, &neighbour.branch)
                        .map_err(|error| of(&arguments.scenario, error))?,
                ),
                None => None,
            };
            if !arguments.json {
                tell_witness(&mut output, &base, cause, *seed, &witness, difference.as_ref())?;
            }
            let record = |traces| record_witness(arguments, traces, &base, &scenario, cause, &witness);
            let trace = arguments.traces.as_deref().map(record).transpose()?;
            if arguments.json {
                output.json(&serde_json::json!({
                    "type": "witness", "device": name, "cause": cause, "seed": seed, "runs": witness.runs,
                    "branch": witness.branch, "decisions": witness.decisions, "outcome": witness.outcome,
                    "passes_without": witness.neighbour.as_ref().map(|neighbour| &neighbour.without),
                    "difference": difference, "trace": trace,
                }))?;
            } else if let Some(path) = trace {
                output.line(&format!("    trace: {}", path.display()))?;
            }
        }
    }
    output.finish()?;
    Ok(worst)
}

/// What was said in virtual time, of the host's.
fn host_time(ps: u64) -> Duration {
    Duration::from_nanos(ps / 1_000)
}

/// Shows one run as `lockstep run` does.
fn show_run(base: &Base, seed: u64, arguments: &HuntArguments) -> Result<Outcome, CliError> {
    let branch = branch(&base.scenario, seed);
    let mut show: Box<dyn Show> = if arguments.json { Box::new(Json::new()) } else { Box::new(Plain::new()) };
    let mut output = Output::new();
    let steps = base.scenario.steps(&branch.choices).unwrap_or_default();
    if !arguments.json {
        for step in steps.into_iter().flatten() {
            output.line(&format!("step {}: {}", step.number, step.text))?;
        }
        output.finish()?;
    }
    let mut lines = Lines::default();
    let mut session = base.session(branch).map_err(|error| of(&arguments.scenario, error))?;
    session.keep_seen();
    let outcome = base.finish(&mut session).map_err(|error| of(&arguments.scenario, error))?;
    let seen = session.take_seen().into_iter().filter_map(|seen| translate(seen, &mut lines));
    let mut events: Vec<_> = seen.collect();
    events.extend(lines.stale(u64::MAX));
    let changes = session.machine.observer.led().changes().iter();
    events.extend(changes.map(|change| Event::Led { time_ps: change.time_ps, state: change.state }));
    events.retain(|event| event_time_ps(event) >= base.branch_ps);
    events.sort_by_key(event_time_ps);
    for event in &events {
        show.event(event, &base.symbols)?;
    }
    show.end()?;
    for finding in &outcome.findings {
        output.line(&format!("{} s {}: {}", seconds(finding.time_ps), finding.kind, finding.text))?;
    }
    for failure in &outcome.failures {
        output.line(&format!("expected: {failure}"))?;
    }
    output.finish()?;
    let is_failed = outcome.findings.iter().any(|finding| finding.kind.is_failure());
    Ok(if is_failed { Outcome::Hang } else { Outcome::Done })
}

/// Records a witness from power-on, so that it can be replayed without the hunt.
fn record_witness(
    arguments: &HuntArguments,
    folder: &Path,
    base: &Base,
    scenario: &Scenario,
    cause: &lockstep::hunt::Cause,
    witness: &lockstep::hunt::Witness,
) -> Result<std::path::PathBuf, CliError> {
    let stem = arguments.scenario.file_stem().unwrap_or_default().to_string_lossy();
    let device = [base.variant.name.as_str(), base.scenario.device.firmware.as_deref().unwrap_or("own")].join("-");
    let name = file_name(&format!("{stem}-{device}-{cause}"));
    std::fs::create_dir_all(folder).map_err(CliError::io(folder))?;
    let mut path = folder.join(format!("{name}.trace"));
    for number in 2.. {
        if !path.exists() {
            break;
        }
        path = folder.join(format!("{name}-{number}.trace"));
    }
    let run = ScenarioRun {
        scenario: scenario.text.clone(),
        variant: base.variant.clone(),
        branch: Some(witness.branch.clone()),
    };
    let mut files = Folder::new(arguments.scenario.parent().unwrap_or(Path::new(".")));
    let name = arguments.scenario.display().to_string();
    let played = lockstep::trace::record(
        &path,
        &run,
        &name,
        scenario.seed,
        arguments.trace_images.into(),
        Some(cause.clone()),
        &mut files,
    )?;
    let outcome = RunOutcome { findings: played.findings, ..witness.outcome.clone() };
    match played.trace_lost {
        Some(text) => Err(CliError::usage(text)),
        None if !cause.is_of(&outcome) => {
            let text = "run from power-on it does not show what the hunt found; this is a defect of Lockstep: please \
                        report it with the scenario"
                .to_owned();
            Err(CliError::file(&path, text))
        }
        None => Ok(path),
    }
}

/// A text as part of a file's name.
pub fn file_name(text: &str) -> String {
    let plain = text.chars().map(|c| if c.is_ascii_alphanumeric() || c == '.' { c } else { '-' });
    let words: String = plain.take(120).collect();
    words.split('-').filter(|word| !word.is_empty()).collect::<Vec<_>>().join("-")
}

fn tell_witness(
    output: &mut Output,
    base: &Base,
    cause: &lockstep::hunt::Cause,
    seed: u64,
    witness: &lockstep::hunt::Witness,
    difference: Option<&Difference>,
) -> Result<(), CliError> {
    output.line(&format!("  {cause} (seed {seed}), made small by {} runs", witness.runs))?;
    let choices = &witness.branch.choices;
    let text = if choices.0.is_empty() { "none: a plain run fails".to_owned() } else { choices.to_string() };
    output.line(&format!("    choices of the hunt: {text}"))?;
    for step in base.scenario.steps(choices).unwrap_or_default().into_iter().flatten() {
        output.line(&format!("      step {}: {}", step.number, step.text))?;
    }
    match &witness.decisions {
        Some(decisions) if decisions.is_empty() => output.line("    choices of the world: all typical")?,
        Some(decisions) => {
            output.line(&format!("    choices of the world that are not typical: {}", decisions.len()))?;
            for decision in decisions.iter().take(20) {
                let (stream, what, value) = (&decision.stream, &decision.what, decision.value);
                output.line(&format!("      {} s {stream} {what} = {value}", seconds(decision.time_ps)))?;
            }
        }
        None => output.line("    choices of the world: drawn from the seed")?,
    }
    match &witness.neighbour {
        Some(neighbour) => {
            output.line(&format!("    passes without {}", neighbour.without))?;
            difference.map_or(Ok(()), |difference| tell_difference(output, difference))?;
        }
        None => output.line("    no run near it was met that passes")?,
    }
    Ok(())
}

fn tell_difference(output: &mut Output, difference: &Difference) -> Result<(), CliError> {
    let Difference { same, last_same, .. } = difference;
    output.line(&format!("    the first {same} events are alike in both"))?;
    if let Some(event) = last_same {
        output.line(&format!("      {:>12} s  {}", seconds(event.time_ps), event.text))?;
    }
    for (title, events, threads) in [
        ("the failing run goes on", &difference.failing, &difference.failing_threads),
        ("the passing run goes on", &difference.passing, &difference.passing_threads),
    ] {
        output.line(&format!("    {title}"))?;
        for event in events {
            output.line(&format!("      {:>12} s  {}", seconds(event.time_ps), event.text))?;
        }
        output.line("      threads at the first of these")?;
        for thread in threads {
            output.text(thread)?;
        }
    }
    Ok(())
}

/// Reads a scenario; its error says where it is wrong.
pub fn read_scenario(path: &Path) -> Result<Scenario, CliError> {
    let bytes = Disk.read(path)?;
    let text = String::from_utf8(bytes).map_err(|_| CliError::file(path, "not UTF-8: this is no scenario"))?;
    Scenario::parse(&text).map_err(|error| CliError::file(path, error.to_string()))
}

/// For `map_err`: which scenario it is about.
pub fn of(path: &Path, error: SessionError) -> CliError {
    match error {
        SessionError::Setup(error) => error.into(),
        SessionError::Machine(error) => error.into(),
        other => CliError::file(path, other.to_string()),
    }
}

fn variants(scenario: &Scenario, arguments: &HuntArguments) -> Result<Vec<Variant>, CliError> {
    let mut variants: Vec<Variant> = scenario.variants.clone();
    if variants.is_empty() {
        variants.push(Variant::default());
    }
    if !arguments.variant.is_empty() {
        for name in &arguments.variant {
            if !variants.iter().any(|variant| variant.name == *name) {
                let names: Vec<&str> = variants.iter().map(|variant| variant.name.as_str()).collect();
                return Err(CliError::usage(format!("--variant {name}: there are {}", names.join(", "))));
            }
        }
        variants.retain(|variant| arguments.variant.contains(&variant.name));
    }
    if arguments.firmware.is_empty() {
        return Ok(variants);
    }
    let each = arguments.firmware.iter().flat_map(|firmware| {
        variants.iter().map(move |variant| Variant { firmware: Some(firmware.clone()), ..variant.clone() })
    });
    Ok(each.collect())
}

fn device_name(base: &Base) -> String {
    let firmware = base.scenario.device.firmware.as_deref().unwrap_or("own images");
    match base.variant.name.as_str() {
        "" => firmware.to_owned(),
        name => format!("{name}, {firmware}"),
    }
}

fn progress_bar(name: &str, runs: u64, is_quiet: bool) -> ProgressBar {
    if is_quiet {
        return ProgressBar::hidden();
    }
    let style = ProgressStyle::with_template("{prefix}: {pos} of {len} runs, {per_sec}, {eta} left, {msg}");
    let bar = ProgressBar::new(runs).with_prefix(name.to_owned());
    match style {
        Ok(style) => bar.with_style(style),
        Err(_) => bar,
    }
}

fn report(
    output: &mut Output,
    arguments: &HuntArguments,
    name: &str,
    groups: &Groups,
    outcomes: &BTreeMap<u64, RunOutcome>,
) -> Result<(), CliError> {
    if arguments.json {
        let causes: Vec<serde_json::Value> = groups
            .causes
            .iter()
            .map(|(cause, seeds)| serde_json::json!({ "cause": cause, "runs": seeds.len(), "seeds": seeds }))
            .collect();
        let (runs, clean, reached) = (groups.runs, groups.clean, groups.reached);
        return output.json(&serde_json::json!({
            "type": "hunt", "device": name, "runs": runs, "clean": clean, "reached": reached,
            "recovered": groups.recovered, "lost": groups.lost, "causes": causes,
        }));
    }
    let (runs, clean, reached) = (groups.runs, groups.clean, groups.reached);
    output.line(&format!("{name}: {runs} runs, nothing found in {clean}; the end was reached in {reached}"))?;
    if outcomes.values().any(|outcome| outcome.is_alive.is_some()) {
        let (recovered, lost) = (groups.recovered, groups.lost);
        output.line(&format!("  {recovered} came back without, {lost} need a visit"))?;
    }
    let mut causes: Vec<_> = groups.causes.iter().collect();
    causes.sort_by_key(|(_, seeds)| std::cmp::Reverse(seeds.len()));
    for (cause, seeds) in causes {
        let share = seeds.len() as f64 * 100.0 / runs.max(1) as f64;
        output.line(&format!("  {:>6} runs ({share:.1} %)  {cause}", seeds.len()))?;
        let first = seeds.first().and_then(|seed| Some((seed, outcomes.get(seed)?)));
        if let Some((seed, outcome)) = first {
            for finding in &outcome.findings {
                output.line(&format!(
                    "      seed {seed}: {} s {}: {}",
                    seconds(finding.time_ps),
                    finding.kind,
                    finding.text
                ))?;
            }
        }
    }
    Ok(())
}
