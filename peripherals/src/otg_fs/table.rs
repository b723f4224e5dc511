//! Register table of the OTG_FS core in device mode (RM0033 29.16).

use crate::registers::Access::{R, Rc1, Rs, Rw, W};
use crate::registers::{Field, Register};

const EMPTY_MASK: &[Field] = &[Field::new("INEPTXFEM", 0, 16, Rw)];
const TX_FIFO_SIZE: &[Field] = &[Field::new("INEPTXSA", 0, 16, Rw), Field::new("INEPTXFD", 16, 16, Rw)];
const IN_CONTROL_0: &[Field] = &[
    Field::new("MPSIZ", 0, 2, Rw),
    Field::new("USBAEP", 15, 1, R),
    Field::new("NAKSTS", 17, 1, R),
    Field::new("EPTYP", 18, 2, R),
    Field::new("STALL", 21, 1, Rs),
    Field::new("TXFNUM", 22, 4, Rw),
    Field::new("CNAK", 26, 1, W),
    Field::new("SNAK", 27, 1, W),
    Field::new("EPDIS", 30, 1, Rs),
    Field::new("EPENA", 31, 1, Rs),
];
const IN_CONTROL: &[Field] = &[
    Field::new("MPSIZ", 0, 11, Rw),
    Field::new("USBAEP", 15, 1, Rw),
    Field::new("EONUM_DPID", 16, 1, R),
    Field::new("NAKSTS", 17, 1, R),
    Field::new("EPTYP", 18, 2, Rw),
    Field::new("STALL", 21, 1, Rw),
    Field::new("TXFNUM", 22, 4, Rw),
    Field::new("CNAK", 26, 1, W),
    Field::new("SNAK", 27, 1, W),
    Field::new("SD0PID_SEVNFRM", 28, 1, W),
    Field::new("SODDFRM", 29, 1, W),
    Field::new("EPDIS", 30, 1, Rs),
    Field::new("EPENA", 31, 1, Rs),
];
const OUT_CONTROL_0: &[Field] = &[
    Field::new("MPSIZ", 0, 2, R),
    Field::new("USBAEP", 15, 1, R),
    Field::new("NAKSTS", 17, 1, R),
    Field::new("EPTYP", 18, 2, R),
    Field::new("SNPM", 20, 1, Rw),
    Field::new("STALL", 21, 1, Rs),
    Field::new("CNAK", 26, 1, W),
    Field::new("SNAK", 27, 1, W),
    Field::new("EPDIS", 30, 1, R),
    Field::new("EPENA", 31, 1, Rs),
];
const OUT_CONTROL: &[Field] = &[
    Field::new("MPSIZ", 0, 11, Rw),
    Field::new("USBAEP", 15, 1, Rw),
    Field::new("EONUM_DPID", 16, 1, R),
    Field::new("NAKSTS", 17, 1, R),
    Field::new("EPTYP", 18, 2, Rw),
    Field::new("SNPM", 20, 1, Rw),
    Field::new("STALL", 21, 1, Rw),
    Field::new("CNAK", 26, 1, W),
    Field::new("SNAK", 27, 1, W),
    Field::new("SD0PID_SEVNFRM", 28, 1, W),
    Field::new("SD1PID_SODDFRM", 29, 1, W),
    Field::new("EPDIS", 30, 1, Rs),
    Field::new("EPENA", 31, 1, Rs),
];
const IN_INTERRUPT: &[Field] = &[
    Field::new("XFRC", 0, 1, Rc1),
    Field::new("EPDISD", 1, 1, Rc1),
    Field::new("TOC", 3, 1, Rc1),
    Field::new("ITTXFE", 4, 1, Rc1),
    Field::new("INEPNE", 6, 1, Rc1),
    Field::new("TXFE", 7, 1, R),
];
const OUT_INTERRUPT: &[Field] = &[
    Field::new("XFRC", 0, 1, Rc1),
    Field::new("EPDISD", 1, 1, Rc1),
    Field::new("STUP", 3, 1, Rc1),
    Field::new("OTEPDIS", 4, 1, Rc1),
    Field::new("B2BSTUP", 6, 1, Rc1),
];
const IN_SIZE_0: &[Field] = &[Field::new("XFRSIZ", 0, 7, Rw), Field::new("PKTCNT", 19, 2, Rw)];
const IN_SIZE: &[Field] =
    &[Field::new("XFRSIZ", 0, 19, Rw), Field::new("PKTCNT", 19, 10, Rw), Field::new("MCNT", 29, 2, Rw)];
const OUT_SIZE_0: &[Field] =
    &[Field::new("XFRSIZ", 0, 7, Rw), Field::new("PKTCNT", 19, 1, Rw), Field::new("STUPCNT", 29, 2, Rw)];
const OUT_SIZE: &[Field] =
    &[Field::new("XFRSIZ", 0, 19, Rw), Field::new("PKTCNT", 19, 10, Rw), Field::new("RXDPID_STUPCNT", 29, 2, Rw)];
const FIFO_STATUS: &[Field] = &[Field::new("INEPTFSAV", 0, 16, R)];
const RECEIVE_STATUS: &[Field] = &[
    Field::new("EPNUM", 0, 4, R),
    Field::new("BCNT", 4, 11, R),
    Field::new("DPID", 15, 2, R),
    Field::new("PKTSTS", 17, 4, R),
    Field::new("FRMNUM", 21, 4, R),
];

/// The table. Host mode's registers (0x400 to 0x7FF) are not in it: without a host or a device on the connector the
/// core is in device mode.
pub(super) const TABLE: &[Register] = &[
    Register {
        offset: GOTGCTL,
        name: "GOTGCTL", // CIDSTS: nothing holds the ID pin low, so that this is a B device; no session is valid.
        reset: 0x0001_0800,
        section: "29.16.2",
        fields: &[
            Field::new("SRQSCS", 0, 1, R),
            Field::new("SRQ", 1, 1, Rw),
            Field::new("HNGSCS", 8, 1, R),
            Field::new("HNPRQ", 9, 1, Rw),
            Field::new("HSHNPEN", 10, 1, Rw),
            Field::new("DHNPEN", 11, 1, Rw),
            Field::new("CIDSTS", 16, 1, R),
            Field::new("DBCT", 17, 1, R),
            Field::new("ASVLD", 18, 1, R),
            Field::new("BSVLD", 19, 1, R),
        ],
    },
    Register {
        offset: GOTGINT,
        name: "GOTGINT",
        reset: 0,
        section: "29.16.2",
        fields: &[
            Field::new("SEDET", 2, 1, Rc1),
            Field::new("SRSSCHG", 8, 1, Rc1),
            Field::new("HNSSCHG", 9, 1, Rc1),
            Field::new("HNGDET", 17, 1, Rc1),
            Field::new("ADTOCHG", 18, 1, Rc1),
            Field::new("DBCDNE", 19, 1, Rc1),
        ],
    },
    Register {
        offset: GAHBCFG,
        name: "GAHBCFG",
        reset: 0,
        section: "29.16.2",
        fields: &[Field::new("GINT", 0, 1, Rw), Field::new("TXFELVL", 7, 1, Rw), Field::new("PTXFELVL", 8, 1, Rw)],
    },
    Register {
        offset: GUSBCFG,
        name: "GUSBCFG",
        reset: 0x0000_0a00,
        section: "29.16.2",
        fields: &[
            Field::new("TOCAL", 0, 3, Rw),
            Field::new("PHYSEL", 6, 1, W),
            Field::new("SRPCAP", 8, 1, Rw),
            Field::new("HNPCAP", 9, 1, Rw),
            Field::new("TRDT", 10, 4, Rw),
            Field::new("FHMOD", 29, 1, Rw),
            Field::new("FDMOD", 30, 1, Rw),
            Field::new("CTXPKT", 31, 1, Rw),
        ],
    },
    Register {
        offset: GRSTCTL,
        name: "GRSTCTL",
        reset: 0x8000_0000,
        section: "29.16.2",
        fields: &[
            Field::new("CSRST", 0, 1, Rs),
            Field::new("HSRST", 1, 1, Rs),
            Field::new("FCRST", 2, 1, Rs),
            Field::new("RXFFLSH", 4, 1, Rs),
            Field::new("TXFFLSH", 5, 1, Rs),
            Field::new("TXFNUM", 6, 5, Rw),
            Field::new("AHBIDL", 31, 1, R),
        ],
    },
    Register {
        offset: GINTSTS,
        name: "GINTSTS",
        reset: 0x0400_0020,
        section: "29.16.2",
        fields: &[
            Field::new("CMOD", 0, 1, R),
            Field::new("MMIS", 1, 1, Rc1),
            Field::new("OTGINT", 2, 1, R),
            Field::new("SOF", 3, 1, Rc1),
            Field::new("RXFLVL", 4, 1, R),
            Field::new("NPTXFE", 5, 1, R),
            Field::new("GINAKEFF", 6, 1, R),
            Field::new("GONAKEFF", 7, 1, R),
            Field::new("ESUSP", 10, 1, Rc1),
            Field::new("USBSUSP", 11, 1, Rc1),
            Field::new("USBRST", 12, 1, Rc1),
            Field::new("ENUMDNE", 13, 1, Rc1),
            Field::new("ISOODRP", 14, 1, Rc1),
            Field::new("EOPF", 15, 1, Rc1),
            Field::new("IEPINT", 18, 1, R),
            Field::new("OEPINT", 19, 1, R),
            Field::new("IISOIXFR", 20, 1, Rc1),
            Field::new("IPXFR_INCOMPISOOUT", 21, 1, Rc1),
            Field::new("HPRTINT", 24, 1, R),
            Field::new("HCINT", 25, 1, R),
            Field::new("PTXFE", 26, 1, R),
            Field::new("CIDSCHG", 28, 1, Rc1),
            Field::new("DISCINT", 29, 1, Rc1),
            Field::new("SRQINT", 30, 1, Rc1),
            Field::new("WKUPINT", 31, 1, Rc1),
        ],
    },
    Register {
        offset: GINTMSK,
        name: "GINTMSK",
        reset: 0,
        section: "29.16.2",
        fields: &[
            Field::new("MMISM", 1, 1, Rw),
            Field::new("OTGINT", 2, 1, Rw),
            Field::new("SOFM", 3, 1, Rw),
            Field::new("RXFLVLM", 4, 1, Rw),
            Field::new("NPTXFEM", 5, 1, Rw),
            Field::new("GINAKEFFM", 6, 1, Rw),
            Field::new("GONAKEFFM", 7, 1, Rw),
            Field::new("ESUSPM", 10, 1, Rw),
            Field::new("USBSUSPM", 11, 1, Rw),
            Field::new("USBRST", 12, 1, Rw),
            Field::new("ENUMDNEM", 13, 1, Rw),
            Field::new("ISOODRPM", 14, 1, Rw),
            Field::new("EOPFM", 15, 1, Rw),
            Field::new("EPMISM", 17, 1, Rw),
            Field::new("IEPINT", 18, 1, Rw),
            Field::new("OEPINT", 19, 1, Rw),
            Field::new("IISOIXFRM", 20, 1, Rw),
            Field::new("IPXFRM_IISOOXFRM", 21, 1, Rw),
            Field::new("PRTIM", 24, 1, R),
            Field::new("HCIM", 25, 1, Rw),
            Field::new("PTXFEM", 26, 1, Rw),
            Field::new("CIDSCHGM", 28, 1, Rw),
            Field::new("DISCINT", 29, 1, Rw),
            Field::new("SRQIM", 30, 1, Rw),
            Field::new("WUIM", 31, 1, Rw),
        ],
    },
    Register { offset: GRXSTSR, name: "GRXSTSR", reset: 0, section: "29.16.2", fields: RECEIVE_STATUS },
    Register { offset: GRXSTSP, name: "GRXSTSP", reset: 0, section: "29.16.2", fields: RECEIVE_STATUS },
    Register {
        offset: 0x024,
        name: "GRXFSIZ",
        reset: 0x0000_0200,
        section: "29.16.2",
        fields: &[Field::new("RXFD", 0, 16, Rw)],
    },
    Register {
        offset: DIEPTXF0,
        name: "DIEPTXF0",
        reset: 0x0000_0200,
        section: "29.16.2",
        fields: &[Field::new("TX0FSA", 0, 16, Rw), Field::new("TX0FD", 16, 16, Rw)],
    },
    Register {
        offset: 0x02c,
        name: "GNPTXSTS",
        reset: 0x0008_0200,
        section: "29.16.2",
        fields: &[Field::new("NPTXFSAV", 0, 16, R), Field::new("NPTQXSAV", 16, 8, R), Field::new("NPTXQTOP", 24, 7, R)],
    },
    Register {
        offset: 0x038,
        name: "GCCFG",
        reset: 0,
        section: "29.16.2",
        fields: &[
            Field::new("PWRDWN", 16, 1, Rw),
            Field::new("VBUSASEN", 18, 1, Rw),
            Field::new("VBUSBSEN", 19, 1, Rw),
            Field::new("SOFOUTEN", 20, 1, Rw),
            Field::new("NOVBUSSENS", 21, 1, Rw),
        ],
    },
    Register {
        offset: 0x03c,
        name: "CID",
        reset: 0x0000_1000,
        section: "29.16.2",
        fields: &[Field::new("PRODUCT_ID", 0, 32, Rw)],
    },
    Register {
        offset: 0x100,
        name: "HPTXFSIZ",
        reset: 0x0200_0600,
        section: "29.16.2",
        fields: &[Field::new("PTXSA", 0, 16, Rw), Field::new("PTXFD", 16, 16, Rw)],
    },
    Register { offset: DIEPTXF1, name: "DIEPTXF1", reset: 0x0200_0400, section: "29.16.2", fields: TX_FIFO_SIZE },
    Register { offset: 0x108, name: "DIEPTXF2", reset: 0x0200_0400, section: "29.16.2", fields: TX_FIFO_SIZE },
    Register { offset: 0x10c, name: "DIEPTXF3", reset: 0x0200_0400, section: "29.16.2", fields: TX_FIFO_SIZE },
    Register {
        offset: 0x800,
        name: "DCFG",
        reset: 0x0220_0000,
        section: "29.16.4",
        fields: &[
            Field::new("DSPD", 0, 2, Rw),
            Field::new("NZLSOHSK", 2, 1, Rw),
            Field::new("DAD", 4, 7, Rw),
            Field::new("PFIVL", 11, 2, Rw),
        ],
    },
    Register {
        offset: DCTL,
        name: "DCTL",
        reset: 0,
        section: "29.16.4",
        fields: &[
            Field::new("RWUSIG", 0, 1, Rw),
            Field::new("SDIS", 1, 1, Rw),
            Field::new("GINSTS", 2, 1, R),
            Field::new("GONSTS", 3, 1, R),
            Field::new("TCTL", 4, 3, Rw),
            Field::new("SGINAK", 7, 1, W),
            Field::new("CGINAK", 8, 1, W),
            Field::new("SGONAK", 9, 1, W),
            Field::new("CGONAK", 10, 1, W),
            Field::new("POPRGDNE", 11, 1, Rw),
        ],
    },
    Register {
        offset: 0x808,
        name: "DSTS",
        reset: 0x0000_0010,
        section: "29.16.4",
        fields: &[
            Field::new("SUSPSTS", 0, 1, R),
            Field::new("ENUMSPD", 1, 2, R),
            Field::new("EERR", 3, 1, R),
            Field::new("FNSOF", 8, 14, R),
        ],
    },
    Register {
        offset: DIEPMSK,
        name: "DIEPMSK",
        reset: 0,
        section: "29.16.4",
        fields: &[
            Field::new("XFRCM", 0, 1, Rw),
            Field::new("EPDM", 1, 1, Rw),
            Field::new("TOM", 3, 1, Rw),
            Field::new("ITTXFEMSK", 4, 1, Rw),
            Field::new("INEPNMM", 5, 1, Rw),
            Field::new("INEPNEM", 6, 1, Rw),
        ],
    },
    Register {
        offset: DOEPMSK,
        name: "DOEPMSK",
        reset: 0,
        section: "29.16.4",
        fields: &[
            Field::new("XFRCM", 0, 1, Rw),
            Field::new("EPDM", 1, 1, Rw),
            Field::new("STUPM", 3, 1, Rw),
            Field::new("OTEPDM", 4, 1, Rw),
        ],
    },
    Register {
        offset: DAINT,
        name: "DAINT",
        reset: 0,
        section: "29.16.4",
        fields: &[Field::new("IEPINT", 0, 16, R), Field::new("OEPINT", 16, 16, R)],
    },
    Register {
        offset: DAINTMSK,
        name: "DAINTMSK",
        reset: 0,
        section: "29.16.4",
        fields: &[Field::new("IEPM", 0, 16, Rw), Field::new("OEPM", 16, 16, Rw)],
    },
    Register {
        offset: 0x828,
        name: "DVBUSDIS",
        reset: 0x0000_17d7,
        section: "29.16.4",
        fields: &[Field::new("VBUSDT", 0, 16, Rw)],
    },
    Register {
        offset: 0x82c,
        name: "DVBUSPULSE",
        reset: 0x0000_05b8,
        section: "29.16.4",
        fields: &[Field::new("DVBUSP", 0, 12, Rw)],
    },
    Register { offset: DIEPEMPMSK, name: "DIEPEMPMSK", reset: 0, section: "29.16.4", fields: EMPTY_MASK },
    Register { offset: 0x900, name: "DIEPCTL0", reset: 0x0000_8000, section: "29.16.4", fields: IN_CONTROL_0 },
    Register { offset: 0x908, name: "DIEPINT0", reset: 0x0000_0080, section: "29.16.4", fields: IN_INTERRUPT },
    Register { offset: 0x910, name: "DIEPTSIZ0", reset: 0, section: "29.16.4", fields: IN_SIZE_0 },
    Register { offset: 0x918, name: "DTXFSTS0", reset: 0x0000_0200, section: "29.16.4", fields: FIFO_STATUS },
    Register { offset: 0x920, name: "DIEPCTL1", reset: 0, section: "29.16.4", fields: IN_CONTROL },
    Register { offset: 0x928, name: "DIEPINT1", reset: 0x0000_0080, section: "29.16.4", fields: IN_INTERRUPT },
    Register { offset: 0x930, name: "DIEPTSIZ1", reset: 0, section: "29.16.4", fields: IN_SIZE },
    Register { offset: 0x938, name: "DTXFSTS1", reset: 0x0000_0200, section: "29.16.4", fields: FIFO_STATUS },
    Register { offset: 0x940, name: "DIEPCTL2", reset: 0, section: "29.16.4", fields: IN_CONTROL },
    Register { offset: 0x948, name: "DIEPINT2", reset: 0x0000_0080, section: "29.16.4", fields: IN_INTERRUPT },
    Register { offset: 0x950, name: "DIEPTSIZ2", reset: 0, section: "29.16.4", fields: IN_SIZE },
    Register { offset: 0x958, name: "DTXFSTS2", reset: 0x0000_0200, section: "29.16.4", fields: FIFO_STATUS },
    Register { offset: 0x960, name: "DIEPCTL3", reset: 0, section: "29.16.4", fields: IN_CONTROL },
    Register { offset: 0x968, name: "DIEPINT3", reset: 0x0000_0080, section: "29.16.4", fields: IN_INTERRUPT },
    Register { offset: 0x970, name: "DIEPTSIZ3", reset: 0, section: "29.16.4", fields: IN_SIZE },
    Register { offset: 0x978, name: "DTXFSTS3", reset: 0x0000_0200, section: "29.16.4", fields: FIFO_STATUS },
    Register { offset: 0xb00, name: "DOEPCTL0", reset: 0x0000_8000, section: "29.16.4", fields: OUT_CONTROL_0 },
    Register { offset: 0xb08, name: "DOEPINT0", reset: 0, section: "29.16.4", fields: OUT_INTERRUPT },
    Register { offset: 0xb10, name: "DOEPTSIZ0", reset: 0, section: "29.16.4", fields: OUT_SIZE_0 },
    Register { offset: 0xb20, name: "DOEPCTL1", reset: 0, section: "29.16.4", fields: OUT_CONTROL },
    Register { offset: 0xb28, name: "DOEPINT1", reset: 0, section: "29.16.4", fields: OUT_INTERRUPT },
    Register { offset: 0xb30, name: "DOEPTSIZ1", reset: 0, section: "29.16.4", fields: OUT_SIZE },
    Register { offset: 0xb40, name: "DOEPCTL2", reset: 0, section: "29.16.4", fields: OUT_CONTROL },
    Register { offset: 0xb48, name: "DOEPINT2", reset: 0, section: "29.16.4", fields: OUT_INTERRUPT },
    Register { offset: 0xb50, name: "DOEPTSIZ2", reset: 0, section: "29.16.4", fields: OUT_SIZE },
    Register { offset: 0xb60, name: "DOEPCTL3", reset: 0, section: "29.16.4", fields: OUT_CONTROL },
    Register { offset: 0xb68, name: "DOEPINT3", reset: 0, section: "29.16.4", fields: OUT_INTERRUPT },
    Register { offset: 0xb70, name: "DOEPTSIZ3", reset: 0, section: "29.16.4", fields: OUT_SIZE },
    Register {
        offset: 0xe00,
        name: "PCGCCTL",
        reset: 0,
        section: "29.16.5",
        fields: &[Field::new("STPPCLK", 0, 1, Rw), Field::new("GATEHCLK", 1, 1, Rw), Field::new("PHYSUSP", 4, 1, R)],
    },
];

pub(super) const GOTGCTL: u32 = 0x000;
pub(super) const GOTGINT: u32 = 0x004;
pub(super) const GAHBCFG: u32 = 0x008;
pub(super) const GUSBCFG: u32 = 0x00c;
pub(super) const GRSTCTL: u32 = 0x010;
pub(super) const GINTSTS: u32 = 0x014;
pub(super) const GINTMSK: u32 = 0x018;
pub(super) const GRXSTSR: u32 = 0x01c;
pub(super) const GRXSTSP: u32 = 0x020;
pub(super) const DIEPTXF0: u32 = 0x028;
pub(super) const DIEPTXF1: u32 = 0x104;
pub(super) const DCTL: u32 = 0x804;
pub(super) const DIEPMSK: u32 = 0x810;
pub(super) const DOEPMSK: u32 = 0x814;
pub(super) const DAINT: u32 = 0x818;
pub(super) const DAINTMSK: u32 = 0x81c;
pub(super) const DIEPEMPMSK: u32 = 0x834;
