//! What the configuration of `http`, `elastic` and `splunk` targets means for their senders.

use crate::tls_settings::client_settings;
use actors::child::spec::Common;
use actors::target::http::document::write_escaped;
use actors::target::http::elastic::{Action, Elastic};
use actors::target::http::plain::Plain;
use actors::target::http::proxy::Proxies;
use actors::target::http::splunk::Splunk;
use actors::target::http::{Dialect, Endpoint, Gather, HttpSettings, RetryPolicy, TimeLimits};
use anyhow::Context;
use config::TargetKind;
use config::target::{
    ClientTls, ElasticTarget, HttpBody, HttpMethod, HttpTarget, Ordering, SplunkCredential, SplunkTarget,
    TargetAuthentication, WriteAction,
};
use http::Method;
use security::tls::{Reloading, client_config};
use std::fmt::Write;
use std::sync::Arc;
use std::time::Duration;

/// Requests in flight to a cluster, where the product has no property for it.
const IN_FLIGHT: usize = 8;
/// Time to connect, where the product has no property for it.
const CONNECT_WITHIN: Duration = Duration::from_secs(10);
/// What has to be in an answer of `_bulk` so that it can be understood.
const NEEDED_IN_BULK: [&str; 3] = ["errors", "items.*.status", "items.*.error"];

/// What differs from type to type.
struct Parts {
    endpoints: Vec<Endpoint>,
    shuffle: bool,
    dialect: Arc<dyn Dialect>,
    method: Method,
    gzip: bool,
    /// In all lanes together.
    in_flight: usize,
    limits: TimeLimits,
    keep_alive: bool,
    follow_redirects: bool,
    tls: ClientTls,
    ordering: Ordering,
}

/// Settings of the senders of such a target, one on each of so many lanes.
///
/// # Errors
/// When something can't be sent, or a variable for proxies is wrong.
pub(super) fn settings(
    target: &config::Target,
    lanes: usize,
    common: &Common,
) -> anyhow::Result<HttpSettings> {
    let parts = match &target.kind {
        TargetKind::Http(http) => plain(http),
        TargetKind::Elastic(elastic) => bulk(elastic, common.rng.next_u64()),
        TargetKind::Splunk(splunk) => {
            if splunk.tcp_routing {
                tracing::warn!(target = target.name, "tcp_routing has no effect in this version");
            }
            collector(splunk)
        }
        _ => anyhow::bail!("it is not sent by HTTP"),
    };
    let parts = parts.with_context(|| format!("target \"{}\"", target.name))?;
    let in_flight = match parts.ordering {
        Ordering::Strict => 1,
        Ordering::Relaxed => (parts.in_flight / lanes).max(1),
    };
    let (batch, retry) = (target.batch, target.retry);
    Ok(HttpSettings {
        endpoints: parts.endpoints,
        shuffle: parts.shuffle,
        dialect: parts.dialect,
        method: parts.method,
        gzip: parts.gzip,
        gather: Gather { events: batch.events, bytes: batch.bytes, time: batch.time },
        in_flight,
        limits: parts.limits,
        keep_alive: parts.keep_alive,
        follow_redirects: parts.follow_redirects,
        retry: RetryPolicy { at_once: retry.max_retries, first: retry.delay, most: retry.max_delay },
        tls: tls(&parts.tls),
        proxies: Proxies::from_environment()?,
    })
}

fn plain(http: &HttpTarget) -> anyhow::Result<Parts> {
    let mut endpoint = Endpoint::parse(&http.url)?.header("content-type", &http.content_type)?;
    endpoint = match &http.authentication {
        TargetAuthentication::None => endpoint,
        TargetAuthentication::Basic { username, password } => endpoint.basic(username, password.expose())?,
        TargetAuthentication::Bearer { token } => {
            endpoint.secret_header("authorization", &format!("Bearer {}", token.expose()))?
        }
        TargetAuthentication::Header { key, value } => endpoint.secret_header(key, value.expose())?,
    };
    for (name, value) in &http.headers {
        endpoint = endpoint.secret_header(name, value.expose())?;
    }
    let dialect = match http.body {
        HttpBody::Json => Plain::Json,
        HttpBody::JsonBatch => Plain::JsonBatch,
        HttpBody::Form => Plain::Form,
        HttpBody::Message => Plain::Lines,
    };
    Ok(Parts {
        endpoints: vec![endpoint],
        shuffle: false,
        dialect: Arc::new(dialect),
        method: match http.method {
            HttpMethod::Get => Method::GET,
            HttpMethod::Post => Method::POST,
            HttpMethod::Put => Method::PUT,
            HttpMethod::Patch => Method::PATCH,
            HttpMethod::Delete => Method::DELETE,
            HttpMethod::Head => Method::HEAD,
        },
        gzip: http.compression,
        in_flight: http.pool_max_per_route.min(http.pool_max) as usize,
        limits: TimeLimits {
            connect: http.connect_timeout,
            request: http.timeout,
            pause: http.socket_timeout,
        },
        keep_alive: http.keep_alive,
        follow_redirects: http.follow_redirects,
        tls: http.tls.clone(),
        ordering: http.ordering,
    })
}

fn bulk(elastic: &ElasticTarget, process: u64) -> anyhow::Result<Parts> {
    let mut filter = elastic.filter_path.replace(' ', "");
    for needed in NEEDED_IN_BULK {
        if !filter.split(',').any(|path| path == needed) {
            let _ = write!(filter, ",{needed}");
        }
    }
    let mut query = vec![("filter_path", filter.as_str())];
    query.extend(elastic.pipeline.as_deref().map(|pipeline| ("pipeline", pipeline)));
    let endpoints = elastic.endpoints.iter().map(|there| {
        let (path, rest) = there.url.split_once('?').unwrap_or((&there.url, ""));
        let path = path.trim_end_matches('/');
        let path = if path.ends_with("/_bulk") { path.to_owned() } else { format!("{path}/_bulk") };
        let endpoint = Endpoint::parse(&with_query(&path, rest, &query))?;
        let endpoint = endpoint.header("content-type", "application/x-ndjson")?;
        match &there.credentials {
            Some((username, password)) => endpoint.basic(username, password.expose()),
            None => Ok(endpoint),
        }
    });
    let action = match elastic.action {
        WriteAction::Create => Action::Create,
        WriteAction::Index => Action::Index,
        WriteAction::Update => Action::Update,
        WriteAction::Delete => Action::Delete,
    };
    Ok(Parts {
        endpoints: endpoints.collect::<anyhow::Result<_>>()?,
        shuffle: true,
        dialect: Arc::new(Elastic::new(action, &elastic.index, process)),
        method: Method::POST,
        gzip: elastic.compression,
        in_flight: IN_FLIGHT,
        limits: limits(elastic.timeout),
        keep_alive: true,
        follow_redirects: true,
        tls: elastic.tls.clone(),
        ordering: elastic.ordering,
    })
}

fn collector(splunk: &SplunkTarget) -> anyhow::Result<Parts> {
    let defaults = [("index", &splunk.index), ("sourcetype", &splunk.sourcetype), ("source", &splunk.source)];
    let query: Vec<(&str, &str)> =
        defaults.iter().filter_map(|(name, value)| Some((*name, value.as_deref()?))).collect();
    let is_raw = |url: &String| {
        let path = url.split('?').next().unwrap_or_default().trim_end_matches('/');
        path.ends_with("/raw") || path.ends_with("/raw/1.0")
    };
    let raw = splunk.endpoints.iter().filter(|url| is_raw(url)).count();
    anyhow::ensure!(
        raw == 0 || raw == splunk.endpoints.len(),
        "some endpoints take raw lines and some take events; use one kind for all of them"
    );
    let authorization = match &splunk.credential {
        SplunkCredential::Token(token) => format!("Splunk {}", token.expose()),
        SplunkCredential::Bearer(token) => format!("Bearer {}", token.expose()),
    };
    let endpoints = splunk.endpoints.iter().map(|url| {
        let (path, rest) = url.split_once('?').unwrap_or((url, ""));
        let path = path.trim_end_matches('/');
        // Only a host was given.
        let path = match path.matches('/').count() {
            2 => format!("{path}/services/collector/event"),
            _ => path.to_owned(),
        };
        let endpoint = Endpoint::parse(&with_query(&path, rest, if raw > 0 { &query } else { &[] }))?;
        let kind = if raw > 0 { "text/plain" } else { "application/json" };
        endpoint.header("content-type", kind)?.secret_header("authorization", &authorization)
    });
    let dialect = match raw {
        0 => {
            let defaults = defaults.map(|(_, value)| value.as_deref());
            Splunk::event(defaults[0], defaults[1], defaults[2])
        }
        _ => Splunk::Raw,
    };
    Ok(Parts {
        endpoints: endpoints.collect::<anyhow::Result<_>>()?,
        shuffle: true,
        dialect: Arc::new(dialect),
        method: Method::POST,
        gzip: splunk.compression,
        in_flight: IN_FLIGHT,
        limits: limits(splunk.timeout),
        keep_alive: true,
        follow_redirects: true,
        tls: splunk.tls.clone(),
        ordering: splunk.ordering,
    })
}

fn limits(timeout: Duration) -> TimeLimits {
    TimeLimits { connect: CONNECT_WITHIN.min(timeout), request: timeout, pause: timeout }
}

/// A URL with what its query had before and more.
fn with_query(path: &str, before: &str, more: &[(&str, &str)]) -> String {
    let mut query = before.to_owned();
    for (name, value) in more {
        let mut escaped = Vec::new();
        write_escaped(value.as_bytes(), &mut escaped);
        let value = String::from_utf8_lossy(&escaped);
        let and = if query.is_empty() { "" } else { "&" };
        let _ = write!(query, "{and}{name}={value}");
    }
    if query.is_empty() { path.to_owned() } else { format!("{path}?{query}") }
}

/// TLS is set up when the first connection needs it: a missing file is trouble of this target alone.
fn tls(tls: &ClientTls) -> Reloading<rustls::ClientConfig> {
    let settings = client_settings(tls);
    let identity = tls.certificate.iter().flat_map(|(certificate, key)| [certificate, key]);
    let files = tls.ca.iter().chain(identity).cloned().collect();
    Reloading::new(files, move || client_config(&settings))
}
