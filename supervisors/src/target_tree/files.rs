//! `file` and `console` targets: from the configuration to their writers.

use super::{Homes, Senders};
use actors::child::spec::Common;
use actors::target::console::{Console, ConsoleSeat};
use actors::target::file::compression::Compression;
use actors::target::file::files::FileSettings;
use actors::target::file::layout::Layout;
use actors::target::file::name::{NameParts, NameTemplate};
use actors::target::file::time_zone;
use actors::target::file::writer::{FileSeat, FileWriter};
use actors::target::rendering::Rendering;
use actors::target::wire::WireFormat;
use anyhow::Context;
use config::target::{FileCompression, FileLayout, FileTarget, Format};
use std::sync::Arc;

pub(super) fn file(
    homes: &Homes<'_>,
    file: &FileTarget,
    format: Option<Format>,
    common: &Common,
) -> anyhow::Result<Senders> {
    let target = Arc::clone(homes.target);
    let settings = settings(&target.name, file, format)?;
    let seat = FileSeat::new(Arc::clone(&target), settings, Arc::clone(&common.disk), common.clock.clone());
    Ok(homes.shared(move |address| FileWriter::new(Arc::clone(&target), address, seat.clone())))
}

fn settings(target: &str, file: &FileTarget, format: Option<Format>) -> anyhow::Result<FileSettings> {
    let (rendering, word) = match (format, file.layout) {
        (Some(Format::Raw), _) => (Rendering::Unchanged, "raw"),
        (_, FileLayout::Lines) => (Rendering::Json, "json"),
        (_, FileLayout::JsonArray) => (Rendering::Json, "multijson"),
    };
    let compression = match file.compression {
        FileCompression::None => Compression::None,
        FileCompression::Gzip => Compression::Gzip,
        FileCompression::Zstd => Compression::Zstd,
    };
    let (extension, compressed) = (file.extension.as_str(), compression.name());
    let parts = NameParts { format: word, extension, compression: compressed, target };
    let name = NameTemplate::compile(&file.name, &parts, time_zone())
        .with_context(|| format!("target \"{target}\""))?;
    Ok(FileSettings {
        location: file.location.clone(),
        name,
        extension: file.extension.clone(),
        layout: match file.layout {
            FileLayout::Lines => Layout::Lines,
            FileLayout::JsonArray => Layout::Array,
        },
        rendering,
        compression,
        rotate_bytes: file.rotate_bytes,
        rotate_events: file.rotate_events,
        no_buffer: file.no_buffer,
    })
}

pub(super) fn console(homes: &Homes<'_>, rendering: Rendering) -> Senders {
    let target = Arc::clone(homes.target);
    let seat = ConsoleSeat::standard_output();
    let format = WireFormat { rendering, ..WireFormat::lines() };
    homes.shared(move |address| Console::new(Arc::clone(&target), address, format.clone(), seat.clone()))
}
