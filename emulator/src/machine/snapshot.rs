//! The whole state of a machine: saved, restored, hashed.

use std::sync::Arc;

use lockstep_engine::CoreRegisters;
use lockstep_peripherals::board::sd_card::SdImage;
use serde::{Deserialize, Serialize};

use super::{CoreState, Machine, MachineError};
use crate::world::{GuestMemory, World, WorldState};

/// The whole state of a machine.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub struct Snapshot {
    /// Core registers.
    pub registers: CoreRegisters,
    /// What the core is doing.
    pub core: CoreState,
    /// The event register (WFE).
    pub event: bool,
    /// HCLK cycles executed.
    pub cycles: u64,
    /// Instructions executed.
    pub instructions: u64,
    /// Devices, board, choices.
    pub world: WorldState,
    /// SRAM content.
    pub sram: Vec<u8>,
    /// Flash content.
    pub flash: Vec<u8>,
    /// What the SD card held at the beginning, if there is one; what has changed of it is the board's.
    pub card: Option<Arc<SdImage>>,
}

impl Snapshot {
    /// It as bytes, in postcard's format: whole, and readable by the build that wrote it.
    pub fn to_bytes(&self) -> Result<Vec<u8>, MachineError> {
        // Here rather than where it is wanted: each crate that encodes it itself compiles the encoding of all its parts.
        postcard::to_stdvec(self).map_err(|error| MachineError::SnapshotEncoding { reason: error.to_string() })
    }

    /// A snapshot that was written as bytes.
    pub fn from_bytes(bytes: &[u8]) -> Result<Self, MachineError> {
        postcard::from_bytes(bytes).map_err(|error| MachineError::SnapshotBytes { reason: error.to_string() })
    }
}

impl Machine {
    /// Everything, for later or for another process.
    pub fn snapshot(&self) -> Snapshot {
        Snapshot {
            registers: self.engine.registers(),
            core: self.core,
            event: self.event,
            cycles: self.cycles,
            instructions: self.instructions,
            world: self.world.state.clone(),
            sram: self.world.memory.sram.to_vec(),
            flash: self.world.memory.flash.to_vec(),
            card: self.world.state.electron.card_image(),
        }
    }

    /// A machine in the state of a snapshot.
    pub fn restore(snapshot: &Snapshot, semihosting: bool) -> Result<Self, MachineError> {
        let memory = GuestMemory::new();
        for (what, found, block) in [("SRAM", &snapshot.sram, &memory.sram), ("flash", &snapshot.flash, &memory.flash)]
        {
            if found.len() != block.len() || !block.write(0, found) {
                return Err(MachineError::SnapshotSize { what, found: found.len(), expected: block.len() });
            }
        }
        let mut world = snapshot.world.clone();
        world.electron.attach_card(snapshot.card.as_ref())?;
        let mut machine = Self::around(World::new(world, memory), semihosting)?;
        machine.core = snapshot.core;
        machine.event = snapshot.event;
        machine.cycles = snapshot.cycles;
        machine.instructions = snapshot.instructions;
        machine.engine.set_registers(&snapshot.registers);
        Ok(machine)
    }

    /// Hash of the whole state: registers, memory, devices, board, choices.
    pub fn state_hash(&mut self) -> blake3::Hash {
        let core = (self.engine.registers(), self.core, self.event, self.cycles, self.instructions);
        let encoded = postcard::to_stdvec(&(core, &self.world.state));
        self.hash_with_memory(encoded)
    }

    /// Hash of what the firmware has done so far: registers, SRAM, flash, cycles and instructions. Two runs can agree in
    /// it whose outside worlds differ and have not shown it yet.
    pub fn guest_hash(&mut self) -> blake3::Hash {
        let core = (self.engine.registers(), self.core, self.event, self.cycles, self.instructions);
        self.hash_with_memory(postcard::to_stdvec(&core))
    }

    /// Hash of something encoded and of all memory.
    fn hash_with_memory(&mut self, encoded: postcard::Result<Vec<u8>>) -> blake3::Hash {
        let mut hasher = blake3::Hasher::new();
        // Serialising plain structs into memory cannot fail; an error would show as a hash of its own.
        match encoded {
            Ok(bytes) => hasher.update(&bytes),
            Err(error) => hasher.update(error.to_string().as_bytes()),
        };
        self.world.memory.sram.for_each_chunk(|chunk| {
            hasher.update(chunk);
        });
        hasher.update(self.flash_hash().as_bytes());
        hasher.finalize()
    }

    /// Hash of the content of flash.
    pub fn flash_hash(&mut self) -> blake3::Hash {
        let generation = self.world.memory.flash_generation;
        match self.flash_hash {
            Some((of, hash)) if of == generation => hash,
            _ => {
                let mut flash = blake3::Hasher::new();
                self.world.memory.flash.for_each_chunk(|chunk| {
                    flash.update(chunk);
                });
                let hash = flash.finalize();
                self.flash_hash = Some((generation, hash));
                hash
            }
        }
    }
}
