//! Platform numbers of Particle modules (public header `hal/shared/platforms.h`).

/// The Particle Electron, the only platform this project emulates.
pub const ELECTRON: u16 = 10;

const NAMES: &[(u16, &str)] = &[
    (0, "Core"),
    (3, "GCC virtual device"),
    (6, "Photon"),
    (8, "P1"),
    (10, "Electron"),
    (12, "Argon"),
    (13, "Boron"),
    (14, "Xenon"),
    (15, "E SoM X"),
    (22, "A SoM"),
    (23, "B SoM"),
    (24, "X SoM"),
    (25, "B5 SoM"),
    (26, "Tracker"),
    (28, "TrackerM"),
    (32, "P2"),
    (35, "M SoM"),
];

/// The platform's name, or `None` when the number is not known.
pub fn platform_name(platform: u16) -> Option<&'static str> {
    NAMES.iter().find(|(number, _)| *number == platform).map(|(_, name)| *name)
}
