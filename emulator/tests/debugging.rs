//! Debugging does not change a run: genuine firmware with breakpoints, watchpoints, checkpoints and steps, compared with
//! the plain run by state hashes.

#[path = "common/vendor.rs"]
mod vendor;

use std::collections::BTreeSet;

use lockstep::electron::{DeviceSettings, electron};
use lockstep::watch::Accessor;
use lockstep::{CoreState, Machine, Stop, cloud};
use lockstep_engine::{Watch, WatchKind};
use lockstep_traces::Decisions;

const INTERVAL: u64 = 1_000_000;
const END_PS: u64 = 8_000_000_000_000;

fn boot() -> Option<Machine> {
    let set = vendor::vendor_set("2.2.0", "debugging does not change the run")?;
    let mut flash = set.flash().unwrap();
    cloud::provision(&mut flash).unwrap();
    let settings = DeviceSettings { seed: 7, cloud: true, ..DeviceSettings::default() };
    Some(electron(flash.into_bytes(), &settings).unwrap())
}

/// Hashes at every multiple of the interval; `on_stop` sees every stop in between.
fn hashes(machine: &mut Machine, mut on_stop: impl FnMut(&mut Machine, Stop)) -> Vec<(u64, blake3::Hash)> {
    let mut hashes = Vec::new();
    let mut target = (machine.instructions() / INTERVAL + 1) * INTERVAL;
    while machine.now().time_ps < END_PS {
        let stop = machine.run_until_instruction(target, END_PS).unwrap();
        if stop != Stop::Limit {
            on_stop(machine, stop);
        }
        if machine.instructions() == target {
            hashes.push((target, machine.state_hash()));
            target += INTERVAL;
        }
    }
    hashes
}

/// Program counters where the machine is found at some instants of the plain run, those of an idle loop among them.
fn places() -> Option<Vec<u32>> {
    let mut machine = boot()?;
    let mut choices = Decisions::new(1);
    let mut places = BTreeSet::new();
    while machine.now().time_ps < END_PS {
        let distance = choices.draw(0, "places", "distance", 1, 40_000_000);
        machine.run_until_cycle(machine.cycles() + distance).unwrap();
        if machine.core_state() == CoreState::Running {
            places.insert(machine.registers().pc);
        }
    }
    Some(places.into_iter().collect())
}

#[test]
fn breakpoints_and_watchpoints_do_not_change_the_run() {
    let Some(places) = places() else { return };
    let plain = hashes(&mut boot().unwrap(), |_, stop| panic!("{stop:?}"));
    assert!(plain.len() > 100 && places.len() > 10, "{} {}", plain.len(), places.len());

    let mut machine = boot().unwrap();
    machine.set_breakpoints(&places);
    let mut stops = 0u64;
    let broken = hashes(&mut machine, |machine, stop| {
        assert_eq!(stop, Stop::Breakpoint);
        let pc = machine.registers().pc;
        assert!(places.contains(&pc));
        stops += 1;
        // An idle loop would stop us for ever: its places are left out now and then, and in the end.
        let rest: Vec<u32> = places.iter().copied().filter(|place| *place != pc || stops < 20_000).collect();
        machine.set_breakpoints(if stops % 100 < 50 { &places } else { &rest });
        if stops > 40_000 {
            machine.set_breakpoints(&[]);
        }
        machine.pass_breakpoint();
    });
    assert!(broken == plain, "with breakpoints");
    eprintln!("{stops} breakpoints hit at {} places, {} hashes identical", places.len(), plain.len());
    assert!(stops > 1_000);

    let mut machine = boot().unwrap();
    // The stack in use at reset, something of the heap, USART3, the interrupt controller.
    let watch = |address, length, kind| Watch { address, length, kind };
    let watches = [
        watch(0x2000_4000, 64, WatchKind::Access),
        watch(0x2001_c000, 256, WatchKind::Write),
        watch(0x4000_4800, 0x20, WatchKind::Access),
        watch(0xe000_ed04, 4, WatchKind::Write),
    ];
    machine.set_watchpoints(&watches);
    let (mut memory, mut device, mut core) = (0u64, 0u64, 0u64);
    let watched = hashes(&mut machine, |_, stop| {
        let Stop::Watchpoint(hit) = stop else { panic!("{stop:?}") };
        assert!(watches.iter().any(|watch| watch.matches(hit.address, hit.size, hit.write)), "{hit:?}");
        match hit.by {
            Accessor::Core => core += 1,
            _ if hit.address >= 0x4000_0000 => device += 1,
            _ => memory += 1,
        }
    });
    eprintln!("hits: {memory} of memory, {device} of devices, {core} by the core");
    assert!(watched == plain, "with watchpoints");
    assert!(memory > 100 && device > 100, "{memory} {device} {core}");
}

#[test]
fn a_rewound_machine_goes_on_as_the_first_time() {
    let Some(mut machine) = boot() else { return };
    let plain = hashes(&mut boot().unwrap(), |_, stop| panic!("{stop:?}"));
    let mut checkpoints = Vec::new();
    let mut choices = Decisions::new(2);
    while machine.now().time_ps < END_PS {
        checkpoints.push(machine.checkpoint());
        let distance = choices.draw(0, "checkpoints", "distance", 1, 160_000_000);
        machine.run_until_cycle(machine.cycles() + distance).unwrap();
    }
    for _ in 0..20 {
        let index = choices.draw(0, "checkpoints", "index", 0, checkpoints.len() as u64 - 1) as usize;
        machine.rewind(&checkpoints[index]);
        assert_eq!(machine.instructions(), checkpoints[index].instructions());
        let first = (machine.instructions() / INTERVAL + 1) * INTERVAL;
        for target in [first, first + 5 * INTERVAL] {
            let Some((_, expected)) = plain.iter().find(|(at, _)| *at == target) else { continue };
            machine.run_until_instruction(target, u64::MAX).unwrap();
            assert_eq!(machine.state_hash(), *expected, "checkpoint {index}, at instruction {target}");
        }
    }
}

#[test]
fn inspecting_a_register_does_not_change_it() {
    let Some(mut machine) = boot() else { return };
    machine.run_until_ps(3_000_000_000_000).unwrap();
    let before = machine.state_hash();
    // USART3 SR and DR, SysTick CTRL (cleared by reading), CPUID, nothing, an unaligned halfword of SRAM.
    for address in [0x4000_4800, 0x4000_4804, 0xe000_e010] {
        assert!(machine.inspect(address, 4).is_some(), "{address:#x}");
    }
    assert_eq!(machine.inspect(0xe000_ed00, 4), Some(0x412f_c230));
    assert_eq!(machine.inspect(0x6000_0000, 4), None);
    assert!(machine.inspect(0x2000_0001, 2).is_some());
    assert_eq!(machine.inspect(0xe000_e010, 4), machine.inspect(0xe000_e010, 4));
    assert_eq!(machine.state_hash(), before);
}
