//! Registers that are looked at together when something is wrong.

use super::debuggee::Debuggee;
use crate::core::exceptions::EXCEPTION_COUNT;

/// Name and address: ARMv7-M ARM B3.2 for the core's, RM0033 for USART3 (the modem), DMA1 stream 1 (its reception),
/// RCC, PWR, FLASH and the ports.
const REGISTERS: [(&str, u32); 31] = [
    ("ICSR", 0xe000_ed04),
    ("VTOR", 0xe000_ed08),
    ("AIRCR", 0xe000_ed0c),
    ("SCR", 0xe000_ed10),
    ("CCR", 0xe000_ed14),
    ("SHCSR", 0xe000_ed24),
    ("CFSR", 0xe000_ed28),
    ("HFSR", 0xe000_ed2c),
    ("DFSR", 0xe000_ed30),
    ("MMFAR", 0xe000_ed34),
    ("BFAR", 0xe000_ed38),
    ("SYST_CSR", 0xe000_e010),
    ("SYST_RVR", 0xe000_e014),
    ("SYST_CVR", 0xe000_e018),
    ("DWT_CYCCNT", 0xe000_1004),
    ("USART3_SR", 0x4000_4800),
    ("USART3_BRR", 0x4000_4808),
    ("USART3_CR1", 0x4000_480c),
    ("USART3_CR2", 0x4000_4810),
    ("USART3_CR3", 0x4000_4814),
    ("RCC_CR", 0x4002_3800),
    ("RCC_PLLCFGR", 0x4002_3804),
    ("RCC_CFGR", 0x4002_3808),
    ("RCC_CSR", 0x4002_3874),
    ("PWR_CSR", 0x4000_7004),
    ("FLASH_ACR", 0x4002_3c00),
    ("FLASH_SR", 0x4002_3c0c),
    ("FLASH_CR", 0x4002_3c10),
    ("GPIOA_IDR", 0x4002_0010),
    ("GPIOB_IDR", 0x4002_0410),
    ("GPIOC_IDR", 0x4002_0810),
];

/// The registers, three in a line, and the exceptions that are active, pending or enabled.
pub fn dump<D: Debuggee>(debuggee: &D) -> Vec<String> {
    let machine = debuggee.machine();
    let places = REGISTERS.map(|(_, address)| (address, 4));
    let values = machine.inspect_all(&places);
    let cells: Vec<String> = REGISTERS
        .iter()
        .zip(values)
        .map(|((name, address), value)| match value {
            Some(value) => format!("{name:<11} {address:#010x} = {value:#010x}"),
            None => format!("{name:<11} {address:#010x} = (bus error)"),
        })
        .collect();
    let mut lines: Vec<String> = cells.chunks(2).map(|pair| pair.join("   ")).collect();
    let exceptions = &machine.world.state.scs.exceptions;
    let list = |title: &str, is: &dyn Fn(usize) -> bool| {
        let names: Vec<String> = (1..EXCEPTION_COUNT).filter(|number| is(*number)).map(name).collect();
        format!("{title:<9} {}", if names.is_empty() { "none".to_owned() } else { names.join(" ") })
    };
    lines.push(list("active", &|number| exceptions.is_active(number)));
    lines.push(list("pending", &|number| exceptions.is_pending(number)));
    lines.push(list("enabled", &|number| number >= 16 && exceptions.is_enabled(number)));
    lines
}

fn name(exception: usize) -> String {
    match exception {
        2 => "NMI".to_owned(),
        3 => "HardFault".to_owned(),
        4 => "MemManage".to_owned(),
        5 => "BusFault".to_owned(),
        6 => "UsageFault".to_owned(),
        11 => "SVCall".to_owned(),
        12 => "DebugMonitor".to_owned(),
        14 => "PendSV".to_owned(),
        15 => "SysTick".to_owned(),
        0..16 => format!("exception {exception}"),
        _ => format!("IRQ{}", exception - 16),
    }
}
