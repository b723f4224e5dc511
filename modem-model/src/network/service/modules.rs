//! The modules of firmware: those a device says it has, and those the service can send.
//!
//! The description's short names are the vendor's (`system_info.cpp`): `m` modules, each with `l` location (`m` main,
//! `b` backup, `f` factory, `t` temporary), `f` function (`b` boot loader, `s` system part, `u` application, `m`
//! monolithic), `n` index, `v` version, `vc` checks made, `vv` checks passed, `u` SHA-256, `d` dependencies.

use serde::{Deserialize, Serialize};

/// The version of the first system parts whose updates the service must complete: 1.0.0.
const SERVICE_COMPLETES_FROM: u16 = 1000;

/// What a module is for and which of its kind.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
pub struct ModuleKind {
    /// 2 boot loader, 3 monolithic, 4 system part, 5 application (`module_info.h`).
    pub function: u8,
    /// Index among those of the function.
    pub index: u8,
}

/// Function of boot loaders.
pub const BOOTLOADER: u8 = 2;
/// Function of the parts of system firmware.
pub const SYSTEM_PART: u8 = 4;
/// Function of applications.
pub const USER_PART: u8 = 5;

/// A module that another needs.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Need {
    /// Which.
    pub kind: ModuleKind,
    /// At this version or a later one.
    pub version: u16,
}

/// A module that a device says it has.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct DeviceModule {
    /// Which.
    pub kind: ModuleKind,
    /// Its version.
    pub version: u16,
    /// Its SHA-256 in hexadecimal, when the device tells it.
    pub sha256: Option<String>,
    /// Whether it passed all checks that the device made.
    pub is_valid: bool,
    /// What it needs.
    pub needs: Vec<Need>,
}

#[derive(Deserialize)]
struct Description {
    #[serde(default)]
    m: Vec<Described>,
}

#[derive(Deserialize)]
struct Described {
    l: Option<String>,
    f: String,
    n: String,
    v: u16,
    vc: Option<u32>,
    vv: Option<u32>,
    u: Option<String>,
    #[serde(default)]
    d: Vec<Needed>,
}

#[derive(Deserialize)]
struct Needed {
    f: String,
    n: String,
    v: u16,
}

fn kind(function: &str, index: &str) -> Option<ModuleKind> {
    let function = match function {
        "b" => BOOTLOADER,
        "m" => 3,
        "s" => SYSTEM_PART,
        "u" => USER_PART,
        _ => return None,
    };
    Some(ModuleKind { function, index: index.parse().ok()? })
}

/// The modules in use, of a description; `None` when it tells of none.
pub fn modules(description: &str) -> Option<Vec<DeviceModule>> {
    let description: Description = serde_json::from_str(description).ok()?;
    let in_use = description.m.iter().filter(|module| module.l.as_deref() == Some("m"));
    let modules: Vec<DeviceModule> = in_use
        .filter_map(|module| {
            let needs =
                module.d.iter().filter_map(|need| Some(Need { kind: kind(&need.f, &need.n)?, version: need.v }));
            Some(DeviceModule {
                kind: kind(&module.f, &module.n)?,
                version: module.v,
                sha256: module.u.clone(),
                is_valid: module.vc == module.vv,
                needs: needs.collect(),
            })
        })
        .collect();
    (!modules.is_empty()).then_some(modules)
}

/// Whether a device with this description completes updates by itself.
pub fn completes_updates_itself(description: &str) -> bool {
    let modules = modules(description).unwrap_or_default();
    let system = modules.iter().filter(|module| module.kind.function == SYSTEM_PART);
    system.map(|module| module.version).max().is_some_and(|version| version < SERVICE_COMPLETES_FROM)
}
