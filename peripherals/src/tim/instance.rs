//! The fourteen timers and the kinds they come in (RM0033, introductions of sections 13 to 16).

use serde::{Deserialize, Serialize};

/// Which timer.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
#[allow(missing_docs)]
pub enum Instance {
    Tim1,
    Tim2,
    Tim3,
    Tim4,
    Tim5,
    Tim6,
    Tim7,
    Tim8,
    Tim9,
    Tim10,
    Tim11,
    Tim12,
    Tim13,
    Tim14,
}

impl Instance {
    /// All, in order.
    pub const ALL: [Self; 14] = [
        Self::Tim1,
        Self::Tim2,
        Self::Tim3,
        Self::Tim4,
        Self::Tim5,
        Self::Tim6,
        Self::Tim7,
        Self::Tim8,
        Self::Tim9,
        Self::Tim10,
        Self::Tim11,
        Self::Tim12,
        Self::Tim13,
        Self::Tim14,
    ];

    /// `TIM1` to `TIM14`.
    pub const fn name(self) -> &'static str {
        const NAMES: [&str; 14] = [
            "TIM1", "TIM2", "TIM3", "TIM4", "TIM5", "TIM6", "TIM7", "TIM8", "TIM9", "TIM10", "TIM11", "TIM12", "TIM13",
            "TIM14",
        ];
        NAMES[self as usize]
    }

    pub(super) fn variant(self) -> Variant {
        match self {
            Self::Tim1 | Self::Tim8 => Variant::Advanced,
            Self::Tim2 | Self::Tim5 => Variant::General32,
            Self::Tim3 | Self::Tim4 => Variant::General16,
            Self::Tim9 | Self::Tim12 => Variant::TwoChannel,
            Self::Tim10 | Self::Tim11 | Self::Tim13 | Self::Tim14 => Variant::OneChannel,
            Self::Tim6 | Self::Tim7 => Variant::Basic,
        }
    }

    /// Whether it is on APB2.
    pub(super) fn is_on_apb2(self) -> bool {
        matches!(self, Self::Tim1 | Self::Tim8 | Self::Tim9 | Self::Tim10 | Self::Tim11)
    }
}

/// What a timer is made of.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub(super) enum Variant {
    /// TIM1, TIM8: repetition counter, break, main output enable.
    Advanced,
    /// TIM2, TIM5: 32 bits.
    General32,
    /// TIM3, TIM4.
    General16,
    /// TIM9, TIM12.
    TwoChannel,
    /// TIM10, TIM11, TIM13, TIM14.
    OneChannel,
    /// TIM6, TIM7.
    Basic,
}

impl Variant {
    pub(super) fn channels(self) -> usize {
        match self {
            Self::Advanced | Self::General32 | Self::General16 => 4,
            Self::TwoChannel => 2,
            Self::OneChannel => 1,
            Self::Basic => 0,
        }
    }

    pub(super) fn has_trigger(self) -> bool {
        !matches!(self, Self::OneChannel | Self::Basic)
    }

    pub(super) fn has_encoder(self) -> bool {
        self.channels() == 4
    }

    pub(super) fn max(self) -> u32 {
        if self == Self::General32 { u32::MAX } else { 0xffff }
    }
}
