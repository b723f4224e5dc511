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
