//! Finding the sorted file whose metadata is damaged.
//!
//! RocksDB names the file of a damaged data block. Of a damaged property or index block met while
//! it opens, it says only that the database cannot be opened. This verifies just those blocks, so
//! that an error names the right file; it is not used to read anything. It understands the files
//! that TasteDB writes (format 6, XXH3) and calls every other one sound.
//!
//! ```text
//! block    data  type:u8  checksum:u32
//! file     data blocks  metadata blocks  metaindex block  footer
//! footer   checksum type:u8  3e007a00  checksum:u32  context:u32  metaindex size:u32  zeros
//!          format:u32  magic:u64                                                 53 bytes
//! ```

use xxhash_rust::xxh3::xxh3_64;

use crate::segment::blocks::{le_u32, le_u64};

const FOOTER: usize = 53;
const BLOCK_TRAILER: usize = 5;
const MAGIC: u64 = 0x88e2_41b7_85f4_cff7;
const FORMAT: u32 = 6;
const XXH3: u8 = 4;

/// Whether all metadata blocks of a file match their checksums.
pub(super) fn is_sound(file: &[u8]) -> bool {
    let Some((_, footer)) = file.split_last_chunk::<FOOTER>() else { return false };
    if le_u64(footer, 45) != MAGIC || le_u32(footer, 41) != FORMAT || footer[0] != XXH3 {
        return true;
    }
    let context = le_u32(footer, 9);
    let size = le_u32(footer, 13) as usize;
    let Some(start) = (file.len() - FOOTER).checked_sub(BLOCK_TRAILER + size) else {
        return false;
    };
    let Some(metaindex) = block(file, context, start, size) else { return false };
    let Some(handles) = handles(metaindex) else { return false };
    handles.into_iter().all(|(start, size)| block(file, context, start, size).is_some())
}

/// The data of a block that matches its checksum.
fn block(file: &[u8], context: u32, start: usize, size: usize) -> Option<&[u8]> {
    let end = start.checked_add(size)?;
    let data = file.get(start..end)?;
    let trailer = file.get(end..end.checked_add(BLOCK_TRAILER)?)?;
    let mut sum = xxh3_64(data) as u32 ^ u32::from(trailer[0]).wrapping_mul(0x6b90_83d9);
    if context != 0 {
        let start = start as u64;
        sum = sum.wrapping_add(context ^ (start as u32).wrapping_add((start >> 32) as u32));
    }
    (sum == le_u32(trailer, 1)).then_some(data)
}

/// Offset and size of each block that the metaindex names.
fn handles(metaindex: &[u8]) -> Option<Vec<(usize, usize)>> {
    let (rest, restarts) = metaindex.split_last_chunk::<4>()?;
    let restarts = u32::from_le_bytes(*restarts) as usize;
    let mut rest = rest.get(..rest.len().checked_sub(restarts.checked_mul(4)?)?)?;
    let mut found = Vec::new();
    while !rest.is_empty() {
        let _shared = number(&mut rest)?;
        let own = number(&mut rest)?;
        let value = number(&mut rest)?;
        rest = rest.get(own..)?;
        let (mut handle, behind) = rest.split_at_checked(value)?;
        rest = behind;
        found.push((number(&mut handle)?, number(&mut handle)?));
    }
    Some(found)
}

fn number(from: &mut &[u8]) -> Option<usize> {
    crate::varint::take(from).and_then(|value| usize::try_from(value).ok())
}
