//! The modem against transcript files.

mod common;

use common::{Client, run_transcript};

#[test]
fn basics() {
    run_transcript(&mut Client::ready(), include_str!("transcripts/basics.txt"));
}

#[test]
fn network() {
    run_transcript(&mut Client::ready(), include_str!("transcripts/network.txt"));
}

#[test]
fn sockets() {
    run_transcript(&mut Client::ready(), include_str!("transcripts/sockets.txt"));
}

#[test]
fn control() {
    run_transcript(&mut Client::ready(), include_str!("transcripts/control.txt"));
}

#[test]
fn indications() {
    run_transcript(&mut Client::ready(), include_str!("transcripts/indications.txt"));
}

#[test]
fn sms() {
    let mut client = Client::ready();
    run_transcript(&mut client, include_str!("transcripts/sms.txt"));
    let sent = client.modem.take_sent_messages();
    assert_eq!(sent.len(), 1);
    assert_eq!((sent[0].to.as_str(), sent[0].text.as_slice()), ("+15550100", &b"hello"[..]));
}

#[test]
fn direct_link() {
    run_transcript(&mut Client::ready(), include_str!("transcripts/direct-link.txt"));
}
