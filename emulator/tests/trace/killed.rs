//! Runs that are killed while they record.

use std::os::unix::process::ExitStatusExt;
use std::process::Stdio;
use std::time::Duration;

use rand_chacha::ChaCha8Rng;
use rand_core::{Rng, SeedableRng};

use crate::command::{Folder, our_app, stdout};
use crate::vendor::vendor_set;

/// Virtual time that a run would record if it were let.
const RUN: &str = "300s";

/// Kills runs at random moments; each trace opens and replays to its last frame.
fn killed(arguments: &[String], times: usize, latest: Duration) {
    let mut random = ChaCha8Rng::seed_from_u64(11);
    let (mut without_head, mut replayed_ps) = (0, Vec::new());
    for number in 0..times {
        let folder = Folder::new();
        let arguments_of_run = ["--for", RUN, "--plain", "--trace", "a.trace"];
        let mut run = folder.runs(arguments, &arguments_of_run).stdout(Stdio::null()).spawn().unwrap();
        let wait_us = random.next_u64() % latest.as_micros() as u64;
        std::thread::sleep(Duration::from_micros(wait_us));
        run.kill().unwrap();
        let status = run.wait().unwrap();
        assert_eq!(status.signal(), Some(9), "killed before its end");
        if !folder.file("a.trace").exists() {
            // It had not begun to record.
            without_head += 1;
            continue;
        }
        let info = folder.offline(&["trace", "info", "a.trace", "--json"]);
        if info.status.code() == Some(2) && stdout(&info).contains("cut short in its head") {
            without_head += 1;
            continue;
        }
        assert_eq!(info.status.code(), Some(0), "kill {number}: {}", stdout(&info));
        let info = folder.info("a.trace");
        assert_eq!(info["damages"].as_array().unwrap().len(), 0, "kill {number}: {info}");
        assert_eq!(info["is_whole"], false, "kill {number}: {info}");
        let whole = info["files"].as_array().unwrap().iter().all(|file| file["embedded"] == true);
        assert!(whole, "{info}");
        let replayed = folder.offline(&["replay", "a.trace"]);
        let text = stdout(&replayed);
        if replayed.status.code() == Some(2) && text.contains("of its") && text.contains("bytes are there") {
            // Killed while the files were being written, before the first instruction.
            assert_eq!(info["records"].as_object().unwrap().len(), 0, "kill {number}: {info}");
            without_head += 1;
            continue;
        }
        assert_eq!(replayed.status.code(), Some(0), "kill {number}: {text}");
        let last = text.lines().last().unwrap();
        assert!(last.starts_with("identical to the recorded run"), "kill {number}: {last}");
        replayed_ps.push(info["last_ps"].as_u64().unwrap());
    }
    replayed_ps.sort_unstable();
    let middle_s = replayed_ps.get(replayed_ps.len() / 2).copied().unwrap_or(0) as f64 / 1e12;
    println!(
        "{times} kills: {} traces replayed to their last frame (median {middle_s:.1} s virtual), {without_head} had not \
         begun",
        replayed_ps.len()
    );
    assert!(replayed_ps.len() * 2 >= times, "most are killed while they record");
    assert!(replayed_ps.last() > replayed_ps.first(), "at different moments");
}

fn times(short: usize, long: usize) -> usize {
    if std::env::var_os("LOCKSTEP_LONG").is_some() { long } else { short }
}

#[test]
fn genuine_firmware_killed_while_recording() {
    if vendor_set("2.2.0", "genuine firmware killed while recording").is_none() {
        return;
    }
    let app = our_app();
    let arguments = ["--firmware", "2.2.0", "--app", app.to_str().unwrap()].map(str::to_owned);
    killed(&arguments, times(4, 50), Duration::from_millis(1500));
}

#[test]
fn bare_metal_killed_while_recording() {
    let folder = Folder::new();
    folder.guest("guest.bin", 0);
    let guest = folder.file("guest.bin");
    let arguments = [format!("{}@0x08000000", guest.display()), "--hash-every".to_owned(), "50000".to_owned()];
    killed(&arguments, times(4, 50), Duration::from_millis(400));
}
