//! Updates over bad links, counted: `cargo run --release -p lockstep --example ota_matrix -- --help`.
//!
//! Each firmware version boots once, connects, and is kept as a snapshot. Every run branches from it with a seed of its
//! own (which draws when the update begins, every latency and every loss), gets a link, and is offered a new version of
//! the application, 128 KB long. Afterwards the link is good again. What the device runs after its own reset, or after
//! one by its pin if it does none, is the outcome. A run that leaves a device without an application, or with a fault, is
//! printed with all that is needed to do it again.

use std::fmt::Write as _;
use std::io::Write as _;
use std::path::PathBuf;

use clap::Parser;
use lockstep::electron::{DeviceSettings, electron};
use lockstep::{Machine, Seen, Snapshot, Stage, cloud, fleet};
use lockstep_images::Image;
use lockstep_images::app_config::{self, AppConfig};
use lockstep_modem::network::service::ServerRequest;
use lockstep_modem::network::{CloudEventKind, DirectionConfig, LinkConfig, Outage, Probability};

const PS_PER_S: u64 = 1_000_000_000_000;
const PS_PER_MS: u64 = PS_PER_S / 1000;
const APP: &[u8] = include_bytes!("../../firmware-images/built/app.bin");
/// Where user modules live, and how long one can be.
const APP_PLACE: u32 = 0x0808_0000;
const IMAGE_BYTES: usize = 0x2_0000;
/// The application before the update, and the one it brings.
const OLD: u16 = 1;
const NEW: u16 = 2;
/// Virtual time a device gets to connect at the beginning.
const BOOT_LIMIT_PS: u64 = 90 * PS_PER_S;
/// Virtual time an update gets; the service gives up after 15 minutes.
const UPDATE_LIMIT_PS: u64 = 1_000 * PS_PER_S;
/// After the end of an update a device that has taken it resets itself within this time,
const OWN_RESET_PS: u64 = 20 * PS_PER_S;
/// and is back within this one.
const SETTLE_PS: u64 = 60 * PS_PER_S;
/// The verdict falls when it has come back from the reset and its application speaks, or after this time.
const VERDICT_PS: u64 = 40 * PS_PER_S;
/// What is drawn for a run beside what the model draws.
const STREAM: &str = "matrix";

/// Runs updates of genuine firmware over bad links and prints a table of outcomes.
#[derive(Parser)]
struct Arguments {
    /// Firmware versions.
    #[arg(long, value_delimiter = ',', default_value = "0.5.2,1.5.0,1.5.1,2.0.0,2.1.0,2.2.0,2.3.1")]
    versions: Vec<String>,
    /// Links: per cent of datagrams lost each way, or `outage`: one of 60 s, beginning 1 to 20 s after the device is ready.
    #[arg(long, value_delimiter = ',', default_value = "0,1,5,10,outage")]
    links: Vec<String>,
    /// Seeds of each combination.
    #[arg(long, default_value_t = 100)]
    seeds: u64,
    /// The first of them.
    #[arg(long, default_value_t = 1)]
    first_seed: u64,
    /// Print what the service saw in each run, and resets and faults: to look at one run again.
    #[arg(long)]
    events: bool,
    /// Worker threads.
    #[arg(long, default_value_t = 2)]
    jobs: usize,
    /// Write a JSON line for each run.
    #[arg(long)]
    out: Option<PathBuf>,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Link {
    Loss(u32),
    Outage,
}

impl Link {
    fn parse(text: &str) -> Result<Self, String> {
        match text {
            "outage" => Ok(Self::Outage),
            _ => text.parse().map(Self::Loss).map_err(|_| format!("link {text:?}: give per cent or outage")),
        }
    }
}

impl std::fmt::Display for Link {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        match self {
            Self::Loss(percent) => write!(f, "{percent} % loss"),
            Self::Outage => f.write_str("60 s outage"),
        }
    }
}

struct Task<'a> {
    snapshot: &'a Snapshot,
    link: Link,
    seed: u64,
}

/// What a device runs in the end.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, serde::Serialize)]
#[serde(rename_all = "snake_case")]
enum Runs {
    New,
    Old,
    Nothing,
}

#[derive(serde::Serialize)]
struct Verdict {
    runs: Runs,
    /// What the service says of the update.
    service: String,
    /// From UpdateBegin to what the service says, in virtual seconds.
    seconds: f64,
    /// Chunks that the device asked for again.
    missed: usize,
    /// The device was back at the service after the last reset.
    is_back: bool,
    faults: usize,
}

fn main() -> Result<(), Box<dyn std::error::Error>> {
    let arguments = Arguments::parse();
    let links = arguments.links.iter().map(|text| Link::parse(text)).collect::<Result<Vec<_>, _>>()?;
    let mut out = arguments.out.as_ref().map(std::fs::File::create).transpose()?;
    let seeds = usize::try_from(arguments.seeds)?;
    let image = application(NEW, IMAGE_BYTES)?;
    let mut table = String::from(
        "| firmware | link | runs | new | old | nothing | back | faults | median s | most s | chunks again |\n",
    );
    table.push_str("|---|---|---:|---:|---:|---:|---:|---:|---:|---:|---:|\n");
    for version in &arguments.versions {
        let snapshot = connected(version)?;
        let all: Vec<Task<'_>> = links
            .iter()
            .flat_map(|&link| (arguments.first_seed..).take(seeds).map(move |seed| (link, seed)))
            .map(|(link, seed)| Task { snapshot: &snapshot, link, seed })
            .collect();
        let mut verdicts: Vec<Option<Result<Verdict, String>>> = all.iter().map(|_| None).collect();
        let mut finished = 0;
        let work = |task: &Task<'_>| run(task, &image, arguments.events).map_err(|error| error.to_string());
        fleet::run_all(arguments.jobs, &all, work, |index, result| {
            let (task, total) = (&all[index], all.len());
            finished += 1;
            if let (Some(out), Ok(verdict)) = (&mut out, &result) {
                let line = serde_json::json!({ "firmware": version, "link": task.link.to_string(), "seed": task.seed,
                    "verdict": verdict });
                let _ = writeln!(out, "{line}");
            }
            if result.as_ref().map_or(true, |v| v.runs == Runs::Nothing || v.faults > 0 || !v.is_back) {
                let what = result.as_ref().map_or_else(Clone::clone, |v| format!("runs {:?}, {}", v.runs, v.service));
                eprintln!("finding: {version}, {}, seed {}: {what}", task.link, task.seed);
            }
            eprint!("\r{version}: {finished} of {total} ");
            verdicts[index] = Some(result);
            true
        });
        eprintln!();
        for &link in &links {
            let of_link = all.iter().zip(&verdicts).filter(|(task, _)| task.link == link);
            let done: Vec<&Verdict> = of_link.filter_map(|(_, v)| v.as_ref()?.as_ref().ok()).collect();
            let _ = writeln!(table, "{}", row(version, link, &done));
        }
        // What is known so far, should the rest be interrupted.
        println!("{table}");
    }
    Ok(())
}

fn row(version: &str, link: Link, verdicts: &[&Verdict]) -> String {
    let count = |runs| verdicts.iter().filter(|v| v.runs == runs).count();
    let mut seconds: Vec<f64> = verdicts.iter().map(|v| v.seconds).collect();
    seconds.sort_by(f64::total_cmp);
    let median = seconds.get(seconds.len() / 2).copied().unwrap_or_default();
    let most = seconds.last().copied().unwrap_or_default();
    let back = verdicts.iter().filter(|v| v.is_back).count();
    let faults: usize = verdicts.iter().map(|v| v.faults).sum();
    let missed: usize = verdicts.iter().map(|v| v.missed).sum();
    format!(
        "| {version} | {link} | {} | {} | {} | {} | {back} | {faults} | {median:.0} | {most:.0} | {:.0} |",
        verdicts.len(),
        count(Runs::New),
        count(Runs::Old),
        count(Runs::Nothing),
        missed as f64 / verdicts.len().max(1) as f64,
    )
}

fn application(version: u16, bytes: usize) -> Result<Vec<u8>, Box<dyn std::error::Error>> {
    let config = AppConfig { version, ..AppConfig::default() };
    Ok(app_config::pad(&app_config::configure(APP, &config)?, bytes)?)
}

/// A device with this firmware and the old application that has just connected.
fn connected(version: &str) -> Result<Snapshot, Box<dyn std::error::Error>> {
    let old = Image::parse("the old application", &application(OLD, IMAGE_BYTES)?, None)?;
    let mut flash = lockstep_images::load_set(version)?.flash_with(&[old])?;
    cloud::provision(&mut flash)?;
    let mut machine = electron(flash.into_bytes(), &DeviceSettings { seed: 1, cloud: true, ..Default::default() })?;
    while machine.observer.stage(Stage::CloudConnected).is_none() {
        machine.run_until_ps(machine.now().time_ps + PS_PER_S)?;
        if machine.now().time_ps > BOOT_LIMIT_PS {
            return Err(format!("{version} does not connect within {} s", BOOT_LIMIT_PS / PS_PER_S).into());
        }
    }
    // It subscribes and describes itself.
    machine.run_until_ps(machine.now().time_ps + 5 * PS_PER_S)?;
    Ok(machine.snapshot())
}

/// The device during a run, and what was seen of it.
struct Bench {
    machine: Machine,
    events: Vec<(u64, CloudEventKind)>,
    serial: Vec<(u64, u8)>,
    resets: Vec<u64>,
    prints: bool,
}

impl Bench {
    fn step(&mut self, to_ps: u64) -> Result<(), lockstep::MachineError> {
        self.machine.run_until_ps(to_ps)?;
        for seen in self.machine.observer.take_seen() {
            let s = |time_ps: u64| time_ps as f64 / PS_PER_S as f64;
            match &seen {
                _ if !self.prints => {}
                Seen::Cloud(event) => eprintln!("{:12.6} {}", s(event.time_ps), event.kind),
                Seen::Reset(reset) => eprintln!("{:12.6} reset: {:?}", s(reset.now.time_ps), reset.cause),
                Seen::Fault(fault) => {
                    eprintln!("{:12.6} fault: {:?} at {:#010x}", s(fault.now.time_ps), fault.fault, fault.pc)
                }
                _ => {}
            }
            match seen {
                Seen::Cloud(event) => self.events.push((event.time_ps, event.kind)),
                Seen::Reset(reset) => self.resets.push(reset.now.time_ps),
                Seen::Serial { usart: 1, byte, now } => self.serial.push((now.time_ps, byte)),
                _ => {}
            }
        }
        Ok(())
    }

    fn when(&self, from_ps: u64, is_it: impl Fn(&CloudEventKind) -> bool) -> Option<u64> {
        self.events.iter().find(|(ps, kind)| *ps >= from_ps && is_it(kind)).map(|(ps, _)| *ps)
    }

    /// What the application wrote on Serial1.
    fn said_since(&self, from_ps: u64) -> String {
        self.serial.iter().filter(|(ps, _)| *ps > from_ps).map(|(_, byte)| char::from(*byte)).collect()
    }

    /// It talks with the service, and its application runs.
    fn lives_since(&self, from_ps: u64) -> bool {
        self.when(from_ps, is_back).is_some() && self.said_since(from_ps).contains("loop 3 ")
    }

    fn link(&mut self) -> &mut LinkConfig {
        self.machine.world.state.electron.modem.network().link_mut()
    }
}

/// The device talks with the service. One that is reset while it greets goes on without a greeting.
fn is_back(kind: &CloudEventKind) -> bool {
    use CloudEventKind::{Described, Handshake, Hello, Published, Resumed, Time};
    matches!(kind, Resumed | Handshake | Hello(_) | Published { .. } | Time { .. } | Described { .. })
}

fn run(task: &Task<'_>, image: &[u8], prints: bool) -> Result<Verdict, Box<dyn std::error::Error>> {
    let mut bench = Bench {
        machine: Machine::restore(task.snapshot, false)?,
        events: Vec::new(),
        serial: Vec::new(),
        resets: Vec::new(),
        prints,
    };
    let branch_ps = bench.machine.now().time_ps;
    let decisions = &mut bench.machine.world.state.decisions;
    decisions.reseed(task.seed);
    let begin_ps = branch_ps + decisions.draw(branch_ps, STREAM, "begin_ms", 0, 3_000) * PS_PER_MS;
    let outage_after_ps = decisions.draw(branch_ps, STREAM, "outage_after_ms", 1_000, 20_000) * PS_PER_MS;
    if let Link::Loss(percent) = task.link {
        let direction = DirectionConfig { loss: Probability::percent(percent), ..DirectionConfig::default() };
        *bench.link() = LinkConfig { uplink: direction.clone(), downlink: direction, ..LinkConfig::default() };
    }
    let network = bench.machine.world.state.electron.modem.network();
    let service = network.service_mut().ok_or("no device service")?;
    let device = *service.devices().keys().next().ok_or("no device")?;
    service.ask(begin_ps, device, ServerRequest::Update { image: image.to_vec() })?;

    let is_over = |kind: &CloudEventKind| {
        matches!(kind, CloudEventKind::UpdateDelivered { .. } | CloudEventKind::UpdateFailed { .. })
    };
    let is_ready = |kind: &CloudEventKind| matches!(kind, CloudEventKind::UpdateReady { .. });
    let mut has_outage = task.link == Link::Outage;
    let over_ps = loop {
        let now_ps = bench.machine.now().time_ps;
        bench.step(now_ps + 200 * PS_PER_MS)?;
        if let (true, Some(ready_ps)) = (has_outage, bench.when(branch_ps, is_ready)) {
            let from_ps = ready_ps + outage_after_ps;
            bench.link().outages.push(Outage { from_ps, to_ps: from_ps + 60 * PS_PER_S });
            has_outage = false;
        }
        match bench.when(branch_ps, is_over) {
            Some(over_ps) => break over_ps,
            None if now_ps > branch_ps + UPDATE_LIMIT_PS => break now_ps,
            None => {}
        }
    };
    *bench.link() = LinkConfig::default();
    // A device that has taken the update resets by itself. One that does not is reset by its pin.
    let own_reset_ps = |bench: &Bench| bench.resets.iter().copied().rfind(|ps| *ps > begin_ps);
    while bench.machine.now().time_ps < over_ps + SETTLE_PS
        && own_reset_ps(&bench).is_none_or(|reset_ps| !bench.lives_since(reset_ps))
        && (own_reset_ps(&bench).is_some() || bench.machine.now().time_ps < over_ps + OWN_RESET_PS)
    {
        bench.step(bench.machine.now().time_ps + PS_PER_S)?;
    }
    let lives_ps = own_reset_ps(&bench).filter(|reset_ps| bench.lives_since(*reset_ps));
    let reset_ps = lives_ps.unwrap_or_else(|| {
        bench.machine.tap_reset();
        bench.machine.now().time_ps
    });
    while bench.machine.now().time_ps < reset_ps + VERDICT_PS && !bench.lives_since(reset_ps) {
        bench.step(bench.machine.now().time_ps + PS_PER_S)?;
    }

    let said = bench.said_since(reset_ps);
    let mut there = vec![0; image.len()];
    let is_new_in_flash = bench.machine.world.memory.peek(APP_PLACE, &mut there) && there == image;
    let runs = match (said.contains("lockstep-app 2 "), said.contains("lockstep-app 1 ")) {
        (true, _) if is_new_in_flash => Runs::New,
        (false, true) => Runs::Old,
        _ => Runs::Nothing,
    };
    let missed = bench.events.iter().map(|(_, kind)| match kind {
        CloudEventKind::UpdateChunksMissed { chunks, .. } => chunks.len(),
        _ => 0,
    });
    let service = bench.events.iter().find(|(_, kind)| is_over(kind));
    Ok(Verdict {
        runs,
        service: service.map_or_else(|| "nothing by the limit".to_owned(), |(_, kind)| kind.to_string()),
        seconds: (over_ps - begin_ps.min(over_ps)) as f64 / PS_PER_S as f64,
        missed: missed.sum(),
        is_back: bench.when(reset_ps, is_back).is_some(),
        faults: bench.machine.observer.faults().len(),
    })
}
