//! Explanations at the end of a run.

use lockstep::Machine;
use lockstep::explain::{Evidence, Explanation, Finding as Said, Moment};
use lockstep::places::Places;
use lockstep::rtos::Starvation;
use lockstep_images::SymbolTable;

use super::show::cause_text;
use super::summary::Finding;

/// One for each moment that was kept; one for the machine as it is if there are none, or if a thread starves.
pub fn explanations(machine: &Machine, symbols: &SymbolTable, findings: &[Finding]) -> Vec<Explanation> {
    let observer = &machine.observer;
    let mut said: Vec<Said> = findings
        .iter()
        .map(|found| Said { kind: found.kind.to_owned(), time_ps: found.time_ps, text: found.text.clone() })
        .collect();
    let starved = starved(machine);
    let is_starved = !starved.is_empty();
    said.extend(starved);
    said.sort_by_key(|said| said.time_ps);
    let resets: Vec<(u64, String)> =
        observer.resets().iter().map(|reset| (reset.now.time_ps, cause_text(reset.cause))).collect();
    let explain = |moment: &Moment| {
        let places = Places::new(symbols.clone(), &moment.flash);
        let led = observer.led().changes();
        Explanation::of(&Evidence { moment, findings: &said, led, resets: &resets, places: &places, last_write: None })
    };
    let kept = observer.history().map(|history| history.moments()).unwrap_or_default();
    let mut explanations: Vec<Explanation> = kept.iter().map(explain).collect();
    if kept.is_empty() || is_starved {
        explanations.push(explain(&Moment::of(machine)));
    }
    explanations
}

/// A thread that waits for a mutex so long is starved, in picoseconds.
const STARVED_PS: u64 = 10_000_000_000_000;

/// The threads that are starved now.
fn starved(machine: &Machine) -> Vec<Said> {
    let Some(clock) = machine.observer.task_clock() else { return Vec::new() };
    let Some(rtos) = clock.rtos(&machine.world.memory, machine.registers().psp) else { return Vec::new() };
    let now_ps = machine.now().time_ps;
    let text = |starvation: &Starvation| {
        let holder = starvation.holder.map_or_else(|| "nobody seen".to_owned(), |tcb| rtos.title(tcb));
        let for_s = now_ps.saturating_sub(starvation.waiting.since_ps) as f64 / 1e12;
        format!(
            "{} waits for {for_s:.1} s for the mutex at {:#010x}, held by {holder}",
            rtos.title(starvation.tcb),
            starvation.mutex
        )
    };
    let starved = clock.starved(now_ps, STARVED_PS);
    let said = starved.iter().map(|starvation| Said {
        kind: "starvation".to_owned(),
        time_ps: starvation.waiting.since_ps,
        text: text(starvation),
    });
    said.collect()
}
