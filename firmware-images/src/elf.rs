//! ELF files of the target: 32-bit, ARM, little-endian, linked.

use goblin::elf::{Elf, header, program_header, sym};

use crate::image::Segment;
use crate::symbols::{Symbol, SymbolKind, SymbolTable};

/// Why an ELF file is refused.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum ElfError {
    /// The structure is damaged.
    #[error("damaged ELF file: {reason}; link it again")]
    Damaged {
        /// What the reader stumbled on.
        reason: String,
    },
    /// Another machine, word size or byte order.
    #[error("ELF file for {machine}, {bits}-bit {order}-endian; needed: ARM, 32-bit little-endian (arm-none-eabi)")]
    WrongMachine {
        /// The machine it is for.
        machine: String,
        /// Its word size.
        bits: u8,
        /// `little` or `big`.
        order: &'static str,
    },
    /// An object file or a shared library.
    #[error("ELF file of type {kind}; needed: a linked executable (EXEC)")]
    NotExecutable {
        /// The type it is of.
        kind: String,
    },
    /// A segment's bytes lie outside the file.
    #[error(
        "program header {index}: bytes {offset:#x}..+{length:#x} lie outside the file of {found:#x} bytes: it is cut short"
    )]
    Truncated {
        /// Which program header, counted from 0.
        index: usize,
        /// Where its bytes start.
        offset: u64,
        /// How many they are.
        length: u64,
        /// Size of the file.
        found: usize,
    },
    /// Nothing to load.
    #[error("no program header with bytes to load: this file has symbols at most")]
    NothingToLoad,
}

/// The contents of an ELF file that matter here.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ElfFile {
    /// Bytes to load, at physical addresses (the flash address of initialised data), in order of address.
    pub segments: Vec<Segment>,
    /// Functions, variables and labels.
    pub symbols: SymbolTable,
    /// Entry point.
    pub entry: u32,
}

/// Whether data start with the ELF magic.
pub fn looks_like_elf(bytes: &[u8]) -> bool {
    bytes.starts_with(header::ELFMAG)
}

/// Reads an ELF file.
pub fn parse(bytes: &[u8]) -> Result<ElfFile, ElfError> {
    let elf = Elf::parse(bytes).map_err(|error| ElfError::Damaged { reason: error.to_string() })?;
    if elf.is_64 || !elf.little_endian || elf.header.e_machine != header::EM_ARM {
        return Err(ElfError::WrongMachine {
            machine: machine_name(elf.header.e_machine),
            bits: if elf.is_64 { 64 } else { 32 },
            order: if elf.little_endian { "little" } else { "big" },
        });
    }
    if elf.header.e_type != header::ET_EXEC {
        return Err(ElfError::NotExecutable { kind: header::et_to_str(elf.header.e_type).to_owned() });
    }
    let segments = segments(&elf, bytes)?;
    if segments.is_empty() {
        return Err(ElfError::NothingToLoad);
    }
    // A 32-bit file's addresses are 32 bits wide.
    Ok(ElfFile { segments, symbols: symbols(&elf), entry: elf.entry as u32 })
}

fn machine_name(machine: u16) -> String {
    match header::machine_to_str(machine) {
        "EM_UNKNOWN" => format!("machine number {machine}"),
        name => name.trim_start_matches("EM_").to_owned(),
    }
}

fn segments(elf: &Elf<'_>, bytes: &[u8]) -> Result<Vec<Segment>, ElfError> {
    let mut segments: Vec<Segment> = Vec::new();
    for (index, header) in elf.program_headers.iter().enumerate() {
        if header.p_type != program_header::PT_LOAD || header.p_filesz == 0 {
            continue;
        }
        let range = usize::try_from(header.p_offset).ok().zip(usize::try_from(header.p_filesz).ok());
        let data = range.and_then(|(start, length)| bytes.get(start..start.checked_add(length)?));
        let Some(data) = data else {
            return Err(ElfError::Truncated {
                index,
                offset: header.p_offset,
                length: header.p_filesz,
                found: bytes.len(),
            });
        };
        segments.push(Segment { address: header.p_paddr as u32, bytes: data.to_vec() });
    }
    segments.sort_by_key(|segment| segment.address);
    Ok(segments)
}

fn symbols(elf: &Elf<'_>) -> SymbolTable {
    let mut symbols = Vec::new();
    for symbol in elf.syms.iter() {
        let kind = match symbol.st_type() {
            sym::STT_FUNC => SymbolKind::Function,
            sym::STT_OBJECT => SymbolKind::Data,
            sym::STT_NOTYPE => SymbolKind::Label,
            _ => continue,
        };
        // Section 0 is an undefined symbol; absolute ones (0xfff1) of a linker script are sizes as often as addresses.
        if symbol.st_shndx == 0 || symbol.st_shndx >= 0xff00 {
            continue;
        }
        let Some(name) = elf.strtab.get_at(symbol.st_name) else { continue };
        // $t, $a, $d mark code and data for a disassembler.
        if name.is_empty() || name.starts_with('$') {
            continue;
        }
        let address = symbol.st_value as u32;
        let address = if kind == SymbolKind::Function { address & !1 } else { address };
        symbols.push(Symbol { address, size: symbol.st_size as u32, kind, name: name.to_owned() });
    }
    SymbolTable::new(symbols)
}

#[cfg(test)]
pub(crate) mod tests {
    use super::*;
    use proptest::prelude::*;

    /// A smallest linked ARM file: one segment, run at `virt`, loaded at `phys`; one function `main` at its start.
    pub(crate) fn small_elf(virt: u32, phys: u32, data: &[u8]) -> Vec<u8> {
        let data_at = 52 + 32;
        let strtab_at = data_at + data.len() as u32;
        let strtab = b"\0main\0";
        let symtab_at = strtab_at + strtab.len() as u32;
        let sections_at = symtab_at + 32;
        let mut file = Vec::new();
        file.extend(b"\x7fELF\x01\x01\x01\0\0\0\0\0\0\0\0\0");
        for half in [2u16, 40] {
            file.extend(half.to_le_bytes());
        }
        for word in [1u32, virt | 1, 52, sections_at, 0x0500_0000] {
            file.extend(word.to_le_bytes());
        }
        for half in [52u16, 32, 1, 40, 3, 2] {
            file.extend(half.to_le_bytes());
        }
        let length = data.len() as u32;
        for word in [1, data_at, virt, phys, length, length + 16, 5, 4] {
            file.extend(word.to_le_bytes());
        }
        file.extend(data);
        file.extend(strtab);
        file.extend([0; 16]);
        for word in [1, virt | 1, length] {
            file.extend(word.to_le_bytes());
        }
        file.extend([0x12, 0]);
        file.extend(1u16.to_le_bytes());
        file.extend([0; 40]);
        for word in [0, 2, 0, 0, symtab_at, 32, 2, 1, 4, 16u32] {
            file.extend(word.to_le_bytes());
        }
        for word in [0, 3, 0, 0, strtab_at, strtab.len() as u32, 0, 0, 1, 0u32] {
            file.extend(word.to_le_bytes());
        }
        file
    }

    #[test]
    fn a_segment_goes_to_its_load_address() {
        let file = parse(&small_elf(0x2000_0400, 0x0808_1000, &[1, 2, 3, 4])).unwrap();
        assert_eq!(file.segments, [Segment { address: 0x0808_1000, bytes: vec![1, 2, 3, 4] }]);
        assert_eq!(file.entry, 0x2000_0401);
        let main = file.symbols.named("main").unwrap();
        assert_eq!((main.address, main.size, main.kind), (0x2000_0400, 4, SymbolKind::Function));
    }

    #[test]
    fn another_machine_is_named() {
        let mut file = small_elf(0, 0, &[0; 8]);
        file[18] = 243;
        let error = parse(&file).unwrap_err().to_string();
        assert!(error.contains("RISCV") && error.contains("32-bit little"), "{error}");
        let mut file = small_elf(0, 0, &[0; 8]);
        file[16] = 1;
        assert!(matches!(parse(&file), Err(ElfError::NotExecutable { .. })));
    }

    #[test]
    fn a_cut_file_is_refused() {
        let file = small_elf(0, 0x0800_0000, &[7; 64]);
        for length in 0..file.len() {
            assert!(parse(&file[..length]).is_err(), "{length} of {} bytes", file.len());
        }
    }

    proptest! {
        #[test]
        fn arbitrary_bytes_never_panic(bytes: Vec<u8>) {
            let _ = parse(&bytes);
            let mut file = header::ELFMAG.to_vec();
            file.extend(bytes);
            let _ = parse(&file);
        }

        #[test]
        fn a_damaged_file_never_panics(changes in prop::collection::vec((0usize..400, any::<u8>()), 1..8)) {
            let mut file = small_elf(0x0800_0000, 0x0800_0000, &[7; 64]);
            for (offset, value) in changes {
                if let Some(byte) = file.get_mut(offset) {
                    *byte = value;
                }
            }
            let _ = parse(&file);
        }
    }
}
