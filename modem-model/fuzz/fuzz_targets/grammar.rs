//! Any bytes as a command line, as a DNS query and as a DNS response.
#![no_main]

use libfuzzer_sys::fuzz_target;
use lockstep_modem::grammar;
use lockstep_modem::network::DnsServer;

fuzz_target!(|line: &[u8]| {
    if let Some(body) = grammar::after_prefix(line) {
        let _ = grammar::parse(body);
    }
    let _ = grammar::parse(line);
    let _ = DnsServer::default().answer(line);
});
