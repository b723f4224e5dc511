//! `lockstep run`.

use std::io::IsTerminal;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::{Duration, Instant};

use lockstep::oracle::{self, Attendant};
use lockstep::rtos::RtosObserver;
use lockstep::semihosting::{HostCall, serve};
use lockstep::{Machine, Seen, Stop};
use lockstep_images::SymbolTable;

use super::arguments::Pace;
use super::hashes::Hashes;
use super::output::Output;
use super::outside::{Exchanged, Outside};
use super::show::{Event, Json, Lines, Plain, Show, event_text, event_time_ps, found, translate};
use super::summary::{Finding, Summary, not_reached};
use super::{CliError, Outcome, RunArguments, debug, explain, logging, snapshot_file, stop_on_interrupt};
use crate::pcap::Capture;
use crate::view::LiveView;
use lockstep::setup::duration::seconds;
use lockstep::setup::files::Disk;
use lockstep::setup::options::stage_name;
use lockstep::setup::press::{Edge, edges};
use lockstep::setup::{CloudSpec, DeviceSpec, load};
use lockstep::trace::{HASH_EVERY, Noted, Prepared, Recorder, RunSpec, Tracer, Trouble};
use lockstep::unmodelled::{FirstUse, UnmodelledObserver};
use lockstep_traces::Plan;
use lockstep_traces::trace::{Blob, ImageInfo};

/// The machine stops at multiples of this for what is shown and asked for. It has no influence on the run.
const SLICE_PS: u64 = 10_000_000_000;

/// `lockstep run`.
pub fn run(arguments: &RunArguments) -> Result<Outcome, CliError> {
    let compare = arguments.compare_hashes.as_deref().map(Hashes::read).transpose()?;
    let mut made = make(arguments)?;
    load::more_symbols(&arguments.symbols, &arguments.map, &mut made.symbols, &mut Disk)?;
    let capture =
        arguments.pcap.as_deref().map(|path| Capture::create(path).map_err(CliError::io(path))).transpose()?;
    if capture.is_some() {
        made.machine.world.state.electron.watch_traffic();
    }
    let pace = pace(arguments)?;
    let outside = Outside::open(arguments, &mut made.machine)?;
    let trace = record(arguments, &mut made)?;
    let stop = stop_on_interrupt();
    if arguments.explain {
        made.machine.observer.keep_history();
    }
    let (from_ps, from_instructions) = (made.machine.now().time_ps, made.machine.instructions());
    let mut debugged = None;
    if let Some(address) = &arguments.gdb {
        let left = debug::debug(address, made.machine, arguments, &stop)?;
        made.machine = left.machine;
        debugged = Some((left.edges, left.seen, left.goes_on, left.end_ps));
    }
    let is_live = !arguments.json
        && !arguments.plain
        && arguments.hash_every.is_none()
        && std::io::stdout().is_terminal()
        && std::io::stdin().is_terminal();
    let show: Box<dyn Show> = if arguments.json {
        Box::new(Json::new())
    } else if is_live {
        logging::hold();
        Box::new(LiveView::start(made.title, Arc::clone(&stop))?)
    } else {
        Box::new(Plain::new())
    };
    let mut runner = Runner::new(arguments, made.machine, made.symbols, compare, show, stop);
    (runner.capture, runner.trace) = (capture, trace);
    (runner.outside, runner.pace) = (outside, pace);
    if let Some((edges, seen, goes_on, end_ps)) = debugged {
        (runner.from_ps, runner.from_instructions, runner.end_ps) = (from_ps, from_instructions, end_ps);
        runner.edges = edges.into_iter();
        runner.next_edge = runner.edges.next();
        runner.exited = !goes_on;
        runner.oracles.see(&seen);
        let events: Vec<Event> = seen.into_iter().filter_map(|seen| translate(seen, &mut runner.lines)).collect();
        runner.pending.extend(events);
    }
    let went = runner.go();
    let ended = runner.show.end();
    if is_live {
        logging::release();
    }
    went?;
    ended?;
    if let Some(path) = &arguments.snapshot_out {
        snapshot_file::write(path, &runner.machine.snapshot())?;
    }
    runner.summarise()
}

/// A machine, and what a trace of it needs.
struct Made {
    machine: Machine,
    symbols: SymbolTable,
    title: String,
    images: Vec<ImageInfo>,
    blobs: Vec<Blob>,
}

fn make(arguments: &RunArguments) -> Result<Made, CliError> {
    if let Some(path) = &arguments.snapshot_in {
        let snapshot = snapshot_file::read(path)?;
        let mut machine = Machine::restore(&snapshot, arguments.semihosting)?;
        command(arguments, &mut machine)?;
        let title = path.display().to_string();
        return Ok(Made { machine, symbols: SymbolTable::default(), title, images: Vec::new(), blobs: Vec::new() });
    }
    let mut disk = Disk;
    let mut files = Noted::new(&mut disk, arguments.trace_images.into());
    let Prepared { machine, symbols, images } =
        spec(arguments).prepare(arguments.seed, &Plan::default(), &mut files)?;
    let blobs = files.into_blobs();
    let title = arguments.firmware.as_ref().map_or_else(|| "own images".to_owned(), |v| format!("firmware {v}"));
    Ok(Made { machine, symbols, title, images, blobs })
}

/// Begins the trace that is wanted.
fn record(arguments: &RunArguments, made: &mut Made) -> Result<Option<Tracer>, CliError> {
    let Some(path) = &arguments.trace else { return Ok(None) };
    let hash_every = arguments.hash_every.unwrap_or(HASH_EVERY);
    let has_outside = arguments.gateway.is_some() || arguments.replay.is_some();
    let (run, images) = (spec(arguments).text()?, std::mem::take(&mut made.images));
    let head = lockstep::trace::head(&mut made.machine, images, run, &made.blobs, hash_every, has_outside);
    let recorder = Recorder::create(path, &head, &made.blobs)?;
    made.blobs.clear();
    Ok(Some(Tracer::recording(recorder, hash_every, &mut made.machine)))
}

/// The run, as a trace keeps it.
fn spec(arguments: &RunArguments) -> RunSpec {
    let commands = arguments.cloud.iter().filter_map(|argument| argument.0.as_ref());
    RunSpec {
        device: device(arguments),
        set: arguments.set.clone(),
        cloud: commands.map(|command| command.text().to_owned()).collect(),
        press: arguments.press.clone(),
        semihosting: arguments.semihosting,
        for_ps: arguments.for_ps,
        until: arguments.until.map(|stage| stage_name(stage).to_owned()),
        strict: arguments.strict,
    }
}

/// What the device is made of.
fn device(arguments: &RunArguments) -> DeviceSpec {
    DeviceSpec {
        files: arguments.files.clone(),
        firmware: arguments.firmware.clone(),
        app: arguments.app.clone(),
        app_set: arguments.app_set.clone(),
        dct: arguments.dct.clone(),
        cloud: match (arguments.no_cloud, arguments.cloud.is_empty()) {
            (true, _) => CloudSpec::No,
            (false, true) => CloudSpec::IfFitting,
            (false, false) => CloudSpec::Yes,
        },
    }
}

/// How fast the run goes: with a real network behind it never faster than that can answer.
fn pace(arguments: &RunArguments) -> Result<Pace, CliError> {
    match (arguments.pace, &arguments.gateway) {
        (Some(Pace::Free), Some(_)) => {
            let text = "--pace free does not go with --gateway: the real network cannot keep up; leave --pace out";
            Err(CliError::usage(text))
        }
        (Some(pace), _) => Ok(pace),
        (None, Some(_)) => Ok(Pace::Outside),
        (None, None) => Ok(Pace::Free),
    }
}

/// Gives the operator of the device service the commands of `--cloud`.
fn command(arguments: &RunArguments, machine: &mut Machine) -> Result<(), CliError> {
    let commands = arguments.cloud.iter().filter_map(|argument| argument.0.as_ref());
    for command in commands {
        let prepared = command.prepare(&mut Disk)?;
        let text = prepared.text.clone();
        let network = machine.world.state.electron.modem.network();
        let Some(service) = network.service_mut() else {
            let text = format!("--cloud {text:?}: the snapshot has no device service; make it without --no-cloud");
            return Err(CliError::usage(text));
        };
        service.command(prepared).map_err(|error| CliError::usage(format!("--cloud {text:?}: {error}")))?;
    }
    Ok(())
}

struct Runner<'a> {
    arguments: &'a RunArguments,
    machine: Machine,
    symbols: SymbolTable,
    compare: Option<Hashes>,
    show: Box<dyn Show>,
    capture: Option<Capture>,
    trace: Option<Tracer>,
    stop: Arc<AtomicBool>,
    outside: Outside,
    pace: Pace,
    /// From when on virtual time keeps to real time, on both clocks.
    paced_from: Option<(u64, Instant)>,
    edges: std::vec::IntoIter<Edge>,
    next_edge: Option<Edge>,
    end_ps: u64,
    from_ps: u64,
    from_instructions: u64,
    next_hash: u64,
    compared: u64,
    lines: Lines,
    pending: Vec<Event>,
    led_changes: usize,
    rtos: RtosObserver,
    oracles: Attendant,
    unmodelled: UnmodelledObserver,
    findings: Vec<Finding>,
    exited: bool,
    started: Instant,
    host: Duration,
}

impl<'a> Runner<'a> {
    fn new(
        arguments: &'a RunArguments,
        machine: Machine,
        symbols: SymbolTable,
        compare: Option<Hashes>,
        show: Box<dyn Show>,
        stop: Arc<AtomicBool>,
    ) -> Self {
        let from_ps = machine.now().time_ps;
        let from_instructions = machine.instructions();
        let every = arguments.hash_every.unwrap_or(u64::MAX);
        // Hashes fall on multiples, so that runs from different snapshots can be compared.
        let next_hash = (from_instructions / every + 1).saturating_mul(every);
        let mut edges = edges(&arguments.press).into_iter();
        let next_edge = edges.find(|edge| edge.at_ps >= from_ps);
        let mut machine = machine;
        let unmodelled = UnmodelledObserver::new(&mut machine);
        let oracles = Attendant::new(&mut machine);
        Self {
            arguments,
            machine,
            symbols,
            compare,
            show,
            capture: None,
            trace: None,
            stop,
            outside: Outside::Nobody,
            pace: Pace::Free,
            paced_from: None,
            edges,
            next_edge,
            end_ps: from_ps.saturating_add(arguments.for_ps),
            from_ps,
            from_instructions,
            next_hash,
            compared: 0,
            lines: Lines::default(),
            pending: Vec::new(),
            led_changes: 0,
            rtos: RtosObserver::default(),
            oracles,
            unmodelled,
            findings: Vec::new(),
            exited: false,
            started: Instant::now(),
            host: Duration::ZERO,
        }
    }

    fn go(&mut self) -> Result<(), CliError> {
        if let Some(end_ps) = self.outside.end_ps() {
            self.end_ps = end_ps;
        }
        let went = self.slices().and_then(|()| {
            let exchanged = self.outside.finish(&mut self.machine)?;
            self.take_exchanged(exchanged);
            self.report()?;
            let findings = self.oracles.look_now(&self.machine);
            self.take_findings(&findings);
            self.report()
        });
        self.host = self.started.elapsed();
        for event in self.lines.stale(u64::MAX) {
            self.show.event(&event, &self.symbols)?;
        }
        self.captured(Capture::end)?;
        went
    }

    fn slices(&mut self) -> Result<(), CliError> {
        loop {
            let now_ps = self.machine.now().time_ps;
            while let Some(edge) = self.next_edge.filter(|edge| edge.at_ps <= now_ps) {
                self.press(edge);
                self.next_edge = self.edges.next();
            }
            if now_ps >= self.end_ps {
                break;
            }
            let exchanged = self.outside.exchange(&mut self.machine)?;
            self.take_exchanged(exchanged);
            if self.exited {
                break;
            }
            let slice_end_ps = (now_ps / SLICE_PS + 1) * SLICE_PS;
            let edge_ps = self.next_edge.map_or(u64::MAX, |edge| edge.at_ps);
            self.advance(slice_end_ps.min(edge_ps).min(self.end_ps).min(self.outside.next_ps()))?;
            self.report()?;
            let findings = self.oracles.look(&self.machine);
            self.take_findings(&findings);
            self.show.look(&self.machine)?;
            if self.is_over() {
                break;
            }
            self.keep_pace();
        }
        if let Some(stage) = self.arguments.until
            && self.machine.observer.stage(stage).is_none()
        {
            self.findings.push(not_reached(stage, self.machine.now().time_ps));
        }
        if let (Some(_), 0) = (&self.compare, self.compared) {
            let text = "--compare-hashes: no hash of this run has its like in the file; was --hash-every the same?";
            return Err(CliError::usage(text));
        }
        Ok(())
    }

    /// What oracles found: shown with what is seen next.
    fn take_findings(&mut self, findings: &[oracle::Finding]) {
        self.pending.extend(found(findings, self.machine.now().time_ps));
        self.findings.extend(findings.iter().filter_map(Finding::of));
    }

    fn take_exchanged(&mut self, exchanged: Exchanged) {
        if let Some(trace) = &mut self.trace {
            for outbound in exchanged.outbound {
                trace.outbound(&self.machine, outbound.time_ps, outbound.event);
            }
            for (time_ps, event) in exchanged.inbound {
                trace.inbound(&self.machine, time_ps, event);
            }
        }
        self.pending.extend(exchanged.crossings.into_iter().map(Event::Crossing));
        self.findings.extend(exchanged.findings);
        self.exited |= exchanged.is_over;
    }

    /// Runs up to a time; hashes on the way.
    fn advance(&mut self, to_ps: u64) -> Result<(), CliError> {
        while self.machine.now().time_ps < to_ps {
            let trace_hash = self.trace.as_ref().map_or(u64::MAX, Tracer::next_hash);
            let stop = match self.next_hash.min(trace_hash) {
                u64::MAX => self.machine.run_until_ps(to_ps)?,
                next_hash => self.machine.run_until_instruction(next_hash, to_ps)?,
            };
            if stop == Stop::HostCall {
                self.host_call();
                if self.exited {
                    return Ok(());
                }
            }
            if self.machine.instructions() >= trace_hash {
                // What happened before comes before.
                self.report()?;
                if let Some(trace) = &mut self.trace {
                    trace.state(&mut self.machine);
                }
            }
            if let Some(every) = self.arguments.hash_every
                && self.machine.instructions() >= self.next_hash
            {
                self.hash()?;
                self.next_hash = self.next_hash.saturating_add(every);
                if self.exited {
                    return Ok(());
                }
            }
        }
        Ok(())
    }

    fn hash(&mut self) -> Result<(), CliError> {
        // What happened before comes before.
        self.report()?;
        let hash = self.machine.state_hash().to_hex().to_string();
        let (instructions, time_ps) = (self.machine.instructions(), self.machine.now().time_ps);
        let event = Event::Hash { time_ps, instructions, hash: hash.clone() };
        self.show.event(&event, &self.symbols)?;
        let Some(compare) = &self.compare else { return Ok(()) };
        self.compared += u64::from(compare.has(instructions));
        if let Some(other) = compare.differing(instructions, &hash) {
            let text = format!("at {instructions} instructions the state hash is {hash}, was {other}");
            self.findings.push(Finding { kind: "divergence", time_ps, text });
            self.exited = true;
        }
        Ok(())
    }

    fn host_call(&mut self) {
        let time_ps = self.machine.now().time_ps;
        match serve(&mut self.machine) {
            HostCall::Continue(bytes) => {
                if let Some(trace) = &mut self.trace {
                    trace.console(&self.machine, time_ps, &bytes);
                }
                for byte in bytes {
                    self.pending.extend(self.lines.byte("guest", byte, time_ps));
                }
            }
            HostCall::Exit(status) => {
                self.exited = true;
                if status != 0 {
                    let text = format!("the guest ended with status {status}");
                    self.findings.push(Finding { kind: "exit_status", time_ps, text });
                }
            }
        }
    }

    fn press(&mut self, edge: Edge) {
        tracing::info!("{} s: {edge}", seconds(edge.at_ps));
        if let Some(trace) = &mut self.trace {
            trace.input(&self.machine, self.machine.now().time_ps, edge.to_string());
        }
        edge.apply(&mut self.machine);
    }

    /// Shows what was seen since the last time.
    fn report(&mut self) -> Result<(), CliError> {
        let time_ps = self.machine.now().time_ps;
        let seen = self.machine.observer.take_seen();
        self.captured(|capture| {
            for seen in &seen {
                match seen {
                    Seen::At(entry) => capture.at(entry),
                    Seen::Line(event) => capture.line(event),
                    Seen::Packet(packet) => capture.packet(packet),
                    _ => {}
                }
            }
            capture.advance(time_ps)
        })?;
        self.oracles.see(&seen);
        if let Some(trace) = &mut self.trace {
            trace.observe(&mut self.machine, &seen);
        }
        let unmodelled = self.unmodelled.look(&mut self.machine).into_iter();
        let unmodelled = unmodelled.map(|FirstUse { time_ps, name, pc }| Event::Unmodelled { time_ps, name, pc });
        let mut events = std::mem::take(&mut self.pending);
        events.extend(seen.into_iter().filter_map(|seen| translate(seen, &mut self.lines)));
        events.extend(self.lines.stale(time_ps));
        let changes = self.machine.observer.led().changes();
        let new_changes = changes.get(self.led_changes..).unwrap_or_default().iter();
        events.extend(new_changes.map(|change| Event::Led { time_ps: change.time_ps, state: change.state }));
        self.led_changes = changes.len();
        events.extend(unmodelled);
        events.sort_by_key(event_time_ps);
        for event in &events {
            self.show.event(event, &self.symbols)?;
            if self.arguments.strict
                && let Event::Unmodelled { time_ps, .. } = *event
            {
                let text = event_text(event, &self.symbols);
                self.findings.push(Finding { kind: "unmodelled", time_ps, text });
            }
        }
        Ok(())
    }

    fn captured(&mut self, work: impl FnOnce(&mut Capture) -> std::io::Result<()>) -> Result<(), CliError> {
        match (&mut self.capture, &self.arguments.pcap) {
            (Some(capture), Some(path)) => work(capture).map_err(CliError::io(path)),
            _ => Ok(()),
        }
    }

    /// Why the run ended.
    fn reason(&self) -> &'static str {
        if self.stop.load(Ordering::Relaxed) {
            "interrupted"
        } else if self.exited {
            "the guest ended it, or it was of no more use"
        } else if self.machine.now().time_ps >= self.end_ps {
            "time is up"
        } else {
            "what it was to run for was reached"
        }
    }

    fn is_over(&self) -> bool {
        let is_reached = self.arguments.until.is_some_and(|stage| self.machine.observer.stage(stage).is_some());
        let is_strict_broken = self.arguments.strict && self.findings.iter().any(|f| f.kind == "unmodelled");
        self.exited || is_reached || is_strict_broken || self.stop.load(Ordering::Relaxed)
    }

    /// Waits, where the run is paced, until the host's clock has come as far as the virtual one.
    fn keep_pace(&mut self) {
        let is_paced = match self.pace {
            Pace::Free => false,
            Pace::Real => true,
            Pace::Outside => self.outside.may_answer(),
        };
        if !is_paced {
            return;
        }
        let now_ps = self.machine.now().time_ps;
        let start = match self.pace {
            Pace::Real => (self.from_ps, self.started),
            Pace::Outside | Pace::Free => (now_ps, Instant::now()),
        };
        let (from_ps, from) = *self.paced_from.get_or_insert(start);
        let virtual_us = (now_ps - from_ps) / 1_000_000;
        let ahead = Duration::from_micros(virtual_us).saturating_sub(from.elapsed());
        std::thread::sleep(ahead);
    }

    /// Ends the trace, and prints how the run went.
    fn summarise(&mut self) -> Result<Outcome, CliError> {
        let reason = self.reason();
        let tasks = self.rtos.look(&self.machine);
        let mut summary = Summary {
            machine: &mut self.machine,
            symbols: &self.symbols,
            findings: std::mem::take(&mut self.findings),
            host: self.host,
            from_ps: self.from_ps,
            from_instructions: self.from_instructions,
            tasks,
        };
        let mut outcome = summary.judge();
        if let Some(trace) = &mut self.trace {
            for Finding { kind, time_ps, text } in &summary.findings {
                trace.finding(*time_ps, kind, text);
            }
            trace.finish(summary.machine, reason);
            summary.findings.extend(trace.trouble().map(|trouble| trouble_finding(&trouble, summary.machine)));
            outcome = summary.outcome();
        }
        let explanations = match self.arguments.explain {
            true => explain::explanations(summary.machine, summary.symbols, &summary.findings),
            false => Vec::new(),
        };
        let mut output = Output::new();
        if self.arguments.json {
            let mut json = summary.json(outcome);
            if let (true, Some(json)) = (self.arguments.explain, json.as_object_mut()) {
                json.insert("explanations".to_owned(), serde_json::json!(explanations));
            }
            output.json(&json)?;
        } else {
            output.text(&summary.text(outcome))?;
            for explanation in &explanations {
                output.text(&format!("\n{}", lockstep::explain::page(explanation)))?;
            }
        }
        output.finish()?;
        Ok(outcome)
    }
}

/// What is wrong with the trace, or with the run against it.
pub fn trouble_finding(trouble: &Trouble, machine: &Machine) -> Finding {
    match trouble {
        Trouble::Lost(text) => Finding { kind: "trace_incomplete", time_ps: machine.now().time_ps, text: text.clone() },
        Trouble::Unreadable(text) => Finding { kind: "divergence", time_ps: machine.now().time_ps, text: text.clone() },
        Trouble::Divergence(divergence) => {
            let equal = match divergence.last_equal {
                Some(state) => format!(
                    "the last equal state is after {} instructions, at {} s",
                    state.instructions,
                    seconds(state.time_ps)
                ),
                None => "no state was compared before".to_owned(),
            };
            let text = format!("{}; noticed after {} instructions; {equal}", divergence.text, divergence.instructions);
            Finding { kind: "divergence", time_ps: divergence.time_ps, text }
        }
    }
}
