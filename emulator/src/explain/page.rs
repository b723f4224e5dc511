//! An explanation as a page of plain text.

use std::fmt::Write;

use lockstep_modem::network::Protocol;

use super::fault::FaultReport;
use super::moment::Reason;
use super::report::Explanation;
use super::threads::{ChainReport, FrameReport, ThreadReport};
use crate::rtos::chain::{ChainEnd, Trust};

fn seconds(ps: u64) -> String {
    format!("{:.6}", ps as f64 / 1e12)
}

/// The page.
pub fn page(explanation: &Explanation) -> String {
    let mut text = String::new();
    // Writing to a string does not fail.
    let _ = write_page(&mut text, explanation);
    text
}

fn write_page(f: &mut String, e: &Explanation) -> std::fmt::Result {
    let why = match e.reason {
        Reason::Fault(_) => "at the fault, before its handler",
        Reason::LockUp => "when the core locked up",
        Reason::Sos { .. } => "when SOS was seen",
        Reason::Asked => "at the end",
    };
    writeln!(f, "EXPLANATION  {} s virtual, {} instructions, {why}", seconds(e.time_ps), e.instructions)?;
    writeln!(f, "\nverdict")?;
    if e.findings.is_empty() {
        writeln!(f, "  no finding")?;
    }
    for finding in &e.findings {
        writeln!(f, "  {:>12} s  {}: {}", seconds(finding.time_ps), finding.kind, finding.text)?;
    }
    writeln!(f, "\nwhat the evidence says")?;
    for (number, cause) in e.causes.iter().filter(|cause| !cause.is_open).enumerate() {
        writeln!(f, "  {:>2}. {}", number + 1, cause.text)?;
        writeln!(f, "      [{}]", cause.evidence)?;
    }
    if e.causes.iter().all(|cause| cause.is_open) {
        writeln!(f, "  nothing that explains more than the state below")?;
    }
    for cause in e.causes.iter().filter(|cause| cause.is_open) {
        writeln!(f, "   ?  not known: {}", cause.text)?;
    }
    if let Some(fault) = &e.fault {
        write_fault(f, fault)?;
    }
    write_threads(f, e)?;
    write_outside(f, e)?;
    writeln!(f, "\nmodules")?;
    for module in &e.modules {
        let last = module.end.saturating_sub(1);
        writeln!(f, "  {:#010x} to {last:#010x}  {} version {}", module.start, module.name, module.version)?;
    }
    Ok(())
}

fn write_fault(f: &mut String, fault: &FaultReport) -> std::fmt::Result {
    writeln!(f, "\nfault  {} at {}, LR {}", fault.bit, fault.place, fault.lr)?;
    for words in &fault.status_words {
        writeln!(f, "  {words}")?;
    }
    for four in fault.registers.chunks(4) {
        let registers: Vec<String> = four.iter().map(|(name, value)| format!("{name:>4} {value:08x}")).collect();
        writeln!(f, "  {}", registers.join("  "))?;
    }
    writeln!(f, "  stack")?;
    let sp = fault.registers.iter().find(|(name, _)| name == "SP").map(|(_, value)| *value);
    for (address, word, name) in &fault.stack {
        let mark = if sp == Some(*address) { "SP" } else { "" };
        let slot = fault.returned_by.as_ref().filter(|slot| slot.slot == *address);
        let note = match (slot, name) {
            (Some(_), _) => "returned to from here",
            (None, Some(name)) => name,
            (None, None) => "",
        };
        writeln!(f, "{}", format!("  {mark:>4} {address:08x}  {word:08x}  {note}").trim_end())?;
    }
    let Some(slot) = &fault.returned_by else { return Ok(()) };
    for (address, _, name) in &slot.looks_like {
        let name = name.as_deref().unwrap_or_default();
        writeln!(f, "  {:08x} looks like {address:08x} {name}", slot.value)?;
    }
    if let Some(chain) = &slot.chain {
        writeln!(f, "  taken for that, the calls were, innermost first")?;
        write_chain(f, chain)?;
    }
    Ok(())
}

fn write_threads(f: &mut String, e: &Explanation) -> std::fmt::Result {
    if let Some(chain) = &e.chain {
        let known = if e.rtos_recognised { "no running thread is recognised" } else { "no RTOS is recognised" };
        writeln!(f, "\nthreads  {known}; the core is in, innermost first")?;
        write_chain(f, chain)?;
    }
    if !e.threads.is_empty() {
        writeln!(f, "\nthreads  calls innermost first; ? for a word on the stack that may be one")?;
    }
    for thread in &e.threads {
        write_thread(f, thread, e.time_ps)?;
    }
    if e.rtos_recognised {
        writeln!(f, "\nheld and waited for")?;
        if e.objects.is_empty() {
            writeln!(f, "  nothing")?;
        }
        for object in &e.objects {
            writeln!(f, "  {}", object.text)?;
        }
    }
    Ok(())
}

/// A thread in some lines, as it is at a virtual time in picoseconds.
pub fn thread_text(thread: &ThreadReport, time_ps: u64) -> String {
    let mut text = String::new();
    // Writing to a string does not fail.
    let _ = write_thread(&mut text, thread, time_ps);
    text
}

fn write_thread(f: &mut String, thread: &ThreadReport, time_ps: u64) -> std::fmt::Result {
    let task = &thread.task;
    let state = format!("{:?}", task.state).to_lowercase();
    let never_used = task.never_used_bytes.map_or(String::new(), |bytes| format!(", {bytes} never used"));
    let ran = match thread.ran_ps {
        _ if state == "running" => String::new(),
        Some(ps) => format!(", gave up the core {:.6} s ago", time_ps.saturating_sub(ps) as f64 / 1e12),
        None => ", not seen to run".to_owned(),
    };
    writeln!(
        f,
        "  {}: {state}, priority {}, {} bytes of stack free{never_used}{ran}",
        thread.title, task.priority, task.free_bytes
    )?;
    if let Some(waits) = &thread.waits {
        writeln!(f, "      {waits}")?;
    }
    match &thread.chain {
        Some(chain) => write_chain(f, chain),
        None => writeln!(f, "      its saved registers cannot be read"),
    }
}

fn write_chain(f: &mut String, chain: &ChainReport) -> std::fmt::Result {
    for stretch in &chain.stretches {
        if stretch.times > 1 {
            writeln!(f, "      x {}, {} bytes of stack each:", stretch.times, stretch.round_bytes)?;
        }
        for frame in &stretch.frames {
            write_frame(f, frame, stretch.times > 1)?;
        }
    }
    match chain.end {
        ChainEnd::Outermost { .. } => Ok(()),
        ChainEnd::BadReturn { slot, value } => {
            writeln!(f, "      returns to {value:#010x} (at {slot:#010x}), which follows no call")
        }
        ChainEnd::Lost => writeln!(f, "      no way from here to a caller is found"),
        ChainEnd::OutsideSram => writeln!(f, "      the stack pointer is not in SRAM"),
        ChainEnd::TooLong => writeln!(f, "      and more"),
    }
}

fn write_frame(f: &mut String, frame: &FrameReport, is_repeated: bool) -> std::fmt::Result {
    let mark = match frame.trust {
        Trust::Possible => "?",
        _ => " ",
    };
    let indent = if is_repeated { "  " } else { "" };
    let name = frame.name.as_deref().unwrap_or("(no name)");
    let interrupted = if frame.interrupted { ", interrupted here" } else { "" };
    writeln!(f, "    {indent}{mark} {:08x}  {name}{interrupted}", frame.pc)
}

fn write_outside(f: &mut String, e: &Explanation) -> std::fmt::Result {
    writeln!(f, "\nmodem  > to it, < from it")?;
    for line in &e.at {
        let direction = if line.to_modem { ">" } else { "<" };
        let payload = if line.is_payload { "payload " } else { "" };
        let who = line.task.map_or_else(String::new, |tcb| format!("   (while {} ran)", e.title(tcb)));
        writeln!(f, "  {:>12} s  {direction} {payload}{}{who}", seconds(line.time_ps), line.text)?;
    }
    if let Some(unanswered) = &e.unanswered {
        let age_s = unanswered.age_ps as f64 / 1e12;
        writeln!(f, "  not answered, {age_s:.3} s after it was sent: {}", unanswered.command.text)?;
    }
    writeln!(f, "\nsockets")?;
    if e.sockets.is_empty() {
        writeln!(f, "  none")?;
    }
    for socket in &e.sockets {
        let remote = socket.remote.map_or_else(|| "-".to_owned(), |remote| remote.to_string());
        let state = match socket.protocol {
            Protocol::Tcp => format!(", {:?}", socket.tcp_state),
            _ => String::new(),
        };
        writeln!(
            f,
            "  {} {:?} port {} to {remote}{state}: {} bytes unread ({} datagrams), {} sent, {} received, {} lost",
            socket.handle,
            socket.protocol,
            socket.local_port,
            socket.pending_bytes,
            socket.pending_datagrams,
            socket.sent_bytes,
            socket.received_bytes,
            socket.lost_bytes
        )?;
    }
    write_update(f, e)?;
    if !e.cloud.is_empty() {
        writeln!(f, "\ndevice service")?;
    }
    for (time_ps, text) in &e.cloud {
        writeln!(f, "  {:>12} s  {text}", seconds(*time_ps))?;
    }
    writeln!(f, "\nLED  {}", e.led)?;
    for (time_ps, text) in &e.led_changes {
        writeln!(f, "  {:>12} s  {text}", seconds(*time_ps))?;
    }
    for (time_ps, cause) in &e.resets {
        writeln!(f, "reset {:>12} s  {cause}", seconds(*time_ps))?;
    }
    Ok(())
}

fn write_update(f: &mut String, e: &Explanation) -> std::fmt::Result {
    let Some(update) = &e.update else { return Ok(()) };
    writeln!(f, "\nupdate over the air")?;
    writeln!(f, "  {:>12} s  begun: {} bytes in {} chunks", seconds(update.begun_ps), update.bytes, update.chunks)?;
    match update.ready {
        Some((time_ps, fast)) => {
            let mode = if fast { "fast" } else { "slow" };
            writeln!(f, "  {:>12} s  the device is ready, {mode} mode", seconds(time_ps))?;
            writeln!(f, "                  {} of {} chunks sent (told at each tenth)", update.sent, update.chunks)?;
        }
        None => writeln!(f, "                  the device has not said that it is ready")?,
    }
    if !update.missing.is_empty() {
        writeln!(f, "                  asked for again: {:?}", update.missing)?;
    }
    if let Some(time_ps) = update.delivered_ps {
        writeln!(f, "  {:>12} s  the device has it", seconds(time_ps))?;
    }
    if let Some((time_ps, reason)) = &update.failed {
        writeln!(f, "  {:>12} s  failed, {reason}", seconds(*time_ps))?;
    }
    Ok(())
}
