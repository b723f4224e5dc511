//! Images of SD cards: as other programs read and write them, and whatever is in them.

mod common;
mod errors;
mod hostile;
mod tools;
mod with_tools;
