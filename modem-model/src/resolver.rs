//! `AT+UDNSRN`: the module's own DNS client.

use lockstep_traces::Decisions;
use serde::{Deserialize, Serialize};

use crate::commands;
use crate::errors::CmeError;
use crate::execution::{Outcome, Wait};
use crate::modem::Modem;
use crate::network::{Endpoint, Payload, dns};
use crate::profile::Failure;

/// The port it asks from. Sockets are never given it.
const LOCAL_PORT: u16 = 49_151;
const DNS_PORT: u16 = 53;

/// What the address is for.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) enum Purpose {
    /// `AT+UDNSRN` tells it.
    Tell,
    /// `AT+USOCO` connects to it.
    Connect { handle: u32, port: u16 },
}

#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
struct Question {
    id: u16,
    purpose: Purpose,
    name: String,
    tries_left: u32,
    next_server: bool,
}

#[derive(Clone, Debug, Default, Serialize, Deserialize)]
pub(crate) struct Resolver {
    last_id: u16,
    question: Option<Question>,
    /// The id of a question for `AT+UPING`, which no command waits for.
    ping: Option<u16>,
}

impl Resolver {
    pub fn local_port(&self) -> u16 {
        LOCAL_PORT
    }
}

impl Modem {
    /// Begins to resolve a name; the answer completes [`Wait::Resolve`].
    pub(crate) fn resolve(
        &mut self,
        name: &str,
        purpose: Purpose,
        decisions: &mut Decisions,
    ) -> Result<Outcome, Failure> {
        if dns::query(0, name).is_none() {
            return Err(CmeError::IncorrectParameters.into());
        }
        if !self.pdp.is_up() || (self.config.pdp.dns_primary.is_none() && self.config.pdp.dns_secondary.is_none()) {
            return Err(CmeError::OperationNotAllowed.into());
        }
        self.resolver.last_id = self.resolver.last_id.wrapping_add(1);
        let (id, tries_left) = (self.resolver.last_id, self.config.timing.dns_tries);
        let name = name.to_owned();
        self.resolver.question = Some(Question { id, purpose, name, tries_left, next_server: false });
        match self.ask(decisions) {
            Some(outcome) => Ok(outcome),
            None => Err(CmeError::OperationNotAllowed.into()),
        }
    }

    /// Asks for the address of `AT+UPING`'s host; `false` if nobody can be asked.
    pub(crate) fn ask_for_ping(&mut self, name: &str, decisions: &mut Decisions) -> bool {
        self.resolver.last_id = self.resolver.last_id.wrapping_add(1);
        let id = self.resolver.last_id;
        let server = self.config.pdp.dns_primary.or(self.config.pdp.dns_secondary);
        let (Some(address), Some(query)) = (server, dns::query(id, name)) else { return false };
        self.resolver.ping = Some(id);
        self.transmit(LOCAL_PORT, Endpoint { address, port: DNS_PORT }, Payload::Udp(query), decisions);
        true
    }

    /// Sends the question once more; `None` if the tries are used up.
    fn ask(&mut self, decisions: &mut Decisions) -> Option<Outcome> {
        let pdp = &self.config.pdp;
        let servers: Vec<_> = [pdp.dns_primary, pdp.dns_secondary].into_iter().flatten().collect();
        let question = self.resolver.question.as_mut()?;
        question.tries_left = question.tries_left.checked_sub(1)?;
        let server = if question.next_server { servers.last() } else { servers.first() };
        let to = Endpoint { address: *server?, port: DNS_PORT };
        question.next_server = !question.next_server;
        let query = dns::query(question.id, &question.name)?;
        self.transmit(LOCAL_PORT, to, Payload::Udp(query), decisions);
        let limit_ps = self.config.timing.dns_retry.draw_ps(self.now_ps, "modem.dns", "retry_us", decisions);
        Some(Outcome::Wait { wait: Wait::Resolve, limit_ps })
    }

    /// No answer came in time.
    pub(crate) fn resolve_timed_out(&mut self, decisions: &mut Decisions) -> Result<Outcome, Failure> {
        match self.ask(decisions) {
            Some(outcome) => Ok(outcome),
            None => {
                self.resolver.question = None;
                Err(CmeError::NetworkTimeout.into())
            }
        }
    }

    /// A datagram came to the resolver's port.
    pub(crate) fn dns_response(&mut self, from: Endpoint, bytes: &[u8], decisions: &mut Decisions) {
        if from.port != DNS_PORT {
            return;
        }
        if let Some(found) = self.resolver.ping.and_then(|id| dns::response_address(id, bytes)) {
            self.resolver.ping = None;
            return self.ping_address(found, decisions);
        }
        let Some(question) = &self.resolver.question else { return };
        let Some(found) = dns::response_address(question.id, bytes) else { return };
        let purpose = question.purpose;
        self.resolver.question = None;
        let result = match (found, purpose) {
            _ if !self.is_waiting(|wait| *wait == Wait::Resolve) => return,
            (None, _) => Err(CmeError::OperationNotAllowed.into()),
            (Some(address), Purpose::Tell) => Ok(Outcome::Lines(vec![format!("+UDNSRN: \"{address}\"").into_bytes()])),
            (Some(address), Purpose::Connect { handle, port }) => {
                commands::sockets::connect_to(self, handle, Endpoint { address, port }, decisions)
            }
        };
        self.complete(|wait| *wait == Wait::Resolve, result, decisions);
    }
}
