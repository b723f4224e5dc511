//! What a peripheral is, and what it may see and do.

use lockstep_traces::Decisions;
use serde::{Deserialize, Serialize};

use crate::ledger::Ledger;
use crate::registers::Register;
use crate::spi::SpiFrame;
use crate::time::{Clocks, Now, Wake, cycles_to_ps};

/// A GPIO port.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[allow(missing_docs)]
pub enum Port {
    A,
    B,
    C,
    D,
    E,
    F,
    G,
    H,
    I,
}

/// One pin of a port, 0 to 15.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
pub struct Pin {
    /// The port.
    pub port: Port,
    /// The pin's number in the port.
    pub number: u8,
}

impl Pin {
    /// `Pin::new(Port::B, 10)` is PB10.
    pub const fn new(port: Port, number: u8) -> Self {
        Self { port, number }
    }
}

/// One character on an asynchronous serial line.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct UartFrame {
    /// Data bits without parity, right-aligned: 7, 8 or 9 of them are meaningful.
    pub data: u16,
    /// Number of data bits on the wire, parity included: 8 or 9.
    pub bits: u8,
    /// The parity bit was wrong (receive) or is to be sent wrong.
    pub parity_error: bool,
    /// The stop bit was low.
    pub framing_error: bool,
    /// A break: line low for a whole frame.
    pub is_break: bool,
    /// Duration of one bit on the sender's clock in picoseconds.
    pub bit_ps: u64,
}

impl UartFrame {
    /// A plain 8N1 character.
    pub fn byte(data: u8, bit_ps: u64) -> Self {
        Self { data: data.into(), bits: 8, parity_error: false, framing_error: false, is_break: false, bit_ps }
    }
}

/// Memory that peripherals reach by themselves: DMA masters, and the flash array behind the flash controller.
pub trait Memory {
    /// Reads `size` (1, 2, 4) bytes of SRAM, backup SRAM or flash; `None` outside them.
    fn read(&mut self, address: u32, size: u32) -> Option<u32>;
    /// Writes SRAM; `false` outside it.
    fn write(&mut self, address: u32, size: u32, value: u32) -> bool;
    /// ANDs bytes into the flash array at a byte offset from its start: programming only clears bits.
    fn flash_program(&mut self, offset: u32, bytes: &[u8]);
    /// Sets `length` bytes of the flash array to 0xFF.
    fn flash_erase(&mut self, offset: u32, length: u32);
}

/// The other ends of the chip's pins. What a wire answers at once is returned; what takes time comes back later
/// through the peripheral's own input functions.
pub trait Board {
    /// USART `usart` (1 to 6) finished sending a frame on its TX line at `now`.
    fn uart_sent(&mut self, usart: u8, frame: UartFrame, now: Now);
    /// The level of USART `usart`'s RTS output changed (`true` = asserted, ready to receive; the pin is low).
    fn uart_rts(&mut self, usart: u8, asserted: bool, now: Now);
    /// I2C start (or repeated start) and address on bus 1 to 3; `true` if a target acknowledged.
    fn i2c_start(&mut self, bus: u8, address: u8, read: bool, now: Now) -> bool;
    /// I2C data byte to the addressed target; `true` if acknowledged.
    fn i2c_write(&mut self, bus: u8, byte: u8, now: Now) -> bool;
    /// I2C data byte from the addressed target; `ack` is what the master will answer.
    fn i2c_read(&mut self, bus: u8, ack: bool, now: Now) -> u8;
    /// I2C stop condition.
    fn i2c_stop(&mut self, bus: u8, now: Now);
    /// SPI `bus` (1 to 3), a master, clocks a frame; `now` is its last sampling edge, half a period of SCK before its
    /// end. Gives what was on MISO (on MOSI if the frame is on one line), right-aligned in the frame's bits; `None` if
    /// nobody drives it. Which part is meant, the levels of its chip select say ([`pin_driven`](Self::pin_driven)) and
    /// `frame.pins`, for two SPIs may lead to the same pins. By default an open bus.
    fn spi_frame(&mut self, _bus: u8, _frame: &SpiFrame, _now: Now, _decisions: &mut Decisions) -> Option<u16> {
        None
    }
    /// A GPIO pin's level as driven by the chip changed: `Some(level)` driven, `None` high impedance.
    fn pin_driven(&mut self, pin: Pin, level: Option<bool>, now: Now, decisions: &mut Decisions);
}

/// What a peripheral may see and do during one access or event.
pub struct Cx<'a> {
    /// The exact instant: start of the accessing instruction, or of the event.
    pub now: Now,
    /// Program counter of the accessing instruction (0 for events).
    pub pc: u32,
    /// Bus clocks in force.
    pub clocks: &'a Clocks,
    /// Memory for DMA and flash programming.
    pub memory: &'a mut dyn Memory,
    /// The other ends of the pins.
    pub board: &'a mut dyn Board,
    /// Choices of the outside world.
    pub decisions: &'a mut Decisions,
    /// What is touched but not modelled.
    pub ledger: &'a mut Ledger,
}

impl Cx<'_> {
    /// Counts a touch of something not modelled.
    pub fn unmodelled(&mut self, what: &str) {
        self.ledger.unmodelled(what, self.pc, self.now.time_ps);
    }

    /// The instant of an HCLK cycle that is not after `now` and since which the clock has not changed.
    pub(crate) fn instant_of(&self, cycle: u64) -> Now {
        let ago_ps = cycles_to_ps(self.now.cycles.saturating_sub(cycle), self.clocks);
        Now { cycles: cycle, time_ps: self.now.time_ps.saturating_sub(ago_ps) }
    }
}

/// A memory-mapped peripheral.
///
/// The bus hands over word-aligned offsets. Narrow accesses arrive as `lanes`, the mask of the bytes written; on an
/// APB the bridge has already duplicated narrow data over the whole word and `lanes` is all ones (RM0033 2.1).
pub trait Device {
    /// Name of the instance, for the ledger: `USART3`.
    fn name(&self) -> &str;
    /// The register table: the peripheral's specification.
    fn table(&self) -> &'static [Register];
    /// Software reads a word. Reading may change state (`SR`, `DR`).
    fn read(&mut self, offset: u32, cx: &mut Cx<'_>) -> u32;
    /// What [`read`](Device::read) would give, if reading now changes nothing and would give the same until the next
    /// event or access. Asked only while no event is due. `None` when in doubt: it is a short cut for what software
    /// polls.
    fn quiet_read(&self, _offset: u32) -> Option<u32> {
        None
    }
    /// Software writes the bytes in `lanes`.
    fn write(&mut self, offset: u32, value: u32, lanes: u32, cx: &mut Cx<'_>);
    /// When to call [`advance`](Device::advance) next. Must be a function of the state alone.
    fn wake(&self, _clocks: &Clocks) -> Wake {
        Wake::NEVER
    }
    /// Brings the state to `cx.now`. Also called before the clocks change, so that what was counted at the old
    /// frequency stays counted. Idempotent: calling it at any other instants must not change what software sees.
    fn advance(&mut self, _cx: &mut Cx<'_>) {}
    /// Called after the clocks changed (and `advance` was called with the old ones).
    fn clocks_changed(&mut self, _cx: &mut Cx<'_>) {}
    /// Levels of the interrupt lines, bit n = the device's n-th line in the order its documentation lists them.
    fn irq_lines(&self) -> u32 {
        0
    }
    /// Levels of the DMA request lines, likewise.
    fn dma_requests(&self) -> u32 {
        0
    }
    /// Peripheral reset: by RCC's reset register, or as part of a system reset.
    fn reset(&mut self);
}
