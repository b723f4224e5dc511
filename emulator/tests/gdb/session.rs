//! A session (a scenario under way) as a debuggee: steps of the scenario come again after going back.

use std::path::Path;

use lockstep::gdb::debuggee::Debuggee;
use lockstep::scenario::Scenario;
use lockstep::session::Session;
use lockstep::setup::files::Folder;
use lockstep::{Stop, session};

use crate::vendor::vendor_set;

const SCENARIO: &str = r#"
name = "a button, a reset, an outage"
for = "20s"

[device]
firmware = "2.2.0"
app = "app.bin"

[[step]]
at = "3s"
do = "press mode for 200ms"

[[step]]
when = "stage modem_power"
after = "1s"
do = "reset"

[[step]]
at = "9s"
do = "outage for 2s"
"#;

const END_PS: u64 = 14_000_000_000_000;
/// Between two marks: not where a step is done.
const STRIDE_PS: u64 = 700_000_000_123;
/// Between two hashes, in instructions.
const INTERVAL: u64 = 50_000_000;

fn start() -> Session {
    let scenario = Scenario::parse(SCENARIO).unwrap();
    let built = Path::new(env!("CARGO_MANIFEST_DIR")).join("../firmware-images/built");
    Session::start(&scenario, 1, None, &mut Folder::new(built)).unwrap().session
}

fn hashes(session: &mut Session) -> Vec<(u64, blake3::Hash)> {
    let mut hashes = Vec::new();
    while session.machine.now().time_ps < END_PS {
        let target = (session.machine.instructions() / INTERVAL + 1) * INTERVAL;
        assert_eq!(Debuggee::run_until_instruction(session, target, END_PS).unwrap(), Stop::Limit);
        if session.machine.instructions() == target {
            hashes.push((target, session.machine.state_hash()));
        }
    }
    hashes
}

#[test]
fn a_session_that_went_back_goes_on_as_the_first_time() {
    if vendor_set("2.2.0", "a session under a debugger").is_none() {
        return;
    }
    let mut plain = start();
    let expected = hashes(&mut plain);
    assert!(plain.machine.observer.resets().len() >= 2, "the scenario's reset and the firmware's own");
    assert!(expected.len() > 10, "{}", expected.len());

    let mut session = start();
    let mut marks: Vec<session::Mark> = Vec::new();
    while session.machine.now().time_ps < END_PS {
        marks.push(Debuggee::mark(&mut session));
        let to_ps = session.machine.now().time_ps + STRIDE_PS;
        Debuggee::run_until_ps(&mut session, to_ps).unwrap();
    }
    for index in [0, marks.len() / 4, marks.len() / 2, 3 * marks.len() / 4, marks.len() - 1, 1] {
        Debuggee::rewind(&mut session, &marks[index]).unwrap();
        let from = session.machine.instructions();
        let again = hashes(&mut session);
        let rest: Vec<_> = expected.iter().filter(|(at, _)| *at > from).copied().collect();
        assert_eq!(again, rest, "from mark {index}");
        assert_eq!(session.machine.observer.resets().len(), plain.machine.observer.resets().len());
    }
}
