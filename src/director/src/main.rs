//! The DataStream Director: command line, process start and stop.

use anyhow::Context;
use config::{Severity, Source};
use std::path::PathBuf;
use supervisors::{Director, Options};
use tokio::signal::unix::{SignalKind, signal};

fn main() -> anyhow::Result<()> {
    let filter = tracing_subscriber::EnvFilter::new("info,ractor=off");
    tracing_subscriber::fmt().with_env_filter(filter).with_writer(std::io::stderr).init();
    let mut arguments = std::env::args().skip(1);
    let mut source = Source::Folder(PathBuf::from("."));
    while let Some(argument) = arguments.next() {
        let value = arguments.next().with_context(|| format!("{argument} needs a value"))?;
        match argument.as_str() {
            "-config-path" => source = Source::File(value.into()),
            "-path" => {}
            other => anyhow::bail!("unknown option {other}"),
        }
    }
    let runtime = tokio::runtime::Builder::new_multi_thread().worker_threads(1).enable_all().build()?;
    runtime.block_on(run(&source))
}

async fn run(source: &Source) -> anyhow::Result<()> {
    let loaded = config::load(source, &|name| std::env::var(name).ok());
    for diagnostic in &loaded.diagnostics {
        match diagnostic.severity {
            Severity::Error => tracing::error!("{diagnostic}"),
            Severity::Warning => tracing::warn!("{diagnostic}"),
        }
    }
    let snapshot = loaded.snapshot.context("the configuration has mistakes")?;
    let mut terminate = signal(SignalKind::terminate())?;
    let director = Director::start(snapshot, Options::default()).await?;
    terminate.recv().await;
    let left = director.stop().await;
    tracing::info!(left = left.events, "stopped");
    Ok(())
}
