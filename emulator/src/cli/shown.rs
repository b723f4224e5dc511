//! Shows what a run that is followed shows.

use lockstep::led::LedChange;
use lockstep::trace::{Rerun, Shown};
use lockstep::unmodelled::{FirstUse, UnmodelledObserver};
use lockstep_images::SymbolTable;

use super::CliError;
use super::outside::{Crossing, describe_inbound, describe_outbound};
use super::show::{Event, Lines, Show, event_time_ps, found, translate};

/// Puts what is shown into order and hands it on.
pub struct Shower {
    show: Box<dyn Show>,
    lines: Lines,
    led_changes: usize,
    unmodelled: UnmodelledObserver,
    symbols: SymbolTable,
}

impl Shower {
    /// Of a run at its beginning.
    pub fn new(show: Box<dyn Show>, run: &mut Rerun) -> Self {
        Self {
            show,
            lines: Lines::default(),
            led_changes: run.machine().observer.led().changes().len(),
            unmodelled: UnmodelledObserver::new(run.machine_mut()),
            symbols: run.symbols.clone(),
        }
    }

    /// What was shown since the last call.
    pub fn show(&mut self, run: &mut Rerun, shown: &Shown) -> Result<(), CliError> {
        let mut events = Vec::new();
        for (time_ps, bytes) in &shown.console {
            for byte in bytes {
                events.extend(self.lines.byte("guest", *byte, *time_ps));
            }
        }
        let crossing = |time_ps, is_outbound, text| Event::Crossing(Crossing { time_ps, is_outbound, text });
        events.extend(shown.outbound.iter().map(|(time_ps, event)| crossing(*time_ps, true, describe_outbound(event))));
        events.extend(shown.inbound.iter().map(|(time_ps, event)| crossing(*time_ps, false, describe_inbound(event))));
        let seen = shown.seen.iter().cloned();
        events.extend(seen.filter_map(|seen| translate(seen, &mut self.lines)));
        events.extend(self.lines.stale(run.machine().now().time_ps));
        let changes = run.machine().observer.led().changes();
        let new = changes.get(self.led_changes..).unwrap_or_default().iter();
        events.extend(new.map(|LedChange { time_ps, state }| Event::Led { time_ps: *time_ps, state: *state }));
        self.led_changes = changes.len();
        let first_uses = self.unmodelled.look(run.machine_mut()).into_iter();
        events.extend(first_uses.map(|FirstUse { time_ps, name, pc }| Event::Unmodelled { time_ps, name, pc }));
        events.extend(found(&shown.findings, run.machine().now().time_ps));
        self.tell(events)
    }

    /// The run is over: what is left, and the end.
    pub fn end(&mut self) -> Result<(), CliError> {
        let left = self.lines.stale(u64::MAX);
        self.tell(left)?;
        self.show.end()
    }

    fn tell(&mut self, mut events: Vec<Event>) -> Result<(), CliError> {
        events.sort_by_key(event_time_ps);
        events.iter().try_for_each(|event| self.show.event(event, &self.symbols))
    }
}
