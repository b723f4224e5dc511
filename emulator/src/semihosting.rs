//! Semihosting calls (ARM's "Semihosting for AArch32 and AArch64", release 2.0): output and exit of bare-metal test
//! programs. Time is virtual; there are no files, only the console.

use lockstep_peripherals::time::PS_PER_MS;

use crate::machine::{Machine, MachineError, Stop};

/// Longest string taken from the guest, in bytes.
const LONGEST_OUTPUT: u32 = 64 << 10;
const ADP_STOPPED_APPLICATION_EXIT: u32 = 0x2_0026;
const MINUS_ONE: u32 = u32::MAX;
/// `BKPT 0xAB`, which asks the host for something.
pub const HOST_CALL: u16 = 0xbeab;

/// What a host call came to.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum HostCall {
    /// The guest goes on; it wrote these bytes.
    Continue(Vec<u8>),
    /// The guest is done, with this exit status.
    Exit(u32),
}

/// How a program ended.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum SemihostingEnd {
    /// It called SYS_EXIT or SYS_EXIT_EXTENDED with this status; 0 is success.
    Exit(u32),
    /// The core locked up.
    LockUp,
    /// The limit was reached before any of these.
    Limit,
}

/// A finished program: see [`run_semihosting`].
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct SemihostingRun {
    /// Everything that it wrote.
    pub output: Vec<u8>,
    /// How it ended.
    pub end: SemihostingEnd,
}

/// Runs a program that talks by semihosting until it exits, locks up, or `limit_cycles` (HCLK cycles since power-on)
/// is reached. The machine must have been made with `semihosting` on.
pub fn run_semihosting(machine: &mut Machine, limit_cycles: u64) -> Result<SemihostingRun, MachineError> {
    let mut output = Vec::new();
    let end = loop {
        match machine.run_until_cycle(limit_cycles)? {
            Stop::Limit => break SemihostingEnd::Limit,
            Stop::LockUp => break SemihostingEnd::LockUp,
            Stop::Breakpoint | Stop::Watchpoint(_) => {}
            Stop::HostCall => match serve(machine) {
                HostCall::Continue(bytes) => output.extend(bytes),
                HostCall::Exit(status) => break SemihostingEnd::Exit(status),
            },
        }
    };
    Ok(SemihostingRun { output, end })
}

/// Serves the call that the machine stopped at ([`Stop::HostCall`]), and steps over it.
pub fn serve(machine: &mut Machine) -> HostCall {
    let mut registers = machine.registers();
    let [operation, parameter, ..] = registers.r;
    let word = |machine: &Machine, index: u32| machine.world.memory.peek_word(parameter.wrapping_add(4 * index));
    let mut output = Vec::new();
    let result = match operation {
        // SYS_OPEN: only the console has a name here.
        0x01 => match word(machine, 0).map(|name| string(machine, name)) {
            Some(name) if name == b":tt" => 1,
            _ => MINUS_ONE,
        },
        // SYS_CLOSE, SYS_ERRNO
        0x02 | 0x13 => 0,
        // SYS_WRITEC
        0x03 => {
            output = bytes(machine, parameter, 1);
            parameter
        }
        // SYS_WRITE0
        0x04 => {
            output = string(machine, parameter);
            parameter
        }
        // SYS_WRITE: handle, address, length; the result is what was not written.
        0x05 => match (word(machine, 1), word(machine, 2)) {
            (Some(address), Some(length)) => {
                output = bytes(machine, address, length.min(LONGEST_OUTPUT));
                length.saturating_sub(output.len() as u32)
            }
            _ => MINUS_ONE,
        },
        // SYS_ISTTY
        0x09 => 1,
        // SYS_CLOCK: centiseconds, of virtual time.
        0x10 => (machine.now().time_ps / (10 * PS_PER_MS)) as u32,
        // SYS_EXIT
        0x18 => return HostCall::Exit(u32::from(parameter != ADP_STOPPED_APPLICATION_EXIT)),
        // SYS_EXIT_EXTENDED: reason, status.
        0x20 => {
            let status = match (word(machine, 0), word(machine, 1)) {
                (Some(ADP_STOPPED_APPLICATION_EXIT), Some(status)) => status,
                _ => 1,
            };
            return HostCall::Exit(status);
        }
        other => {
            let (pc, now) = (registers.pc, machine.now());
            let what = format!("semihosting operation {other:#04x}");
            machine.world.state.ledger.unmodelled(&what, pc, now.time_ps);
            MINUS_ONE
        }
    };
    registers.r[0] = result;
    registers.pc = registers.pc.wrapping_add(2);
    machine.set_registers(&registers);
    HostCall::Continue(output)
}

fn bytes(machine: &Machine, address: u32, length: u32) -> Vec<u8> {
    let mut bytes = vec![0; length as usize];
    if machine.world.memory.peek(address, &mut bytes) { bytes } else { Vec::new() }
}

fn string(machine: &Machine, address: u32) -> Vec<u8> {
    let mut bytes = Vec::new();
    let mut byte = [0];
    for offset in 0..LONGEST_OUTPUT {
        if !machine.world.memory.peek(address.wrapping_add(offset), &mut byte) || byte == [0] {
            break;
        }
        bytes.extend(byte);
    }
    bytes
}
