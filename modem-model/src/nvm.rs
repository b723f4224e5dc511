//! What survives loss of power.

use std::collections::BTreeMap;

use serde::{Deserialize, Serialize};

use crate::config::Model;
use crate::modem::Modem;
use crate::pdp::{PROFILES_MAX, PdpContext};
use crate::profile::Profile;

#[derive(Clone, Debug, Default, Serialize, Deserialize)]
pub(crate) struct NonVolatile {
    /// `AT&W`.
    pub profile: Option<Profile>,
    /// `AT+IPR` with `AT&W`.
    pub baud_hz: Option<u32>,
    /// `AT+UPSDA=n,1`.
    pub pdp_parameters: [BTreeMap<u32, String>; PROFILES_MAX],
    /// `AT+CGDCONT`.
    pub contexts: BTreeMap<u32, PdpContext>,
    /// `AT+CSGT`: whether the text is sent at start-up, and the text.
    pub greeting: (bool, String),
    /// `AT+URAT`: selected and preferred technology.
    pub radio: Option<(u32, Option<u32>)>,
    /// `AT+UBANDSEL`, in MHz.
    pub bands: Vec<u32>,
}

/// Numbers of `AT+URAT` (u-blox AT commands manual): GSM only, both, UTRAN only.
pub(crate) const RADIO_GSM: u32 = 0;
pub(crate) const RADIO_DUAL: u32 = 1;
pub(crate) const RADIO_UTRAN: u32 = 2;

impl Model {
    /// Bands in MHz, as `AT+UBANDSEL` lists them (data sheets UBX-13000993 and UBX-13005287).
    pub(crate) fn bands(self) -> &'static [u32] {
        match self {
            Self::SaraU260 => &[850, 1900],
            Self::SaraU270 => &[900, 1800, 2100],
            Self::SaraU201 => &[800, 850, 900, 1800, 1900, 2100],
            Self::SaraG350 => &[850, 900, 1800, 1900],
        }
    }
}

impl Modem {
    /// `AT+URAT`: dual mode with 3G preferred, unless the client chose, or the model has 2G only.
    pub(crate) fn radio(&self) -> (u32, Option<u32>) {
        match (self.config.model.has_utran(), self.nvm.radio) {
            (false, _) => (RADIO_GSM, None),
            (true, Some(radio)) => radio,
            (true, None) => (RADIO_DUAL, Some(RADIO_UTRAN)),
        }
    }

    /// Whether it works on 3G: as the client chose, for the network has both.
    pub(crate) fn is_on_utran(&self) -> bool {
        match self.radio() {
            (RADIO_DUAL, preferred) => preferred != Some(RADIO_GSM),
            (selected, _) => selected == RADIO_UTRAN,
        }
    }

    /// The access technology as the last field of `+CREG` (27.007: 0 GSM, 2 UTRAN).
    pub(crate) fn access_technology(&self) -> u32 {
        if self.is_on_utran() { 2 } else { 0 }
    }

    pub(crate) fn bands(&self) -> &[u32] {
        if self.nvm.bands.is_empty() { self.config.model.bands() } else { &self.nvm.bands }
    }
}
