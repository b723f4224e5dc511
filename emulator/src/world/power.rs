//! What loss of power does to everything but the core.

use lockstep_peripherals::time::PS_PER_MS;

use super::{SRAM_SIZE, World};

const STREAM: &str = "board.power_loss";
/// VBAT is tied to 3.3 V by a resistor of 0 ohm (the Electron's data sheet, pin VBAT).
const BACKUP_SUPPLIED: bool = false;
/// SRAM keeps its contents so long without power, and
const SRAM_KEPT_PS: u64 = 10 * PS_PER_MS;
/// nothing of it after this. Between the two its words go one by one. Assumed: no figure is published, and both depend
/// on temperature and on what else the board's capacitors feed.
const SRAM_LOST_PS: u64 = 1_000 * PS_PER_MS;

impl World {
    /// Both supplies of the board are gone, at `cycles`, until `returns_ps`.
    pub fn power_off(&mut self, cycles: u64, returns_ps: u64) {
        let now = self.state.clock.at(cycles);
        self.reset_chip(cycles);
        let state = &mut self.state;
        state.electron.power_lost(now, &mut state.decisions);
        state.power_returns_ps = Some(returns_ps);
        let off_ps = returns_ps.saturating_sub(now.time_ps);
        // Of 65,536 words so many.
        let lost = off_ps.clamp(SRAM_KEPT_PS, SRAM_LOST_PS) - SRAM_KEPT_PS;
        let lost = lost.saturating_mul(1 << 16) / (SRAM_LOST_PS - SRAM_KEPT_PS);
        if lost > 0 {
            let seed = state.decisions.draw(now.time_ps, STREAM, "sram", 0, u64::MAX);
            self.forget_sram(seed, lost);
        }
        // The modem sees it at once.
        self.fire_events(cycles);
    }

    /// They are back.
    pub fn power_on(&mut self, cycles: u64) {
        let now = self.state.clock.at(cycles);
        self.state.power_returns_ps = None;
        // What the dead chip's model did meanwhile (a watchdog that an option byte starts) did not happen.
        self.reset_chip(cycles);
        let state = &mut self.state;
        state.electron.power_returned(now, &mut state.decisions);
    }

    fn reset_chip(&mut self, cycles: u64) {
        let now = self.state.clock.at(cycles);
        self.with_soc(now, 0, |soc, env| soc.power_on_reset(BACKUP_SUPPLIED, env));
        self.after_reset(now);
    }

    /// Words come up with values of their own: which and what follows from the seed (BLAKE3's output stream).
    fn forget_sram(&mut self, seed: u64, of_65536: u64) {
        let mut noise = vec![0; 6 * (SRAM_SIZE / 4) as usize];
        blake3::Hasher::new_derive_key("lockstep SRAM without power")
            .update(&seed.to_le_bytes())
            .finalize_xof()
            .fill(&mut noise);
        let mut content = self.memory.sram.to_vec();
        for (word, noise) in content.chunks_exact_mut(4).zip(noise.chunks_exact(6)) {
            let (chance, value) = noise.split_at(2);
            if u64::from(chance[0]) | u64::from(chance[1]) << 8 < of_65536 {
                word.copy_from_slice(value);
            }
        }
        if self.memory.sram.write(0, &content) {
            self.memory.changed_sram.push((0, SRAM_SIZE));
        }
    }
}
