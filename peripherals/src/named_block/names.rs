//! Names and reset values of the registers of blocks that are not modelled (RM0033, the section of each block).

use serde::{Deserialize, Serialize};

/// A register: byte offset, name, value after reset.
type Named = (u32, &'static str, u32);

/// The blocks. Those of the larger chips of the family (Ethernet, DCMI, CRYP, HASH) are named too: an access to
/// one is worth a clear line in the ledger.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[allow(missing_docs)]
pub enum Block {
    Adc,
    Dac,
    Can1,
    Can2,
    Sdio,
    Fsmc,
    Eth,
    OtgHs,
    Dcmi,
    Cryp,
    Hash,
}

impl Block {
    /// All of them.
    pub const ALL: [Self; 11] = [
        Self::Adc,
        Self::Dac,
        Self::Can1,
        Self::Can2,
        Self::Sdio,
        Self::Fsmc,
        Self::Eth,
        Self::OtgHs,
        Self::Dcmi,
        Self::Cryp,
        Self::Hash,
    ];

    /// The block's name in the manual.
    pub fn name(self) -> &'static str {
        match self {
            Self::Adc => "ADC",
            Self::Dac => "DAC",
            Self::Can1 => "CAN1",
            Self::Can2 => "CAN2",
            Self::Sdio => "SDIO",
            Self::Fsmc => "FSMC",
            Self::Eth => "ETH",
            Self::OtgHs => "OTG_HS",
            Self::Dcmi => "DCMI",
            Self::Cryp => "CRYP",
            Self::Hash => "HASH",
        }
    }

    /// Its named registers by offset.
    pub fn registers(self) -> &'static [(u32, &'static str, u32)] {
        match self {
            Self::Adc => ADC,
            Self::Dac => DAC,
            Self::Can1 | Self::Can2 => CAN,
            Self::Sdio => SDIO,
            Self::Fsmc => FSMC,
            Self::Eth => ETH,
            Self::OtgHs => OTG_HS,
            Self::Dcmi => DCMI,
            Self::Cryp => CRYP,
            Self::Hash => HASH,
        }
    }

    /// Name and reset value of the register at an offset.
    pub fn register(self, offset: u32) -> Option<(&'static str, u32)> {
        let registers = self.registers();
        let index = registers.binary_search_by_key(&(offset & !3), |r| r.0).ok()?;
        registers.get(index).map(|r| (r.1, r.2))
    }
}

#[rustfmt::skip]
const ADC: &[Named] = &[
    (0x000, "ADC1_SR", 0), (0x004, "ADC1_CR1", 0), (0x008, "ADC1_CR2", 0), (0x00c, "ADC1_SMPR1", 0),
    (0x010, "ADC1_SMPR2", 0), (0x014, "ADC1_JOFR1", 0), (0x018, "ADC1_JOFR2", 0), (0x01c, "ADC1_JOFR3", 0),
    (0x020, "ADC1_JOFR4", 0), (0x024, "ADC1_HTR", 0xfff), (0x028, "ADC1_LTR", 0), (0x02c, "ADC1_SQR1", 0),
    (0x030, "ADC1_SQR2", 0), (0x034, "ADC1_SQR3", 0), (0x038, "ADC1_JSQR", 0), (0x03c, "ADC1_JDR1", 0),
    (0x040, "ADC1_JDR2", 0), (0x044, "ADC1_JDR3", 0), (0x048, "ADC1_JDR4", 0), (0x04c, "ADC1_DR", 0),
    (0x100, "ADC2_SR", 0), (0x104, "ADC2_CR1", 0), (0x108, "ADC2_CR2", 0), (0x10c, "ADC2_SMPR1", 0),
    (0x110, "ADC2_SMPR2", 0), (0x114, "ADC2_JOFR1", 0), (0x118, "ADC2_JOFR2", 0), (0x11c, "ADC2_JOFR3", 0),
    (0x120, "ADC2_JOFR4", 0), (0x124, "ADC2_HTR", 0xfff), (0x128, "ADC2_LTR", 0), (0x12c, "ADC2_SQR1", 0),
    (0x130, "ADC2_SQR2", 0), (0x134, "ADC2_SQR3", 0), (0x138, "ADC2_JSQR", 0), (0x13c, "ADC2_JDR1", 0),
    (0x140, "ADC2_JDR2", 0), (0x144, "ADC2_JDR3", 0), (0x148, "ADC2_JDR4", 0), (0x14c, "ADC2_DR", 0),
    (0x200, "ADC3_SR", 0), (0x204, "ADC3_CR1", 0), (0x208, "ADC3_CR2", 0), (0x20c, "ADC3_SMPR1", 0),
    (0x210, "ADC3_SMPR2", 0), (0x214, "ADC3_JOFR1", 0), (0x218, "ADC3_JOFR2", 0), (0x21c, "ADC3_JOFR3", 0),
    (0x220, "ADC3_JOFR4", 0), (0x224, "ADC3_HTR", 0xfff), (0x228, "ADC3_LTR", 0), (0x22c, "ADC3_SQR1", 0),
    (0x230, "ADC3_SQR2", 0), (0x234, "ADC3_SQR3", 0), (0x238, "ADC3_JSQR", 0), (0x23c, "ADC3_JDR1", 0),
    (0x240, "ADC3_JDR2", 0), (0x244, "ADC3_JDR3", 0), (0x248, "ADC3_JDR4", 0), (0x24c, "ADC3_DR", 0),
    (0x300, "CSR", 0), (0x304, "CCR", 0), (0x308, "CDR", 0),
];

#[rustfmt::skip]
const DAC: &[Named] = &[
    (0x000, "CR", 0), (0x004, "SWTRIGR", 0), (0x008, "DHR12R1", 0), (0x00c, "DHR12L1", 0), (0x010, "DHR8R1", 0),
    (0x014, "DHR12R2", 0), (0x018, "DHR12L2", 0), (0x01c, "DHR8R2", 0), (0x020, "DHR12RD", 0), (0x024, "DHR12LD", 0),
    (0x028, "DHR8RD", 0), (0x02c, "DOR1", 0), (0x030, "DOR2", 0), (0x034, "SR", 0),
];

#[rustfmt::skip]
const CAN: &[Named] = &[
    (0x000, "MCR", 0), (0x004, "MSR", 0), (0x008, "TSR", 0), (0x00c, "RF0R", 0), (0x010, "RF1R", 0),
    (0x014, "IER", 0), (0x018, "ESR", 0), (0x01c, "BTR", 0), (0x180, "TI0R", 0), (0x184, "TDT0R", 0),
    (0x188, "TDL0R", 0), (0x18c, "TDH0R", 0), (0x190, "TI1R", 0), (0x194, "TDT1R", 0), (0x198, "TDL1R", 0),
    (0x19c, "TDH1R", 0), (0x1a0, "TI2R", 0), (0x1a4, "TDT2R", 0), (0x1a8, "TDL2R", 0), (0x1ac, "TDH2R", 0),
    (0x1b0, "RI0R", 0), (0x1b4, "RDT0R", 0), (0x1b8, "RDL0R", 0), (0x1bc, "RDH0R", 0), (0x1c0, "RI1R", 0),
    (0x1c4, "RDT1R", 0), (0x1c8, "RDL1R", 0), (0x1cc, "RDH1R", 0), (0x200, "FMR", 0), (0x204, "FM1R", 0),
    (0x20c, "FS1R", 0), (0x214, "FFA1R", 0), (0x21c, "FA1R", 0), (0x240, "F0R1", 0), (0x244, "F0R2", 0),
    (0x248, "F1R1", 0), (0x24c, "F1R2", 0), (0x250, "F2R1", 0), (0x254, "F2R2", 0), (0x258, "F3R1", 0),
    (0x25c, "F3R2", 0), (0x260, "F4R1", 0), (0x264, "F4R2", 0), (0x268, "F5R1", 0), (0x26c, "F5R2", 0),
    (0x270, "F6R1", 0), (0x274, "F6R2", 0), (0x278, "F7R1", 0), (0x27c, "F7R2", 0), (0x280, "F8R1", 0),
    (0x284, "F8R2", 0), (0x288, "F9R1", 0), (0x28c, "F9R2", 0), (0x290, "F10R1", 0), (0x294, "F10R2", 0),
    (0x298, "F11R1", 0), (0x29c, "F11R2", 0), (0x2a0, "F12R1", 0), (0x2a4, "F12R2", 0), (0x2a8, "F13R1", 0),
    (0x2ac, "F13R2", 0), (0x2b0, "F14R1", 0), (0x2b4, "F14R2", 0), (0x2b8, "F15R1", 0), (0x2bc, "F15R2", 0),
    (0x2c0, "F16R1", 0), (0x2c4, "F16R2", 0), (0x2c8, "F17R1", 0), (0x2cc, "F17R2", 0), (0x2d0, "F18R1", 0),
    (0x2d4, "F18R2", 0), (0x2d8, "F19R1", 0), (0x2dc, "F19R2", 0), (0x2e0, "F20R1", 0), (0x2e4, "F20R2", 0),
    (0x2e8, "F21R1", 0), (0x2ec, "F21R2", 0), (0x2f0, "F22R1", 0), (0x2f4, "F22R2", 0), (0x2f8, "F23R1", 0),
    (0x2fc, "F23R2", 0), (0x300, "F24R1", 0), (0x304, "F24R2", 0), (0x308, "F25R1", 0), (0x30c, "F25R2", 0),
    (0x310, "F26R1", 0), (0x314, "F26R2", 0), (0x318, "F27R1", 0), (0x31c, "F27R2", 0),
];

#[rustfmt::skip]
const SDIO: &[Named] = &[
    (0x000, "POWER", 0), (0x004, "CLKCR", 0), (0x008, "ARG", 0), (0x00c, "CMD", 0), (0x010, "RESPCMD", 0),
    (0x014, "RESP1", 0), (0x018, "RESP2", 0), (0x01c, "RESP3", 0), (0x020, "RESP4", 0), (0x024, "DTIMER", 0),
    (0x028, "DLEN", 0), (0x02c, "DCTRL", 0), (0x030, "DCOUNT", 0), (0x034, "STA", 0), (0x038, "ICR", 0),
    (0x03c, "MASK", 0), (0x048, "FIFOCNT", 0), (0x080, "FIFO", 0),
];

#[rustfmt::skip]
const FSMC: &[Named] = &[
    (0x000, "BCR1", 0x30d0), (0x004, "BTR1", 0xffffffff), (0x008, "BCR2", 0x30d0), (0x00c, "BTR2", 0xffffffff),
    (0x010, "BCR3", 0x30d0), (0x014, "BTR3", 0xffffffff), (0x018, "BCR4", 0x30d0), (0x01c, "BTR4", 0xffffffff),
    (0x060, "PCR2", 0x18), (0x064, "SR2", 0x40), (0x068, "PMEM2", 0xfcfcfcfc), (0x06c, "PATT2", 0xfcfcfcfc),
    (0x074, "ECCR2", 0), (0x080, "PCR3", 0x18), (0x084, "SR3", 0x40), (0x088, "PMEM3", 0xfcfcfcfc),
    (0x08c, "PATT3", 0xfcfcfcfc), (0x094, "ECCR3", 0), (0x0a0, "PCR4", 0x18), (0x0a4, "SR4", 0x40),
    (0x0a8, "PMEM4", 0xfcfcfcfc), (0x0ac, "PATT4", 0xfcfcfcfc), (0x0b0, "PIO4", 0xfcfcfcfc),
    (0x104, "BWTR1", 0xfffffff), (0x10c, "BWTR2", 0xfffffff), (0x114, "BWTR3", 0xfffffff),
    (0x11c, "BWTR4", 0xfffffff),
];

#[rustfmt::skip]
const DCMI: &[Named] = &[
    (0x000, "CR", 0), (0x004, "SR", 0), (0x008, "RIS", 0), (0x00c, "IER", 0), (0x010, "MIS", 0), (0x014, "ICR", 0),
    (0x018, "ESCR", 0), (0x01c, "ESUR", 0), (0x020, "CWSTRT", 0), (0x024, "CWSIZE", 0), (0x028, "DR", 0),
];

#[rustfmt::skip]
const ETH: &[Named] = &[
    (0x000, "MACCR", 0x8000), (0x004, "MACFFR", 0), (0x008, "MACHTHR", 0), (0x00c, "MACHTLR", 0),
    (0x010, "MACMIIAR", 0), (0x014, "MACMIIDR", 0), (0x018, "MACFCR", 0), (0x01c, "MACVLANTR", 0),
    (0x028, "MACRWUFFR", 0), (0x02c, "MACPMTCSR", 0), (0x034, "MACDBGR", 0), (0x038, "MACSR", 0),
    (0x03c, "MACIMR", 0), (0x040, "MACA0HR", 0x10ffff), (0x044, "MACA0LR", 0xffffffff), (0x048, "MACA1HR", 0xffff),
    (0x04c, "MACA1LR", 0xffffffff), (0x050, "MACA2HR", 0xffff), (0x054, "MACA2LR", 0xffffffff),
    (0x058, "MACA3HR", 0xffff), (0x05c, "MACA3LR", 0xffffffff), (0x100, "MMCCR", 0), (0x104, "MMCRIR", 0),
    (0x108, "MMCTIR", 0), (0x10c, "MMCRIMR", 0), (0x110, "MMCTIMR", 0), (0x14c, "MMCTGFSCCR", 0),
    (0x150, "MMCTGFMSCCR", 0), (0x168, "MMCTGFCR", 0), (0x194, "MMCRFCECR", 0), (0x198, "MMCRFAECR", 0),
    (0x1c4, "MMCRGUFCR", 0), (0x700, "PTPTSCR", 0x2000), (0x704, "PTPSSIR", 0), (0x708, "PTPTSHR", 0),
    (0x70c, "PTPTSLR", 0), (0x710, "PTPTSHUR", 0), (0x714, "PTPTSLUR", 0), (0x718, "PTPTSAR", 0),
    (0x71c, "PTPTTHR", 0), (0x720, "PTPTTLR", 0), (0x728, "PTPTSSR", 0), (0x72c, "PTPPPSCR", 0),
    (0x1000, "DMABMR", 0x20101), (0x1004, "DMATPDR", 0), (0x1008, "DMARPDR", 0), (0x100c, "DMARDLAR", 0),
    (0x1010, "DMATDLAR", 0), (0x1014, "DMASR", 0), (0x1018, "DMAOMR", 0), (0x101c, "DMAIER", 0),
    (0x1020, "DMAMFBOCR", 0), (0x1024, "DMARSWTR", 0), (0x1048, "DMACHTDR", 0), (0x104c, "DMACHRDR", 0),
    (0x1050, "DMACHTBAR", 0), (0x1054, "DMACHRBAR", 0),
];

#[rustfmt::skip]
const OTG_HS: &[Named] = &[
    (0x000, "GOTGCTL", 0x800), (0x004, "GOTGINT", 0), (0x008, "GAHBCFG", 0), (0x00c, "GUSBCFG", 0xa00),
    (0x010, "GRSTCTL", 0x20000000), (0x014, "GINTSTS", 0x4000020), (0x018, "GINTMSK", 0), (0x01c, "GRXSTSR_Host", 0),
    (0x020, "GRXSTSP_Host", 0), (0x024, "GRXFSIZ", 0x200), (0x028, "GNPTXFSIZ_Host", 0x200),
    (0x02c, "GNPTXSTS", 0x80200), (0x038, "GCCFG", 0), (0x03c, "CID", 0x1200), (0x100, "HPTXFSIZ", 0x2000600),
    (0x104, "DIEPTXF1", 0x2000400), (0x108, "DIEPTXF2", 0x2000400), (0x11c, "DIEPTXF3", 0x2000400),
    (0x120, "DIEPTXF4", 0x2000400), (0x124, "DIEPTXF5", 0x2000400), (0x128, "DIEPTXF6", 0x2000400),
    (0x12c, "DIEPTXF7", 0x2000400), (0x400, "HCFG", 0), (0x404, "HFIR", 0xea60), (0x408, "HFNUM", 0x3fff),
    (0x410, "HPTXSTS", 0x80100), (0x414, "HAINT", 0), (0x418, "HAINTMSK", 0), (0x440, "HPRT", 0),
    (0x500, "HCCHAR0", 0), (0x504, "HCSPLT0", 0), (0x508, "HCINT0", 0), (0x50c, "HCINTMSK0", 0),
    (0x510, "HCTSIZ0", 0), (0x514, "HCDMA0", 0), (0x520, "HCCHAR1", 0), (0x524, "HCSPLT1", 0), (0x528, "HCINT1", 0),
    (0x52c, "HCINTMSK1", 0), (0x530, "HCTSIZ1", 0), (0x534, "HCDMA1", 0), (0x540, "HCCHAR2", 0),
    (0x544, "HCSPLT2", 0), (0x548, "HCINT2", 0), (0x54c, "HCINTMSK2", 0), (0x550, "HCTSIZ2", 0), (0x554, "HCDMA2", 0),
    (0x560, "HCCHAR3", 0), (0x564, "HCSPLT3", 0), (0x568, "HCINT3", 0), (0x56c, "HCINTMSK3", 0),
    (0x570, "HCTSIZ3", 0), (0x574, "HCDMA3", 0), (0x580, "HCCHAR4", 0), (0x584, "HCSPLT4", 0), (0x588, "HCINT4", 0),
    (0x58c, "HCINTMSK4", 0), (0x590, "HCTSIZ4", 0), (0x594, "HCDMA4", 0), (0x5a0, "HCCHAR5", 0),
    (0x5a4, "HCSPLT5", 0), (0x5a8, "HCINT5", 0), (0x5ac, "HCINTMSK5", 0), (0x5b0, "HCTSIZ5", 0), (0x5b4, "HCDMA5", 0),
    (0x5c0, "HCCHAR6", 0), (0x5c4, "HCSPLT6", 0), (0x5c8, "HCINT6", 0), (0x5cc, "HCINTMSK6", 0),
    (0x5d0, "HCTSIZ6", 0), (0x5d4, "HCDMA6", 0), (0x5e0, "HCCHAR7", 0), (0x5e4, "HCSPLT7", 0), (0x5e8, "HCINT7", 0),
    (0x5ec, "HCINTMSK7", 0), (0x5f0, "HCTSIZ7", 0), (0x5f4, "HCDMA7", 0), (0x600, "HCCHAR8", 0),
    (0x604, "HCSPLT8", 0), (0x608, "HCINT8", 0), (0x60c, "HCINTMSK8", 0), (0x610, "HCTSIZ8", 0), (0x614, "HCDMA8", 0),
    (0x620, "HCCHAR9", 0), (0x624, "HCSPLT9", 0), (0x628, "HCINT9", 0), (0x62c, "HCINTMSK9", 0),
    (0x630, "HCTSIZ9", 0), (0x634, "HCDMA9", 0), (0x640, "HCCHAR10", 0), (0x644, "HCSPLT10", 0),
    (0x648, "HCINT10", 0), (0x64c, "HCINTMSK10", 0), (0x650, "HCTSIZ10", 0), (0x654, "HCDMA10", 0),
    (0x660, "HCCHAR11", 0), (0x664, "HCSPLT11", 0), (0x668, "HCINT11", 0), (0x66c, "HCINTMSK11", 0),
    (0x670, "HCTSIZ11", 0), (0x674, "HCDMA11", 0), (0x800, "DCFG", 0x2200000), (0x804, "DCTL", 0),
    (0x808, "DSTS", 0x10), (0x810, "DIEPMSK", 0), (0x814, "DOEPMSK", 0), (0x818, "DAINT", 0), (0x81c, "DAINTMSK", 0),
    (0x828, "DVBUSDIS", 0x17d7), (0x82c, "DVBUSPULSE", 0x5b8), (0x830, "DTHRCTL", 0), (0x834, "DIEPEMPMSK", 0),
    (0x838, "DEACHINT", 0), (0x83c, "DEACHINTMSK", 0), (0x840, "DIEPEACHMSK1", 0), (0x880, "DOEPEACHMSK1", 0),
    (0x900, "DIEPCTL0", 0), (0x908, "DIEPINT0", 0x80), (0x910, "DIEPTSIZ0", 0), (0x914, "DIEPDMA1", 0),
    (0x918, "DTXFSTS0", 0), (0x920, "DIEPCTL1", 0), (0x928, "DIEPINT1", 0), (0x930, "DIEPTSIZ1", 0),
    (0x934, "DIEPDMA2", 0), (0x938, "DTXFSTS1", 0), (0x940, "DIEPCTL2", 0), (0x948, "DIEPINT2", 0),
    (0x950, "DIEPTSIZ2", 0), (0x954, "DIEPDMA3", 0), (0x958, "DTXFSTS2", 0), (0x960, "DIEPCTL3", 0),
    (0x968, "DIEPINT3", 0), (0x970, "DIEPTSIZ3", 0), (0x974, "DIEPDMA4", 0), (0x978, "DTXFSTS3", 0),
    (0x980, "DIEPCTL4", 0), (0x988, "DIEPINT4", 0), (0x990, "DIEPTSIZ4", 0), (0x994, "DIEPDMA5", 0),
    (0x998, "DTXFSTS4", 0), (0x9a0, "DIEPCTL5", 0), (0x9a8, "DIEPINT5", 0), (0x9b0, "DIEPTSIZ5", 0),
    (0x9b8, "DTXFSTS5", 0), (0x9c0, "DIEPCTL6", 0), (0x9c8, "DIEPINT6", 0), (0x9e0, "DIEPCTL7", 0),
    (0x9e8, "DIEPINT7", 0), (0xb00, "DOEPCTL0", 0x8000), (0xb08, "DOEPINT0", 0x80), (0xb10, "DOEPTSIZ0", 0),
    (0xb20, "DOEPCTL1", 0), (0xb28, "DOEPINT1", 0), (0xb30, "DOEPTSIZ1", 0), (0xb40, "DOEPCTL2", 0),
    (0xb48, "DOEPINT2", 0), (0xb50, "DOEPTSIZ2", 0), (0xb60, "DOEPCTL3", 0), (0xb68, "DOEPINT3", 0),
    (0xb70, "DOEPTSIZ3", 0), (0xb88, "DOEPINT4", 0), (0xb90, "DOEPTSIZ4", 0), (0xba8, "DOEPINT5", 0),
    (0xbc8, "DOEPINT6", 0), (0xbe8, "DOEPINT7", 0), (0xe00, "PCGCR", 0),
];

#[rustfmt::skip]
const CRYP: &[Named] = &[
    (0x000, "CR", 0), (0x004, "SR", 0x3), (0x008, "DIN", 0), (0x00c, "DOUT", 0), (0x010, "DMACR", 0),
    (0x014, "IMSCR", 0), (0x018, "RISR", 0x1), (0x01c, "MISR", 0), (0x020, "K0LR", 0), (0x024, "K0RR", 0),
    (0x028, "K1LR", 0), (0x02c, "K1RR", 0), (0x030, "K2LR", 0), (0x034, "K2RR", 0), (0x038, "K3LR", 0),
    (0x03c, "K3RR", 0), (0x040, "IV0LR", 0), (0x044, "IV0RR", 0), (0x048, "IV1LR", 0), (0x04c, "IV1RR", 0),
];

#[rustfmt::skip]
const HASH: &[Named] = &[
    (0x000, "CR", 0), (0x004, "DIN", 0), (0x008, "STR", 0), (0x00c, "HR0", 0), (0x010, "HR1", 0), (0x014, "HR2", 0),
    (0x018, "HR3", 0), (0x01c, "HR4", 0), (0x020, "IMR", 0), (0x024, "SR", 0x1),
];
