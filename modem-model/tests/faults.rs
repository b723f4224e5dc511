//! Faults and changes of the world that a plan asks for, as the AT client sees them.

mod common;

use common::Client;
use lockstep_modem::time::PS_PER_S;
use lockstep_modem::{ModemConfig, Network, PowerState};

/// Switched on and registered, echo off, numeric errors, with this plan. Default time: 15 s.
fn client_with(plan: &str, seed: u64) -> Client {
    let config = ModemConfig { events: plan.parse().expect("a plan"), ..ModemConfig::default() };
    let mut client = Client::new(config, Network::default(), seed);
    client.power_on();
    client.wait_ms(14_950);
    client.ok("ATE0;+CMEE=1");
    client.advance_to(20 * PS_PER_S);
    client
}

fn client(plan: &str) -> Client {
    client_with(plan, 1)
}

/// What a command leads to within a time.
fn within_ms(client: &mut Client, command: &str, ms: u64) -> String {
    client.take();
    client.send(format!("{command}\r").as_bytes());
    client.wait_ms(ms);
    String::from_utf8_lossy(&client.take()).into_owned()
}

#[test]
fn a_stuck_interface_tells_everything_afterwards() {
    let mut client = client("stuck=5s@21s");
    client.ok("AT+UPSDA=0,3");
    client.ok("AT+USOCR=17");
    client.ok("AT+USOST=0,\"192.0.2.7\",7,2,\"ab\"");
    client.advance_to(21 * PS_PER_S);
    assert_eq!(within_ms(&mut client, "AT+CSQ", 4_900), "");
    client.wait_ms(300);
    assert_eq!(client.take(), b"\r\n+UUSORD: 0,2\r\n\r\n+CSQ: 18,2\r\n\r\nOK\r\n");
}

#[test]
fn an_interface_stuck_for_good_needs_a_reset_and_a_lock_up_the_supply() {
    let mut client = client("stuck@21s; lockup@60s");
    client.advance_to(30 * PS_PER_S);
    assert_eq!(within_ms(&mut client, "AT", 10_000), "");
    client.modem.set_reset(client.now_ps, false);
    client.wait_ms(100);
    client.modem.set_reset(client.now_ps, true);
    client.wait_ms(10_000);
    client.ok("ATE0");
    client.advance_to(61 * PS_PER_S);
    assert_eq!(within_ms(&mut client, "AT", 1000), "");
    client.modem.set_reset(client.now_ps, false);
    client.wait_ms(1000);
    client.modem.set_reset(client.now_ps, true);
    client.wait_ms(6000);
    assert_eq!(within_ms(&mut client, "AT", 1000), "", "RESET_N does not help");
    client.modem.set_power_key(client.now_ps, false);
    client.wait_ms(3000);
    client.modem.set_power_key(client.now_ps, true);
    client.wait_ms(5000);
    assert_eq!(client.modem.power_state(), PowerState::On, "PWR_ON does not help");
    client.modem.change(client.now_ps, lockstep_modem::Change::Supply(false));
    client.wait_ms(1000);
    assert!(!client.modem.v_int());
    client.modem.change(client.now_ps, lockstep_modem::Change::Supply(true));
    client.wait_ms(6000);
    client.ok("AT");
}

#[test]
fn final_results_are_lost_or_late() {
    let mut client = client("lost_ok@CSQ#2; late_ok=3s@CGMI; late_ok=2s@USOWR#1");
    assert_eq!(within_ms(&mut client, "AT+CSQ", 500), "\r\n+CSQ: 18,2\r\n\r\nOK\r\n");
    assert_eq!(within_ms(&mut client, "AT+CSQ", 5_000), "\r\n+CSQ: 18,2\r\n");
    assert_eq!(within_ms(&mut client, "AT+CSQ", 500), "\r\n+CSQ: 18,2\r\n\r\nOK\r\n");
    for _ in 0..2 {
        assert_eq!(within_ms(&mut client, "AT+CGMI", 2_900), "\r\nu-blox\r\n");
        client.wait_ms(200);
        assert_eq!(client.take(), b"\r\nOK\r\n");
    }
    // A command with payload: its final result, not the prompt.
    client.ok("AT+UPSDA=0,3");
    client.ok("AT+USOCR=6;+USOCO=0,\"192.0.2.7\",7");
    assert_eq!(client.command("AT+USOWR=0,1"), "\r\n@");
    client.wait_ms(50);
    client.send(b"x");
    client.wait_ms(1000);
    assert_eq!(client.take(), b"\r\n+USOWR: 0,1\r\n\r\n+UUSORD: 0,1\r\n");
    client.wait_ms(2000);
    assert_eq!(client.take(), b"\r\nOK\r\n");
}

#[test]
fn commands_are_answered_by_errors() {
    let mut client = client("error=172@CSQ#1; error@CSQ#2; error=999@CSQ#3");
    assert_eq!(client.command("AT+CSQ"), "\r\n+CME ERROR: 172\r\n");
    assert_eq!(client.command("AT+CSQ"), "\r\nERROR\r\n");
    assert_eq!(client.command("AT+CSQ"), "\r\n+CME ERROR: 999\r\n");
    client.ok("AT+CSQ");
}

#[test]
fn a_urc_is_lost() {
    let mut client = client("lost_urc@UUSORD#1");
    client.ok("AT+UPSDA=0,3");
    client.ok("AT+USOCR=17");
    client.ok("AT+USOST=0,\"192.0.2.7\",7,2,\"ab\"");
    client.wait_ms(2000);
    assert!(client.take().is_empty());
    client.ok("AT+USORF=0,100");
    client.ok("AT+USOST=0,\"192.0.2.7\",7,2,\"ab\"");
    client.wait_ms(2000);
    assert_eq!(client.take(), b"\r\n+UUSORD: 0,2\r\n");
}

#[test]
fn a_character_that_nobody_sent() {
    let mut client = client("garbage@21s");
    client.advance_to(22 * PS_PER_S);
    assert_eq!(client.take().len(), 1);
    client.ok("AT");
    // Within a response.
    let mut client = client_with("garbage@CGMI", 3);
    let response = within_ms(&mut client, "AT+CGMI", 1000);
    assert_ne!(response, "\r\nu-blox\r\n\r\nOK\r\n");
    assert!(response.ends_with("\r\nu-blox\r\n\r\nOK\r\n"), "{response:?}");
}

#[test]
fn the_module_resets_by_itself_or_loses_its_supply() {
    for (plan, state) in [("reset@CSQ", PowerState::Starting), ("power_cut=2s@CSQ", PowerState::Off)] {
        let mut client = client(plan);
        client.ok("AT+UPSDA=0,3;+USOCR=17");
        assert_eq!(within_ms(&mut client, "AT+CSQ", 10), "");
        assert_eq!((client.modem.power_state(), client.modem.v_int()), (state, false));
        client.wait_ms(8000);
        assert!(client.ok("AT").starts_with("AT\r"), "echo is back on");
        assert!(client.modem.sockets().is_empty());
    }
}

#[test]
fn connecting_is_slow() {
    let mut client = client("slow_connect@#1");
    client.ok("AT+UPSDA=0,3;+USOCR=6;+USOCR=6");
    let start_ps = client.now_ps;
    client.ok("AT+USOCO=0,\"192.0.2.7\",7");
    let took_s = (client.now_ps - start_ps) / PS_PER_S;
    assert!((5..=20).contains(&took_s), "{took_s} s");
    let start_ps = client.now_ps;
    client.ok("AT+USOCO=1,\"192.0.2.7\",7");
    assert!(client.now_ps - start_ps < PS_PER_S);
}

#[test]
fn registration_is_denied_once_and_activation_refused_once() {
    let config = ModemConfig { events: "denied@#1; pdp_refused@UPSDA#1".parse().unwrap(), ..ModemConfig::default() };
    let mut client = Client::new(config, Network::default(), 1);
    client.power_on();
    client.wait_ms(15_000);
    client.ok("ATE0;+CMEE=1");
    assert_eq!(client.ok("AT+CREG?"), "\r\n+CREG: 0,3\r\n\r\nOK\r\n");
    client.ok("AT+CFUN=0;+CFUN=1");
    client.wait_ms(10_000);
    assert_eq!(client.ok("AT+CREG?"), "\r\n+CREG: 0,1\r\n\r\nOK\r\n");
    assert_eq!(client.command("AT+UPSDA=0,3"), "\r\n+CME ERROR: 134\r\n");
    client.ok("AT+UPSDA=0,3");
}

#[test]
fn the_world_changes_at_times_and_at_occasions() {
    let mut client = client("coverage=off@30s; coverage=on@60s; detach@90s; sms=+1555,hi@100s; signal=5,0@UPSND#2");
    client.ok("AT+CREG=1;+CNMI=2,1;+UPSDA=0,3");
    client.advance_to(31 * PS_PER_S);
    assert_eq!(client.take(), b"\r\n+CREG: 2\r\n");
    client.advance_to(89 * PS_PER_S);
    assert_eq!(client.take(), b"\r\n+CREG: 1\r\n");
    client.advance_to(91 * PS_PER_S);
    assert_eq!(client.take(), b"\r\n+UUPSDD: 0\r\n");
    client.advance_to(110 * PS_PER_S);
    assert_eq!(client.take(), b"\r\n+CMTI: \"SM\",1\r\n");
    client.ok("AT+UPSND=0,8");
    assert_eq!(client.ok("AT+CSQ"), "\r\n+CSQ: 18,2\r\n\r\nOK\r\n");
    client.ok("AT+UPSND=0,8");
    assert_eq!(client.ok("AT+CSQ"), "\r\n+CSQ: 5,0\r\n\r\nOK\r\n");
}

#[test]
fn a_rate_is_drawn_from_the_seed() {
    let failures = |seed| {
        let mut client = client_with("error@CSQ%20", seed);
        (0..200).filter(|_| client.command("AT+CSQ").ends_with("ERROR\r\n")).collect::<Vec<_>>()
    };
    let one = failures(1);
    assert_eq!(one, failures(1));
    assert_ne!(one, failures(2));
    assert!((20..=60).contains(&one.len()), "{} of 200", one.len());
}

/// A time before an occasion: it counts from then on.
#[test]
fn an_occasion_can_be_counted_from_a_time() {
    let mut client = client("error=3@30s,CSQ#2; lost_ok@40s");
    for _ in 0..5 {
        client.ok("AT+CSQ");
    }
    client.advance_to(31 * PS_PER_S);
    client.ok("AT+CSQ");
    assert_eq!(client.command("AT+CSQ"), "\r\n+CME ERROR: 3\r\n");
    client.ok("AT+CSQ");
    client.advance_to(41 * PS_PER_S);
    assert_eq!(within_ms(&mut client, "AT", 1000), "");
    client.ok("AT");
}

#[test]
fn a_full_card_leaves_messages_in_the_network() {
    let mut config = ModemConfig::default();
    config.sim.message_places = 1;
    config.events = "sms=1,a@20s; sms=1,b@21s".parse().unwrap();
    let mut client = Client::new(config, Network::default(), 1);
    client.power_on();
    client.wait_ms(15_000);
    client.ok("ATE0;+CMGF=1;+CNMI=2,1;+CMER=1,0,0,2,1");
    client.take();
    client.wait_ms(15_000);
    assert_eq!(client.take(), b"\r\n+CMTI: \"SM\",1\r\n\r\n+CIEV: 5,1\r\n\r\n+CIEV: 8,1\r\n");
    client.ok("AT+CMGD=1");
    client.wait_ms(5000);
    assert_eq!(client.take(), b"\r\n+CIEV: 5,0\r\n\r\n+CIEV: 8,0\r\n\r\n+CMTI: \"SM\",1\r\n\r\n+CIEV: 5,1\r\n");
    assert!(client.ok("AT+CMGR=1").contains("\r\nb\r\n"));
}
