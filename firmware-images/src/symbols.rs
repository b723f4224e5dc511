//! Symbols of an image, looked up by address and by name.

use serde::{Deserialize, Serialize};

/// Longer names are shown as they are: demangled they say no more to a reader.
const LONGEST_MANGLED: usize = 2048;

/// What a symbol names.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum SymbolKind {
    /// Code.
    Function,
    /// A variable.
    Data,
    /// A label: code or data that its source gave no type (assembler, linker script).
    Label,
}

/// One symbol.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Symbol {
    /// Address. For a function without the Thumb bit: where its first instruction lies.
    pub address: u32,
    /// Size in bytes; 0 when the source did not say.
    pub size: u32,
    /// What it names.
    pub kind: SymbolKind,
    /// The name as the file has it (C++ names mangled).
    pub name: String,
}

impl Symbol {
    /// The name as its source has it: C++ names demangled, others as they are.
    pub fn readable_name(&self) -> String {
        let is_mangled = self.name.starts_with("_Z") && self.name.len() <= LONGEST_MANGLED;
        let demangled = is_mangled.then(|| cpp_demangle::Symbol::new(&self.name).ok()?.demangle().ok()).flatten();
        demangled.unwrap_or_else(|| self.name.clone())
    }
}

/// Symbols in order of address.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct SymbolTable {
    by_address: Vec<Symbol>,
}

impl SymbolTable {
    /// A table of these symbols, in any order.
    pub fn new(mut symbols: Vec<Symbol>) -> Self {
        // At one address the symbol with the larger size explains more; the name makes the order total.
        symbols.sort_by(|a, b| a.address.cmp(&b.address).then(a.size.cmp(&b.size)).then_with(|| b.name.cmp(&a.name)));
        Self { by_address: symbols }
    }

    /// Number of symbols.
    pub fn len(&self) -> usize {
        self.by_address.len()
    }

    /// Whether there are none.
    pub fn is_empty(&self) -> bool {
        self.by_address.is_empty()
    }

    /// All symbols in order of address.
    pub fn iter(&self) -> impl Iterator<Item = &Symbol> {
        self.by_address.iter()
    }

    /// The symbol that `address` lies in, and how far into it. A symbol without a size reaches to the next one, but
    /// not further than 4 KB: what lies beyond is more likely something without a name.
    pub fn at(&self, address: u32) -> Option<(&Symbol, u32)> {
        const REACH: u32 = 4096;
        let end = self.by_address.partition_point(|symbol| symbol.address <= address);
        let nearest = self.by_address.get(end.checked_sub(1)?)?;
        // A sized symbol that covers the address wins over a label inside it. Only the last few can: functions do not
        // nest, so a short look back suffices.
        let mut before = self.by_address.get(end.saturating_sub(32)..end)?.iter().rev();
        if let Some(symbol) = before.find(|symbol| address - symbol.address < symbol.size) {
            return Some((symbol, address - symbol.address));
        }
        let into = address - nearest.address;
        (nearest.size == 0 && into < REACH).then_some((nearest, into))
    }

    /// The first symbol with this name.
    pub fn named(&self, name: &str) -> Option<&Symbol> {
        self.by_address.iter().find(|symbol| symbol.name == name)
    }

    /// Adds the symbols of another image.
    pub fn merge(&mut self, other: &SymbolTable) {
        let mut all = std::mem::take(&mut self.by_address);
        all.extend(other.by_address.iter().cloned());
        all.dedup();
        *self = Self::new(all);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn symbol(address: u32, size: u32, name: &str) -> Symbol {
        Symbol { address, size, kind: SymbolKind::Function, name: name.to_owned() }
    }

    #[test]
    fn an_address_finds_the_function_it_lies_in() {
        let table = SymbolTable::new(vec![
            symbol(0x200, 0x20, "loop"),
            symbol(0x100, 0x10, "setup"),
            symbol(0x108, 0, "label"),
        ]);
        assert_eq!(table.at(0x10c).map(|(s, o)| (s.name.as_str(), o)), Some(("setup", 12)));
        assert_eq!(table.at(0x21f).map(|(s, o)| (s.name.as_str(), o)), Some(("loop", 31)));
        assert_eq!(table.at(0x220), None, "past the end of a sized symbol");
        assert_eq!(table.at(0x80), None);
        assert_eq!(table.named("loop").map(|s| s.address), Some(0x200));
    }
}
