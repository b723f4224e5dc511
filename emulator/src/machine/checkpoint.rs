//! States to come back to within one process: cheaper to keep and to restore than snapshots.

use std::rc::Rc;

use lockstep_engine::CoreRegisters;

use super::{CoreState, Machine};
use crate::observe::Observer;
use crate::world::{FLASH_BASE, SRAM_BASE, WorldState};

/// Memory is compared, and its translations are discarded, in pieces of this many bytes.
const PIECE: usize = 1024;

/// A state of a machine, kept in memory. What the observer has seen until then belongs to it.
#[derive(Clone, Debug)]
pub struct Checkpoint {
    registers: CoreRegisters,
    core: CoreState,
    event: bool,
    cycles: u64,
    instructions: u64,
    world: WorldState,
    sram: Rc<[u8]>,
    flash: Rc<[u8]>,
    observer: Observer,
}

impl Checkpoint {
    /// HCLK cycles since power-on.
    pub fn cycles(&self) -> u64 {
        self.cycles
    }

    /// Instructions executed since power-on.
    pub fn instructions(&self) -> u64 {
        self.instructions
    }
}

impl Machine {
    /// The present state. Checkpoints between which flash has not changed share its content.
    pub fn checkpoint(&mut self) -> Checkpoint {
        let generation = self.world.memory.flash_generation;
        let flash = match &self.kept_flash {
            Some((of, flash)) if *of == generation => Rc::clone(flash),
            _ => {
                let flash: Rc<[u8]> = self.world.memory.flash.to_vec().into();
                self.kept_flash = Some((generation, Rc::clone(&flash)));
                flash
            }
        };
        Checkpoint {
            registers: self.engine.registers(),
            core: self.core,
            event: self.event,
            cycles: self.cycles,
            instructions: self.instructions,
            world: self.world.state.clone(),
            sram: self.world.memory.sram.to_vec().into(),
            flash,
            observer: self.observer.clone(),
        }
    }

    /// Goes back (or forwards) to a checkpoint of this machine. Breakpoints and watchpoints stay.
    pub fn rewind(&mut self, checkpoint: &Checkpoint) {
        let memory = &mut self.world.memory;
        let mut changed = Vec::new();
        for (base, block, content) in
            [(SRAM_BASE, &memory.sram, &checkpoint.sram), (FLASH_BASE, &memory.flash, &checkpoint.flash)]
        {
            let mut present = [0; PIECE];
            for (number, piece) in content.chunks_exact(PIECE).enumerate() {
                let offset = number * PIECE;
                if block.read(offset, &mut present) && present != piece && block.write(offset, piece) {
                    changed.push((base, offset as u32));
                }
            }
        }
        if changed.iter().any(|(base, _)| *base == FLASH_BASE) {
            memory.flash_generation += 1;
            self.kept_flash = Some((memory.flash_generation, Rc::clone(&checkpoint.flash)));
        }
        memory.watching.forget();
        self.engine.pass_breakpoint_at(None);
        // What waits to be told to the engine is told with the rest.
        for (address, length) in self.world.take_changed_code() {
            self.engine.code_changed(address, length);
        }
        for (base, offset) in changed {
            self.engine.code_changed(base + offset, PIECE as u32);
        }
        self.world.state = checkpoint.world.clone();
        self.world.stuck = false;
        self.core = checkpoint.core;
        self.event = checkpoint.event;
        self.cycles = checkpoint.cycles;
        self.instructions = checkpoint.instructions;
        self.observer = checkpoint.observer.clone();
        self.engine.set_registers(&checkpoint.registers);
        self.apply_engine_settings();
    }
}
