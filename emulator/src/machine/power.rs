//! Loss of power of the whole board, and its return.

use lockstep_engine::CoreRegisters;
use lockstep_peripherals::rcc::ResetCause;

use super::{CoreState, Machine};

impl Machine {
    /// Both supplies of the board, USB and battery, are gone now and come back after `off_ps`; until then nothing runs
    /// but what is outside of the board. The call only cuts: run on to let the time pass.
    ///
    /// Lost are the core, all peripherals, the backup domain (VBAT is tied to the 3.3 V supply), most or all of SRAM
    /// ([`World::power_off`](crate::world::World::power_off)), the modem's and the charger's state. Kept are flash, but
    /// for an operation under way, which the stream `flash.power_loss` decides, the option bytes, and what the modem
    /// has in its own flash.
    pub fn power_cut(&mut self, off_ps: u64) {
        let returns_ps = self.now().time_ps.saturating_add(off_ps);
        self.world.power_off(self.cycles, returns_ps);
        self.engine.set_registers(&CoreRegisters { exclusive_address: u64::MAX, ..CoreRegisters::default() });
        self.core = CoreState::Off;
        self.event = false;
    }

    /// Passes time without power; with it, starts anew.
    pub(super) fn stay_off(&mut self, returns_ps: u64, limit_cycles: u64) {
        if self.now().time_ps < returns_ps {
            let returns = self.world.state.clock.cycle_at(returns_ps);
            self.cycles = limit_cycles.min(self.world.next_event_cycle()).min(returns).max(self.cycles);
            return;
        }
        self.world.power_on(self.cycles);
        self.observer.reset(self.now(), self.instructions, ResetCause::PowerOn);
        self.reset_core();
    }

    /// Runs until `count` program and erase operations on flash have begun since the machine was made, the last of them
    /// just now, or until virtual time `time_ps`.
    pub fn run_until_flash_operation(&mut self, count: u64, time_ps: u64) -> Result<super::Stop, super::MachineError> {
        while self.world.state.soc.devices().flash.operations() < count && self.now().time_ps < time_ps {
            let stop = self.step(self.world.state.clock.cycle_at(time_ps))?;
            if stop != super::Stop::Limit {
                return Ok(stop);
            }
        }
        Ok(super::Stop::Limit)
    }
}

#[cfg(test)]
mod tests {
    use lockstep_peripherals::time::{PS_PER_MS, PS_PER_S};

    use super::*;
    use crate::electron::{DeviceSettings, electron};
    use crate::world::SRAM_BASE;

    const WRITTEN: u32 = 0x1234_5678;
    /// RCC's CSR with the reset flags (RM0033 5.3.21).
    const CSR: u32 = 0x4002_3874;
    const PORRSTF: u32 = 1 << 27;

    /// A program that writes one word of SRAM and then waits in a loop.
    fn machine() -> Machine {
        let words: [u32; 7] = [
            SRAM_BASE + 0x1000,
            0x0800_0009,
            0x4903_4802, // ldr r0, =SRAM; ldr r1, =WRITTEN
            0xe7fe_6001, // str r1, [r0]; b .
            0,
            SRAM_BASE,
            WRITTEN,
        ];
        electron(words.iter().flat_map(|word| word.to_le_bytes()).collect(), &DeviceSettings::default()).unwrap()
    }

    fn word(machine: &Machine, number: u32) -> u32 {
        machine.world.memory.peek_word(SRAM_BASE + 4 * number).unwrap()
    }

    #[test]
    fn nothing_runs_without_power_and_everything_starts_anew_with_it() {
        let mut machine = machine();
        machine.run_until_ps(PS_PER_MS).unwrap();
        let cut_ps = machine.now().time_ps;
        machine.power_cut(300 * PS_PER_MS);
        let instructions = machine.instructions();
        assert_eq!(machine.core_state(), CoreState::Off);
        machine.run_until_ps(cut_ps + 299 * PS_PER_MS).unwrap();
        assert_eq!((machine.core_state(), machine.instructions()), (CoreState::Off, instructions));
        assert_eq!(machine.observer.resets().len(), 0);
        machine.run_until_ps(cut_ps + 301 * PS_PER_MS).unwrap();
        assert_eq!(machine.core_state(), CoreState::Running);
        assert!(machine.instructions() > instructions);
        assert_eq!(
            machine.observer.resets().iter().map(|reset| reset.cause).collect::<Vec<_>>(),
            [ResetCause::PowerOn]
        );
        assert_eq!(word(&machine, 0), WRITTEN, "it has run again");
        let now = machine.now();
        let csr = machine.world.with_soc(now, 0, |soc, env| soc.read(CSR, 4, env)).unwrap();
        assert_eq!(csr & PORRSTF, PORRSTF, "{csr:#x}");
    }

    #[test]
    fn sram_is_kept_over_a_moment_and_lost_over_a_second() {
        let changed = |off_ms: u64| {
            let mut machine = machine();
            machine.run_until_ps(PS_PER_MS).unwrap();
            machine.power_cut(off_ms * PS_PER_MS);
            (1..0x8000).filter(|number| word(&machine, *number) != 0).count()
        };
        assert_eq!(changed(10), 0);
        let part = changed(505);
        assert!((0x3e00..0x4200).contains(&part), "about half: {part}");
        assert!(changed(2_000) > 0x7ff0);
    }

    /// However the time without power is cut up, also by a snapshot, the run is the same.
    #[test]
    fn stops_and_snapshots_while_off_change_nothing() {
        let begin = || {
            let mut machine = machine();
            machine.run_until_ps(PS_PER_MS).unwrap();
            machine.power_cut(PS_PER_S);
            machine
        };
        let mut plain = begin();
        plain.run_until_ps(2 * PS_PER_S).unwrap();
        let mut stopped = begin();
        for ms in [2, 10, 333, 334] {
            stopped.run_until_ps(ms * PS_PER_MS).unwrap();
        }
        let mut stopped = Machine::restore(&stopped.snapshot(), false).unwrap();
        stopped.run_until_ps(900 * PS_PER_MS).unwrap();
        stopped.run_until_ps(2 * PS_PER_S).unwrap();
        assert_eq!(stopped.state_hash(), plain.state_hash());
    }
}
