//! A signed-in connection: one request, one answer, sealed where the transport is not.
//!
//! ```text
//!   POST, empty     Authorization: Negotiate <NEGOTIATE>      → 401, CHALLENGE
//!   POST, empty     Authorization: Negotiate <AUTHENTICATE>   → 200
//!   POST, sealed …                                            → 200 or 500, sealed
//! ```
//!
//! An answer that was not read to its end leaves the cipher streams out of step: [`Connection::is_usable`] says no from
//! then on.

use super::settings::{SignIn, WindowsSettings};
use super::socket;
use super::trouble::{Again, Trouble};
use crate::data::client_socket::Io;
use bytes::Bytes;
use event::{Hold, Share};
use http::header::{AUTHORIZATION, CONTENT_TYPE, HOST, WWW_AUTHENTICATE};
use http::{HeaderValue, Request, Response};
use http_body_util::{BodyExt, Full};
use hyper::body::Incoming;
use hyper::client::conn::http1::{self, SendRequest};
use hyper_util::rt::TokioIo;
use protocol::winrm::channel_binding::ChannelBinding;
use protocol::winrm::credentials::{Credentials, Secret};
use protocol::winrm::negotiate::{self, Scheme};
use protocol::winrm::ntlm::{Client, ClientOptions, Random, Session};
use protocol::winrm::sealed_body;
use protocol::winrm::wsman::charset;
use rustls::AlertDescription;
use std::net::SocketAddr;
use std::sync::{Arc, OnceLock};
use std::time::{Duration, SystemTime, UNIX_EPOCH};
use tokio::task::AbortHandle;

const SOAP: &str = "application/soap+xml;charset=UTF-8";
/// A larger answer was not asked for.
const MAX_ANSWER_BYTES: usize = 16 << 20;
/// What an answer takes in memory on its way to batches, as a multiple of its length: itself, the opened message, the
/// events as JSON.
const ANSWER_COPIES: u32 = 3;
/// hyper reads into a buffer of this size; with a thousand quiet hosts it matters.
const READ_BUFFER_BYTES: usize = 16 * 1024;
/// From 1601 to 1970, in units of 100 ns.
const EPOCH_1601: u64 = 116_444_736_000_000_000;
/// Header with which a client certificate is announced.
const BY_CERTIFICATE: &str = "http://schemas.dmtf.org/wbem/wsman/1/wsman/secprofile/https/mutual";

/// A connection that is signed in.
pub struct Connection {
    settings: Arc<WindowsSettings>,
    sender: SendRequest<Full<Bytes>>,
    driver: AbortHandle,
    /// Why the host ended TLS, where it said so.
    alert: Arc<OnceLock<AlertDescription>>,
    seal: Option<Box<Session>>,
    /// Sent with every request, where each is signed in by itself.
    authorization: Option<HeaderValue>,
    host: HeaderValue,
    peer: SocketAddr,
    /// What the host's clock showed in its last answer, and when that came.
    clock: Option<(SystemTime, SystemTime)>,
    usable: bool,
}

/// A message that came.
#[derive(Debug)]
pub struct Answer {
    /// The SOAP envelope.
    pub text: String,
    /// The budget that it and what is made of it takes, where a share was given.
    pub hold: Option<Hold>,
}

impl Connection {
    /// Connects and signs in.
    ///
    /// # Errors
    /// When one of the two does not work.
    pub async fn open(settings: &Arc<WindowsSettings>) -> Result<Self, Trouble> {
        let addresses = socket::resolve(settings).await?;
        let socket = socket::connect(settings, &addresses).await?;
        let peer = socket.peer_addr().map_err(|e| Trouble::unreachable(settings, &e))?;
        let (io, binding) = socket::secure(settings, socket).await?;
        let mut connection = Self::begin(settings, io, peer).await?;
        connection.sign_in(binding).await?;
        Ok(connection)
    }

    /// HTTP on a connected socket.
    pub(super) async fn begin(
        settings: &Arc<WindowsSettings>,
        io: Io,
        peer: SocketAddr,
    ) -> Result<Self, Trouble> {
        let mut builder = http1::Builder::new();
        builder.read_buf_exact_size(Some(READ_BUFFER_BYTES));
        let handshake = builder.handshake(TokioIo::new(io)).await;
        let (sender, driving) = handshake.map_err(|e| Trouble::not_http(settings, &e))?;
        let alert = Arc::<OnceLock<AlertDescription>>::default();
        let told = Arc::clone(&alert);
        let driver = tokio::spawn(async move {
            // Its end is seen by whoever waits for an answer, but not always why: with TLS 1.3 a host looks at our
            // certificate when the handshake is over for us (RFC 8446 §4.4.4).
            if let Err(e) = driving.await
                && let Some(alert) = alert_of(&e)
            {
                let _ = told.set(alert);
            }
        });
        let host = HeaderValue::from_str(&settings.endpoint());
        let host = host.map_err(|_| Trouble::new(Again::WhenMended, "the address is no host name"))?;
        Ok(Self {
            settings: Arc::clone(settings),
            sender,
            driver: driver.abort_handle(),
            alert,
            seal: None,
            authorization: None,
            host,
            peer,
            clock: None,
            usable: true,
        })
    }

    /// Whether requests can be sent on it.
    pub fn is_usable(&self) -> bool {
        self.usable && !self.sender.is_closed()
    }

    /// Who is at the other end.
    pub fn peer(&self) -> SocketAddr {
        self.peer
    }

    /// What the host's clock showed in its last answer, and when that came by ours.
    pub(super) fn clock(&self) -> Option<(SystemTime, SystemTime)> {
        self.clock
    }

    pub(super) async fn sign_in(&mut self, binding: Option<ChannelBinding>) -> Result<(), Trouble> {
        let settings = Arc::clone(&self.settings);
        match &settings.sign_in {
            SignIn::Negotiate(credentials) => self.negotiate(credentials, binding).await,
            SignIn::Basic(credentials) => {
                let value = HeaderValue::from_str(&negotiate::basic(credentials));
                let unfit = "the user name or password has characters that basic authentication can't carry";
                let mut value = value.map_err(|_| Trouble::new(Again::WhenMended, unfit))?;
                value.set_sensitive(true);
                self.authorization = Some(value);
                Ok(())
            }
            SignIn::Certificate => {
                self.authorization = Some(HeaderValue::from_static(BY_CERTIFICATE));
                Ok(())
            }
        }
    }

    async fn negotiate(
        &mut self,
        credentials: &Credentials,
        binding: Option<ChannelBinding>,
    ) -> Result<(), Trouble> {
        let settings = Arc::clone(&self.settings);
        let options = ClientOptions {
            target_name: Some(format!("HTTP/{}", settings.host)),
            channel_binding: binding,
            workstation: String::new(),
        };
        let client = Client::begin(options);
        let response = self.token(client.negotiate()).await?;
        let challenge = match (response.status().as_u16(), challenge(&response)) {
            (401, Ok(challenge)) => challenge,
            (401, Err(offered)) => return Err(Trouble::not_offered(&settings, "Negotiate", &offered)),
            (status, _) => return Err(Trouble::status(&settings, status)),
        };
        let random = random()?;
        let made = client.authenticate(&challenge, credentials, &random);
        let (token, session) = made.map_err(|e| Trouble::ntlm(&settings, &e))?;
        let response = self.token(&token).await?;
        match response.status().as_u16() {
            200..=299 => {}
            401 => return Err(Trouble::refused(&settings)),
            status => return Err(Trouble::status(&settings, status)),
        }
        // TLS seals by itself, and Windows wants it so.
        self.seal = settings.tls.is_none().then(|| Box::new(session));
        Ok(())
    }

    /// Sends a token with an empty body, which keeps messages out of the clear.
    async fn token(&mut self, token: &[u8]) -> Result<Response<Bytes>, Trouble> {
        let value = HeaderValue::from_str(&negotiate::header(Scheme::Negotiate, token));
        let mut value = value.map_err(|_| Trouble::new(Again::Soon, "a token is no header"))?;
        value.set_sensitive(true);
        let request = Request::post("/wsman").header(AUTHORIZATION, value).header(CONTENT_TYPE, SOAP);
        let settings = Arc::clone(&self.settings);
        let sending = self.send(request, Bytes::new(), None);
        match tokio::time::timeout(settings.timeout, sending).await {
            Ok(sent) => sent.map(|(response, _)| response),
            Err(_) => Err(Trouble::unreachable(&settings, &std::io::ErrorKind::TimedOut.into())),
        }
    }

    /// Sends a message and waits for its answer, at most so much longer than the host may take. Budget is taken when
    /// the answer begins (R3), not while it is waited for.
    ///
    /// # Errors
    /// When there is no answer, or none that can be understood. SOAP faults are answers.
    pub async fn ask(
        &mut self,
        message: &str,
        operation: Duration,
        share: Option<&Share>,
    ) -> Result<Answer, Trouble> {
        // Whoever gives up waiting leaves the connection out of step.
        let was_usable = std::mem::replace(&mut self.usable, false) && !self.sender.is_closed();
        let settings = Arc::clone(&self.settings);
        if !was_usable {
            let text = format!("{} closed the connection", settings.host);
            return Err(Trouble::new(Again::AtOnce, text));
        }
        let (content_type, body) = match &mut self.seal {
            Some(session) => (sealed_body::CONTENT_TYPE, sealed_body::seal(session, message)),
            None => (SOAP, message.as_bytes().to_vec()),
        };
        let mut request = Request::post("/wsman").header(CONTENT_TYPE, content_type);
        if let Some(value) = &self.authorization {
            request = request.header(AUTHORIZATION, value.clone());
        }
        let answering = self.send(request, body.into(), Some((operation + settings.timeout, share)));
        let (response, hold) = answering.await?;
        let text = self.open_answer(&response)?;
        self.usable = true;
        Ok(Answer { text, hold })
    }

    /// The message in a response.
    fn open_answer(&mut self, response: &Response<Bytes>) -> Result<String, Trouble> {
        let settings = &self.settings;
        let status = response.status().as_u16();
        let body = response.body();
        let content_type = response.headers().get(CONTENT_TYPE).and_then(|value| value.to_str().ok());
        let content_type = content_type.unwrap_or_default();
        if status == 401 {
            return Err(match (&settings.sign_in, challenge(response)) {
                // A sign-in that was good once has run out.
                (SignIn::Negotiate(_), _) => {
                    let text = format!("{} asks for another sign-in", settings.host);
                    Trouble::new(Again::AtOnce, text)
                }
                (SignIn::Basic(_), Err(offered)) if !offered.iter().any(|o| o == "Basic") => {
                    Trouble::not_offered(settings, "Basic", &offered)
                }
                _ => Trouble::refused(settings),
            });
        }
        if body.is_empty() || !matches!(status, 200..=299 | 500) {
            return Err(Trouble::status(settings, status));
        }
        let Some(session) = &mut self.seal else {
            return Ok(charset::text(body, charset::of_content_type(content_type)).into_owned());
        };
        if !sealed_body::is_sealed(content_type) {
            let text = format!(
                "{} answers in the clear what was asked sealed; something changes messages on the way",
                settings.host
            );
            return Err(Trouble::new(Again::Soon, text));
        }
        // Faults are sealed, too: before the status counts, or the streams part ways.
        let opened = sealed_body::open(session, body)
            .map_err(|e| Trouble::new(Again::AtOnce, format!("{}: {e}", settings.host)))?;
        Ok(match String::from_utf8(opened.message) {
            Ok(text) if opened.charset.as_deref().is_none_or(|c| c.eq_ignore_ascii_case("utf-8")) => text,
            Ok(text) => charset::text(text.as_bytes(), opened.charset.as_deref()).into_owned(),
            Err(e) => charset::text(e.as_bytes(), opened.charset.as_deref()).into_owned(),
        })
    }

    /// Sends a request and reads the whole response, within a limit for the wait and another for the rest.
    async fn send(
        &mut self,
        request: http::request::Builder,
        body: Bytes,
        answer: Option<(Duration, Option<&Share>)>,
    ) -> Result<(Response<Bytes>, Option<Hold>), Trouble> {
        let settings = Arc::clone(&self.settings);
        let alert = Arc::clone(&self.alert);
        let broken = |e: &hyper::Error| match alert_of(e).or(alert.get().copied()) {
            Some(alert) => Trouble::alert(&settings, alert),
            None => Trouble::not_http(&settings, e),
        };
        let silent = |limit: Duration| {
            let text = format!("{} did not answer within {limit:?}", settings.endpoint());
            Trouble::new(Again::Soon, text)
        };
        let request = request.header(HOST, self.host.clone()).body(Full::new(body));
        let request =
            request.map_err(|e| Trouble::new(Again::Soon, format!("cannot make a request: {e}")))?;
        let wait = answer.map_or(settings.timeout, |(limit, _)| limit);
        let exchange = async {
            // The answer before may have been read while its connection was not yet done with it.
            self.sender.ready().await?;
            self.sender.send_request(request).await
        };
        let responding = tokio::time::timeout(wait, exchange).await;
        let response = responding.map_err(|_| silent(wait))?.map_err(|e| broken(&e))?;
        let (head, body) = response.into_parts();
        let date = head.headers.get(http::header::DATE).and_then(|date| date.to_str().ok());
        let date = date.and_then(|date| httpdate::parse_http_date(date).ok());
        self.clock = date.map(|date| (date, SystemTime::now()));
        let length =
            head.headers.get(http::header::CONTENT_LENGTH).and_then(|l| l.to_str().ok()?.parse().ok());
        if length.is_some_and(|length: usize| length > MAX_ANSWER_BYTES) {
            return Err(too_large(&settings));
        }
        let hold = match answer.and_then(|(_, share)| share) {
            Some(share) => {
                let bytes = u32::try_from(length.unwrap_or(MAX_ANSWER_BYTES)).unwrap_or(u32::MAX);
                Some(share.take(bytes.saturating_mul(ANSWER_COPIES)).await)
            }
            None => None,
        };
        let reading = tokio::time::timeout(settings.timeout, read(&settings, body, length)).await;
        let body = reading.map_err(|_| silent(settings.timeout))??;
        Ok((Response::from_parts(head, body), hold))
    }
}

impl Drop for Connection {
    fn drop(&mut self) {
        self.driver.abort();
    }
}

/// The TLS alert that ended a connection.
fn alert_of(e: &hyper::Error) -> Option<AlertDescription> {
    let mut source = std::error::Error::source(e);
    while let Some(e) = source {
        let inner = e.downcast_ref::<std::io::Error>().and_then(|e| e.get_ref()?.downcast_ref());
        if let Some(rustls::Error::AlertReceived(alert)) = inner {
            return Some(*alert);
        }
        source = e.source();
    }
    None
}

/// Reads a body to its end.
async fn read(
    settings: &WindowsSettings,
    mut body: Incoming,
    length: Option<usize>,
) -> Result<Bytes, Trouble> {
    let mut bytes = Vec::with_capacity(length.unwrap_or(4096));
    while let Some(frame) = body.frame().await {
        let frame = frame.map_err(|e| {
            let text = format!("{} broke an answer off: {e}", settings.host);
            Trouble::new(Again::AtOnce, text)
        })?;
        let Ok(data) = frame.into_data() else { continue };
        if bytes.len() + data.len() > MAX_ANSWER_BYTES {
            return Err(too_large(settings));
        }
        bytes.extend_from_slice(&data);
    }
    Ok(bytes.into())
}

fn too_large(settings: &WindowsSettings) -> Trouble {
    let text = format!(
        "an answer of {} is larger than {MAX_ANSWER_BYTES} bytes, which nobody asked for",
        settings.host
    );
    Trouble::new(Again::Soon, text)
}

/// The token of a `Negotiate` challenge, or what is offered instead.
fn challenge<B>(response: &Response<B>) -> Result<Vec<u8>, Vec<String>> {
    let mut offered = Vec::new();
    for value in response.headers().get_all(WWW_AUTHENTICATE) {
        let value = value.to_str().unwrap_or_default();
        match negotiate::parse(value) {
            Some((Scheme::Negotiate, Some(token))) => return Ok(token),
            _ => offered.push(value.split(' ').next().unwrap_or_default().to_owned()),
        }
    }
    Err(offered)
}

fn random() -> Result<Random, Trouble> {
    let (mut client_challenge, mut session_key) = ([0; 8], [0; 16]);
    let filled = security::random::fill(&mut client_challenge);
    filled
        .and_then(|()| security::random::fill(&mut session_key))
        .map_err(|e| Trouble::new(Again::Soon, e.to_string()))?;
    let since = SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default();
    let now = EPOCH_1601 + u64::try_from(since.as_nanos() / 100).unwrap_or(0);
    Ok(Random { client_challenge, session_key: Secret::new(session_key), now })
}
