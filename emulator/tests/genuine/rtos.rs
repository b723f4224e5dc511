//! What is seen of the RTOS in genuine firmware, stripped as it is, and what an explanation says of its failures.

use lockstep::explain::{Evidence, Explanation, Moment, Reason, page};
use lockstep::places::Places;
use lockstep::rtos::chain::{ChainEnd, Trust, chain, saved_context};
use lockstep::rtos::{ObjectKind, Rtos, RtosObserver, TaskState};
use lockstep_images::SymbolTable;
use lockstep_images::app_config::{self, AppConfig, Mode};
use lockstep_modem::network::service::ServerRequest;
use lockstep_peripherals::time::{PS_PER_MS, PS_PER_S};

use crate::device::{APP, Device};
use crate::vendor::vendor_set;

fn explain(moment: &Moment) -> Explanation {
    let places = Places::new(SymbolTable::default(), &moment.flash);
    let evidence = Evidence { moment, findings: &[], led: &[], resets: &[], places: &places, last_write: None };
    Explanation::of(&evidence)
}

/// A device whose application polls its connection, `ms` after its first line about it.
fn polls(version: &str, poll_delay_ms: u32, ms: u64) -> Option<Device> {
    let set = vendor_set(version, "what is seen of the RTOS")?;
    let mut device = Device::online(&set, &AppConfig { mode: Mode::Echo, poll_delay_ms, ..AppConfig::default() });
    device.machine.observer.keep_history();
    device.run_while(50_000, |device| device.logged("[app] INFO: connected").next().is_none());
    device.run_until_ms(device.now_ms() + 10_000);
    device.ask(ServerRequest::Ping);
    device.run_until_ms(device.now_ms() + ms);
    Some(device)
}

/// M1: the system's thread is named with the mutex that it does not get, who holds it, and since when; the page says
/// so, with the datagrams that nobody reads.
fn starvation_is_named(version: &str, system: &str) {
    let Some(device) = polls(version, 0, 45_000) else { return };
    let now_ps = device.machine.now().time_ps;
    let clock = device.machine.observer.task_clock().unwrap();
    let rtos = clock.rtos(&device.machine.world.memory, device.machine.registers().psp).unwrap();
    let starved = clock.starved(now_ps, 30 * PS_PER_S);
    let [starvation] = &starved[..] else { panic!("{version}: {starved:?}") };
    assert_eq!(rtos.title(starvation.tcb), system, "{version}");
    assert_eq!(starvation.holder.map(|tcb| rtos.title(tcb)).as_deref(), Some("app_thread"), "{version}");
    assert!(starvation.held_permille > 950, "{version}: {starvation:?}");
    // It is woken again and again: no deadlock, and "blocked since" alone would say milliseconds.
    assert!(starvation.waiting.woken > 1000 && !starvation.waiting.or_earlier, "{version}: {starvation:?}");
    let mutex = rtos.object(starvation.mutex).unwrap();
    assert!(matches!(mutex.kind, ObjectKind::Mutex { .. }), "{version}: {mutex:?}");

    let explanation = explain(&Moment::of(&device.machine));
    let text = page(&explanation);
    let says = |part: &str| explanation.causes.iter().any(|cause| cause.text.contains(part));
    assert!(says(&format!("{system} waits for the mutex at {:#010x} since", starvation.mutex)), "{text}");
    assert!(says("app_thread held it") && says("Udp, local port 5684"), "{text}");
    assert!(explanation.causes.iter().all(|cause| cause.is_open || !cause.evidence.is_empty()), "{text}");
    let thread = explanation.threads.iter().find(|thread| thread.task.tcb == starvation.tcb).unwrap();
    assert_eq!(thread.waiting.map(|waiting| waiting.since_ps), Some(starvation.waiting.since_ps));
    let frames = &thread.chain.as_ref().unwrap().stretches[0].frames;
    assert!(frames[0].name.as_ref().unwrap().starts_with("system-part"), "{text}");
    let app = explanation.threads.iter().find(|thread| thread.title == "app_thread").unwrap();
    let frames = app.chain.iter().flat_map(|chain| &chain.stretches).flat_map(|stretch| &stretch.frames);
    let names: Vec<&str> = frames.filter_map(|frame| frame.name.as_deref()).collect();
    assert!(names.iter().any(|name| name.starts_with("user-part1+")), "{names:?}");
    assert!(names.last().unwrap().starts_with("system-part2+"), "started by the system: {names:?}");
    let by_app = explanation.at.iter().filter(|line| line.to_modem);
    assert!(by_app.clone().count() > 3 && by_app.clone().all(|line| line.task == Some(app.task.tcb)), "{text}");
}

#[test]
fn starvation_is_named_on_0_5_2() {
    starvation_is_named("0.5.2", "std::thread");
}

#[test]
fn starvation_is_named_on_1_5_0() {
    starvation_is_named("1.5.0", "active_object");
}

#[test]
fn starvation_is_named_on_2_2_0() {
    starvation_is_named("2.2.0", "active_object");
}

#[test]
fn with_a_pause_in_the_loop_nobody_starves() {
    for version in ["0.5.2", "1.5.0", "2.2.0"] {
        let Some(device) = polls(version, 20, 45_000) else { return };
        let clock = device.machine.observer.task_clock().unwrap();
        assert!(clock.switches() > 1000, "{version}: it was watched");
        let now_ps = device.machine.now().time_ps;
        assert!(clock.starved(now_ps, 2 * PS_PER_S).is_empty(), "{version}: {:?}", clock.starved(now_ps, 0));
        let explanation = explain(&Moment::of(&device.machine));
        let text = page(&explanation);
        assert!(!explanation.causes.iter().any(|cause| cause.text.contains("mutex")), "{version}: {text}");
    }
}

/// Each thread's chain is followed to where the kernel lets it return to, without guesses; a glance sees what a search
/// of the whole SRAM does; and nothing of this changes the run.
#[test]
fn chains_are_whole_and_looking_changes_nothing() {
    for version in ["0.5.2", "1.5.0", "2.2.0"] {
        let Some(set) = vendor_set(version, "chains_are_whole_and_looking_changes_nothing") else { return };
        let config = AppConfig { mode: Mode::Echo, ..AppConfig::default() };
        let mut plain = Device::online(&set, &config);
        let mut watched = Device::online(&set, &config);
        watched.machine.observer.keep_history();
        let mut observer = RtosObserver::default();
        let (mut looks, mut frames) = (0, 0);
        for ms in (100..=30_000).step_by(100) {
            watched.run_until_ms(ms);
            let Some(rtos) = observer.glance(&watched.machine) else { continue };
            if observer.current_address().is_none() || ms % 1000 != 0 {
                continue;
            }
            let whole = observer.clone().survey(&watched.machine).unwrap();
            assert_eq!(rtos.tasks, whole.tasks, "{version}, {ms} ms");
            frames += chains(version, &watched, &rtos);
            looks += 1;
        }
        assert!(looks > 10 && frames > 5 * looks, "{version}: {looks} looks, {frames} frames");
        plain.run_until_ms(30_000);
        assert_eq!(plain.machine.state_hash(), watched.machine.state_hash(), "{version}");
    }
}

/// Frames of the threads that do not run.
fn chains(version: &str, device: &Device, rtos: &Rtos) -> usize {
    let memory = &device.machine.world.memory;
    let mut frames = 0;
    for task in rtos.tasks.iter().filter(|task| task.state != TaskState::Running) {
        let found = chain(memory, saved_context(memory, task.stack_pointer).unwrap(), task.stack_limit);
        let text = format!("{version}, {} ms, {}: {found:x?}", device.now_ms(), task.title());
        assert!(matches!(found.end, ChainEnd::Outermost { .. }), "{text}");
        assert!(found.frames.iter().all(|frame| frame.trust != Trust::Possible), "{text}");
        assert!(found.frames.iter().all(|frame| (task.stack_base..task.stack_limit + 1).contains(&frame.sp)), "{text}");
        frames += found.frames.len();
    }
    frames
}

/// The hard fault of 0.5.2 (docs/FINDINGS.md): the page names what the stack says, and no more.
#[test]
fn the_hard_fault_of_0_5_2_is_explained() {
    let Some(set) = vendor_set("0.5.2", "the_hard_fault_of_0_5_2_is_explained") else { return };
    let old = AppConfig { mode: Mode::Echo, poll_delay_ms: 20, ..AppConfig::default() };
    let mut device = Device::online(&set, &old);
    device.machine.observer.keep_history();
    device.run_while(50_000, |device| device.logged("sending 0x00").next().is_none());
    let asked_ms = device.now_ms();
    device.ask(ServerRequest::Update { image: app_config::configure(APP, &AppConfig { version: 2, ..old }).unwrap() });
    device.run_until_ms(asked_ms + 50_000);

    let moments = device.machine.observer.history().unwrap().moments();
    let [moment] = moments else { panic!("the SOS after it says nothing new: {}", moments.len()) };
    let Reason::Fault(seen) = moment.reason else { panic!("{:?}", moment.reason) };
    let explanation = explain(moment);
    let text = page(&explanation);
    let fault = explanation.fault.as_ref().unwrap();
    assert_eq!((fault.bit, fault.pc, fault.no_code.is_some()), ("IBUSERR", seen.pc, true), "{text}");
    assert_eq!(fault.task.map(|tcb| explanation.title(tcb)).as_deref(), Some("std::thread"), "{text}");
    assert!(fault.status_words.iter().any(|words| words.starts_with("FORCED")), "{text}");
    let slot = fault.returned_by.as_ref().unwrap();
    assert_eq!((slot.slot, slot.value), (moment.registers.sp() - 4, seen.pc | 1), "{text}");
    let thread = explanation.threads.iter().find(|thread| thread.title == "std::thread").unwrap();
    assert!((thread.task.stack_base..thread.task.stack_limit).contains(&slot.slot), "{text}");
    let [(address, byte, name)] = &slot.looks_like[..] else { panic!("{text}") };
    assert_eq!((*address, *byte), (seen.pc & 0x00ff_ffff | 0x0800_0001, 3), "its top byte only: {text}");
    assert!(name.as_ref().unwrap().starts_with("system-part1+"), "{text}");
    let calls = slot.chain.as_ref().unwrap();
    assert!(matches!(calls.end, ChainEnd::Outermost { .. }), "the rest of its stack is whole: {text}");
    let says = |part: &str| explanation.causes.iter().any(|cause| cause.text.contains(part));
    assert!(says(&format!("looks like {address:#010x}")) && says("top byte replaced by 01"), "{text}");
    assert!(says("Before, app_thread stood still for 3"), "{text}");
    assert!(explanation.causes.iter().any(|cause| cause.is_open && cause.text.contains("Who wrote")), "{text}");
    let update = explanation.update.as_ref().unwrap();
    assert!(update.begun_ps >= asked_ms * PS_PER_MS && update.ready.is_some() && update.failed.is_none(), "{text}");
    assert!(text.contains("SP") && text.lines().count() < 200, "a page: {text}");
}
