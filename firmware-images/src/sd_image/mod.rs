//! Images of micro-SD cards: all blocks of a card in a raw file, with a FAT file system, in a partition or without one.
//!
//! [`create()`] makes an image, [`put()`] puts files into one, [`Volume`] reads one. Long names are read and written;
//! times are FAT's, without a time zone. An image that is changed is copied, changed and renamed, so that nobody meets
//! one that is half changed.

mod card_size;
mod clusters;
mod create;
mod dots;
mod entry;
mod error;
mod fat_kind;
mod geometry;
mod label;
mod partition;
mod put;
mod replacement;
mod sources;
mod time;
mod volume;
mod walk;
mod window;

pub use card_size::CardSize;
pub use create::{CreateOptions, Created, create};
pub use entry::Entry;
pub use error::SdImageError;
pub use fat_kind::FatKind;
pub use label::Label;
pub use put::{Put, put};
pub use replacement::Replacement;
pub use time::FatTime;
pub use volume::Volume;
