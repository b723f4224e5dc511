//! DMA controllers 1 and 2 (RM0033 section 9): eight streams each, with FIFO, packing, circular and double-buffer mode.
//!
//! Approximation: a transfer takes no time. Each request of a peripheral is served whole (one item, or one peripheral
//! burst) at the instant at which it is raised, so that the arbiter never has a queue, a burst is the sequence of its
//! single accesses, and the errors that need a bus that came too late (direct-mode error, FIFO over- and underrun)
//! never occur. What the guest can see of it: NDTR and memory are ahead of hardware by a few bus cycles an item.

use serde::{Deserialize, Serialize};

use crate::device::{Cx, Device};
use crate::registers::{Register, RegisterFile};

mod stream;
mod table;
#[cfg(test)]
mod tests;

use stream::Progress;
use table::{CR, FCR, HIFCR, HISR, LIFCR, LISR, M0AR, M1AR, NDTR, TABLE, cr, fcr, flag, flag_shift, stream_base};

/// What the controller reaches besides [`Memory`](crate::Memory): the peripherals' registers. The machine implements
/// it by handing the access to the device at the address, as it does for the processor.
pub trait DmaBus {
    /// Reads `size` (1, 2, 4) bytes at an address aligned to it; `None` is a bus error.
    fn read(&mut self, address: u32, size: u32, cx: &mut Cx<'_>) -> Option<u32>;
    /// Writes likewise; `false` is a bus error.
    fn write(&mut self, address: u32, size: u32, value: u32, cx: &mut Cx<'_>) -> bool;
}

/// One request that [`Dma::service`] has served.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Served {
    /// The stream, 0 to 7.
    pub stream: u8,
    /// The channel it listens to, 0 to 7 (meaningless for memory-to-memory).
    pub channel: u8,
}

/// One DMA controller.
///
/// Interrupt lines: bit n is stream n. The machine drives it like this, whenever a peripheral's
/// [`dma_requests`](Device::dma_requests) or a register of the controller may have changed:
///
/// 1. if [`is_active`](Self::is_active), collect for each stream the channels whose peripheral requests (RM0033
///    tables 22 and 23), and call [`service`](Self::service);
/// 2. if it returns `Some`, one request has been served: a request that is a pulse (a timer's) is now done and must
///    be withdrawn; one that is a level (TXE, RXNE) fell by itself when DR was accessed. Go to 1;
/// 3. if it returns `None`, nothing is left to do at this instant.
///
/// A level that does not fall when served would be served until the stream's count ends, and for ever in circular mode.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub struct Dma {
    number: u8,
    name: String,
    regs: RegisterFile,
    streams: [Progress; 8],
}

impl Dma {
    /// Controller `number` (1 or 2) after reset. Only DMA2 can copy from memory to memory (9.3.6).
    pub fn new(number: u8) -> Self {
        Self {
            number,
            name: format!("DMA{number}"),
            regs: RegisterFile::new(TABLE),
            streams: std::array::from_fn(|_| Progress::default()),
        }
    }

    /// Whether any stream is enabled.
    pub fn is_active(&self) -> bool {
        self.streams.iter().any(|stream| stream.running)
    }

    /// Serves at most one request: that of the stream with the highest priority level, and among equals of the lowest
    /// number (9.3.4). `requests[n]` has bit c set while the peripheral on stream n's channel c requests. See
    /// [`Dma`] for how to call it.
    pub fn service(&mut self, requests: &[u8; 8], bus: &mut dyn DmaBus, cx: &mut Cx<'_>) -> Option<Served> {
        if !self.is_active() {
            return None;
        }
        for stream in 0..8 {
            self.prefetch(stream, bus, cx);
        }
        let wants = |stream: &usize| {
            let control = self.reg(*stream, CR);
            let requested = requests.get(*stream).is_some_and(|channels| channels >> (control >> 25 & 7) & 1 != 0);
            self.streams[*stream].running && self.reg(*stream, NDTR) != 0 && (requested || self.is_memory_copy(*stream))
        };
        // `max_by_key` takes the last of equals: from the highest number down, that is the lowest.
        let stream = (0..8).rev().filter(wants).max_by_key(|stream| self.reg(*stream, CR) >> 16 & 3)?;
        let channel = (self.reg(stream, CR) >> 25 & 7) as u8;
        self.transfer(stream, bus, cx);
        Some(Served { stream: stream as u8, channel })
    }

    /// The peripheral that is the flow controller (the SDIO, PFCTRL set) ends a stream's transfer (9.3.15).
    pub fn flow_ended(&mut self, stream: u8, cx: &mut Cx<'_>) {
        let stream = usize::from(stream & 7);
        if self.streams[stream].running && self.reg(stream, CR) & cr::PFCTRL != 0 {
            self.stop(stream, cx);
        }
    }

    fn reg(&self, stream: usize, register: usize) -> u32 {
        self.regs[stream_base(stream) + register]
    }

    fn reg_mut(&mut self, stream: usize, register: usize) -> &mut u32 {
        &mut self.regs[stream_base(stream) + register]
    }

    fn raise(&mut self, stream: usize, flags: u32) {
        self.regs[if stream < 4 { LISR } else { HISR }] |= flags << flag_shift(stream);
    }

    fn flags(&self, stream: usize) -> u32 {
        self.regs[if stream < 4 { LISR } else { HISR }] >> flag_shift(stream) & 0x3d
    }

    fn write_stream(&mut self, stream: usize, register: usize, value: u32, lanes: u32, cx: &mut Cx<'_>) {
        let index = stream_base(stream) + register;
        let control = self.reg(stream, CR);
        let enabled = control & cr::EN != 0;
        let target = if control & cr::CT == 0 { M0AR } else { M1AR };
        // Most settings are protected while the stream is enabled (9.5.5 to 9.5.10).
        let writable = match register {
            _ if !enabled => u32::MAX,
            CR => cr::EN | cr::INTERRUPT_ENABLES,
            FCR => fcr::FEIE,
            M0AR | M1AR if control & cr::DBM != 0 && register != target => u32::MAX,
            M0AR | M1AR if control & cr::DBM != 0 => {
                // The buffer in use must not be moved: a transfer error (9.3.16).
                self.fail(stream, flag::TEIF);
                return;
            }
            _ => 0,
        };
        self.regs.write(TABLE, index, value, lanes & writable, &self.name, cx);
        match register {
            NDTR if !enabled => self.streams[stream].reload = self.reg(stream, NDTR),
            CR if !enabled && self.reg(stream, CR) & cr::EN != 0 => self.start(stream, cx),
            CR if enabled && self.reg(stream, CR) & cr::EN == 0 => self.stop(stream, cx),
            _ => {}
        }
    }
}

/// Stream and register of a table index past the flag registers.
fn stream_of(index: usize) -> (usize, usize) {
    let past = index.saturating_sub(stream_base(0));
    ((past / 6) & 7, past % 6)
}

impl Device for Dma {
    fn name(&self) -> &str {
        &self.name
    }

    fn table(&self) -> &'static [Register] {
        TABLE
    }

    fn read(&mut self, offset: u32, cx: &mut Cx<'_>) -> u32 {
        match RegisterFile::index_of(TABLE, offset) {
            Some(index) if index >= stream_base(0) && stream_of(index).1 == FCR => {
                self.regs[index] & !fcr::FS | self.streams[stream_of(index).0].fifo_status() << 3
            }
            Some(index) => self.regs[index],
            None => {
                cx.unmodelled(&format!("{} read offset {offset:#x}", self.name));
                0
            }
        }
    }

    fn write(&mut self, offset: u32, value: u32, lanes: u32, cx: &mut Cx<'_>) {
        match RegisterFile::index_of(TABLE, offset) {
            Some(LISR | HISR) => {}
            Some(LIFCR) => self.regs[LISR] &= !(value & lanes),
            Some(HIFCR) => self.regs[HISR] &= !(value & lanes),
            Some(index) => {
                let (stream, register) = stream_of(index);
                self.write_stream(stream, register, value, lanes, cx);
            }
            None => cx.unmodelled(&format!("{} write offset {offset:#x}", self.name)),
        }
    }

    fn irq_lines(&self) -> u32 {
        (0..8).fold(0, |lines, stream| {
            let fifo_error = if self.reg(stream, FCR) & fcr::FEIE != 0 { flag::FEIF } else { 0 };
            let enables = ((self.reg(stream, CR) & cr::INTERRUPT_ENABLES) << 1) | fifo_error;
            lines | u32::from(self.flags(stream) & enables != 0) << stream
        })
    }

    fn reset(&mut self) {
        *self = Self::new(self.number);
    }
}
