//! What the command line can say.

use std::path::PathBuf;

use clap::{Args, Parser, Subcommand, ValueEnum};
use lockstep::trace::Embed;

use super::sd_arguments::SdCommand;
use lockstep::setup::duration::parse_duration_ps;
use lockstep::setup::operator::{CloudArgument, parse_cloud};
use lockstep::setup::options::{FileAt, KeyValue, parse_file_at, parse_key_value};
use lockstep::setup::press::{Press, parse_press};

/// Runs unmodified Particle Electron firmware deterministically in virtual time.
#[derive(Debug, Parser)]
#[command(name = "lockstep", version, arg_required_else_help = true, propagate_version = true)]
pub struct Cli {
    /// Log more to stderr: -v information, -vv debugging, -vvv everything. RUST_LOG has precedence.
    #[arg(short, long, action = clap::ArgAction::Count, global = true)]
    pub verbose: u8,
    /// What to do.
    #[command(subcommand)]
    pub command: Command,
}

#[derive(Debug, Subcommand)]
pub enum Command {
    /// Run firmware.
    Run(Box<RunArguments>),
    /// Run a scenario many times, each time with another seed and another filling of what it leaves open.
    Hunt(HuntArguments),
    /// Run scenarios (*.toml) and traces (*.trace) as tests: files, and what is found in folders.
    Test(TestArguments),
    /// Say in words what happened in a recorded run: verdict, threads, owners and waiters, the chain of causes.
    Explain(ExplainArguments),
    /// Run again what a trace recorded, and compare everything with it.
    Replay(ReplayArguments),
    /// Say where two traces differ first: choice, record, state, instruction, register, address, part.
    Diff(DiffArguments),
    /// Say what a trace holds.
    #[command(subcommand, arg_required_else_help = true)]
    Trace(TraceCommand),
    /// Serve the modem on a pseudo-terminal, in real time, to any program that talks to a modem.
    Modem(ModemArguments),
    /// Say what files are: format, vectors, modules, checks, symbols.
    Inspect(InspectArguments),
    /// Get and list the vendor's firmware images.
    #[command(subcommand, arg_required_else_help = true)]
    Images(ImagesCommand),
    /// Make and show device configuration tables.
    #[command(subcommand, arg_required_else_help = true)]
    Dct(DctCommand),
    /// Set up our own application for genuine firmware (firmware-images/built/app.bin).
    #[command(subcommand, arg_required_else_help = true)]
    App(AppCommand),
    /// Make and fill images of micro-SD cards (docs/SD.md).
    #[command(subcommand, arg_required_else_help = true)]
    Sd(SdCommand),
    /// List the settings that --set of `run` and `modem` takes.
    Settings(SettingsArguments),
}

/// How fast virtual time passes.
#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
pub enum Pace {
    /// As fast as the host can.
    Free,
    /// Not faster than real time.
    Real,
    /// As fast as the host can until something leaves for the real network, then not faster than real time.
    Outside,
}

/// Whose files a trace holds.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, ValueEnum)]
pub enum TraceImages {
    /// All: the trace can be replayed anywhere.
    #[default]
    All,
    /// All but the vendor's images, which a replay takes from the folder of fetched ones.
    Own,
    /// Nobody's.
    None,
}

impl From<TraceImages> for Embed {
    fn from(whose: TraceImages) -> Self {
        match whose {
            TraceImages::All => Self::All,
            TraceImages::Own => Self::Own,
            TraceImages::None => Self::None,
        }
    }
}

const RUN_EXIT_CODES: &str = "Exit codes, the gravest of what was found: 0 done (null_write and data_lost are no failures), 1 an expectation failed (--strict, \
--until, --cloud COMMAND, the guest's exit status; watchdog_reset, update_failed), 2 bad usage or input, 3 \
guest fault (also panic), 4 hang (lock_up, reset_loop, deadlock, starvation, unread_data, cloud_deaf, update_stalled, \
stack_overflow, unbootable), 5 divergence.";

#[derive(Debug, Args)]
#[command(after_help = RUN_EXIT_CODES)]
pub struct RunArguments {
    /// Images to put into flash: ELF, Particle module, Intel HEX, or raw bytes as FILE@0xADDRESS.
    #[arg(value_name = "FILE[@ADDRESS]", value_parser = parse_file_at)]
    pub files: Vec<FileAt>,
    /// The vendor's firmware of this version (`lockstep images list`).
    #[arg(long, value_name = "VERSION")]
    pub firmware: Option<String>,
    /// User module to run instead of the vendor's default application.
    #[arg(long, value_name = "FILE")]
    pub app: Option<PathBuf>,
    /// Setting inside our own application image given by --app (`lockstep app settings`).
    #[arg(long, value_name = "KEY=VALUE", value_parser = parse_key_value, requires = "app")]
    pub app_set: Vec<KeyValue>,
    /// Device configuration table: a sector, both sectors, or a description in TOML.
    #[arg(long, value_name = "FILE")]
    pub dct: Option<PathBuf>,
    /// Have the device service behind the modem, and a device configuration table in flash that knows it, even where
    /// that is not the default. It is the default when the images have a boot loader and --dct does not name a table
    /// for another server. With a COMMAND the service's operator does something when the device is connected: ota FILE...,
    /// ota-system VERSION or FILE..., heal VERSION or FILE..., call NAME [ARGUMENT], variable NAME, publish NAME [DATA],
    /// ping, describe, signal on|off, discard-session; each with [at TIME] [when connected] [after TIME]. May be given
    /// several times.
    #[arg(long, value_name = "COMMAND", num_args = 0..=1, default_missing_value = "", value_parser = parse_cloud)]
    pub cloud: Vec<CloudArgument>,
    /// Have no device service, and leave the device configuration table erased unless --dct names one.
    #[arg(long, conflicts_with = "cloud")]
    pub no_cloud: bool,
    /// Virtual time to run: a number and us, ms, s, m or h.
    #[arg(long = "for", value_name = "TIME", value_parser = parse_duration_ps, default_value = "30s")]
    pub for_ps: u64,
    /// Seed of every choice that the outside world makes.
    #[arg(long, default_value_t = 1)]
    pub seed: u64,
    /// A setting of modem, cell, SIM, link, chip or board (`lockstep settings`).
    #[arg(long, value_name = "KEY=VALUE", value_parser = parse_key_value)]
    pub set: Vec<KeyValue>,
    /// Stop, and exit with 1, at the first access or command that is not modelled.
    #[arg(long)]
    pub strict: bool,
    /// Print one JSON object a line; the last one is the summary.
    #[arg(long)]
    pub json: bool,
    /// Print plain lines even on a terminal.
    #[arg(long, conflicts_with = "json")]
    pub plain: bool,
    /// How fast virtual time passes: `free` unless --gateway is given, and then `outside`.
    #[arg(long, value_enum)]
    pub pace: Option<Pace>,
    /// Bridge what no service in process answers to the real network, through the gateway (`lockstep-gateway bridge`)
    /// that listens on this Unix socket. The gateway says what is allowed.
    #[arg(long, value_name = "SOCKET", conflicts_with = "replay")]
    pub gateway: Option<PathBuf>,
    /// Write down, as the run goes on, all that comes from the real network and goes there, with virtual times.
    #[arg(long, value_name = "FILE", requires = "gateway")]
    pub record: Option<PathBuf>,
    /// Repeat a run that --record wrote, without a network: give what came in at its time, compare what goes out, and
    /// the state at the end; exit with 5 where they differ. Give the same images, seed and settings; it runs as long as
    /// the recording.
    #[arg(long, value_name = "FILE", conflicts_with = "pace")]
    pub replay: Option<PathBuf>,
    /// Stop when this stage is reached, exit with 1 if it is not: reset, system_firmware, vector_table, user_module,
    /// scheduler, modem_power, at_command, registered, pdp_context, name_resolution, client_hello, handshake,
    /// cloud_connected.
    #[arg(long, value_name = "STAGE", value_parser = lockstep::setup::options::parse_stage)]
    pub until: Option<lockstep::Stage>,
    /// Press a button at a virtual time: mode@TIME:DURATION, or reset@TIME. May be given several times.
    #[arg(long, value_name = "BUTTON@TIME[:DURATION]", value_parser = parse_press)]
    pub press: Vec<Press>,
    /// Serve semihosting calls (BKPT 0xAB) of bare-metal test programs: output and exit.
    #[arg(long)]
    pub semihosting: bool,
    /// Print the hash of the whole state each time this many more instructions have been executed.
    #[arg(long, value_name = "INSTRUCTIONS", value_parser = clap::value_parser!(u64).range(1..))]
    pub hash_every: Option<u64>,
    /// Compare the hashes with those that an earlier run printed (its output, plain or JSON); exit with 5 where they
    /// differ.
    #[arg(long, value_name = "FILE", requires = "hash_every")]
    pub compare_hashes: Option<PathBuf>,
    /// Write what passes by the modem to a pcapng file: IP packets, its AT dialogue and its serial line.
    #[arg(long, value_name = "FILE")]
    pub pcap: Option<PathBuf>,
    /// Record a trace as the run goes on: what is needed to run again, and what was observed (`lockstep replay`).
    #[arg(long, value_name = "FILE", conflicts_with = "snapshot_in")]
    pub trace: Option<PathBuf>,
    /// Whose files the trace holds; of the others it has the hashes, and a replay looks for them where they were.
    #[arg(long, value_enum, value_name = "WHOSE", requires = "trace", default_value_t)]
    pub trace_images: TraceImages,
    /// Explain: a page for the moment of each fault, lock-up or SOS, and one for the end of the run if there are none or a
    /// thread starves then. With --json they are in the summary (docs/EXPLAIN.md).
    #[arg(long)]
    pub explain: bool,
    /// Linker map file (GNU ld) of an image, for the names of its functions. May be given several times.
    #[arg(long, value_name = "FILE")]
    pub map: Vec<PathBuf>,
    /// ELF file that is read only for the names of its functions. May be given several times.
    #[arg(long, value_name = "FILE")]
    pub symbols: Vec<PathBuf>,
    /// Write the machine's whole state at the end of the run.
    #[arg(long, value_name = "FILE")]
    pub snapshot_out: Option<PathBuf>,
    /// Wait for GDB on this address before the first instruction (:PORT is on this host only) and let it have the run,
    /// forwards and backwards, up to the time of --for (docs/DEBUGGING.md).
    #[arg(
        long,
        value_name = "[HOST]:PORT",
        conflicts_with_all = ["gateway", "record", "replay", "hash_every", "pcap", "until", "pace", "semihosting", "trace"]
    )]
    pub gdb: Option<String>,
    /// Go on from a state that --snapshot-out wrote; --for then counts from there.
    #[arg(long, value_name = "FILE", conflicts_with_all = ["files", "firmware", "app", "dct", "seed", "set", "no_cloud"])]
    pub snapshot_in: Option<PathBuf>,
}

const TEST_EXIT_CODES: &str = "A scenario passes when what it expects is met; one that expects nothing, when nothing fatal is found. A trace \
passes when the run is identical to the recorded one.\n\nExit codes, the gravest of all tests: 0 all passed, 1 an \
expectation failed, 2 bad usage or input, 3 guest fault, 4 hang, 5 divergence.";

#[derive(Debug, Args)]
#[command(after_help = TEST_EXIT_CODES)]
pub struct TestArguments {
    /// Scenarios, traces, and folders with such.
    #[arg(required = true, value_name = "PATH")]
    pub paths: Vec<PathBuf>,
    /// Tests at once.
    #[arg(long, default_value_t = default_jobs())]
    pub jobs: usize,
    /// Virtual time that a test may take at most: one that wants more fails and is not run.
    #[arg(long, value_name = "TIME", value_parser = parse_duration_ps)]
    pub limit: Option<u64>,
    /// Write the results as JUnit XML.
    #[arg(long, value_name = "FILE")]
    pub junit: Option<PathBuf>,
    /// Folder for what shows a failure: the trace of the run, and what was wrong in words.
    #[arg(long, value_name = "FOLDER")]
    pub artefacts: Option<PathBuf>,
    /// Print one JSON object a line: each test, then the summary.
    #[arg(long)]
    pub json: bool,
}

#[derive(Debug, Args)]
#[command(after_help = "Exit codes: 0 identical (whatever was found in the run), 2 bad usage or input, 5 divergence.")]
pub struct ReplayArguments {
    /// The trace.
    pub trace: PathBuf,
    /// Replay to this virtual time: a number and us, ms, s, m or h.
    #[arg(long, value_name = "TIME", value_parser = parse_duration_ps)]
    pub until: Option<u64>,
    /// Wait for GDB on this address (:PORT is on this host only) and let it have the run, forwards and backwards, instead
    /// of comparing it with the recorded one (docs/DEBUGGING.md).
    #[arg(long, value_name = "[HOST]:PORT", conflicts_with = "json")]
    pub gdb: Option<String>,
    /// Print one JSON object a line; the last one is the summary.
    #[arg(long)]
    pub json: bool,
}

#[derive(Debug, Args)]
#[command(after_help = "Exit codes: 0 done, 2 bad usage or input.")]
pub struct ExplainArguments {
    /// The trace.
    pub trace: PathBuf,
    /// Run to this virtual time only: a number and us, ms, s, m or h.
    #[arg(long, value_name = "TIME", value_parser = parse_duration_ps)]
    pub until: Option<u64>,
    /// Explain every moment that was found, not only the gravest.
    #[arg(long)]
    pub all: bool,
    /// Linker map file (GNU ld) of an image, for the names of its functions. May be given several times.
    #[arg(long, value_name = "FILE")]
    pub map: Vec<PathBuf>,
    /// ELF file that is read only for the names of its functions. May be given several times.
    #[arg(long, value_name = "FILE")]
    pub symbols: Vec<PathBuf>,
    /// Print a JSON object.
    #[arg(long)]
    pub json: bool,
}

#[derive(Debug, Args)]
#[command(after_help = "Exit codes: 0 no difference, 2 bad usage or input, 5 they differ.")]
pub struct DiffArguments {
    /// A trace.
    pub first: PathBuf,
    /// Another one.
    pub second: PathBuf,
    /// Compare what is recorded, and run nothing again.
    #[arg(long)]
    pub no_run: bool,
}

#[derive(Debug, Subcommand)]
pub enum TraceCommand {
    /// Head, frames, what was recorded, findings.
    Info {
        /// The trace.
        trace: PathBuf,
        /// Print one JSON object.
        #[arg(long)]
        json: bool,
    },
    /// Run a scenario and record it: the plain run, or with --hunt-seed a run of a hunt.
    Record {
        /// The scenario.
        scenario: PathBuf,
        /// The trace to write.
        #[arg(short, long)]
        output: PathBuf,
        /// Seed of a plain run, instead of the scenario's.
        #[arg(long)]
        seed: Option<u64>,
        /// The run of a hunt that has this seed.
        #[arg(long, value_name = "SEED")]
        hunt_seed: Option<u64>,
        /// Variant of the scenario.
        #[arg(long, value_name = "NAME")]
        variant: Option<String>,
        /// Vendor's firmware version, instead of the scenario's.
        #[arg(long, value_name = "VERSION")]
        firmware: Option<String>,
        /// Whose files the trace holds.
        #[arg(long, value_enum, value_name = "WHOSE", default_value_t)]
        trace_images: TraceImages,
    },
    /// Run again what a trace runs and record it as it goes now: after the model has changed, by which a replay diverges.
    Again {
        /// The trace.
        trace: PathBuf,
        /// The trace to write.
        #[arg(short, long)]
        output: PathBuf,
        /// Ends it soon after the gravest of what goes wrong was seen.
        #[arg(long)]
        short: bool,
        /// Whose files the new trace holds.
        #[arg(long, value_enum, value_name = "WHOSE", default_value_t)]
        trace_images: TraceImages,
    },
    /// Every record in a line.
    Records {
        /// The trace.
        trace: PathBuf,
    },
}

/// How the modem is found by the first program that connects.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, ValueEnum)]
pub enum PowerAtStart {
    /// Booted: its AT interface answers.
    #[default]
    On,
    /// Off until a program opens the pseudo-terminal.
    Off,
}

#[derive(Debug, Args)]
#[command(after_help = "Ends on Ctrl-C. Exit codes: 0 done, 2 bad usage or input.")]
pub struct ModemArguments {
    /// Symbolic link to make: programs open it as they would a serial device. It is removed at the end.
    #[arg(long, value_name = "PATH")]
    pub pty: PathBuf,
    /// Write the transcript: command lines, payloads, responses and URCs, each with its time in seconds.
    #[arg(long, value_name = "FILE")]
    pub log: Option<PathBuf>,
    /// Seed of every choice that the outside world makes.
    #[arg(long, default_value_t = 1)]
    pub seed: u64,
    /// Bridge what the echo service and the name server do not answer to the real network, through the gateway
    /// (`lockstep-gateway bridge`) that listens on this Unix socket. The gateway says what is allowed.
    #[arg(long, value_name = "SOCKET")]
    pub gateway: Option<PathBuf>,
    /// A setting of modem, cell, SIM, PDP or link (`lockstep settings`).
    #[arg(long, value_name = "KEY=VALUE", value_parser = parse_key_value)]
    pub set: Vec<KeyValue>,
    /// Write what passes by the modem to a pcapng file: IP packets, its AT dialogue and its serial line.
    #[arg(long, value_name = "FILE")]
    pub pcap: Option<PathBuf>,
    /// Whether the modem is on at the start. A pseudo-terminal has no PWR_ON: opening it is the press of the key, for a
    /// modem that is off.
    #[arg(long, value_enum, default_value_t)]
    pub power: PowerAtStart,
}

#[derive(Debug, Args)]
#[command(
    after_help = "Exit codes: 0 nothing found, 2 bad usage or input, 3 guest faults found, 4 hangs or failures found."
)]
pub struct HuntArguments {
    /// The scenario.
    pub scenario: PathBuf,
    /// Runs of each device.
    #[arg(long, default_value_t = 1000)]
    pub runs: u64,
    /// Seed of the first of them.
    #[arg(long, default_value_t = 1)]
    pub first_seed: u64,
    /// Runs at once.
    #[arg(long, default_value_t = default_jobs())]
    pub jobs: usize,
    /// Begin no more runs of a device after so much of the host's time: a number and s, m or h. With --out the hunt can be
    /// gone on with.
    #[arg(long, value_name = "TIME", value_parser = parse_duration_ps)]
    pub stop_after: Option<u64>,
    /// Vendor's firmware versions to hunt on, instead of the scenario's.
    #[arg(long, value_name = "VERSION", value_delimiter = ',')]
    pub firmware: Vec<String>,
    /// A variant of the scenario to hunt on, and again for another; all if none is named.
    #[arg(long, value_name = "NAME")]
    pub variant: Vec<String>,
    /// Record a trace of each witness in this folder, named after scenario, device and cause.
    #[arg(long, value_name = "FOLDER")]
    pub traces: Option<PathBuf>,
    /// Whose files those traces hold.
    #[arg(long, value_enum, value_name = "WHOSE", requires = "traces", default_value_t)]
    pub trace_images: TraceImages,
    /// Write a line of JSON for each run; a file that is there is gone on with.
    #[arg(long, value_name = "FILE")]
    pub out: Option<PathBuf>,
    /// Run this seed only, and show what happens in it.
    #[arg(long, value_name = "SEED")]
    pub show: Option<u64>,
    /// Runs to spend on making the first run of each cause small; 0 is none.
    #[arg(long, value_name = "RUNS", default_value_t = 100)]
    pub minimise: usize,
    /// Print one JSON object a line.
    #[arg(long)]
    pub json: bool,
}

/// As many as the host has cores.
fn default_jobs() -> usize {
    std::thread::available_parallelism().map_or(1, usize::from)
}

#[derive(Debug, Args)]
pub struct InspectArguments {
    /// Files; raw bytes as FILE@0xADDRESS.
    #[arg(required = true, value_name = "FILE[@ADDRESS]", value_parser = parse_file_at)]
    pub files: Vec<FileAt>,
    /// Print one JSON object a line.
    #[arg(long)]
    pub json: bool,
}

#[derive(Debug, Subcommand)]
pub enum ImagesCommand {
    /// Get the vendor's images from the npm registry and check them; of all versions when none is named.
    Fetch {
        /// Firmware versions.
        versions: Vec<String>,
        /// Take them from a tarball that `npm pack particle-cli@VERSION` made elsewhere.
        #[arg(long, value_name = "FILE", requires = "package")]
        tarball: Option<PathBuf>,
        /// The package version of that tarball.
        #[arg(long, value_name = "VERSION", requires = "tarball", conflicts_with = "versions")]
        package: Option<String>,
    },
    /// List the firmware versions of the catalogue and which of them are here.
    List {
        /// Print one JSON object a line.
        #[arg(long)]
        json: bool,
    },
}

#[derive(Debug, Subcommand)]
pub enum DctCommand {
    /// Build a sector from a description in TOML.
    Build {
        /// The description.
        spec: PathBuf,
        /// File to write, 16,384 bytes.
        #[arg(short, long)]
        output: PathBuf,
    },
    /// Show what a table holds.
    Show {
        /// One sector, or both.
        file: PathBuf,
        /// Print a JSON object.
        #[arg(long)]
        json: bool,
    },
}

#[derive(Debug, Subcommand)]
pub enum AppCommand {
    /// Write an image with other settings, or a larger one.
    Build {
        /// The image to take.
        image: PathBuf,
        /// A setting (`lockstep app settings`).
        #[arg(long, value_name = "KEY=VALUE", value_parser = parse_key_value)]
        set: Vec<KeyValue>,
        /// Length of the image in bytes, at most 131072: filled up with bytes that nothing uses.
        #[arg(long, value_name = "BYTES")]
        bytes: Option<usize>,
        /// File to write.
        #[arg(short, long)]
        output: PathBuf,
    },
    /// List the settings: those of an image, or the defaults.
    Settings {
        /// The image.
        image: Option<PathBuf>,
        /// Print one JSON object a line.
        #[arg(long)]
        json: bool,
    },
}

#[derive(Debug, Args)]
pub struct SettingsArguments {
    /// Print one JSON object a line.
    #[arg(long)]
    pub json: bool,
}
