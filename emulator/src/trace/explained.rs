//! A recorded run, explained: executed again up to its findings, and back to whoever damaged what led to them.

use std::collections::BTreeSet;

use lockstep_engine::{Watch, WatchKind};

use super::rerun::{Checkpoint, Rerun};
use crate::Stop;
use crate::explain::{Evidence, Explanation, Finding as Said, LastWrite, Moment, Reason};
use crate::observe::cause_text;
use crate::oracle::Finding;
use crate::places::Places;
use crate::setup::SetupError;
use crate::watch::Accessor;

/// A run is kept at each multiple of this, in picoseconds, to go back to.
const KEPT_EVERY_PS: u64 = 5_000_000_000_000;
/// So many of these states; half of them are given up when there are more.
const KEPT_MAX: usize = 64;
/// The run is looked at at multiples of this, in picoseconds, when its scenario looks too.
const LOOK_PS: u64 = 10_000_000_000;

/// A finding of the run and the moment it is about.
struct Found {
    finding: Option<Finding>,
    moment: Moment,
}

/// Runs to `end_ps` and explains what was found on the way, the gravest first. A run without a finding is explained as it
/// is at its end. `progress` is told the virtual time reached; it gives `false` to end the run there.
pub fn explain_run(
    run: &mut Rerun,
    end_ps: u64,
    mut progress: impl FnMut(u64) -> bool,
) -> Result<Vec<Explanation>, SetupError> {
    run.machine_mut().observer.keep_history();
    let mut kept: Vec<Checkpoint> = vec![run.checkpoint()];
    let mut next_kept_ps = KEPT_EVERY_PS;
    let mut every_ps = KEPT_EVERY_PS;
    let mut found: Vec<Found> = Vec::new();
    let mut findings: Vec<Finding> = Vec::new();
    let mut known = BTreeSet::new();
    loop {
        let now_ps = run.machine().now().time_ps;
        if now_ps >= end_ps || run.is_over() || !progress(now_ps) {
            break;
        }
        run.run_to(u64::MAX, end_ps.min((now_ps / LOOK_PS + 1) * LOOK_PS))?;
        for finding in run.take_shown().findings {
            // What is no failure is told, and no moment to explain.
            if finding.kind.is_failure() && known.insert((finding.kind, finding.signature.clone())) {
                found.push(Found { finding: Some(finding.clone()), moment: Moment::of(run.machine()) });
            }
            findings.push(finding);
        }
        if run.machine().now().time_ps >= next_kept_ps {
            kept.push(run.checkpoint());
            if kept.len() > KEPT_MAX {
                every_ps *= 2;
                kept = kept.into_iter().step_by(2).collect();
            }
            next_kept_ps += every_ps;
        }
    }
    // Faults, lock-ups and SOS are kept at the very moment; what an oracle says of them later adds nothing.
    let moments = run.machine().observer.history().map_or(&[][..], |history| history.moments()).to_vec();
    found.retain(|found| found.finding.as_ref().is_none_or(|finding| !finding.kind.is_of_a_moment()));
    found.extend(moments.into_iter().map(|moment| Found { finding: None, moment }));
    if found.is_empty() {
        found.push(Found { finding: None, moment: Moment::of(run.machine()) });
    }
    found.sort_by_key(|found| (gravity(found), found.moment.now.time_ps));

    let said: Vec<Said> = findings.iter().map(say).collect();
    let observer = run.machine().observer.clone();
    let resets: Vec<(u64, String)> =
        observer.resets().iter().map(|reset| (reset.now.time_ps, cause_text(reset.cause))).collect();
    let symbols = run.symbols.clone();
    let mut explanations = Vec::new();
    for Found { moment, .. } in &found {
        let places = Places::new(symbols.clone(), &moment.flash);
        let mut evidence = Evidence {
            moment,
            findings: &said,
            led: observer.led().changes(),
            resets: &resets,
            places: &places,
            last_write: None,
        };
        let first = Explanation::of(&evidence);
        let slot = first.fault.as_ref().and_then(|fault| fault.returned_by.as_ref()).map(|slot| slot.slot);
        let last_write = match slot {
            Some(slot) => last_write(run, &kept, slot, moment.instructions)?,
            None => None,
        };
        explanations.push(match &last_write {
            Some(write) => {
                evidence.last_write = Some(write);
                Explanation::of(&evidence)
            }
            None => first,
        });
    }
    Ok(explanations)
}

fn say(finding: &Finding) -> Said {
    Said { kind: finding.kind.name().to_owned(), time_ps: finding.time_ps, text: finding.text.clone() }
}

fn gravity(found: &Found) -> u8 {
    match (&found.finding, found.moment.reason) {
        (Some(finding), _) => finding.kind.gravity(),
        (None, Reason::Fault(_) | Reason::LockUp) => 0,
        (None, Reason::Sos { .. }) => 2,
        (None, Reason::Asked) => u8::MAX,
    }
}

/// Who wrote to the word at an address last, before so many instructions had been executed: found by executing the run
/// again from the states that were kept, the last one first.
fn last_write(
    run: &mut Rerun,
    kept: &[Checkpoint],
    address: u32,
    instructions: u64,
) -> Result<Option<LastWrite>, SetupError> {
    let watch = Watch { address, length: 4, kind: WatchKind::Write };
    for checkpoint in kept.iter().rev().filter(|checkpoint| checkpoint.snapshot.instructions < instructions) {
        run.restore(checkpoint)?;
        run.machine_mut().observer.watch_tasks();
        run.machine_mut().set_watchpoints(&[watch]);
        let word = |run: &Rerun| run.machine().world.memory.peek_word(address).unwrap_or(0);
        let (mut last, mut before) = (None, word(run));
        while run.machine().instructions() < instructions && !run.is_over() {
            let Stop::Watchpoint(hit) = run.run(instructions, u64::MAX)? else { continue };
            let machine = run.machine();
            let memory = &machine.world.memory;
            let after = word(run);
            let (pc, task) = match hit.by {
                Accessor::Instruction { pc, .. } => {
                    (pc, machine.observer.task_clock().and_then(|clock| clock.running(memory)))
                }
                _ => (0, None),
            };
            last = Some(LastWrite {
                address: hit.address,
                bytes: hit.size,
                before,
                after,
                time_ps: machine.now().time_ps,
                pc,
                sp: machine.registers().sp(),
                task,
            });
            before = after;
        }
        run.machine_mut().set_watchpoints(&[]);
        if last.is_some() {
            return Ok(last);
        }
    }
    Ok(None)
}
