//! A URL to post to, with the headers of its requests.

use anyhow::Context;
use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use http::header::{AUTHORIZATION, HeaderMap, HeaderName, HeaderValue};
use http::{Uri, uri};
use std::fmt;

/// What a connection can be used for: requests to the same origin.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub struct Origin {
    /// Whether TLS is spoken.
    pub tls: bool,
    /// Host name or address, without brackets.
    pub host: String,
    /// Port.
    pub port: u16,
}

/// A URL to post to. Headers whose values are secrets are marked so: they never leave their origin.
#[derive(Clone)]
pub struct Endpoint {
    /// Where.
    pub origin: Origin,
    /// The `Host` header: host and port as the URL has them.
    pub authority: HeaderValue,
    /// Path and query.
    pub path: uri::PathAndQuery,
    /// Headers of each request.
    pub headers: HeaderMap,
}

impl Endpoint {
    /// The endpoint of an `http://` or `https://` URL, without headers.
    ///
    /// # Errors
    /// When it is no such URL.
    pub fn parse(url: &str) -> anyhow::Result<Self> {
        let url: Uri = url.parse().with_context(|| format!("\"{url}\" is not a URL"))?;
        let tls = match url.scheme_str() {
            Some("http") => false,
            Some("https") => true,
            _ => anyhow::bail!("the URL \"{url}\" begins with neither http:// nor https://"),
        };
        let authority = url.authority().context("the URL names no host")?;
        let host = authority.host();
        let bare = host.strip_prefix('[').and_then(|h| h.strip_suffix(']')).unwrap_or(host);
        let port = authority.port_u16().unwrap_or(if tls { 443 } else { 80 });
        let shown = match authority.port() {
            Some(port) => format!("{host}:{port}"),
            None => host.to_owned(),
        };
        let root = uri::PathAndQuery::from_static("/");
        let path = url.path_and_query().filter(|path| path.as_str().starts_with('/')).cloned();
        let path = match (path, url.query()) {
            (Some(path), _) => path,
            (None, Some(query)) => format!("/?{query}").parse()?,
            (None, None) => root,
        };
        Ok(Self {
            origin: Origin { tls, host: bare.to_owned(), port },
            authority: HeaderValue::from_str(&shown)?,
            path,
            headers: HeaderMap::new(),
        })
    }

    /// With a header.
    ///
    /// # Errors
    /// When name or value can't be sent.
    pub fn header(mut self, name: &str, value: &str) -> anyhow::Result<Self> {
        let (name, value) = header(name, value)?;
        self.headers.insert(name, value);
        Ok(self)
    }

    /// With a header that nobody else may see.
    ///
    /// # Errors
    /// When name or value can't be sent.
    pub fn secret_header(mut self, name: &str, value: &str) -> anyhow::Result<Self> {
        let (name, mut value) = header(name, value)?;
        value.set_sensitive(true);
        self.headers.insert(name, value);
        Ok(self)
    }

    /// With basic authentication (RFC 7617).
    ///
    /// # Errors
    /// Never: what base64 makes can be sent.
    pub fn basic(self, username: &str, password: &str) -> anyhow::Result<Self> {
        let value = format!("Basic {}", STANDARD.encode(format!("{username}:{password}")));
        self.secret_header(AUTHORIZATION.as_str(), &value)
    }

    /// Where a redirection leads. Secrets stay behind when that is another origin.
    pub fn redirected(&self, location: &str) -> Option<Self> {
        let absolute = match location {
            l if l.starts_with("//") => format!("{}:{l}", self.scheme()),
            l if l.starts_with('/') => format!("{}{l}", self.base()),
            l if l.contains("://") => l.to_owned(),
            l => {
                let folder = self.path.path().rsplit_once('/').map_or("", |(folder, _)| folder);
                format!("{}{folder}/{l}", self.base())
            }
        };
        let absolute = absolute.split('#').next().unwrap_or_default();
        let mut there = Self::parse(absolute).ok()?;
        let same = there.origin == self.origin;
        let kept = self.headers.iter().filter(|(_, value)| same || !value.is_sensitive());
        there.headers = kept.map(|(name, value)| (name.clone(), value.clone())).collect();
        Some(there)
    }

    fn scheme(&self) -> &'static str {
        if self.origin.tls { "https" } else { "http" }
    }

    /// The URL up to its path.
    fn base(&self) -> String {
        format!("{}://{}", self.scheme(), self.authority.to_str().unwrap_or_default())
    }

    /// The whole URL, as a proxy wants it.
    pub fn url(&self) -> String {
        format!("{}{}", self.base(), self.path)
    }
}

fn header(name: &str, value: &str) -> anyhow::Result<(HeaderName, HeaderValue)> {
    let name: HeaderName = name.parse().with_context(|| format!("\"{name}\" is not the name of a header"))?;
    // The value may be a secret, so it is not shown.
    let value = value.parse().with_context(|| format!("the value of the header {name} can't be sent"))?;
    Ok((name, value))
}

impl fmt::Display for Endpoint {
    /// The URL without its query, which may hold a token.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}{}", self.base(), self.path.path())
    }
}

impl fmt::Debug for Endpoint {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Endpoint({self})")
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_url_has_an_origin_and_a_path() {
        let endpoint = Endpoint::parse("https://[::1]:9200/a/b?c=d").unwrap();
        assert_eq!(endpoint.origin, Origin { tls: true, host: "::1".into(), port: 9200 });
        assert_eq!(endpoint.authority, "[::1]:9200");
        assert_eq!(endpoint.path, "/a/b?c=d");
        assert_eq!(endpoint.to_string(), "https://[::1]:9200/a/b");
        assert_eq!(Endpoint::parse("http://host").unwrap().url(), "http://host/");
        assert_eq!(Endpoint::parse("http://host?x=1").unwrap().url(), "http://host/?x=1");
        assert!(Endpoint::parse("ftp://host").is_err());
    }

    #[test]
    fn a_redirection_to_another_origin_leaves_secrets_behind() {
        let endpoint = Endpoint::parse("http://host/a/b").unwrap();
        let endpoint = endpoint.header("x-kind", "logs").unwrap().basic("user", "secret").unwrap();
        let near = endpoint.redirected("/c").unwrap();
        assert_eq!(near.url(), "http://host/c");
        assert!(near.headers.contains_key(AUTHORIZATION));
        assert_eq!(endpoint.redirected("c").unwrap().url(), "http://host/a/c");
        let far = endpoint.redirected("https://other/c#top").unwrap();
        assert_eq!(far.url(), "https://other/c");
        assert!(far.headers.contains_key("x-kind"));
        assert!(!far.headers.contains_key(AUTHORIZATION));
    }
}
