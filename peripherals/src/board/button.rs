//! A push button: contacts that bounce when pressed and when released.

use std::collections::VecDeque;

use lockstep_traces::Decisions;
use serde::{Deserialize, Serialize};

use crate::device::Pin;
use crate::time::PS_PER_US;

/// Most times the contact opens again after it first closed.
const BOUNCES: u64 = 4;
/// Shortest and longest time between two bounces in microseconds; small tactile switches settle within about 5 ms.
const BOUNCE_US: (u64, u64) = (20, 600);

/// A change of the contact.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
struct Edge {
    time_ps: u64,
    closed: bool,
}

/// A button that connects a pin to ground. The pin is pulled up by the chip or the board.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub struct Button {
    pin: Pin,
    closed: bool,
    edges: VecDeque<Edge>,
}

impl Button {
    /// A released button on a pin: MODE is on PC7.
    pub fn new(pin: Pin) -> Self {
        Self { pin, closed: false, edges: VecDeque::new() }
    }

    /// The pin it is on.
    pub fn pin(&self) -> Pin {
        self.pin
    }

    /// A finger presses it. How often and for how long it bounces is drawn from the decision stream `board.button`; at
    /// time 0 it does not: what is held when power comes up was pressed before.
    pub fn press(&mut self, now_ps: u64, decisions: &mut Decisions) {
        self.change(true, now_ps, decisions);
    }

    /// The finger lets go.
    pub fn release(&mut self, now_ps: u64, decisions: &mut Decisions) {
        self.change(false, now_ps, decisions);
    }

    /// When the contact changes next: call [`Button::take_level`] then.
    pub fn next_edge_ps(&self) -> Option<u64> {
        self.edges.front().map(|edge| edge.time_ps)
    }

    /// Takes the next change if it is due: what the button drives the pin to, `Some(false)` closed and `None` open.
    pub fn take_level(&mut self, now_ps: u64) -> Option<Option<bool>> {
        let edge = self.edges.front().copied().filter(|edge| edge.time_ps <= now_ps)?;
        self.edges.pop_front();
        self.closed = edge.closed;
        Some(if self.closed { Some(false) } else { None })
    }

    fn change(&mut self, closed: bool, now_ps: u64, decisions: &mut Decisions) {
        // A new movement ends the bouncing of the last one, wherever the contact is just then.
        self.edges.clear();
        if self.closed == closed {
            return;
        }
        // What is held when power comes up was pressed before, and has settled.
        let bounces = if now_ps == 0 { 0 } else { decisions.draw(now_ps, "board.button", "bounces", 0, BOUNCES) };
        let mut time_ps = now_ps;
        self.edges.push_back(Edge { time_ps, closed });
        for _ in 0..bounces {
            for closed in [!closed, closed] {
                let gap_us = decisions.draw(now_ps, "board.button", "bounce_us", BOUNCE_US.0, BOUNCE_US.1);
                time_ps = time_ps.saturating_add(gap_us * PS_PER_US);
                self.edges.push_back(Edge { time_ps, closed });
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;
    use crate::device::Port;
    use crate::time::PS_PER_MS;

    /// All levels until the contact is at rest, with the time it took.
    fn settle(button: &mut Button, start_ps: u64) -> (Vec<Option<bool>>, u64) {
        let (mut levels, mut end_ps) = (Vec::new(), start_ps);
        while let Some(edge_ps) = button.next_edge_ps() {
            end_ps = edge_ps;
            if let Some(before_ps) = edge_ps.checked_sub(1) {
                assert_eq!(button.take_level(before_ps), None);
            }
            levels.extend(button.take_level(edge_ps));
        }
        (levels, end_ps)
    }

    proptest! {
        #[test]
        fn a_press_ends_closed_and_a_release_open(seed: u64) {
            let mut decisions = Decisions::new(seed);
            let mut button = Button::new(Pin::new(Port::C, 7));
            button.press(PS_PER_MS, &mut decisions);
            let (levels, end_ps) = settle(&mut button, PS_PER_MS);
            prop_assert_eq!((levels.first(), levels.last()), (Some(&Some(false)), Some(&Some(false))));
            prop_assert!(levels.windows(2).all(|pair| pair[0] != pair[1]), "each edge is a change");
            prop_assert!(end_ps - PS_PER_MS <= 5 * PS_PER_MS);
            button.release(end_ps, &mut decisions);
            let (levels, _) = settle(&mut button, end_ps);
            prop_assert_eq!((levels.first(), levels.last()), (Some(&None), Some(&None)));
        }
    }

    #[test]
    fn some_seeds_bounce_and_a_tap_faster_than_the_bounce_still_ends_open() {
        let bounces = (0..50).filter(|seed| {
            let mut button = Button::new(Pin::new(Port::C, 7));
            button.press(PS_PER_MS, &mut Decisions::new(*seed));
            settle(&mut button, PS_PER_MS).0.len() > 1
        });
        assert!((20..50).contains(&bounces.count()));
        let mut held = Button::new(Pin::new(Port::C, 7));
        held.press(0, &mut Decisions::new(3));
        assert_eq!(settle(&mut held, 0).0, [Some(false)], "held since before power-on");
        let mut decisions = Decisions::new(3);
        let mut button = Button::new(Pin::new(Port::C, 7));
        button.press(10, &mut decisions);
        button.take_level(10);
        button.release(20, &mut decisions);
        assert_eq!(settle(&mut button, 20).0.last(), Some(&None));
    }
}
