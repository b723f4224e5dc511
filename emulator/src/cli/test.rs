//! `lockstep test`: scenarios and traces as tests.

use std::path::{Path, PathBuf};
use std::time::{Duration, Instant};

use lockstep::explain::page;
use lockstep::fleet;
use lockstep::oracle::Kind;
use lockstep::scenario::{Scenario, Variant};
use lockstep::setup::duration::seconds;
use lockstep::setup::files::{Disk, Files as _, Folder};
use lockstep::trace::{
    Embed, Played, Rerun, ScenarioRun, Trouble, explain_run, open, play, readable_ps, record, record_again, repeat,
};
use serde_json::json;

use super::arguments::TestArguments;
use super::hunt::file_name;
use super::output::Output;
use super::{CliError, Outcome};

mod junit;

/// Folders in folders are looked into so deep.
const DEPTH_MAX: usize = 16;

/// One test.
struct Case {
    name: String,
    path: PathBuf,
    what: What,
}

enum What {
    /// A scenario on one of its devices.
    Scenario(Box<Scenario>, Variant),
    Trace,
}

/// How a test went.
struct Verdict {
    outcome: Outcome,
    /// What is wrong, a line each; nothing for a test that passed.
    reasons: Vec<String>,
    /// What is worth to know of one that passed.
    note: String,
    virtual_ps: u64,
    host: Duration,
    /// Files that show the failure.
    artefacts: Vec<PathBuf>,
}

/// `lockstep test`.
pub fn test(arguments: &TestArguments) -> Result<Outcome, CliError> {
    let mut cases = Vec::new();
    for path in &arguments.paths {
        collect(path, true, 0, &mut cases)?;
    }
    if cases.is_empty() {
        let paths: Vec<String> = arguments.paths.iter().map(|path| path.display().to_string()).collect();
        return Err(CliError::usage(format!("{}: no scenario (*.toml) and no trace (*.trace)", paths.join(", "))));
    }
    if let Some(folder) = &arguments.artefacts {
        std::fs::create_dir_all(folder).map_err(CliError::io(folder))?;
    }
    let (started, mut output) = (Instant::now(), Output::new());
    let mut verdicts: Vec<Option<Verdict>> = cases.iter().map(|_| None).collect();
    let mut failure = None;
    fleet::run_all(
        arguments.jobs,
        &cases,
        |case| run(case, arguments),
        |index, verdict| {
            let told = match (cases.get(index), verdicts.get_mut(index)) {
                (Some(case), Some(place)) => {
                    let told = tell(&mut output, case, &verdict, arguments.json);
                    *place = Some(verdict);
                    told
                }
                _ => Ok(()),
            };
            failure = told.err();
            failure.is_none()
        },
    );
    if let Some(error) = failure {
        return Err(error);
    }
    let done: Vec<(&Case, &Verdict)> =
        cases.iter().zip(&verdicts).filter_map(|(case, verdict)| Some((case, verdict.as_ref()?))).collect();
    if let Some(path) = &arguments.junit {
        junit::write(path, &done, started.elapsed())?;
    }
    let worst = done.iter().map(|(_, verdict)| verdict.outcome).max().unwrap_or(Outcome::Done);
    let failed = done.iter().filter(|(_, verdict)| verdict.outcome != Outcome::Done).count();
    let virtual_ps: u64 = done.iter().map(|(_, verdict)| verdict.virtual_ps).sum();
    let host_s = started.elapsed().as_secs_f64();
    if arguments.json {
        output.json(&json!({
            "type": "summary", "passed": done.len() - failed, "failed": failed, "exit_code": worst as u8,
            "virtual_ps": virtual_ps, "host_s": host_s,
        }))?;
    } else {
        output.line(&format!(
            "{} passed, {failed} failed; {} s virtual in {host_s:.1} s, {} at once",
            done.len() - failed,
            seconds(virtual_ps),
            arguments.jobs
        ))?;
        for (case, verdict) in done.iter().filter(|(_, verdict)| verdict.outcome != Outcome::Done) {
            output.line(&format!("failed: {}", case.name))?;
            for path in &verdict.artefacts {
                output.line(&format!("  {}", path.display()))?;
            }
        }
    }
    output.finish()?;
    Ok(worst)
}

/// The tests of a file, or of what is in a folder. A file that was named must be a test; in folders, other TOML is left
/// alone.
fn collect(path: &Path, is_named: bool, depth: usize, cases: &mut Vec<Case>) -> Result<(), CliError> {
    if path.is_dir() {
        if depth >= DEPTH_MAX {
            return Ok(());
        }
        let entries = std::fs::read_dir(path).map_err(CliError::io(path))?;
        let mut entries: Vec<PathBuf> = entries.filter_map(|entry| Some(entry.ok()?.path())).collect();
        entries.sort();
        return entries.iter().try_for_each(|entry| collect(entry, false, depth + 1, cases));
    }
    let name = path.display().to_string();
    match path.extension().and_then(|extension| extension.to_str()) {
        Some("trace") => cases.push(Case { name, path: path.to_owned(), what: What::Trace }),
        Some("toml") => {
            let text = String::from_utf8_lossy(&Disk.read(path)?).into_owned();
            if !is_named && !is_test(&text) {
                return Ok(());
            }
            let scenario = Scenario::parse(&text).map_err(|error| CliError::file(path, error.to_string()))?;
            let mut variants = scenario.variants.clone();
            if variants.is_empty() {
                variants.push(Variant::default());
            }
            for variant in variants {
                let name = match variant.name.as_str() {
                    "" => name.clone(),
                    variant => format!("{name} [{variant}]"),
                };
                let what = What::Scenario(Box::new(scenario.clone()), variant);
                cases.push(Case { name, path: path.to_owned(), what });
            }
        }
        _ if is_named => {
            return Err(CliError::file(path, "neither a scenario (*.toml) nor a trace (*.trace)".to_owned()));
        }
        _ => {}
    }
    Ok(())
}

/// Whether a TOML file is a scenario, which has a table of the device, and one to be tested: what says how to hunt and
/// expects nothing is for hunts alone.
fn is_test(text: &str) -> bool {
    let is_test = |table: toml::Table| {
        table.contains_key("device") && (!table.contains_key("hunt") || table.contains_key("expect"))
    };
    text.parse::<toml::Table>().is_ok_and(is_test)
}

fn run(case: &Case, arguments: &TestArguments) -> Verdict {
    let started = Instant::now();
    let mut verdict = match &case.what {
        What::Scenario(scenario, variant) => run_scenario(case, scenario, variant, arguments),
        What::Trace => run_trace(case, arguments),
    }
    .unwrap_or_else(|error| Verdict {
        outcome: Outcome::BadInput,
        reasons: vec![error.to_string()],
        note: String::new(),
        virtual_ps: 0,
        host: Duration::ZERO,
        artefacts: Vec::new(),
    });
    verdict.host = started.elapsed();
    verdict
}

fn too_long(wanted_ps: u64, arguments: &TestArguments) -> Option<Verdict> {
    let limit_ps = arguments.limit.filter(|limit_ps| wanted_ps > *limit_ps)?;
    let reason = format!("takes {} s of virtual time, --limit is {} s", seconds(wanted_ps), seconds(limit_ps));
    Some(Verdict {
        outcome: Outcome::ExpectationFailed,
        reasons: vec![reason],
        note: String::new(),
        virtual_ps: 0,
        host: Duration::ZERO,
        artefacts: Vec::new(),
    })
}

fn run_scenario(
    case: &Case,
    scenario: &Scenario,
    variant: &Variant,
    arguments: &TestArguments,
) -> Result<Verdict, CliError> {
    if let Some(verdict) = too_long(scenario.for_ps, arguments) {
        return Ok(verdict);
    }
    let folder = case.path.parent().unwrap_or(Path::new("."));
    let run = ScenarioRun { scenario: scenario.text.clone(), variant: variant.clone(), branch: None };
    let played = play(&run, scenario.seed, &mut Folder::new(folder))?;
    let mut verdict = judge(&played, scenario.expectations.is_empty());
    if let (Some(artefacts), true) = (&arguments.artefacts, verdict.outcome != Outcome::Done) {
        // Nothing is recorded of what passes: the run is done again, and is the same.
        let trace = artefacts.join(format!("{}.trace", file_name(&case.name)));
        remove(&trace)?;
        let name = case.path.display().to_string();
        record(&trace, &run, &name, scenario.seed, Embed::All, None, &mut Folder::new(folder))?;
        explain(case, artefacts, &trace, &mut verdict)?;
    }
    Ok(verdict)
}

/// Whether a run did what is expected of it; where nothing is expected, that nothing fatal is found.
fn judge(played: &Played, expects_nothing: bool) -> Verdict {
    let mut reasons: Vec<String> = played.failures.iter().map(|failure| format!("expected: {failure}")).collect();
    let is_found = |kinds: &[Kind]| played.findings.iter().any(|finding| kinds.contains(&finding.kind));
    if expects_nothing {
        let fatal = played.findings.iter().filter(|finding| finding.kind.is_fatal());
        reasons.extend(fatal.map(|finding| format!("found: {} at {} s", finding.kind, seconds(finding.time_ps))));
    }
    let outcome = match () {
        () if reasons.is_empty() => Outcome::Done,
        () if is_found(&[Kind::LockUp]) => Outcome::Hang,
        () if is_found(&[Kind::GuestFault]) => Outcome::GuestFault,
        () => Outcome::ExpectationFailed,
    };
    if outcome != Outcome::Done {
        let findings = played.findings.iter();
        reasons.extend(findings.map(|f| format!("{} s {}: {}", seconds(f.time_ps), f.kind, f.text)));
    }
    Verdict {
        outcome,
        reasons,
        note: match played.findings.len() {
            count if count > 0 && outcome == Outcome::Done => format!("{count} findings, none that is not to be"),
            _ => String::new(),
        },
        virtual_ps: played.end_ps,
        host: Duration::ZERO,
        artefacts: Vec::new(),
    }
}

fn run_trace(case: &Case, arguments: &TestArguments) -> Result<Verdict, CliError> {
    let end_ps = readable_ps(&mut open(&case.path)?, None).map_err(|reason| CliError::file(&case.path, reason))?;
    if let Some(verdict) = too_long(end_ps, arguments) {
        return Ok(verdict);
    }
    let repeated = repeat(&case.path)?;
    let reasons: Vec<String> = match &repeated.trouble {
        None => Vec::new(),
        Some(Trouble::Lost(text) | Trouble::Unreadable(text)) => vec![text.clone()],
        Some(Trouble::Divergence(divergence)) => {
            let at = format!("diverges at {} s", seconds(divergence.time_ps));
            let equal =
                divergence.last_equal.map(|state| format!("last equal after {} instructions", state.instructions));
            [Some(format!("{at}: {}", divergence.text)), equal].into_iter().flatten().collect()
        }
    };
    let mut verdict = Verdict {
        outcome: if reasons.is_empty() { Outcome::Done } else { Outcome::Divergence },
        reasons,
        note: format!("{} records, {} states", repeated.records, repeated.states),
        virtual_ps: repeated.end_ps,
        host: Duration::ZERO,
        artefacts: Vec::new(),
    };
    if let (Some(artefacts), true) = (&arguments.artefacts, verdict.outcome != Outcome::Done) {
        let trace = artefacts.join(format!("{}.now.trace", file_name(&case.name)));
        remove(&trace)?;
        record_again(&case.path, &trace, Embed::All, false)?;
        explain(case, artefacts, &trace, &mut verdict)?;
    }
    Ok(verdict)
}

/// What an earlier run left would otherwise stand for this one.
fn remove(path: &Path) -> Result<(), CliError> {
    match std::fs::remove_file(path) {
        Err(error) if error.kind() != std::io::ErrorKind::NotFound => Err(CliError::io(path)(error)),
        _ => Ok(()),
    }
}

/// Writes what is wrong beside the trace.
fn explain(case: &Case, artefacts: &Path, trace: &Path, verdict: &mut Verdict) -> Result<(), CliError> {
    let path = artefacts.join(format!("{}.txt", file_name(&case.name)));
    let mut lines = vec![format!("{}: failed", case.name)];
    lines.extend(verdict.reasons.iter().map(|reason| format!("  {reason}")));
    lines.push(String::new());
    lines.push(format!("lockstep trace info {}", trace.display()));
    lines.push(format!("lockstep explain {}", trace.display()));
    lines.push(format!("lockstep replay {}", trace.display()));
    if matches!(case.what, What::Trace) {
        lines.push(format!("lockstep diff {} {}", case.path.display(), trace.display()));
    }
    lines.push(String::new());
    let mut opened = open(trace)?;
    let end_ps = readable_ps(&mut opened, None).map_err(|reason| CliError::file(trace, reason))?;
    let explanations = explain_run(&mut Rerun::of(&mut opened)?, end_ps, |_| true)?;
    // The gravest is the first, and mostly the cause of the others.
    lines.extend(explanations.first().map(page));
    lines.push(String::new());
    std::fs::write(&path, lines.join("\n")).map_err(CliError::io(&path))?;
    verdict.artefacts.extend([trace.to_owned(), path]);
    Ok(())
}

fn tell(output: &mut Output, case: &Case, verdict: &Verdict, is_json: bool) -> Result<(), CliError> {
    let Verdict { outcome, reasons, note, virtual_ps, host, artefacts } = verdict;
    if is_json {
        output.json(&json!({
            "type": "test", "name": case.name, "passed": *outcome == Outcome::Done, "exit_code": *outcome as u8,
            "reasons": reasons, "note": note, "virtual_ps": virtual_ps, "host_s": host.as_secs_f64(),
            "artefacts": artefacts,
        }))?;
    } else {
        let word = if *outcome == Outcome::Done { "ok  " } else { "FAIL" };
        let note = if note.is_empty() { String::new() } else { format!(", {note}") };
        let host_s = host.as_secs_f64();
        output.line(&format!("{word} {} ({} s virtual, {host_s:.1} s{note})", case.name, seconds(*virtual_ps)))?;
        reasons.iter().try_for_each(|reason| output.line(&format!("       {reason}")))?;
    }
    output.finish()
}
