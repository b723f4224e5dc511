//! Packet by packet: stops, registers, memory, both directions.

use lockstep::gdb::Ended;

use crate::script::{COUNTER, END_PS, LOOP, START, answers, ask, debugger, hex, machine, packet, printed, say};

/// Register `number` in the answer to `g`.
fn register(answer: &str, number: usize) -> u32 {
    let bytes: Vec<u8> =
        (0..4).map(|n| u8::from_str_radix(&answer[8 * number + 2 * n..8 * number + 2 * n + 2], 16).unwrap()).collect();
    u32::from_le_bytes(bytes.try_into().unwrap())
}

const PC: usize = 15;
const SUPPORTED: &str = "qSupported:multiprocess+;swbreak+;hwbreak+;vContSupported+";

#[test]
fn a_breakpoint_stops_before_its_instruction_and_a_step_executes_it() {
    let breakpoint = format!("Z0,{LOOP:x},2");
    let counter = format!("m{COUNTER:x},4");
    let answers = ask(
        &mut debugger(),
        &[SUPPORTED, &breakpoint, "vCont;c", "g", "vCont;c", "g", "vCont;s:p1.1", "g", "vCont;c", &counter, "D;1"],
    );
    assert!(answers[0].contains("ReverseStep+") && answers[0].contains("ReverseContinue+"), "{answers:?}");
    assert!(answers[2].starts_with("T05") && answers[2].contains("swbreak"), "{answers:?}");
    assert_eq!((register(&answers[3], PC), register(&answers[3], 1)), (LOOP, 0));
    assert_eq!((register(&answers[5], PC), register(&answers[5], 1)), (LOOP, 1));
    assert_eq!((register(&answers[7], PC), register(&answers[7], 1)), (LOOP + 2, 2));
    assert_eq!(answers[9], hex(&2u32.to_le_bytes()));
}

#[test]
fn the_last_write_is_found_backwards_and_the_beginning_is_the_end() {
    let breakpoint = format!("Z1,{LOOP:x},2");
    let no_breakpoint = format!("z1,{LOOP:x},2");
    let watch = format!("Z2,{COUNTER:x},4");
    let mut debugger = debugger();
    let answers = ask(
        &mut debugger,
        &[
            SUPPORTED,
            &breakpoint,
            "vCont;c",
            "vCont;c",
            "vCont;c", // before the third round
            &no_breakpoint,
            &watch,
            "bc",
            "g", // before the second store
            "bc",
            "g",
            "vCont;c",
            "g", // the first store, made again
            "bc",
            "bc",
            "g",
            "D;1",
        ],
    );
    assert!(answers[4].contains("hwbreak"), "{answers:?}");
    assert!(answers[7].contains(&format!("watch:{COUNTER:x}")), "{answers:?}");
    assert_eq!((register(&answers[8], PC), register(&answers[8], 1)), (LOOP + 2, 2));
    assert_eq!((register(&answers[10], PC), register(&answers[10], 1)), (LOOP + 2, 1));
    assert!(answers[11].contains("watch:"), "{answers:?}");
    assert_eq!((register(&answers[12], PC), register(&answers[12], 1)), (LOOP + 4, 1));
    assert!(answers[13].contains("watch:"), "{answers:?}");
    assert!(answers[14].contains("replaylog:begin"), "{answers:?}");
    assert_eq!(register(&answers[15], PC), START);
}

#[test]
fn steps_back_undo_steps() {
    let answers = ask(
        &mut debugger(),
        &[SUPPORTED, "vCont;s:p1.1", "vCont;s:p1.1", "vCont;s:p1.1", "g", "bs", "g", "bs", "bs", "g", "bs", "D;1"],
    );
    assert_eq!((register(&answers[4], PC), register(&answers[4], 1)), (LOOP + 2, 1));
    assert_eq!((register(&answers[6], PC), register(&answers[6], 1)), (LOOP, 0));
    assert_eq!(register(&answers[9], PC), START);
    assert!(answers[10].contains("replaylog:begin"), "{answers:?}");
}

#[test]
fn the_end_of_the_run_is_the_end_of_the_recording() {
    let mut plain = machine();
    plain.run_until_ps(END_PS).unwrap();
    let expected = plain.state_hash().to_string();
    let mut debugger = debugger();
    let command = format!("qRcmd,{}", hex(b"hash"));
    let watch = format!("Z4,{COUNTER:x},1");
    let no_watch = format!("z4,{COUNTER:x},1");
    let answers = ask(
        &mut debugger,
        &[SUPPORTED, &watch, "vCont;c", "vCont;c", "bs", "bc", &no_watch, "vCont;c", &command, "D;1"],
    );
    assert!(answers[2].contains("awatch") && answers[7].contains("replaylog:end"), "{answers:?}");
    let hash = printed(&answers[8..]).join("\n");
    assert!(hash.contains(&expected), "{hash} {expected}");
    let (mut machine, _, is_changed) = debugger.end();
    assert!(!is_changed);
    assert_eq!(machine.state_hash().to_string(), expected);
}

#[test]
fn an_interrupt_stops_it_and_a_detached_run_goes_on() {
    let mut debugger = debugger();
    let packets = [packet("vCont;c"), packet("D;1")].concat();
    let (output, ended) = say(&mut debugger, &packets, Some(0));
    assert!(answers(&output).iter().any(|answer| answer.starts_with("T02")), "{:?}", answers(&output));
    assert_eq!(ended, Ok(Ended::Detached));
    let (_, ended) = say(&mut debugger, &packet("k"), None);
    assert_eq!(ended, Ok(Ended::Killed));
}

#[test]
fn an_interrupted_search_backwards_ends_where_it_began() {
    let mut debugger = debugger();
    let hash = format!("qRcmd,{}", hex(b"hash"));
    let never = format!("Z0,{:x},2", START + 0x80);
    let before = ask(&mut debugger, &[SUPPORTED, "vCont;c", &hash, "D;1"]);
    let packets: Vec<u8> = [SUPPORTED, &never, "bc", &hash, "D;1"].iter().flat_map(|text| packet(text)).collect();
    let (output, _) = say(&mut debugger, &packets, Some(0));
    assert!(answers(&output).iter().any(|answer| answer.starts_with("T02")), "{:?}", answers(&output));
    assert_eq!(printed(&answers(&output)), printed(&before));
}

#[test]
fn writes_are_refused_until_they_are_allowed() {
    let write = format!("M{COUNTER:x},4:2a000000");
    let counter = format!("m{COUNTER:x},4");
    let allow = format!("qRcmd,{}", hex(b"allow-writes on"));
    let mut debugger = debugger();
    let before = ask(&mut debugger, &[SUPPORTED, "vCont;s:p1.1", &write, &counter, "D;1"]);
    assert!(before[2].starts_with('E'), "{before:?}");
    assert_eq!(before[3], "00000000");
    let after = ask(&mut debugger, &[SUPPORTED, &allow, &write, &counter, "bs", "M40004800,4:00000000", "D;1"]);
    let texts: Vec<&String> = after.iter().filter(|answer| !answer.starts_with('O') || *answer == "OK").collect();
    assert_eq!(texts[2], "OK", "{after:?}");
    assert_eq!(texts[3], "2a000000");
    // What was before cannot be come back to: it does not lead here.
    assert!(texts[4].contains("replaylog:begin"), "{after:?}");
    assert!(texts[5].starts_with('E'), "devices are not written: {after:?}");
    assert!(debugger.end().2);
}

#[test]
fn monitor_goes_to_times_and_instructions() {
    let go = |text: &str| format!("qRcmd,{}", hex(text.as_bytes()));
    let mut debugger = debugger();
    let first = ask(&mut debugger, &[SUPPORTED, &go("goto 1ms"), &go("hash"), &go("goto #7"), &go("hash"), "D;1"]);
    let lines = printed(&first);
    let mut plain = machine();
    plain.run_until_instruction(7, u64::MAX).unwrap();
    assert!(lines.iter().any(|line| line.contains(&plain.state_hash().to_string())), "{lines:?}");
    plain.run_until_ps(1_000_000_000).unwrap();
    assert!(lines.iter().any(|line| line.contains(&plain.state_hash().to_string())), "{lines:?}");
    // The next resumption only shows where it is.
    let next = ask(&mut debugger, &[SUPPORTED, "vCont;c", "g", "D;1"]);
    assert!(next[1].starts_with("T05"), "{next:?}");
    assert_eq!(register(&next[2], PC), LOOP + 2);
    for (command, answer) in [
        ("goto 10s", "after the end"),
        ("goto #x", "not a number"),
        ("goto yesterday", "not a duration"),
        ("frobnicate", "no such command"),
        ("snapshot", "a name is missing"),
        ("help", "allow-writes"),
        ("tasks", "no task"),
        ("modem", "registration"),
        ("peripherals", "USART3_SR"),
        ("event", "-- here --"),
    ] {
        let lines = printed(&ask(&mut debugger, &[SUPPORTED, &go(command), "D;1"])).join("\n");
        assert!(lines.contains(answer), "{command}: {lines}");
    }
}

#[test]
fn registers_of_devices_are_read_without_changing_anything() {
    let mut debugger = debugger();
    let hash = format!("qRcmd,{}", hex(b"hash"));
    let answers = ask(
        &mut debugger,
        &[SUPPORTED, "vCont;s:p1.1", &hash, "me000ed00,4", "m40023800,8", "m60000000,4", "m2001fffe,8", &hash, "D;1"],
    );
    let hashes = printed(&answers);
    assert_eq!(hashes.len(), 2);
    assert_eq!(hashes[0], hashes[1]);
    let texts: Vec<&String> = answers.iter().filter(|answer| !answer.starts_with('O')).collect();
    // CPUID of a Cortex-M3 r2p0.
    assert_eq!(texts[2], &hex(&0x412f_c230u32.to_le_bytes()));
    assert_eq!(texts[3].len(), 16);
    assert!(texts[4].starts_with('E'), "nothing is there: {answers:?}");
    assert_eq!(texts[5].len(), 4, "two bytes, up to the end of SRAM: {answers:?}");
}
