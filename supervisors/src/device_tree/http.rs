//! What the configuration of an `http` device means for its listener.

use super::listeners::{access, address, socket_name, stream_socket_count};
use crate::tls_settings::server_tls;
use actors::child::{ChildSpec, Home};
use actors::data::sockets::One;
use actors::data::{Device, Lanes};
use actors::device::http::settings::{HmacKey, ServerLimits};
use actors::device::http::{Credentials, HttpListener, HttpSettings, Response};
use anyhow::Context;
use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use config::device::{DeviceAuthentication, HmacAlgorithm, HttpDevice, HttpFormat};
use http::header::AUTHORIZATION;
use http::{HeaderValue, StatusCode};
use protocol::http_body::Split;
use std::sync::Arc;

/// What such a device's subtree starts with.
///
/// # Errors
/// When a header can't be one.
pub(super) fn server(
    device: &Arc<Device>,
    lanes: &Lanes,
    http: &HttpDevice,
) -> anyhow::Result<Vec<ChildSpec>> {
    let settings = settings(http).with_context(|| format!("device \"{}\"", device.name))?;
    let settings = Arc::new(settings);
    let of = stream_socket_count(&http.listen);
    let listener = |index| {
        let one = One { index, of };
        let (device, lanes, settings) = (Arc::clone(device), lanes.clone(), Arc::clone(&settings));
        let make =
            move || Ok(HttpListener::new(Arc::clone(&device), lanes.clone(), Arc::clone(&settings), one));
        ChildSpec::new(socket_name("listener", one), "listener", Home::Control, make)
    };
    Ok((0..of).map(listener).collect())
}

fn settings(http: &HttpDevice) -> anyhow::Result<HttpSettings> {
    let media = http.content_type.split(';').next().unwrap_or_default();
    Ok(HttpSettings {
        address: address(&http.listen),
        access: access(&http.listen),
        tls: http.tls.as_ref().map(server_tls),
        max_connections: http.max_connections as usize,
        path: http.path.clone(),
        content_type: media.trim().to_ascii_lowercase(),
        split: match http.format {
            HttpFormat::Auto => None,
            HttpFormat::Event => Some(Split::Whole),
            HttpFormat::Lines => Some(Split::Lines),
            HttpFormat::JsonArray => Some(Split::Json),
        },
        max_body_bytes: http.max_body_bytes as usize,
        credentials: credentials(&http.authentication)?,
        response: Response {
            code: StatusCode::from_u16(http.response.code)?,
            body: http.response.body.clone().into(),
            content_type: HeaderValue::from_str(&http.response.content_type)?,
        },
        limits: ServerLimits::default(),
    })
}

fn credentials(authentication: &DeviceAuthentication) -> anyhow::Result<Credentials> {
    Ok(match authentication {
        DeviceAuthentication::None => Credentials::None,
        DeviceAuthentication::Basic { username, password } => {
            let pair = STANDARD.encode(format!("{username}:{}", password.expose()));
            Credentials::Header { name: AUTHORIZATION, value: format!("Basic {pair}").into(), basic: true }
        }
        DeviceAuthentication::Header { key, value } => {
            Credentials::Header { name: key.parse()?, value: value.expose().into(), basic: false }
        }
        DeviceAuthentication::Hmac { algorithm, header, key, prefix } => {
            let key = key.expose().as_bytes();
            let key = match algorithm {
                HmacAlgorithm::Sha1 => HmacKey::sha1(key),
                HmacAlgorithm::Sha256 => HmacKey::sha256(key),
                HmacAlgorithm::Sha512 => HmacKey::sha512(key),
            };
            Credentials::Hmac { name: header.parse()?, prefix: prefix.clone(), key: Box::new(key) }
        }
    })
}
