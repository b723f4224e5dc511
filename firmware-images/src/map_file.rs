//! Linker map files of GNU ld (`-Wl,-Map=`): the names that a stripped image has lost.
//!
//! Read from the section "Linker script and memory map". A line with an input section gives place and size; the lines
//! below it, an address and a name each, are the symbols in it. Lines with ` = ` are assignments of the script: labels.
//! What cannot be read is passed over, as a map has much that is of no interest here.

use std::collections::BTreeSet;

use crate::symbols::{Symbol, SymbolKind, SymbolTable};

/// A map file that gives no symbols.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum MapError {
    /// No such heading.
    #[error(
        "no line \"Linker script and memory map\": not a map file of GNU ld; give the one that the link wrote with -Wl,-Map=FILE (of lld or armlink the ELF file itself, with --symbols)"
    )]
    NoMemoryMap,
    /// Nothing below it.
    #[error("no symbols in its memory map: was the link done, and with its object files' symbols kept?")]
    NoSymbols,
}

/// Symbols of one file: more than any firmware of this size has.
const SYMBOLS_MAX: usize = 200_000;
/// Longer names are cut off by nothing we know; they are not names.
const LONGEST_NAME: usize = 4096;

/// An input section.
#[derive(Clone, Copy, Debug)]
struct Section {
    address: u32,
    size: u32,
    is_code: bool,
}

/// Reads a map file.
pub fn parse(bytes: &[u8]) -> Result<SymbolTable, MapError> {
    let text = String::from_utf8_lossy(bytes);
    let mut lines = text.lines().skip_while(|line| !line.starts_with("Linker script and memory map"));
    lines.next().ok_or(MapError::NoMemoryMap)?;
    let mut reader = Reader::default();
    for line in lines {
        if line.starts_with("Cross Reference Table") || reader.symbols.len() >= SYMBOLS_MAX {
            break;
        }
        reader.line(line);
    }
    reader.end_section();
    if reader.symbols.is_empty() {
        return Err(MapError::NoSymbols);
    }
    Ok(SymbolTable::new(reader.symbols))
}

#[derive(Debug, Default)]
struct Reader {
    /// A section's name on a line of its own: its address follows on the next.
    pending_name: Option<bool>,
    section: Option<Section>,
    /// Names in the section that is being read.
    in_section: Vec<(u32, String)>,
    symbols: Vec<Symbol>,
    seen: BTreeSet<(u32, String)>,
}

impl Reader {
    fn line(&mut self, line: &str) {
        let pending = self.pending_name.take();
        let body = line.trim_end();
        let Some(first) = body.split_whitespace().next() else { return };
        // " .text._ZN3FooC2Ev" or ".text": a section; its place stands behind it or on the next line.
        let is_section = first.starts_with('.') || first == "COMMON";
        let depth = body.len() - body.trim_start().len();
        if is_section && depth <= 1 {
            self.end_section();
            let is_code = is_code(first);
            match place(body.trim_start().get(first.len()..).unwrap_or_default()) {
                Some((address, size)) => self.begin_section(address, size, is_code),
                None => self.pending_name = Some(is_code),
            }
            return;
        }
        let Some(address) = hexadecimal(first) else { return };
        let rest = body.trim_start().get(first.len()..).unwrap_or_default().trim();
        if let Some(is_code) = pending {
            if let Some((address, size)) = place(body) {
                self.begin_section(address, size, is_code);
            }
            return;
        }
        self.symbol(address, rest);
    }

    fn begin_section(&mut self, address: u32, size: u32, is_code: bool) {
        // Sections that are not loaded (debug information) lie at 0.
        self.section = (address != 0 && size != 0).then_some(Section { address, size, is_code });
    }

    fn symbol(&mut self, address: u32, text: &str) {
        if address == 0 || text.is_empty() || text.len() > LONGEST_NAME || text.starts_with("0x") {
            return;
        }
        if let Some((name, _)) = text.split_once(" = ") {
            let name = name.trim().trim_start_matches("PROVIDE (");
            // `. = ALIGN (4)` moves the place and names nothing.
            if name != "." && !name.contains(' ') {
                self.add(address, 0, SymbolKind::Label, name);
            }
            return;
        }
        let is_inside = |section: Section| address.checked_sub(section.address).is_some_and(|at| at < section.size);
        if self.section.is_some_and(is_inside) && !text.starts_with('*') && !text.starts_with('(') {
            self.in_section.push((address, text.to_owned()));
        }
    }

    /// Each symbol reaches to the next one in its section, the last to the section's end.
    fn end_section(&mut self) {
        let mut names = std::mem::take(&mut self.in_section);
        let Some(section) = self.section.take() else { return };
        names.sort();
        let ends: Vec<u32> = names.iter().map(|(address, _)| *address).collect();
        for (address, name) in names {
            let next = ends.get(ends.partition_point(|other| *other <= address)).copied();
            let end = next.unwrap_or(section.address.saturating_add(section.size));
            let kind = if section.is_code { SymbolKind::Function } else { SymbolKind::Data };
            let at = if section.is_code { address & !1 } else { address };
            self.add(at, end.saturating_sub(at), kind, &name);
        }
    }

    fn add(&mut self, address: u32, size: u32, kind: SymbolKind, name: &str) {
        if self.seen.insert((address, name.to_owned())) {
            self.symbols.push(Symbol { address, size, kind, name: name.to_owned() });
        }
    }
}

fn is_code(section: &str) -> bool {
    [".text", ".init", ".fini", ".isr_vector", ".glue"].iter().any(|name| section.starts_with(name))
}

/// The address and size at the beginning of this, both hexadecimal.
fn place(text: &str) -> Option<(u32, u32)> {
    let mut words = text.split_whitespace();
    Some((hexadecimal(words.next()?)?, hexadecimal(words.next()?)?))
}

fn hexadecimal(word: &str) -> Option<u32> {
    let digits = word.strip_prefix("0x")?;
    let value = u64::from_str_radix(digits, 16).ok()?;
    u32::try_from(value).ok()
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    /// As `arm-none-eabi-ld` 10 writes it, shortened.
    const MAP: &str = "\
Archive member included to satisfy reference by file (symbol)

Discarded input sections

 .text          0x00000000        0x0 ./app.o
 .text.unused   0x00000000       0x24 ./app.o

Memory Configuration

Name             Origin             Length             Attributes
FLASH            0x08080000         0x00020000         xr

Linker script and memory map

LOAD ./app.o
                0x08080000                . = ORIGIN (FLASH)

.text           0x08080020      0x4f0
                0x08080020                link_text_start = .
 *(.text*)
 .text.loop     0x08080020       0x24 ./app.o
                0x08080021                loop
 .text._ZN9TCPClient9availableEv
                0x08080044       0x30 ./tcp.o
                0x08080044                TCPClient::available()
                0x08080060                helper with spaces(int, char const*)
 *fill*         0x08080074        0x4 

.data           0x20000400       0x10 load address 0x08080510
 .data.counter  0x20000400        0x4 ./app.o
                0x20000400                counter
 COMMON         0x20000404        0x4 ./app.o
                0x20000404                shared
                0x20000410                link_data_end = .
                [!provide]                PROVIDE (nothing = .)

.debug_info     0x00000000     0x1234
 .debug_info    0x00000000     0x1234 ./app.o
OUTPUT(app.elf elf32-littlearm)
";

    #[test]
    fn symbols_come_with_place_size_and_kind() {
        let table = parse(MAP.as_bytes()).unwrap();
        let at = |address: u32| table.at(address).map(|(s, into)| (s.name.as_str(), s.size, s.kind, into));
        assert_eq!(at(0x0808_0030), Some(("loop", 0x24, SymbolKind::Function, 0x10)));
        assert_eq!(at(0x0808_0050), Some(("TCPClient::available()", 0x1c, SymbolKind::Function, 12)));
        assert_eq!(at(0x0808_0070).map(|s| s.0), Some("helper with spaces(int, char const*)"));
        assert_eq!(at(0x2000_0402), Some(("counter", 4, SymbolKind::Data, 2)));
        assert_eq!(at(0x2000_0404), Some(("shared", 4, SymbolKind::Data, 0)));
        assert_eq!(table.named("link_data_end").map(|s| (s.address, s.kind)), Some((0x2000_0410, SymbolKind::Label)));
        assert!(table.iter().all(|symbol| symbol.address != 0 && symbol.name != "."));
    }

    #[test]
    fn what_is_no_map_is_named() {
        assert_eq!(parse(b""), Err(MapError::NoMemoryMap));
        assert_eq!(parse(b"\x7fELF"), Err(MapError::NoMemoryMap));
        assert_eq!(parse(b"Linker script and memory map\n\n.text 0x0 0x0\n"), Err(MapError::NoSymbols));
    }

    proptest! {
        #[test]
        fn hostile_maps_never_panic(
            lines in proptest::collection::vec(
                prop_oneof![
                    "\\PC{0,40}",
                    " ?\\.[a-z.]{0,12} {0,4}0x[0-9a-f]{0,18} {0,4}0x[0-9a-f]{0,10} .{0,8}",
                    " {0,20}0x[0-9a-f]{0,18} {0,20}[a-zA-Z_:=* ().]{0,20}",
                ],
                0..60,
            ),
        ) {
            let text = format!("Linker script and memory map\n{}", lines.join("\n"));
            if let Ok(table) = parse(text.as_bytes()) {
                for symbol in table.iter() {
                    let _ = (table.at(symbol.address), symbol.readable_name());
                }
            }
        }

        #[test]
        fn arbitrary_bytes_never_panic(bytes: Vec<u8>) {
            let _ = parse(&bytes);
        }
    }
}
