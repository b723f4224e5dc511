//! One stream at work: how it starts, moves items through its FIFO, and ends.

use serde::{Deserialize, Serialize};

use super::table::{CR, FCR, M0AR, M1AR, NDTR, PAR, cr, fcr, flag};
use super::{Dma, DmaBus};
use crate::device::Cx;

/// Bytes in a stream's FIFO (9.3.12).
const FIFO_BYTES: usize = 16;

/// What a stream holds besides its registers.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub(super) struct Progress {
    /// Enabled, and set up so that it can work.
    pub running: bool,
    /// NDTR as software wrote it, for circular mode and for enabling again at zero (9.5.6).
    pub reload: u32,
    /// Items of this round.
    total: u32,
    /// Next address on the peripheral port.
    peripheral: u32,
    /// Next address on the memory port.
    memory: u32,
    /// Memory-to-peripheral: bytes of this round not yet read from memory.
    unread: u32,
    fifo: Vec<u8>,
}

impl Progress {
    /// `FS` (9.5.10): quarters filled, 4 empty, 5 full.
    pub fn fifo_status(&self) -> u32 {
        match self.fifo.len() {
            0 => 4,
            FIFO_BYTES.. => 5,
            bytes => bytes as u32 / 4,
        }
    }

    fn push(&mut self, value: u32, bytes: u32) {
        self.fifo.extend(value.to_le_bytes().iter().take(bytes as usize));
    }

    fn pop(&mut self, bytes: u32) -> u32 {
        let count = self.fifo.len().min(bytes as usize);
        self.fifo.drain(..count).rev().fold(0, |value, byte| value << 8 | u32::from(byte))
    }
}

/// How a stream is set up, read from its registers.
#[derive(Clone, Copy)]
struct Setup {
    from_memory: bool,
    direct: bool,
    peripheral_size: u32,
    memory_size: u32,
    peripheral_step: u32,
    memory_step: u32,
    /// Items per request.
    peripheral_burst: u32,
    /// Bytes the memory port moves at once.
    memory_burst_bytes: u32,
    threshold_bytes: u32,
}

fn burst_beats(field: u32) -> u32 {
    match field & 3 {
        0 => 1,
        n => 2 << n,
    }
}

impl Dma {
    pub(super) fn is_memory_copy(&self, stream: usize) -> bool {
        self.reg(stream, CR) >> 6 & 3 == 2
    }

    fn setup(&self, stream: usize) -> Setup {
        let (control, fifo) = (self.reg(stream, CR), self.reg(stream, FCR));
        let peripheral_size = 1 << (control >> 11 & 3);
        let memory_size = 1 << (control >> 13 & 3);
        let offset = if control & cr::PINCOS != 0 { 4 } else { peripheral_size };
        Setup {
            from_memory: control >> 6 & 3 == 1,
            direct: fifo & fcr::DMDIS == 0,
            peripheral_size,
            memory_size,
            peripheral_step: if control & cr::PINC != 0 { offset } else { 0 },
            memory_step: if control & cr::MINC != 0 { memory_size } else { 0 },
            peripheral_burst: burst_beats(control >> 21),
            memory_burst_bytes: burst_beats(control >> 23) * memory_size,
            threshold_bytes: 4 * ((fifo & fcr::FTH) + 1),
        }
    }

    /// Software set EN.
    pub(super) fn start(&mut self, stream: usize, cx: &mut Cx<'_>) {
        self.force_settings(stream);
        let control = self.reg(stream, CR);
        let direction = control >> 6 & 3;
        let reserved = direction == 3 || control & cr::PSIZE == cr::PSIZE || control & cr::MSIZE == cr::MSIZE;
        if reserved || direction == 2 && self.number != 2 {
            // What hardware does with these is not documented: the stream stays enabled and still.
            cx.unmodelled(&format!("{} stream {stream} enabled with CR {control:#x}", self.name));
            return;
        }
        let setup = self.setup(stream);
        // A burst must fit the threshold a whole number of times (9.3.12, table of threshold configurations).
        if !setup.direct && control & cr::MBURST != 0 && !setup.threshold_bytes.is_multiple_of(setup.memory_burst_bytes)
        {
            self.fail(stream, flag::FEIF);
            return;
        }
        if control & cr::PFCTRL != 0 && direction != 2 {
            *self.reg_mut(stream, NDTR) = 0xffff;
        } else if self.reg(stream, NDTR) == 0 {
            *self.reg_mut(stream, NDTR) = self.streams[stream].reload;
        }
        self.streams[stream].running = true;
        self.streams[stream].fifo.clear();
        self.begin_round(stream);
    }

    /// Bits that hardware forces when EN is set (9.5.5).
    fn force_settings(&mut self, stream: usize) {
        let mut control = self.reg(stream, CR);
        if self.is_memory_copy(stream) {
            *self.reg_mut(stream, FCR) |= fcr::DMDIS;
            control &= !(cr::CIRC | cr::DBM);
        } else if control & cr::PFCTRL != 0 {
            control &= !(cr::CIRC | cr::DBM);
        } else if control & cr::DBM != 0 {
            control |= cr::CIRC;
        }
        if self.reg(stream, FCR) & fcr::DMDIS == 0 {
            control &= !(cr::MSIZE | cr::MBURST | cr::PBURST | cr::PINCOS);
            control |= (control & cr::PSIZE) << 2;
        }
        if control & cr::PBURST != 0 {
            control &= !cr::PINCOS;
        }
        *self.reg_mut(stream, CR) = control;
    }

    fn begin_round(&mut self, stream: usize) {
        let target = if self.reg(stream, CR) & cr::CT == 0 { M0AR } else { M1AR };
        let total = self.reg(stream, NDTR);
        let (peripheral, memory) = (self.reg(stream, PAR), self.reg(stream, target));
        let unread = total * self.setup(stream).peripheral_size;
        let progress = &mut self.streams[stream];
        (progress.total, progress.peripheral, progress.memory, progress.unread) = (total, peripheral, memory, unread);
    }

    /// Software cleared EN, or the peripheral ended its flow: what the FIFO holds goes to memory, and TCIF says that
    /// the stream is off (9.3.14).
    pub(super) fn stop(&mut self, stream: usize, cx: &mut Cx<'_>) {
        if !self.streams[stream].running {
            *self.reg_mut(stream, CR) &= !cr::EN;
            return;
        }
        if self.setup(stream).from_memory || self.flush(stream, &mut NoBus, cx) {
            self.end(stream);
            self.raise(stream, flag::TCIF);
        } else {
            self.fail(stream, flag::TEIF);
        }
    }

    fn end(&mut self, stream: usize) {
        *self.reg_mut(stream, CR) &= !cr::EN;
        self.streams[stream].running = false;
        self.streams[stream].fifo.clear();
    }

    /// An error turns the stream off (9.3.16).
    pub(super) fn fail(&mut self, stream: usize, flags: u32) {
        self.end(stream);
        self.raise(stream, flags);
    }

    /// Memory-to-peripheral: fills the FIFO ahead of the requests; in direct mode one item (9.3.5, 9.3.12).
    pub(super) fn prefetch(&mut self, stream: usize, bus: &mut dyn DmaBus, cx: &mut Cx<'_>) {
        let setup = self.setup(stream);
        let progress = &mut self.streams[stream];
        if !progress.running || !setup.from_memory {
            return;
        }
        let (low, room) = if setup.direct {
            (0, setup.peripheral_size as usize)
        } else {
            (setup.threshold_bytes as usize, FIFO_BYTES)
        };
        // Refilled when down to the threshold; a peripheral item wider than what is left also asks for more.
        if progress.fifo.len() > low.max(setup.peripheral_size as usize - 1) {
            return;
        }
        while progress.unread > 0
            && progress.fifo.len() + setup.memory_burst_bytes.min(progress.unread) as usize <= room
        {
            for _ in 0..setup.memory_burst_bytes.min(progress.unread).div_ceil(setup.memory_size) {
                let Some(value) = bus_read(progress.memory, setup.memory_size, bus, cx) else {
                    self.fail(stream, flag::TEIF);
                    return;
                };
                progress.push(value, setup.memory_size.min(progress.unread));
                progress.memory = progress.memory.wrapping_add(setup.memory_step);
                progress.unread = progress.unread.saturating_sub(setup.memory_size);
            }
        }
    }

    /// One request: an item, or a peripheral burst of them.
    pub(super) fn transfer(&mut self, stream: usize, bus: &mut dyn DmaBus, cx: &mut Cx<'_>) {
        let setup = self.setup(stream);
        for _ in 0..setup.peripheral_burst.min(self.reg(stream, NDTR)) {
            let moved = if setup.from_memory {
                self.item_out(stream, setup, bus, cx)
            } else {
                self.item_in(stream, setup, bus, cx)
            };
            if !moved {
                self.fail(stream, flag::TEIF);
                return;
            }
            let left = self.reg(stream, NDTR).saturating_sub(1);
            *self.reg_mut(stream, NDTR) = left;
            let progress = &mut self.streams[stream];
            progress.peripheral = progress.peripheral.wrapping_add(setup.peripheral_step);
            if left == progress.total / 2 && self.reg(stream, CR) & cr::PFCTRL == 0 {
                self.raise(stream, flag::HTIF);
            }
            self.prefetch(stream, bus, cx);
            if !self.streams[stream].running {
                return;
            }
        }
        if self.reg(stream, NDTR) == 0 {
            self.complete(stream, setup, bus, cx);
        }
    }

    /// From the FIFO to the peripheral port.
    fn item_out(&mut self, stream: usize, setup: Setup, bus: &mut dyn DmaBus, cx: &mut Cx<'_>) -> bool {
        let progress = &mut self.streams[stream];
        if progress.fifo.is_empty() {
            return false;
        }
        let value = progress.pop(setup.peripheral_size);
        bus_write(progress.peripheral, setup.peripheral_size, value, bus, cx)
    }

    /// From the peripheral port to the FIFO, and on to memory when the threshold is reached; in direct mode at once.
    fn item_in(&mut self, stream: usize, setup: Setup, bus: &mut dyn DmaBus, cx: &mut Cx<'_>) -> bool {
        let progress = &mut self.streams[stream];
        let Some(value) = bus_read(progress.peripheral, setup.peripheral_size, bus, cx) else { return false };
        progress.push(value, setup.peripheral_size);
        if !setup.direct && progress.fifo.len() < setup.threshold_bytes as usize {
            return true;
        }
        while self.streams[stream].fifo.len() >= setup.memory_burst_bytes as usize {
            for _ in 0..setup.memory_burst_bytes / setup.memory_size {
                if !self.store(stream, setup.memory_size, bus, cx) {
                    return false;
                }
            }
        }
        true
    }

    /// Empties the FIFO to memory: whole items, then single bytes if the count was no multiple of them.
    fn flush(&mut self, stream: usize, bus: &mut dyn DmaBus, cx: &mut Cx<'_>) -> bool {
        let size = self.setup(stream).memory_size;
        loop {
            let size = match self.streams[stream].fifo.len() {
                0 => return true,
                bytes if bytes >= size as usize => size,
                _ => 1,
            };
            if !self.store(stream, size, bus, cx) {
                return false;
            }
        }
    }

    fn store(&mut self, stream: usize, size: u32, bus: &mut dyn DmaBus, cx: &mut Cx<'_>) -> bool {
        let step = if self.setup(stream).memory_step == 0 { 0 } else { size };
        let progress = &mut self.streams[stream];
        let value = progress.pop(size);
        let address = progress.memory;
        progress.memory = address.wrapping_add(step);
        bus_write(address, size, value, bus, cx)
    }

    /// NDTR reached zero.
    fn complete(&mut self, stream: usize, setup: Setup, bus: &mut dyn DmaBus, cx: &mut Cx<'_>) {
        if !setup.from_memory && !self.flush(stream, bus, cx) {
            self.fail(stream, flag::TEIF);
            return;
        }
        self.raise(stream, flag::TCIF);
        let control = self.reg(stream, CR);
        if control & cr::CIRC == 0 {
            self.end(stream);
            return;
        }
        if control & cr::DBM != 0 {
            *self.reg_mut(stream, CR) ^= cr::CT;
        }
        *self.reg_mut(stream, NDTR) = self.streams[stream].reload;
        self.begin_round(stream);
        self.prefetch(stream, bus, cx);
    }
}

/// Either port reaches memory and peripherals; an address is aligned by ignoring its low bits, as the AHB does.
fn bus_read(address: u32, size: u32, bus: &mut dyn DmaBus, cx: &mut Cx<'_>) -> Option<u32> {
    let address = address & !(size - 1);
    cx.memory.read(address, size).or_else(|| bus.read(address, size, cx))
}

fn bus_write(address: u32, size: u32, value: u32, bus: &mut dyn DmaBus, cx: &mut Cx<'_>) -> bool {
    let address = address & !(size - 1);
    cx.memory.write(address, size, value) || bus.write(address, size, value, cx)
}

/// Where no peripheral is within reach: a FIFO flushed because software cleared EN goes to memory only.
struct NoBus;

impl DmaBus for NoBus {
    fn read(&mut self, _address: u32, _size: u32, _cx: &mut Cx<'_>) -> Option<u32> {
        None
    }

    fn write(&mut self, _address: u32, _size: u32, _value: u32, _cx: &mut Cx<'_>) -> bool {
        false
    }
}
