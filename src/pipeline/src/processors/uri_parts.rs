//! `uri_parts`: a URI to its parts, as Elasticsearch does.

use super::target::Target;
use super::url_decode::decode;
use crate::compile::spec::{FIELD, IGNORE_MISSING, optional};
use crate::compile::{Example, Options, Outcome, Reported, Spec};
use crate::context::Context;
use crate::failure::Failure;
use crate::step::{Flow, Processor, Ran};
use event::model::{Children, KeyId, Slot};
use memchr::{memchr, memrchr};

pub(super) static SPEC: Spec = Spec {
    name: "uri_parts",
    family: "parse",
    summary: "Splits a URI into scheme, domain, port, path, extension, query, fragment and user.",
    details: "Path, fragment and user are percent-decoded, the query stays as it is, so that it can still be split. Of http, https, \
              ftp and file, characters that a URI may not have are let through; elsewhere they are a failure.",
    options: &[
        FIELD,
        optional("target_field", "url", "Where the object goes."),
        optional("keep_original", "true", "Put the URI itself into the object as `original`."),
        optional("remove_if_successful", "false", "Remove the field afterwards."),
        IGNORE_MISSING,
    ],
    examples: &[
        Example {
            title: "all parts",
            event: r#"{"u": "https://ann:pw@www.example.com:8080/a%20b/c.txt?x=1&y=%26#top"}"#,
            processors: "- uri_parts: {field: u, keep_original: false, remove_if_successful: true}",
            outcome: Outcome::Event(
                r#"{"url": {"scheme": "https", "domain": "www.example.com", "port": 8080, "path": "/a b/c.txt", "extension": "txt", "query": "x=1&y=%26", "fragment": "top", "user_info": "ann:pw", "username": "ann", "password": "pw"}}"#,
            ),
        },
        Example {
            title: "no URI",
            event: r#"{"u": "not:\\/_a_valid_uri"}"#,
            processors: "- uri_parts: {field: u}",
            outcome: Outcome::Fails("is no uri"),
        },
    ],
    compile,
};

struct UriParts {
    target: Target,
    keep_original: bool,
    remove: bool,
    names: Names,
}

struct Names {
    original: KeyId,
    scheme: KeyId,
    domain: KeyId,
    port: KeyId,
    path: KeyId,
    extension: KeyId,
    query: KeyId,
    fragment: KeyId,
    user_info: KeyId,
    username: KeyId,
    password: KeyId,
}

fn compile(options: &mut Options<'_, '_>) -> Result<Box<dyn Processor>, Reported> {
    let key = |name: &str| options.keys().compiled(name);
    let names = Names {
        original: key("original"),
        scheme: key("scheme"),
        domain: key("domain"),
        port: key("port"),
        path: key("path"),
        extension: key("extension"),
        query: key("query"),
        fragment: key("fragment"),
        user_info: key("user_info"),
        username: key("username"),
        password: key("password"),
    };
    Ok(Box::new(UriParts {
        target: Target::read_or(options, &["url"])?,
        keep_original: options.flag("keep_original", true)?,
        remove: options.flag("remove_if_successful", false)?,
        names,
    }))
}

impl Processor for UriParts {
    fn run(&self, cx: &mut Context<'_>) -> Ran {
        let Some(span) = self.target.text(cx)? else { return Ok(Flow::Next) };
        let map = cx.with_bytes(span, |cx, text| {
            let uri = Uri::parse(text).map_err(|why| Failure::fixed(why).at(&self.target.field))?;
            let mut map = Children::EMPTY;
            if self.keep_original {
                cx.event.append_to(&mut map, self.names.original, Slot::Text(span))?;
            }
            self.add(cx, &mut map, &uri)?;
            Ok::<_, Failure>(map)
        })?;
        if self.remove && self.target.field != self.target.target {
            cx.event.remove(&self.target.field);
        }
        self.target.put(cx, Slot::Map(map))?;
        Ok(Flow::Next)
    }
}

impl UriParts {
    fn add(&self, cx: &mut Context<'_>, map: &mut Children, uri: &Uri<'_>) -> Result<(), Failure> {
        let names = &self.names;
        if let Some(port) = uri.port {
            cx.event.append_to(map, names.port, Slot::Int(i64::from(port)))?;
        }
        let extension = uri.path.and_then(extension);
        let (user, password) = match uri.user_info.map(|info| (info, memchr(b':', info))) {
            Some((info, Some(colon))) => (Some(&info[..colon]), Some(&info[colon + 1..])),
            _ => (None, None),
        };
        let decoded = [
            (names.path, uri.path),
            (names.extension, extension),
            (names.fragment, uri.fragment),
            (names.user_info, uri.user_info),
            (names.username, user),
            (names.password, password),
        ];
        for (key, text) in decoded {
            let Some(text) = text else { continue };
            let (span, _) = cx.event.add_written(|out| decode(text, b'+', out))?;
            cx.event.append_to(map, key, Slot::Text(span))?;
        }
        for (key, text) in [(names.scheme, uri.scheme), (names.domain, uri.host), (names.query, uri.query)] {
            let Some(text) = text else { continue };
            let text = cx.event.text(text)?;
            cx.event.append_to(map, key, text)?;
        }
        Ok(())
    }
}

/// What is behind the last dot of the last part of a path.
fn extension(path: &[u8]) -> Option<&[u8]> {
    let file = &path[memrchr(b'/', path)?..];
    memrchr(b'.', file).map(|dot| &file[dot + 1..])
}

/// The parts of a URI (RFC 3986 §3), as they stand in it.
#[derive(Debug, Default)]
struct Uri<'u> {
    scheme: Option<&'u [u8]>,
    user_info: Option<&'u [u8]>,
    host: Option<&'u [u8]>,
    port: Option<u16>,
    /// None where what follows the scheme is no path, as in `mailto:ann@example.com`.
    path: Option<&'u [u8]>,
    query: Option<&'u [u8]>,
    fragment: Option<&'u [u8]>,
}

impl<'u> Uri<'u> {
    fn parse(text: &'u [u8]) -> Result<Self, &'static str> {
        let mut uri = Self::default();
        let mut rest = text;
        let scheme_len =
            text.iter().take_while(|byte| byte.is_ascii_alphanumeric() || b"+-.".contains(byte)).count();
        if text.get(scheme_len) == Some(&b':') && text[0].is_ascii_alphabetic() {
            uri.scheme = Some(&text[..scheme_len]);
            rest = &text[scheme_len + 1..];
        }
        let is_lenient = uri.scheme.is_some_and(|scheme| {
            [&b"http"[..], b"https", b"ftp", b"file"].iter().any(|known| known.eq_ignore_ascii_case(scheme))
        });
        if !is_lenient && rest.iter().any(|byte| !is_of_uri(*byte)) {
            return Err("is no uri: it has a character that a uri may not have");
        }
        if let Some(at) = memchr(b'#', rest) {
            uri.fragment = Some(&rest[at + 1..]);
            rest = &rest[..at];
        }
        if uri.scheme.is_some() && !rest.starts_with(b"/") {
            if rest.is_empty() {
                return Err("is no uri: nothing follows the scheme");
            }
            return Ok(uri);
        }
        if let Some(at) = memchr(b'?', rest) {
            uri.query = Some(&rest[at + 1..]);
            rest = &rest[..at];
        }
        if let Some(behind) = rest.strip_prefix(b"//") {
            let end = memchr(b'/', behind).unwrap_or(behind.len());
            uri.authority(&behind[..end])?;
            rest = &behind[end..];
        }
        uri.path = Some(rest);
        Ok(uri)
    }

    fn authority(&mut self, authority: &'u [u8]) -> Result<(), &'static str> {
        let host_and_port = match memrchr(b'@', authority) {
            Some(at) => {
                self.user_info = Some(&authority[..at]);
                &authority[at + 1..]
            }
            None => authority,
        };
        let host_len = match memchr(b']', host_and_port) {
            Some(at) if host_and_port.starts_with(b"[") => at + 1,
            _ => memchr(b':', host_and_port).unwrap_or(host_and_port.len()),
        };
        let (host, port) = host_and_port.split_at(host_len);
        if host.iter().any(|byte| byte.is_ascii_whitespace() || *byte == b'\\') {
            return Err("is no uri: its host has a blank or backslash");
        }
        self.host = Some(host).filter(|host| !host.is_empty());
        self.port = match port.strip_prefix(b":") {
            Some(b"") => None,
            Some(digits) => {
                let port = std::str::from_utf8(digits).ok().and_then(|digits| digits.parse().ok());
                Some(port.ok_or("is no uri: its port is no number up to 65535")?)
            }
            None if port.is_empty() => None,
            None => return Err("is no uri: something follows its host"),
        };
        Ok(())
    }
}

/// Whether a URI may have the character, letters outside ASCII included.
fn is_of_uri(byte: u8) -> bool {
    byte >= 0x80 || (byte.is_ascii_graphic() && !b"\"<>\\^`{|}".contains(&byte))
}
