//! The modules in flash: what was whole when the run began and is not any more.

use std::collections::BTreeSet;

use lockstep_images::module::{Module, parse};
use lockstep_images::{FACTORY_PLACE, MODULE_PLACES, ModuleFunction, STAGING_PLACE};

use super::finding::{Finding, Kind};
use super::limits::Limits;
use crate::machine::Machine;
use crate::setup::duration::seconds;
use crate::world::FLASH_BASE;

/// Between two looks, in picoseconds of virtual time.
const LOOK_PS: u64 = 1_000_000_000_000;

/// What the oracle remembers.
#[derive(Clone, Debug, Default)]
pub struct Flash {
    next_look_ps: u64,
    /// The generation of flash that was looked at last, and its content. A restored machine counts anew.
    seen: Option<(u64, blake3::Hash)>,
    changed_ps: u64,
    is_checked: bool,
    /// Places of modules that were whole.
    whole: BTreeSet<u32>,
}

impl Flash {
    /// The machine, looked at.
    pub fn look(&mut self, machine: &Machine, limits: &Limits, findings: &mut Vec<Finding>) {
        let now_ps = machine.now().time_ps;
        if now_ps < self.next_look_ps {
            return;
        }
        self.next_look_ps = (now_ps / LOOK_PS + 1) * LOOK_PS;
        let memory = &machine.world.memory;
        let generation = memory.flash_generation;
        let content = || {
            let mut hasher = blake3::Hasher::new();
            memory.flash.for_each_chunk(|chunk| {
                hasher.update(chunk);
            });
            hasher.finalize()
        };
        let read = |place: u32, length: usize| {
            let mut bytes = vec![0; length];
            memory.flash.read((place - FLASH_BASE) as usize, &mut bytes).then_some(bytes)
        };
        self.see(now_ps, generation, content, read, limits, machine.instructions(), findings);
    }

    #[expect(clippy::too_many_arguments, reason = "the machine in its parts, so that a test can do without one")]
    fn see(
        &mut self,
        now_ps: u64,
        generation: u64,
        content: impl FnOnce() -> blake3::Hash,
        read: impl Fn(u32, usize) -> Option<Vec<u8>>,
        limits: &Limits,
        instructions: u64,
        findings: &mut Vec<Finding>,
    ) {
        let Some((seen_generation, seen_content)) = self.seen else {
            self.seen = Some((generation, content()));
            self.is_checked = true;
            self.whole = modules(&read)
                .filter(|(_, module)| module.as_ref().is_some_and(Module::crc_valid))
                .map(|(place, _)| place)
                .collect();
            return;
        };
        if generation != seen_generation {
            let content = content();
            self.seen = Some((generation, content));
            if content != seen_content {
                self.changed_ps = now_ps;
                self.is_checked = false;
            }
        }
        if self.is_checked || now_ps.saturating_sub(self.changed_ps) < limits.flash_quiet_ps {
            return;
        }
        self.is_checked = true;
        for (place, module) in modules(&read) {
            let is_whole = module.as_ref().is_some_and(Module::crc_valid);
            if is_whole {
                self.whole.insert(place);
            } else if self.whole.remove(&place) {
                let (what, signature) = match &module {
                    Some(module) => {
                        let info = &module.info;
                        let name = format!("the {} {} at {place:#010x}", info.function, info.index);
                        (
                            format!(
                                "{name} has the CRC {:#010x} and should have {:#010x}",
                                module.crc_stored, module.crc_computed
                            ),
                            name,
                        )
                    }
                    // An application may be gone on purpose: the device then waits for one.
                    None if place == USER_PLACE => continue,
                    None => (format!("the module at {place:#010x} is gone"), format!("module at {place:#010x}")),
                };
                findings.push(Finding {
                    kind: Kind::Unbootable,
                    time_ps: self.changed_ps,
                    instructions,
                    text: format!(
                        "{what}; it was whole before, and flash is as it is since {} s",
                        seconds(self.changed_ps)
                    ),
                    signature,
                });
            }
        }
    }
}

/// Where the application is.
const USER_PLACE: u32 = 0x0808_0000;

/// What is at the places from which modules run; `None` where there is no module that says it belongs there.
fn modules(read: &impl Fn(u32, usize) -> Option<Vec<u8>>) -> impl Iterator<Item = (u32, Option<Module>)> {
    let places = MODULE_PLACES.into_iter().filter(|place| ![FACTORY_PLACE, STAGING_PLACE].contains(place));
    places.map(move |place| {
        // The whole room up to the next place: no module is longer than its own says, which is checked by its CRC.
        let module = read(place, PLACE_BYTES).and_then(|bytes| parse(&bytes).ok());
        (place, module.filter(|module| module.info.start == place && module.info.function != ModuleFunction::None))
    })
}

/// No module is longer than a sector of 128 KB.
const PLACE_BYTES: usize = 128 << 10;

#[cfg(test)]
mod tests {
    use super::*;

    const S: u64 = 1_000_000_000_000;
    const APP: &[u8] = include_bytes!("../../../firmware-images/built/app.bin");

    /// Flash with our application, at these times in seconds looked at; `change` is made at 10 s.
    fn found(change: impl Fn(&mut Vec<u8>), to_s: u64) -> Vec<Finding> {
        let mut flash = vec![0xff; 1 << 20];
        flash[0x8_0000..0x8_0000 + APP.len()].copy_from_slice(APP);
        let (mut oracle, mut findings) = (Flash::default(), Vec::new());
        for now_s in 0..to_s {
            if now_s == 10 {
                change(&mut flash);
            }
            let read = |place: u32, length: usize| {
                flash.get((place - FLASH_BASE) as usize..)?.get(..length).map(<[u8]>::to_vec)
            };
            oracle.see(
                now_s * S,
                u64::from(now_s >= 10),
                || blake3::hash(&flash),
                read,
                &Limits::default(),
                0,
                &mut findings,
            );
        }
        findings
    }

    #[test]
    fn a_module_that_was_whole_and_is_damaged_is_told_once_when_nobody_mends_it() {
        let findings = found(|flash| flash[0x8_0300] ^= 1, 100);
        assert_eq!(findings.len(), 1, "{findings:?}");
        assert_eq!((findings[0].kind, findings[0].time_ps), (Kind::Unbootable, 10 * S));
        assert!(findings[0].text.starts_with("the user part 1 at 0x08080000 has the CRC"), "{}", findings[0].text);
        assert_eq!(found(|flash| flash[0x8_0300] ^= 1, 40), [], "it may still be mended");
    }

    #[test]
    fn what_is_as_it_was_or_erased_on_purpose_is_not_told() {
        assert_eq!(found(|_| {}, 100), []);
        assert_eq!(found(|flash| flash[0xc_0000] = 0, 100), [], "not in a place that runs");
        assert_eq!(found(|flash| flash[0x8_0000..0xa_0000].fill(0xff), 100), [], "an application may be taken away");
    }
}
