//! The flow of genuine firmware 2.2.0 up to its DTLS ClientHello: pulses as the firmware gives them, commands as it
//! sends them, responses of the same shape.

mod common;

use common::{Client, escape, unescape};
use lockstep_modem::{Model, ModemConfig, Network, Output, PowerState, RegistrationStatus};

/// Numbers to `0`, texts between quotes to `""` (from the first quote of a list of texts to its last one if binary).
fn shape(response: &[u8]) -> String {
    let text = escape(response).replace("\\\"", "\"");
    let mut parts: Vec<&str> = text.split('"').collect();
    if text.contains("+USORF") && parts.len() > 4 {
        // The payload may hold quotes: only what stands before and after it is compared.
        let last = parts.pop().unwrap_or_default();
        parts.truncate(3);
        parts.extend(["", last]);
    }
    let outside = parts.iter().enumerate().map(|(n, part)| if n % 2 == 0 { *part } else { "\"" });
    let mut shape = String::new();
    for c in outside.collect::<String>().chars() {
        match (c.is_ascii_digit(), shape.ends_with('0')) {
            (true, true) => {}
            (true, false) => shape.push('0'),
            (false, _) => shape.push(c),
        }
    }
    // A long number may be written with dots and letters between: versions.
    shape.replace("0.0,A0.0", "0")
}

/// Reads bytes until the shape is there.
fn expect_shape(client: &mut Client, expected: &str, line: &str) {
    let wanted = shape(&unescape(expected));
    let mut got = Vec::new();
    for _ in 0..4000 {
        let next = client.receive(1, 10_000);
        if next.is_empty() {
            break;
        }
        got.extend(next);
        if got.ends_with(b"\n") || got.ends_with(b"@") {
            if shape(&got) == wanted {
                return;
            }
            if got.ends_with(b"\r\nOK\r\n") || got.ends_with(b"ERROR\r\n") {
                break;
            }
        }
    }
    panic!("{line}: got {}, shape {:?}, wanted {wanted:?}", escape(&got), shape(&got));
}

/// Power-on as firmware 2.2.0 does it: low 50 ms, high 10 ms, low 150 ms, high.
fn pulses(client: &mut Client) {
    for (high, ms) in [(false, 50), (true, 10), (false, 150), (true, 100)] {
        client.modem.set_power_key(client.now_ps, high);
        client.wait_ms(ms);
    }
}

#[test]
fn firmware_2_2_0_reaches_its_client_hello() {
    let mut config = ModemConfig::default();
    // The recording's network tells no DNS server, and the firmware falls back to 8.8.8.8.
    (config.pdp.dns_primary, config.pdp.dns_secondary) = (None, None);
    let mut client = Client::new(config, Network::default(), 5);
    // The firmware repeats its pulses while AT is not answered within 3 s.
    let mut attempts = 0;
    while client.modem.power_state() != PowerState::On {
        attempts += 1;
        assert!(attempts < 5, "no answer after {attempts} pulses");
        pulses(&mut client);
        assert!(client.modem.v_int(), "V_INT is high soon after a pulse");
        client.send(b"AT\r\n");
        client.wait_ms(3000);
    }
    // Those that came while it was booting were lost; later ones are answered.
    client.take();
    while client.modem.registration().1 != RegistrationStatus::Home {
        client.wait_ms(100);
    }

    let mut echo = true;
    for line in include_str!("transcripts/firmware-2.2.0.txt").lines() {
        let rest = line.get(3..).unwrap_or_default();
        match line.get(..2) {
            Some(">>") => {
                client.send(format!("{rest}\r\n").as_bytes());
                if echo {
                    let echoed = client.receive(rest.len() + 1, 100);
                    assert_eq!(escape(&echoed), format!("{rest}\\r"));
                }
                echo &= rest != "ATE0";
            }
            Some(">B") => {
                client.wait_ms(1);
                client.send(&unescape(rest));
            }
            Some("<<" | "<~") => expect_shape(&mut client, rest, line),
            _ => assert!(line.starts_with('#'), "cannot read {line}"),
        }
    }
    client.wait_ms(1000);
    let unanswered = client.modem.network().take_unanswered();
    assert_eq!(unanswered.len(), 1);
    assert!(unanswered[0].is_client_hello());
    assert_eq!((unanswered[0].from.port, unanswered[0].to.port, unanswered[0].bytes.len()), (5684, 5684, 111));
    let ledger = client.modem.ledger().entries().keys().cloned().collect::<Vec<_>>();
    assert!(ledger.is_empty(), "{ledger:?}");
}

/// The line sleeps after the silence that UPSV names, and CTS says so; a client that heeds CTS loses nothing.
#[test]
fn upsv_lets_the_line_sleep_and_cts_tells_when() {
    let mut client = Client::ready();
    client.online();
    client.ok("AT+CGREG=1");
    client.ok("AT+UPSV=1,40");
    client.wait_ms(150);
    assert!(client.modem.cts(), "40 frames are 185 ms");
    client.ok("AT");
    client.wait_ms(250);
    assert!(!client.modem.cts(), "asleep");
    let mut waited_ms = 0;
    while !client.modem.cts() {
        client.wait_ms(1);
        waited_ms += 1;
    }
    assert!((2_300..=2_500).contains(&waited_ms), "{waited_ms} ms to the next moment of listening");
    client.ok("AT");
    client.wait_ms(100);
    assert!(client.modem.cts(), "the character woke it");
    client.wait_ms(200);
    assert!(!client.modem.cts());
    // One that does not heed CTS loses what wakes the module and what follows at once.
    client.send(b"A");
    client.wait_ms(10);
    assert!(client.modem.cts());
    client.send(b"T\r");
    client.wait_ms(15);
    client.send(b"AT\r");
    client.wait_ms(50);
    assert_eq!(client.take(), b"\r\nOK\r\n", "only the second AT was heard whole");
    // What the module has to say wakes it.
    client.wait_ms(300);
    assert!(!client.modem.cts());
    client.modem.change(client.now_ps, lockstep_modem::Change::Detach);
    client.wait_ms(20);
    assert!(client.modem.cts() && !client.take().is_empty());
    client.ok("AT+UPSV=0");
    client.wait_ms(20_000);
    assert!(client.modem.cts(), "never again");
    assert!(client.modem.ledger().entries().is_empty());
    client.send(b"AT+UPSV=1,39\r");
    client.wait_ms(100);
    assert!(!client.take().ends_with(b"OK\r\n"));
}

#[test]
fn cpwroff_lowers_v_int_and_a_pulse_starts_again() {
    let mut client = Client::ready();
    client.ok("AT+USOCR=17");
    client.ok("AT+CPWROFF");
    assert!(client.modem.v_int());
    client.wait_ms(3000);
    assert_eq!((client.modem.v_int(), client.modem.power_state()), (false, PowerState::Off));
    client.send(b"AT\r\n");
    client.wait_ms(100);
    assert!(client.take().is_empty());
    client.power_on();
    client.wait_ms(5000);
    assert!(client.modem.sockets().is_empty());
    assert_eq!(client.command("AT"), "AT\r\r\nOK\r\n", "echo is back on");
    let levels: Vec<bool> = client
        .outputs
        .iter()
        .filter_map(|o| if let Output::VInt { high, .. } = o { Some(*high) } else { None })
        .collect();
    assert_eq!(levels, [true, false, true]);
}

#[test]
fn a_long_press_switches_off_and_a_short_one_does_not() {
    let mut client = Client::ready();
    client.power_on();
    client.wait_ms(5000);
    assert_eq!(client.modem.power_state(), PowerState::On);
    client.modem.set_power_key(client.now_ps, false);
    client.wait_ms(1100);
    client.modem.set_power_key(client.now_ps, true);
    client.wait_ms(3000);
    assert_eq!(client.modem.power_state(), PowerState::Off);
}

#[test]
fn reset_holds_and_then_boots() {
    let mut client = Client::ready();
    client.modem.set_reset(client.now_ps, false);
    client.wait_ms(100);
    assert_eq!((client.modem.power_state(), client.modem.v_int()), (PowerState::Reset, false));
    client.modem.set_reset(client.now_ps, true);
    client.wait_ms(5000);
    assert_eq!(client.modem.power_state(), PowerState::On);
}

#[test]
fn the_level_shifters_cut_the_line() {
    let mut client = Client::ready();
    client.modem.set_lvloe(client.now_ps, true);
    client.send(b"AT\r\n");
    client.wait_ms(100);
    assert!(client.take().is_empty());
    client.modem.set_lvloe(client.now_ps, false);
    assert_eq!(client.command("AT"), "AT\r\r\nOK\r\n");
}

#[test]
fn cfun_16_boots_again() {
    let mut client = Client::ready();
    client.online();
    client.ok("AT+CFUN=0");
    assert!(client.command("AT+UPSND=0,0").contains("ERROR"));
    client.ok("AT+CFUN=16");
    client.send(b"AT\r\n");
    client.wait_ms(1000);
    client.take();
    client.wait_ms(12_000);
    client.online();
}

#[test]
fn a_new_rate_holds_after_the_ok() {
    let mut client = Client::ready();
    client.ok("ATE0");
    client.ok("AT+IPR=9600");
    assert_eq!(client.modem.baud_hz(), 9600);
    client.send(b"AT\r\n");
    client.wait_ms(100);
    assert!(!client.take().ends_with(b"OK\r\n"), "115200 is garbage now");
    let bit_ps = lockstep_modem::line::bit_ps(9600);
    for &byte in b"\rAT\r" {
        let end_ps = client.now_ps + 10 * bit_ps;
        client.modem.line_rx(end_ps, byte, bit_ps);
        client.advance_to(end_ps);
    }
    assert_eq!(client.response(), "\r\nOK\r\n");
}

/// Arduino's library for the SARA-U201 does not begin without it.
#[test]
fn the_fastest_rate_is_that_of_modules_with_3g() {
    let mut client = Client::ready();
    client.ok("AT+IPR=921600");
    assert_eq!(client.modem.baud_hz(), 921_600);
    let config = ModemConfig { model: Model::SaraG350, ..ModemConfig::default() };
    let mut client = Client::new(config, Network::default(), 1);
    client.power_on();
    client.wait_ms(15_000);
    assert!(client.command("AT+IPR=921600").contains("ERROR"));
    assert_eq!(client.modem.baud_hz(), 115_200);
}

#[test]
fn rts_holds_the_modem_and_urcs_wait_for_payload() {
    let mut client = Client::ready();
    client.online();
    client.ok("AT+USOCR=17");
    client.ok("AT+USOST=0,\"192.0.2.7\",7,1,\"x\"");
    // The echo arrives while the modem waits for payload.
    assert_eq!(client.command("AT+USOST=0,\"192.0.2.7\",7,2"), "\r\n@");
    client.wait_ms(3000);
    assert!(client.take().is_empty());
    client.send(b"yz");
    // As soon as the payload is complete the URC is written, and the response follows.
    assert_eq!(client.response(), "\r\n+UUSORD: 0,1\r\n\r\n+USOST: 0,2\r\n\r\nOK\r\n");
    client.modem.set_dte_rts(client.now_ps, false);
    client.send(b"AT\r\n");
    client.wait_ms(1000);
    assert!(client.take().is_empty());
    client.modem.set_dte_rts(client.now_ps, true);
    assert_eq!(client.response(), "\r\nOK\r\n");
}

#[test]
fn line_feed_before_the_prompt_is_not_payload_and_the_urc_tells_what_is_pending() {
    let mut client = Client::ready();
    client.online();
    client.ok("AT+USOCR=17");
    for payload in [&b"AT\r\nOK\r\n"[..], b"\0\"@"] {
        let command = format!("AT+USOST=0,\"192.0.2.7\",7,{}", payload.len());
        assert!(client.payload(&command, payload).ends_with("OK\r\n"));
    }
    client.wait_ms(2000);
    client.take();
    client.send(b"AT+USORF=0,1024\r\n");
    let expected = b"\r\n+USORF: 0,\"192.0.2.7\",7,8,\"AT\r\nOK\r\n\"\r\nOK\r\n";
    assert_eq!(escape(&client.receive(expected.len(), 1000)), escape(expected));
    assert_eq!(client.receive(16, 100), b"\r\n+UUSORF: 0,3\r\n");
    assert_eq!(client.ok("AT+USORF=0,1024"), "\r\n+USORF: 0,\"192.0.2.7\",7,3,\"\0\"@\"\r\nOK\r\n");
}

#[test]
fn models_tell_their_names() {
    use lockstep_modem::Model;
    for (model, name) in [
        (Model::SaraU260, "SARA-U260"),
        (Model::SaraU270, "SARA-U270"),
        (Model::SaraU201, "SARA-U201"),
        (Model::SaraG350, "SARA-G350"),
    ] {
        let config = ModemConfig { model, ..ModemConfig::default() };
        let mut client = Client::new(config, Network::default(), 1);
        client.power_on();
        client.wait_ms(15_000);
        assert_eq!(client.ok("ATE0;+CGMM").matches(name).count(), 1);
        let technology = if model == Model::SaraG350 { 0 } else { 2 };
        assert!(client.ok("AT+CREG=2;+CREG?").contains(&format!("\"0A1B2C3\",{technology}\r\n")));
    }
}

#[test]
fn a_denied_modem_says_so_and_a_locked_sim_waits_for_its_pin() {
    use lockstep_modem::config::{Admission, SimState};
    let mut config = ModemConfig::default();
    config.cell.admission = Admission::Denied;
    config.sim.state = SimState::Pin { pin: "1234".to_owned(), tries: 3 };
    let mut client = Client::new(config, Network::default(), 1);
    client.power_on();
    client.wait_ms(15_000);
    client.ok("ATE0;+CMEE=2;+CREG=1");
    assert_eq!(client.ok("AT+CREG?"), "\r\n+CREG: 1,0\r\n\r\nOK\r\n");
    assert_eq!(client.ok("AT+CPIN?"), "\r\n+CPIN: SIM PIN\r\n\r\nOK\r\n");
    assert_eq!(client.command("AT+CIMI"), "\r\n+CME ERROR: SIM PIN required\r\n");
    assert_eq!(client.command("AT+CPIN=\"0000\""), "\r\n+CME ERROR: incorrect password\r\n");
    client.ok("AT+CPIN=\"1234\"");
    client.wait_ms(10_000);
    assert_eq!(client.take(), b"\r\n+CREG: 2\r\n\r\n+CREG: 3\r\n");
}

#[test]
fn unmodelled_commands_are_counted() {
    let mut client = Client::ready();
    client.command("AT+UFOO=1");
    client.command("AT+UFOO=2");
    client.command("AT+CMUX=0");
    let entries = client.modem.ledger().entries().clone();
    assert_eq!(entries["AT+UFOO"].count, 2);
    assert!(entries.contains_key("AT+CMUX"));
    assert_eq!(client.modem.ledger().take_unreported(), ["AT+UFOO", "AT+CMUX"]);
}

#[test]
fn a_urc_keeps_its_distance_from_the_ok() {
    let mut client = Client::ready();
    client.online();
    client.ok("AT+USOCR=17");
    for _ in 0..2 {
        client.ok("AT+USOST=0,\"192.0.2.7\",7,3,\"abc\"");
    }
    client.wait_ms(2000);
    client.take();
    client.outputs.clear();
    let ok = client.ok("AT+USORF=0,1024");
    assert_eq!(client.receive(16, 100), b"\r\n+UUSORF: 0,3\r\n");
    let ends: Vec<(u64, u64)> = client
        .outputs
        .iter()
        .filter_map(|o| if let Output::Byte { end_ps, bit_ps, .. } = o { Some((*end_ps, 10 * *bit_ps)) } else { None })
        .collect();
    let ((last_of_ok, _), (first_of_urc, character_ps)) = (ends[ok.len() - 1], ends[ok.len()]);
    let silence_us = (first_of_urc - character_ps - last_of_ok) / lockstep_modem::time::PS_PER_US;
    assert!((800..=1200).contains(&silence_us), "{silence_us} us");
}

/// What differs between the models beside their names: PWR_ON, radio, bands, power saving.
#[test]
fn models_differ_as_their_manuals_say() {
    use lockstep_modem::Model;
    let ready = |model, low_us: u64| {
        let mut client = Client::new(ModemConfig { model, ..ModemConfig::default() }, Network::default(), 1);
        client.modem.set_power_key(0, false);
        client.advance_to(low_us * lockstep_modem::time::PS_PER_US);
        client.modem.set_power_key(client.now_ps, true);
        client.wait_ms(15_000);
        client
    };
    // 50 us switch a SARA-U2 on, a SARA-G350 wants 5 ms (UBX-13000995, table 8).
    assert_eq!(ready(Model::SaraU270, 60).modem.power_state(), PowerState::On);
    assert_eq!(ready(Model::SaraU270, 40).modem.power_state(), PowerState::Off);
    assert_eq!(ready(Model::SaraG350, 4_000).modem.power_state(), PowerState::Off);
    let mut g350 = ready(Model::SaraG350, 6_000);
    g350.ok("ATE0;+CMEE=2");
    assert_eq!(g350.ok("AT+URAT?;+UBANDSEL?"), "\r\n+URAT: 0\r\n\r\n+UBANDSEL: 850,900,1800,1900\r\n\r\nOK\r\n");
    g350.ok("AT+URAT=0");
    for command in ["AT+URAT=1", "AT+URAT=2", "AT+UPSV=3", "AT+UBANDSEL=2100"] {
        assert_eq!(g350.command(command), "\r\n+CME ERROR: incorrect parameters\r\n", "{command}");
    }
    // A long press does not switch it off.
    g350.modem.set_power_key(g350.now_ps, false);
    g350.wait_ms(3000);
    g350.modem.set_power_key(g350.now_ps, true);
    g350.wait_ms(3000);
    assert_eq!(g350.modem.power_state(), PowerState::On);
    // On 2G a sleeping line listens at other times than on 3G.
    g350.ok("AT+UPSV=1,40");
    g350.wait_ms(300);
    assert!(!g350.modem.cts());
    let mut waited_ms = Vec::new();
    for _ in 0..6 {
        let start_ps = g350.now_ps;
        while !g350.modem.cts() {
            g350.wait_ms(1);
        }
        waited_ms.push((g350.now_ps - start_ps) / lockstep_modem::time::PS_PER_MS);
        g350.wait_ms(25);
    }
    assert!(waited_ms.iter().skip(1).all(|ms| (1_950..=4_150).contains(ms)), "{waited_ms:?}");
    assert!(waited_ms.iter().any(|ms| *ms > 2_520), "{waited_ms:?}");
    let mut u270 = ready(Model::SaraU270, 50_000);
    assert!(u270.ok("AT+UBANDSEL?").contains("+UBANDSEL: 900,1800,2100\r\n"));
}

/// With UPSV=2 the client's RTS puts the line to sleep; nothing is heard until RTS comes back and 20 ms have passed.
#[test]
fn upsv_2_sleeps_by_rts() {
    let mut client = Client::ready();
    client.ok("ATE0&K0");
    client.ok("AT+UPSV=2");
    client.modem.set_dte_rts(client.now_ps, false);
    client.wait_ms(50);
    client.send(b"AT\r");
    client.wait_ms(500);
    assert!(client.take().is_empty());
    client.modem.set_dte_rts(client.now_ps, true);
    client.wait_ms(5);
    client.send(b"AT\r");
    client.wait_ms(50);
    assert!(client.take().is_empty(), "it wakes for 20 ms");
    client.ok("AT");
    // What the module has to say is sent, RTS or not: there is no flow control.
    client.ok("AT+CREG=1");
    client.modem.set_dte_rts(client.now_ps, false);
    client.wait_ms(100);
    client.modem.change(client.now_ps, lockstep_modem::Change::Coverage(false));
    client.wait_ms(100);
    assert_eq!(client.take(), b"\r\n+CREG: 2\r\n");
    client.wait_ms(100);
    client.send(b"AT\r");
    client.wait_ms(100);
    assert!(client.take().is_empty(), "asleep again");
}

/// `AT+CFUN=15` leaves the SIM unlocked, `16` asks for the PIN again.
#[test]
fn cfun_15_keeps_the_sim_and_16_does_not() {
    use lockstep_modem::config::SimState;
    let mut config = ModemConfig::default();
    config.sim.state = SimState::Pin { pin: "1234".to_owned(), tries: 3 };
    let mut client = Client::new(config, Network::default(), 1);
    client.power_on();
    client.wait_ms(6_000);
    client.ok("AT+CPIN=\"1234\"");
    for (command, state) in [("AT+CFUN=15", "READY"), ("AT+CFUN=16", "SIM PIN")] {
        client.ok(command);
        client.wait_ms(6_000);
        assert!(client.ok("AT+CPIN?").contains(&format!("+CPIN: {state}\r\n")), "{command}");
    }
}

/// With `AT+CTZU=1` the clock follows the network at registration.
#[test]
fn the_network_tells_the_time() {
    let mut client = Client::ready();
    assert!(client.ok("AT+CCLK?").contains("\"04/01/01,00:00:"));
    client.ok("AT+CTZU=1;+CFUN=0;+CFUN=1");
    client.wait_ms(15_000);
    assert!(client.ok("AT+CCLK?").contains("\"20/01/01,00:00:3"));
}
