//! USART1 to 6 (RM0033 section 24; numbers 4 and 5 are UARTs): the asynchronous part, with flow control, LIN breaks,
//! half-duplex and mute mode. Synchronous clock output, IrDA and smartcard modes are named in the table but not
//! modelled.
//!
//! Choices where the manual is silent or contradicts itself, all of which software could observe:
//! - The transmitter's bit clock runs free from the moment UE, TE and a usable BRR come together, and a frame starts
//!   on its next edge; a frame that follows another starts with the last stop bit's end.
//! - Enabling the transmitter sends the idle frame of 24.3.2 after one bit time; TC stays as it was meanwhile.
//! - Clearing TE or UE lets the frame in the shift register finish ("the end of the current byte transfer"); what
//!   waits in DR stays there until the transmitter is enabled again.
//! - A received frame counts from the end of its stop bits; hardware sets RXNE about half a bit earlier.
//! - A bit whose half is not a whole number of PCLK cycles loses the fraction in a stop of 0.5 or 1.5 bits.
//! - A flag is cleared by the SR-DR sequence only if the read of SR saw it set.

use serde::{Deserialize, Serialize};

use crate::device::{Cx, Device};
use crate::registers::{Register, RegisterFile};
use crate::time::{Clocks, Now, Wake, cycles_to_ps};

mod receive;
mod table;
#[cfg(test)]
mod tests;
mod transmit;

use table::{BRR, CR1, CR2, CR3, DR, SR, cr1, cr2, cr3, sr};
use transmit::Shift;

/// What a note in the ledger ends with when a received character was lost because the one before it had not been read;
/// the USART's name is before it.
pub const OVERRUN_NOTE: &str = " overrun";

/// One USART or UART.
///
/// Interrupt lines: bit 0, the one global interrupt. DMA requests: bit 0 transmit, bit 1 receive.
///
/// The far end of the wires calls [`receive_start`](Self::receive_start) when a start bit falls,
/// [`receive`](Self::receive) when the frame's last stop bit ends, and [`set_cts`](Self::set_cts) on each change of the
/// nCTS pin.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub struct Usart {
    number: u8,
    name: String,
    regs: RegisterFile,
    /// Flags that the last read of SR saw set: the first half of the clearing sequence.
    seen: u32,
    /// Received word (RDR); `regs[DR]` is not used.
    received: u16,
    /// Written word (TDR); holds one while TXE is 0.
    written: u16,
    shift: Option<Shift>,
    /// An edge of the transmitter's bit clock, as an HCLK cycle.
    bit_origin_cycle: u64,
    /// An idle frame waits for its turn.
    preamble_due: bool,
    /// UE, TE and a running baud generator, as last seen: an edge starts the bit clock.
    sender_on: bool,
    /// HCLK cycles per bit in force; 0 while the baud generator stands.
    bit_cycles: u64,
    /// nCTS is low: the other side accepts frames. A wire's level: survives reset.
    cts_asserted: bool,
    /// RTS as the board last heard of it: survives reset, and the change is then reported at the next chance.
    rts_reported: bool,
    /// When the line will have been idle for one frame.
    idle_at_cycle: Option<u64>,
}

impl Usart {
    /// USART (or UART) `number`, 1 to 6, after reset. nCTS counts as low (asserted) until
    /// [`set_cts`](Self::set_cts) says otherwise: an alternate-function input without a pin reads 0.
    pub fn new(number: u8) -> Self {
        let name = if matches!(number, 4 | 5) { format!("UART{number}") } else { format!("USART{number}") };
        Self {
            number,
            name,
            regs: RegisterFile::new(Self::table_of(number)),
            seen: 0,
            received: 0,
            written: 0,
            shift: None,
            bit_origin_cycle: 0,
            preamble_due: false,
            sender_on: false,
            bit_cycles: 0,
            cts_asserted: true,
            rts_reported: false,
            idle_at_cycle: None,
        }
    }

    /// Which USART this is, 1 to 6.
    pub fn number(&self) -> u8 {
        self.number
    }

    /// The nCTS input changed: `asserted` (pin low) means that the other side accepts frames.
    pub fn set_cts(&mut self, asserted: bool, cx: &mut Cx<'_>) {
        self.catch_up(cx);
        if asserted == self.cts_asserted {
            return;
        }
        self.cts_asserted = asserted;
        if self.has(CR3, cr3::CTSE) {
            self.regs[SR] |= sr::CTS;
        }
        self.start_next(cx.now);
    }

    /// Duration of one bit in picoseconds under `clocks`; `None` while BRR holds no usable divider.
    pub fn bit_ps(&self, clocks: &Clocks) -> Option<u64> {
        let cycles = self.bit_pclks().checked_mul(self.pclk_cycles(clocks))?;
        (cycles != 0).then(|| cycles_to_ps(cycles, clocks))
    }

    fn table_of(number: u8) -> &'static [Register] {
        if matches!(number, 4 | 5) { table::UART } else { table::USART }
    }

    fn has(&self, register: usize, bits: u32) -> bool {
        self.regs[register] & bits != 0
    }

    /// HCLK cycles per clock of this USART's bus.
    fn pclk_cycles(&self, clocks: &Clocks) -> u64 {
        if matches!(self.number, 1 | 6) { clocks.hclk_per_pclk2 } else { clocks.hclk_per_pclk1 }
    }

    /// PCLK cycles per bit (24.3.4): the divider is in sixteenths when oversampling by 16 and in eighths by 8, so
    /// that the mantissa and the fraction together are already a bit. 0 while the mantissa is 0.
    fn bit_pclks(&self) -> u64 {
        let brr = u64::from(self.regs[BRR]);
        match (brr >> 4, self.has(CR1, cr1::OVER8)) {
            (0, _) => 0,
            (_, false) => brr,
            (mantissa, true) => mantissa * 8 + (brr & 7),
        }
    }

    /// Data bits on the wire, parity included.
    fn word_bits(&self) -> u8 {
        if self.has(CR1, cr1::M) { 9 } else { 8 }
    }

    fn stop_half_bits(&self) -> u64 {
        match self.regs[CR2] >> 12 & 3 {
            0 => 2,
            1 => 1,
            2 => 4,
            _ => 3,
        }
    }

    /// HCLK cycles of a whole frame: start, data, stop.
    fn frame_cycles(&self) -> u64 {
        (2 * (1 + u64::from(self.word_bits())) + self.stop_half_bits()) * self.bit_cycles / 2
    }

    /// The parity bit that belongs to `data` under the present settings.
    fn parity_of(&self, data: u16) -> u16 {
        (data.count_ones() as u16 & 1) ^ u16::from(self.has(CR1, cr1::PS))
    }

    /// Brings everything up to `cx.now`: frames that ended, idle time that passed.
    fn catch_up(&mut self, cx: &mut Cx<'_>) {
        self.follow_settings(cx);
        loop {
            let sent = self.shift.map_or(u64::MAX, |shift| shift.end_cycle);
            let idle = self.idle_at_cycle.unwrap_or(u64::MAX);
            let next = sent.min(idle);
            if next > cx.now.cycles {
                break;
            }
            let at = cx.instant_of(next);
            if sent <= idle {
                self.shift_done(at, cx);
            } else {
                self.line_idle();
            }
        }
        self.drive_rts(cx.now, cx);
    }

    /// Takes over a changed bit time or enable. Nothing happens between two equal settings.
    fn follow_settings(&mut self, cx: &mut Cx<'_>) {
        let now = cx.now.cycles;
        let bit_cycles = self.bit_pclks().saturating_mul(self.pclk_cycles(cx.clocks));
        if bit_cycles != self.bit_cycles {
            // The baud counters take the new value at once (24.3.4): what is left of a frame passes at the new rate.
            let scale = |cycle: u64| {
                let left = u128::from(cycle.saturating_sub(now)) * u128::from(bit_cycles);
                now.saturating_add((left / u128::from(self.bit_cycles.max(1))) as u64)
            };
            self.idle_at_cycle = self.idle_at_cycle.filter(|_| bit_cycles != 0).map(scale);
            let shift = self.shift.map(|shift| Shift {
                start_cycle: if shift.start_cycle > now { scale(shift.start_cycle) } else { shift.start_cycle },
                end_cycle: scale(shift.end_cycle),
                ..shift
            });
            if shift.is_some() && bit_cycles == 0 {
                cx.unmodelled(&format!("{} baud generator stopped while sending", self.name));
            }
            self.shift = shift.filter(|_| bit_cycles != 0);
            self.bit_cycles = bit_cycles;
            self.bit_origin_cycle = self.shift.map_or(now, |shift| shift.end_cycle);
        }
        self.follow_sender_enable(cx.now);
    }

    /// Tells the board when RTS changes (24.3.12): asserted while there is room for a word.
    fn drive_rts(&mut self, at: Now, cx: &mut Cx<'_>) {
        let asserted = self.rts_level();
        if asserted != self.rts_reported {
            self.rts_reported = asserted;
            cx.board.uart_rts(self.number, asserted, at);
        }
    }

    fn rts_level(&self) -> bool {
        self.has(CR3, cr3::RTSE) && self.regs[CR1] & (cr1::UE | cr1::RE) == cr1::UE | cr1::RE && !self.has(SR, sr::RXNE)
    }

    fn write_control_1(&mut self, value: u32, lanes: u32, cx: &mut Cx<'_>) {
        let mut value = value;
        let old = self.regs[CR1];
        if old & cr1::WAKE != 0 && self.has(SR, sr::RXNE) {
            // In address-mark mode RWU cannot be changed by software while RXNE is set (24.6.4).
            value = value & !cr1::RWU | old & cr1::RWU;
        }
        self.regs.write(Self::table_of(self.number), CR1, value, lanes, &self.name, cx);
        if old & !self.regs[CR1] & cr1::SBK != 0 {
            self.cancel_break(cx.now);
        }
        if self.regs[CR1] & (cr1::UE | cr1::RE) != cr1::UE | cr1::RE {
            self.idle_at_cycle = None;
        }
    }
}

impl Device for Usart {
    fn name(&self) -> &str {
        &self.name
    }

    fn table(&self) -> &'static [Register] {
        Self::table_of(self.number)
    }

    fn read(&mut self, offset: u32, cx: &mut Cx<'_>) -> u32 {
        self.catch_up(cx);
        match RegisterFile::index_of(self.table(), offset) {
            Some(SR) => {
                self.seen = self.regs[SR];
                self.regs[SR]
            }
            Some(DR) => {
                self.regs[SR] &= !(sr::RXNE | self.seen & sr::CLEARED_BY_DR_READ);
                self.seen &= !sr::CLEARED_BY_DR_READ;
                self.drive_rts(cx.now, cx);
                self.received.into()
            }
            Some(index) => self.regs[index],
            None => {
                cx.unmodelled(&format!("{} read offset {offset:#x}", self.name));
                0
            }
        }
    }

    fn quiet_read(&self, offset: u32) -> Option<u32> {
        let index = (offset / 4) as usize;
        match index {
            SR if self.seen == self.regs[SR] => Some(self.regs[SR]),
            BRR..=CR3 => Some(self.regs[index]),
            _ => None,
        }
    }

    fn write(&mut self, offset: u32, value: u32, lanes: u32, cx: &mut Cx<'_>) {
        self.catch_up(cx);
        match RegisterFile::index_of(self.table(), offset) {
            Some(DR) => self.write_data(value, cx.now),
            Some(CR1) => self.write_control_1(value, lanes, cx),
            Some(index) => {
                self.regs.write(Self::table_of(self.number), index, value, lanes, &self.name, cx);
            }
            None => cx.unmodelled(&format!("{} write offset {offset:#x}", self.name)),
        }
        self.follow_settings(cx);
        self.start_next(cx.now);
        self.drive_rts(cx.now, cx);
    }

    fn wake(&self, _clocks: &Clocks) -> Wake {
        if self.rts_level() != self.rts_reported {
            return Wake::at_cycle(0);
        }
        let sent = self.shift.map_or(u64::MAX, |shift| shift.end_cycle);
        Wake::at_cycle(sent.min(self.idle_at_cycle.unwrap_or(u64::MAX)))
    }

    fn advance(&mut self, cx: &mut Cx<'_>) {
        self.catch_up(cx);
    }

    fn clocks_changed(&mut self, cx: &mut Cx<'_>) {
        self.follow_settings(cx);
    }

    fn irq_lines(&self) -> u32 {
        let (s, c1, c2, c3) = (self.regs[SR], self.regs[CR1], self.regs[CR2], self.regs[CR3]);
        let errors = sr::FE | sr::ORE | sr::NF;
        // 24.4, table of interrupt requests. EIE acts in multibuffer (DMA) reception only.
        let line = c1 & cr1::TXEIE != 0 && s & sr::TXE != 0
            || c1 & cr1::TCIE != 0 && s & sr::TC != 0
            || c1 & cr1::RXNEIE != 0 && s & (sr::RXNE | sr::ORE) != 0
            || c1 & cr1::IDLEIE != 0 && s & sr::IDLE != 0
            || c1 & cr1::PEIE != 0 && s & sr::PE != 0
            || c2 & cr2::LBDIE != 0 && s & sr::LBD != 0
            || c3 & cr3::CTSIE != 0 && s & sr::CTS != 0
            || c3 & cr3::EIE != 0 && c3 & cr3::DMAR != 0 && s & errors != 0;
        line.into()
    }

    fn dma_requests(&self) -> u32 {
        let transmit = self.has(CR3, cr3::DMAT) && self.has(SR, sr::TXE);
        let receive = self.has(CR3, cr3::DMAR) && self.has(SR, sr::RXNE);
        u32::from(transmit) | u32::from(receive) << 1
    }

    fn reset(&mut self) {
        let (cts_asserted, rts_reported) = (self.cts_asserted, self.rts_reported);
        *self = Self { cts_asserted, rts_reported, ..Self::new(self.number) };
    }
}
