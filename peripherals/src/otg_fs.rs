//! USB on-the-go full-speed core (RM0033 section 29) with nothing on the connector: device mode, no VBUS, no host.
//!
//! Everything a driver does to get ready works: resets and flushes complete at once, endpoints arm and disarm, transmit
//! FIFOs fill. What only a host can cause (reset, enumeration, packets) never comes. Not raised although hardware
//! might: ESUSP and USBSUSP for an idle bus when VBUS sensing is disabled (GCCFG.NOVBUSSENS). Host mode is not
//! modelled: its registers are reported, and set MMIS as in device mode.

mod table;

use serde::{Deserialize, Serialize};

use crate::device::{Cx, Device};
use crate::registers::{Register, RegisterFile};
use table::*;

const ENDPOINTS: u32 = 4;
const CNAK: u32 = 1 << 26;
const SNAK: u32 = 1 << 27;
const SD0PID: u32 = 1 << 28;
const SD1PID: u32 = 1 << 29;
const EPDIS: u32 = 1 << 30;
const EPENA: u32 = 1 << 31;
const NAKSTS: u32 = 1 << 17;
const DPID: u32 = 1 << 16;
const EPDISD: u32 = 1 << 1;
const TXFE: u32 = 1 << 7;
const CMOD: u32 = 1 << 0;
const MMIS: u32 = 1 << 1;
const OTGINT: u32 = 1 << 2;
const GINAKEFF: u32 = 1 << 6;
const GONAKEFF: u32 = 1 << 7;
const IEPINT: u32 = 1 << 18;
const OEPINT: u32 = 1 << 19;
const FHMOD: u32 = 1 << 29;

/// The core. Interrupt line bit 0: the global interrupt (the wake-up line belongs to EXTI 18).
#[derive(Clone, Debug, Serialize, Deserialize)]
pub struct OtgFs {
    regs: RegisterFile,
    /// Words written to each transmit FIFO and not taken by anybody.
    fifo_words: [u32; ENDPOINTS as usize],
}

impl OtgFs {
    /// After reset.
    pub fn new() -> Self {
        Self { regs: RegisterFile::new(TABLE), fifo_words: [0; ENDPOINTS as usize] }
    }

    fn reg(&self, offset: u32) -> u32 {
        RegisterFile::index_of(TABLE, offset).map_or(0, |index| self.regs[index])
    }

    fn set_reg(&mut self, offset: u32, value: u32) {
        if let Some(index) = RegisterFile::index_of(TABLE, offset) {
            self.regs[index] = value;
        }
    }

    fn fifo_depth(&self, endpoint: u32) -> u32 {
        let offset = if endpoint == 0 { DIEPTXF0 } else { DIEPTXF1 + (endpoint - 1) * 4 };
        // A word count; the start address is in the low half. Endpoint 0's reset value gives a depth of 0.
        self.reg(offset) >> 16
    }

    fn fifo_space(&self, endpoint: u32) -> u32 {
        let used = self.fifo_words.get(endpoint as usize).copied().unwrap_or(0);
        self.fifo_depth(endpoint).saturating_sub(used)
    }

    /// DIEPINTx, TXFE computed: the FIFO is empty, or half empty, as GAHBCFG.TXFELVL says.
    fn in_interrupts(&self, endpoint: u32) -> u32 {
        let depth = self.fifo_depth(endpoint);
        let used = depth - self.fifo_space(endpoint);
        let threshold = if self.reg(GAHBCFG) & 1 << 7 != 0 { 0 } else { depth / 2 };
        let rest = self.reg(0x908 + endpoint * 0x20) & !TXFE;
        if used <= threshold { rest | TXFE } else { rest }
    }

    fn daint(&self) -> u32 {
        let mut word = 0;
        for endpoint in 0..ENDPOINTS {
            let interrupts = self.in_interrupts(endpoint);
            let empty = interrupts & TXFE != 0 && self.reg(DIEPEMPMSK) >> endpoint & 1 != 0;
            word |= u32::from(empty || interrupts & !TXFE & self.reg(DIEPMSK) != 0) << endpoint;
            let out = self.reg(0xb08 + endpoint * 0x20);
            word |= u32::from(out & self.reg(DOEPMSK) != 0) << (endpoint + 16);
        }
        word
    }

    fn gintsts(&self) -> u32 {
        let daint = self.daint() & self.reg(DAINTMSK);
        let mut word = self.reg(GINTSTS);
        let live = [
            (CMOD, self.reg(GUSBCFG) & FHMOD != 0),
            (OTGINT, self.reg(GOTGINT) != 0),
            (GINAKEFF, self.reg(DCTL) & 1 << 2 != 0),
            (GONAKEFF, self.reg(DCTL) & 1 << 3 != 0),
            (IEPINT, daint & 0xffff != 0),
            (OEPINT, daint >> 16 != 0),
        ];
        for (bit, set) in live {
            word = if set { word | bit } else { word & !bit };
        }
        word
    }

    fn write_grstctl(&mut self) {
        let value = self.reg(GRSTCTL);
        if value & 1 != 0 {
            // Core soft reset keeps what the PHY and the connector need (29.16.2, CSRST).
            let (gusbcfg, gccfg) = (self.reg(GUSBCFG), self.reg(0x038));
            let dcfg = self.reg(0x800);
            *self = Self::new();
            self.set_reg(GUSBCFG, gusbcfg);
            self.set_reg(0x038, gccfg);
            self.set_reg(0x800, dcfg);
            return;
        }
        if value & 1 << 5 != 0 {
            let number = value >> 6 & 0x1f;
            for (endpoint, words) in self.fifo_words.iter_mut().enumerate() {
                if number == 0x10 || number as usize == endpoint {
                    *words = 0;
                }
            }
        }
        // Every reset and flush is complete by the time software reads again.
        self.set_reg(GRSTCTL, value & !0x37);
    }

    fn write_dctl(&mut self, written: u32) {
        let mut dctl = self.reg(DCTL);
        for (set, clear, status) in [(7, 8, 2), (9, 10, 3)] {
            if written >> set & 1 != 0 {
                dctl |= 1 << status;
            }
            if written >> clear & 1 != 0 {
                dctl &= !(1 << status);
            }
        }
        self.set_reg(DCTL, dctl);
    }

    /// A write to DIEPCTLx or DOEPCTLx; `written` holds the write-only bits.
    fn write_endpoint_control(&mut self, offset: u32, written: u32) {
        let mut control = self.reg(offset);
        let mut apply = |when: u32, set: u32, clear: u32| {
            if written & when != 0 {
                control = control & !clear | set;
            }
        };
        apply(CNAK, 0, NAKSTS);
        apply(SNAK, NAKSTS, 0);
        apply(SD0PID, 0, DPID);
        apply(SD1PID, DPID, 0);
        if control & EPDIS != 0 {
            // The core disables an enabled endpoint and says so; on a disabled one EPDIS does nothing.
            if control & EPENA != 0 {
                let interrupt = offset + 8;
                self.set_reg(interrupt, self.reg(interrupt) | EPDISD);
            }
            control &= !(EPENA | EPDIS);
        }
        self.set_reg(offset, control);
    }
}

impl Default for OtgFs {
    fn default() -> Self {
        Self::new()
    }
}

impl Device for OtgFs {
    fn name(&self) -> &str {
        "OTG_FS"
    }

    fn table(&self) -> &'static [Register] {
        TABLE
    }

    fn read(&mut self, offset: u32, cx: &mut Cx<'_>) -> u32 {
        match offset & !3 {
            GINTSTS => self.gintsts(),
            DAINT => self.daint(),
            offset @ (0x908 | 0x928 | 0x948 | 0x968) => self.in_interrupts((offset - 0x908) / 0x20),
            offset @ (0x918 | 0x938 | 0x958 | 0x978) => self.fifo_space((offset - 0x918) / 0x20),
            0x400..0x800 => {
                cx.unmodelled(&format!("OTG_FS host mode read offset {offset:#x}"));
                self.set_reg(GINTSTS, self.reg(GINTSTS) | MMIS);
                0
            }
            // The receive FIFO is empty for ever; hardware gives no error for popping it.
            0x1000.. => 0,
            offset => match RegisterFile::index_of(TABLE, offset) {
                Some(index) => self.regs[index],
                None => {
                    cx.unmodelled(&format!("OTG_FS read offset {offset:#x}"));
                    0
                }
            },
        }
    }

    fn write(&mut self, offset: u32, value: u32, lanes: u32, cx: &mut Cx<'_>) {
        let offset = offset & !3;
        match offset {
            0x400..0x800 => {
                cx.unmodelled(&format!("OTG_FS host mode write offset {offset:#x}"));
                self.set_reg(GINTSTS, self.reg(GINTSTS) | MMIS);
                return;
            }
            0x1000.. => {
                // One 4 KB window per FIFO, from 0x1000 on (29.16.1).
                if let Some(words) = self.fifo_words.get_mut((offset / 0x1000 - 1) as usize) {
                    *words = words.saturating_add(1);
                }
                return;
            }
            _ => {}
        }
        let Some(index) = RegisterFile::index_of(TABLE, offset) else {
            cx.unmodelled(&format!("OTG_FS write offset {offset:#x}"));
            return;
        };
        self.regs.write(TABLE, index, value, lanes, "OTG_FS", cx);
        match offset {
            GRSTCTL => self.write_grstctl(),
            DCTL => self.write_dctl(value & lanes),
            0x900 | 0x920 | 0x940 | 0x960 | 0xb00 | 0xb20 | 0xb40 | 0xb60 => {
                self.write_endpoint_control(offset, value & lanes);
            }
            GUSBCFG if self.reg(GUSBCFG) & FHMOD != 0 => cx.unmodelled("OTG_FS.GUSBCFG.FHMOD"),
            _ => {}
        }
    }

    fn irq_lines(&self) -> u32 {
        u32::from(self.reg(GAHBCFG) & 1 != 0 && self.gintsts() & self.reg(GINTMSK) != 0)
    }

    fn reset(&mut self) {
        *self = Self::new();
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;
    use crate::testing::Bench;

    const ALL: u32 = u32::MAX;

    struct Rig {
        bench: Bench,
        otg: OtgFs,
    }

    impl Rig {
        fn new() -> Self {
            Self { bench: Bench::new(), otg: OtgFs::new() }
        }
        fn read(&mut self, offset: u32) -> u32 {
            self.otg.read(offset, &mut self.bench.cx())
        }
        fn write(&mut self, offset: u32, value: u32) {
            self.otg.write(offset, value, ALL, &mut self.bench.cx());
        }
    }

    #[test]
    fn the_table_is_sorted_and_its_fields_do_not_overlap() {
        assert!(TABLE.windows(2).all(|w| w[0].offset < w[1].offset));
        for register in TABLE {
            let mut seen = 0;
            for field in register.fields {
                assert_eq!(seen & field.mask(), 0, "{}.{}", register.name, field.name);
                seen |= field.mask();
            }
        }
    }

    #[test]
    fn a_driver_s_core_reset_and_flushes_complete() {
        let mut rig = Rig::new();
        assert_eq!(rig.read(GRSTCTL), 1 << 31, "AHB idle");
        rig.write(GUSBCFG, 1 << 30 | 0x1440);
        rig.write(GRSTCTL, 1);
        assert_eq!(rig.read(GRSTCTL), 1 << 31);
        assert_eq!(rig.read(GUSBCFG), 1 << 30 | 0x1400, "forced device mode survives; PHYSEL is write-only");
        rig.write(GRSTCTL, 0x10 << 6 | 1 << 5);
        rig.write(GRSTCTL, 1 << 4);
        assert_eq!(rig.read(GRSTCTL), 1 << 31);
        assert_eq!(rig.read(GINTSTS) & CMOD, 0, "device mode");
        assert_eq!(rig.read(GOTGCTL) & 0xc_0000, 0, "no session without VBUS");
        assert!(rig.bench.ledger.entries().is_empty());
    }

    #[test]
    fn enabled_but_without_a_host_nothing_interrupts() {
        let mut rig = Rig::new();
        rig.write(GAHBCFG, 1);
        // USBRST, ENUMDNE, USBSUSP, WKUP, IEPINT, OEPINT, RXFLVL, SRQ, OTG.
        rig.write(GINTMSK, 0xc00c_3814);
        rig.write(DAINTMSK, 0x0001_0001);
        rig.write(DIEPMSK, 0xb);
        rig.write(DOEPMSK, 0xb);
        rig.write(0xb00, EPENA | CNAK);
        assert_eq!((rig.otg.irq_lines(), rig.read(0xb00)), (0, EPENA | 0x8000));
    }

    #[test]
    fn disabling_an_armed_endpoint_raises_its_interrupt() {
        let mut rig = Rig::new();
        rig.write(GAHBCFG, 1);
        rig.write(GINTMSK, IEPINT);
        rig.write(DAINTMSK, 2);
        rig.write(DIEPMSK, EPDISD);
        rig.write(0x920, EPENA | SNAK | 1 << 15 | 64);
        assert_eq!(rig.read(0x920), EPENA | NAKSTS | 1 << 15 | 64);
        rig.write(0x920, EPENA | EPDIS | 1 << 15 | 64);
        assert_eq!(rig.read(0x920) & (EPENA | EPDIS), 0);
        assert_eq!((rig.read(DAINT), rig.otg.irq_lines()), (2, 1));
        rig.write(0x928, EPDISD);
        assert_eq!((rig.read(DAINT), rig.otg.irq_lines()), (0, 0));
    }

    #[test]
    fn a_transmit_fifo_fills_until_flushed() {
        let mut rig = Rig::new();
        rig.write(DIEPTXF1, 16 << 16 | 0x80);
        assert_eq!((rig.read(0x938), rig.read(0x928) & TXFE), (16, TXFE));
        for _ in 0..9 {
            rig.write(0x2000, 0x1234_5678);
        }
        assert_eq!((rig.read(0x938), rig.read(0x928) & TXFE), (7, 0));
        rig.write(GRSTCTL, 1 << 6 | 1 << 5);
        assert_eq!(rig.read(0x938), 16);
    }

    proptest! {
        #[test]
        fn no_access_panics(accesses: Vec<(u32, u32, u32)>) {
            let mut rig = Rig::new();
            for (offset, value, lanes) in accesses {
                let offset = offset % 0x4_0000;
                rig.otg.write(offset, value, lanes, &mut rig.bench.cx());
                rig.otg.write(offset % 0x1000, value, lanes, &mut rig.bench.cx());
                rig.otg.read(offset, &mut rig.bench.cx());
                rig.otg.irq_lines();
                prop_assert_eq!(rig.read(GRSTCTL) & 0x8000_0037, 1 << 31);
            }
        }
    }
}
