//! Why a request is not taken, and what its sender is told. Nothing of a refused request becomes an event.

use bytes::Bytes;
use event::model::json_write::write_text;
use http::header::{ACCEPT_ENCODING, ALLOW, CONNECTION, CONTENT_TYPE, RETRY_AFTER, WWW_AUTHENTICATE};
use http::{HeaderValue, Response, StatusCode};
use http_body_util::Full;
use std::time::Duration;

/// Whoever was refused for want of room or time may come again after so many seconds.
const COME_AGAIN: HeaderValue = HeaderValue::from_static("1");

/// Why a request is not taken.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Refusal {
    /// Another path than the device's.
    Path,
    /// Not POST.
    Method,
    /// No credentials, or wrong ones; with basic authentication a browser may ask for them.
    Credentials {
        /// Whether basic authentication is wanted.
        basic: bool,
    },
    /// Another content type than the device's.
    Type {
        /// The one that is wanted.
        wanted: String,
    },
    /// Compressed in a way that we don't know.
    Encoding,
    /// A body over the limit, which is in bytes.
    TooLarge(usize),
    /// Over the device's rate limit, for so long.
    Rate(Duration),
    /// No memory budget at present.
    Full,
    /// The body did not go on in time.
    Slow,
    /// The body is broken off, or not what it says it is.
    Broken(String),
    /// The events were taken in but are not delivered yet.
    NotYet,
}

impl Refusal {
    /// The name in the metrics.
    pub fn name(&self) -> &'static str {
        match self {
            Refusal::Path => "not_found",
            Refusal::Method => "method",
            Refusal::Credentials { .. } => "unauthorized",
            Refusal::Type { .. } => "content_type",
            Refusal::Encoding => "encoding",
            Refusal::TooLarge(_) => "too_large",
            Refusal::Rate(_) => "rate",
            Refusal::Full => "no_budget",
            Refusal::Slow => "slow",
            Refusal::Broken(_) => "broken",
            Refusal::NotYet => "not_acknowledged",
        }
    }

    fn status(&self) -> StatusCode {
        match self {
            Refusal::Path => StatusCode::NOT_FOUND,
            Refusal::Method => StatusCode::METHOD_NOT_ALLOWED,
            Refusal::Credentials { .. } => StatusCode::UNAUTHORIZED,
            Refusal::Type { .. } | Refusal::Encoding => StatusCode::UNSUPPORTED_MEDIA_TYPE,
            Refusal::TooLarge(_) => StatusCode::PAYLOAD_TOO_LARGE,
            Refusal::Full | Refusal::NotYet => StatusCode::SERVICE_UNAVAILABLE,
            Refusal::Rate(_) => StatusCode::TOO_MANY_REQUESTS,
            Refusal::Slow => StatusCode::REQUEST_TIMEOUT,
            Refusal::Broken(_) => StatusCode::BAD_REQUEST,
        }
    }

    fn text(&self) -> String {
        match self {
            Refusal::Path => "nothing is taken at this path; check the url".to_owned(),
            Refusal::Method => "only POST is taken".to_owned(),
            Refusal::Credentials { .. } => "the credentials are missing or wrong".to_owned(),
            Refusal::Type { wanted } => format!("the content type is not {wanted}"),
            Refusal::Encoding => "the body is compressed with something else than gzip".to_owned(),
            Refusal::TooLarge(limit) => format!("the body has more than {limit} bytes; send it in parts"),
            Refusal::Rate(_) => "too many events a second; send it again later".to_owned(),
            Refusal::Full => "too much is under way; send it again".to_owned(),
            Refusal::Slow => "the body did not arrive in time".to_owned(),
            Refusal::Broken(why) => why.clone(),
            Refusal::NotYet => "the events are not delivered yet; send them again".to_owned(),
        }
    }

    /// The answer. A connection with a body that was not read to its end is closed after it.
    pub fn answer(&self, body_was_read: bool) -> Response<Full<Bytes>> {
        let mut body = b"{\"message\":".to_vec();
        write_text(self.text().as_bytes(), &mut body);
        body.push(b'}');
        let mut response = Response::new(Full::new(Bytes::from(body)));
        *response.status_mut() = self.status();
        let headers = response.headers_mut();
        headers.insert(CONTENT_TYPE, HeaderValue::from_static("application/json"));
        if !body_was_read {
            headers.insert(CONNECTION, HeaderValue::from_static("close"));
        }
        match self {
            Refusal::Method => headers.insert(ALLOW, HeaderValue::from_static("POST")),
            Refusal::Credentials { basic: true } => {
                headers.insert(WWW_AUTHENTICATE, HeaderValue::from_static("Basic realm=\"events\""))
            }
            Refusal::Encoding => headers.insert(ACCEPT_ENCODING, HeaderValue::from_static("gzip")),
            Refusal::Rate(wait) => {
                // Whole seconds, rounded up.
                headers.insert(RETRY_AFTER, HeaderValue::from(wait.as_secs() + 1))
            }
            Refusal::Full | Refusal::NotYet => headers.insert(RETRY_AFTER, COME_AGAIN),
            _ => None,
        };
        response
    }
}
