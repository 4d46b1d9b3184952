//! Makes the table of web assets: every file under `shell/web/assets/` with its type, hash and compressed copies, the scripts that
//! every screen needs as one.

use std::fmt::Write as _;
use std::fs;
use std::io::{self, Write as _};
use std::path::{Path, PathBuf};

use flate2::{Compression, GzBuilder};
use sha2::{Digest, Sha256};

#[path = "bundle.rs"]
mod bundle;
#[path = "squeeze.rs"]
mod squeeze;

const ASSETS: &str = "src/shell/web/assets";
/// The script of the page.
const ENTRY: &str = "app.js";

fn main() -> io::Result<()> {
    let root = PathBuf::from(variable("CARGO_MANIFEST_DIR")?);
    let out = PathBuf::from(variable("OUT_DIR")?);
    let mut files = Vec::new();
    collect(&root.join(ASSETS), &mut files)?;
    files.sort();
    let mut scripts = bundle::Scripts::new();
    for file in files.iter().filter(|file| is_own(file, "js")) {
        scripts.insert(name_of(file, &root.join(ASSETS))?, fs::read_to_string(file)?);
    }
    let scripts = bundle::bundled(ENTRY, &scripts).map_err(io::Error::other)?;
    let mut table = String::from("&[\n");
    for (number, file) in files.iter().enumerate() {
        let text = match scripts.get(&name_of(file, &root.join(ASSETS))?) {
            Some(script) => script.clone().into_bytes(),
            // It is part of the one.
            None if is_own(file, "js") => continue,
            None => fs::read(file)?,
        };
        let bytes = slim(text, file)?;
        let part = |ending: &str| out.join(format!("asset-{number}{ending}"));
        let (plain, packed, smaller) = (part(""), part(".gz"), part(".br"));
        fs::write(&plain, &bytes)?;
        fs::write(&packed, gzip(&bytes)?)?;
        fs::write(&smaller, brotli(&bytes)?)?;
        let name = name_of(file, &root.join(ASSETS))?;
        let (file_text, packed_text) = (plain.to_string_lossy(), packed.to_string_lossy());
        let smaller_text = smaller.to_string_lossy();
        let entry = format!(
            "Asset {{ name: {name:?}, mime: {:?}, etag: {:?}, plain: include_bytes!({file_text:?}), \
             gzip: include_bytes!({packed_text:?}), brotli: include_bytes!({smaller_text:?}) }},\n",
            mime_of(file),
            format!("\"{}\"", hex(&bytes)),
        );
        table.push_str(&entry);
    }
    table.push(']');
    fs::write(out.join("assets.rs"), table)?;
    let mut stdout = io::stdout();
    writeln!(stdout, "cargo::rerun-if-changed={ASSETS}")?;
    writeln!(stdout, "cargo::rerun-if-changed=src/bundle.rs")?;
    writeln!(stdout, "cargo::rerun-if-changed=src/squeeze.rs")?;
    writeln!(stdout, "cargo::rerun-if-changed=src/build.rs")
}

fn variable(name: &str) -> io::Result<String> {
    std::env::var(name).map_err(|error| io::Error::other(format!("{name}: {error}")))
}

fn collect(folder: &Path, files: &mut Vec<PathBuf>) -> io::Result<()> {
    for entry in fs::read_dir(folder)? {
        let path = entry?.path();
        if path.is_dir() {
            collect(&path, files)?;
        } else {
            files.push(path);
        }
    }
    Ok(())
}

/// Whether a file is ours, and ends so.
fn is_own(file: &Path, ending: &str) -> bool {
    file.extension().is_some_and(|own| own == ending) && !file.iter().any(|part| part == "vendor")
}

fn name_of(file: &Path, root: &Path) -> io::Result<String> {
    let relative = file.strip_prefix(root).map_err(io::Error::other)?;
    let parts: Vec<_> = relative.iter().map(|part| part.to_string_lossy()).collect();
    Ok(parts.join("/"))
}

/// Our own scripts and styles without indentation and without lines that hold a comment alone, scripts without needless spaces too; what
/// others made stays as it is. No line of ours begins within a text of several lines: a test of the page looks.
fn slim(bytes: Vec<u8>, file: &Path) -> io::Result<Vec<u8>> {
    if !is_own(file, "js") && !is_own(file, "css") {
        return Ok(bytes);
    }
    let text = String::from_utf8(bytes).map_err(io::Error::other)?;
    let mut kept = String::with_capacity(text.len());
    let mut in_comment = false;
    for line in text.lines().map(str::trim) {
        let opens = line.starts_with("/*");
        let alone = opens || in_comment || line.starts_with("//") || line.is_empty();
        if opens || in_comment {
            in_comment = !line.ends_with("*/");
        }
        if !alone {
            kept.push_str(line);
            kept.push('\n');
        }
    }
    let is_script = file.extension().is_some_and(|ending| ending == "js");
    Ok(if is_script { squeeze::squeezed(&kept) } else { kept }.into_bytes())
}

/// No time and no name in the header, so that the same sources make the same bytes.
fn gzip(bytes: &[u8]) -> io::Result<Vec<u8>> {
    let mut packer = GzBuilder::new().mtime(0).write(Vec::new(), Compression::best());
    packer.write_all(bytes)?;
    packer.finish()
}

/// What a browser takes over TLS and from this machine: a seventh smaller than gzip.
fn brotli(bytes: &[u8]) -> io::Result<Vec<u8>> {
    let best = brotli::enc::BrotliEncoderParams { quality: 11, lgwin: 22, ..Default::default() };
    let mut packed = Vec::new();
    brotli::BrotliCompress(&mut &*bytes, &mut packed, &best)?;
    Ok(packed)
}

fn hex(bytes: &[u8]) -> String {
    Sha256::digest(bytes).iter().fold(String::new(), |mut text, byte| {
        let _ = write!(text, "{byte:02x}");
        text
    })
}

fn mime_of(file: &Path) -> &'static str {
    match file.extension().and_then(|extension| extension.to_str()) {
        Some("html") => "text/html; charset=utf-8",
        Some("css") => "text/css; charset=utf-8",
        Some("js") => "text/javascript; charset=utf-8",
        Some("json") => "application/json",
        Some("svg") => "image/svg+xml",
        _ => "text/plain; charset=utf-8",
    }
}
