//! Names for addresses: symbols where they are known, else the module that lies there and how far into it, and the
//! exported function if it is one.

mod exports;

use exports::Exports;
use lockstep_images::module::{INFO_LENGTH, INFO_OFFSETS, ModuleInfo};
use lockstep_images::{FLASH_START, MODULE_PLACES, ModuleFunction, SymbolTable};
use serde::Serialize;

/// A module in flash, where it runs.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct PlacedName {
    /// Its first address.
    pub start: u32,
    /// One past its last byte.
    pub end: u32,
    /// Its name: `system-part2`, `user-part1`.
    pub name: String,
    /// Its version, as its header has it.
    pub version: u16,
}

/// Names for addresses.
#[derive(Clone, Debug, Default)]
pub struct Places {
    symbols: SymbolTable,
    modules: Vec<PlacedName>,
    exports: Exports,
}

impl Places {
    /// With symbols, and the modules that are found in the contents of flash. Copies that do not run where they lie
    /// (factory, staging) have no name.
    pub fn new(symbols: SymbolTable, flash: &[u8]) -> Self {
        let mut exports = Exports::default();
        let modules = MODULE_PLACES.iter().filter_map(|place| {
            let at = flash.get(place.checked_sub(FLASH_START)? as usize..)?;
            let infos =
                INFO_OFFSETS.iter().filter_map(|offset| Some((offset, ModuleInfo::read(at, *offset as usize)?)));
            // The header says where it runs; anything else there is not a header.
            let (offset, info) = infos.into_iter().find(|(_, info)| info.start == *place && info.end > info.start)?;
            if (info.function, info.index) == (ModuleFunction::SystemPart, 2) {
                exports = Exports::new(flash, place + offset + INFO_LENGTH as u32);
            }
            let end = info.end.min(FLASH_START.saturating_add(u32::try_from(flash.len()).unwrap_or(u32::MAX)));
            let index = info.index;
            let name = match info.function {
                ModuleFunction::Bootloader => "bootloader".to_owned(),
                ModuleFunction::SystemPart => format!("system-part{index}"),
                ModuleFunction::UserPart => format!("user-part{index}"),
                ModuleFunction::Monolithic => "firmware".to_owned(),
                _ => return None,
            };
            Some(PlacedName { start: info.start, end, name, version: info.version })
        });
        let modules = modules.collect();
        Self { symbols, modules, exports }
    }

    /// The modules, by address.
    pub fn modules(&self) -> &[PlacedName] {
        &self.modules
    }

    /// The module that an address lies in.
    pub fn module(&self, address: u32) -> Option<&PlacedName> {
        self.modules.iter().find(|module| (module.start..module.end).contains(&address))
    }

    /// The name of an address: `loop()+0x12`, else `system-part2+0x4e92`; `None` where nothing is known.
    pub fn name(&self, address: u32) -> Option<String> {
        self.name_in(address, address)
    }

    /// The name of a return address: that of the function which the call before it is in, even if the call is its last
    /// instruction.
    pub fn return_name(&self, address: u32) -> Option<String> {
        self.name_in(address, address.checked_sub(1)?)
    }

    fn name_in(&self, address: u32, inside: u32) -> Option<String> {
        let with_offset = |name: String, start: u32| match address - start {
            0 => name,
            offset => format!("{name}+{offset:#x}"),
        };
        if let Some((symbol, _)) = self.symbols.at(inside) {
            return Some(with_offset(symbol.readable_name(), symbol.address));
        }
        let module = self.module(inside)?;
        let name = with_offset(module.name.clone(), module.start);
        Some(match self.exports.at(address) {
            Some((export, offset)) => format!("{name} in {export}+{offset:#x}"),
            None => name,
        })
    }

    /// The address and, where it has one, its name.
    pub fn place(&self, address: u32) -> String {
        match self.name(address) {
            Some(name) => format!("{address:#010x} {name}"),
            None => format!("{address:#010x}"),
        }
    }
}

#[cfg(test)]
mod tests {
    use lockstep_images::{Symbol, SymbolKind};

    use super::*;

    fn flash() -> Vec<u8> {
        let mut flash = vec![0xff; 1 << 20];
        // A module_info at the start of system part 2: start, end, reserved, flags, version, platform, function, index.
        let mut info = vec![0; 24];
        info[..4].copy_from_slice(&0x0804_0000u32.to_le_bytes());
        info[4..8].copy_from_slice(&0x0805_0000u32.to_le_bytes());
        info[10] = 17;
        info[12] = 10;
        info[14] = 4;
        info[15] = 2;
        flash[0x4_0000..0x4_0018].copy_from_slice(&info);
        flash
    }

    #[test]
    fn an_address_is_named_by_symbol_or_by_module() {
        let symbol =
            |address, size, name: &str| Symbol { address, size, kind: SymbolKind::Function, name: name.to_owned() };
        let symbols = SymbolTable::new(vec![symbol(0x0808_0100, 0x20, "_ZN9TCPClient9availableEv")]);
        let places = Places::new(symbols, &flash());
        assert_eq!(places.name(0x0804_4e92).as_deref(), Some("system-part2+0x4e92"));
        assert_eq!(places.place(0x0808_0104), "0x08080104 TCPClient::available()+0x4");
        assert_eq!(places.name(0x0103_2530), None);
        assert_eq!(places.return_name(0x0808_0120).as_deref(), Some("TCPClient::available()+0x20"), "its last call");
        assert_eq!(places.name(0x0808_0120), None);
        assert!(places.module(0x0804_ffff).is_some() && places.module(0x0805_0000).is_none());
    }

    proptest::proptest! {
        #[test]
        fn no_flash_and_no_address_panics(bytes: Vec<u8>, address: u32, at in 0usize..0x10_0000) {
            let mut flash = flash();
            for (to, from) in flash.iter_mut().skip(at).zip(&bytes) {
                *to = *from;
            }
            let _ = Places::new(SymbolTable::default(), &flash).place(address);
            let _ = Places::new(SymbolTable::default(), &bytes).place(address);
        }
    }
}
