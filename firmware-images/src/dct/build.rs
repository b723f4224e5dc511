//! Building a device configuration table from its description.

use std::path::Path;

use p256::{PublicKey, SecretKey};

use super::keys::{self, parse_private_key, parse_public_key};
use super::layout::{self, FIELDS, Field};
use super::spec::{CloudTransport, DctSpec, KeySource, SystemFlags};
use super::{Dct, DctError};
use crate::bytes::put;

const SLOT_LENGTH: usize = 20;
const SLOTS: u8 = 5;

/// The data under construction, and which fields have been set.
struct Builder {
    data: Vec<u8>,
    set: Vec<&'static str>,
}

impl Builder {
    fn put(&mut self, field: &Field, bytes: &[u8]) -> Result<(), DctError> {
        if bytes.len() > field.size || !put(&mut self.data, field.offset, bytes) {
            return Err(DctError::FieldSize {
                field: field.name.to_owned(),
                found: bytes.len(),
                expected: format!("at most {}", field.size),
            });
        }
        self.set.push(field.name);
        Ok(())
    }

    fn put_some<const N: usize>(&mut self, field: &Field, value: Option<[u8; N]>) -> Result<(), DctError> {
        value.map_or(Ok(()), |value| self.put(field, &value))
    }
}

impl DctSpec {
    /// Builds the sector. Files of keys are read relative to `folder`.
    pub fn build(&self, folder: &Path) -> Result<Dct, DctError> {
        if self.erased {
            let nothing_else = Self { erased: true, ..Self::default() };
            return if *self == nothing_else { Ok(Dct::erased()) } else { Err(DctError::ErasedWithFields) };
        }
        if self.counter > 3 {
            let found = self.counter.to_string();
            return Err(DctError::Value { field: "counter", found, expected: "0 to 3" });
        }
        let mut builder = Builder { data: vec![0xff; super::DATA_LENGTH], set: Vec::new() };
        self.put_flags(&mut builder)?;
        self.put_keys(&mut builder, folder)?;
        if let Some(address) = &self.server_address {
            builder.put(&layout::SERVER_ADDRESS, &address.encode())?;
        }
        if let Some(code) = &self.claim_code {
            if code.is_empty() || !code.chars().all(|c| c.is_ascii_graphic()) {
                let expected = "1 to 63 printable ASCII characters without spaces";
                return Err(DctError::Value { field: "claim_code", found: format!("{code:?}"), expected });
            }
            // The firmware reads up to 63 characters and ends at a zero.
            let mut bytes = code.clone().into_bytes();
            if bytes.len() < layout::CLAIM_CODE.size {
                bytes.push(0);
            }
            builder.put(&layout::CLAIM_CODE, &bytes)?;
        }
        builder.put_some(&layout::CLAIMED, self.claimed.map(|claimed| [if claimed { b'1' } else { b'0' }]))?;
        let transport = self.cloud_transport.map(|transport| match transport {
            CloudTransport::Tcp => [0],
            // The only value that means UDP; 1 would mean TCP too.
            CloudTransport::Udp => [0xff],
        });
        builder.put_some(&layout::CLOUD_TRANSPORT, transport)?;
        builder.put_some(&layout::ANTENNA, self.antenna.map(|value| [value]))?;
        builder.put_some(&layout::FEATURE_FLAGS, self.feature_flags.map(u32::to_le_bytes))?;
        builder.put_some(&layout::OTA_UPDATE_FLAG, self.ota_update_flag.map(|value| [value]))?;
        if let Some(id) = &self.device_id {
            let bytes = unhex("device_id", id)?;
            if bytes.len() != layout::DEVICE_ID.size {
                let (field, expected) = ("device_id".to_owned(), "12".to_owned());
                return Err(DctError::FieldSize { field, found: bytes.len(), expected });
            }
            builder.put(&layout::DEVICE_ID, &bytes)?;
        }
        self.put_slots(&mut builder)?;
        for (name, text) in &self.raw {
            let field = layout::field(name).ok_or_else(|| unknown_field(name))?;
            if builder.set.contains(&field.name) && !is_default_flag(field, &self.system_flags) {
                return Err(DctError::SetTwice { field: name.clone() });
            }
            builder.put(field, &unhex(&format!("raw.{name}"), text)?)?;
        }
        let dct = Dct::seal(&builder.data, self.counter, self.footer)?;
        dct.check()?;
        Ok(dct)
    }

    fn put_flags(&self, builder: &mut Builder) -> Result<(), DctError> {
        let flags = &self.system_flags;
        builder.put_some(&layout::FLAGS_HEADER, flags.header.map(u32::to_le_bytes))?;
        for (field, value) in [
            (&layout::BOOTLOADER_VERSION, flags.bootloader_version),
            (&layout::NETWORK_RESET, flags.network_reset),
            (&layout::OTA_UPDATE, flags.ota_update),
            (&layout::OTA_FLASHED_STATUS, flags.ota_flashed_status),
            (&layout::FACTORY_RESET, flags.factory_reset),
            (&layout::WATCHDOG_ENABLE, flags.watchdog_enable),
        ] {
            builder.put_some(field, value.map(u16::to_le_bytes))?;
        }
        for (field, value) in [
            (&layout::DFU_ON_NO_FIRMWARE, flags.dfu_on_no_firmware),
            (&layout::FACTORY_RESET_DONE, flags.factory_reset_done),
            (&layout::STARTUP_MODE, flags.startup_mode),
            (&layout::FEATURES_ENABLED, flags.features_enabled),
        ] {
            builder.put_some(field, value.map(|value| [value]))?;
        }
        builder.put_some(&layout::RESET_CAUSE, flags.reset_cause.map(u32::to_le_bytes))
    }

    fn put_keys(&self, builder: &mut Builder, folder: &Path) -> Result<(), DctError> {
        let private = match &self.device_private_key {
            Some(source) => Some(source.private_key("device_private_key", folder)?),
            None => None,
        };
        if let Some(key) = &private {
            builder.put(&layout::DEVICE_PRIVATE_KEY, &keys::private_key_der(key))?;
        }
        let public = match (&self.device_public_key, &private) {
            (Some(source), _) => Some(source.public_key("device_public_key", folder)?),
            (None, Some(private)) => Some(private.public_key()),
            (None, None) => None,
        };
        if let Some(key) = public {
            // Right-aligned behind zeros, as the firmware's TLS library writes it; anything else is written again.
            let der = keys::public_key_der(&key);
            let mut bytes = vec![0; layout::DEVICE_PUBLIC_KEY.size.saturating_sub(der.len())];
            bytes.extend(der);
            builder.put(&layout::DEVICE_PUBLIC_KEY, &bytes)?;
        }
        if let Some(source) = &self.server_public_key {
            let key = source.public_key("server_public_key", folder)?;
            builder.put(&layout::SERVER_PUBLIC_KEY, &keys::public_key_der(&key))?;
        }
        Ok(())
    }

    fn put_slots(&self, builder: &mut Builder) -> Result<(), DctError> {
        let mut slots = vec![0xff; layout::UPDATE_SLOTS.size];
        let mut used = Vec::new();
        for slot in &self.update_slots {
            if slot.slot >= SLOTS || used.contains(&slot.slot) {
                let found = format!("slot {}", slot.slot);
                return Err(DctError::Value { field: "update_slots", found, expected: "each of 0 to 4 at most once" });
            }
            used.push(slot.slot);
            let magic = slot.magic.unwrap_or(if slot.slot == 0 { 0x0fac } else { 0xabcd });
            let mut bytes = magic.to_le_bytes().to_vec();
            bytes.extend([slot.source_device, slot.destination_device]);
            for word in [slot.source, slot.destination, slot.length] {
                bytes.extend(word.to_le_bytes());
            }
            bytes.extend([slot.flags, slot.function, 0, 0]);
            let fits = put(&mut slots, usize::from(slot.slot) * SLOT_LENGTH, &bytes);
            debug_assert!(fits, "five slots of 20 bytes fill the field");
        }
        if used.is_empty() { Ok(()) } else { builder.put(&layout::UPDATE_SLOTS, &slots) }
    }
}

/// A flag that is only set because it has a default: `raw` may say otherwise.
fn is_default_flag(field: &Field, flags: &SystemFlags) -> bool {
    let default = SystemFlags::default();
    (*field == layout::FLAGS_HEADER && flags.header == default.header)
        || (*field == layout::STARTUP_MODE && flags.startup_mode == default.startup_mode)
}

fn unknown_field(name: &str) -> DctError {
    let known: Vec<&str> = FIELDS.iter().map(|field| field.name).collect();
    DctError::UnknownField { field: name.to_owned(), known: known.join(", ") }
}

fn unhex(field: &str, text: &str) -> Result<Vec<u8>, DctError> {
    let digits: String = text.chars().filter(|c| !c.is_whitespace()).collect();
    hex::decode(digits).map_err(|_| DctError::NotHexadecimal { field: field.to_owned() })
}

impl KeySource {
    fn private_key(&self, field: &'static str, folder: &Path) -> Result<SecretKey, DctError> {
        match self {
            Self::Seed { seed } => Ok(keys::derived_private_key(*seed)),
            other => parse_private_key(&other.bytes(field, folder)?).map_err(|source| DctError::Key { field, source }),
        }
    }

    fn public_key(&self, field: &'static str, folder: &Path) -> Result<PublicKey, DctError> {
        match self {
            Self::Seed { seed } => Ok(keys::derived_private_key(*seed).public_key()),
            other => parse_public_key(&other.bytes(field, folder)?).map_err(|source| DctError::Key { field, source }),
        }
    }

    fn bytes(&self, field: &'static str, folder: &Path) -> Result<Vec<u8>, DctError> {
        match self {
            Self::Text(text) if text.trim_start().starts_with("-----BEGIN ") => Ok(text.clone().into_bytes()),
            Self::Text(text) => unhex(field, text),
            Self::File { file } => {
                let path = folder.join(file);
                std::fs::read(&path).map_err(|source| DctError::Io { field, path, source })
            }
            // Handled by the callers, which need the key and not its bytes.
            Self::Seed { seed } => Ok(keys::private_key_der(&keys::derived_private_key(*seed))),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::collections::BTreeMap;

    use proptest::prelude::*;

    fn build(toml: &str) -> Result<Dct, DctError> {
        toml::from_str::<DctSpec>(toml).unwrap().build(Path::new("."))
    }

    #[test]
    fn a_description_in_toml_gives_the_bytes_that_the_firmware_reads() {
        let dct = build(
            r#"
            device_private_key = { seed = 1 }
            server_public_key = { seed = 2 }
            server_address = "$id.udp.example.net:5684"
            claim_code = "abc"
            claimed = true
            cloud_transport = "udp"
            device_id = "00112233445566778899aabb"
            raw = { ssid_prefix = "08 45 6c", "system_flags.startup_mode" = "01" }
            [system_flags]
            ota_update = 5
            [[update_slots]]
            slot = 1
            source = 0x080c0000
            destination = 0x08020000
            length = 1024
            "#,
        )
        .unwrap();
        let data = dct.data();
        assert_eq!(&data[..4], [0xc0, 0xac, 0xde, 0x1a]);
        assert_eq!(&data[8..10], [5, 0]);
        assert_eq!(data[18], 1);
        assert_eq!(&data[1762..1767], b"abc\0\xff");
        assert_eq!(data[1825], b'1');
        assert_eq!(&data[1826..1829], [8, 0x45, 0x6c]);
        assert_eq!(&data[2852..2872], [0xff; 20], "slot 0 is free");
        assert_eq!(&data[2872..2880], [0xcd, 0xab, 0, 0, 0, 0, 0x0c, 8]);
        assert_eq!(data[2977], 0xff);
        assert_eq!(&data[2978..3015], [0; 37]);
        assert_eq!(&data[3015..3019], [0x30, 0x59, 0x30, 0x13]);
        assert_eq!(&data[3106..3110], [0x30, 0x77, 2, 1]);
        assert_eq!(&data[3298..3300], [0x30, 0x59]);
        assert_eq!(&data[3490..3494], [1, 19, b'$', b'i']);
        assert_eq!(&data[3618..3630], [0, 0x11, 0x22, 0x33, 0x44, 0x55, 0x66, 0x77, 0x88, 0x99, 0xaa, 0xbb]);
        assert_eq!(Dct::parse(dct.bytes()).unwrap(), dct);
    }

    #[test]
    fn nothing_said_gives_a_device_that_starts_normally_and_makes_its_key() {
        let dct = build("").unwrap();
        assert_eq!(dct.data()[18], 0, "not safe mode");
        assert!(dct.data()[32..].iter().all(|byte| *byte == 0xff));
        assert!(build("erased = true").unwrap().is_erased());
    }

    #[test]
    fn mistakes_are_named_by_their_field() {
        let error = |toml: &str| build(toml).unwrap_err().to_string();
        assert!(error("erased = true\nclaimed = true").starts_with("erased: "));
        assert!(error("counter = 4").starts_with("counter: 4"));
        assert!(error("device_private_key = '3003020101'").starts_with("device_private_key: not a private key"));
        assert!(error("device_private_key = 'xyz'").starts_with("device_private_key: not hexadecimal"));
        assert!(
            error("device_private_key = { file = '/nonexistent' }").starts_with("device_private_key: /nonexistent")
        );
        assert!(error("device_private_key = { seed = 1 }\ndevice_public_key = { seed = 2 }").contains("public half"));
        let mut off_curve = keys::public_key_der(&keys::derived_private_key(1).public_key());
        off_curve[50] ^= 1;
        let text = format!("server_public_key = '{}'", hex::encode(off_curve));
        assert!(error(&text).starts_with("server_public_key: the public key's point is not on the curve"));
        assert!(error(&format!("claim_code = '{}'", "a".repeat(64))).starts_with("claim_code: 64 bytes"));
        assert!(error("claim_code = 'a b'").starts_with("claim_code: "));
        assert!(error("device_id = '0011'").starts_with("device_id: 2 bytes, expected 12"));
        assert!(error("raw = { nothing = '00' }").contains("no such field; there are system_flags.header"));
        assert!(error("raw = { claimed = '3131' }").starts_with("claimed: 2 bytes"));
        assert!(error("raw = { claimed = '55' }").starts_with("claimed: 0x55"));
        assert!(error("claimed = true\nraw = { claimed = '31' }").starts_with("claimed: set both"));
        assert!(error("raw = { server_address = '07' }").starts_with("server_address: type 7"));
        let slot = "[[update_slots]]\nslot = 5\nsource = 1\ndestination = 2\nlength = 3";
        assert!(error(slot).starts_with("update_slots: slot 5"));
        let long = format!("server_address = '{}'", "a".repeat(64));
        assert!(toml::from_str::<DctSpec>(&long).unwrap_err().to_string().contains("64 bytes"));
        assert!(toml::from_str::<DctSpec>("claim = 'x'").unwrap_err().to_string().contains("unknown field `claim`"));
    }

    #[test]
    fn a_description_survives_toml() {
        let spec = DctSpec {
            device_private_key: Some(KeySource::File { file: "device.der".into() }),
            server_public_key: Some(KeySource::Seed { seed: 4 }),
            server_address: Some("192.0.2.1".parse().unwrap()),
            raw: BTreeMap::from([("version".to_owned(), "0100".to_owned())]),
            ..DctSpec::default()
        };
        assert_eq!(toml::from_str::<DctSpec>(&toml::to_string(&spec).unwrap()).unwrap(), spec);
    }

    proptest! {
        #[test]
        fn raw_fields_never_panic(index in 0..FIELDS.len(), bytes in prop::collection::vec(any::<u8>(), 0..200)) {
            let raw = BTreeMap::from([(FIELDS[index].name.to_owned(), hex::encode(bytes))]);
            let _ = DctSpec { raw, ..DctSpec::default() }.build(Path::new("."));
        }

        #[test]
        fn what_is_built_is_accepted(seed: u64, claimed: Option<bool>, counter in 0u8..4, footer: bool) {
            let device_private_key = Some(KeySource::Seed { seed });
            let dct = DctSpec { device_private_key, claimed, counter, footer, ..DctSpec::default() };
            let dct = dct.build(Path::new(".")).unwrap();
            prop_assert_eq!(Dct::parse(dct.bytes()).unwrap(), dct);
        }
    }
}
