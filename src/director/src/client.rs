//! Asks a running Director through its control socket: HTTP over `storage/control.sock`.

use crate::exit::Exit;
use crate::failed::Failed;
use crate::place::Place;
use anyhow::Context;
use http_body_util::{BodyExt, Full};
use hyper::body::{Bytes, Incoming};
use hyper::{Method, Request, Response, StatusCode};
use hyper_util::rt::TokioIo;
use serde::de::DeserializeOwned;
use std::io;
use std::path::PathBuf;
use tokio::net::UnixStream;

/// The way to a running Director.
#[derive(Clone, Debug)]
pub(crate) struct Client {
    socket: PathBuf,
    root: PathBuf,
}

impl Client {
    /// The Director of this installation.
    pub(crate) fn of(place: &Place) -> Self {
        Self { socket: place.socket(), root: place.root().to_owned() }
    }

    /// An answer in JSON.
    pub(crate) async fn get<T: DeserializeOwned>(&self, path: &str) -> Result<T, Failed> {
        let response = self.ask(Method::GET, path, "").await?;
        let body = response.into_body().collect().await.context("the answer broke off")?.to_bytes();
        Ok(serde_json::from_slice(&body)
            .with_context(|| format!("the answer to {path} is not understood"))?)
    }

    /// Asks for something to be done.
    pub(crate) async fn post(&self, path: &str) -> Result<(), Failed> {
        let response = self.ask(Method::POST, path, "").await?;
        response.into_body().collect().await.context("the answer broke off")?;
        Ok(())
    }

    /// Asks for something to be done, and gets what is said of it.
    pub(crate) async fn tell(&self, path: &str, body: &str) -> Result<String, Failed> {
        let response = self.ask(Method::POST, path, body).await?;
        let text = response.into_body().collect().await.context("the answer broke off")?.to_bytes();
        Ok(String::from_utf8_lossy(&text).into_owned())
    }

    /// Gets lines as they come, until the Director ends.
    pub(crate) async fn follow(
        &self,
        path: &str,
        what: &str,
        mut line: impl FnMut(&str),
    ) -> Result<(), Failed> {
        let mut body = self.ask(Method::POST, path, what).await?.into_body();
        let mut text = Vec::new();
        while let Some(frame) = body.frame().await {
            let Ok(frame) = frame else { break }; // the Director ended
            let Some(data) = frame.data_ref() else { continue };
            text.extend_from_slice(data);
            let whole = text.iter().rposition(|byte| *byte == b'\n').map_or(0, |at| at + 1);
            for piece in text[..whole].split_inclusive(|byte| *byte == b'\n') {
                line(&String::from_utf8_lossy(piece));
            }
            text.drain(..whole);
        }
        Ok(())
    }

    async fn ask(&self, method: Method, path: &str, body: &str) -> Result<Response<Incoming>, Failed> {
        let stream = UnixStream::connect(&self.socket).await.map_err(|e| self.unreachable(&e))?;
        let (mut sender, connection) = hyper::client::conn::http1::handshake(TokioIo::new(stream)).await?;
        tokio::spawn(connection);
        let body = Full::new(Bytes::copy_from_slice(body.as_bytes()));
        let request = Request::builder().method(method).uri(path).header("host", "director").body(body)?;
        let response = sender.send_request(request).await.context("the Director did not answer")?;
        if matches!(
            response.status(),
            StatusCode::OK | StatusCode::ACCEPTED | StatusCode::SERVICE_UNAVAILABLE
        ) {
            return Ok(response);
        }
        let text = response.into_body().collect().await.context("the answer broke off")?.to_bytes();
        Err(Failed::new(Exit::Failure, anyhow::anyhow!("{}", String::from_utf8_lossy(&text).trim_end())))
    }

    fn unreachable(&self, e: &io::Error) -> Failed {
        let root = self.root.display();
        match e.kind() {
            io::ErrorKind::NotFound | io::ErrorKind::ConnectionRefused => {
                let text = format!(
                    "no Director runs on {root}; start one there, or name its installation with -path"
                );
                Failed::new(Exit::NotRunning, anyhow::anyhow!(text))
            }
            io::ErrorKind::PermissionDenied => {
                let text = format!(
                    "{} belongs to another user; ask as that user, or as root",
                    self.socket.display()
                );
                Failed::new(Exit::Failure, anyhow::anyhow!(text))
            }
            _ => Failed::new(Exit::Failure, anyhow::anyhow!("cannot open {}: {e}", self.socket.display())),
        }
    }
}

/// Runs what a command asks of a Director.
pub(crate) fn block_on<T>(work: impl Future<Output = Result<T, Failed>>) -> Result<T, Failed> {
    tokio::runtime::Builder::new_current_thread().enable_all().build()?.block_on(work)
}
