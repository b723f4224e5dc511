//! The results as Markdown.

use std::fmt::Write;

use crate::engines::EngineKind;
use crate::firmware::Part;
use crate::kernels::KernelResult;

/// What was measured on.
pub fn host() -> String {
    let info = std::fs::read_to_string("/proc/cpuinfo").unwrap_or_default();
    let model = info.lines().find_map(|line| line.strip_prefix("model name")).unwrap_or("unknown processor");
    let cores = std::thread::available_parallelism().map_or(1, usize::from);
    let load = std::fs::read_to_string("/proc/loadavg").unwrap_or_default();
    let load = load.split(' ').next().unwrap_or("?").to_owned();
    format!("{}, {cores} cores, load {load} at the start", model.trim_start_matches(['\t', ' ', ':']))
}

/// MIPS and ratios.
pub fn kernels(results: &[KernelResult]) -> String {
    let mut text = String::from("\n| MIPS of CPU time | million instructions |");
    let engines = EngineKind::ALL;
    for engine in engines {
        let _ = write!(text, " {} |", engine.name());
    }
    let _ = write!(text, "\n|---|{}\n", "---:|".repeat(engines.len() + 1));
    for result in results {
        let _ = write!(text, "| {} | {:.0} |", result.name, result.instructions as f64 / 1e6);
        for index in 0..engines.len() {
            let _ = write!(text, " {:.0} |", result.mips(index));
        }
        text.push('\n');
    }
    text.push_str("\n| lockstep exact is … times as fast as |");
    for engine in &engines[1..] {
        let _ = write!(text, " {} |", engine.name());
    }
    let _ = write!(text, "\n|---|{}\n", "---:|".repeat(engines.len() - 1));
    for result in results {
        let _ = write!(text, "| {} |", result.name);
        for index in 1..engines.len() {
            let _ = write!(text, " {:.2} |", result.ratio(index));
        }
        text.push('\n');
    }
    text.push_str("| geometric mean |");
    for index in 1..engines.len() {
        let sum: f64 = results.iter().map(|result| result.ratio(index).ln()).sum();
        let _ = write!(text, " {:.2} |", (sum / results.len() as f64).exp());
    }
    text.push('\n');
    text
}

/// Virtual seconds per host second.
pub fn firmware(version: &str, parts: &[Part]) -> String {
    let mut text = format!(
        "\n| genuine {version} | virtual s | CPU s | virtual s per CPU s | million instructions |\n|---|---:|---:|---:|---:|\n"
    );
    for part in parts {
        let _ = writeln!(
            text,
            "| {} | {:.2} | {:.3} | {:.1} | {:.0} |",
            part.name,
            part.virtual_s,
            part.host_s,
            part.virtual_s / part.host_s,
            part.instructions as f64 / 1e6
        );
    }
    text
}
