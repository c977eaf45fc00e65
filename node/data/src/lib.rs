//! Data that nobody here wrote: real Bitcoin headers and blocks, and test vectors. They are read in place, never
//! copied into the project: from `SCHISM_DATA`, or from `../shared/data` beside the project.
//!
//! Where they are absent a test says so on standard error, past the capture of the test harness, and passes; with
//! `SCHISM_DATA_REQUIRED=1` it fails.
//!
//! ```no_run
//! let Some(headers) = schism_data::headers() else { return };
//! ```

use std::io::Write;
use std::path::PathBuf;

/// The folder of the data, there or not.
pub fn folder() -> PathBuf {
    let beside = || PathBuf::from(concat!(env!("CARGO_MANIFEST_DIR"), "/../../../shared/data"));
    std::env::var_os("SCHISM_DATA").map_or_else(beside, PathBuf::from)
}

/// A file's path, or `None` where it is absent and not required.
pub fn path(name: &str) -> Option<PathBuf> {
    let path = folder().join(name);
    if path.is_file() {
        return Some(path);
    }
    let test = std::thread::current().name().unwrap_or("a test").to_owned();
    let required = std::env::var_os("SCHISM_DATA_REQUIRED").is_some_and(|value| value == "1");
    assert!(!required, "{test} needs {} (SCHISM_DATA), and SCHISM_DATA_REQUIRED=1", path.display());
    // `eprintln` would be captured, and a test that checked nothing must not look like one that passed.
    let _ = writeln!(std::io::stderr(), "IGNORED {test}: {} is absent; set SCHISM_DATA", path.display());
    None
}

/// A file's bytes.
pub fn bytes(name: &str) -> Option<Vec<u8>> {
    let path = path(name)?;
    Some(std::fs::read(&path).unwrap_or_else(|error| panic!("{}: {error}", path.display())))
}

/// A file's text.
pub fn text(name: &str) -> Option<String> {
    bytes(name).map(|bytes| String::from_utf8(bytes).unwrap_or_else(|error| panic!("{name}: {error}")))
}

/// Bitcoin's headers 0 to 2016, 80 bytes each.
pub fn headers() -> Option<Vec<[u8; 80]>> {
    let bytes = bytes("headers/btc_main_h000000_h002016.bin")?;
    let (headers, rest) = bytes.as_chunks();
    assert!(rest.is_empty() && headers.len() == 2_017, "the file of headers is damaged");
    Some(headers.to_vec())
}

/// Bitcoin's blocks 0 to 170, serialised.
pub fn blocks() -> Option<Vec<Vec<u8>>> {
    let file = bytes("blocks/btc_main_blocks_h0_h169.dat")?;
    let mut blocks = Vec::new();
    let mut rest = file.as_slice();
    while let Some((frame, after)) = rest.split_first_chunk::<8>() {
        let [magic @ .., a, b, c, d] = *frame;
        assert_eq!(magic, [0xf9, 0xbe, 0xb4, 0xd9], "the file of blocks is damaged");
        let (block, next) = after.split_at(u32::from_le_bytes([a, b, c, d]) as usize);
        blocks.push(block.to_vec());
        rest = next;
    }
    assert_eq!(blocks.len(), 170, "the file of blocks is damaged");
    blocks.push(hex(&text("blocks/btc_main_block_000170.hex")?));
    Some(blocks)
}

/// Bytes from hexadecimal digits; white space at the ends does not matter.
pub fn hex(digits: &str) -> Vec<u8> {
    let digits = digits.trim();
    assert!(digits.len().is_multiple_of(2) && digits.is_ascii(), "not hexadecimal: {digits}");
    let byte = |at| u8::from_str_radix(&digits[at..at + 2], 16).unwrap_or_else(|error| panic!("{digits}: {error}"));
    (0..digits.len()).step_by(2).map(byte).collect()
}
