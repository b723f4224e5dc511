//! The `lockstep` command as its user meets it: exit codes, one clear line for each mistake, output of small guests.

#[path = "common/vendor.rs"]
mod vendor;

use std::path::{Path, PathBuf};
use std::process::{Command, Output};

/// Runs the command; `dir` is the working folder.
fn lockstep(dir: &Path, arguments: &[&str]) -> Output {
    Command::new(env!("CARGO_BIN_EXE_lockstep"))
        .args(arguments)
        .current_dir(dir)
        .env_remove("RUST_LOG")
        .env("LOCKSTEP_IMAGES", dir.join("no-images"))
        .output()
        .unwrap()
}

fn stdout(output: &Output) -> String {
    String::from_utf8(output.stdout.clone()).unwrap()
}

/// The one line on stderr of bad input, which must exit with 2 and name `names`.
fn refused(dir: &Path, arguments: &[&str], names: &[&str]) -> String {
    let output = lockstep(dir, arguments);
    let error = String::from_utf8(output.stderr.clone()).unwrap();
    assert_eq!(output.status.code(), Some(2), "{arguments:?}: {error}{}", stdout(&output));
    assert_eq!(error.lines().count(), 1, "{arguments:?}: not one line: {error}");
    assert!(error.starts_with("lockstep: ") && !error.contains("panicked"), "{error}");
    for name in names {
        assert!(error.contains(name), "{arguments:?}: no {name:?} in {error}");
    }
    error
}

struct Files {
    dir: tempfile::TempDir,
}

impl Files {
    fn new() -> Self {
        Self { dir: tempfile::tempdir().unwrap() }
    }

    fn path(&self) -> &Path {
        self.dir.path()
    }

    fn file(&self, name: &str, bytes: &[u8]) -> String {
        std::fs::write(self.path().join(name), bytes).unwrap();
        name.to_owned()
    }
}

fn our_app() -> Vec<u8> {
    let path = PathBuf::from(env!("CARGO_MANIFEST_DIR")).join("../firmware-images/built/app.bin");
    std::fs::read(path).unwrap()
}

/// A bare-metal image for 0x08000000: stack, reset vector, HardFault vector, code at 0x40, a tight loop at 0x80.
fn bare_metal(code: &[u16], hard_fault: u32) -> Vec<u8> {
    let mut image = vec![0; 0x84];
    image[0..4].copy_from_slice(&0x2001_0000u32.to_le_bytes());
    image[4..8].copy_from_slice(&0x0800_0041u32.to_le_bytes());
    image[12..16].copy_from_slice(&hard_fault.to_le_bytes());
    for (i, halfword) in code.iter().enumerate() {
        image[0x40 + 2 * i..][..2].copy_from_slice(&halfword.to_le_bytes());
    }
    image[0x80..0x82].copy_from_slice(&0xe7feu16.to_le_bytes());
    image
}

const LOOP: &[u16] = &[0xe7fe];
const UNDEFINED: &[u16] = &[0xde00];

/// Writes `hello` by SYS_WRITE0 and ends with this reason.
fn hello(reason: u32) -> Vec<u8> {
    let (low, high) = (reason as u16, (reason >> 16) as u16);
    let text = [0x6568, 0x6c6c, 0x0a6f, 0x0000];
    let code = [0x2004, 0xa103, 0xbeab, 0x2018, 0x4900, 0xbeab, low, high];
    bare_metal(&[code.as_slice(), &text].concat(), 0)
}

#[test]
fn help_names_every_command_and_the_exit_codes() {
    let files = Files::new();
    let help = stdout(&lockstep(files.path(), &["--help"]));
    for command in ["run", "inspect", "images", "dct", "app", "sd", "settings"] {
        assert!(help.contains(command), "{help}");
    }
    let output = lockstep(files.path(), &["run", "--help"]);
    assert_eq!(output.status.code(), Some(0));
    let help = stdout(&output);
    for option in ["--firmware", "--app-set", "--until", "--press", "--hash-every", "--snapshot-in", "5 divergence"] {
        assert!(help.contains(option), "no {option} in {help}");
    }
    assert_eq!(lockstep(files.path(), &["--version"]).status.code(), Some(0));
    assert_eq!(lockstep(files.path(), &[]).status.code(), Some(2));
}

#[test]
fn bad_usage_is_one_line_with_the_nearest_name() {
    let files = Files::new();
    let dir = files.path();
    files.file("loop", &bare_metal(LOOP, 0));
    let image = "loop@0x08000000";
    refused(dir, &["run", image, "--sed", "1"], &["--seed"]);
    refused(dir, &["run", image, "--cloud", "--no-cloud"], &["--cloud", "--no-cloud"]);
    files.file("other.toml", b"server_public_key = { seed = 5 }");
    let names = ["other.toml", "server_public_key", "leave out --cloud"];
    refused(dir, &["run", image, "--dct", "other.toml", "--cloud"], &names);
    refused(dir, &["run", image, "--cloud", "otta app.bin"], &["did you mean ota?"]);
    refused(dir, &["run", "--cloud", image], &["image files go before --cloud"]);
    refused(dir, &["run", image, "--cloud", "ota nothing.bin at 1s"], &["nothing.bin"]);
    refused(dir, &["run", image, "--cloud", "heal 9.9.9"], &["9.9.9", "2.2.0"]);
    files.file("app.elf", b"\x7fELF and more");
    refused(dir, &["run", image, "--cloud", "ota app.elf"], &["app.elf", "give the .bin"]);
    refused(dir, &["inspct"], &["inspect"]);
    refused(dir, &["run", image, "--for", "30"], &["30s"]);
    refused(dir, &["run", image, "--until", "client_helo"], &["did you mean client_hello?"]);
    refused(dir, &["run", image, "--press", "mode@2s"], &["mode@2s:500ms"]);
    refused(dir, &["run", image, "--hash-every", "0"], &["--hash-every"]);
    refused(dir, &["run", image, "--set", "modem.timing.bot=1s"], &["did you mean modem.timing.boot?"]);
    refused(dir, &["run", image, "--set", "cell.signal_strength=77"], &["cell.signal_strength", "0 to 31, or 99"]);
    refused(dir, &["run", image, "--set", "nonsense"], &["KEY=VALUE"]);
    let plan = "modem.events=reset@1s; late_ok=2@USOCO; leak@USOCL";
    refused(dir, &["run", image, "--set", plan], &["modem.events", "\"late_ok=2@USOCO\"", "\"2\" is not a duration"]);
    refused(
        dir,
        &["run", image, "--set", "link.outages=1s..2s,5s..4s"],
        &["link.outages", "\"5s..4s\": it ends before"],
    );
    refused(dir, &["run", image, "--app-set", "baud=1"], &["--app"]);
    refused(dir, &["run"], &["--firmware"]);
    refused(dir, &["run", "--firmware", "2.2.0"], &["lockstep images fetch 2.2.0"]);
    refused(dir, &["run", "--firmware", "2.2"], &["2.2.0", "0.5.2"]);
    refused(dir, &["run", "loop@0x08020000"], &["0x08000000"]);
    refused(dir, &["run", "loop"], &["loop", "FILE@0xADDRESS"]);
}

#[test]
fn every_kind_of_broken_image_is_one_line_that_names_the_file() {
    let files = Files::new();
    let dir = files.path();
    let app = our_app();
    let start = files.file("start", &bare_metal(LOOP, 0));
    let start = format!("{start}@0x08000000");

    refused(dir, &["run", "missing.bin"], &["missing.bin"]);
    refused(dir, &["run", "."], &["."]);
    refused(dir, &["run", &files.file("empty.bin", b"")], &["empty.bin", "empty"]);
    refused(dir, &["run", &files.file("cut.bin", &app[..app.len() / 2])], &["cut.bin", "cut short"]);

    files.file("large.bin", &vec![1; (1 << 20) + 1]);
    refused(dir, &["run", "large.bin@0x08000000"], &["large.bin", "outside of flash"]);
    let huge = std::fs::File::create(dir.join("huge.bin")).unwrap();
    huge.set_len(1 << 33).unwrap();
    refused(dir, &["run", "huge.bin"], &["huge.bin", "larger than"]);

    let mut broken = app.clone();
    broken[200] ^= 1;
    refused(dir, &["run", &start, &files.file("crc.bin", &broken)], &["crc.bin", "CRC-32"]);

    let mut photon = app.clone();
    photon[12] = 6;
    refused(dir, &["run", &start, &files.file("photon.bin", &photon)], &["photon.bin", "Photon", "Electron"]);

    let other = files.file("app.bin", &app);
    let over = format!("{}@0x08080010", files.file("over", &[1; 16]));
    refused(dir, &["run", &start, &other, &over], &["over", "overlaps", "app.bin"]);

    // The header of an x86-64 executable.
    let mut elf = vec![0; 64];
    elf[..20].copy_from_slice(b"\x7fELF\x02\x01\x01\0\0\0\0\0\0\0\0\0\x02\0\x3e\0");
    elf[20] = 1;
    elf[52] = 64;
    refused(dir, &["run", &files.file("x86.elf", &elf)], &["x86.elf", "needed: ARM"]);
    refused(dir, &["run", &files.file("cut.elf", b"\x7fELF\x01\x01")], &["cut.elf", "ELF"]);

    refused(dir, &["run", &files.file("sum.hex", b":0100000001FF\n:00000001FF\n")], &["sum.hex", "line 1"]);
    refused(dir, &["run", &files.file("end.hex", b":0100000001FE\n")], &["end.hex", "end-of-file"]);

    refused(dir, &["run", &start, "--app", &files.file("noapp.bin", &[7; 100])], &["noapp.bin"]);
    files.file("app.bin", &app);
    refused(dir, &["run", &start, "--app", "app.bin", "--app-set", "bad=1"], &["bad", "baud"]);
    refused(dir, &["run", &start, "--app", "app.bin", "--app-set", "baud=fast"], &["baud=fast"]);
    refused(dir, &["run", &start, "--app", "app.bin", "--app-set", "period_ms=0"], &["period_ms=0", "2 to 86400000"]);
}

#[test]
fn every_kind_of_broken_table_is_one_line_that_names_the_file() {
    let files = Files::new();
    let dir = files.path();
    let start = files.file("start", &bare_metal(LOOP, 0));
    let start = format!("{start}@0x08000000");
    let run = |name: &str, bytes: &[u8], names: &[&str]| {
        let name = files.file(name, bytes);
        refused(dir, &["run", &start, "--dct", &name], &[&[name.as_str()], names].concat());
    };
    run("short.dct", &[0xff; 100], &["16384"]);
    run("noise.dct", &[7; 16384], &["watermark"]);
    run("syntax.toml", b"claimed = \n", &["line 1"]);
    run("field.toml", b"\nclaimd = true\n", &["line 2", "claimd"]);
    run("binary.toml", b"\xff\xfe", &["UTF-8"]);
    run("counter.toml", b"counter = 9\n", &["counter", "0 to 3"]);
    run("key.toml", b"device_private_key = \"00\"\n", &["device_private_key"]);

    files.file("good.toml", b"claimed = true\n[device_private_key]\nseed = 3\n");
    let built = lockstep(dir, &["dct", "build", "good.toml", "-o", "good.dct"]);
    assert_eq!(built.status.code(), Some(0), "{built:?}");
    let shown = stdout(&lockstep(dir, &["dct", "show", "good.dct"]));
    assert!(shown.contains("CRC valid") && shown.contains("claimed"), "{shown}");
    let mut broken = std::fs::read(dir.join("good.dct")).unwrap();
    assert_eq!(broken.len(), 16384);
    broken[3000] ^= 1;
    run("broken.dct", &broken, &["CRC-32"]);
    refused(dir, &["dct", "build", "good.toml", "-o", "no/such/folder/x"], &["no/such/folder/x"]);
}

#[test]
fn a_damaged_snapshot_or_hash_file_is_named() {
    let files = Files::new();
    let dir = files.path();
    files.file("loop", &bare_metal(LOOP, 0));
    refused(dir, &["run", "--snapshot-in", &files.file("x.snap", b"hello")], &["x.snap", "not a snapshot"]);
    let text = files.file("none.txt", b"nothing here\n");
    let arguments = ["run", "loop@0x08000000", "--hash-every", "10", "--compare-hashes", &text];
    refused(dir, &arguments, &["none.txt", "--hash-every"]);
}

#[test]
fn inspect_tells_what_a_file_is_and_whether_it_is_whole() {
    let files = Files::new();
    let dir = files.path();
    files.file("app.bin", &our_app());
    let output = lockstep(dir, &["inspect", "app.bin"]);
    assert_eq!(output.status.code(), Some(0));
    assert!(stdout(&output).contains("user part 1") && stdout(&output).contains("CRC        valid"));
    let mut broken = our_app();
    broken[300] ^= 1;
    files.file("broken.bin", &broken);
    let output = lockstep(dir, &["inspect", "--json", "app.bin", "broken.bin"]);
    assert_eq!(output.status.code(), Some(1), "one of them is broken");
    let values: Vec<serde_json::Value> =
        stdout(&output).lines().map(|line| serde_json::from_str(line).unwrap()).collect();
    let valid: Vec<_> = values.iter().map(|value| value["modules"][0]["crc_valid"].as_bool()).collect();
    assert_eq!(valid, [Some(true), Some(false)]);
    refused(dir, &["inspect", &files.file("noise", &[9; 50])], &["noise", "FILE@0xADDRESS"]);
}

#[test]
fn settings_are_listed_with_their_defaults() {
    let files = Files::new();
    let text = stdout(&lockstep(files.path(), &["settings"]));
    assert!(text.contains("modem.timing.boot=") && text.contains("board.battery_mv=4000"), "{text}");
    let json = stdout(&lockstep(files.path(), &["settings", "--json"]));
    for line in json.lines() {
        let value: serde_json::Value = serde_json::from_str(line).unwrap();
        assert!(value["key"].is_string() && value["default"].is_string() && value["help"].is_string());
    }
}

#[test]
fn our_application_is_set_up_and_filled_up_to_a_length() {
    let files = Files::new();
    let dir = files.path();
    files.file("app.bin", &our_app());
    let set = ["--set", "mode=mqtt", "--set", "version=3"];
    let built = lockstep(dir, &[&["app", "build", "app.bin", "-o", "big.bin", "--bytes", "131072"], &set[..]].concat());
    assert_eq!(built.status.code(), Some(0), "{built:?}");
    assert_eq!(std::fs::read(dir.join("big.bin")).unwrap().len(), 131_072);
    let settings = stdout(&lockstep(dir, &["app", "settings", "big.bin"]));
    assert!(settings.contains("mode=mqtt\n") && settings.contains("version=3\n"), "{settings}");
    assert!(stdout(&lockstep(dir, &["inspect", "big.bin"])).contains("CRC        valid"));
    refused(dir, &["app", "build", "app.bin", "-o", "x.bin", "--bytes", "131076"], &["app.bin", "131072"]);
    refused(dir, &["app", "build", "app.bin", "-o", "x.bin", "--set", "mod=echo"], &["did you mean mode?"]);
}

#[test]
fn images_that_are_not_here_are_listed_as_such() {
    let files = Files::new();
    let text = stdout(&lockstep(files.path(), &["images", "list"]));
    assert!(text.contains("2.2.0  not here") && text.contains("electron_tinker.bin"), "{text}");
    refused(files.path(), &["images", "fetch", "9.9.9"], &["9.9.9", "2.2.0"]);
}

#[test]
fn a_bare_metal_guest_writes_and_ends_with_its_status() {
    let files = Files::new();
    let dir = files.path();
    files.file("good", &hello(0x2_0026));
    files.file("bad", &hello(0x2_0023));
    let output = lockstep(dir, &["run", "good@0x08000000", "--semihosting", "--for", "1s"]);
    let text = stdout(&output);
    assert_eq!(output.status.code(), Some(0), "{text}");
    assert!(text.contains("guest     hello\n") && text.contains("findings    none"), "{text}");
    let output = lockstep(dir, &["run", "bad@0x08000000", "--semihosting", "--for", "1s"]);
    assert_eq!(output.status.code(), Some(1));
    assert!(stdout(&output).contains("exit_status: the guest ended with status 1"));
}

#[test]
fn json_is_one_object_a_line_and_ends_with_the_summary() {
    let files = Files::new();
    files.file("good", &hello(0x2_0026));
    let output = lockstep(files.path(), &["run", "good@0x08000000", "--semihosting", "--json"]);
    let values: Vec<serde_json::Value> =
        stdout(&output).lines().map(|line| serde_json::from_str(line).unwrap()).collect();
    assert!(values.iter().any(|value| value["type"] == "serial" && value["text"] == "hello"));
    assert!(values.iter().any(|value| value["type"] == "stage" && value["stage"] == "reset"));
    let summary = values.last().unwrap();
    assert_eq!(summary["type"], "summary");
    assert_eq!(summary["exit_code"], 0);
    assert_eq!(summary["state_hash"].as_str().map(str::len), Some(64));
    assert_eq!(summary["findings"].as_array().map(Vec::len), Some(0));
    assert!(summary["speed"]["mips"].is_number() && summary["unmodelled"].is_array());
    assert_eq!(summary["stages"][0]["stage"], "reset");
}

#[test]
fn faults_and_lock_ups_have_their_exit_codes() {
    let files = Files::new();
    let dir = files.path();
    files.file("handled", &bare_metal(UNDEFINED, 0x0800_0081));
    let output = lockstep(dir, &["run", "handled@0x08000000", "--for", "10ms"]);
    assert_eq!(output.status.code(), Some(3));
    let text = stdout(&output);
    assert!(text.contains("UsageFault UNDEFINSTR at 0x08000040") && text.contains("HardFault 1"), "{text}");
    // The handler's vector is no code: the core locks up.
    files.file("unhandled", &bare_metal(UNDEFINED, 0xf000_0001));
    let output = lockstep(dir, &["run", "unhandled@0x08000000", "--for", "10ms", "--json"]);
    assert_eq!(output.status.code(), Some(4), "{}", stdout(&output));
    let last: serde_json::Value = serde_json::from_str(stdout(&output).lines().last().unwrap()).unwrap();
    assert!(last["findings"].as_array().unwrap().iter().any(|finding| finding["kind"] == "lock_up"), "{last}");
}

#[test]
fn expectations_decide_the_exit_code() {
    let files = Files::new();
    let dir = files.path();
    files.file("loop", &bare_metal(LOOP, 0));
    let image = "loop@0x08000000";
    let code =
        |arguments: &[&str]| lockstep(dir, &[&["run", image, "--for", "20ms"], arguments].concat()).status.code();
    assert_eq!(code(&[]), Some(0));
    assert_eq!(code(&["--until", "reset"]), Some(0));
    assert_eq!(code(&["--until", "scheduler"]), Some(1));
    assert_eq!(code(&["--strict"]), Some(0));
    // Switches on the clock of ADC1, which is not modelled, and reads it.
    let read_adc = [0x4803, 0x2101, 0x0209, 0x6001, 0x4802, 0x6801, 0xe7fe, 0xbf00, 0x3844, 0x4002, 0x2000, 0x4001];
    files.file("adc", &bare_metal(&read_adc, 0));
    let adc = ["run", "adc@0x08000000", "--for", "20ms"];
    assert_eq!(lockstep(dir, &adc).status.code(), Some(0));
    let output = lockstep(dir, &[adc.as_slice(), &["--strict"]].concat());
    assert_eq!(output.status.code(), Some(1));
    let text = stdout(&output);
    assert!(text.contains("ADC") && text.contains("0x0800004a"), "{text}");
}

#[test]
fn a_snapshot_goes_on_as_if_nothing_had_been_and_a_changed_hash_is_a_divergence() {
    let files = Files::new();
    let dir = files.path();
    // Counts in R0 for ever.
    files.file("count", &bare_metal(&[0x3001, 0xe7fd], 0));
    let image = "count@0x08000000";
    let hash = |arguments: &[&str]| {
        let output = lockstep(dir, &[&["run"], arguments].concat());
        assert_eq!(output.status.code(), Some(0), "{output:?}");
        let text = stdout(&output);
        text.lines().find(|line| line.starts_with("state hash")).map(str::to_owned).unwrap()
    };
    let whole = hash(&[image, "--for", "30ms"]);
    hash(&[image, "--for", "13ms", "--snapshot-out", "half.snap"]);
    assert_eq!(hash(&["--snapshot-in", "half.snap", "--for", "17ms"]), whole);
    assert_eq!(hash(&[image, "--for", "30ms", "--hash-every", "1000"]), whole, "looking changes nothing");

    let arguments = ["run", image, "--for", "2ms", "--hash-every", "1000"];
    let text = stdout(&lockstep(dir, &arguments));
    assert!(text.lines().filter(|line| line.starts_with("hash ")).count() > 5, "{text}");
    files.file("same.txt", text.as_bytes());
    let compare = |name: &str| lockstep(dir, &[arguments.as_slice(), &["--compare-hashes", name]].concat());
    assert_eq!(compare("same.txt").status.code(), Some(0));
    let other: Vec<String> = text
        .lines()
        .map(
            |line| {
                if line.starts_with("hash 3000 ") { format!("hash 3000 {}", "0".repeat(64)) } else { line.to_owned() }
            },
        )
        .collect();
    files.file("other.txt", other.join("\n").as_bytes());
    let output = compare("other.txt");
    assert_eq!(output.status.code(), Some(5));
    assert!(stdout(&output).contains("divergence: at 3000 instructions"), "{}", stdout(&output));
}

#[test]
fn genuine_firmware_shows_its_tasks_and_its_led() {
    if vendor::vendor_set("2.2.0", "genuine_firmware_shows_its_tasks_and_its_led").is_none() {
        return;
    }
    let output = Command::new(env!("CARGO_BIN_EXE_lockstep"))
        .args(["run", "--firmware", "2.2.0", "--for", "8s", "--json"])
        .current_dir(env!("CARGO_MANIFEST_DIR"))
        .output()
        .unwrap();
    assert_eq!(output.status.code(), Some(0), "{output:?}");
    let values: Vec<serde_json::Value> =
        stdout(&output).lines().map(|line| serde_json::from_str(line).unwrap()).collect();
    assert!(values.iter().any(|value| value["type"] == "led" && value["state"] == "breathing white"));
    let tasks = values.last().unwrap()["tasks"].as_array().unwrap().clone();
    let task = |name: &str| tasks.iter().find(|task| task["name"] == name).unwrap_or_else(|| panic!("{tasks:?}"));
    assert_eq!(task("IDLE")["priority"], 0);
    assert!(task("app_thread")["free_bytes"].as_i64().unwrap() > 0);
    assert_eq!(tasks.iter().filter(|task| task["state"] == "running").count(), 1);
}

#[test]
fn a_command_to_the_device_service_that_is_not_done_is_a_failed_expectation() {
    let files = Files::new();
    files.file("loop", &bare_metal(LOOP, 0));
    files.file("app.bin", &[7; 100]);
    let arguments =
        ["run", "loop@0x08000000", "--for", "20ms", "--json", "--cloud", "ota app.bin at 10ms", "--cloud", "ping"];
    let output = lockstep(files.path(), &arguments);
    assert_eq!(output.status.code(), Some(1));
    let text = String::from_utf8(output.stdout).unwrap();
    let summary: serde_json::Value = serde_json::from_str(text.lines().last().unwrap()).unwrap();
    assert_eq!(summary["cloud"][0]["command"], "ota app.bin at 10ms");
    assert_eq!(summary["cloud"][0]["outcome"], "waiting", "no device is connected");
    let kinds: Vec<_> = summary["findings"].as_array().unwrap().iter().map(|finding| &finding["kind"]).collect();
    assert_eq!(kinds, ["command_failed", "command_failed"]);
}

/// A guest without an RTOS that locks up: each fault's moment is explained with what was in the registers then, and the
/// lock-up's; map files give names; the run itself is the same.
#[test]
fn faults_and_a_lock_up_are_explained() {
    let files = Files::new();
    let guest = PathBuf::from(env!("CARGO_MANIFEST_DIR")).join("../firmware-images/built/test-lockup.elf");
    let guest = guest.to_str().unwrap();
    let map = "Linker script and memory map\n\n.text 0x08000400 0x400\n .text.first 0x08000500 0x40 a.o\n\
               \x20               0x08000500                first\n .text.second 0x08000540 0x40 a.o\n\
               \x20               0x08000540                _ZN6Device6secondEi\n";
    let map = files.file("guest.map", map.as_bytes());
    let plain = lockstep(files.path(), &["run", guest, "--semihosting", "--json", "--for", "1s"]);
    let arguments = ["run", guest, "--semihosting", "--json", "--for", "1s", "--explain", "--map", &map];
    let explained = lockstep(files.path(), &arguments);
    let summary = |output: &Output| -> serde_json::Value {
        serde_json::from_str(stdout(output).lines().last().unwrap()).unwrap()
    };
    let (plain, summary) = (summary(&plain), summary(&explained));
    assert_eq!(explained.status.code(), Some(4));
    assert_eq!(summary["state_hash"], plain["state_hash"], "observers change nothing");
    let explanations = summary["explanations"].as_array().unwrap();
    assert_eq!(explanations.len(), 3, "two faults, then the lock-up: {explanations:#?}");
    let (fault, lock_up) = (&explanations[0]["fault"], &explanations[2]);
    assert_eq!((&fault["bit"], &fault["no_code"]), (&"UNDEFINSTR".into(), &serde_json::Value::Null));
    assert_eq!(fault["place"], "0x0800054c Device::second(int)+0xc");
    assert_eq!(lock_up["reason"], "lock_up");
    assert_eq!(lock_up["rtos_recognised"], false);
    let text = lock_up["causes"].to_string();
    assert!(text.contains("a fault while a fault was handled"), "{text}");

    let page = stdout(&lockstep(files.path(), &["run", guest, "--semihosting", "--plain", "--for", "1s", "--explain"]));
    assert_eq!(page.matches("EXPLANATION").count(), 3, "{page}");
    assert!(page.contains("UNDEFINSTR: an instruction that does not exist"), "{page}");
    assert!(!page.contains("there is no code"), "there is: {page}");

    let no_map = files.file("no.map", b"hello");
    refused(files.path(), &["run", guest, "--map", &no_map], &["no.map", "map file of GNU ld"]);
    refused(files.path(), &["run", guest, "--symbols", guest], &["test-lockup.elf", "no symbols"]);
}
