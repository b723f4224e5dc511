//! The SIM at run time.

use serde::{Deserialize, Serialize};

use crate::config::SimState;
use crate::errors::CmeError;

/// PUK tries a blocked SIM starts with.
const PUK_TRIES: u8 = 10;

#[derive(Clone, Debug, Serialize, Deserialize)]
pub(crate) struct Sim {
    pub state: SimState,
}

impl Sim {
    /// # Errors
    /// What a command that needs the SIM answers while it is not ready.
    pub fn require(&self) -> Result<(), CmeError> {
        match self.state {
            SimState::Ready => Ok(()),
            SimState::Pin { .. } => Err(CmeError::SimPinRequired),
            SimState::Puk { .. } => Err(CmeError::SimPukRequired),
            SimState::Absent => Err(CmeError::SimNotInserted),
            SimState::Failure => Err(CmeError::SimFailure),
        }
    }

    /// `AT+CPIN="pin"`, or `"puk","new pin"`.
    ///
    /// # Errors
    /// Wrong code, or none is wanted.
    pub fn unlock(&mut self, code: &str, new_pin: Option<&str>) -> Result<(), CmeError> {
        match &mut self.state {
            SimState::Pin { pin, .. } if pin == code => {
                self.state = SimState::Ready;
                Ok(())
            }
            SimState::Pin { tries, .. } => {
                *tries = tries.saturating_sub(1);
                if *tries == 0 {
                    // The PUK of a SIM that was configured with its PIN only is not known: nothing unblocks it.
                    self.state = SimState::Puk { puk: String::new(), tries: PUK_TRIES };
                }
                Err(CmeError::IncorrectPassword)
            }
            SimState::Puk { puk, .. } if !puk.is_empty() && puk == code && new_pin.is_some() => {
                self.state = SimState::Ready;
                Ok(())
            }
            SimState::Puk { tries, .. } => {
                *tries = tries.saturating_sub(1);
                if *tries == 0 {
                    self.state = SimState::Failure;
                }
                Err(CmeError::IncorrectPassword)
            }
            SimState::Ready => Err(CmeError::OperationNotAllowed),
            SimState::Absent => Err(CmeError::SimNotInserted),
            SimState::Failure => Err(CmeError::SimFailure),
        }
    }
}
