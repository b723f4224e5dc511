//! Python's HTTP client against the HTTP server.

use std::path::Path;
use std::process::Command;

use lockstep_modem::network::http::{HttpConfig, HttpServer, Resource};

use crate::loopback::Served;
use crate::support::{program, run, skip};

#[test]
fn python_gets_and_posts() {
    let Some(python) = program("python3") else { return skip("python_gets_and_posts", "no python3") };
    let mut config = HttpConfig::new(1_577_836_800);
    config.resources.insert("/big".to_owned(), Resource::text(&"x".repeat(100_000)));
    let server = Served::new(HttpServer::new(config));
    let script = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/interop/http_client.py");
    let (host, port) = (server.address.ip().to_string(), server.address.port().to_string());
    let output = run(Command::new(python).arg(script).args([host, port]));
    assert!(output.ends_with("all as it should be\n"), "{output}");
    let requests = server.service.lock().unwrap().take_requests();
    let posted: Vec<_> = requests.iter().filter(|request| request.method == "POST").collect();
    assert_eq!(posted.len(), 2);
    assert_eq!(posted[0].content_type.as_deref(), Some("text/csv"));
    assert!(posted.iter().all(|request| request.body == b"a,b\nc,d\n"));
    assert_eq!(posted[0].from, posted[1].from, "one connection");
}
