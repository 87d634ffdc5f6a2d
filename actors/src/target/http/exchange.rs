//! One attempt: a request to an endpoint, and its whole answer.
//!
//! A connection from the pool may have been closed by its peer just now; then the request goes out once more on a
//! fresh one. Redirections are followed with the same method and body: turning a POST into a GET
//! (as browsers do for 301 and 302) would lose the events.

use super::body::Body;
use super::connect::connect;
use super::dialect::{Answer, Trouble};
use super::endpoint::Endpoint;
use super::pool::Pool;
use super::settings::HttpSettings;
use http::header::{
    CONNECTION, CONTENT_ENCODING, HOST, HeaderMap, HeaderValue, LOCATION, PROXY_AUTHORIZATION, RETRY_AFTER,
    USER_AGENT,
};
use http::{Request, Response, StatusCode};
use http_body_util::BodyExt;
use hyper::body::Incoming;
use hyper::client::conn::http1::{self, SendRequest};
use hyper_util::rt::TokioIo;
use std::error::Error;
use std::time::{Duration, SystemTime};

/// Most redirections in a row.
const MAX_REDIRECTIONS: usize = 5;
const AGENT: HeaderValue = HeaderValue::from_static("vmetric-director");
const GZIP: HeaderValue = HeaderValue::from_static("gzip");
const CLOSE: HeaderValue = HeaderValue::from_static("close");

/// What attempts have in common.
#[derive(Clone, Copy, Debug)]
pub struct Exchange<'a> {
    /// Where and how.
    pub settings: &'a HttpSettings,
    /// Connections.
    pub pool: &'a Pool,
}

/// Why an attempt on a connection failed.
enum Failure {
    /// The connection ended before the first byte of an answer.
    Closed(Trouble),
    /// Anything else.
    Other(Trouble),
}

impl Exchange<'_> {
    /// Sends a request and reads its answer, at most so many bytes of the body.
    ///
    /// # Errors
    /// When there is no whole answer.
    pub async fn attempt(
        &self,
        endpoint: &Endpoint,
        body: &Body,
        answer_bytes: usize,
    ) -> Result<Answer, Trouble> {
        let mut redirected: Option<Endpoint> = None;
        for _ in 0..=MAX_REDIRECTIONS {
            let here = redirected.as_ref().unwrap_or(endpoint);
            let (answer, location) = self.at(here, body, answer_bytes).await?;
            let Some(location) = location.filter(|_| self.settings.follow_redirects) else {
                return Ok(answer);
            };
            let Some(next) = here.redirected(&location) else {
                let text = format!("it redirects to \"{location}\", which is not a URL; correct the url");
                return Err(Trouble { name: "redirected", text });
            };
            redirected = Some(next);
        }
        let text = format!("it redirects more than {MAX_REDIRECTIONS} times; correct the url");
        Err(Trouble { name: "redirected", text })
    }

    /// Sends a request to just this endpoint; gives the answer, and where it leads if it redirects.
    async fn at(
        &self,
        endpoint: &Endpoint,
        body: &Body,
        answer_bytes: usize,
    ) -> Result<(Answer, Option<String>), Trouble> {
        if let Some(connection) = self.pool.take(&endpoint.origin).await {
            match self.on(connection, endpoint, body, answer_bytes).await {
                Ok(answered) => return Ok(answered),
                Err(Failure::Other(trouble)) => return Err(trouble),
                Err(Failure::Closed(_)) => {}
            }
        }
        let io = connect(&endpoint.origin, self.settings).await?;
        let handshake = http1::handshake(TokioIo::new(io)).await;
        let (connection, driver) = handshake.map_err(|e| broken(&e).into_trouble())?;
        // It ends by itself when its connection is dropped; what goes wrong is told to whoever waits for the answer.
        tokio::spawn(driver);
        self.on(connection, endpoint, body, answer_bytes).await.map_err(Failure::into_trouble)
    }

    /// Sends a request on a connection, which goes to the pool after a whole answer.
    async fn on(
        &self,
        mut connection: SendRequest<Body>,
        endpoint: &Endpoint,
        body: &Body,
        answer_bytes: usize,
    ) -> Result<(Answer, Option<String>), Failure> {
        let limit = self.settings.limits.request;
        let exchange = async {
            let response = connection.send_request(self.request(endpoint, body)?).await;
            let response = response.map_err(|e| broken(&e))?;
            let (status, headers) = (response.status(), response.headers());
            let retry_after = retry_after(headers, SystemTime::now());
            let follow = matches!(status.as_u16(), 301 | 302 | 307 | 308);
            let location = headers.get(LOCATION).filter(|_| follow).and_then(|l| l.to_str().ok());
            let location = location.map(str::to_owned);
            let (body, whole) = self.read(status, response, answer_bytes).await?;
            Ok::<_, Failure>((Answer { status, retry_after, body }, location, whole))
        };
        let Ok(answered) = tokio::time::timeout(limit, exchange).await else {
            let text = format!("it did not answer within {limit:?}");
            return Err(Failure::Other(Trouble { name: "timed_out", text }));
        };
        let (answer, location, whole) = answered?;
        if whole && self.settings.keep_alive {
            self.pool.put(&endpoint.origin, connection);
        }
        Ok((answer, location))
    }

    fn request(&self, endpoint: &Endpoint, body: &Body) -> Result<Request<Body>, Failure> {
        let HttpSettings { method, gzip, keep_alive, proxies, .. } = self.settings;
        let proxy = proxies.to(&endpoint.origin).filter(|_| !endpoint.origin.tls);
        let uri = match proxy {
            Some(_) => endpoint.url().parse(),
            None => Ok(endpoint.path.clone().into()),
        };
        let invalid =
            |e: http::uri::InvalidUri| Failure::Other(Trouble { name: "other", text: e.to_string() });
        let mut request = Request::new(body.clone());
        *request.method_mut() = method.clone();
        *request.uri_mut() = uri.map_err(invalid)?;
        let headers = request.headers_mut();
        headers.insert(HOST, endpoint.authority.clone());
        headers.insert(USER_AGENT, AGENT);
        if *gzip {
            headers.insert(CONTENT_ENCODING, GZIP);
        }
        if !keep_alive {
            headers.insert(CONNECTION, CLOSE);
        }
        if let Some(authorization) = proxy.and_then(|proxy| proxy.authorization.clone()) {
            headers.insert(PROXY_AUTHORIZATION, authorization);
        }
        // What the configuration says goes last, so that it can replace what was said here.
        for (name, value) in &endpoint.headers {
            headers.insert(name, value.clone());
        }
        Ok(request)
    }

    /// Reads a body; whether to its end, so that the connection can be used again.
    async fn read(
        &self,
        status: StatusCode,
        response: Response<Incoming>,
        limit: usize,
    ) -> Result<(Vec<u8>, bool), Failure> {
        let mut body = response.into_body();
        let mut read = Vec::new();
        loop {
            let pause = self.settings.limits.pause;
            let frame = match tokio::time::timeout(pause, body.frame()).await {
                Ok(Some(frame)) => frame,
                Ok(None) => return Ok((read, true)),
                Err(_) => {
                    let text = format!("it stopped for {pause:?} within its answer {status}");
                    return Err(Failure::Other(Trouble { name: "timed_out", text }));
                }
            };
            let half = |e| {
                let Trouble { name, text } = broken(&e).into_trouble();
                Failure::Other(Trouble { name, text: format!("its answer {status} is incomplete: {text}") })
            };
            if let Ok(data) = frame.map_err(half)?.into_data() {
                let room = limit - read.len();
                if data.len() > room {
                    read.extend_from_slice(&data[..room]);
                    return Ok((read, false));
                }
                read.extend_from_slice(&data);
            }
        }
    }
}

/// `Retry-After`: seconds, or a date (RFC 9110 §10.2.3).
fn retry_after(headers: &HeaderMap, now: SystemTime) -> Option<Duration> {
    let value = headers.get(RETRY_AFTER)?.to_str().ok()?.trim();
    if let Ok(seconds) = value.parse() {
        return Some(Duration::from_secs(seconds));
    }
    let at = httpdate::parse_http_date(value).ok()?;
    Some(at.duration_since(now).unwrap_or_default())
}

fn broken(e: &hyper::Error) -> Failure {
    let mut text = e.to_string();
    let mut cause = e.source();
    while let Some(e) = cause {
        text = format!("{text}: {e}");
        cause = e.source();
    }
    let closed = e.is_incomplete_message() || e.is_canceled() || e.is_closed();
    let io = e.source().and_then(|e| e.downcast_ref::<std::io::Error>());
    let name = match io {
        Some(e) => crate::target::trouble::trouble_name(e),
        None if closed => "closed",
        None => "protocol",
    };
    let trouble = Trouble { name, text: format!("the connection broke: {text}") };
    if closed || io.is_some() { Failure::Closed(trouble) } else { Failure::Other(trouble) }
}

impl Failure {
    fn into_trouble(self) -> Trouble {
        match self {
            Failure::Closed(trouble) | Failure::Other(trouble) => trouble,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::super::body::BodyWriter;
    use super::super::plain::Plain;
    use super::super::proxy::Proxies;
    use super::super::settings::{Gather, RetryPolicy, TimeLimits};
    use super::*;
    use http::Method;
    use security::tls::{ClientSettings, Reloading, Verify, client_config};
    use std::sync::Arc;
    use tokio::io::{AsyncReadExt, AsyncWriteExt};
    use tokio::net::TcpListener;

    #[test]
    fn retry_after_is_seconds_or_a_date() {
        let after = |value: &'static str| {
            let headers = HeaderMap::from_iter([(RETRY_AFTER, HeaderValue::from_static(value))]);
            retry_after(&headers, SystemTime::UNIX_EPOCH)
        };
        assert_eq!(after("7"), Some(Duration::from_secs(7)));
        assert_eq!(after("Thu, 01 Jan 1970 00:01:00 GMT"), Some(Duration::from_secs(60)));
        assert_eq!(after("soon"), None);
    }

    fn settings(url: &str, proxies: Proxies) -> HttpSettings {
        let tls = ClientSettings { verify: Verify::Nothing, ..ClientSettings::default() };
        let limit = Duration::from_secs(30);
        HttpSettings {
            endpoints: vec![Endpoint::parse(url).unwrap()],
            shuffle: false,
            dialect: Arc::new(Plain::Lines),
            method: Method::POST,
            gzip: false,
            gather: Gather { events: 1, bytes: 1, time: Duration::ZERO },
            in_flight: 1,
            limits: TimeLimits { connect: limit, request: limit, pause: limit },
            keep_alive: true,
            follow_redirects: true,
            retry: RetryPolicy { at_once: 1, first: limit, most: limit },
            tls: Reloading::new(Vec::new(), move || client_config(&tls)),
            proxies,
        }
    }

    /// What a proxy is asked when a request to this URL goes through it; it answers with `answer`.
    async fn asked(url: &str, answer: &'static str) -> (String, Result<Answer, Trouble>) {
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let proxy = format!("http://me:secret@{}", listener.local_addr().unwrap());
        let variable = |name: &str| name.ends_with("_PROXY").then(|| proxy.clone());
        let proxies = Proxies::from_variables(|name| variable(name).filter(|_| name != "NO_PROXY")).unwrap();
        let settings = settings(url, proxies);
        let pool = Pool::new(1);
        let exchange = Exchange { settings: &settings, pool: &pool };
        let mut body = BodyWriter::default();
        body.text.extend_from_slice(b"event");
        let body = body.finish();
        let serve = async {
            let (mut socket, _) = listener.accept().await.unwrap();
            let mut request = Vec::new();
            while !request.ends_with(b"\r\n\r\n") && !request.ends_with(b"event") {
                request.push(socket.read_u8().await.unwrap());
            }
            socket.write_all(answer.as_bytes()).await.unwrap();
            String::from_utf8(request).unwrap()
        };
        tokio::join!(serve, exchange.attempt(&settings.endpoints[0], &body, 100))
    }

    #[tokio::test]
    async fn a_proxy_gets_the_whole_url_or_is_asked_for_a_tunnel() {
        let done = "HTTP/1.1 200 OK\r\nContent-Length: 0\r\n\r\n";
        let (mut request, _) = asked("http://host.example/a?b=c", done).await;
        request.make_ascii_lowercase();
        assert!(request.starts_with("post http://host.example/a?b=c http/1.1\r\n"), "{request}");
        assert!(request.contains("host: host.example\r\n"), "{request}");
        assert!(request.contains("proxy-authorization: basic "), "{request}");

        let denied = "HTTP/1.1 403 Forbidden\r\n\r\n";
        let (request, answer) = asked("https://host.example/a", denied).await;
        assert!(request.starts_with("CONNECT host.example:443 HTTP/1.1\r\nHost: host.example:443\r\n"));
        let trouble = answer.unwrap_err();
        assert_eq!(trouble.name, "proxy");
        assert!(trouble.text.contains("403 Forbidden"), "{}", trouble.text);
    }
}
