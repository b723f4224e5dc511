//! Scenarios recorded and run as tests.

use crate::command::{Folder, our_app, stdout};
use crate::vendor::vendor_set;

const SCENARIO: &str = r#"
name = "an update"
for = "30s"
[device]
firmware = "2.2.0"
app = "app.bin"
app_set = { mode = "blink" }
[[image]]
name = "new.bin"
app = "app.bin"
set = { version = 2 }
[[step]]
when = "led 'breathing cyan'"
after = "1s"
do = "ota new.bin"
[[expect]]
that = "update begun"
by = "29s"
[[expect]]
never = "finding"
"#;

fn scenario(test: &str) -> Option<Folder> {
    vendor_set("2.2.0", test)?;
    let folder = Folder::new();
    std::fs::copy(our_app(), folder.file("app.bin")).unwrap();
    Some(folder)
}

#[test]
fn a_scenario_is_recorded_and_replays_identically() {
    let Some(folder) = scenario("a scenario is recorded and replays identically") else { return };
    std::fs::write(folder.file("update.toml"), SCENARIO).unwrap();
    let recorded = folder.with_images(&["trace", "record", "update.toml", "-o", "a.trace"]);
    assert_eq!(recorded.status.code(), Some(0), "{}", stdout(&recorded));
    let own = folder.with_images(&["trace", "record", "update.toml", "-o", "own.trace", "--trace-images", "own"]);
    assert_eq!(own.status.code(), Some(0), "{}", stdout(&own));
    std::fs::remove_file(folder.file("app.bin")).unwrap();
    std::fs::remove_file(folder.file("update.toml")).unwrap();
    let replayed = folder.offline(&["replay", "a.trace"]);
    let text = stdout(&replayed);
    assert_eq!(replayed.status.code(), Some(0), "{text}");
    assert!(text.lines().last().unwrap().contains("to 30.000000 s"), "{text}");
    assert_eq!(folder.info("a.trace")["records"]["input"], 1, "the step is in it");

    // The vendor's images by their version alone: needed, and taken from where they are fetched to.
    folder.refused(&["replay", "own.trace"], &["lockstep images fetch 2.2.0"]);
    let replayed = folder.with_images(&["replay", "own.trace"]);
    assert_eq!(replayed.status.code(), Some(0), "{}", stdout(&replayed));
    let length = |name: &str| std::fs::metadata(folder.file(name)).unwrap().len();
    assert!(length("own.trace") * 2 < length("a.trace"));
    let diff = folder.with_images(&["diff", "a.trace", "own.trace"]);
    assert_eq!(diff.status.code(), Some(0), "{}", stdout(&diff));

    // From the trace alone it is recorded again.
    let again = folder.with_images(&["trace", "again", "own.trace", "-o", "again.trace", "--trace-images", "own"]);
    assert_eq!(again.status.code(), Some(0), "{}", stdout(&again));
    assert!(stdout(&again).ends_with("recorded to 30.000000 s\n"), "{}", stdout(&again));
    let bytes = |name: &str| std::fs::read(folder.file(name)).unwrap();
    assert!(bytes("own.trace") == bytes("again.trace"), "byte for byte");
}

#[test]
fn scenarios_and_traces_are_tests() {
    let Some(folder) = scenario("scenarios and traces are tests") else { return };
    std::fs::create_dir(folder.file("tests")).unwrap();
    let app = folder.file("app.bin").display().to_string();
    let passes = SCENARIO.replace("app.bin", &app);
    std::fs::write(folder.file("tests/passes.toml"), &passes).unwrap();
    std::fs::write(folder.file("tests/fails.toml"), passes.replace("by = \"29s\"", "by = \"1s\"")).unwrap();
    std::fs::write(folder.file("tests/other.toml"), "[package]\nname = \"x\"\n").unwrap();
    let recorded = folder.with_images(&["trace", "record", "tests/passes.toml", "-o", "tests/a.trace"]);
    assert_eq!(recorded.status.code(), Some(0), "{}", stdout(&recorded));

    let arguments = ["test", "tests", "--junit", "junit.xml", "--artefacts", "artefacts"];
    let tested = folder.with_images(&arguments);
    let text = stdout(&tested);
    assert_eq!(tested.status.code(), Some(1), "{text}");
    assert!(text.contains("2 passed, 1 failed"), "{text}");
    assert!(text.contains("ok   tests/a.trace") && text.contains("ok   tests/passes.toml"), "{text}");
    assert!(text.contains("FAIL tests/fails.toml") && text.contains("by 1.000000 s"), "{text}");
    let junit = std::fs::read_to_string(folder.file("junit.xml")).unwrap();
    assert!(
        junit.contains("tests=\"3\"") && junit.contains("failures=\"1\"") && junit.contains("errors=\"0\""),
        "{junit}"
    );
    // What shows the failure: a trace that replays, and words.
    let explained = std::fs::read_to_string(folder.file("artefacts/tests-fails.toml.txt")).unwrap();
    assert!(explained.contains("expected: ") && explained.contains("lockstep replay"), "{explained}");
    assert!(explained.contains("EXPLANATION  30.0") && explained.contains("threads"), "{explained}");
    let replayed = folder.offline(&["replay", "artefacts/tests-fails.toml.trace"]);
    assert_eq!(replayed.status.code(), Some(0), "{}", stdout(&replayed));

    let limited = folder.with_images(&["test", "tests/passes.toml", "--limit", "10s"]);
    assert_eq!(limited.status.code(), Some(1), "{}", stdout(&limited));
    assert!(stdout(&limited).contains("--limit is 10.000000 s"), "{}", stdout(&limited));
    folder.refused(&["test", "tests/other.toml"], &["other.toml"]);
    folder.refused(&["test", "artefacts/tests-fails.toml.txt"], &["neither a scenario"]);
    folder.refused(&["test", "nowhere"], &["nowhere"]);
}
