//! Register tables of the timers (RM0033 sections 13 to 16), one per variant.
//!
//! CCMR1 and CCMR2 have two forms. The fields carry the names of the output form; with CCxS not 0 the bits of OCxFE
//! and OCxPE are ICxPSC, and those of OCxM and OCxCE are ICxF.

use super::instance::Variant;
use crate::registers::{Access, Field, Register};

/// The registers a variant has.
pub(super) fn table(variant: Variant) -> &'static [Register] {
    match variant {
        Variant::Advanced => ADVANCED,
        Variant::General32 => GENERAL32,
        Variant::General16 => GENERAL16,
        Variant::TwoChannel => TWO_CHANNEL,
        Variant::OneChannel => ONE_CHANNEL,
        Variant::Basic => BASIC,
    }
}

const CR1_FULL: Register = Register {
    offset: 0x00,
    name: "CR1",
    reset: 0,
    section: "14.4.1",
    fields: &[
        Field::new("CEN", 0, 1, Access::Rw),
        Field::new("UDIS", 1, 1, Access::Rw),
        Field::new("URS", 2, 1, Access::Rw),
        Field::new("OPM", 3, 1, Access::Rw),
        Field::new("DIR", 4, 1, Access::Rw),
        Field::new("CMS", 5, 2, Access::Rw),
        Field::new("ARPE", 7, 1, Access::Rw),
        Field::new("CKD", 8, 2, Access::Rw),
    ],
};
const CR1_TWO: Register = Register {
    offset: 0x00,
    name: "CR1",
    reset: 0,
    section: "15.5.1",
    fields: &[
        Field::new("CEN", 0, 1, Access::Rw),
        Field::new("UDIS", 1, 1, Access::Rw),
        Field::new("URS", 2, 1, Access::Rw),
        Field::new("OPM", 3, 1, Access::Rw),
        Field::new("ARPE", 7, 1, Access::Rw),
        Field::new("CKD", 8, 2, Access::Rw),
    ],
};
const CR1_ONE: Register = Register {
    offset: 0x00,
    name: "CR1",
    reset: 0,
    section: "15.6.1",
    fields: &[
        Field::new("CEN", 0, 1, Access::Rw),
        Field::new("UDIS", 1, 1, Access::Rw),
        Field::new("URS", 2, 1, Access::Rw),
        Field::new("ARPE", 7, 1, Access::Rw),
        Field::new("CKD", 8, 2, Access::Rw),
    ],
};
const CR1_BASIC: Register = Register {
    offset: 0x00,
    name: "CR1",
    reset: 0,
    section: "16.4.1",
    fields: &[
        Field::new("CEN", 0, 1, Access::Rw),
        Field::new("UDIS", 1, 1, Access::Rw),
        Field::new("URS", 2, 1, Access::Rw),
        Field::new("OPM", 3, 1, Access::Rw),
        Field::new("ARPE", 7, 1, Access::Rw),
    ],
};
const CR2_ADVANCED: Register = Register {
    offset: 0x04,
    name: "CR2",
    reset: 0,
    section: "13.4.2",
    fields: &[
        Field::new("CCPC", 0, 1, Access::Tag),
        Field::new("CCUS", 2, 1, Access::Tag),
        Field::new("CCDS", 3, 1, Access::Rw),
        Field::new("MMS", 4, 3, Access::Rw),
        Field::new("TI1S", 7, 1, Access::Rw),
        Field::new("OIS1", 8, 1, Access::Tag),
        Field::new("OIS1N", 9, 1, Access::Tag),
        Field::new("OIS2", 10, 1, Access::Tag),
        Field::new("OIS2N", 11, 1, Access::Tag),
        Field::new("OIS3", 12, 1, Access::Tag),
        Field::new("OIS3N", 13, 1, Access::Tag),
        Field::new("OIS4", 14, 1, Access::Tag),
    ],
};
const CR2_GENERAL: Register = Register {
    offset: 0x04,
    name: "CR2",
    reset: 0,
    section: "14.4.2",
    fields: &[
        Field::new("CCDS", 3, 1, Access::Rw),
        Field::new("MMS", 4, 3, Access::Rw),
        Field::new("TI1S", 7, 1, Access::Rw),
    ],
};
const CR2_SMALL: Register =
    Register { offset: 0x04, name: "CR2", reset: 0, section: "15.5.2", fields: &[Field::new("MMS", 4, 3, Access::Rw)] };
const SMCR_FULL: Register = Register {
    offset: 0x08,
    name: "SMCR",
    reset: 0,
    section: "14.4.3",
    fields: &[
        Field::new("SMS", 0, 3, Access::Rw),
        Field::new("TS", 4, 3, Access::Rw),
        Field::new("MSM", 7, 1, Access::Tag),
        Field::new("ETF", 8, 4, Access::Rw),
        Field::new("ETPS", 12, 2, Access::Rw),
        Field::new("ECE", 14, 1, Access::Rw),
        Field::new("ETP", 15, 1, Access::Rw),
    ],
};
const SMCR_TWO: Register = Register {
    offset: 0x08,
    name: "SMCR",
    reset: 0,
    section: "15.5.3",
    fields: &[
        Field::new("SMS", 0, 3, Access::Rw),
        Field::new("TS", 4, 3, Access::Rw),
        Field::new("MSM", 7, 1, Access::Tag),
    ],
};
const DIER_ADVANCED: Register = Register {
    offset: 0x0c,
    name: "DIER",
    reset: 0,
    section: "13.4.4",
    fields: &[
        Field::new("UIE", 0, 1, Access::Rw),
        Field::new("CC1IE", 1, 1, Access::Rw),
        Field::new("CC2IE", 2, 1, Access::Rw),
        Field::new("CC3IE", 3, 1, Access::Rw),
        Field::new("CC4IE", 4, 1, Access::Rw),
        Field::new("COMIE", 5, 1, Access::Rw),
        Field::new("TIE", 6, 1, Access::Rw),
        Field::new("BIE", 7, 1, Access::Rw),
        Field::new("UDE", 8, 1, Access::Rw),
        Field::new("CC1DE", 9, 1, Access::Rw),
        Field::new("CC2DE", 10, 1, Access::Rw),
        Field::new("CC3DE", 11, 1, Access::Rw),
        Field::new("CC4DE", 12, 1, Access::Rw),
        Field::new("COMDE", 13, 1, Access::Rw),
        Field::new("TDE", 14, 1, Access::Rw),
    ],
};
const DIER_GENERAL: Register = Register {
    offset: 0x0c,
    name: "DIER",
    reset: 0,
    section: "14.4.4",
    fields: &[
        Field::new("UIE", 0, 1, Access::Rw),
        Field::new("CC1IE", 1, 1, Access::Rw),
        Field::new("CC2IE", 2, 1, Access::Rw),
        Field::new("CC3IE", 3, 1, Access::Rw),
        Field::new("CC4IE", 4, 1, Access::Rw),
        Field::new("TIE", 6, 1, Access::Rw),
        Field::new("UDE", 8, 1, Access::Rw),
        Field::new("CC1DE", 9, 1, Access::Rw),
        Field::new("CC2DE", 10, 1, Access::Rw),
        Field::new("CC3DE", 11, 1, Access::Rw),
        Field::new("CC4DE", 12, 1, Access::Rw),
        Field::new("TDE", 14, 1, Access::Rw),
    ],
};
const DIER_TWO: Register = Register {
    offset: 0x0c,
    name: "DIER",
    reset: 0,
    section: "15.5.4",
    fields: &[
        Field::new("UIE", 0, 1, Access::Rw),
        Field::new("CC1IE", 1, 1, Access::Rw),
        Field::new("CC2IE", 2, 1, Access::Rw),
        Field::new("TIE", 6, 1, Access::Rw),
    ],
};
const DIER_ONE: Register = Register {
    offset: 0x0c,
    name: "DIER",
    reset: 0,
    section: "15.6.2",
    fields: &[Field::new("UIE", 0, 1, Access::Rw), Field::new("CC1IE", 1, 1, Access::Rw)],
};
const DIER_BASIC: Register = Register {
    offset: 0x0c,
    name: "DIER",
    reset: 0,
    section: "16.4.3",
    fields: &[Field::new("UIE", 0, 1, Access::Rw), Field::new("UDE", 8, 1, Access::Rw)],
};
const SR_ADVANCED: Register = Register {
    offset: 0x10,
    name: "SR",
    reset: 0,
    section: "13.4.5",
    fields: &[
        Field::new("UIF", 0, 1, Access::Rc0),
        Field::new("CC1IF", 1, 1, Access::Rc0),
        Field::new("CC2IF", 2, 1, Access::Rc0),
        Field::new("CC3IF", 3, 1, Access::Rc0),
        Field::new("CC4IF", 4, 1, Access::Rc0),
        Field::new("COMIF", 5, 1, Access::Rc0),
        Field::new("TIF", 6, 1, Access::Rc0),
        Field::new("BIF", 7, 1, Access::Rc0),
        Field::new("CC1OF", 9, 1, Access::Rc0),
        Field::new("CC2OF", 10, 1, Access::Rc0),
        Field::new("CC3OF", 11, 1, Access::Rc0),
        Field::new("CC4OF", 12, 1, Access::Rc0),
    ],
};
const SR_GENERAL: Register = Register {
    offset: 0x10,
    name: "SR",
    reset: 0,
    section: "14.4.5",
    fields: &[
        Field::new("UIF", 0, 1, Access::Rc0),
        Field::new("CC1IF", 1, 1, Access::Rc0),
        Field::new("CC2IF", 2, 1, Access::Rc0),
        Field::new("CC3IF", 3, 1, Access::Rc0),
        Field::new("CC4IF", 4, 1, Access::Rc0),
        Field::new("TIF", 6, 1, Access::Rc0),
        Field::new("CC1OF", 9, 1, Access::Rc0),
        Field::new("CC2OF", 10, 1, Access::Rc0),
        Field::new("CC3OF", 11, 1, Access::Rc0),
        Field::new("CC4OF", 12, 1, Access::Rc0),
    ],
};
const SR_TWO: Register = Register {
    offset: 0x10,
    name: "SR",
    reset: 0,
    section: "15.5.5",
    fields: &[
        Field::new("UIF", 0, 1, Access::Rc0),
        Field::new("CC1IF", 1, 1, Access::Rc0),
        Field::new("CC2IF", 2, 1, Access::Rc0),
        Field::new("TIF", 6, 1, Access::Rc0),
        Field::new("CC1OF", 9, 1, Access::Rc0),
        Field::new("CC2OF", 10, 1, Access::Rc0),
    ],
};
const SR_ONE: Register = Register {
    offset: 0x10,
    name: "SR",
    reset: 0,
    section: "15.6.3",
    fields: &[
        Field::new("UIF", 0, 1, Access::Rc0),
        Field::new("CC1IF", 1, 1, Access::Rc0),
        Field::new("CC1OF", 9, 1, Access::Rc0),
    ],
};
const SR_BASIC: Register =
    Register { offset: 0x10, name: "SR", reset: 0, section: "16.4.4", fields: &[Field::new("UIF", 0, 1, Access::Rc0)] };
const EGR_ADVANCED: Register = Register {
    offset: 0x14,
    name: "EGR",
    reset: 0,
    section: "13.4.6",
    fields: &[
        Field::new("UG", 0, 1, Access::W),
        Field::new("CC1G", 1, 1, Access::W),
        Field::new("CC2G", 2, 1, Access::W),
        Field::new("CC3G", 3, 1, Access::W),
        Field::new("CC4G", 4, 1, Access::W),
        Field::new("COMG", 5, 1, Access::W),
        Field::new("TG", 6, 1, Access::W),
        Field::new("BG", 7, 1, Access::W),
    ],
};
const EGR_GENERAL: Register = Register {
    offset: 0x14,
    name: "EGR",
    reset: 0,
    section: "14.4.6",
    fields: &[
        Field::new("UG", 0, 1, Access::W),
        Field::new("CC1G", 1, 1, Access::W),
        Field::new("CC2G", 2, 1, Access::W),
        Field::new("CC3G", 3, 1, Access::W),
        Field::new("CC4G", 4, 1, Access::W),
        Field::new("TG", 6, 1, Access::W),
    ],
};
const EGR_TWO: Register = Register {
    offset: 0x14,
    name: "EGR",
    reset: 0,
    section: "15.5.6",
    fields: &[
        Field::new("UG", 0, 1, Access::W),
        Field::new("CC1G", 1, 1, Access::W),
        Field::new("CC2G", 2, 1, Access::W),
        Field::new("TG", 6, 1, Access::W),
    ],
};
const EGR_ONE: Register = Register {
    offset: 0x14,
    name: "EGR",
    reset: 0,
    section: "15.6.4",
    fields: &[Field::new("UG", 0, 1, Access::W), Field::new("CC1G", 1, 1, Access::W)],
};
const EGR_BASIC: Register =
    Register { offset: 0x14, name: "EGR", reset: 0, section: "16.4.5", fields: &[Field::new("UG", 0, 1, Access::W)] };
const CCMR1_FULL: Register = Register {
    offset: 0x18,
    name: "CCMR1",
    reset: 0,
    section: "14.4.7",
    fields: &[
        Field::new("CC1S", 0, 2, Access::Rw),
        Field::new("OC1FE", 2, 1, Access::Rw),
        Field::new("OC1PE", 3, 1, Access::Rw),
        Field::new("OC1M", 4, 3, Access::Rw),
        Field::new("OC1CE", 7, 1, Access::Rw),
        Field::new("CC2S", 8, 2, Access::Rw),
        Field::new("OC2FE", 10, 1, Access::Rw),
        Field::new("OC2PE", 11, 1, Access::Rw),
        Field::new("OC2M", 12, 3, Access::Rw),
        Field::new("OC2CE", 15, 1, Access::Rw),
    ],
};
const CCMR1_ONE: Register = Register {
    offset: 0x18,
    name: "CCMR1",
    reset: 0,
    section: "15.6.5",
    fields: &[
        Field::new("CC1S", 0, 2, Access::Rw),
        Field::new("OC1FE", 2, 1, Access::Rw),
        Field::new("OC1PE", 3, 1, Access::Rw),
        Field::new("OC1M", 4, 3, Access::Rw),
        Field::new("OC1CE", 7, 1, Access::Rw),
    ],
};
const CCMR2_FULL: Register = Register {
    offset: 0x1c,
    name: "CCMR2",
    reset: 0,
    section: "14.4.8",
    fields: &[
        Field::new("CC3S", 0, 2, Access::Rw),
        Field::new("OC3FE", 2, 1, Access::Rw),
        Field::new("OC3PE", 3, 1, Access::Rw),
        Field::new("OC3M", 4, 3, Access::Rw),
        Field::new("OC3CE", 7, 1, Access::Rw),
        Field::new("CC4S", 8, 2, Access::Rw),
        Field::new("OC4FE", 10, 1, Access::Rw),
        Field::new("OC4PE", 11, 1, Access::Rw),
        Field::new("OC4M", 12, 3, Access::Rw),
        Field::new("OC4CE", 15, 1, Access::Rw),
    ],
};
const CCER_ADVANCED: Register = Register {
    offset: 0x20,
    name: "CCER",
    reset: 0,
    section: "13.4.9",
    fields: &[
        Field::new("CC1E", 0, 1, Access::Rw),
        Field::new("CC1P", 1, 1, Access::Rw),
        Field::new("CC1NE", 2, 1, Access::Tag),
        Field::new("CC1NP", 3, 1, Access::Rw),
        Field::new("CC2E", 4, 1, Access::Rw),
        Field::new("CC2P", 5, 1, Access::Rw),
        Field::new("CC2NE", 6, 1, Access::Tag),
        Field::new("CC2NP", 7, 1, Access::Rw),
        Field::new("CC3E", 8, 1, Access::Rw),
        Field::new("CC3P", 9, 1, Access::Rw),
        Field::new("CC3NE", 10, 1, Access::Tag),
        Field::new("CC3NP", 11, 1, Access::Rw),
        Field::new("CC4E", 12, 1, Access::Rw),
        Field::new("CC4P", 13, 1, Access::Rw),
        Field::new("CC4NP", 15, 1, Access::Rw),
    ],
};
const CCER_GENERAL: Register = Register {
    offset: 0x20,
    name: "CCER",
    reset: 0,
    section: "14.4.9",
    fields: &[
        Field::new("CC1E", 0, 1, Access::Rw),
        Field::new("CC1P", 1, 1, Access::Rw),
        Field::new("CC1NP", 3, 1, Access::Rw),
        Field::new("CC2E", 4, 1, Access::Rw),
        Field::new("CC2P", 5, 1, Access::Rw),
        Field::new("CC2NP", 7, 1, Access::Rw),
        Field::new("CC3E", 8, 1, Access::Rw),
        Field::new("CC3P", 9, 1, Access::Rw),
        Field::new("CC3NP", 11, 1, Access::Rw),
        Field::new("CC4E", 12, 1, Access::Rw),
        Field::new("CC4P", 13, 1, Access::Rw),
        Field::new("CC4NP", 15, 1, Access::Rw),
    ],
};
const CCER_TWO: Register = Register {
    offset: 0x20,
    name: "CCER",
    reset: 0,
    section: "15.5.8",
    fields: &[
        Field::new("CC1E", 0, 1, Access::Rw),
        Field::new("CC1P", 1, 1, Access::Rw),
        Field::new("CC1NP", 3, 1, Access::Rw),
        Field::new("CC2E", 4, 1, Access::Rw),
        Field::new("CC2P", 5, 1, Access::Rw),
        Field::new("CC2NP", 7, 1, Access::Rw),
    ],
};
const CCER_ONE: Register = Register {
    offset: 0x20,
    name: "CCER",
    reset: 0,
    section: "15.6.6",
    fields: &[
        Field::new("CC1E", 0, 1, Access::Rw),
        Field::new("CC1P", 1, 1, Access::Rw),
        Field::new("CC1NP", 3, 1, Access::Rw),
    ],
};

const fn word(
    offset: u32,
    name: &'static str,
    reset: u32,
    section: &'static str,
    fields: &'static [Field],
) -> Register {
    Register { offset, name, reset, section, fields }
}
const W8: &[Field] = &[Field::new("REP", 0, 8, Access::Rw)];
const W16: &[Field] = &[Field::new("VALUE", 0, 16, Access::Rw)];
const W32: &[Field] = &[Field::new("VALUE", 0, 32, Access::Rw)];

const CNT16: Register = word(0x24, "CNT", 0, "14.4.10", W16);
const CNT32: Register = word(0x24, "CNT", 0, "14.4.10", W32);
const PSC16: Register = word(0x28, "PSC", 0, "14.4.11", W16);
const ARR16: Register = word(0x2c, "ARR", 0xffff, "14.4.12", W16);
const ARR32: Register = word(0x2c, "ARR", 0xffff_ffff, "14.4.12", W32);
const RCR8: Register = word(0x30, "RCR", 0, "13.4.13", W8);
const CCR1_16: Register = word(0x34, "CCR1", 0, "14.4.13", W16);
const CCR2_16: Register = word(0x38, "CCR2", 0, "14.4.14", W16);
const CCR3_16: Register = word(0x3c, "CCR3", 0, "14.4.15", W16);
const CCR4_16: Register = word(0x40, "CCR4", 0, "14.4.16", W16);
const CCR1_32: Register = word(0x34, "CCR1", 0, "14.4.13", W32);
const CCR2_32: Register = word(0x38, "CCR2", 0, "14.4.14", W32);
const CCR3_32: Register = word(0x3c, "CCR3", 0, "14.4.15", W32);
const CCR4_32: Register = word(0x40, "CCR4", 0, "14.4.16", W32);
const BDTR_ADVANCED: Register = Register {
    offset: 0x44,
    name: "BDTR",
    reset: 0,
    section: "13.4.18",
    fields: &[
        Field::new("DTG", 0, 8, Access::Tag),
        Field::new("LOCK", 8, 2, Access::Tag),
        Field::new("OSSI", 10, 1, Access::Tag),
        Field::new("OSSR", 11, 1, Access::Tag),
        Field::new("BKE", 12, 1, Access::Rw),
        Field::new("BKP", 13, 1, Access::Rw),
        Field::new("AOE", 14, 1, Access::Rw),
        Field::new("MOE", 15, 1, Access::Rw),
    ],
};
const DCR_FULL: Register =
    word(0x48, "DCR", 0, "14.4.17", &[Field::new("DBA", 0, 5, Access::Rw), Field::new("DBL", 8, 5, Access::Rw)]);
// A window onto the registers that DCR names; it stores nothing itself.
const DMAR_FULL: Register = word(0x4c, "DMAR", 0, "14.4.18", &[Field::new("DMAB", 0, 32, Access::W)]);
// Remapping: TIM2 ITR1_RMP, TIM5 TI4_RMP, TIM11 TI1_RMP.
const OR_32: Register = word(
    0x50,
    "OR",
    0,
    "14.4.19",
    &[Field::new("TI4_RMP", 6, 2, Access::Tag), Field::new("ITR1_RMP", 10, 2, Access::Tag)],
);
const OR_ONE: Register = word(0x50, "OR", 0, "15.6.11", &[Field::new("TI1_RMP", 0, 2, Access::Tag)]);

const ADVANCED: &[Register] = &[
    CR1_FULL,
    CR2_ADVANCED,
    SMCR_FULL,
    DIER_ADVANCED,
    SR_ADVANCED,
    EGR_ADVANCED,
    CCMR1_FULL,
    CCMR2_FULL,
    CCER_ADVANCED,
    CNT16,
    PSC16,
    ARR16,
    RCR8,
    CCR1_16,
    CCR2_16,
    CCR3_16,
    CCR4_16,
    BDTR_ADVANCED,
    DCR_FULL,
    DMAR_FULL,
];
const GENERAL32: &[Register] = &[
    CR1_FULL,
    CR2_GENERAL,
    SMCR_FULL,
    DIER_GENERAL,
    SR_GENERAL,
    EGR_GENERAL,
    CCMR1_FULL,
    CCMR2_FULL,
    CCER_GENERAL,
    CNT32,
    PSC16,
    ARR32,
    CCR1_32,
    CCR2_32,
    CCR3_32,
    CCR4_32,
    DCR_FULL,
    DMAR_FULL,
    OR_32,
];
const GENERAL16: &[Register] = &[
    CR1_FULL,
    CR2_GENERAL,
    SMCR_FULL,
    DIER_GENERAL,
    SR_GENERAL,
    EGR_GENERAL,
    CCMR1_FULL,
    CCMR2_FULL,
    CCER_GENERAL,
    CNT16,
    PSC16,
    ARR16,
    CCR1_16,
    CCR2_16,
    CCR3_16,
    CCR4_16,
    DCR_FULL,
    DMAR_FULL,
];
const TWO_CHANNEL: &[Register] = &[
    CR1_TWO, CR2_SMALL, SMCR_TWO, DIER_TWO, SR_TWO, EGR_TWO, CCMR1_FULL, CCER_TWO, CNT16, PSC16, ARR16, CCR1_16,
    CCR2_16,
];
const ONE_CHANNEL: &[Register] =
    &[CR1_ONE, DIER_ONE, SR_ONE, EGR_ONE, CCMR1_ONE, CCER_ONE, CNT16, PSC16, ARR16, CCR1_16, OR_ONE];
const BASIC: &[Register] = &[CR1_BASIC, CR2_SMALL, DIER_BASIC, SR_BASIC, EGR_BASIC, CNT16, PSC16, ARR16];
