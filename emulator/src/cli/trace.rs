//! `lockstep trace …` and `lockstep diff`.

use std::collections::BTreeMap;
use std::path::Path;

use lockstep::hunt::branch;
use lockstep::scenario::Variant;
use lockstep::setup::duration::seconds;
use lockstep::setup::files::Folder;
use lockstep::trace::compare::Difference;
use lockstep::trace::diff::{Bracket, Narrowed, heads, is_as_long, narrow, records};
use lockstep::trace::{Played, ScenarioRun, TraceFile, describe, describe_pair, describe_record, open};
use lockstep_traces::trace::{BlobSource, Ending, FrameKind, Record};
use serde_json::json;

use super::arguments::{DiffArguments, TraceCommand};
use super::hunt::read_scenario;
use super::output::{Output, grouped};
use super::{CliError, Outcome};

/// `lockstep trace …`.
pub fn trace(command: &TraceCommand) -> Result<Outcome, CliError> {
    match command {
        TraceCommand::Info { trace, json } => info(trace, *json),
        TraceCommand::Records { trace } => list(trace),
        TraceCommand::Again { trace, output, short, trace_images } => {
            told(&lockstep::trace::record_again(trace, output, (*trace_images).into(), *short)?)
        }
        TraceCommand::Record { scenario, output, seed, hunt_seed, variant, firmware, trace_images } => {
            let read = read_scenario(scenario)?;
            let mut on = match variant {
                Some(name) => read.variants.iter().find(|variant| variant.name == *name).cloned().ok_or_else(|| {
                    let names: Vec<&str> = read.variants.iter().map(|variant| variant.name.as_str()).collect();
                    CliError::usage(format!("--variant {name}: there are {}", names.join(", ")))
                })?,
                None => Variant::default(),
            };
            on.firmware = firmware.clone().or(on.firmware);
            let branch = hunt_seed.map(|seed| branch(&read.on(&on), seed));
            let run = ScenarioRun { scenario: read.text.clone(), variant: on, branch };
            let mut files = Folder::new(scenario.parent().unwrap_or(Path::new(".")));
            let name = scenario.display().to_string();
            let seed = seed.unwrap_or(read.seed);
            let played = lockstep::trace::record(output, &run, &name, seed, (*trace_images).into(), None, &mut files)?;
            told(&played)
        }
    }
}

/// How a recorded run went; whatever it was, it was recorded.
fn told(played: &Played) -> Result<Outcome, CliError> {
    let mut output = Output::new();
    for finding in &played.findings {
        output.line(&format!("{} s {}: {}", seconds(finding.time_ps), finding.kind, finding.text))?;
    }
    for failure in &played.failures {
        output.line(&format!("expected: {failure}"))?;
    }
    output.line(&format!("recorded to {} s", seconds(played.end_ps)))?;
    output.finish()?;
    match &played.trace_lost {
        Some(text) => Err(CliError::usage(text.clone())),
        None => Ok(Outcome::Done),
    }
}

fn list(path: &Path) -> Result<Outcome, CliError> {
    let mut trace = open(path)?;
    let mut output = Output::new();
    for place in 0..trace.frames().len() {
        let records = trace.records(place).map_err(|error| CliError::file(path, error.to_string()))?;
        for record in &records {
            output.line(&describe_record(record))?;
        }
    }
    output.finish()?;
    Ok(Outcome::Done)
}

/// What was recorded.
#[derive(Default)]
struct Contents {
    counts: BTreeMap<&'static str, u64>,
    findings: Vec<Record>,
    states: u64,
}

fn contents(trace: &mut TraceFile) -> Contents {
    let mut contents = Contents::default();
    for place in 0..trace.frames().len() {
        // Damage is told apart from this.
        for record in trace.records(place).unwrap_or_default() {
            *contents.counts.entry(record.kind().name()).or_default() += 1;
            if matches!(record, Record::Finding { .. }) {
                contents.findings.push(record);
            }
        }
    }
    contents.states = contents.counts.get("state").copied().unwrap_or(0);
    contents
}

fn info(path: &Path, is_json: bool) -> Result<Outcome, CliError> {
    let failed = |error: lockstep_traces::trace::TraceError| CliError::file(path, error.to_string());
    let mut trace = open(path)?;
    let damages = trace.verify().map_err(failed)?;
    let contents = contents(&mut trace);
    let end = trace.end().ok().flatten();
    let head = trace.head();
    let mut output = Output::new();
    let blob_source = |source: &BlobSource| match source {
        BlobSource::File(place) => place.clone(),
        BlobSource::Vendor { version, sha256, .. } => format!("vendor's {version}, SHA-256 {sha256}"),
        BlobSource::Made => "made by lockstep".to_owned(),
    };
    if is_json {
        let blobs = head.blobs.iter().map(|blob| {
            json!({
                "name": blob.name, "length": blob.length, "blake3": blob.hash.to_string(),
                "source": blob_source(&blob.source), "embedded": blob.is_embedded,
            })
        });
        let images = head.images.iter().map(|image| {
            json!({ "name": image.name, "address": image.address, "length": image.length, "blake3": image.hash.to_string() })
        });
        output.json(&json!({
            "program": head.program, "model": head.model, "seed": head.seed, "plan": head.plan,
            "form": head.run.form, "run": head.run.text, "name": head.run.name,
            "images": images.collect::<Vec<_>>(), "files": blobs.collect::<Vec<_>>(),
            "state": head.start.state.to_string(), "flash": head.start.flash.to_string(),
            "bytes": trace.length(), "frames": trace.frames().len(), "index": trace.has_index(),
            "ending": describe(&trace), "is_whole": *trace.ending() == Ending::Orderly && damages.is_empty(),
            "records": contents.counts, "last_ps": trace.last_ps(),
            "end": end.as_ref().map(|end| json!({
                "reason": end.reason, "time_ps": end.state.time_ps, "instructions": end.state.instructions,
                "state": end.state.state.to_string(),
            })),
            "damages": damages.iter().map(|damage| json!({
                "frame": damage.frame, "offset": damage.offset, "reason": damage.reason,
            })).collect::<Vec<_>>(),
            "findings": contents.findings.iter().map(describe_record).collect::<Vec<_>>(),
        }))?;
    } else {
        let mut lines = vec![
            format!("{}: trace by {} (model {}), seed {}", path.display(), head.program, head.model, head.seed),
            format!("runs        {} version {} {}", head.run.form, head.run.version, head.run.name),
            format!("            {}", head.run.text.trim_end().replace('\n', "\n            ")),
        ];
        if head.plan != lockstep_traces::Plan::default() {
            lines.push(format!("plan        {:?}", head.plan));
        }
        lines.push("images".to_owned());
        for image in &head.images {
            lines.push(format!("  {:#010x} {:>8} bytes  {} {}", image.address, image.length, image.hash, image.name));
        }
        lines.push("files".to_owned());
        for blob in &head.blobs {
            let held = if blob.is_embedded { "held" } else { "hash" };
            let source = blob_source(&blob.source);
            lines.push(format!("  {held} {:>8} bytes  {} {} ({source})", blob.length, blob.hash, blob.name));
        }
        lines.push(format!("state       {} at power-on, flash {}", head.start.state, head.start.flash));
        let frames = trace.frames();
        let kind_bytes = |kind: FrameKind| -> (usize, u64, u64) {
            let of_kind: Vec<_> = frames.iter().filter(|frame| frame.kind == kind).collect();
            let sum = |length: fn(&lockstep_traces::trace::FrameInfo) -> u32| {
                of_kind.iter().map(|frame| u64::from(length(frame))).sum()
            };
            (of_kind.len(), sum(|frame| frame.stored_bytes), sum(|frame| frame.plain_bytes))
        };
        lines.push(format!("length      {} bytes, {} frames", grouped(trace.length()), frames.len()));
        for (name, kind) in [("files", FrameKind::Blob), ("records", FrameKind::Records)] {
            let (count, stored, plain) = kind_bytes(kind);
            lines.push(format!(
                "  {name:<10}{count:>6} frames  {:>12} bytes, {:>12} unpacked",
                grouped(stored),
                grouped(plain)
            ));
        }
        lines.push("records".to_owned());
        for (name, count) in &contents.counts {
            lines.push(format!("  {name:<12}{:>12}", grouped(*count)));
        }
        lines.push(format!("findings    {}", contents.findings.len()));
        lines.extend(contents.findings.iter().map(|finding| format!("  {}", describe_record(finding))));
        if let Some(end) = &end {
            lines.push(format!(
                "end         {} s, {} instructions: {}; state {}",
                seconds(end.state.time_ps),
                grouped(end.state.instructions),
                end.reason,
                end.state.state
            ));
        }
        lines.push(format!("file        {}", describe(&trace)));
        for damage in &damages {
            lines.push(format!("DAMAGE      frame {}, at byte {}: {}", damage.frame, damage.offset, damage.reason));
        }
        for line in &lines {
            output.line(line)?;
        }
    }
    output.finish()?;
    Ok(if damages.is_empty() { Outcome::Done } else { Outcome::BadInput })
}

/// `lockstep diff`.
pub fn diff(arguments: &DiffArguments) -> Result<Outcome, CliError> {
    let (mut first, mut second) = (open(&arguments.first)?, open(&arguments.second)?);
    let mut output = Output::new();
    let told = heads(&first, &second);
    output.line(&format!("head        {}", if told.is_empty() { "the same" } else { "differs" }))?;
    for line in &told {
        output.line(&format!("  {line}"))?;
    }
    let found = records(&mut first, &mut second)?;
    let differ = !found.kinds.is_empty() || found.states.differing.is_some() || !told.is_empty();
    if found.kinds.is_empty() {
        output.line("records     the same")?;
    } else {
        output.line("records     the first difference of each kind, by time")?;
    }
    for difference in &found.kinds {
        let text = |record: &Option<Record>| record.as_ref().map_or("nothing more".to_owned(), describe_record);
        let (a, b) = match (&difference.first, &difference.second) {
            (Some(a), Some(b)) => describe_pair(a, b),
            (a, b) => (text(a), text(b)),
        };
        output.line(&format!("  {}", difference.kind.name()))?;
        output.line(&format!("    first   {a}"))?;
        output.line(&format!("    second  {b}"))?;
    }
    let (first_ps, second_ps) = (first.last_ps(), second.last_ps());
    if !is_as_long(&first, &second) {
        let (first_s, second_s) = (seconds(first_ps), seconds(second_ps));
        output.line(&format!("length      {first_s} s / {second_s} s: compared as far as both go"))?;
    }
    bracket("states", &found.states, &mut output)?;
    bracket("firmware", &found.guests, &mut output)?;
    output.finish()?;
    // Where whole states were equal before, the first difference of any kind is wanted; else what the firmware noticed.
    let (wanted, whole) = if found.states.equal.is_some() { (&found.states, true) } else { (&found.guests, false) };
    if wanted.differing.is_some() && !arguments.no_run {
        match narrow(&mut first, &mut second, wanted, whole)? {
            Some(narrowed) => tell_narrowed(&narrowed, whole, &mut output)?,
            None => output.line("narrowed    not: run again, they differ already where they were equal")?,
        }
    }
    output.finish()?;
    Ok(if differ { Outcome::Divergence } else { Outcome::Done })
}

fn bracket(name: &str, bracket: &Bracket, output: &mut Output) -> Result<(), CliError> {
    let place = |state: &lockstep_traces::trace::StateRecord| {
        format!("{} instructions, {} s", grouped(state.instructions), seconds(state.time_ps))
    };
    let equal = bracket.equal.as_ref().map_or("nowhere".to_owned(), place);
    let differing = bracket.differing.as_ref().map_or("nowhere".to_owned(), |(first, _)| place(first));
    output.line(&format!("{name:<12}equal to {equal}; different at {differing}"))
}

fn tell_narrowed(narrowed: &Narrowed, whole: bool, output: &mut Output) -> Result<(), CliError> {
    let what = if whole { "the states differ" } else { "registers, memory or time differ" };
    output.line(&format!(
        "narrowed    {what} after instruction {}, at {} s, PC {:#010x}",
        grouped(narrowed.equal_instructions + 1),
        seconds(narrowed.time_ps),
        narrowed.pc
    ))?;
    let groups: [(&str, &[Difference]); 4] = [
        ("core", &narrowed.after.core),
        ("SRAM", &narrowed.after.sram),
        ("flash", &narrowed.after.flash),
        ("parts", &narrowed.after.parts),
    ];
    for (name, differences) in groups {
        if !differences.is_empty() {
            output.line(&format!("  {name}"))?;
        }
        for difference in differences {
            let was = name == "parts" && narrowed.before.parts.contains(difference);
            output.line(&format!("    {difference}{}", if was { " (before, too)" } else { "" }))?;
        }
    }
    Ok(())
}
