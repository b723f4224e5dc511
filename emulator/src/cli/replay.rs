//! `lockstep replay`.

use std::collections::VecDeque;
use std::path::Path;
use std::sync::Arc;

use lockstep::setup::duration::seconds;
use lockstep::setup::options::parse_stage;
use lockstep::trace::{RunSpec, TraceFile, TraceFiles, Tracer, Verifier, check_start, open};
use lockstep_gateway_protocol::Inbound;
use lockstep_traces::trace::{FrameKind, Record};

use super::arguments::{Pace, ReplayArguments, TraceImages};
use super::output::Output;
use super::outside::Outside;
use super::run::Runner;
use super::show::{Json, Plain, Show};
use super::{CliError, Outcome, RunArguments, stop_on_interrupt};

/// `lockstep replay`.
pub fn replay(arguments: &ReplayArguments) -> Result<Outcome, CliError> {
    let path = &arguments.trace;
    let failed = |reason: String| CliError::file(path, reason);
    let mut trace = open(path)?;
    let end_ps = end_ps(&mut trace, arguments.until).map_err(failed)?;
    let spec = RunSpec::parse(&trace.head().run).map_err(|error| failed(error.to_string()))?;
    let (seed, plan) = (trace.head().seed, trace.head().plan.clone());
    let mut prepared = spec.prepare(seed, &plan, &mut TraceFiles::new(&mut trace))?;
    let mut outside = Outside::Nobody;
    if trace.head().has_outside {
        outside = Outside::again(inbound(&mut trace, path)?, &mut prepared.machine);
    }
    check_start(trace.head(), &mut prepared.machine, &prepared.images).map_err(failed)?;

    let run = run_arguments(&spec, seed, arguments.json).map_err(failed)?;
    let show: Box<dyn Show> = if arguments.json { Box::new(Json::new()) } else { Box::new(Plain::new()) };
    let hash_every = trace.head().hash_every;
    let tracer = Tracer::verifying(Verifier::new(trace), hash_every, &mut prepared.machine);
    let mut runner =
        Runner::new(&run, prepared.machine, prepared.symbols, None, show, Arc::clone(&stop_on_interrupt()));
    (runner.trace, runner.outside) = (Some(tracer), outside);
    // Only now: a recording of the real network would set an end of its own.
    runner.end_ps = end_ps;
    let went = runner.go();
    runner.show.end()?;
    went?;
    let outcome = runner.summarise()?;
    if let (false, Outcome::Done, Some(verifier)) =
        (arguments.json, outcome, runner.trace.as_ref().and_then(Tracer::verifier))
    {
        let mut output = Output::new();
        output.line(&format!(
            "identical to the recorded run: {} records and {} state hashes, to {} s",
            verifier.compared(),
            verifier.states(),
            seconds(runner.end_ps)
        ))?;
        output.finish()?;
    }
    Ok(outcome)
}

/// How far to replay: to the end of what was recorded, unless less is asked for. A damaged trace is replayed up to its
/// damage, and only if somebody asks for that.
fn end_ps(trace: &mut TraceFile, until: Option<u64>) -> Result<u64, String> {
    let mut readable_ps = trace.end().map_err(|error| error.to_string()).ok().flatten().map(|end| end.state.time_ps);
    let damages = trace.verify().map_err(|error| error.to_string())?;
    if let Some(damage) = damages.first() {
        let before = trace.frames().iter().take_while(|frame| frame.number < damage.frame);
        let records = before.filter(|frame| frame.kind == FrameKind::Records);
        let whole_ps = records.map(|frame| frame.last_ps).max().unwrap_or(0);
        if until.is_none_or(|until| until > whole_ps) {
            return Err(format!(
                "damaged in frame {}, at byte {}: {}; it can be read to {} s: give --until {}us to replay that far",
                damage.frame,
                damage.offset,
                damage.reason,
                seconds(whole_ps),
                whole_ps / 1_000_000
            ));
        }
        readable_ps = Some(whole_ps);
    }
    let end_ps = readable_ps.unwrap_or_else(|| trace.last_ps());
    Ok(until.map_or(end_ps, |until| until.min(end_ps)))
}

/// What came from the real network.
fn inbound(trace: &mut TraceFile, path: &Path) -> Result<VecDeque<(u64, Inbound)>, CliError> {
    let mut inbound = VecDeque::new();
    for place in 0..trace.frames().len() {
        // What is damaged lies behind the end of the replay.
        let records = trace.records(place).map_err(|error| CliError::file(path, error.to_string()));
        for record in records.unwrap_or_default() {
            if let Record::Inbound { time_ps, event } = record {
                inbound.push_back((time_ps, event));
            }
        }
    }
    Ok(inbound)
}

/// As `run` would have been asked.
fn run_arguments(spec: &RunSpec, seed: u64, json: bool) -> Result<RunArguments, String> {
    Ok(RunArguments {
        files: spec.device.files.clone(),
        firmware: spec.device.firmware.clone(),
        app: spec.device.app.clone(),
        app_set: spec.device.app_set.clone(),
        dct: spec.device.dct.clone(),
        cloud: Vec::new(),
        no_cloud: false,
        for_ps: spec.for_ps,
        seed,
        set: spec.set.clone(),
        strict: spec.strict,
        json,
        plain: !json,
        pace: Some(Pace::Free),
        gateway: None,
        record: None,
        replay: None,
        until: spec.until.as_deref().map(parse_stage).transpose()?,
        press: spec.press.clone(),
        semihosting: spec.semihosting,
        hash_every: None,
        compare_hashes: None,
        pcap: None,
        trace: None,
        trace_images: TraceImages::All,
        snapshot_out: None,
        snapshot_in: None,
    })
}
