//! A session is the same however it is cut, kept and gone on with, and whoever looks at it. On genuine vendor firmware;
//! without its images each test says so on stderr and passes.
//!
//! Run in release mode. `cargo test --release -p lockstep --test session`

use lockstep::Machine;
use lockstep::hunt::Base;
use lockstep::oracle::Finding;
use lockstep::scenario::{Choices, Scenario, Variant};
use lockstep::session::{Branch, Session};
use lockstep::setup::files::Folder;
use lockstep::setup::{Parts, load};
use lockstep_traces::Plan;

#[path = "../common/vendor.rs"]
mod vendor;

const BUILT: &str = concat!(env!("CARGO_MANIFEST_DIR"), "/../firmware-images/built");
const END_PS: u64 = 34_000_000_000_000;

/// The device is polled without a pause, so that something is found in the run.
const SCENARIO: &str = r#"
seed = 5
[device]
firmware = "2.2.0"
app = "app.bin"
app_set = { mode = "echo", fault = "null_write", fault_on = "connection", fault_at_ms = 300 }
[[step]]
at = "4.0037s"
do = "press mode for 203ms"
[[step]]
when = "cloud connected"
after = "{1s..3s}"
do = "ping"
[[step]]
when = "tcp connected"
after = "2s"
do = "outage for {500ms..2s}"
[[step]]
when = "tcp connected"
after = "1234567us"
do = "set link.loss={1%..5%}"
[[step]]
when = "serial /fault over/"
do = "hold downlink for {100ms~1s}"
chance = "50%"
kind = "hold"
[[expect]]
that = "at 'USOCO'"
[[expect]]
never = "reset 9"
[hunt]
from = "cloud connected"
after = "700ms"
"#;

fn scenario(test: &str) -> Option<Scenario> {
    vendor::vendor_set("2.2.0", test)?;
    Some(Scenario::parse(SCENARIO).unwrap())
}

fn start(scenario: &Scenario, branch: Option<Branch>) -> Session {
    Session::start(scenario, scenario.seed, branch, &mut Folder::new(BUILT)).unwrap().session
}

/// Everything that a session says of itself.
#[derive(Debug, PartialEq)]
struct Told {
    state_hash: String,
    instructions: u64,
    time_ps: u64,
    steps_done_ps: Vec<Option<u64>>,
    findings: Vec<(u64, String)>,
    failures: Vec<String>,
    led: Vec<(u64, String)>,
}

/// What was noticed when depends on nothing but the run: the instructions at which a finding was made are compared too.
fn told(session: &mut Session) -> Told {
    let finding = |finding: &Finding| (finding.instructions, format!("{} {}", finding.time_ps, finding.text));
    let led = session.machine.observer.led().changes().iter().map(|c| (c.time_ps, c.state.to_string())).collect();
    Told {
        state_hash: session.machine.state_hash().to_string(),
        instructions: session.machine.instructions(),
        time_ps: session.machine.now().time_ps,
        steps_done_ps: session.timeline().steps().iter().map(|step| step.as_ref().and_then(|s| s.done_ps)).collect(),
        findings: session.findings().iter().map(finding).collect(),
        failures: session.judge().failures(END_PS, true).into_iter().map(|failure| failure.text).collect(),
        led,
    }
}

/// Odd numbers up to a bound, always the same.
struct Odd(u64);

impl Odd {
    fn next(&mut self, below: u64) -> u64 {
        self.0 = self.0.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1_442_695_040_888_963_407);
        ((self.0 >> 33) % below) | 1
    }
}

#[test]
fn a_session_is_the_same_however_it_is_cut_and_kept() {
    let Some(scenario) = scenario("a session is the same however it is cut") else { return };
    let mut whole = start(&scenario, None);
    whole.run_until_ps(END_PS).unwrap();
    let whole = told(&mut whole);
    assert_eq!(whole.steps_done_ps.iter().filter(|done| done.is_some()).count(), 4, "{whole:?}");
    assert!(whole.findings.iter().any(|(_, text)| text.contains("null pointer")), "{whole:?}");
    assert_eq!(whole.failures, [""; 0]);

    let mut cut = start(&scenario, None);
    let mut odd = Odd(1);
    let mut kept = None;
    let mut cuts = 0;
    while cut.machine.now().time_ps < END_PS {
        let to = cut.machine.instructions() + odd.next(20_000_000);
        cut.run_until_instruction(to, END_PS).unwrap();
        cuts += 1;
        // Somewhere within a slice, and gone on with by another machine.
        if cuts % 40 == 0 {
            let checkpoint = cut.checkpoint();
            cut = Session::restore(&checkpoint).unwrap();
            if cuts == 80 {
                kept = Some(checkpoint);
            }
        }
    }
    assert!(cuts > 100, "{cuts}");
    assert_eq!(told(&mut cut), whole);

    // A checkpoint can be come back to at any time, as often as one likes.
    let mut again = Session::restore(&kept.unwrap()).unwrap();
    assert!(again.machine.now().time_ps < END_PS);
    again.run_until_ps(END_PS).unwrap();
    assert_eq!(told(&mut again), whole);
}

#[test]
fn a_branch_of_a_hunt_is_the_same_run_from_power_on() {
    let Some(scenario) = scenario("a branch is the same from power-on") else { return };
    let base = Base::new(&scenario, &Variant::default(), BUILT.as_ref()).unwrap();
    let mut different = Vec::new();
    for seed in [1, 2] {
        let branch = Branch { seed, choices: Choices::draw(&scenario, seed), plan: Plan::default() };
        let mut branched = base.session(branch.clone()).unwrap();
        branched.run_until_ps(END_PS).unwrap();
        let mut whole = start(&scenario, Some(branch));
        whole.run_until_ps(END_PS).unwrap();
        assert_eq!(whole.branched_ps(), Some(base.branch_ps));
        let branched = told(&mut branched);
        assert_eq!(branched, told(&mut whole), "seed {seed}");
        different.push(branched.state_hash);
    }
    assert_ne!(different[0], different[1], "the branches differ at all");
}

/// Oracles, threads, history, decisions, traffic: whoever looks changes nothing.
#[test]
fn observers_change_nothing() {
    let text = SCENARIO.split("[[step]]").next().unwrap();
    let Some(_) = scenario("observers change nothing") else { return };
    let scenario = Scenario::parse(text).unwrap();
    let mut watched = start(&scenario, None);
    watched.machine.observer.keep_history();
    watched.machine.observer.keep_decisions();
    watched.machine.world.state.electron.watch_traffic();
    watched.run_until_ps(END_PS).unwrap();
    assert!(watched.findings().len() > 1, "{:?}", watched.findings());

    let files = &mut Folder::new(BUILT);
    let guest = load::load(&scenario.device, files).unwrap();
    let mut plain: Machine = Parts::default().machine(guest.flash, scenario.seed, false, guest.cloud, files).unwrap();
    plain.run_until_ps(END_PS).unwrap();
    assert_eq!(watched.machine.state_hash(), plain.state_hash());
    assert_eq!(watched.machine.instructions(), plain.instructions());
}
