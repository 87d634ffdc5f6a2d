//! What a request's head has to be like before its body is read.

use super::credentials::Proof;
use super::refusal::Refusal;
use super::settings::HttpSettings;
use http::header::{CONTENT_ENCODING, CONTENT_LENGTH, CONTENT_TYPE, HeaderMap};
use http::{Method, request};

/// What a head that was let through says about the body.
pub struct Admitted {
    /// What is still to be proved.
    pub proof: Proof,
    /// Whether the body is compressed.
    pub gzip: bool,
    /// Its content type, as sent.
    pub content_type: Option<String>,
    /// Its length as sent, if it says so.
    pub length: Option<usize>,
}

/// Checks a request's head.
///
/// # Errors
/// When it is not to be taken.
pub fn admit(head: &request::Parts, settings: &HttpSettings) -> Result<Admitted, Refusal> {
    if head.uri.path() != settings.path {
        return Err(Refusal::Path);
    }
    if head.method != Method::POST {
        return Err(Refusal::Method);
    }
    let proof = settings.credentials.check(&head.headers)?;
    let content_type = text(&head.headers, &CONTENT_TYPE);
    if !content_type.as_deref().is_none_or(|sent| is_wanted(sent, &settings.content_type)) {
        return Err(Refusal::Type { wanted: settings.content_type.clone() });
    }
    let gzip = match text(&head.headers, &CONTENT_ENCODING).unwrap_or_default().to_ascii_lowercase().as_str()
    {
        "" | "identity" => false,
        "gzip" | "x-gzip" => true,
        _ => return Err(Refusal::Encoding),
    };
    let length = text(&head.headers, &CONTENT_LENGTH).and_then(|length| length.parse().ok());
    if length.is_some_and(|length| length > settings.max_body_bytes) {
        return Err(Refusal::TooLarge(settings.max_body_bytes));
    }
    Ok(Admitted { proof, gzip, content_type, length })
}

fn text(headers: &HeaderMap, name: &http::HeaderName) -> Option<String> {
    headers.get(name)?.to_str().ok().map(|value| value.trim().to_owned())
}

/// A device for JSON takes JSON of any kind: several events may come one a line, or under a name of their own.
fn is_wanted(sent: &str, wanted: &str) -> bool {
    let media = sent.split(';').next().unwrap_or_default().trim().to_ascii_lowercase();
    let json = || {
        let lines = ["application/x-ndjson", "application/ndjson", "application/jsonl", "text/json"];
        wanted == "application/json" && (media.ends_with("+json") || lines.contains(&media.as_str()))
    };
    media == wanted || json()
}
