//! Invariant 2: a plain run, a second process, random stops, single-stepped stretches and runs restored from
//! snapshots (in this and in a fresh process) are bit-identical, by state hashes every 100,000 instructions over 22
//! virtual seconds of genuine firmware 2.2.0, from power-on until it is connected to the device service.

#[path = "common/vendor.rs"]
mod vendor;

use std::process::Command;

use lockstep::electron::{DeviceSettings, electron};
use lockstep::{Machine, Snapshot, Stage, cloud};
use lockstep_traces::Decisions;

const INTERVAL: u64 = 100_000;
const END_PS: u64 = 22_000_000_000_000;
const SEED: u64 = 7;
const CHILD: &str = "LOCKSTEP_DETERMINISM_CHILD";

fn boot() -> Option<Machine> {
    let set = vendor::vendor_set("2.2.0", "however a run is cut it is the same run")?;
    let mut flash = set.flash().unwrap();
    cloud::provision(&mut flash).unwrap();
    let settings = DeviceSettings { seed: SEED, cloud: true, ..DeviceSettings::default() };
    Some(electron(flash.into_bytes(), &settings).unwrap())
}

/// Runs to the end, hashing at every multiple of the interval. `between` may cut the way there as it likes.
fn hashes(mut machine: Machine, mut between: impl FnMut(Machine, u64) -> Machine) -> Vec<(u64, blake3::Hash)> {
    let mut hashes = Vec::new();
    let mut target = (machine.instructions() / INTERVAL + 1) * INTERVAL;
    while machine.now().time_ps < END_PS {
        machine = between(machine, target);
        machine.run_until_instruction(target, END_PS).unwrap();
        if machine.instructions() == target {
            hashes.push((target, machine.state_hash()));
            target += INTERVAL;
        }
    }
    hashes
}

fn assert_same(what: &str, expected: &[(u64, blake3::Hash)], found: &[(u64, blake3::Hash)]) {
    let first = expected.iter().zip(found).position(|(a, b)| a != b);
    assert_eq!(first, None, "{what}: first difference at instruction {}", first.map_or(0, |i| expected[i].0));
    assert_eq!(expected.len(), found.len(), "{what}: number of checkpoints");
    eprintln!("{what}: {} checkpoints identical", found.len());
}

/// A child process answers with all its hashes in hexadecimal, from power-on or from a snapshot file.
fn child(snapshot: Option<&std::path::Path>) -> Vec<(u64, blake3::Hash)> {
    let output = Command::new(std::env::current_exe().unwrap())
        .args(["--exact", "answer_as_child", "--nocapture", "--test-threads=1"])
        .env(CHILD, snapshot.map_or("boot".to_owned(), |p| p.display().to_string()))
        .output()
        .unwrap();
    let text = String::from_utf8_lossy(&output.stdout);
    let hashes: Vec<_> = text
        .lines()
        .filter_map(|line| {
            let (_, rest) = line.split_once("hash ")?;
            let (instructions, hash) = rest.split_once(' ')?;
            Some((instructions.parse().ok()?, blake3::Hash::from_hex(hash.trim()).ok()?))
        })
        .collect();
    assert!(!hashes.is_empty(), "the child said:\n{text}\n{}", String::from_utf8_lossy(&output.stderr));
    hashes
}

#[test]
fn answer_as_child() {
    let Ok(task) = std::env::var(CHILD) else { return };
    let machine = if task == "boot" {
        boot().unwrap()
    } else {
        let snapshot = Snapshot::from_bytes(&std::fs::read(task).unwrap()).unwrap();
        Machine::restore(&snapshot, false).unwrap()
    };
    for (instructions, hash) in hashes(machine, |machine, _| machine) {
        println!("hash {instructions} {hash}");
    }
}

#[test]
fn however_a_run_is_cut_it_is_the_same_run() {
    let Some(machine) = boot() else { return };
    let plain = hashes(machine, |machine, _| machine);
    let mut machine = boot().unwrap();
    machine.run_until_ps(END_PS).unwrap();
    assert!(machine.observer.stage(Stage::CloudConnected).is_some(), "the run covers the connection");
    eprintln!("plain run: {} checkpoints, last {}", plain.len(), plain.last().unwrap().1);

    assert_same("second process", &plain, &child(None));

    let mut choices = Decisions::new(1);
    let stopped = hashes(boot().unwrap(), |mut machine, target| {
        for _ in 0..choices.draw(0, "stops", "count", 0, 6) {
            let distance = choices.draw(0, "stops", "cycles", 1, 60_000);
            let target_cycle = machine.cycles() + distance.min(target - machine.instructions()).max(1);
            machine.run_until_cycle(target_cycle).unwrap();
        }
        machine
    });
    assert_same("random stops", &plain, &stopped);

    let mut choices = Decisions::new(2);
    let stepped = hashes(boot().unwrap(), |mut machine, target| {
        if choices.draw(0, "steps", "stretch", 0, 40) == 0 {
            let steps = choices.draw(0, "steps", "count", 100, 3_000);
            for _ in 0..steps {
                if machine.instructions() + 1 < target {
                    machine.run_until_cycle(machine.cycles() + 1).unwrap();
                }
            }
        }
        machine
    });
    assert_same("single-stepped stretches", &plain, &stepped);

    let mut choices = Decisions::new(3);
    let mut restored = 0;
    let from_snapshots = hashes(boot().unwrap(), |mut machine, target| {
        if choices.draw(0, "snapshots", "here", 0, 300) == 0 {
            let target_cycle = machine.cycles() + choices.draw(0, "snapshots", "cycles", 1, 90_000);
            machine.run_until_cycle(target_cycle.min(machine.cycles() + target - machine.instructions())).unwrap();
            let bytes = machine.snapshot().to_bytes().unwrap();
            let snapshot = Snapshot::from_bytes(&bytes).unwrap();
            machine = Machine::restore(&snapshot, false).unwrap();
            restored += 1;
        }
        machine
    });
    eprintln!("{restored} snapshots taken and restored");
    assert_same("restored from snapshots", &plain, &from_snapshots);

    let mut machine = boot().unwrap();
    machine.set_idle_skipping(false);
    machine.run_until_ps(6_543_210_987_654).unwrap();
    let folder = std::env::temp_dir().join(format!("lockstep-determinism-{}", std::process::id()));
    std::fs::write(&folder, machine.snapshot().to_bytes().unwrap()).unwrap();
    let fresh = child(Some(&folder));
    std::fs::remove_file(&folder).unwrap();
    let tail = &plain[plain.len() - fresh.len()..];
    assert_same("snapshot in a fresh process, idle loops executed until then", tail, &fresh);
}
