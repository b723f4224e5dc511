//! Packet data: u-blox profiles (`AT+UPSD`), 27.007 contexts (`AT+CGDCONT`), and what the network does to them.

use std::collections::BTreeMap;

use lockstep_traces::Decisions;
use serde::{Deserialize, Serialize};

use crate::errors::CmeError;
use crate::modem::Modem;
use crate::urc::Urc;

/// Profiles 0 to 6.
pub const PROFILES_MAX: usize = 7;

/// A PDP profile as a live view shows it.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct PdpProfile {
    /// Parameters by tag: 1 APN, 2 user name, 3 password, 4 and 5 DNS, 6 authentication, 7 address.
    pub parameters: BTreeMap<u32, String>,
    /// Carries packets.
    pub active: bool,
}

/// A 27.007 PDP context.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct PdpContext {
    /// Access point name.
    pub apn: String,
    /// Active.
    pub active: bool,
}

#[derive(Clone, Debug, Default, Serialize, Deserialize)]
pub(crate) struct Pdp {
    pub profiles: [PdpProfile; PROFILES_MAX],
    pub contexts: BTreeMap<u32, PdpContext>,
    session: (u64, u64),
    total: (u64, u64),
}

impl Pdp {
    /// With the contexts that are kept.
    pub fn after_power_on(contexts: BTreeMap<u32, PdpContext>) -> Self {
        Self { contexts, ..Self::default() }
    }

    pub fn profile(&self, number: u32) -> Result<&PdpProfile, CmeError> {
        self.profiles.get(number as usize).ok_or(CmeError::IncorrectParameters)
    }

    pub fn profile_mut(&mut self, number: u32) -> Result<&mut PdpProfile, CmeError> {
        self.profiles.get_mut(number as usize).ok_or(CmeError::IncorrectParameters)
    }

    /// Whether the internet stack has a profile to send through.
    pub fn is_up(&self) -> bool {
        self.profiles.iter().any(|p| p.active)
    }

    pub fn count_sent(&mut self, bytes: u64) {
        self.session.0 += bytes;
        self.total.0 += bytes;
    }

    pub fn count_received(&mut self, bytes: u64) {
        self.session.1 += bytes;
        self.total.1 += bytes;
    }

    pub fn begin_session(&mut self) {
        self.session = (0, 0);
    }

    /// Session and total, each sent and received, in bytes of IP packets.
    pub fn counters(&self) -> ((u64, u64), (u64, u64)) {
        (self.session, self.total)
    }

    pub fn reset_counters(&mut self) {
        (self.session, self.total) = ((0, 0), (0, 0));
    }
}

impl Modem {
    /// The activation of a profile has come to its end.
    pub(crate) fn activate_profile(&mut self, number: u32, decisions: &mut Decisions) -> Result<(), CmeError> {
        if self.activation_is_refused("UPSDA", decisions) || !self.registration.attached {
            return Err(CmeError::ServiceOutOfOrder);
        }
        self.pdp.begin_session();
        self.pdp.profile_mut(number)?.active = true;
        Ok(())
    }

    /// The client deactivates a profile.
    pub(crate) fn deactivate_profile(&mut self, number: u32, decisions: &mut Decisions) -> Result<(), CmeError> {
        self.pdp.profile_mut(number)?.active = false;
        if !self.pdp.is_up() {
            self.drop_sockets(decisions);
        }
        Ok(())
    }

    /// The network, or the loss of the radio, ends all packet data.
    pub(crate) fn drop_pdp(&mut self, decisions: &mut Decisions) {
        let (mut dropped, address) = (Vec::new(), self.config.pdp.address);
        for number in (0..)
            .zip(&mut self.pdp.profiles)
            .filter_map(|(n, p)| std::mem::take(&mut p.active).then_some(n))
            .collect::<Vec<u32>>()
        {
            self.urc(Urc::PdpDropped { profile: number }, decisions);
        }
        for (number, context) in &mut self.pdp.contexts {
            if std::mem::take(&mut context.active) {
                dropped.push(format!("NW DEACT \"IP\",\"{address}\",{number}"));
            }
        }
        for text in dropped {
            self.urc(Urc::PacketEvent(text), decisions);
        }
        self.drop_sockets(decisions);
    }
}
