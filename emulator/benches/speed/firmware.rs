//! Virtual seconds per host second on genuine firmware.

use std::error::Error;
use std::process::{Command, Stdio};

use lockstep::electron::{DeviceSettings, electron};
use lockstep::{Machine, Stage, Stop, cloud};
use lockstep_peripherals::time::{PS_PER_MS, PS_PER_S};

use crate::engines::own_cpu_time;
use crate::kernels::median;

/// Virtual time of an idle part.
const IDLE_PS: u64 = 60 * PS_PER_S;
/// A stage not reached by then is an error.
const PATIENCE_PS: u64 = 60 * PS_PER_S;

/// A part of the run.
#[derive(Debug)]
pub struct Part {
    /// What happens in it.
    pub name: String,
    /// Virtual seconds that it lasts.
    pub virtual_s: f64,
    /// CPU seconds that it took, median.
    pub host_s: f64,
    /// Instructions of the guest, those skipped included.
    pub instructions: u64,
}

/// Measures in processes of their own; `None` without vendor images.
pub fn measure(version: &str, rounds: usize) -> Result<Option<Vec<Part>>, Box<dyn Error>> {
    if let Err(error) = lockstep_images::load_set(version) {
        eprintln!("{error}");
        return Ok(None);
    }
    let mut parts: Vec<(Part, Vec<f64>)> = Vec::new();
    for _ in 0..rounds {
        let output =
            Command::new(std::env::current_exe()?).args(["firmware", version]).stderr(Stdio::inherit()).output()?;
        if !output.status.success() {
            return Err(format!("running firmware {version}: {}", output.status).into());
        }
        let text = String::from_utf8(output.stdout)?;
        for (index, line) in text.lines().enumerate() {
            let fields: Vec<&str> = line.split('\t').collect();
            let [name, virtual_s, host_s, instructions] = fields[..] else {
                return Err(format!("not a line of figures: {line}").into());
            };
            if index == parts.len() {
                let part = Part {
                    name: name.into(),
                    virtual_s: virtual_s.parse()?,
                    host_s: 0.0,
                    instructions: instructions.parse()?,
                };
                parts.push((part, Vec::new()));
            }
            parts[index].1.push(host_s.parse()?);
        }
    }
    Ok(Some(parts.into_iter().map(|(part, host_s)| Part { host_s: median(host_s), ..part }).collect()))
}

/// Runs the firmware once and prints a line for each part.
pub fn run(version: &str) -> Result<(), Box<dyn Error>> {
    let mut flash = lockstep_images::load_set(version)?.flash()?;
    // Without a service the device sends its ClientHello again and again.
    let settings = DeviceSettings { seed: 1, ..DeviceSettings::default() };
    let mut alone = electron(flash.bytes().to_vec(), &settings)?;
    cloud::provision(&mut flash)?;
    let mut machine = electron(flash.into_bytes(), &DeviceSettings { cloud: true, ..settings })?;
    part(&mut machine, "boot: reset to the scheduler", |machine| until(machine, Stage::Scheduler))?;
    part(&mut machine, "modem: power-on to the first datagram", |machine| until(machine, Stage::ClientHello))?;
    part(&mut machine, "handshake: to the connected device", |machine| until(machine, Stage::CloudConnected))?;
    part(&mut machine, "idle, connected", idle)?;
    until(&mut alone, Stage::ClientHello)?;
    part(&mut alone, "idle, registered, no service: between retransmissions", idle)
}

fn idle(machine: &mut Machine) -> Result<(), Box<dyn Error>> {
    let end_ps = machine.now().time_ps + IDLE_PS;
    advance(machine, end_ps)
}

fn part(
    machine: &mut Machine,
    name: &str,
    run: impl FnOnce(&mut Machine) -> Result<(), Box<dyn Error>>,
) -> Result<(), Box<dyn Error>> {
    let (start, now, instructions) = (own_cpu_time()?, machine.now(), machine.instructions());
    run(machine)?;
    println!(
        "{name}\t{}\t{}\t{}",
        (machine.now().time_ps - now.time_ps) as f64 / PS_PER_S as f64,
        (own_cpu_time()? - start).as_secs_f64(),
        machine.instructions() - instructions
    );
    Ok(())
}

fn until(machine: &mut Machine, stage: Stage) -> Result<(), Box<dyn Error>> {
    let give_up_ps = machine.now().time_ps + PATIENCE_PS;
    while machine.observer.stage(stage).is_none() {
        let now_ps = machine.now().time_ps;
        if now_ps > give_up_ps {
            return Err(format!("{stage:?} was not reached by {} s", now_ps / PS_PER_S).into());
        }
        advance(machine, now_ps + 10 * PS_PER_MS)?;
    }
    Ok(())
}

fn advance(machine: &mut Machine, to_ps: u64) -> Result<(), Box<dyn Error>> {
    let stop = machine.run_until_ps(to_ps)?;
    machine.observer.take_seen();
    if stop != Stop::Limit {
        return Err(format!("{stop:?} at {} ps", machine.now().time_ps).into());
    }
    Ok(())
}
