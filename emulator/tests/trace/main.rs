//! Traces by the command: recorded, killed, repeated, damaged, compared, and run as tests.

#[path = "../common/vendor.rs"]
mod vendor;

mod command;
mod damage;
mod killed;
mod scenarios;

use command::{Folder, stdout};
use vendor::vendor_set;

/// The genuine firmware of a version with our application; `None`, said on stderr, without the images.
fn genuine(version: &str, test: &str) -> Option<Vec<String>> {
    vendor_set(version, test)?;
    let app = command::our_app();
    Some(["--firmware", version, "--app", app.to_str().unwrap()].map(str::to_owned).to_vec())
}

#[test]
fn an_update_of_genuine_2_2_0_replays_identically() {
    let Some(mut arguments) = genuine("2.2.0", "an update of genuine 2.2.0 replays identically") else { return };
    let folder = Folder::new();
    let new = folder.new_app("new.bin", "2");
    arguments.extend(["--cloud", &format!("ota {new} at 20s"), "--for", "40s", "--plain"].map(str::to_owned));
    let plain = folder.run(&arguments, &[]);
    let recorded = folder.run(&arguments, &["--trace", "a.trace"]);
    assert_eq!(recorded.status.code(), Some(0), "{}", stdout(&recorded));
    // Recording is seen in nothing but the file.
    let without_speed =
        |text: String| text.lines().filter(|line| !line.starts_with("speed")).collect::<Vec<_>>().join("\n");
    assert_eq!(without_speed(stdout(&recorded)), without_speed(stdout(&plain)));

    // What the trace holds is enough: neither the update nor the vendor's images are needed any more.
    std::fs::remove_file(folder.path().join("new.bin")).unwrap();
    let replayed = folder.offline(&["replay", "a.trace"]);
    assert_eq!(replayed.status.code(), Some(0), "{}", stdout(&replayed));
    let text = stdout(&replayed);
    assert!(text.contains("lockstep-app 2 "), "the new application runs: {text}");
    assert!(text.lines().last().unwrap().starts_with("identical to the recorded run: "), "{text}");
    assert!(text.contains("40.000000 s"));

    let info = folder.info("a.trace");
    assert_eq!(info["is_whole"], true);
    assert!(info["records"]["cloud"].as_u64().unwrap() > 20, "{info}");
    assert!(info["records"]["packet"].as_u64().unwrap() > 20, "{info}");
    assert!(info["records"]["decision"].as_u64().unwrap() > 100, "{info}");
    assert!(info["records"]["state"].as_u64().unwrap() > 50, "{info}");
}

#[test]
fn traces_are_compared_down_to_the_instruction() {
    let Some(mut arguments) = genuine("2.2.0", "traces are compared down to the instruction") else { return };
    arguments.extend(["--for", "8s", "--plain"].map(str::to_owned));
    let folder = Folder::new();
    folder.run(&arguments, &["--trace", "a.trace"]);
    folder.run(&arguments, &["--trace", "same.trace", "--hash-every", "3000000"]);
    let same = folder.offline(&["diff", "a.trace", "same.trace"]);
    assert_eq!(same.status.code(), Some(0), "{}", stdout(&same));

    folder.run(&arguments, &["--trace", "press.trace", "--press", "mode@6s:100ms"]);
    let press = folder.offline(&["diff", "a.trace", "press.trace"]);
    let text = stdout(&press);
    assert_eq!(press.status.code(), Some(5), "{text}");
    assert!(text.contains("second  6.000000 s, input MODE pressed"), "{text}");
    assert!(text.contains("second  6.000000 s, decision board.button number 0: bounces"), "{text}");
    let narrowed = text.lines().find(|line| line.starts_with("narrowed")).unwrap();
    assert!(narrowed.contains("the states differ after instruction") && narrowed.contains(" 5.99999"), "{narrowed}");
    assert!(text.contains("electron.mode_button.closed: false / true"), "{text}");

    folder.run(&arguments, &["--trace", "seed.trace", "--seed", "2"]);
    let seed = folder.offline(&["diff", "a.trace", "seed.trace"]);
    let text = stdout(&seed);
    assert_eq!(seed.status.code(), Some(5), "{text}");
    assert!(text.contains("seed: 1 / 2"), "{text}");
    // Two outside worlds: their states are never the same, but the firmware notices at one certain instruction.
    let narrowed = text.lines().find(|line| line.starts_with("narrowed")).unwrap();
    assert!(narrowed.contains("registers, memory or time differ after instruction"), "{text}");
    assert!(text.contains("decisions.seed: 1 / 2 (before, too)"), "{text}");
}

#[test]
fn other_images_are_refused_and_named() {
    let folder = Folder::new();
    folder.guest("guest.bin", 0);
    let recorded = folder
        .run(&["guest.bin@0x08000000".to_owned()], &["--trace", "a.trace", "--trace-images", "none", "--for", "1s"]);
    assert_eq!(recorded.status.code(), Some(0), "{}", stdout(&recorded));
    assert_eq!(folder.offline(&["replay", "a.trace"]).status.code(), Some(0));
    folder.guest("guest.bin", 1);
    folder.refused(&["replay", "a.trace"], &["guest.bin", "not the file that the trace was recorded with"]);
    std::fs::remove_file(folder.path().join("guest.bin")).unwrap();
    folder.refused(&["replay", "a.trace"], &["guest.bin"]);
}

#[test]
fn a_trace_replaces_no_file() {
    let folder = Folder::new();
    folder.guest("guest.bin", 0);
    std::fs::write(folder.path().join("a.trace"), b"mine").unwrap();
    folder.refused(&["run", "guest.bin@0x08000000", "--trace", "a.trace"], &["a.trace", "never replaces a file"]);
    assert_eq!(std::fs::read(folder.path().join("a.trace")).unwrap(), b"mine");
}

#[test]
fn a_full_disk_ends_the_trace_and_not_the_run() {
    let folder = Folder::new();
    folder.guest("guest.bin", 0);
    let arguments = ["guest.bin@0x08000000".to_owned()];
    // A limit on the length of files is a full disk for one process.
    let run =
        folder.run_limited(&arguments, &["--trace", "a.trace", "--for", "20s", "--plain", "--hash-every", "20000"], 24);
    let text = stdout(&run);
    assert_eq!(run.status.code(), Some(1), "{text}");
    assert!(text.contains("trace_incomplete") && text.contains("a.trace: "), "{text}");
    assert!(text.contains("20.000000 s virtual"), "the run went on: {text}");
    let info = folder.info("a.trace");
    assert_eq!(info["damages"].as_array().unwrap().len(), 0, "{info}");
    assert!(info["records"]["state"].as_u64().unwrap() > 100, "{info}");
    let replayed = folder.offline(&["replay", "a.trace"]);
    assert_eq!(replayed.status.code(), Some(0), "{}", stdout(&replayed));
}
