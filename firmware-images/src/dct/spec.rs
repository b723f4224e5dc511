//! Describing a device configuration table, for example in TOML.

use std::collections::BTreeMap;
use std::path::PathBuf;

use serde::{Deserialize, Serialize};

use super::address::ServerAddress;

/// What a table shall hold. Whatever is not said stays erased, with two exceptions in [`SystemFlags`].
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct DctSpec {
    /// A wholly erased sector; nothing else may be said then.
    pub erased: bool,
    /// Tells the newer of two sectors: 0 to 3.
    pub counter: u8,
    /// Whether to write the footer with the CRC, which firmware before 0.7.0 does not.
    pub footer: bool,
    /// Flags that boot loader and system firmware exchange.
    pub system_flags: SystemFlags,
    /// The device's private key. Without one the device makes its own at its first start.
    pub device_private_key: Option<KeySource>,
    /// The device's public key; derived from the private key when left out.
    pub device_public_key: Option<KeySource>,
    /// The server's public key; 1.5.0 and later have the vendor's compiled in.
    pub server_public_key: Option<KeySource>,
    /// Where the server is; 0.5.2 and 0.6.4 have no default.
    pub server_address: Option<ServerAddress>,
    /// Code that the device sends to be claimed by an account, at most 63 characters.
    pub claim_code: Option<String>,
    /// Whether the device is claimed.
    pub claimed: Option<bool>,
    /// How the device talks to its server.
    pub cloud_transport: Option<CloudTransport>,
    /// Antenna selection (no effect on an Electron).
    pub antenna: Option<u8>,
    /// The device id that the firmware noted: 24 hexadecimal digits.
    pub device_id: Option<String>,
    /// Feature flags: bit 0 reset information, bit 1 LED overridden.
    pub feature_flags: Option<u32>,
    /// 0xA5 lets system firmware look into the staging area for an update.
    pub ota_update_flag: Option<u8>,
    /// Modules for the boot loader to copy.
    pub update_slots: Vec<UpdateSlot>,
    /// Any field by its name ([`FIELDS`](super::FIELDS)), in hexadecimal; less than the field's size leaves the rest erased.
    pub raw: BTreeMap<String, String>,
}

impl Default for DctSpec {
    fn default() -> Self {
        Self {
            erased: false,
            counter: 0,
            footer: true,
            system_flags: SystemFlags::default(),
            device_private_key: None,
            device_public_key: None,
            server_public_key: None,
            server_address: None,
            claim_code: None,
            claimed: None,
            cloud_transport: None,
            antenna: None,
            device_id: None,
            feature_flags: None,
            ota_update_flag: None,
            update_slots: Vec::new(),
            raw: BTreeMap::new(),
        }
    }
}

/// Flags that boot loader and system firmware exchange. Up to 0.6.4 they live here; from 0.7.0 on in the
/// RTC's backup registers 4 to 9, so that a later boot loader never clears what earlier system firmware reads here.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct SystemFlags {
    /// Marks the flags as initialised. 0x1ADEACC0 unless said otherwise.
    pub header: Option<u32>,
    /// Version of the boot loader that ran last.
    pub bootloader_version: Option<u16>,
    /// 1 asks for the network settings to be forgotten.
    pub network_reset: Option<u16>,
    /// 0x0005 an update is ready, 0x5555 one was cut short, 0x5000 one has been done.
    pub ota_update: Option<u16>,
    /// 1 after an update.
    pub ota_flashed_status: Option<u16>,
    /// 0xAAAA asks for a factory reset.
    pub factory_reset: Option<u16>,
    /// 0xD001 lets the watchdog run during boot.
    pub watchdog_enable: Option<u16>,
    /// 1 for DFU mode when there is no application.
    pub dfu_on_no_firmware: Option<u8>,
    /// 0x5A after a factory reset.
    pub factory_reset_done: Option<u8>,
    /// Bit 0: safe mode. 0 unless said otherwise: the erased value 0xFF would select safe mode, and a device's own
    /// boot loader clears it at every start.
    pub startup_mode: Option<u8>,
    /// Boot loader features; a cleared low bit counts when the high bit is its inverse.
    pub features_enabled: Option<u8>,
    /// RCC_CSR as saved at the last start.
    pub reset_cause: Option<u32>,
}

/// `header` of initialised system flags.
pub const FLAGS_MAGIC: u32 = 0x1ade_acc0;

impl Default for SystemFlags {
    fn default() -> Self {
        Self {
            header: Some(FLAGS_MAGIC),
            bootloader_version: None,
            network_reset: None,
            ota_update: None,
            ota_flashed_status: None,
            factory_reset: None,
            watchdog_enable: None,
            dfu_on_no_firmware: None,
            factory_reset_done: None,
            startup_mode: Some(0),
            features_enabled: None,
            reset_cause: None,
        }
    }
}

/// Where a key comes from.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(untagged)]
pub enum KeySource {
    /// DER in hexadecimal, or the text of a PEM file.
    Text(String),
    /// A DER or PEM file; a relative path starts at the description's folder.
    File {
        /// The file.
        file: PathBuf,
    },
    /// [`derived_private_key`](super::derived_private_key) of this number, or its public half.
    Seed {
        /// The number.
        seed: u64,
    },
}

/// How the device talks to its server.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum CloudTransport {
    /// TCP with RSA keys.
    Tcp,
    /// UDP with DTLS; what an Electron does when nothing is said.
    Udp,
}

/// A module for the boot loader to copy at its next start.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct UpdateSlot {
    /// Number of the slot: 0 factory reset, 1 to 4 updates.
    pub slot: u8,
    /// 0xABCD pending, 0x0FAC factory reset; that of the slot when left out.
    pub magic: Option<u16>,
    /// Address to copy from.
    pub source: u32,
    /// Address to copy to.
    pub destination: u32,
    /// Bytes to copy, CRC included.
    pub length: u32,
    /// Kind of memory at the source: 0 internal flash.
    #[serde(default)]
    pub source_device: u8,
    /// Kind of memory at the destination: 0 internal flash.
    #[serde(default)]
    pub destination_device: u8,
    /// Flags: bit 1 check the CRC first, bit 2 check that the module runs at the destination, bit 3 check function and
    /// length, bit 4 leave out `module_info`, bit 5 unpack.
    #[serde(default)]
    pub flags: u8,
    /// Function that the module must have, when the flags say so.
    #[serde(default)]
    pub function: u8,
}
