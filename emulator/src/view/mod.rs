//! The live view on a terminal: a thread of its own, fed with frames; a frame that it has no time for is dropped.

mod draw;
mod frame;
mod modem;
mod update;

use std::collections::VecDeque;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::thread::JoinHandle;
use std::time::{Duration, Instant};

use crossbeam_channel::{Receiver, RecvTimeoutError, Sender, TrySendError, bounded};
use lockstep::Machine;
use lockstep::rtos::RtosObserver;
use lockstep_images::SymbolTable;
use ratatui::DefaultTerminal;
use ratatui::crossterm::event::{self, Event as TerminalEvent, KeyCode, KeyEventKind, KeyModifiers};

use crate::cli::show::{Event, Show, event_text, event_time_ps};
use lockstep::setup::duration::seconds;

use crate::cli::CliError;
use frame::Frame;
use update::Update;

/// Host time between two frames.
const FRAME_INTERVAL: Duration = Duration::from_millis(80);
/// Host time between two looks at the keyboard.
const KEY_INTERVAL: Duration = Duration::from_millis(50);
/// Lines kept of each kind; no terminal is higher.
const LINES_KEPT: usize = 200;

/// The live view, seen from the run's side.
pub struct LiveView {
    frames: Option<Sender<Box<Frame>>>,
    thread: Option<JoinHandle<std::io::Result<()>>>,
    title: String,
    started: Instant,
    last_frame: Option<(Instant, u64, u64)>,
    rtos: RtosObserver,
    update: Option<Update>,
    modem: VecDeque<String>,
    other: VecDeque<String>,
}

impl LiveView {
    /// Takes the terminal. `stop` is set when the user wants the run to end.
    pub fn start(title: String, stop: Arc<AtomicBool>) -> Result<Self, CliError> {
        let terminal = ratatui::try_init().map_err(CliError::Output)?;
        let (frames, receiver) = bounded(1);
        let thread = std::thread::spawn(move || {
            let shown = show(terminal, &receiver, &stop);
            let restored = ratatui::try_restore();
            shown.and(restored)
        });
        Ok(Self {
            frames: Some(frames),
            thread: Some(thread),
            title,
            started: Instant::now(),
            last_frame: None,
            rtos: RtosObserver::default(),
            update: None,
            modem: VecDeque::new(),
            other: VecDeque::new(),
        })
    }

    fn close(&mut self) -> Result<(), CliError> {
        // The thread ends when nobody can send any more.
        self.frames = None;
        match self.thread.take().map(JoinHandle::join) {
            None | Some(Ok(Ok(()))) => Ok(()),
            Some(Ok(Err(error))) => Err(CliError::Output(error)),
            Some(Err(_)) => {
                ratatui::restore();
                Err(CliError::usage("the live view failed; use --plain"))
            }
        }
    }
}

impl Show for LiveView {
    fn event(&mut self, event: &Event, symbols: &SymbolTable) -> Result<(), CliError> {
        let line = format!("{:>10} {}", seconds(event_time_ps(event)), event_text(event, symbols));
        if let Event::Cloud(cloud) = event {
            Update::follow(&mut self.update, &cloud.kind);
        }
        let lines = match event {
            Event::At(_) => &mut self.modem,
            // Both have places of their own.
            Event::Stage(_) | Event::Led { .. } => return Ok(()),
            _ => &mut self.other,
        };
        if lines.len() == LINES_KEPT {
            lines.pop_front();
        }
        lines.push_back(line);
        Ok(())
    }

    fn look(&mut self, machine: &Machine) -> Result<(), CliError> {
        let now = Instant::now();
        let (before, before_ps, before_instructions) = match self.last_frame {
            Some(last) if now - last.0 < FRAME_INTERVAL => return Ok(()),
            Some(last) => last,
            None => (self.started, machine.now().time_ps, machine.instructions() - machine.skipped_instructions()),
        };
        let time_ps = machine.now().time_ps;
        let instructions = machine.instructions() - machine.skipped_instructions();
        self.last_frame = Some((now, time_ps, instructions));
        let host_s = (now - before).as_secs_f64().max(1e-9);
        let mut frame = Frame::of(machine, self.rtos.look(machine));
        frame.title.clone_from(&self.title);
        frame.speed = (time_ps - before_ps) as f64 / 1e12 / host_s;
        frame.mips = (instructions - before_instructions) as f64 / 1e6 / host_s;
        frame.update.clone_from(&self.update);
        frame.modem_lines = self.modem.iter().cloned().collect();
        frame.other_lines = self.other.iter().cloned().collect();
        match self.frames.as_ref().map(|frames| frames.try_send(Box::new(frame))) {
            // The view still draws the one before: this one is dropped.
            Some(Ok(()) | Err(TrySendError::Full(_))) => Ok(()),
            // The view ended by itself; say why.
            Some(Err(TrySendError::Disconnected(_))) | None => self.close(),
        }
    }

    fn end(&mut self) -> Result<(), CliError> {
        self.close()
    }
}

impl Drop for LiveView {
    fn drop(&mut self) {
        // On the way of an error: the error itself is told by others.
        let _ = self.close();
    }
}

fn show(mut terminal: DefaultTerminal, frames: &Receiver<Box<Frame>>, stop: &AtomicBool) -> std::io::Result<()> {
    loop {
        match frames.recv_timeout(KEY_INTERVAL) {
            Ok(frame) => {
                terminal.draw(|to| draw::draw(to, &frame))?;
            }
            Err(RecvTimeoutError::Timeout) => {}
            Err(RecvTimeoutError::Disconnected) => return Ok(()),
        }
        while event::poll(Duration::ZERO)? {
            let TerminalEvent::Key(key) = event::read()? else { continue };
            // In raw mode Ctrl-C is a key, not a signal.
            let is_interrupt = key.code == KeyCode::Char('c') && key.modifiers.contains(KeyModifiers::CONTROL);
            let is_quit = matches!(key.code, KeyCode::Char('q') | KeyCode::Esc);
            if key.kind == KeyEventKind::Press && (is_interrupt || is_quit) {
                stop.store(true, Ordering::Relaxed);
            }
        }
    }
}
