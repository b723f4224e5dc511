//! Faults that our application commits on purpose, on genuine system firmware: what the machine sees, and how the
//! firmware dies of each, or does not. The application works without a modem here, so that a run takes seconds.

use lockstep::core::faults::Fault;
use lockstep::machine::GuestFault;
use lockstep::rtos::{RtosObserver, Task, TaskState};
use lockstep_images::app_config::{self, AppConfig, FaultKind, FaultMoment, Mode, SystemMode};
use lockstep_modem::network::service::ServerRequest;
use lockstep_peripherals::rcc::ResetCause;
use lockstep_peripherals::time::PS_PER_MS;
use lockstep_peripherals::{Pin, Port};

use crate::device::{APP, APP_PLACE, Device, app, provisioned};
use crate::vendor::vendor_set;

const VERSIONS: [&str; 2] = ["0.5.2", "2.2.0"];
/// One line a period.
const PERIOD_MS: u64 = 100;
/// The fault comes so long after setup().
const FAULT_AT_MS: u64 = 500;
/// By then the application has started, on all versions.
const STARTED_MS: u64 = 6_000;

fn config(fault: FaultKind) -> AppConfig {
    AppConfig {
        system_mode: SystemMode::Manual,
        period_ms: PERIOD_MS as u32,
        fault,
        fault_at_ms: FAULT_AT_MS as u32,
        ..AppConfig::default()
    }
}

/// A device whose application has announced its fault; the time of that. `None` without the vendor's images.
fn at_fault(version: &str, config: &AppConfig) -> Option<(Device, u64)> {
    let set = vendor_set(version, "faults on purpose")?;
    let mut device = Device::new(&set, &[app(config)], Some(&provisioned()));
    device.run_while(STARTED_MS, |device| device.logged("INFO: fault ").next().is_none());
    let line = device.lines.iter().find(|line| line.text.contains("INFO: fault ")).expect(version);
    let announced_ms = line.end_ps / PS_PER_MS;
    let start = device.lines.first().expect("a line");
    let since_start_ms = announced_ms - start.end_ps / PS_PER_MS;
    // At the first pass after the time that is set; the first line takes longer than the other.
    assert!((FAULT_AT_MS - 10..FAULT_AT_MS + 2 * PERIOD_MS).contains(&since_start_ms), "{version}: {since_start_ms}");
    Some((device, announced_ms))
}

/// Runs until the first fault, 100 ms at most.
fn first_fault(device: &mut Device, version: &str) -> GuestFault {
    let until_ms = device.now_ms() + 100;
    device.run_while(until_ms, |device| device.machine.observer.faults().is_empty());
    let faults = device.machine.observer.faults();
    assert_eq!(faults.len(), 1, "{version}: {faults:?}");
    faults[0]
}

fn is_in_application(address: u32) -> bool {
    (APP_PLACE..APP_PLACE + APP.len() as u32).contains(&address)
}

/// Tasks by name, after looks at several moments, by which the observer learns who runs.
fn tasks(device: &mut Device) -> Vec<Task> {
    let mut observer = RtosObserver::default();
    let mut seen = None;
    for _ in 0..40 {
        device.run_until_ms(device.now_ms() + 10);
        seen = observer.look(&device.machine);
    }
    seen.expect("a scheduler")
}

fn state(tasks: &[Task], name: &str) -> Option<TaskState> {
    tasks.iter().find(|task| task.name == name).map(|task| task.state)
}

/// Lines that the loop has written since a time.
fn passes_since(device: &Device, ms: u64) -> usize {
    device.lines.iter().filter(|line| line.start_ps > ms * PS_PER_MS && line.text.contains(" loop ")).count()
}

#[test]
fn a_fault_of_the_application_is_seen_with_its_class_and_place() {
    for version in VERSIONS {
        for (fault, expected) in [
            (FaultKind::WildPointer, Fault::DataBus(0x2003_0000)),
            (FaultKind::DivideByZero, Fault::DivideByZero),
            (FaultKind::Unaligned, Fault::Unaligned),
            (FaultKind::Undefined, Fault::Undefined),
            (FaultKind::WildJump, Fault::InstructionBus),
        ] {
            let Some((mut device, _)) = at_fault(version, &config(fault)) else { return };
            let seen = first_fault(&mut device, version);
            assert_eq!(seen.fault, expected, "{version}");
            // The jump has left the application; where it came from is in LR.
            let place = if fault == FaultKind::WildJump { seen.lr } else { seen.pc };
            assert!(is_in_application(place), "{version} {fault:?}: {seen:x?}");
            if fault == FaultKind::WildJump {
                assert_eq!(seen.pc, 0x6161_6160, "the text that overwrote the pointer");
            }
        }
    }
}

/// HardFault, SOS with one blink, twice, and a reset 10.4 s later. `over_the_air.rs` has the same on 0.5.2.
#[test]
fn a_wild_pointer_ends_in_sos_and_a_reset_on_2_2_0() {
    let Some((mut device, announced_ms)) = at_fault("2.2.0", &config(FaultKind::WildPointer)) else { return };
    let faulted_ms = first_fault(&mut device, "2.2.0").now.time_ps / PS_PER_MS;
    let resets = device.machine.observer.resets().len();
    device.run_while(announced_ms + 12_000, |device| device.machine.observer.resets().len() == resets);
    let reset = &device.machine.observer.resets()[resets];
    assert_eq!(reset.cause, ResetCause::Software);
    let after_ms = reset.now.time_ps / PS_PER_MS - faulted_ms;
    assert!((10_300..10_500).contains(&after_ms), "{after_ms} ms");
    assert!(device.led().iter().any(|(_, led)| led == "SOS 1 red"), "{:?}", device.led());
    assert_eq!(passes_since(&device, announced_ms), 0);
}

/// Address 0 is flash: a store there outside of a programming operation does nothing but set a flag.
#[test]
fn a_write_through_null_goes_unnoticed() {
    for version in VERSIONS {
        let Some((mut device, announced_ms)) = at_fault(version, &config(FaultKind::NullWrite)) else { return };
        device.run_until_ms(announced_ms + 500);
        assert_eq!(device.logged("INFO: fault over").count(), 1, "{version}");
        assert!(passes_since(&device, announced_ms) >= 4, "{version}");
        let word = device.machine.world.memory.peek_word(12).expect("flash");
        assert_ne!(word, 0, "{version}: the boot loader's vector is as it was");
        device.assert_healthy();
    }
}

/// Neither thread goes on; the system's does, and the LED with it.
#[test]
fn two_threads_wait_for_each_other_s_mutex() {
    for version in VERSIONS {
        let Some((mut device, announced_ms)) = at_fault(version, &config(FaultKind::Deadlock)) else { return };
        device.run_until_ms(announced_ms + 2_000);
        let tasks = tasks(&mut device);
        for name in ["app_thread", "fault"] {
            assert_eq!(state(&tasks, name), Some(TaskState::Blocked), "{version} {name}: {tasks:?}");
        }
        assert_eq!(passes_since(&device, announced_ms), 0, "{version}");
        assert_eq!(device.machine.observer.led().state().to_string(), "breathing white", "{version}");
        device.assert_healthy();
    }
}

/// A thread above theirs runs: the application's and the system's are ready and never get to.
#[test]
fn a_busy_thread_starves_application_and_system() {
    for (version, system) in [("0.5.2", "std::thread"), ("2.2.0", "active_object")] {
        let Some((mut device, announced_ms)) = at_fault(version, &config(FaultKind::Starvation)) else { return };
        device.run_until_ms(announced_ms + 1_000);
        let tasks = tasks(&mut device);
        assert_eq!(state(&tasks, "fault"), Some(TaskState::Running), "{version}: {tasks:?}");
        for name in ["app_thread", system] {
            assert_eq!(state(&tasks, name), Some(TaskState::Ready), "{version} {name}: {tasks:?}");
        }
        assert_eq!(passes_since(&device, announced_ms), 0, "{version}");
        device.assert_healthy();
    }
}

/// 0.5.2 looks at the end of a stack whenever it switches to another thread: SOS with 13 blinks.
#[test]
fn a_stack_overflow_is_noticed_by_0_5_2() {
    let Some((mut device, announced_ms)) = at_fault("0.5.2", &config(FaultKind::StackOverflow)) else { return };
    device.run_while(announced_ms + 14_000, |device| !device.led().iter().any(|(_, led)| led.starts_with("SOS 13")));
    assert!(device.led().iter().any(|(_, led)| led == "SOS 13 red"), "{:?}", device.led());
    assert_eq!(device.machine.observer.faults(), []);
}

/// 2.2.0 does not. The stack grows down through the control blocks of the other threads, which are gone then: no
/// fault, no SOS, no reset, and nothing runs any more but the idle task, below an LED that breathes on.
#[test]
fn a_stack_overflow_silences_2_2_0() {
    let Some((mut device, announced_ms)) = at_fault("2.2.0", &config(FaultKind::StackOverflow)) else { return };
    let resets = device.machine.observer.resets().len();
    let before = RtosObserver::default().look(&device.machine).expect("a scheduler");
    assert!(state(&before, "app_thread").is_some(), "{before:?}");
    device.run_until_ms(announced_ms + 10_000);
    let left = tasks(&mut device);
    assert_eq!(state(&left, "IDLE"), Some(TaskState::Running), "{left:?}");
    for name in ["app_thread", "active_object", "fault"] {
        assert_eq!(state(&left, name), None, "{name}: {left:?}");
    }
    assert_eq!(passes_since(&device, announced_ms + 5_000), 0);
    assert_eq!(device.machine.observer.led().state().to_string(), "breathing white");
    assert_eq!(device.machine.observer.resets().len(), resets);
    device.assert_healthy();
}

/// Without a heap the application's loop goes on, and the device never gets to its cloud; no panic says so.
#[test]
fn an_exhausted_heap_keeps_the_device_offline() {
    for version in VERSIONS {
        let Some(set) = vendor_set(version, "an_exhausted_heap_keeps_the_device_offline") else { return };
        let automatic = AppConfig { system_mode: SystemMode::Automatic, ..config(FaultKind::HeapExhaustion) };
        let mut device = Device::online(&set, &automatic);
        device.run_until_ms(40_000);
        let taken = device.logged("INFO: fault: the heap had ").next().expect("allocated").1;
        let bytes: u32 = taken.split(' ').rev().nth(1).and_then(|word| word.parse().ok()).expect(taken);
        assert!((50_000..100_000).contains(&bytes), "{version}: {taken}");
        assert!(passes_since(&device, 39_000) >= 9, "{version}");
        assert!(device.machine.observer.stage(lockstep::Stage::CloudConnected).is_none(), "{version}");
        assert!(device.machine.observer.faults().is_empty(), "{version}");
        assert!(!device.led().iter().any(|(_, led)| led.starts_with("SOS")), "{version}: {:?}", device.led());
    }
}

#[test]
fn a_blocked_loop_goes_on_afterwards() {
    for version in VERSIONS {
        for fault in [FaultKind::Block, FaultKind::BusyWait] {
            let config = AppConfig { fault_for_ms: 1_500, ..config(fault) };
            let Some((mut device, announced_ms)) = at_fault(version, &config) else { return };
            device.run_until_ms(announced_ms + 1_490);
            assert_eq!(passes_since(&device, announced_ms), 0, "{version} {fault:?}");
            device.run_until_ms(announced_ms + 2_000);
            assert_eq!(device.logged("INFO: fault over").count(), 1, "{version} {fault:?}");
            assert!(passes_since(&device, announced_ms) >= 3, "{version} {fault:?}");
            device.assert_healthy();
        }
    }
}

#[test]
fn a_reset_loop_resets_at_each_start() {
    for version in VERSIONS {
        let Some((mut device, announced_ms)) = at_fault(version, &config(FaultKind::ResetLoop)) else { return };
        device.run_until_ms(announced_ms + 4_000);
        let starts: Vec<u64> = {
            let lines = device.lines.iter().filter(|line| line.text.contains(" starts, mode blink"));
            lines.map(|line| line.end_ps / PS_PER_MS).collect()
        };
        assert!(starts.len() >= 4, "{version}: {starts:?}");
        let resets = device.machine.observer.resets();
        assert!(resets.iter().all(|reset| reset.cause == ResetCause::Software), "{version}: {resets:?}");
        assert!(resets.len() + 1 >= starts.len(), "{version}: {resets:?}");
        assert!(device.machine.observer.faults().is_empty(), "{version}");
    }
}

/// The moment may also be the TCP connection, or the event that an update begins.
#[test]
fn a_fault_can_wait_for_the_connection_or_an_update() {
    for (version, moment) in
        [("2.2.0", FaultMoment::Connection), ("2.2.0", FaultMoment::Update), ("0.5.2", FaultMoment::Update)]
    {
        let Some(set) = vendor_set(version, "a_fault_can_wait_for_the_connection_or_an_update") else { return };
        let config = AppConfig {
            mode: Mode::Echo,
            poll_delay_ms: 20,
            system_thread: false,
            fault: FaultKind::WildPointer,
            fault_on: moment,
            ..AppConfig::default()
        };
        let mut device = Device::online(&set, &config);
        let says = if moment == FaultMoment::Update { "[app] INFO: connected" } else { "INFO: fault 1" };
        device.run_while(50_000, |device| device.logged(says).next().is_none());
        if moment == FaultMoment::Update {
            device.run_until_ms(device.now_ms() + 500);
            assert!(device.machine.observer.faults().is_empty(), "{version}: not yet");
            let new = app_config::configure(APP, &AppConfig { version: 2, ..AppConfig::default() }).unwrap();
            device.ask(ServerRequest::Update { image: new });
            device.run_while(device.now_ms() + 20_000, |device| device.logged("INFO: fault ").next().is_none());
            assert_eq!(device.logged("firmware update begins").count(), 1, "{version}");
        }
        let seen = first_fault(&mut device, version);
        assert!(is_in_application(seen.pc), "{version} {moment:?}: {seen:x?}");
        assert_eq!(device.logged("INFO: fault 1").count(), 1, "{version} {moment:?}");
    }
}

/// A watchdog on the reset pin is fed by edges: one in each pass of the loop.
#[test]
fn the_loop_feeds_a_watchdog_s_pin() {
    /// D0.
    const PIN: Pin = Pin::new(Port::B, 7);
    let Some(set) = vendor_set("2.2.0", "the_loop_feeds_a_watchdog_s_pin") else { return };
    let fed = AppConfig { watchdog_pin: 0, ..config(FaultKind::None) };
    let mut device = Device::new(&set, &[app(&fed)], Some(&provisioned()));
    device.run_while(STARTED_MS, |device| device.logged("starts").next().is_none());
    device.run_until_ms(device.now_ms() + 200);
    let (mut edges, mut level) = (0, device.machine.world.state.soc.pin_driven(PIN));
    let from_ms = device.now_ms();
    while device.now_ms() < from_ms + 1_000 {
        device.run_until_ms(device.now_ms() + 10);
        let now = device.machine.world.state.soc.pin_driven(PIN);
        edges += usize::from(now != level);
        level = now;
    }
    assert!(level.is_some(), "driven");
    assert!((9..=11).contains(&edges), "{edges} edges in ten passes");
}
