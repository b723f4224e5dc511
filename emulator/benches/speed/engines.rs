//! What is compared, each as a process that runs one ELF to its end.

use std::error::Error;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};
use std::time::Duration;

use lockstep::Stop;
use lockstep::electron::{DeviceSettings, electron};
use lockstep::world::FLASH_BASE;
use nix::sys::resource::{UsageWho, getrusage};
use nix::sys::time::TimeValLike;

/// One of the things compared.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum EngineKind {
    /// Our whole machine, instruction-exact.
    Exact,
    /// Unpatched Unicorn, its default TLB, no hooks.
    RawDefault,
    /// Unpatched Unicorn, virtual TLB with a fill hook: as fast as it gets.
    RawVirtual,
    /// `qemu-system-arm -M netduino2`.
    Qemu,
    /// The same with `-icount`.
    QemuIcount,
}

impl EngineKind {
    /// All, in the order of the table.
    pub const ALL: [Self; 5] = [Self::Exact, Self::RawDefault, Self::RawVirtual, Self::Qemu, Self::QemuIcount];

    /// Heading of its column.
    pub fn name(self) -> &'static str {
        match self {
            Self::Exact => "lockstep exact",
            Self::RawDefault => "Unicorn default TLB",
            Self::RawVirtual => "Unicorn virtual TLB",
            Self::Qemu => "QEMU",
            Self::QemuIcount => "QEMU -icount",
        }
    }
}

/// The executables.
#[derive(Debug)]
pub struct Engines {
    own: PathBuf,
    raw: PathBuf,
}

impl Engines {
    /// Builds `tools/raw-unicorn` and looks for QEMU.
    pub fn prepare() -> Result<Self, Box<dyn Error>> {
        let version = Command::new("qemu-system-arm").arg("--version").output();
        let version = version.map_err(|e| format!("qemu-system-arm: {e}; install it (Debian: qemu-system-arm)"))?;
        println!("{}", String::from_utf8_lossy(&version.stdout).lines().next().unwrap_or_default());
        let own = std::env::current_exe()?;
        // <target>/release/deps/speed-…: beside our own build, in a folder of its own.
        let target = own.ancestors().nth(3).ok_or("the bench is not in a target folder")?.join("raw-unicorn");
        let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("../tools/raw-unicorn");
        // From its folder: cargo reads its configuration from there, and PKG_CONFIG_PATH must not be inherited.
        let status = Command::new(std::env::var("CARGO").unwrap_or("cargo".into()))
            .args(["build", "--release", "--quiet", "--locked"])
            .current_dir(&folder)
            .env("CARGO_TARGET_DIR", &target)
            .env_remove("PKG_CONFIG_PATH")
            .status()?;
        if !status.success() {
            return Err(format!("cannot build {}", folder.display()).into());
        }
        Ok(Self { own, raw: target.join("release/raw-unicorn") })
    }

    /// Runs an ELF to its end. Returns the CPU time of the process and what it printed.
    pub fn run(&self, kind: EngineKind, elf: &Path) -> Result<(Duration, String), Box<dyn Error>> {
        let mut command = match kind {
            EngineKind::Exact => {
                let mut command = Command::new(&self.own);
                command.arg("machine");
                command
            }
            EngineKind::RawDefault | EngineKind::RawVirtual => {
                let mut command = Command::new(&self.raw);
                command.arg(if kind == EngineKind::RawDefault { "default" } else { "virtual" });
                command
            }
            EngineKind::Qemu | EngineKind::QemuIcount => {
                let mut command = Command::new("qemu-system-arm");
                command.args(["-M", "netduino2", "-nographic", "-monitor", "none", "-serial", "none"]);
                command.args(["-semihosting-config", "enable=on,target=native"]);
                if kind == EngineKind::QemuIcount {
                    // 8 ns an instruction: near the 120 MHz of the chip.
                    command.args(["-icount", "shift=3"]);
                }
                command.arg("-kernel");
                command
            }
        };
        let before = children_cpu_time()?;
        let output = command.arg(elf).stdin(Stdio::null()).stderr(Stdio::inherit()).output()?;
        let taken = children_cpu_time()?.saturating_sub(before);
        if !output.status.success() {
            return Err(format!("{} with {}: {}", kind.name(), elf.display(), output.status).into());
        }
        Ok((taken, String::from_utf8_lossy(&output.stdout).into_owned()))
    }
}

/// CPU time of all processes started so far that have ended.
fn children_cpu_time() -> Result<Duration, Box<dyn Error>> {
    let usage = getrusage(UsageWho::RUSAGE_CHILDREN)?;
    let us = usage.user_time().num_microseconds() + usage.system_time().num_microseconds();
    Ok(Duration::from_micros(u64::try_from(us)?))
}

/// CPU time of this process so far.
pub fn own_cpu_time() -> Result<Duration, Box<dyn Error>> {
    let usage = getrusage(UsageWho::RUSAGE_SELF)?;
    let us = usage.user_time().num_microseconds() + usage.system_time().num_microseconds();
    Ok(Duration::from_micros(u64::try_from(us)?))
}

/// Runs a bare-metal ELF on the machine up to its final host call and prints how many instructions that took.
pub fn run_on_machine(path: &str) -> Result<(), Box<dyn Error>> {
    let bytes = std::fs::read(path).map_err(|e| format!("{path}: {e}"))?;
    let elf = lockstep_images::parse_elf(&bytes).map_err(|e| format!("{path}: {e}"))?;
    let mut flash = Vec::new();
    for segment in &elf.segments {
        let offset = segment.address.checked_sub(FLASH_BASE).ok_or("a segment lies below flash")? as usize;
        flash.resize(flash.len().max(offset + segment.bytes.len()), 0xff);
        flash[offset..offset + segment.bytes.len()].copy_from_slice(&segment.bytes);
    }
    let mut machine = electron(flash, &DeviceSettings { semihosting: true, ..DeviceSettings::default() })?;
    match machine.run_until_cycle(1 << 40)? {
        Stop::HostCall => println!("instructions {}", machine.instructions()),
        other => return Err(format!("{path}: ended with {other:?} instead of a host call").into()),
    }
    if machine.skipped_cycles() != 0 {
        return Err(format!("{path}: {} cycles were skipped as idle, not executed", machine.skipped_cycles()).into());
    }
    if !machine.observer.faults().is_empty() {
        return Err(format!("{path}: {:?}", machine.observer.faults()).into());
    }
    Ok(())
}
