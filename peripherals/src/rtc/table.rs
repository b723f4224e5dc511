//! Register table of the RTC (RM0033 section 22.6).

use crate::registers::{Access, Field, Register};

const TIME: &[Field] = &[
    Field::new("SU", 0, 4, Access::Rw),
    Field::new("ST", 4, 3, Access::Rw),
    Field::new("MNU", 8, 4, Access::Rw),
    Field::new("MNT", 12, 3, Access::Rw),
    Field::new("HU", 16, 4, Access::Rw),
    Field::new("HT", 20, 2, Access::Rw),
    Field::new("PM", 22, 1, Access::Rw),
];
const ALARM: &[Field] = &[
    Field::new("SU", 0, 4, Access::Rw),
    Field::new("ST", 4, 3, Access::Rw),
    Field::new("MSK1", 7, 1, Access::Rw),
    Field::new("MNU", 8, 4, Access::Rw),
    Field::new("MNT", 12, 3, Access::Rw),
    Field::new("MSK2", 15, 1, Access::Rw),
    Field::new("HU", 16, 4, Access::Rw),
    Field::new("HT", 20, 2, Access::Rw),
    Field::new("PM", 22, 1, Access::Rw),
    Field::new("MSK3", 23, 1, Access::Rw),
    Field::new("DU", 24, 4, Access::Rw),
    Field::new("DT", 28, 2, Access::Rw),
    Field::new("WDSEL", 30, 1, Access::Rw),
    Field::new("MSK4", 31, 1, Access::Rw),
];

const BACKUP: &[Field] = &[Field::new("BKP", 0, 32, Access::Rw)];

const fn backup(index: u32, name: &'static str) -> Register {
    Register { offset: 0x50 + 4 * index, name, reset: 0, section: "22.6.16", fields: BACKUP }
}

/// Every register of the STM32F205's RTC, which has no sub-seconds, shift control or smooth calibration.
pub(super) const TABLE: &[Register] = &[
    Register { offset: 0x00, name: "TR", reset: 0, section: "22.6.1", fields: TIME },
    Register {
        offset: 0x04,
        name: "DR",
        reset: 0x2101,
        section: "22.6.2",
        fields: &[
            Field::new("DU", 0, 4, Access::Rw),
            Field::new("DT", 4, 2, Access::Rw),
            Field::new("MU", 8, 4, Access::Rw),
            Field::new("MT", 12, 1, Access::Rw),
            Field::new("WDU", 13, 3, Access::Rw),
            Field::new("YU", 16, 4, Access::Rw),
            Field::new("YT", 20, 4, Access::Rw),
        ],
    },
    Register {
        offset: 0x08,
        name: "CR",
        reset: 0,
        section: "22.6.3",
        fields: &[
            Field::new("WUCKSEL", 0, 3, Access::Rw),
            Field::new("TSEDGE", 3, 1, Access::Rw),
            Field::new("REFCKON", 4, 1, Access::Tag),
            Field::new("FMT", 6, 1, Access::Rw),
            Field::new("DCE", 7, 1, Access::Rw),
            Field::new("ALRAE", 8, 1, Access::Rw),
            Field::new("ALRBE", 9, 1, Access::Rw),
            Field::new("WUTE", 10, 1, Access::Rw),
            Field::new("TSE", 11, 1, Access::Rw),
            Field::new("ALRAIE", 12, 1, Access::Rw),
            Field::new("ALRBIE", 13, 1, Access::Rw),
            Field::new("WUTIE", 14, 1, Access::Rw),
            Field::new("TSIE", 15, 1, Access::Rw),
            Field::new("ADD1H", 16, 1, Access::W),
            Field::new("SUB1H", 17, 1, Access::W),
            Field::new("BKP", 18, 1, Access::Rw),
            Field::new("POL", 20, 1, Access::Tag),
            Field::new("OSEL", 21, 2, Access::Tag),
            Field::new("COE", 23, 1, Access::Tag),
        ],
    },
    Register {
        offset: 0x0c,
        name: "ISR",
        reset: 0x07,
        section: "22.6.4",
        fields: &[
            Field::new("ALRAWF", 0, 1, Access::R),
            Field::new("ALRBWF", 1, 1, Access::R),
            Field::new("WUTWF", 2, 1, Access::R),
            Field::new("INITS", 4, 1, Access::R),
            Field::new("RSF", 5, 1, Access::Rc0),
            Field::new("INITF", 6, 1, Access::R),
            Field::new("INIT", 7, 1, Access::Rw),
            Field::new("ALRAF", 8, 1, Access::Rc0),
            Field::new("ALRBF", 9, 1, Access::Rc0),
            Field::new("WUTF", 10, 1, Access::Rc0),
            Field::new("TSF", 11, 1, Access::Rc0),
            Field::new("TSOVF", 12, 1, Access::Rc0),
            Field::new("TAMP1F", 13, 1, Access::Rc0),
        ],
    },
    Register {
        offset: 0x10,
        name: "PRER",
        reset: 0x007f_00ff,
        section: "22.6.5",
        fields: &[Field::new("PREDIV_S", 0, 13, Access::Rw), Field::new("PREDIV_A", 16, 7, Access::Rw)],
    },
    Register {
        offset: 0x14,
        name: "WUTR",
        reset: 0xffff,
        section: "22.6.6",
        fields: &[Field::new("WUT", 0, 16, Access::Rw)],
    },
    Register {
        offset: 0x18,
        name: "CALIBR",
        reset: 0,
        section: "22.6.7",
        fields: &[Field::new("DC", 0, 5, Access::Rw), Field::new("DCS", 7, 1, Access::Rw)],
    },
    Register { offset: 0x1c, name: "ALRMAR", reset: 0, section: "22.6.8", fields: ALARM },
    Register { offset: 0x20, name: "ALRMBR", reset: 0, section: "22.6.9", fields: ALARM },
    Register { offset: 0x24, name: "WPR", reset: 0, section: "22.6.10", fields: &[Field::new("KEY", 0, 8, Access::W)] },
    Register {
        offset: 0x30,
        name: "TSTR",
        reset: 0,
        section: "22.6.11",
        fields: &[
            Field::new("SU", 0, 4, Access::R),
            Field::new("ST", 4, 3, Access::R),
            Field::new("MNU", 8, 4, Access::R),
            Field::new("MNT", 12, 3, Access::R),
            Field::new("HU", 16, 4, Access::R),
            Field::new("HT", 20, 2, Access::R),
            Field::new("PM", 22, 1, Access::R),
        ],
    },
    Register {
        offset: 0x34,
        name: "TSDR",
        reset: 0,
        section: "22.6.12",
        fields: &[
            Field::new("DU", 0, 4, Access::R),
            Field::new("DT", 4, 2, Access::R),
            Field::new("MU", 8, 4, Access::R),
            Field::new("MT", 12, 1, Access::R),
            Field::new("WDU", 13, 3, Access::R),
        ],
    },
    Register {
        offset: 0x40,
        name: "TAFCR",
        reset: 0,
        section: "22.6.15",
        fields: &[
            Field::new("TAMP1E", 0, 1, Access::Rw),
            Field::new("TAMP1TRG", 1, 1, Access::Rw),
            Field::new("TAMPIE", 2, 1, Access::Rw),
            Field::new("TAMP1INSEL", 16, 1, Access::Tag),
            Field::new("TSINSEL", 17, 1, Access::Tag),
            Field::new("ALARMOUTTYPE", 18, 1, Access::Tag),
        ],
    },
    backup(0, "BKP0R"),
    backup(1, "BKP1R"),
    backup(2, "BKP2R"),
    backup(3, "BKP3R"),
    backup(4, "BKP4R"),
    backup(5, "BKP5R"),
    backup(6, "BKP6R"),
    backup(7, "BKP7R"),
    backup(8, "BKP8R"),
    backup(9, "BKP9R"),
    backup(10, "BKP10R"),
    backup(11, "BKP11R"),
    backup(12, "BKP12R"),
    backup(13, "BKP13R"),
    backup(14, "BKP14R"),
    backup(15, "BKP15R"),
    backup(16, "BKP16R"),
    backup(17, "BKP17R"),
    backup(18, "BKP18R"),
    backup(19, "BKP19R"),
];

pub(super) const TR: usize = 0;
pub(super) const DR: usize = 1;
pub(super) const CR: usize = 2;
pub(super) const ISR: usize = 3;
pub(super) const PRER: usize = 4;
pub(super) const WUTR: usize = 5;
pub(super) const CALIBR: usize = 6;
pub(super) const ALRMAR: usize = 7;
pub(super) const ALRMBR: usize = 8;
pub(super) const WPR: usize = 9;
pub(super) const TSTR: usize = 10;
pub(super) const TSDR: usize = 11;
pub(super) const TAFCR: usize = 12;
pub(super) const BKP0R: usize = 13;
/// Backup registers.
pub(super) const BACKUP_COUNT: usize = 20;

pub(super) const WUCKSEL: u32 = 7;
pub(super) const TSEDGE: u32 = 1 << 3;
pub(super) const REFCKON: u32 = 1 << 4;
pub(super) const FMT: u32 = 1 << 6;
pub(super) const DCE: u32 = 1 << 7;
pub(super) const ALRAE: u32 = 1 << 8;
pub(super) const ALRBE: u32 = 1 << 9;
pub(super) const WUTE: u32 = 1 << 10;
pub(super) const TSE: u32 = 1 << 11;
pub(super) const WUTIE: u32 = 1 << 14;
pub(super) const TSIE: u32 = 1 << 15;
pub(super) const ADD1H: u32 = 1 << 16;
pub(super) const SUB1H: u32 = 1 << 17;

pub(super) const ALRAWF: u32 = 1 << 0;
pub(super) const ALRBWF: u32 = 1 << 1;
pub(super) const WUTWF: u32 = 1 << 2;
pub(super) const INITS: u32 = 1 << 4;
pub(super) const RSF: u32 = 1 << 5;
pub(super) const INITF: u32 = 1 << 6;
pub(super) const INIT: u32 = 1 << 7;
pub(super) const ALRAF: u32 = 1 << 8;
pub(super) const ALRBF: u32 = 1 << 9;
pub(super) const WUTF: u32 = 1 << 10;
pub(super) const TSF: u32 = 1 << 11;
pub(super) const TSOVF: u32 = 1 << 12;
pub(super) const TAMP1F: u32 = 1 << 13;
/// Flags that are cleared by writing 0 and are outside the write protection.
pub(super) const EVENT_FLAGS: u32 = 0x3f00;

pub(super) const DCS: u32 = 1 << 7;
pub(super) const TAMP1E: u32 = 1 << 0;
pub(super) const TAMP1TRG: u32 = 1 << 1;
pub(super) const TAMPIE: u32 = 1 << 2;
