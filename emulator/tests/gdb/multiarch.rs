//! gdb-multiarch, scripted, against genuine firmware 2.2.0 with our application: nothing that it does shows in the
//! state of the run.

use std::io::{BufRead, BufReader, Write};
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};

use crate::vendor::vendor_set;

const RUN_S: &str = "12s";
const HASH_EVERY: u64 = 300_000_000;

fn built(name: &str) -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("../firmware-images/built").join(name)
}

fn is_missing() -> bool {
    let is_missing = Command::new("gdb-multiarch").arg("--version").output().is_err();
    if is_missing {
        let _ = writeln!(std::io::stderr(), "SKIPPED (no gdb-multiarch: ./setup guest installs it): a GDB session");
    }
    is_missing
}

fn lockstep(arguments: &[&str]) -> Command {
    let mut command = Command::new(env!("CARGO_BIN_EXE_lockstep"));
    command.args(["run", "--firmware", "2.2.0", "--app"]).arg(built("app.bin"));
    command.args(["--for", RUN_S, "--plain", "--seed", "3"]).args(arguments);
    command
}

/// Runs the firmware under a server, and gdb-multiarch with a script; what GDB printed, and what the run did.
fn gdb(script: &str, arguments: &[&str]) -> (String, String) {
    gdb_of(lockstep(arguments), script)
}

fn gdb_of(mut command: Command, script: &str) -> (String, String) {
    let folder = tempfile::tempdir().unwrap();
    let file = folder.path().join("script.gdb");
    let mut server: Child =
        command.args(["--gdb", ":0"]).stdout(Stdio::piped()).stderr(Stdio::piped()).spawn().unwrap();
    let mut errors = BufReader::new(server.stderr.take().unwrap());
    let mut line = String::new();
    errors.read_line(&mut line).unwrap();
    let address = line.trim_end().trim_end_matches('"').rsplit(' ').next().unwrap().to_owned();
    assert!(address.starts_with("127.0.0.1:"), "bound to this host only: {line}");
    let text = format!("set pagination off\nset confirm off\nset height 0\ntarget remote {address}\n{script}\n");
    std::fs::write(&file, text).unwrap();
    let output =
        Command::new("gdb-multiarch").args(["-nx", "-batch", "-x"]).arg(&file).arg(built("app.elf")).output().unwrap();
    // What `monitor` says comes on stderr.
    let printed = [&output.stdout[..], &output.stderr[..]].concat();
    let printed = String::from_utf8_lossy(&printed).into_owned();
    assert!(output.status.success(), "{printed}");
    let ended = server.wait_with_output().unwrap();
    (printed, String::from_utf8_lossy(&ended.stdout).into_owned())
}

/// What stands after `name` in the line that begins with it.
fn said<'a>(printed: &'a str, name: &str) -> &'a str {
    let line = printed.lines().find_map(|line| line.strip_prefix(name)?.strip_prefix(' '));
    line.unwrap_or_else(|| panic!("no {name} in:\n{printed}"))
}

#[test]
fn a_session_in_both_directions_ends_where_the_plain_run_does() {
    if vendor_set("2.2.0", "a GDB session").is_none() || is_missing() {
        return;
    }
    let folder = tempfile::tempdir().unwrap();
    let (plain, debugged) = (folder.path().join("plain"), folder.path().join("debugged"));
    let every = HASH_EVERY.to_string();
    let output = lockstep(&["--hash-every", &every, "--snapshot-out", plain.to_str().unwrap()]).output().unwrap();
    let hashes = String::from_utf8_lossy(&output.stdout).into_owned();
    let hashes: Vec<&str> = hashes.lines().filter(|line| line.starts_with("hash ")).collect();
    assert!(hashes.len() >= 2, "{hashes:?}");

    let script = r#"
break app_loop
continue
printf "first %x %d\n", $pc, passes
info threads
stepi
stepi
printf "stepped %d\n", $pc > app_loop
reverse-stepi
reverse-stepi
printf "back %x\n", $pc
delete
watch passes
continue
continue
continue
printf "third %d\n", passes
monitor time
reverse-continue
printf "before-third %d\n", passes
reverse-continue
printf "before-second %d\n", passes
continue
printf "second %d\n", passes
delete
break app_loop
reverse-continue
printf "loop %x %d\n", $pc, passes
set $return = $lr & ~1
delete
finish
printf "finished %d\n", $pc == $return
thread apply all backtrace 1
monitor tasks
monitor modem
monitor peripherals
monitor event 3
x/2xw 0x40004800
break app_loop
continue
reverse-continue
stepi
delete
monitor goto #600000000
stepi
monitor hash
monitor goto #300000000
stepi
monitor hash
monitor goto 9s
stepi
monitor time
monitor core CORE
detach
"#;
    let core = folder.path().join("a.core");
    let script = script.replace("CORE", core.to_str().unwrap());
    let (printed, run) = gdb(&script, &["--snapshot-out", debugged.to_str().unwrap()]);

    assert!(printed.contains("Breakpoint 1, app_loop () at app.c"), "{printed}");
    let (first, passes) = said(&printed, "first").split_once(' ').unwrap();
    assert_eq!(passes, "0");
    for task in ["(app_thread, running, priority 2,", "(IDLE, ready, priority 0,", "(Tmr Svc, "] {
        assert!(printed.contains(task), "no {task} in:\n{printed}");
    }
    assert_eq!(said(&printed, "stepped"), "1");
    assert_eq!(said(&printed, "back"), first);
    assert_eq!(said(&printed, "third"), "3");
    // GDB itself compares values: each of these is where one became another.
    for values in ["Old value = 2\nNew value = 3", "Old value = 3\nNew value = 2", "Old value = 2\nNew value = 1"] {
        assert!(printed.contains(values), "no {values:?} in:\n{printed}");
    }
    assert_eq!(said(&printed, "before-third"), "2");
    assert_eq!(said(&printed, "before-second"), "1");
    assert_eq!(said(&printed, "second"), "2");
    assert_eq!(said(&printed, "loop"), format!("{first} 1"));
    assert_eq!(said(&printed, "finished"), "1");
    assert!(printed.contains("USART3_SR") && printed.contains("registration:") && printed.contains("-- here --"));
    assert!(printed.contains("9.0000"), "{printed}");

    for hash in hashes.iter().filter(|hash| ["300000000", "600000000"].contains(&hash.split(' ').nth(1).unwrap())) {
        assert!(printed.lines().any(|line| line == *hash), "no {hash} in:\n{printed}");
    }
    assert!(run.contains("exit        0 (Done)"), "{run}");
    assert!(std::fs::read(&plain).unwrap() == std::fs::read(&debugged).unwrap(), "the same state at the end");

    let output = Command::new("gdb-multiarch")
        .args(["-nx", "-batch", "-ex", "info threads", "-ex", "printf \"passes %d\\n\", passes", "-ex", "p/x $pc"])
        .arg(built("app.elf"))
        .arg(&core)
        .output()
        .unwrap();
    let text = String::from_utf8_lossy(&output.stdout).into_owned();
    let errors = String::from_utf8_lossy(&output.stderr).into_owned();
    assert!(said(&text, "passes").parse::<u32>().unwrap() >= 3, "{text}{errors}");
    assert!(text.matches("LWP").count() >= 5, "one for each task: {text}{errors}");
}

/// A handler that interrupts a step is passed over, in both directions; with step-interrupts it is stepped into.
#[test]
fn interrupts_do_not_get_into_the_way_of_steps() {
    if vendor_set("2.2.0", "a GDB session").is_none() || is_missing() {
        return;
    }
    let script = r#"
define count_handlers
  set $handlers = 0
  set $n = 0
  while $n < 40
    $arg0
    if ($xpsr & 0x1ff) != 0
      set $handlers = $handlers + 1
    end
    set $n = $n + 1
  end
end
monitor goto 9s
stepi
set $vectors = *(unsigned int *)0xe000ed08
set $handler = *(unsigned int *)($vectors + 60) & ~1
tbreak *$handler
continue
printf "systick %d\n", $xpsr & 0x1ff
reverse-stepi
printf "thread %d\n", $xpsr & 0x1ff
set $n = 0
while $n < 20
  reverse-stepi
  set $n = $n + 1
end
set $start = $pc
monitor time
count_handlers stepi
printf "forwards %d\n", $handlers
set $end = $pc
count_handlers reverse-stepi
printf "backwards %d\n", $handlers
printf "same %d\n", $pc == $start
monitor time
count_handlers stepi
printf "again %d\n", $pc == $end
count_handlers reverse-stepi
monitor step-interrupts on
count_handlers stepi
printf "raw %d\n", $handlers
kill
"#;
    let (printed, _) = gdb(script, &[]);
    assert_eq!(said(&printed, "systick"), "15", "{printed}");
    for (name, value) in [("thread", "0"), ("forwards", "0"), ("backwards", "0"), ("same", "1"), ("again", "1")] {
        assert_eq!(said(&printed, name), value, "{name}: {printed}");
    }
    assert!(said(&printed, "raw").parse::<u32>().unwrap() > 10, "{printed}");
    let times: Vec<&str> = printed.lines().filter(|line| line.contains(" instructions, ")).collect();
    assert_eq!(times[times.len() - 2], times[times.len() - 1], "back at the same instruction: {printed}");
}

/// A recorded run, with a button pressed in it, is gone through as the plain run is.
#[test]
fn a_recorded_run_is_debugged_as_it_was() {
    if vendor_set("2.2.0", "a GDB session of a recorded run").is_none() || is_missing() {
        return;
    }
    let folder = tempfile::tempdir().unwrap();
    let trace = folder.path().join("a.trace");
    let press = ["--press", "mode@5s:300ms"];
    let every = HASH_EVERY.to_string();
    assert!(lockstep(&press).arg("--trace").arg(&trace).output().unwrap().status.success());
    let output = lockstep(&press).args(["--hash-every", &every]).output().unwrap();
    let plain = String::from_utf8_lossy(&output.stdout).into_owned();
    let hash = plain.lines().find(|line| line.starts_with("hash 300000000 ")).unwrap();
    let script = r#"
watch passes
continue
continue
printf "second %d\n", passes
reverse-continue
printf "first %d\n", passes
delete
monitor goto 11s
stepi
reverse-stepi
monitor goto #300000000
stepi
monitor hash
monitor goto 1s
monitor goto #300000000
stepi
continue
monitor hash
detach
"#;
    let mut replay = Command::new(env!("CARGO_BIN_EXE_lockstep"));
    replay.arg("replay").arg(&trace);
    let (printed, _) = gdb_of(replay, script);
    assert_eq!(said(&printed, "second"), "2");
    assert_eq!(said(&printed, "first"), "1");
    assert!(printed.lines().any(|line| line == hash), "no {hash} in:\n{printed}");
    assert!(printed.contains("No more reverse-execution history"), "the end of the recording:\n{printed}");
    let mut last = printed.lines().filter(|line| line.starts_with("hash "));
    assert!(last.next_back().unwrap().ends_with(" 12.000000"), "{printed}");
}
