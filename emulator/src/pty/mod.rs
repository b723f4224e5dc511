//! The modem by itself, in real time, on a pseudo-terminal for any host program.
//!
//! The model stays pure. Out here the host's clock is read, characters get the times they would have on a wire, and
//! what the model sends is written when its time has come.

mod link;
mod server;
mod terminal;
mod transcript;

pub use server::Server;
pub use terminal::Terminal;
pub use transcript::Transcript;
