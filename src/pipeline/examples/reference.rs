//! Writes the reference of the processors to `docs/`, and removes the pages of processors that are gone:
//! `cargo run -q -p pipeline --example reference`.

use std::fs;
use std::io;
use std::path::Path;

fn main() -> io::Result<()> {
    let docs = Path::new(concat!(env!("CARGO_MANIFEST_DIR"), "/../../docs"));
    let pages = pipeline::reference::pages();
    fs::create_dir_all(docs.join("processors"))?;
    for page in &pages {
        fs::write(docs.join(&page.path), &page.text)?;
    }
    for entry in fs::read_dir(docs.join("processors"))? {
        let path = entry?.path();
        if !pages.iter().any(|page| docs.join(&page.path) == path) {
            fs::remove_file(path)?;
        }
    }
    println!("{} files", pages.len());
    Ok(())
}
