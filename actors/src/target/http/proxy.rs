//! The proxies of the environment: `HTTP_PROXY`, `HTTPS_PROXY`, `NO_PROXY`, in capitals or not.
//!
//! There is no standard; this is what curl does: a proxy is a URL, `NO_PROXY` lists hosts, domains with all that is
//! below them (with or without a leading dot), networks are not understood, `*` is everything.

use super::endpoint::{Endpoint, Origin};
use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use http::HeaderValue;
use std::fmt;

/// A proxy.
#[derive(Clone)]
pub struct Proxy {
    /// Host name or address.
    pub host: String,
    /// Port.
    pub port: u16,
    /// `Proxy-Authorization`, if the URL has credentials.
    pub authorization: Option<HeaderValue>,
}

/// Which proxy to go through.
#[derive(Clone, Debug, Default)]
pub struct Proxies {
    http: Option<Proxy>,
    https: Option<Proxy>,
    direct: Vec<String>,
}

impl Proxies {
    /// Those of the process's environment.
    ///
    /// # Errors
    /// When a variable is set to something that is no proxy.
    pub fn from_environment() -> anyhow::Result<Self> {
        Self::from_variables(|name| std::env::var(name).ok())
    }

    /// Those that these variables name.
    ///
    /// # Errors
    /// When a variable is set to something that is no proxy.
    pub fn from_variables(variable: impl Fn(&str) -> Option<String>) -> anyhow::Result<Self> {
        let either = |name: &str| {
            let value = variable(&name.to_ascii_lowercase()).or_else(|| variable(name));
            value.filter(|value| !value.trim().is_empty())
        };
        let proxy = |name: &str| {
            let value = either(name).or_else(|| either("ALL_PROXY"));
            let parse = |value: String| {
                let proxy = Proxy::parse(value.trim());
                // The value may hold a password, so it is not shown.
                proxy.ok_or_else(|| anyhow::anyhow!("{name} is not a proxy such as http://host:3128"))
            };
            value.map(parse).transpose()
        };
        let direct = either("NO_PROXY").unwrap_or_default();
        let direct = direct.split(',').map(|host| host.trim().trim_start_matches('.').to_ascii_lowercase());
        Ok(Self {
            http: proxy("HTTP_PROXY")?,
            https: proxy("HTTPS_PROXY")?,
            direct: direct.filter(|host| !host.is_empty()).collect(),
        })
    }

    /// The proxy on the way to an origin.
    pub fn to(&self, origin: &Origin) -> Option<&Proxy> {
        let host = origin.host.to_ascii_lowercase();
        let covers = |pattern: &String| {
            let below = host.strip_suffix(pattern.as_str()).is_some_and(|rest| rest.ends_with('.'));
            pattern == "*" || host == *pattern || below
        };
        let proxy = if origin.tls { &self.https } else { &self.http };
        proxy.as_ref().filter(|_| !self.direct.iter().any(covers))
    }
}

impl Proxy {
    /// `http://user:password@host:port`, of which only the host is needed.
    fn parse(text: &str) -> Option<Self> {
        let rest = match text.split_once("://") {
            Some(("http", rest)) => rest,
            Some(_) => return None,
            None => text,
        };
        let rest = rest.split('/').next()?;
        let (credentials, host) = match rest.rsplit_once('@') {
            Some((credentials, host)) => (Some(credentials), host),
            None => (None, rest),
        };
        let Origin { host, port, .. } = Endpoint::parse(&format!("http://{host}")).ok()?.origin;
        let authorization = credentials.map(|credentials| {
            let value = format!("Basic {}", STANDARD.encode(unescaped(credentials)));
            let mut value = HeaderValue::from_str(&value).ok()?;
            value.set_sensitive(true);
            Some(value)
        });
        Some(Self { host, port, authorization: authorization.flatten() })
    }
}

/// A text with its `%41` as bytes.
fn unescaped(text: &str) -> Vec<u8> {
    let mut bytes = Vec::new();
    let mut rest = text.as_bytes();
    while let Some((&byte, after)) = rest.split_first() {
        let escape = (byte == b'%').then(|| after.get(..2)).flatten();
        let value = escape.and_then(|hex| u8::from_str_radix(std::str::from_utf8(hex).ok()?, 16).ok());
        bytes.push(value.unwrap_or(byte));
        rest = if value.is_some() { &after[2..] } else { after };
    }
    bytes
}

impl fmt::Debug for Proxy {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Proxy({}:{})", self.host, self.port)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn proxies(variables: &[(&str, &str)]) -> anyhow::Result<Proxies> {
        let find = |name: &str| variables.iter().find(|(n, _)| *n == name).map(|(_, v)| (*v).to_owned());
        Proxies::from_variables(find)
    }

    fn origin(tls: bool, host: &str) -> Origin {
        Origin { tls, host: host.into(), port: 1 }
    }

    #[test]
    fn a_proxy_is_chosen_by_scheme_and_host() {
        let variables = [
            ("http_proxy", "http://us%40er:pw@proxy:3128/"),
            ("HTTPS_PROXY", "secure:8443"),
            ("NO_PROXY", "localhost, .inside.example"),
        ];
        let proxies = proxies(&variables).unwrap();
        let plain = proxies.to(&origin(false, "host")).unwrap();
        assert_eq!((plain.host.as_str(), plain.port), ("proxy", 3128));
        let credentials = format!("Basic {}", STANDARD.encode("us@er:pw"));
        assert_eq!(plain.authorization.as_ref().unwrap(), &credentials);
        assert_eq!(proxies.to(&origin(true, "host")).unwrap().port, 8443);
        for direct in ["localhost", "inside.example", "a.INSIDE.example"] {
            assert!(proxies.to(&origin(true, direct)).is_none(), "{direct}");
        }
        assert!(proxies.to(&origin(true, "outside.example")).is_some());
    }

    #[test]
    fn nothing_is_taken_for_a_proxy_by_mistake() {
        assert!(proxies(&[("HTTP_PROXY", " ")]).unwrap().to(&origin(false, "host")).is_none());
        assert!(proxies(&[("HTTP_PROXY", "socks5://host")]).is_err());
    }
}
