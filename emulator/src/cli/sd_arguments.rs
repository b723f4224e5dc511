//! What `lockstep sd` can be told.

use std::path::PathBuf;

use clap::Subcommand;
use lockstep_images::sd_image::{CardSize, FatKind, Label};

/// `lockstep sd …`.
#[derive(Debug, Subcommand)]
pub enum SdCommand {
    /// Make an image: a card with an empty FAT file system. The same arguments give the same bytes.
    Create {
        /// File to write. It is sparse: only what is formatted takes room on the disk.
        image: PathBuf,
        /// Size of the card: a whole number of 512 KiB, to 2G (SDSC) or 32G (SDHC), as 512M.
        #[arg(long, value_name = "SIZE")]
        size: CardSize,
        /// FAT12, FAT16 or FAT32. If not given: 12 below 8 MiB, 32 above 2047 MiB, else 16.
        #[arg(long, value_name = "12|16|32", value_parser = parse_fat)]
        fat: Option<FatKind>,
        /// Name of the volume: up to 11 characters.
        #[arg(long, value_name = "NAME")]
        label: Option<Label>,
        /// Number of the volume, in hexadecimal.
        #[arg(long, value_name = "XXXX-XXXX", default_value = "1234-5678", value_parser = parse_volume_id)]
        volume_id: u32,
        /// Have the file system begin with the card, instead of a partition at 4 MiB.
        #[arg(long)]
        no_partition_table: bool,
        /// Write over a file that is there.
        #[arg(long)]
        force: bool,
    },
    /// Put files, and folders with all that is in them, into an image. It changes at once, or stays as it is.
    Put {
        /// The image.
        image: PathBuf,
        /// Files and folders.
        #[arg(required = true, value_name = "FILE")]
        files: Vec<PathBuf>,
        /// Folder in the image; it is made if there is none.
        #[arg(long, value_name = "/FOLDER", default_value = "/", hide_default_value = true)]
        to: String,
    },
    /// Get a file out of an image.
    Get {
        /// The image.
        image: PathBuf,
        /// Path of the file in the image.
        #[arg(value_name = "/PATH")]
        path: String,
        /// File to write, instead of standard output.
        #[arg(short, long, value_name = "FILE")]
        output: Option<PathBuf>,
    },
    /// List what is in a folder of an image: when it was changed, its size in bytes, its path.
    Ls {
        /// The image.
        image: PathBuf,
        /// Path of a folder, or a file, in the image.
        #[arg(value_name = "/PATH", default_value = "/", hide_default_value = true)]
        path: String,
        /// And what is in the folders in it.
        #[arg(short, long)]
        recursive: bool,
        /// Print one JSON object a line.
        #[arg(long)]
        json: bool,
    },
}

fn parse_fat(text: &str) -> Result<FatKind, String> {
    match text {
        "12" => Ok(FatKind::Fat12),
        "16" => Ok(FatKind::Fat16),
        "32" => Ok(FatKind::Fat32),
        _ => Err("expected 12, 16 or 32".into()),
    }
}

fn parse_volume_id(text: &str) -> Result<u32, String> {
    let digits = text.replacen('-', "", 1);
    let is_good = digits.len() == 8 && digits.bytes().all(|byte| byte.is_ascii_hexdigit());
    let id = if is_good { u32::from_str_radix(&digits, 16).ok() } else { None };
    id.ok_or_else(|| "expected 8 hexadecimal digits, as 1234-ABCD".into())
}
