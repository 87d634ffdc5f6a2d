//! A fresh connection to a host: name, TCP, TLS.

use super::settings::WindowsSettings;
use super::trouble::{Again, Trouble};
use crate::data::client_socket::Io;
use protocol::winrm::channel_binding::ChannelBinding;
use security::tls::{client_config, server_name};
use std::io;
use tokio::net::{TcpStream, lookup_host};
use tokio::time::timeout;
use tokio_rustls::TlsConnector;

/// The addresses of a host.
///
/// # Errors
/// When it has none.
pub async fn resolve(settings: &WindowsSettings) -> Result<Vec<std::net::SocketAddr>, Trouble> {
    let looking = timeout(settings.timeout, lookup_host(settings.endpoint())).await;
    let found = looking.unwrap_or_else(|_| Err(io::ErrorKind::TimedOut.into()));
    let found: Vec<_> = found.map_err(|e| Trouble::unknown_host(settings, &e))?.collect();
    match found.is_empty() {
        true => Err(Trouble::unknown_host(settings, &io::ErrorKind::NotFound.into())),
        false => Ok(found),
    }
}

/// Connects to the first address that answers.
///
/// # Errors
/// When none does.
pub async fn connect(
    settings: &WindowsSettings,
    addresses: &[std::net::SocketAddr],
) -> Result<TcpStream, Trouble> {
    let connecting = timeout(settings.timeout, TcpStream::connect(addresses)).await;
    let socket = connecting.unwrap_or_else(|_| Err(io::ErrorKind::TimedOut.into()));
    let socket = socket.and_then(|socket| {
        socket.set_nodelay(true)?;
        // A host that is gone while a Pull waits is noticed by its missing heartbeat, a firewall that forgets us is not
        // fooled otherwise.
        let keepalive = socket2::TcpKeepalive::new().with_time(std::time::Duration::from_secs(30));
        socket2::SockRef::from(&socket).set_tcp_keepalive(&keepalive)?;
        Ok(socket)
    });
    socket.map_err(|e| Trouble::unreachable(settings, &e))
}

/// Speaks TLS where it is configured; with the binding for sign-ins.
///
/// # Errors
/// When it can't be set up, or the certificate is not the right one.
pub async fn secure(
    settings: &WindowsSettings,
    socket: TcpStream,
) -> Result<(Io, Option<ChannelBinding>), Trouble> {
    let Some(tls) = &settings.tls else { return Ok((Io::Plain(socket), None)) };
    let unusable = |e: security::tls::TlsError| Trouble::new(Again::WhenMended, e.to_string());
    let config = client_config(tls).map_err(unusable)?;
    let name = server_name(&settings.host).map_err(unusable)?;
    let handshake = timeout(settings.timeout, TlsConnector::from(config).connect(name, socket)).await;
    let stream = handshake.unwrap_or_else(|_| Err(io::ErrorKind::TimedOut.into()));
    let stream = stream.map_err(|e| Trouble::tls(settings, &e))?;
    let certificate = stream.get_ref().1.peer_certificates().and_then(|chain| chain.first());
    let binding = certificate.and_then(|certificate| ChannelBinding::of_certificate(certificate));
    Ok((Io::Tls(Box::new(stream)), binding))
}
