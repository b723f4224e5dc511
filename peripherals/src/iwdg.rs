//! Independent watchdog (RM0033 section 17): a 12-bit down-counter on LSI.

use serde::{Deserialize, Serialize};

use crate::clock_ticks::ClockTicks;
use crate::device::{Cx, Device};
use crate::registers::{Access, Field, Register, RegisterFile};
use crate::time::{Clocks, Wake};

const TABLE: &[Register] = &[
    Register { offset: 0x00, name: "KR", reset: 0, section: "17.4.1", fields: &[Field::new("KEY", 0, 16, Access::W)] },
    Register { offset: 0x04, name: "PR", reset: 0, section: "17.4.2", fields: &[Field::new("PR", 0, 3, Access::Rw)] },
    Register {
        offset: 0x08,
        name: "RLR",
        reset: 0xfff,
        section: "17.4.3",
        fields: &[Field::new("RL", 0, 12, Access::Rw)],
    },
    Register {
        offset: 0x0c,
        name: "SR",
        reset: 0,
        section: "17.4.4",
        fields: &[Field::new("PVU", 0, 1, Access::R), Field::new("RVU", 1, 1, Access::R)],
    },
];
const KR: usize = 0;
const PR: usize = 1;
const RLR: usize = 2;
const SR: usize = 3;

const KEY_RELOAD: u32 = 0xaaaa;
const KEY_UNLOCK: u32 = 0x5555;
const KEY_START: u32 = 0xcccc;

const PVU: u32 = 1 << 0;
const RVU: u32 = 1 << 1;

/// LSI periods that an update of PR or RLR takes (RM0033 17.4.4: up to five).
const UPDATE_TICKS: u64 = 5;

/// The independent watchdog. Has no interrupt; it asks for a system reset.
///
/// Once started it runs until reset, and LSI with it: the RCC keeps LSI on while [`is_started`](Self::is_started).
#[derive(Clone, Debug, Serialize, Deserialize)]
pub struct Iwdg {
    regs: RegisterFile,
    lsi: ClockTicks,
    unlocked: bool,
    started: bool,
    /// Counter value at LSI tick `counter_tick`.
    counter: u32,
    counter_tick: u64,
    /// LSI ticks at which PVU and RVU fall.
    prescaler_updated_tick: u64,
    reload_updated_tick: u64,
    reset_request: bool,
    expired: bool,
}

impl Iwdg {
    /// After reset: not started.
    pub fn new() -> Self {
        Self {
            regs: RegisterFile::new(TABLE),
            lsi: ClockTicks::default(),
            unlocked: false,
            started: false,
            counter: 0xfff,
            counter_tick: 0,
            prescaler_updated_tick: 0,
            reload_updated_tick: 0,
            reset_request: false,
            expired: false,
        }
    }

    /// The watchdog was started, by software or by the option byte; only reset stops it.
    pub fn is_started(&self) -> bool {
        self.started
    }

    /// Starts it as the option byte WDG_SW = 0 does at reset (hardware watchdog).
    pub fn start(&mut self, cx: &mut Cx<'_>) {
        self.advance(cx);
        if !self.started {
            self.started = true;
            self.counter_tick = self.lsi.count(cx.now.time_ps);
        }
    }

    /// The counter ran out since the last call: the system is to be reset.
    pub fn take_reset_request(&mut self) -> bool {
        std::mem::take(&mut self.reset_request)
    }

    /// LSI periods per step of the counter: 4 to 256.
    fn prescaler(&self) -> u64 {
        4 << self.regs[PR].min(6)
    }

    fn expiry_tick(&self) -> u64 {
        self.counter_tick + (u64::from(self.counter) + 1) * self.prescaler()
    }
}

impl Default for Iwdg {
    fn default() -> Self {
        Self::new()
    }
}

impl Device for Iwdg {
    fn name(&self) -> &str {
        "IWDG"
    }

    fn table(&self) -> &'static [Register] {
        TABLE
    }

    fn read(&mut self, offset: u32, cx: &mut Cx<'_>) -> u32 {
        self.advance(cx);
        match RegisterFile::index_of(TABLE, offset) {
            Some(index) => self.regs[index],
            None => {
                cx.unmodelled(&format!("IWDG read offset {offset:#x}"));
                0
            }
        }
    }

    fn write(&mut self, offset: u32, value: u32, lanes: u32, cx: &mut Cx<'_>) {
        self.advance(cx);
        let tick = self.lsi.count(cx.now.time_ps);
        match RegisterFile::index_of(TABLE, offset) {
            Some(KR) => {
                let key = value & lanes & 0xffff;
                self.unlocked = key == KEY_UNLOCK;
                match key {
                    KEY_RELOAD => {
                        self.counter = self.regs[RLR];
                        self.counter_tick = tick;
                    }
                    KEY_START => self.start(cx),
                    _ => {}
                }
            }
            Some(PR) if self.unlocked && self.regs[SR] & PVU == 0 => {
                if self.started {
                    // What was counted with the old prescaler stays counted.
                    let steps = (tick - self.counter_tick) / self.prescaler();
                    self.counter = self.counter.saturating_sub(u32::try_from(steps).unwrap_or(u32::MAX));
                    self.counter_tick = tick;
                }
                self.regs.write(TABLE, PR, value, lanes, "IWDG", cx);
                self.regs[SR] |= PVU;
                self.prescaler_updated_tick = tick + UPDATE_TICKS;
            }
            Some(RLR) if self.unlocked && self.regs[SR] & RVU == 0 => {
                self.regs.write(TABLE, RLR, value, lanes, "IWDG", cx);
                self.regs[SR] |= RVU;
                self.reload_updated_tick = tick + UPDATE_TICKS;
            }
            // Locked, still updating, or read only: the write is lost.
            Some(_) => {}
            None => cx.unmodelled(&format!("IWDG write offset {offset:#x}")),
        }
    }

    fn wake(&self, _clocks: &Clocks) -> Wake {
        if self.started && !self.expired { Wake::at_time_ps(self.lsi.time_of(self.expiry_tick())) } else { Wake::NEVER }
    }

    fn advance(&mut self, cx: &mut Cx<'_>) {
        self.lsi.set_hz(cx.now.time_ps, cx.clocks.lsi_hz.unwrap_or(0));
        let tick = self.lsi.count(cx.now.time_ps);
        if self.regs[SR] & PVU != 0 && tick >= self.prescaler_updated_tick {
            self.regs[SR] &= !PVU;
        }
        if self.regs[SR] & RVU != 0 && tick >= self.reload_updated_tick {
            self.regs[SR] &= !RVU;
        }
        if self.started && !self.expired && tick >= self.expiry_tick() {
            self.expired = true;
            self.reset_request = true;
        }
    }

    fn clocks_changed(&mut self, cx: &mut Cx<'_>) {
        self.advance(cx);
    }

    fn reset(&mut self) {
        *self = Self::new();
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::testing::Bench;
    use crate::time::{PS_PER_MS, PS_PER_S};

    fn bench() -> Bench {
        let mut bench = Bench::new();
        bench.clocks.lsi_hz = Some(32_000);
        bench
    }

    fn write(iwdg: &mut Iwdg, bench: &mut Bench, offset: u32, value: u32) {
        iwdg.write(offset, value, u32::MAX, &mut bench.cx());
    }

    #[test]
    fn it_bites_at_the_manual_s_time_out_and_not_before() {
        // RM0033 table of time-outs at 32 kHz: /4 with RL 0xFFF is 512 ms.
        let mut bench = bench();
        let mut iwdg = Iwdg::new();
        write(&mut iwdg, &mut bench, 0, KEY_START);
        let wake = iwdg.wake(&bench.clocks);
        assert_eq!(wake.time_ps, 512 * PS_PER_MS);
        bench.now.time_ps = wake.time_ps - 1;
        iwdg.advance(&mut bench.cx());
        assert!(!iwdg.take_reset_request());
        bench.now.time_ps += 1;
        iwdg.advance(&mut bench.cx());
        assert!(iwdg.take_reset_request());
        assert!(!iwdg.take_reset_request());
    }

    #[test]
    fn reloading_in_time_keeps_it_quiet() {
        let mut bench = bench();
        let mut iwdg = Iwdg::new();
        write(&mut iwdg, &mut bench, 0, KEY_UNLOCK);
        write(&mut iwdg, &mut bench, 4, 6);
        write(&mut iwdg, &mut bench, 8, 1249);
        write(&mut iwdg, &mut bench, 0, KEY_RELOAD);
        write(&mut iwdg, &mut bench, 0, KEY_START);
        assert_eq!(iwdg.wake(&bench.clocks).time_ps, 10 * PS_PER_S);
        for _ in 0..5 {
            bench.now.time_ps += 9 * PS_PER_S;
            write(&mut iwdg, &mut bench, 0, KEY_RELOAD);
        }
        assert!(!iwdg.take_reset_request());
        bench.now.time_ps += 10 * PS_PER_S;
        iwdg.advance(&mut bench.cx());
        assert!(iwdg.take_reset_request());
    }

    #[test]
    fn locked_registers_do_not_change_and_updates_take_time() {
        let mut bench = bench();
        let mut iwdg = Iwdg::new();
        write(&mut iwdg, &mut bench, 4, 3);
        assert_eq!(iwdg.read(4, &mut bench.cx()), 0);
        write(&mut iwdg, &mut bench, 0, KEY_UNLOCK);
        write(&mut iwdg, &mut bench, 4, 3);
        write(&mut iwdg, &mut bench, 4, 5);
        assert_eq!(iwdg.read(4, &mut bench.cx()), 3, "the second write came during the update");
        assert_eq!(iwdg.read(12, &mut bench.cx()), PVU);
        bench.now.time_ps += 5 * PS_PER_S / 32_000;
        assert_eq!(iwdg.read(12, &mut bench.cx()), 0);
        write(&mut iwdg, &mut bench, 0, KEY_RELOAD);
        write(&mut iwdg, &mut bench, 8, 1);
        assert_eq!(iwdg.read(8, &mut bench.cx()), 0xfff, "another key locks again");
    }

    #[test]
    fn without_lsi_nothing_counts() {
        let mut bench = Bench::new();
        let mut iwdg = Iwdg::new();
        write(&mut iwdg, &mut bench, 0, KEY_START);
        assert!(iwdg.is_started());
        assert_eq!(iwdg.wake(&bench.clocks), Wake::NEVER);
        bench.now.time_ps = PS_PER_S;
        bench.clocks.lsi_hz = Some(32_000);
        iwdg.clocks_changed(&mut bench.cx());
        assert_eq!(iwdg.wake(&bench.clocks).time_ps, PS_PER_S + 512 * PS_PER_MS);
    }
}
