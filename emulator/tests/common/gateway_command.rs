//! The other executable: cargo names only those of the package under test, and builds only those.

use std::path::PathBuf;
use std::process::Command;
use std::sync::OnceLock;

/// `lockstep-gateway` of the same profile, built if it is not fresh.
pub fn gateway() -> Command {
    static PATH: OnceLock<PathBuf> = OnceLock::new();
    let path = PATH.get_or_init(|| {
        let beside = PathBuf::from(env!("CARGO_BIN_EXE_lockstep")).with_file_name("lockstep-gateway");
        let mut build = Command::new(env!("CARGO"));
        build.args(["build", "--quiet", "--package", "lockstep-gateway"]);
        if !cfg!(debug_assertions) {
            build.arg("--release");
        }
        let status = build.current_dir(env!("CARGO_MANIFEST_DIR")).status().unwrap();
        assert!(status.success() && beside.exists(), "lockstep-gateway cannot be built");
        beside
    });
    let mut command = Command::new(path);
    command.env_remove("RUST_LOG");
    command
}
