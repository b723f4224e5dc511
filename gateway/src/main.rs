//! Bridge from the simulated network to the real one.
fn main() {}
