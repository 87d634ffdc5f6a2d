//! `tcp`, `udp` and `syslog` targets: from the configuration to what their senders need.

use crate::tls_settings::client_settings;
use actors::target::rendering::{Rendering, SyslogMessage};
use actors::target::tcp_sender::{TcpEndpoint, TcpSenderSettings};
use actors::target::udp_sender::UdpSenderSettings;
use actors::target::wire::{WireFormat, WireFraming};
use config::target::{ClientTls, Endpoint, Format, Retry, SyslogTarget, TargetFraming, TcpTarget};
use protocol::syslog::Priority;
use protocol::syslog::format::Template;
use std::sync::Arc;
use std::time::Duration;

/// The first wait before connecting again: a receiver that restarts is back soon.
const RETRY_FIRST: Duration = Duration::from_millis(200);
/// The longest wait, unless the configuration asks for less: a stream holds its sources up.
const RETRY_AT_MOST: Duration = Duration::from_secs(2);

/// What `format` says of events without a pipeline.
pub(super) fn rendering(format: Option<Format>) -> Rendering {
    match format {
        Some(Format::Json) => Rendering::Json,
        Some(Format::Raw) | None => Rendering::Unchanged,
    }
}

pub(super) fn tcp(tcp: &TcpTarget, rendering: Rendering, retry: Retry) -> TcpSenderSettings {
    stream(&tcp.endpoints, &tcp.framing, tcp.tls.as_ref(), tcp.timeout, rendering, retry)
}

pub(super) fn syslog(
    syslog: &SyslogTarget,
    framing: &TargetFraming,
    tls: Option<&ClientTls>,
    rendering: Rendering,
    retry: Retry,
) -> TcpSenderSettings {
    let endpoint = std::slice::from_ref(&syslog.endpoint);
    stream(endpoint, framing, tls, syslog.timeout, rendering, retry)
}

fn stream(
    endpoints: &[Endpoint],
    framing: &TargetFraming,
    tls: Option<&ClientTls>,
    timeout: Duration,
    rendering: Rendering,
    retry: Retry,
) -> TcpSenderSettings {
    let framing = match framing {
        TargetFraming::Delimiter(delimiter) => WireFraming::Delimiter(delimiter.clone().into()),
        TargetFraming::Octet => WireFraming::Octet,
    };
    let endpoint = |e: &Endpoint| TcpEndpoint { host: e.address.clone(), port: e.port };
    TcpSenderSettings {
        endpoints: endpoints.iter().map(endpoint).collect(),
        format: WireFormat { rendering, framing },
        tls: tls.map(client_settings),
        connect_timeout: timeout,
        stall_timeout: timeout,
        retry_first: RETRY_FIRST.min(retry.max_delay),
        retry_at_most: RETRY_AT_MOST.min(retry.max_delay),
    }
}

pub(super) fn udp(endpoints: &[Endpoint], rendering: Rendering) -> UdpSenderSettings {
    let endpoint = |Endpoint { address, port }: &Endpoint| match address.contains(':') {
        true => format!("[{}]:{port}", address.trim_matches(['[', ']'])),
        false => format!("{address}:{port}"),
    };
    UdpSenderSettings { endpoints: endpoints.iter().map(endpoint).collect(), rendering }
}

/// The message around each event. A template that can't be used sends the event as it is, as the product does.
pub(super) fn syslog_message(target: &str, syslog: &SyslogTarget) -> Rendering {
    let template = match Template::compile(&syslog.template) {
        Ok(template) => template,
        Err(e) => {
            tracing::warn!(target, "{e}; events are sent without a template");
            return Rendering::Unchanged;
        }
    };
    Rendering::Syslog(Arc::new(SyslogMessage {
        template,
        priority: Priority::new(syslog.priority).unwrap_or(Priority::DEFAULT),
        app_name: syslog.app_name.clone(),
        process: std::process::id(),
    }))
}
