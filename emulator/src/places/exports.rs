//! Functions that a system firmware exports to applications, found in the image itself.
//!
//! Behind `module_info` system part 2 has pointers to tables of function pointers (`dynalib`); an application calls by
//! table and index, so both are the same in every version. A place in the code is given an export's name when it can be
//! reached from that function's first instruction without a call: no guess by nearness.

use std::collections::BTreeMap;

use crate::rtos::MemoryCopy;
use crate::rtos::chain::reaches;
use crate::world::{FLASH_BASE, FLASH_SIZE};

/// Tables and names.
const TABLES: &str = include_str!("exports.txt");
/// Functions longer than this are not looked through.
const FUNCTION_BYTES_MAX: u32 = 2048;

/// Marks an address that several exports share, while they are collected.
const SHARED: &str = "\n";

/// Exported functions by address of their first instruction.
#[derive(Clone, Debug, Default)]
pub struct Exports {
    by_address: BTreeMap<u32, String>,
    flash: Vec<u8>,
}

impl Exports {
    /// Those of the module whose table pointers begin at this address.
    pub fn new(flash: &[u8], tables: u32) -> Self {
        let word = |address: u32| {
            let offset = address.checked_sub(FLASH_BASE)? as usize;
            Some(u32::from_le_bytes(*flash.get(offset..)?.first_chunk()?))
        };
        let is_code = |address: u32| address & 1 == 1 && (FLASH_BASE..FLASH_BASE + FLASH_SIZE).contains(&address);
        let mut by_address = BTreeMap::new();
        for line in TABLES.lines().filter(|line| !line.starts_with('#')) {
            let mut words = line.split_whitespace();
            let (Some(offset), Some(table)) = (words.next().and_then(|text| text.parse::<u32>().ok()), words.next())
            else {
                continue;
            };
            let Some(start) = tables.checked_add(offset).and_then(word) else { continue };
            let functions: Option<Vec<u32>> =
                words.clone().zip(0u32..).map(|(_, index)| word(start.checked_add(4 * index)?)).collect();
            // A table of which one entry is no function is none, or another than is known here.
            let Some(functions) = functions.filter(|functions| functions.iter().all(|f| *f == 0 || is_code(*f))) else {
                continue;
            };
            for ((name, index), function) in words.zip(0..).zip(functions) {
                let name = if name == "-" { format!("{table}[{index}]") } else { format!("{table}[{index}] {name}") };
                // Functions that do the same share one address: then the first name says no more than any other.
                for address in [Some(function & !1), jumps_on(&word, function & !1)].into_iter().flatten() {
                    let taken = |name: &mut String| name.push_str(SHARED);
                    by_address.entry(address).and_modify(taken).or_insert_with(|| name.clone());
                }
            }
        }
        by_address.retain(|address, name| *address != 0 && !name.ends_with(SHARED));
        Self { by_address, flash: flash.to_vec() }
    }

    /// The export that an address lies in, and how far into it.
    pub fn at(&self, address: u32) -> Option<(&str, u32)> {
        let from = address.checked_sub(FUNCTION_BYTES_MAX)?;
        let (start, name) = self.by_address.range(from..=address).next_back()?;
        let memory = MemoryCopy { sram: &[], flash: &self.flash };
        reaches(&memory, *start, address).then_some((name.as_str(), address - start))
    }
}

/// Where a function leads to that only jumps on to another module's export: push {r3, lr}; ldr r3, [pc, #n]; ldr r3, [r3];
/// ldr r3, [r3, #m]; str r3, [sp, #4]; pop {r3, pc}. So system firmware has it from 0.6 on, which is spread over three
/// modules.
fn jumps_on(word: &impl Fn(u32) -> Option<u32>, function: u32) -> Option<u32> {
    let half = |index: u32| {
        let address = function.checked_add(2 * index)?;
        Some((word(address & !3)? >> (8 * (address & 2))) as u16)
    };
    let (first, pointer, load, entry) = (half(0)?, half(1)?, half(2)?, half(3)?);
    let is_jump = first == 0xb508
        && pointer & 0xff00 == 0x4b00
        && load == 0x681b
        && entry & 0xf83f == 0x681b
        && half(4)? == 0x9301
        && half(5)? == 0xbd08;
    if !is_jump {
        return None;
    }
    let literal = (function.checked_add(6)? & !3).checked_add(4 * u32::from(pointer & 0xff))?;
    let table = word(word(literal)?)?;
    let function = word(table.checked_add(4 * u32::from(entry >> 6 & 31))?)?;
    (function & 1 == 1).then_some(function & !1)
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    /// Table pointers at the start of flash, as behind module_info; all tables the same.
    fn flash() -> Vec<u8> {
        let mut flash = vec![0; 0x3000];
        let mut set = |offset: u32, word: u32| {
            flash[offset as usize..][..4].copy_from_slice(&word.to_le_bytes());
        };
        for table in 0..14 {
            set(4 * table, FLASH_BASE + 0x100 + 0x100 * table);
            for index in 0..40 {
                set(0x100 + 0x100 * table + 4 * index, FLASH_BASE + 0x1001 + (table * 40 + index) * 8);
            }
        }
        // hal_socket[4] jumps on: to the eighth entry of the table that 0x2800 points to.
        let thunk = 0x1000 + (8 * 40 + 4) * 8;
        set(0x100 + 0x800 + 16, FLASH_BASE + 0x2701);
        for (n, word) in [0x4b02_b508, 0x69db_681b, 0xbd08_9301, FLASH_BASE + 0x2800].into_iter().enumerate() {
            set(0x2700 + 4 * n as u32, word);
        }
        set(0x2800, FLASH_BASE + 0x2900);
        set(0x2900 + 28, FLASH_BASE + 0x2a01);
        set(thunk, 0);
        // There: nop, bx lr, and behind it what cannot be reached.
        set(0x2a00, 0x4770_bf00);
        set(0x2a04, 0x4770_bf00);
        flash
    }

    #[test]
    fn a_place_is_named_that_an_export_reaches() {
        let exports = Exports::new(&flash(), FLASH_BASE);
        assert_eq!(exports.at(FLASH_BASE + 0x2a02), Some(("hal_socket[4] socket_receive", 2)), "through the jump");
        assert_eq!(exports.at(FLASH_BASE + 0x2a04), None, "behind its return");
        assert_eq!(exports.at(FLASH_BASE + 0x2700), Some(("hal_socket[4] socket_receive", 0)));
        assert_eq!(exports.at(0), None);
    }

    proptest! {
        #[test]
        fn hostile_tables_never_panic(
            words in proptest::collection::vec((0u32..0xc00, any::<u32>()), 0..40),
            pointers in proptest::collection::vec((0u32..0xc00, 0u32..0x3000), 0..40),
            address: u32, tables: u32,
        ) {
            let mut flash = flash();
            let pointers = pointers.into_iter().map(|(at, to)| (at, FLASH_BASE + to));
            for (at, word) in words.into_iter().chain(pointers) {
                flash[4 * at as usize..][..4].copy_from_slice(&word.to_le_bytes());
            }
            let exports = Exports::new(&flash, FLASH_BASE);
            let _ = (exports.at(address), exports.at(FLASH_BASE + (address & 0x3fff)));
            let _ = Exports::new(&flash, tables).at(address);
        }
    }
}
