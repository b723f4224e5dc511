//! The `lockstep` command in a folder of its own.

use std::path::{Path, PathBuf};
use std::process::{Command, Output};

use serde_json::Value;

pub fn stdout(output: &Output) -> String {
    let errors = String::from_utf8_lossy(&output.stderr);
    String::from_utf8_lossy(&output.stdout).into_owned() + &errors
}

pub fn our_app() -> PathBuf {
    PathBuf::from(env!("CARGO_MANIFEST_DIR")).join("../firmware-images/built/app.bin")
}

pub struct Folder {
    dir: tempfile::TempDir,
}

impl Folder {
    pub fn new() -> Self {
        Self { dir: tempfile::tempdir().unwrap() }
    }

    pub fn path(&self) -> &Path {
        self.dir.path()
    }

    pub fn file(&self, name: &str) -> PathBuf {
        self.path().join(name)
    }

    fn command(&self) -> Command {
        let mut command = Command::new(env!("CARGO_BIN_EXE_lockstep"));
        command.current_dir(self.path()).env_remove("RUST_LOG");
        let images = PathBuf::from(env!("CARGO_MANIFEST_DIR")).join("../images");
        if std::env::var_os("LOCKSTEP_IMAGES").is_none() {
            command.env("LOCKSTEP_IMAGES", images);
        }
        command
    }

    /// `lockstep run` with these arguments.
    pub fn run(&self, arguments: &[String], more: &[&str]) -> Output {
        self.command().arg("run").args(arguments).args(more).output().unwrap()
    }

    /// `lockstep run`, ready to be spawned.
    pub fn runs(&self, arguments: &[String], more: &[&str]) -> Command {
        let mut command = self.command();
        command.arg("run").args(arguments).args(more);
        command
    }

    /// The same where no file can be longer than so many kilobytes.
    pub fn run_limited(&self, arguments: &[String], more: &[&str], kilobytes: u64) -> Output {
        let command = self.runs(arguments, more);
        let mut shell = Command::new("bash");
        // Without the signal that is sent besides, writing fails as on a full disk.
        shell.arg("-c").arg(format!("ulimit -f {kilobytes}; trap '' XFSZ; exec \"$@\"")).arg("bash");
        shell.arg(command.get_program()).args(command.get_args()).current_dir(self.path());
        shell.output().unwrap()
    }

    /// The command without the vendor's images.
    pub fn offline(&self, arguments: &[&str]) -> Output {
        self.command().args(arguments).env("LOCKSTEP_IMAGES", self.file("no-images")).output().unwrap()
    }

    /// The command with the vendor's images.
    pub fn with_images(&self, arguments: &[&str]) -> Output {
        self.command().args(arguments).output().unwrap()
    }

    /// The one line on stderr of bad input, which must exit with 2 and name all of `names`.
    pub fn refused(&self, arguments: &[&str], names: &[&str]) -> String {
        let output = self.offline(arguments);
        let error = String::from_utf8(output.stderr.clone()).unwrap();
        assert_eq!(output.status.code(), Some(2), "{arguments:?}: {}", stdout(&output));
        assert!(error.lines().count() == 1 && !error.contains("panicked"), "{arguments:?}: {error}");
        for name in names {
            assert!(error.contains(name), "{arguments:?}: no {name:?} in {error}");
        }
        error
    }

    pub fn info(&self, trace: &str) -> Value {
        let output = self.offline(&["trace", "info", trace, "--json"]);
        serde_json::from_slice(&output.stdout).unwrap_or_else(|error| panic!("{error}: {}", stdout(&output)))
    }

    /// Our application with another version.
    pub fn new_app(&self, name: &str, version: &str) -> String {
        let app = our_app();
        let set = format!("version={version}");
        let built = self.offline(&["app", "build", app.to_str().unwrap(), "--set", &set, "-o", name]);
        assert_eq!(built.status.code(), Some(0), "{}", stdout(&built));
        name.to_owned()
    }

    /// A bare-metal image for 0x08000000 that counts for ever, from `start`.
    pub fn guest(&self, name: &str, start: u8) {
        let mut image = vec![0; 0x60];
        image[0..4].copy_from_slice(&0x2001_0000u32.to_le_bytes());
        image[4..8].copy_from_slice(&0x0800_0041u32.to_le_bytes());
        // movs r0, #start; adds r0, #1; push {r0}; pop {r1}; b back to adds
        let code = [0x2000 | u16::from(start), 0x3001, 0xb401, 0xbc02, 0xe7fb];
        for (i, halfword) in code.iter().enumerate() {
            image[0x40 + 2 * i..][..2].copy_from_slice(&u16::to_le_bytes(*halfword));
        }
        std::fs::write(self.file(name), image).unwrap();
    }
}
