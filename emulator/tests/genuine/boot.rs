//! Every vendor set from reset to the DTLS ClientHello.

use std::fmt::Write as _;
use std::io::Write as _;

use lockstep::Stage;
use lockstep_peripherals::rcc::ResetCause;
use lockstep_peripherals::time::PS_PER_MS;

use crate::device::{Device, provisioned};
use crate::vendor::vendor_set;

/// The catalogue.
pub const VERSIONS: [&str; 7] = ["0.5.2", "1.5.0", "1.5.1", "2.0.0", "2.1.0", "2.2.0", "2.3.1"];
const STAGES: [Stage; 11] = [
    Stage::Reset,
    Stage::VectorTable,
    Stage::SystemFirmware,
    Stage::UserModule,
    Stage::Scheduler,
    Stage::ModemPower,
    Stage::AtCommand,
    Stage::Registered,
    Stage::PdpContext,
    Stage::NameResolution,
    Stage::ClientHello,
];
/// 0.5.2 asks for its registration every 15 s only.
const LIMIT_MS: u64 = 60_000;

/// One row of the table for each stage: milliseconds and million instructions.
fn boot(version: &str) -> Option<Vec<String>> {
    let set = vendor_set(version, "every_set_reaches_the_client_hello")?;
    // 0.5.2 has no server address compiled in, and takes erased flags for safe mode.
    let dct = (version == "0.5.2").then(provisioned);
    let mut device = Device::new(&set, &[], dct.as_ref());
    assert!(device.run_to(Stage::ClientHello, LIMIT_MS), "{version}: {:?}", device.machine.observer.stages());
    device.assert_healthy();
    let observer = &device.machine.observer;
    let stages: Vec<Stage> = observer.stages().iter().map(|s| s.stage).collect();
    assert_eq!(stages, STAGES, "{version}");
    // A device without a key makes one and then starts again; nothing else resets.
    let causes: Vec<ResetCause> = observer.resets().iter().map(|reset| reset.cause).collect();
    let expected = if dct.is_some() { vec![] } else { vec![ResetCause::Software] };
    assert_eq!(causes, expected, "{version}");
    let cell = |time_ps: u64, instructions: u64| {
        format!("{}.{:03} / {:.3}", time_ps / PS_PER_MS, time_ps % PS_PER_MS / 1_000_000, instructions as f64 / 1e6)
    };
    Some(observer.stages().iter().map(|s| cell(s.time_ps, s.instructions)).collect())
}

/// Prints the table of virtual times and instruction counts that README and reports quote.
#[test]
fn every_set_reaches_the_client_hello() {
    let columns: Vec<(&str, Vec<String>)> = std::thread::scope(|scope| {
        let runs = VERSIONS.map(|version| (version, scope.spawn(move || boot(version))));
        let ended = runs.into_iter().map(|(version, run)| (version, run.join().unwrap()));
        ended.filter_map(|(version, column)| column.map(|column| (version, column))).collect()
    });
    let mut table = "\nVirtual milliseconds since power-on / million instructions, seed 1\n\n| stage |".to_owned();
    for (version, _) in &columns {
        let _ = write!(table, " {version} |");
    }
    let _ = write!(table, "\n|---|{}", "---|".repeat(columns.len()));
    for (row, stage) in STAGES.iter().enumerate() {
        let _ = write!(table, "\n| {stage:?} |");
        for (_, column) in &columns {
            let _ = write!(table, " {} |", column[row]);
        }
    }
    let _ = writeln!(std::io::stderr(), "{table}\n");
}
