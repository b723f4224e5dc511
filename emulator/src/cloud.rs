//! The device service for an emulated device: where it is, its key, and a device configuration table that knows it.
//!
//! Genuine firmware checks the service's signature with the public key in its device configuration table, or with the
//! vendor's, compiled in, when there is none. Nobody but the vendor has the private half of that one. So a device that
//! shall connect to our service gets a table with our key, as one does with a device and a server of one's own; the
//! firmware stays as it is.

use std::net::Ipv4Addr;

use lockstep_images::dct::keys::public_key_der;
use lockstep_images::dct::{Dct, DctError, DctSpec, KeySource, derived_private_key, layout};
use lockstep_images::{FlashImage, PlaceError};
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
pub fn service() -> PeerAt {
    let (private_key, _) = server_keypair(SERVER_KEY_SEED);
    let config = ServiceConfig { private_key, epoch_unix_s: EPOCH_UNIX_S, update: UpdateSettings::default() };
    PeerAt { address: ADDRESS, port: Some(PORT), peer: Peer::Service(Box::new(DeviceService::new(config))) }
}
