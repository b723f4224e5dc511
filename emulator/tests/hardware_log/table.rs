//! The comparison of times: one row a kind, one column a firmware, and what is not near enough.

use std::fmt::Write as _;

use crate::SAME_GRID;
use crate::measures::{Measures, median};

/// Both ends of a time are rounded to 1 ms, on both sides.
const ROUNDING_MS: f64 = 2.0;
/// How far a median may be from the log's.
const NEAR: f64 = 0.2;
/// From here on the log's 10 ms steps no longer matter.
const COARSE_MS: f64 = 50.0;
/// What firmware of the log's kind waits by itself before a payload, and later firmware does not.
const WAIT_BEFORE_PAYLOAD: &str = "@ to payload";

/// Whether a kind of time is compared with this firmware.
fn is_compared(kind: &str, version: &str, logged_ms: f64, left_out: &[&str]) -> bool {
    !left_out.contains(&kind) && (version == SAME_GRID || logged_ms >= COARSE_MS && kind != WAIT_BEFORE_PAYLOAD)
}

/// The table as text (a `*`: not compared), and a sentence for each median that is not near the log's.
pub fn compare(log: &Measures, columns: &[(&str, Measures)], left_out: &[&str]) -> (String, Vec<String>) {
    let mut table = "\nMedians in milliseconds (how many); *: not compared\n\n| | hardware |".to_owned();
    for (version, _) in columns {
        let _ = write!(table, " {version} |");
    }
    let _ = write!(table, "\n|---|{}", "---|".repeat(columns.len() + 1));
    let mut unlike = Vec::new();
    for (kind, logged) in log {
        let Some(logged_ms) = median(logged) else { continue };
        let _ = write!(table, "\n| {kind} | {logged_ms} ({}) |", logged.len());
        for (version, measures) in columns {
            let times = measures.get(kind).map_or(&[][..], Vec::as_slice);
            let ours = median(times);
            let is_compared = is_compared(kind, version, logged_ms, left_out);
            let star = if is_compared { "" } else { "*" };
            let _ = match ours {
                Some(ours_ms) => write!(table, " {ours_ms} ({}){star} |", times.len()),
                None => write!(table, " –{star} |"),
            };
            let is_near = |ours_ms: f64| (ours_ms - logged_ms).abs() <= (NEAR * logged_ms).max(ROUNDING_MS);
            if is_compared && !ours.is_some_and(is_near) {
                unlike.push(format!("{kind}: {version} {ours:?} ms, hardware {logged_ms} ms"));
            }
        }
    }
    table.push('\n');
    (table, unlike)
}
