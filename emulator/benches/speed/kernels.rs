//! The five kernels, and how they are measured.

use std::error::Error;
use std::path::Path;

use crate::engines::{EngineKind, Engines};

/// A kernel of `firmware-images/guest-tests/bench.S`.
#[derive(Debug)]
struct Kernel {
    name: &'static str,
    /// Rounds of its loop, a word of its literal pool.
    rounds: u32,
    /// How often the loop is repeated here, so that start-up is small beside it.
    times: u32,
}

const KERNELS: [Kernel; 5] = [
    Kernel { name: "integer", rounds: 10_000_000, times: 20 },
    Kernel { name: "memory", rounds: 97_656, times: 4 },
    Kernel { name: "branch", rounds: 13_333_333, times: 5 },
    Kernel { name: "call", rounds: 6_250_000, times: 4 },
    Kernel { name: "mmio", rounds: 16_666_667, times: 1 },
];

/// A kernel's figures.
#[derive(Debug)]
pub struct KernelResult {
    /// Its name.
    pub name: &'static str,
    /// Instructions of the measured part.
    pub instructions: u64,
    /// CPU seconds, by round, then in the order of [`EngineKind::ALL`].
    pub seconds: Vec<[f64; EngineKind::ALL.len()]>,
}

impl KernelResult {
    /// Median of the million instructions per second.
    pub fn mips(&self, engine: usize) -> f64 {
        median(self.seconds.iter().map(|round| self.instructions as f64 / round[engine] / 1e6).collect())
    }

    /// Median of how many times faster our machine was than another engine in the same round.
    pub fn ratio(&self, engine: usize) -> f64 {
        median(self.seconds.iter().map(|round| round[engine] / round[0]).collect())
    }
}

/// The middle value.
pub fn median(mut values: Vec<f64>) -> f64 {
    values.sort_by(f64::total_cmp);
    let middle = values.len() / 2;
    if values.len() % 2 == 1 { values[middle] } else { (values[middle - 1] + values[middle]) / 2.0 }
}

/// Measures all kernels, or the one named.
pub fn measure(engines: &Engines, rounds: usize, only: Option<&str>) -> Result<Vec<KernelResult>, Box<dyn Error>> {
    let folder = tempfile::tempdir()?;
    let built = Path::new(env!("CARGO_MANIFEST_DIR")).join("../firmware-images/built");
    let mut results = Vec::new();
    for kernel in KERNELS.iter().filter(|k| only.is_none_or(|name| name == k.name)) {
        let path = built.join(format!("bench-{}.elf", kernel.name));
        let elf = std::fs::read(&path).map_err(|e| format!("{}: {e}", path.display()))?;
        let short = folder.path().join(format!("{}-1.elf", kernel.name));
        let long = folder.path().join(format!("{}.elf", kernel.name));
        std::fs::write(&short, with_rounds(&elf, kernel.rounds, 1)?)?;
        std::fs::write(&long, with_rounds(&elf, kernel.rounds, kernel.rounds * kernel.times)?)?;
        let instructions = count(engines, &long)? - count(engines, &short)?;
        let mut result = KernelResult { name: kernel.name, instructions, seconds: Vec::new() };
        for round in 0..rounds {
            let mut seconds = [0.0; EngineKind::ALL.len()];
            // Each round starts with another engine, so that none always follows the same.
            for i in 0..seconds.len() {
                let engine = (i + round) % seconds.len();
                let (start_up, _) = engines.run(EngineKind::ALL[engine], &short)?;
                let (whole, _) = engines.run(EngineKind::ALL[engine], &long)?;
                seconds[engine] = whole.saturating_sub(start_up).as_secs_f64();
            }
            eprintln!("{:8} round {}: {seconds:.3?} s", kernel.name, round + 1);
            result.seconds.push(seconds);
        }
        results.push(result);
    }
    Ok(results)
}

fn count(engines: &Engines, elf: &Path) -> Result<u64, Box<dyn Error>> {
    let (_, output) = engines.run(EngineKind::Exact, elf)?;
    let count = output.trim().strip_prefix("instructions ").ok_or("the machine did not say its instruction count")?;
    Ok(count.parse()?)
}

/// The ELF with another number of rounds in its literal pool.
fn with_rounds(elf: &[u8], from: u32, to: u32) -> Result<Vec<u8>, String> {
    let places: Vec<usize> =
        (0..elf.len()).step_by(4).filter(|&at| elf.get(at..at + 4) == Some(&from.to_le_bytes()[..])).collect();
    let [at] = places[..] else {
        return Err(format!("the number of rounds, {from}, stands {} times in the kernel", places.len()));
    };
    let mut elf = elf.to_vec();
    elf[at..at + 4].copy_from_slice(&to.to_le_bytes());
    Ok(elf)
}
