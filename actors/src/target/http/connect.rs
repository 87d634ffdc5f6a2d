//! A fresh connection: TCP, through a proxy where there is one, TLS where it is spoken.

use super::dialect::Trouble;
use super::endpoint::Origin;
use super::proxy::Proxy;
use super::settings::HttpSettings;
use crate::data::client_socket::Io;
use crate::target::trouble::trouble_name;
use security::tls::server_name;
use std::io;
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpStream;
use tokio_rustls::TlsConnector;

/// Longest answer of a proxy to `CONNECT`.
const MAX_PROXY_ANSWER: usize = 16 * 1024;

/// Connects to an origin.
///
/// # Errors
/// With what is the matter, for people.
pub async fn connect(origin: &Origin, settings: &HttpSettings) -> Result<Io, Trouble> {
    let connecting = open(origin, settings);
    match tokio::time::timeout(settings.limits.connect, connecting).await {
        Ok(connected) => connected,
        Err(_) => {
            let text = format!("it did not take the connection within {:?}", settings.limits.connect);
            Err(Trouble { name: "timed_out", text })
        }
    }
}

async fn open(origin: &Origin, settings: &HttpSettings) -> Result<Io, Trouble> {
    let proxy = settings.proxies.to(origin);
    let (host, port) = match proxy {
        Some(proxy) => (proxy.host.as_str(), proxy.port),
        None => (origin.host.as_str(), origin.port),
    };
    let via = if proxy.is_some() { " (a proxy)" } else { "" };
    let refused = |e: io::Error| Trouble {
        name: trouble_name(&e),
        text: format!("cannot connect to {host}:{port}{via}: {e}; is it running and reachable?"),
    };
    let mut socket = TcpStream::connect((host, port)).await.map_err(refused)?;
    socket.set_nodelay(true).map_err(refused)?;
    if !origin.tls {
        return Ok(Io::Plain(socket));
    }
    if let Some(proxy) = proxy {
        tunnel(&mut socket, proxy, origin).await.map_err(|e| Trouble {
            name: "proxy",
            text: format!("the proxy {host}:{port} does not let us through: {e}"),
        })?;
    }
    let tls = |e: &dyn std::fmt::Display| Trouble {
        name: "tls",
        text: format!(
            "no tls with {}:{}: {e}; check the certificates and tls properties",
            origin.host, origin.port
        ),
    };
    let config = settings.tls.current().map_err(|e| tls(&e))?;
    let name = server_name(&origin.host).map_err(|e| tls(&e))?;
    let stream = TlsConnector::from(config).connect(name, socket).await.map_err(|e| tls(&e))?;
    Ok(Io::Tls(Box::new(stream)))
}

/// Has a proxy connect us (RFC 9110 §9.3.6).
async fn tunnel(socket: &mut TcpStream, proxy: &Proxy, origin: &Origin) -> io::Result<()> {
    let host = if origin.host.contains(':') { format!("[{}]", origin.host) } else { origin.host.clone() };
    let there = format!("{host}:{}", origin.port);
    let mut request = format!("CONNECT {there} HTTP/1.1\r\nHost: {there}\r\n").into_bytes();
    if let Some(authorization) = &proxy.authorization {
        request.extend_from_slice(b"Proxy-Authorization: ");
        request.extend_from_slice(authorization.as_bytes());
        request.extend_from_slice(b"\r\n");
    }
    request.extend_from_slice(b"\r\n");
    socket.write_all(&request).await?;
    let mut answer = Vec::new();
    // One byte at a time: what comes after the blank line belongs to TLS.
    while !answer.ends_with(b"\r\n\r\n") {
        if answer.len() == MAX_PROXY_ANSWER {
            return Err(io::Error::new(io::ErrorKind::InvalidData, "its answer does not end"));
        }
        answer.push(socket.read_u8().await?);
    }
    let status = answer.split(|byte| *byte == b' ').nth(1).unwrap_or_default();
    if status.len() == 3 && status[0] == b'2' {
        return Ok(());
    }
    let first = answer.split(|byte| *byte == b'\r').next().unwrap_or_default();
    Err(io::Error::other(format!("it answers {}", String::from_utf8_lossy(first))))
}
