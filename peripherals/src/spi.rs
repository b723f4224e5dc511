//! SPI1 to 3 (RM0033 section 25) in Motorola format: master and slave, full duplex, receive-only and bidirectional,
//! with CRC and slave select by hardware or software. The TI format and I2S are named in the table but not modelled.
//!
//! A master's frame takes 8 or 16 periods of SCK. Its flags change at two instants: at the last sampling edge, half a
//! period before the end, the word is received, and the board is asked then what was on MISO: a part must have all
//! bits of the frame to answer, and software that has seen RXNE may raise the chip select at once. At the end SCK is
//! idle again, or the next frame begins without a gap.
//!
//! Choices where the manual is silent or contradicts itself, all of which software could observe:
//! - SCK begins with the instruction that starts the frame: the baud rate generator does not run before.
//! - DR moves to the empty shift register at once, so that TXE is 0 for no time; a word written up to the end of a
//!   frame follows it without a gap.
//! - Clearing SPE cuts a frame that is sent, and what was received of it is lost; a word that waits in DR stays there
//!   until the SPI is enabled again, and one written before SPE is set is sent when it is. A frame of a receive-only
//!   master ends as usual (25.3.8 wants SPE cleared in the middle of the last one).
//! - A mode fault needs SPE: code that sets MSTR before SSI works on hardware. The write to CR1 that clears MODF
//!   does not set SPE or MSTR yet.
//! - A word is lost to an overrun when RXNE is set; OVR alone, after DR was read and before SR was, loses nothing. The
//!   read of SR that clears OVR still shows it.
//! - The CRC follows the frame during which (or before which) CRCNEXT was set; CRCNEXT set later waits for another
//!   frame. Hardware clears the bit when the CRC begins. With LSBFIRST the CRC takes the bits in their order on the
//!   wire and goes out as any word does.
//! - A slave without a word to send repeats what is in its shift register: the word received last.
//! - Settings are taken over with the next frame, but for the baud rate, which holds at once for what is left of one.
//! - MOSI holds the last bit after a frame; the pin shows low between frames, for frames are told whole.

use serde::{Deserialize, Serialize};

use crate::device::{Cx, Device};
use crate::registers::{Register, RegisterFile};
use crate::time::{Clocks, Wake};

mod frame;
mod master;
mod slave;
mod table;
#[cfg(test)]
mod tests;
mod words;

pub use frame::{SpiEdge, SpiFrame, SpiPins};

use master::Shift;
use slave::SlaveShift;
use table::{CR1, CR2, CRCPR, DR, RXCRCR, SR, TXCRCR, cr1, cr2, sr};

/// What an SPI drives on its pins: `None` where it does not.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct SpiOutputs {
    /// Clock, as between frames.
    pub sck: Option<bool>,
    /// Master's data.
    pub mosi: Option<bool>,
    /// Slave's data.
    pub miso: Option<bool>,
    /// Slave select of a master with SSOE.
    pub nss: Option<bool>,
}

/// One SPI.
///
/// Interrupt lines: bit 0, the one global interrupt. DMA requests: bit 0 transmit, bit 1 receive.
///
/// As a master it asks the board with [`Board::spi_frame`](crate::Board::spi_frame). For a slave the far end of the
/// wires calls [`clock_start`](Self::clock_start) when an outside master's frame begins and
/// [`clock_frame`](Self::clock_frame) when it ends, and [`set_nss`](Self::set_nss) on each change of the NSS pin.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub struct Spi {
    number: u8,
    regs: RegisterFile,
    /// Rx buffer; `regs[DR]` is not used.
    received: u16,
    /// Tx buffer; holds a word while TXE is 0.
    written: u16,
    shift: Option<Shift>,
    slave: SlaveShift,
    /// HCLK cycles per period of SCK in force.
    bit_cycles: u64,
    /// Level of MOSI after the last frame.
    mosi_level: bool,
    /// Level of the NSS pin. A wire's level: survives reset.
    nss: bool,
    /// DR was read since the overrun: the first half of OVR's clearing sequence.
    data_read: bool,
    /// SR was accessed since the mode fault: the first half of MODF's.
    status_accessed: bool,
    /// DMA moved its last word: the CRC follows without CRCNEXT (25.3.9).
    dma_ended: bool,
}

impl Spi {
    /// SPI `number`, 1 to 3, after reset. NSS counts as low until [`set_nss`](Self::set_nss) says otherwise: an
    /// alternate-function input without a pin reads 0.
    pub fn new(number: u8) -> Self {
        Self {
            number,
            regs: RegisterFile::new(Self::table_of(number)),
            received: 0,
            written: 0,
            shift: None,
            slave: SlaveShift::default(),
            bit_cycles: 2,
            mosi_level: false,
            nss: false,
            data_read: false,
            status_accessed: false,
            dma_ended: false,
        }
    }

    /// The level of the NSS pin as last told.
    pub fn nss(&self) -> bool {
        self.nss
    }

    /// The NSS pin changed to `level`: low selects a slave and is a fault to a master, unless it is the master's own
    /// output or SSM takes its place (25.3.1).
    pub fn set_nss(&mut self, level: bool, cx: &mut Cx<'_>) {
        self.catch_up(cx);
        self.nss = level;
        self.follow_settings(cx);
    }

    /// DMA has moved the last word of a transfer in the direction of the request line `line`. With CRCEN the CRC comes
    /// next by itself (25.3.9); what ends is the transmission if there is one, and else the reception.
    pub fn dma_last(&mut self, line: u8) {
        self.dma_ended |= self.has(CR1, cr1::CRCEN) && (line == 0) == self.transmits();
    }

    /// What it drives on its pins.
    pub fn outputs(&self) -> SpiOutputs {
        let enabled = self.has(CR1, cr1::SPE);
        if !self.has(CR1, cr1::MSTR) {
            let miso = (enabled && self.transmits() && !self.nss_level()).then_some(false);
            return SpiOutputs { miso, ..SpiOutputs::default() };
        }
        let clocks = enabled || self.shift.is_some();
        SpiOutputs {
            sck: clocks.then_some(self.has(CR1, cr1::CPOL)),
            mosi: (enabled && self.transmits()).then_some(false),
            miso: None,
            nss: (enabled && self.drives_nss()).then_some(false),
        }
    }

    fn table_of(number: u8) -> &'static [Register] {
        if number == 1 { table::SPI1 } else { table::SPI }
    }

    fn static_name(&self) -> &'static str {
        match self.number {
            1 => "SPI1",
            2 => "SPI2",
            _ => "SPI3",
        }
    }

    fn has(&self, register: usize, bits: u32) -> bool {
        self.regs[register] & bits != 0
    }

    /// Enabled as a master.
    fn is_master(&self) -> bool {
        self.regs[CR1] & (cr1::SPE | cr1::MSTR) == cr1::SPE | cr1::MSTR
    }

    /// Whether data goes out: not in receive-only mode, nor while the one line is an input (25.3.4).
    fn transmits(&self) -> bool {
        if self.has(CR1, cr1::BIDIMODE) { self.has(CR1, cr1::BIDIOE) } else { !self.has(CR1, cr1::RXONLY) }
    }

    /// Whether data comes in: always on two lines, also where software sends only.
    fn receives(&self) -> bool {
        !self.has(CR1, cr1::BIDIMODE) || !self.has(CR1, cr1::BIDIOE)
    }

    fn word_bits(&self) -> u8 {
        if self.has(CR1, cr1::DFF) { 16 } else { 8 }
    }

    /// NSS is this master's output.
    fn drives_nss(&self) -> bool {
        self.has(CR1, cr1::MSTR) && self.has(CR2, cr2::SSOE) && !self.has(CR1, cr1::SSM)
    }

    /// NSS as the SPI sees it: SSI takes the pin's place under software management (25.3.1).
    fn nss_level(&self) -> bool {
        if self.has(CR1, cr1::SSM) { self.has(CR1, cr1::SSI) } else { self.nss || self.drives_nss() }
    }

    /// BSY (25.3.7). A bidirectional master that receives keeps it low.
    fn is_busy(&self) -> bool {
        let own = self.is_master() && self.shift.is_some_and(|shift| !shift.one_line || shift.word.is_some());
        own || self.slave.is_clocked()
    }

    fn status(&self) -> u32 {
        self.regs[SR] | if self.is_busy() { sr::BSY } else { 0 }
    }

    /// Whether the word after the present one is the CRC (25.3.6).
    fn crc_is_next(&self) -> bool {
        self.has(CR1, cr1::CRCEN) && (self.has(CR1, cr1::CRCNEXT) || self.dma_ended)
    }

    fn read_status(&mut self) -> u32 {
        let status = self.status();
        if self.data_read {
            // DR first, then SR (25.3.10).
            self.regs[SR] &= !sr::OVR;
            self.data_read = false;
        }
        self.status_accessed = self.has(SR, sr::MODF);
        status
    }

    fn read_data(&mut self) -> u32 {
        self.regs[SR] &= !sr::RXNE;
        self.data_read = self.has(SR, sr::OVR);
        self.received.into()
    }

    fn write_control_1(&mut self, value: u32, lanes: u32, cx: &mut Cx<'_>) {
        let fault = self.has(SR, sr::MODF);
        // SPE and MSTR cannot be set while MODF is (25.3.10).
        let value = if fault { value & !(cr1::SPE | cr1::MSTR) } else { value };
        let old = self.regs.write(Self::table_of(self.number), CR1, value, lanes, self.static_name(), cx);
        if fault && self.status_accessed {
            self.regs[SR] &= !sr::MODF;
            self.status_accessed = false;
        }
        if (old ^ self.regs[CR1]) & cr1::CRCEN != 0 {
            self.dma_ended = false;
            if self.has(CR1, cr1::CRCEN) {
                (self.regs[RXCRCR], self.regs[TXCRCR]) = (0, 0);
            }
        }
    }

    /// Acts on changed settings and levels. Nothing happens between two equal ones.
    fn follow_settings(&mut self, cx: &mut Cx<'_>) {
        self.follow_clock(cx);
        if self.is_master() && !self.nss_level() {
            self.regs[SR] |= sr::MODF;
            self.regs[CR1] &= !(cr1::SPE | cr1::MSTR);
            self.status_accessed = false;
        }
        if self.shift.is_some_and(|shift| !self.goes_on(shift)) {
            self.cut(cx);
        }
        if !self.has(CR1, cr1::SPE) || self.has(CR1, cr1::MSTR) {
            self.slave.disable();
        }
        self.start_next(false, cx.now);
    }
}

impl Device for Spi {
    fn name(&self) -> &str {
        self.static_name()
    }

    fn table(&self) -> &'static [Register] {
        Self::table_of(self.number)
    }

    fn read(&mut self, offset: u32, cx: &mut Cx<'_>) -> u32 {
        self.catch_up(cx);
        match RegisterFile::index_of(self.table(), offset) {
            Some(SR) => self.read_status(),
            Some(DR) => self.read_data(),
            Some(index) => self.regs[index],
            None => {
                cx.unmodelled(&format!("{} read offset {offset:#x}", self.static_name()));
                0
            }
        }
    }

    fn quiet_read(&self, offset: u32) -> Option<u32> {
        let index = (offset / 4) as usize;
        match index {
            SR if !self.data_read && self.status_accessed == self.has(SR, sr::MODF) => Some(self.status()),
            CR1 | CR2 | CRCPR | RXCRCR | TXCRCR => Some(self.regs[index]),
            _ => None,
        }
    }

    fn write(&mut self, offset: u32, value: u32, lanes: u32, cx: &mut Cx<'_>) {
        self.catch_up(cx);
        match RegisterFile::index_of(self.table(), offset) {
            Some(DR) => {
                // A word that still waits there is lost (25.3.5).
                self.written = (value & lanes) as u16;
                self.regs[SR] &= !sr::TXE;
            }
            Some(CR1) => self.write_control_1(value, lanes, cx),
            Some(index) => {
                self.regs.write(Self::table_of(self.number), index, value, lanes, self.static_name(), cx);
                self.status_accessed |= index == SR && self.has(SR, sr::MODF);
            }
            None => cx.unmodelled(&format!("{} write offset {offset:#x}", self.static_name())),
        }
        self.follow_settings(cx);
    }

    fn wake(&self, _clocks: &Clocks) -> Wake {
        self.shift.map_or(Wake::NEVER, |shift| Wake::at_cycle(shift.next_cycle()))
    }

    fn advance(&mut self, cx: &mut Cx<'_>) {
        self.catch_up(cx);
    }

    fn clocks_changed(&mut self, cx: &mut Cx<'_>) {
        self.follow_settings(cx);
    }

    fn irq_lines(&self) -> u32 {
        let (status, control) = (self.regs[SR], self.regs[CR2]);
        // 25.3.11, table of interrupt requests.
        let line = control & cr2::TXEIE != 0 && status & sr::TXE != 0
            || control & cr2::RXNEIE != 0 && status & sr::RXNE != 0
            || control & cr2::ERRIE != 0 && status & (sr::CRCERR | sr::MODF | sr::OVR) != 0;
        line.into()
    }

    fn dma_requests(&self) -> u32 {
        let transmit = self.has(CR2, cr2::TXDMAEN) && self.has(SR, sr::TXE);
        let receive = self.has(CR2, cr2::RXDMAEN) && self.has(SR, sr::RXNE);
        u32::from(transmit) | u32::from(receive) << 1
    }

    fn reset(&mut self) {
        *self = Self { nss: self.nss, ..Self::new(self.number) };
    }
}
