//! The link between modem and peers: when a packet arrives, if it does.

use lockstep_traces::Decisions;
use serde::{Deserialize, Serialize};

use super::nat::NatConfig;
use crate::time::{DurationRange, PS_PER_S};

/// How often something happens, in millionths. At 0 nothing is drawn.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
pub struct Probability {
    /// Millionths.
    pub ppm: u32,
}

impl Probability {
    const CERTAIN_PPM: u32 = 1_000_000;

    /// From per cent.
    pub const fn percent(percent: u32) -> Self {
        Self { ppm: percent.saturating_mul(10_000) }
    }

    fn happens(self, time_ps: u64, stream: &str, what: &str, decisions: &mut Decisions) -> bool {
        self.ppm > 0 && decisions.draw(time_ps, stream, what, 1, u64::from(Self::CERTAIN_PPM)) <= u64::from(self.ppm)
    }
}

/// One direction.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct DirectionConfig {
    /// One-way latency, drawn for each packet: the width of the range is the jitter. A packet overtakes none, unless
    /// that one is held back. The default fits the logs of real hardware: connect 480 ms, echo about 530 ms after the
    /// last payload byte.
    pub latency: DurationRange,
    /// Bits per second; 0 is without limit.
    pub bandwidth_bps: u64,
    /// Bytes that wait for a slow link; a packet that does not fit any more is lost.
    pub queue_bytes: usize,
    /// Packets lost.
    pub loss: Probability,
    /// Packets held back, so that later ones overtake them.
    pub reordering: Probability,
    /// How long they are.
    pub reordering_delay: DurationRange,
    /// Packets that arrive twice.
    pub duplication: Probability,
}

impl Default for DirectionConfig {
    fn default() -> Self {
        Self {
            latency: DurationRange::ms(225, 265),
            bandwidth_bps: 0,
            queue_bytes: 65_536,
            loss: Probability::default(),
            reordering: Probability::default(),
            reordering_delay: DurationRange::ms(50, 500),
            duplication: Probability::default(),
        }
    }
}

/// A time in which nothing passes, and neither end is told.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Outage {
    /// Its beginning, in picoseconds.
    pub from_ps: u64,
    /// The first instant after it.
    pub to_ps: u64,
}

/// What lies between the modem and its peers.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct LinkConfig {
    /// From the modem.
    pub uplink: DirectionConfig,
    /// To the modem.
    pub downlink: DirectionConfig,
    /// When nothing passes.
    pub outages: Vec<Outage>,
    /// Address translation behind it.
    pub nat: NatConfig,
}

impl LinkConfig {
    /// Whether an outage is on.
    pub fn is_out(&self, time_ps: u64) -> bool {
        self.outages.iter().any(|outage| (outage.from_ps..outage.to_ps).contains(&time_ps))
    }
}

/// What one direction remembers.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub(super) struct Direction {
    /// When the last packet has left the queue.
    busy_until_ps: u64,
    /// When the last packet that was not held back arrives.
    last_arrival_ps: u64,
}

impl Direction {
    /// A packet of `bytes` is sent: when its copies arrive. None: it is lost.
    pub fn carry(
        &mut self,
        config: &DirectionConfig,
        time_ps: u64,
        bytes: usize,
        stream: &str,
        decisions: &mut Decisions,
    ) -> Vec<u64> {
        let Some(left_ps) = self.leave_queue(config, time_ps, bytes) else { return Vec::new() };
        if config.loss.happens(time_ps, stream, "loss", decisions) {
            return Vec::new();
        }
        let latency_ps = config.latency.draw_ps(time_ps, stream, "latency_us", decisions);
        let mut arrival_ps = self.last_arrival_ps.max(left_ps.saturating_add(latency_ps));
        if config.reordering.happens(time_ps, stream, "reordering", decisions) {
            let delay_ps = config.reordering_delay.draw_ps(time_ps, stream, "reordering_delay_us", decisions);
            arrival_ps = arrival_ps.saturating_add(delay_ps);
        } else {
            self.last_arrival_ps = arrival_ps;
        }
        let copies = if config.duplication.happens(time_ps, stream, "duplication", decisions) { 2 } else { 1 };
        vec![arrival_ps; copies]
    }

    /// Whatever is sent from now on arrives at this time at the earliest, in its order: the other direction, and whatever
    /// else happens, get ahead of it.
    pub fn hold(&mut self, until_ps: u64) {
        self.last_arrival_ps = self.last_arrival_ps.max(until_ps);
    }

    /// When a packet has been sent with the link's bandwidth; `None` if the queue is full.
    fn leave_queue(&mut self, config: &DirectionConfig, time_ps: u64, bytes: usize) -> Option<u64> {
        if config.bandwidth_bps == 0 {
            return Some(time_ps);
        }
        let (bits_per_s, ps_per_s) = (u128::from(config.bandwidth_bps), u128::from(PS_PER_S));
        let waiting_ps = self.busy_until_ps.saturating_sub(time_ps);
        let waiting_bytes = u128::from(waiting_ps) * bits_per_s / 8 / ps_per_s;
        if waiting_ps > 0 && waiting_bytes + bytes as u128 > config.queue_bytes as u128 {
            return None;
        }
        let sending_ps = u64::try_from(bytes as u128 * 8 * ps_per_s / bits_per_s).unwrap_or(u64::MAX);
        self.busy_until_ps = self.busy_until_ps.max(time_ps).saturating_add(sending_ps);
        Some(self.busy_until_ps)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::time::PS_PER_MS;

    fn config() -> DirectionConfig {
        DirectionConfig { latency: DurationRange::ms(10, 10), ..DirectionConfig::default() }
    }

    #[test]
    fn what_is_held_arrives_later_and_in_order() {
        let (mut direction, mut decisions) = (Direction::default(), Decisions::new(1));
        direction.hold(10 * PS_PER_S);
        let arrivals: Vec<u64> =
            (0..3).flat_map(|n| direction.carry(&config(), n * PS_PER_S, 100, "s", &mut decisions)).collect();
        assert_eq!(arrivals, [10 * PS_PER_S; 3]);
        let later = direction.carry(&config(), 20 * PS_PER_S, 100, "s", &mut decisions);
        assert!(later[0] > 20 * PS_PER_S && later[0] < 21 * PS_PER_S);
    }

    #[test]
    fn bandwidth_spaces_packets_and_a_full_queue_drops_the_last() {
        let config = DirectionConfig { bandwidth_bps: 8_000, queue_bytes: 250, ..config() };
        let (mut direction, mut decisions) = (Direction::default(), Decisions::new(1));
        let mut send = |ms| direction.carry(&config, ms * PS_PER_MS, 100, "s", &mut decisions);
        // 100 bytes take 100 ms; the first is being sent while the second waits, and no third fits.
        let ms = |arrivals: Vec<u64>| arrivals.into_iter().map(|ps| ps / PS_PER_MS).collect::<Vec<_>>();
        assert_eq!([ms(send(0)), ms(send(0)), ms(send(0))], [vec![110], vec![210], vec![]]);
        assert_eq!(ms(send(60)), [310]);
        assert!(decisions.log().is_empty());
    }

    #[test]
    fn what_is_off_draws_nothing_and_what_is_on_happens_as_often_as_said() {
        let (mut direction, mut decisions) = (Direction::default(), Decisions::new(1));
        assert_eq!(direction.carry(&config(), 0, 100, "s", &mut decisions), [10 * PS_PER_MS]);
        assert!(decisions.log().is_empty());
        let config = DirectionConfig {
            loss: Probability::percent(10),
            reordering: Probability::percent(5),
            duplication: Probability { ppm: 2_000 },
            ..config()
        };
        let (mut lost, mut twice, mut overtaken) = (0, 0, 0);
        for n in 0..100_000 {
            let arrivals = direction.carry(&config, n * PS_PER_MS, 100, "s", &mut decisions);
            lost += usize::from(arrivals.is_empty());
            twice += usize::from(arrivals.len() == 2);
            overtaken += usize::from(arrivals.first().is_some_and(|at| *at > n * PS_PER_MS + 10 * PS_PER_MS));
        }
        assert!((9_500..10_500).contains(&lost), "{lost}");
        assert!((4_200..4_800).contains(&overtaken), "{overtaken}: 5 % of what is not lost");
        assert!((120..240).contains(&twice), "{twice}");
    }
}
