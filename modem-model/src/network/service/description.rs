//! What a device says of itself: its modules, functions and variables.
//!
//! The short names are the vendor's (`system_info.cpp`, `protocol.cpp`): `m` modules, each with `l` location (`m` main,
//! `b` backup, `f` factory, `t` temporary), `f` function (`b` boot loader, `s` system part, `u` application, `m`
//! monolithic), `n` index, `v` version, `vc` checks made, `vv` checks passed, `u` SHA-256, `d` dependencies; `f`
//! functions; `v` variables with their types. Devices from 2.0.0 on tell modules and the rest in two messages.

use std::collections::BTreeMap;

use serde::{Deserialize, Serialize};

use super::modules::{BOOTLOADER, MONOLITHIC, ModuleKind, Need, SYSTEM_PART, USER_PART};

/// The version of the first system parts whose updates the service must complete: 1.0.0.
const SERVICE_COMPLETES_FROM: u16 = 1000;

/// Types of variables (`SparkReturnType`).
const BOOLEAN: u8 = 1;
const INT: u8 = 2;
const DOUBLE: u8 = 9;

/// A module that a device says it has.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct DeviceModule {
    /// Which.
    pub kind: ModuleKind,
    /// Its version.
    pub version: u16,
    /// Its SHA-256 in hexadecimal, when the device tells it.
    pub sha256: Option<String>,
    /// What it needs.
    pub needs: Vec<Need>,
}

/// A device as it describes itself.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Description {
    /// The modules in use.
    pub modules: Vec<DeviceModule>,
    /// Functions that can be called.
    pub functions: Vec<String>,
    /// Variables and the numbers of their types.
    pub variables: BTreeMap<String, u8>,
}

#[derive(Deserialize)]
struct Told {
    m: Option<Vec<ToldModule>>,
    f: Option<Vec<String>>,
    v: Option<BTreeMap<String, u8>>,
}

/// An empty place has neither function nor version.
#[derive(Deserialize)]
struct ToldModule {
    l: Option<String>,
    f: Option<String>,
    n: Option<String>,
    v: Option<u16>,
    u: Option<String>,
    #[serde(default)]
    d: Vec<ToldNeed>,
}

#[derive(Deserialize)]
struct ToldNeed {
    f: String,
    n: String,
    v: u16,
}

fn kind(function: &str, index: &str) -> Option<ModuleKind> {
    let function = match function {
        "b" => BOOTLOADER,
        "m" => MONOLITHIC,
        "s" => SYSTEM_PART,
        "u" => USER_PART,
        _ => return None,
    };
    Some(ModuleKind { function, index: index.parse().ok()? })
}

impl ToldModule {
    fn read(&self) -> Option<DeviceModule> {
        let needs = self.d.iter().filter_map(|need| Some(Need { kind: kind(&need.f, &need.n)?, version: need.v }));
        let (kind, needs) = (kind(self.f.as_ref()?, self.n.as_ref()?)?, needs.collect());
        Some(DeviceModule { kind, version: self.v?, sha256: self.u.clone(), needs })
    }
}

impl Description {
    /// Takes in what the device told; what it did not tell stays. `false` when it is not a description.
    pub fn take(&mut self, text: &str) -> bool {
        let Ok(told) = serde_json::from_str::<Told>(text) else { return false };
        if let Some(modules) = told.m {
            let in_use = modules.iter().filter(|module| module.l.as_deref().is_none_or(|place| place == "m"));
            self.modules = in_use.filter_map(ToldModule::read).collect();
        }
        self.functions = told.f.unwrap_or(std::mem::take(&mut self.functions));
        self.variables = told.v.unwrap_or(std::mem::take(&mut self.variables));
        true
    }

    /// Whether the device completes updates by itself.
    pub fn completes_updates_itself(&self) -> bool {
        let system = self.modules.iter().filter(|module| module.kind.function == SYSTEM_PART);
        system.map(|module| module.version).max().is_some_and(|version| version < SERVICE_COMPLETES_FROM)
    }

    /// The value of a variable as text, by the type that the device told; escaped bytes if it told none.
    pub fn variable_text(&self, name: &str, payload: &[u8]) -> String {
        let raw = || payload.escape_ascii().to_string();
        match (self.variables.get(name), payload.first_chunk::<4>(), payload.first_chunk::<8>()) {
            (Some(&BOOLEAN), ..) => payload.first().map_or_else(raw, |byte| (*byte != 0).to_string()),
            (Some(&INT), Some(bytes), _) => i32::from_be_bytes(*bytes).to_string(),
            // As the processor has it in memory: the least significant byte first.
            (Some(&DOUBLE), _, Some(bytes)) => f64::from_le_bytes(*bytes).to_string(),
            _ => raw(),
        }
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    #[test]
    fn two_messages_make_one_description() {
        let mut description = Description::default();
        assert!(description.take(
            r#"{"p":10,"m":[{"s":131072,"l":"m","vc":30,"vv":30,"f":"s","n":"1","v":17,"d":[{"f":"s","n":"3","v":16,"_":""}]},
                {"s":131072,"l":"b","f":"u","n":"1","v":9,"d":[]},{"s":131072,"l":"f","vc":30,"vv":0,"d":[]}]}"#
        ));
        assert!(description.take(r#"{"f":["brew"],"v":{"cups":2,"hot":1,"heat":9,"name":4}}"#));
        let kind = |index| ModuleKind { function: SYSTEM_PART, index };
        let needs = vec![Need { kind: kind(3), version: 16 }];
        assert_eq!(description.modules, [DeviceModule { kind: kind(1), version: 17, sha256: None, needs }]);
        assert!(description.completes_updates_itself());
        assert_eq!(description.functions, ["brew"]);
        let value = |name, payload: &[u8]| description.variable_text(name, payload);
        assert_eq!(value("cups", &(-7i32).to_be_bytes()), "-7");
        assert_eq!(value("hot", &[1]), "true");
        assert_eq!(value("heat", &92.5f64.to_le_bytes()), "92.5");
        assert_eq!(value("name", b"pot\n"), "pot\\n");
        assert_eq!(value("cups", &[1]), "\\x01", "too short for its type");
        assert!(!description.take("no JSON"));
    }

    proptest! {
        #[test]
        fn any_text_is_read(text in "\\PC*", payload: Vec<u8>) {
            let mut description = Description::default();
            let _ = description.take(&text);
            let _ = description.take(&format!("{{\"m\":[{{\"f\":\"s\",\"n\":{text:?},\"v\":1}}]}}"));
            let _ = description.variable_text(&text, &payload);
        }
    }
}
