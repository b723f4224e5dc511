//! Boots a vendor set, provisioned for the device service, and prints what happens:
//! `cargo run --release --example boot -- 2.2.0 10`. Further arguments: `no-cloud`; `reset@SECONDS`.

use lockstep::electron::{DeviceSettings, electron};
use lockstep::{Seen, Stop, cloud};

fn main() -> Result<(), Box<dyn std::error::Error>> {
    let mut args = std::env::args().skip(1);
    let version = args.next().unwrap_or("2.2.0".into());
    let seconds: f64 = args.next().unwrap_or("10".into()).parse()?;
    let further: Vec<String> = args.collect();
    let wants_cloud = !further.iter().any(|argument| argument == "no-cloud");
    let mut resets: Vec<u64> = Vec::new();
    for at in further.iter().filter_map(|argument| argument.strip_prefix("reset@")) {
        resets.push((at.parse::<f64>()? * 1000.0) as u64);
    }
    let set = lockstep_images::load_set(&version)?;
    let mut flash = set.flash()?;
    if wants_cloud {
        cloud::provision(&mut flash)?;
    }
    let settings = DeviceSettings { seed: 1, cloud: wants_cloud, ..DeviceSettings::default() };
    let mut machine = electron(flash.into_bytes(), &settings)?;
    let start = std::time::Instant::now();
    let mut ms = 0;
    while ms < (seconds * 1000.0) as u64 {
        if resets.contains(&ms) {
            println!("{ms:10}.000 reset by pin");
            machine.tap_reset();
        }
        ms += 10;
        let stop = machine.run_until_ps(ms * 1_000_000_000)?;
        for seen in machine.observer.take_seen() {
            match seen {
                Seen::At(e) => println!(
                    "{:10.3} {} {}",
                    e.time_ps as f64 / 1e9,
                    if e.direction != lockstep_modem::Direction::FromModem { ">>" } else { "<<" },
                    e.bytes.escape_ascii()
                ),
                Seen::Cloud(e) => println!("{:10.3} ** {}", e.time_ps as f64 / 1e9, e.kind),
                Seen::Serial { .. } => {}
                other => println!("{other:?}"),
            }
        }
        if stop != Stop::Limit {
            println!("{stop:?}");
            break;
        }
    }
    let host = start.elapsed().as_secs_f64();
    println!("{:?}", machine.registers());
    println!("{:?} {:?}", machine.core_state(), machine.now());
    for s in machine.observer.stages() {
        println!("{:?} {:.3} ms {} insns {} cycles", s.stage, s.time_ps as f64 / 1e9, s.instructions, s.cycles);
    }
    for change in machine.observer.led().changes() {
        println!("LED {:.1} ms {} {:?}", change.time_ps as f64 / 1e9, change.state, change.state.meaning());
    }
    for (name, u) in machine.world.state.ledger.entries() {
        println!(
            "unmodelled {name}: {} times, first pc {:#010x} at {:.3} ms",
            u.count,
            u.first_pc,
            u.first_time_ps as f64 / 1e9
        );
    }
    for (name, u) in machine.world.state.electron.modem.ledger().entries() {
        println!("modem: unmodelled {name}: {} times, first at {:.3} ms", u.count, u.first_time_ps as f64 / 1e9);
    }
    let counts: Vec<_> = machine.observer.exception_counts().iter().enumerate().filter(|(_, c)| **c > 0).collect();
    println!("exceptions {counts:?}");
    println!(
        "{host:.2} s host, {} insns, {:.1} MIPS executed, skipped {:.1} %, hash {}",
        machine.instructions(),
        (machine.instructions() as f64 * (1.0 - machine.skipped_cycles() as f64 / machine.cycles() as f64))
            / host
            / 1e6,
        100.0 * machine.skipped_cycles() as f64 / machine.cycles() as f64,
        machine.state_hash()
    );
    Ok(())
}
