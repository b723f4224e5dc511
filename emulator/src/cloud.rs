//! The device service for an emulated device: where it is, its key, and a device configuration table that knows it.
//!
//! Genuine firmware checks the service's signature with the public key in its device configuration table, or with the
//! vendor's, compiled in, when there is none. Nobody but the vendor has the private half of that one. So a device that
//! shall connect to our service gets a table with our key, as one does with a device and a server of one's own; the
//! firmware stays as it is.

use std::net::Ipv4Addr;

use lockstep_images::dct::keys::public_key_der;
use lockstep_images::dct::{Dct, DctError, DctSpec, KeySource, derived_private_key, layout};
use lockstep_images::{Dependency, FirmwareSet, FlashImage, Image, ModuleFunction, ModuleInfo, PlaceError};
use lockstep_modem::network::service::modules::{
    BOOTLOADER, MONOLITHIC, ModuleHead, ModuleKind, Need, SYSTEM_PART, USER_PART, Upload,
};
use lockstep_modem::network::service::{PORT, ServiceConfig, UpdateSettings};
use lockstep_modem::network::{DeviceService, DnsServer, Peer, PeerAt};
use thiserror::Error;

/// The service's address: the one that the network's name server gives for every name below `particle.io`.
pub const ADDRESS: Ipv4Addr = DnsServer::DEVICE_SERVICE;
/// Where devices look for the service; what is compiled into firmware from 0.7.0 on, and what earlier firmware must be
/// told.
pub const SERVER_NAME: &str = "$id.udp.particle.io";
/// Seed of the service's key pair ([`derived_private_key`]). No secret: the service is a simulated one.
pub const SERVER_KEY_SEED: u64 = 0x0063_6c6f_7564;
/// The service's clock at power-on.
pub const EPOCH_UNIX_S: u32 = lockstep_modem::network::directory::EPOCH_UNIX_S;

/// What the service calls a device that asks for its name.
pub const DEVICE_NAME: &str = "lockstep";

/// Offset of the two sectors of the table in flash.
const DCT_OFFSET: usize = 0x4000;
const DCT_LENGTH: usize = 0x8000;

/// Whose key a device's table has for its server.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum ServerKey {
    /// Ours: the device will connect.
    Ours,
    /// None: firmware takes the vendor's.
    None,
    /// Somebody else's: the device will refuse our service.
    Other,
}

/// Why a table could not be put into flash.
#[derive(Debug, Error)]
pub enum ProvisionError {
    /// The table could not be built.
    #[error("device configuration table: {0}")]
    Dct(#[from] DctError),
    /// Something else lies where the table belongs.
    #[error(transparent)]
    Place(#[from] PlaceError),
}

/// The service's key pair for a seed: private scalar, and public key as a table has it.
pub fn server_keypair(seed: u64) -> ([u8; 32], Vec<u8>) {
    let private = derived_private_key(seed);
    (private.to_bytes().into(), public_key_der(&private.public_key()))
}

/// A table that knows our service and its address. The device makes its own key at its first start.
pub fn provisioning() -> DctSpec {
    DctSpec {
        server_public_key: Some(KeySource::Seed { seed: SERVER_KEY_SEED }),
        server_address: SERVER_NAME.parse().ok(),
        claimed: Some(true),
        // 0.5.2 takes an erased claim code for one.
        raw: [(layout::CLAIM_CODE.name.to_owned(), "00".to_owned())].into(),
        ..DctSpec::default()
    }
}

/// Puts [`provisioning`] into flash.
pub fn provision(flash: &mut FlashImage) -> Result<(), ProvisionError> {
    let dct = provisioning().build(std::path::Path::new("."))?;
    Ok(flash.place_dct("device configuration table for our service", &dct)?)
}

/// Whose key the table in this flash (1 MB from 0x08000000 on) has for its server.
pub fn server_key(flash: &[u8]) -> Result<ServerKey, DctError> {
    let dct = Dct::parse(flash.get(DCT_OFFSET..DCT_OFFSET + DCT_LENGTH).unwrap_or_default())?;
    let field = dct.field(&layout::SERVER_PUBLIC_KEY);
    let (_, ours) = server_keypair(SERVER_KEY_SEED);
    Ok(if field.starts_with(&ours) {
        ServerKey::Ours
    } else if field.iter().all(|byte| *byte == 0xff) {
        ServerKey::None
    } else {
        ServerKey::Other
    })
}

/// The service as a peer of the network.
pub fn service(update: UpdateSettings) -> PeerAt {
    let (private_key, _) = server_keypair(SERVER_KEY_SEED);
    let device_name = DEVICE_NAME.to_owned();
    let config = ServiceConfig { private_key, epoch_unix_s: EPOCH_UNIX_S, device_name, update };
    PeerAt { address: ADDRESS, port: Some(PORT), peer: Peer::Service(Box::new(DeviceService::new(config))) }
}

/// An image that the service can send: a Particle module, or any bytes, whatever the device makes of them.
pub fn upload(name: &str, bytes: &[u8]) -> Upload {
    // Only what starts with a module is one: an ELF file holds one too, and is no image.
    let module = lockstep_images::module::parse(bytes).ok();
    let module = module.map(|module| {
        let sha256 = module.suffix.map(|suffix| suffix.sha256);
        head(&module.info, sha256)
    });
    Upload { name: name.to_owned(), image: bytes.to_vec(), module: module.flatten() }
}

/// The boot loader and system parts of the vendor's images, without the application.
pub fn system_uploads(set: &FirmwareSet) -> Vec<Upload> {
    set.images.iter().filter_map(system_upload).collect()
}

fn system_upload(image: &Image) -> Option<Upload> {
    let located = image.modules.first()?;
    let info = &located.module.info;
    if !matches!(info.function, ModuleFunction::Bootloader | ModuleFunction::SystemPart) {
        return None;
    }
    let segment = image.segments.iter().find(|segment| segment.address == located.address)?;
    let bytes = segment.bytes.get(..info.length() as usize)?;
    let name = format!("{} {} version {}", info.function, info.index, info.version);
    Some(upload(&name, bytes))
}

fn head(info: &ModuleInfo, sha256: Option<String>) -> Option<ModuleHead> {
    let needs = info.needs().filter_map(|Dependency { function, index, version }| {
        Some(Need { kind: ModuleKind { function: number(*function)?, index: *index }, version: *version })
    });
    let kind = ModuleKind { function: number(info.function)?, index: info.index };
    Some(ModuleHead { kind, version: info.version, sha256, needs: needs.collect() })
}

fn number(function: ModuleFunction) -> Option<u8> {
    match function {
        ModuleFunction::Bootloader => Some(BOOTLOADER),
        ModuleFunction::Monolithic => Some(MONOLITHIC),
        ModuleFunction::SystemPart => Some(SYSTEM_PART),
        ModuleFunction::UserPart => Some(USER_PART),
        _ => None,
    }
}
