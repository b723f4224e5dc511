//! The commands behind GDB's `monitor`.

use std::path::Path;

use lockstep_modem::duration::parse_duration_ps;

use super::debuggee::Debuggee;
use super::history::{Position, Went};
use super::{Debugger, peripherals};
use crate::setup::duration::seconds;

const HELP: &str = "\
time                    virtual time, instructions, cycles, how far back the history goes
goto TIME               go there, forwards or back: 12.5s, 300ms (virtual time since power-on)
goto #N                 go to where N instructions have been executed
event [N]               the last N events (AT lines, resets, faults, cloud), and the next ones as far as known
tasks                   RTOS tasks
modem                   power, registration, PDP contexts
sockets                 the modem's sockets
peripherals             registers of core and chip, exceptions active and pending
hash                    hash of the whole state
snapshot FILE           write the state, for lockstep run --snapshot-in FILE
core FILE               write an ELF core file, for gdb-multiarch -c FILE
step-interrupts on|off  whether a single step goes into an interrupt that comes (default: off)
allow-writes on|off     whether memory and registers may be written, which makes it another run (default: off)
After goto, GDB still shows what it knew: the next stepi (or anything that lets the run go on) only shows where it is.
";

/// Longest text of a command that is repeated in an answer.
const QUOTE_MAX: usize = 40;

impl<D: Debuggee> Debugger<D> {
    /// Does a command; the lines of the answer.
    pub(super) fn monitor(&mut self, command: &[u8]) -> Result<Vec<String>, D::Error> {
        let text = String::from_utf8_lossy(command);
        let text = text.trim();
        let (name, rest) = text.split_once(char::is_whitespace).unwrap_or((text, ""));
        let rest = rest.trim();
        Ok(match name {
            "" | "help" => lines(HELP),
            "time" => self.time(),
            "goto" => self.go_to(rest)?,
            "event" | "events" => self.events(rest),
            "tasks" => self.tasks(),
            "modem" => self.modem(),
            "sockets" => self.sockets(),
            "peripherals" => peripherals::dump(self.history.debuggee()),
            "hash" => {
                let position = self.history.position();
                let hash = self.history.debuggee_mut().machine_mut().state_hash();
                vec![format!("hash {} {hash} {}", position.instructions, seconds(position.time_ps))]
            }
            "snapshot" => self.snapshot(rest),
            "core" => self.core_file(rest),
            "step-interrupts" => switch(rest, &mut self.steps_into_interrupts, "single steps go into interrupts"),
            "allow-writes" => switch(rest, &mut self.allows_writes, "writes are allowed; they make it another run"),
            other => vec![format!("no such command: {:.QUOTE_MAX$}; `monitor help` lists them", other)],
        })
    }

    fn time(&mut self) -> Vec<String> {
        let (now, begin) = (self.history.position(), self.history.begin());
        let changed = if self.is_changed { "; CHANGED by writes: not the run that was started" } else { "" };
        vec![
            format!("{} s, {} instructions, {} cycles{changed}", seconds(now.time_ps), now.instructions, now.cycles),
            format!(
                "history from {} s (instruction {}), {} states kept",
                seconds(begin.time_ps),
                begin.instructions,
                self.history.marks()
            ),
        ]
    }

    fn go_to(&mut self, place: &str) -> Result<Vec<String>, D::Error> {
        let begin = self.history.begin();
        let place = match place.strip_prefix('#') {
            Some(number) => match number.trim().parse() {
                Ok(instructions) => Position::after(instructions),
                Err(_) => {
                    return Ok(vec![format!("{number:.QUOTE_MAX$} is not a number of instructions: goto #123456")]);
                }
            },
            None => match parse_duration_ps(place) {
                Ok(time_ps) => Position { instructions: 0, cycles: 0, time_ps },
                Err(error) => return Ok(vec![error]),
            },
        };
        let is_before = if place.time_ps > 0 || place.instructions == 0 {
            place.time_ps < begin.time_ps
        } else {
            place.instructions < begin.instructions
        };
        if is_before {
            let (at, count) = (seconds(begin.time_ps), begin.instructions);
            return Ok(vec![format!("that is before the history begins: {at} s, instruction {count}")]);
        }
        let end_ps = self.end_ps;
        if place.time_ps > end_ps {
            return Ok(vec![format!("that is after the end of the run, {} s", seconds(end_ps))]);
        }
        let went = if place.time_ps > 0 {
            self.history.go_to_time(place.time_ps, &mut || false)?
        } else {
            self.history.go_to_within(place, end_ps, &mut || false)?
        };
        self.moved();
        self.is_elsewhere = true;
        let mut lines = self.time();
        if went != Went::Reached {
            lines.push("interrupted on the way".to_owned());
        }
        lines.push("now stepi: it only has GDB see where it is".to_owned());
        Ok(lines)
    }

    fn events(&mut self, count: &str) -> Vec<String> {
        let count = count.parse().unwrap_or(10);
        let now_ps = self.history.position().time_ps;
        let (before, after) = self.events.around(now_ps, count);
        let line = |event: &&super::events::Event| format!("{:>13}  {}", seconds(event.0), event.1);
        let mut lines: Vec<String> = before.iter().map(line).collect();
        lines.push(format!("{:>13}  -- here --", seconds(now_ps)));
        lines.extend(after.iter().map(line));
        lines
    }

    fn tasks(&mut self) -> Vec<String> {
        let machine = self.history.debuggee().machine();
        let threads = self.threads.look(machine);
        threads
            .iter()
            .map(|thread| {
                let mark = if thread.executes { '*' } else { ' ' };
                let tcb = thread.task.as_ref().map_or(String::new(), |task| format!(" TCB {:#010x}", task.tcb));
                format!("{mark} {:>2}{tcb} {}", thread.id, thread.description())
            })
            .collect()
    }

    fn modem(&mut self) -> Vec<String> {
        let modem = &self.history.debuggee().machine().world.state.electron.modem;
        let (circuit, packet) = modem.registration();
        let mut lines = vec![
            format!("power {:?}, {} bit/s, CTS {}", modem.power_state(), modem.baud_hz(), modem.cts()),
            format!("registration: circuit {circuit:?}, packet {packet:?}"),
        ];
        for (number, profile) in modem.pdp_profiles().iter().enumerate() {
            if profile.active || !profile.parameters.is_empty() {
                let value = |tag| profile.parameters.get(&tag).map_or("-", String::as_str);
                let state = if profile.active { "active" } else { "not active" };
                lines.push(format!("PDP profile {number}: {state}, APN {}, address {}", value(1), value(7)));
            }
        }
        lines.extend(self.sockets());
        lines
    }

    fn sockets(&mut self) -> Vec<String> {
        let modem = &self.history.debuggee().machine().world.state.electron.modem;
        let sockets = modem.sockets();
        if sockets.is_empty() {
            return vec!["no socket is open".to_owned()];
        }
        let line = |socket: &lockstep_modem::SocketView| {
            let remote = socket.remote.map_or_else(|| "-".to_owned(), |remote| remote.to_string());
            format!(
                "socket {} {:?} {:?} port {} to {remote}: {} bytes unread, {} sent, {} received, {} lost",
                socket.handle,
                socket.protocol,
                socket.tcp_state,
                socket.local_port,
                socket.pending_bytes,
                socket.sent_bytes,
                socket.received_bytes,
                socket.lost_bytes
            )
        };
        sockets.iter().map(line).collect()
    }

    fn snapshot(&mut self, file: &str) -> Vec<String> {
        if file.is_empty() {
            return vec!["snapshot FILE: a name is missing".to_owned()];
        }
        let Some(write) = self.write_snapshot else {
            return vec!["snapshots cannot be written here".to_owned()];
        };
        match write(Path::new(file), &self.history.debuggee().machine().snapshot()) {
            Ok(()) => vec![format!("{file}: written")],
            Err(error) => vec![error],
        }
    }

    fn core_file(&mut self, file: &str) -> Vec<String> {
        if file.is_empty() {
            return vec!["core FILE: a name is missing".to_owned()];
        }
        match super::core_file::write_core(self.history.debuggee().machine(), Path::new(file)) {
            Ok(()) => vec![format!("{file}: written")],
            Err(error) => vec![format!("{file}: {error}")],
        }
    }
}

fn switch(word: &str, state: &mut bool, what: &str) -> Vec<String> {
    match word {
        "on" => *state = true,
        "off" => *state = false,
        "" => {}
        _ => return vec!["say on or off".to_owned()],
    }
    vec![format!("{}: {what}", if *state { "on" } else { "off" })]
}

fn lines(text: &str) -> Vec<String> {
    text.lines().map(str::to_owned).collect()
}
