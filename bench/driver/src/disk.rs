//! How fast the disk under the data directory makes a write durable, which bounds what any server can do.

use std::fs::File;
use std::io::Write as _;
use std::path::Path;
use std::time::{Duration, Instant};

use anyhow::Result;

use crate::percentile;

const WRITES: usize = 500;

/// The median of appending 4 KiB and waiting for `fdatasync`.
pub fn sync_time(folder: &Path) -> Result<Duration> {
    let path = folder.join("sync-time");
    let mut file = File::create(&path)?;
    let mut took = Vec::with_capacity(WRITES);
    for _ in 0..WRITES {
        let start = Instant::now();
        file.write_all(&[0x5a; 4096])?;
        file.sync_data()?;
        took.push(start.elapsed());
    }
    std::fs::remove_file(path)?;
    took.sort();
    Ok(percentile(&took, 50))
}
