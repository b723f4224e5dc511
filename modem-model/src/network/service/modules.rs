//! The modules of firmware that the service can send, and in which order.

use serde::{Deserialize, Serialize};

use super::description::DeviceModule;

/// What a module is for and which of its kind.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
pub struct ModuleKind {
    /// [`BOOTLOADER`], [`MONOLITHIC`], [`SYSTEM_PART`] or [`USER_PART`] (`module_info.h`).
    pub function: u8,
    /// Index among those of the function.
    pub index: u8,
}

/// Function of boot loaders.
pub const BOOTLOADER: u8 = 2;
/// Function of system and application in one.
pub const MONOLITHIC: u8 = 3;
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

/// What a module says of itself.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct ModuleHead {
    /// What it is.
    pub kind: ModuleKind,
    /// Its version.
    pub version: u16,
    /// SHA-256 in its suffix, in hexadecimal.
    pub sha256: Option<String>,
    /// What it needs.
    pub needs: Vec<Need>,
}

/// An image that can be sent.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Upload {
    /// Its name, for people.
    pub name: String,
    /// Its bytes, as they come to lie in the staging area.
    pub image: Vec<u8>,
    /// What module it is; any bytes can be sent, whatever the device makes of them.
    pub module: Option<ModuleHead>,
}

impl Upload {
    /// Whether a device with these modules has it. Applications seldom have versions: what counts is their SHA-256.
    pub fn is_on(&self, modules: &[DeviceModule]) -> bool {
        let Some(head) = &self.module else { return false };
        modules.iter().any(|module| {
            let is_same = match (&head.sha256, &module.sha256) {
                (Some(ours), Some(theirs)) => ours.eq_ignore_ascii_case(theirs),
                _ => head.version == module.version,
            };
            module.kind == head.kind && is_same
        })
    }

    /// The module as the device will tell it once it has it.
    fn becomes(&self) -> Option<DeviceModule> {
        let ModuleHead { kind, version, sha256, needs } = self.module.clone()?;
        Some(DeviceModule { kind, version, sha256, needs })
    }
}

fn is_met(need: &Need, modules: &[DeviceModule]) -> bool {
    modules.iter().any(|module| module.kind == need.kind && module.version >= need.version)
}

/// What modules need and the device does not have.
pub fn unmet(modules: &[DeviceModule]) -> Vec<Need> {
    let needs = modules.iter().flat_map(|module| &module.needs);
    needs.filter(|need| !is_met(need, modules)).copied().collect()
}

/// The order in which a device takes these: each when what it needs is there, as devices refuse a module whose needs
/// are unmet. Those whose needs nobody meets come last, in the order given.
pub fn in_order(mut uploads: Vec<Upload>, modules: &[DeviceModule]) -> Vec<Upload> {
    let mut there = modules.to_vec();
    let mut ordered = Vec::new();
    while !uploads.is_empty() {
        let is_ready = |upload: &Upload| {
            upload.module.as_ref().is_none_or(|head| head.needs.iter().all(|need| is_met(need, &there)))
        };
        let next = uploads.remove(uploads.iter().position(is_ready).unwrap_or(0));
        if let Some(module) = next.becomes() {
            there.retain(|other| other.kind != module.kind);
            there.push(module);
        }
        ordered.push(next);
    }
    ordered
}

/// What of a library a device lacks so that every need is met: what its modules need, and what those need in turn.
pub fn missing(library: &[Upload], modules: &[DeviceModule]) -> Vec<Upload> {
    let mut there = modules.to_vec();
    let mut chosen: Vec<Upload> = Vec::new();
    while let Some(upload) = unmet(&there).iter().find_map(|need| {
        library.iter().find(|upload| {
            let is_it = |head: &ModuleHead| head.kind == need.kind && head.version >= need.version;
            upload.module.as_ref().is_some_and(is_it) && !chosen.contains(upload)
        })
    }) {
        if let Some(module) = upload.becomes() {
            there.retain(|other| other.kind != module.kind);
            there.push(module);
        }
        chosen.push(upload.clone());
    }
    in_order(chosen, modules)
}

#[cfg(test)]
mod tests {
    use super::*;

    const fn part(index: u8) -> ModuleKind {
        ModuleKind { function: SYSTEM_PART, index }
    }

    fn module(kind: ModuleKind, version: u16, needs: &[(u8, u16)]) -> DeviceModule {
        let needs = needs.iter().map(|(index, version)| Need { kind: part(*index), version: *version }).collect();
        DeviceModule { kind, version, sha256: None, needs }
    }

    fn upload(name: &str, module: DeviceModule) -> Upload {
        let DeviceModule { kind, version, sha256, needs } = module;
        let module = Some(ModuleHead { kind, version, sha256, needs });
        Upload { name: name.to_owned(), image: vec![0; 4], module }
    }

    fn names(uploads: &[Upload]) -> Vec<&str> {
        uploads.iter().map(|upload| upload.name.as_str()).collect()
    }

    /// The needs of the vendor's parts: 2 needs 1, 1 needs 3.
    fn system(version: u16) -> Vec<DeviceModule> {
        vec![
            module(part(1), version, &[(3, version)]),
            module(part(2), version, &[(1, version)]),
            module(part(3), version, &[]),
        ]
    }

    #[test]
    fn parts_are_sent_after_what_they_need() {
        let new: Vec<Upload> =
            system(20).into_iter().map(|module| upload(&format!("part{}", module.kind.index), module)).collect();
        assert_eq!(names(&in_order(new, &system(15))), ["part3", "part1", "part2"]);
        let impossible = upload("x", module(part(4), 1, &[(9, 1)]));
        assert_eq!(names(&in_order(vec![impossible], &system(15))), ["x"]);
    }

    #[test]
    fn a_device_gets_what_it_lacks_and_no_more() {
        let user = module(ModuleKind { function: USER_PART, index: 1 }, 3, &[(2, 18)]);
        let mut modules = system(15);
        modules.push(user);
        assert_eq!(unmet(&modules), [Need { kind: part(2), version: 18 }]);
        let library: Vec<Upload> =
            system(20).into_iter().map(|module| upload(&format!("part{}", module.kind.index), module)).collect();
        assert_eq!(names(&missing(&library, &modules)), ["part3", "part1", "part2"]);
        assert!(missing(&library, &system(15)).is_empty(), "nothing is unmet");
        assert!(missing(&[], &modules).is_empty(), "nothing to send");
        assert!(library[0].is_on(&system(20)) && !library[0].is_on(&system(15)));
    }
}
