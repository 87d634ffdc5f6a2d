//! HTTP: connections, sign-in, sealed and plain bodies.

use super::faults::{Fault, Operation};
use super::service::{Answer, Service};
use super::settings::Transport;
use super::sign_in::{SignIn, Verdict};
use super::soap::SoapFault;
use bytes::Bytes;
use futures_util::stream;
use http::header::{AUTHORIZATION, CONNECTION, CONTENT_LENGTH, CONTENT_TYPE, WWW_AUTHENTICATE};
use http::{Request, Response};
use http_body_util::combinators::BoxBody;
use http_body_util::{BodyExt, Full, StreamBody};
use hyper::body::{Frame, Incoming};
use hyper::server::conn::http1;
use hyper::service::service_fn;
use hyper_util::rt::TokioIo;
use protocol::winrm::sealed_body;
use protocol::winrm::wsman::{Envelope, charset};
use std::io;
use std::sync::Arc;
use std::sync::atomic::Ordering::Relaxed;
use tokio::io::{AsyncRead, AsyncWrite};
use tokio::net::TcpListener;
use tokio::sync::Mutex;
use tokio_rustls::TlsAcceptor;

const SOAP: &str = "application/soap+xml;charset=UTF-8";
/// The text of Identify for those who are not signed in.
const IDENTITY: &str = "<s:Envelope xmlns:s=\"http://www.w3.org/2003/05/soap-envelope\"><s:Header/><s:Body>\
    <wsmid:IdentifyResponse xmlns:wsmid=\"http://schemas.dmtf.org/wbem/wsman/identity/1/wsmanidentity.xsd\">\
    <wsmid:ProtocolVersion>http://schemas.dmtf.org/wbem/wsman/1/wsman.xsd</wsmid:ProtocolVersion>\
    <wsmid:ProductVendor>Microsoft Corporation</wsmid:ProductVendor>\
    <wsmid:ProductVersion>OS: 0.0.0 SP: 0.0 Stack: 3.0</wsmid:ProductVersion></wsmid:IdentifyResponse></s:Body>\
    </s:Envelope>";
/// What `Authorization` says when the certificate of the connection is meant.
const BY_CERTIFICATE: &str = "http://schemas.dmtf.org/wbem/wsman/1/wsman/secprofile/https/mutual";
/// `ERROR_WSMAN_SECURITY_UNMAPPED`
const UNMAPPED: u32 = 2_150_858_909;

type Body = BoxBody<Bytes, io::Error>;

/// Takes connections for ever.
pub(super) async fn listen(listener: TcpListener, service: Arc<Service>) {
    loop {
        let Ok((socket, _)) = listener.accept().await else { continue };
        service.counts().connections.fetch_add(1, Relaxed);
        // Answers are small and complete.
        let _ = socket.set_nodelay(true);
        let service = Arc::clone(&service);
        tokio::spawn(async move {
            let mut life = service.life();
            life.mark_unchanged();
            let serving = async {
                match &service.settings().transport {
                    Transport::Http => serve(socket, None, &service).await,
                    Transport::Https { config, .. } => {
                        if let Ok(stream) = TlsAcceptor::from(Arc::clone(config)).accept(socket).await {
                            let chain = stream.get_ref().1.peer_certificates();
                            let certificate = chain.and_then(|chain| Some(chain.first()?.to_vec()));
                            serve(stream, certificate, &service).await;
                        }
                    }
                }
            };
            tokio::select! {
                () = serving => {}
                _ = life.changed() => {}
            }
        });
    }
}

async fn serve(
    io: impl AsyncRead + AsyncWrite + Unpin,
    certificate: Option<Vec<u8>>,
    service: &Arc<Service>,
) {
    let connection = Connection { service: Arc::clone(service), certificate, sign_in: Mutex::default() };
    let connection = &connection;
    let service = service_fn(|request| async move { connection.answer(request).await });
    // How a connection ends is its client's business.
    let _ = http1::Builder::new().serve_connection(TokioIo::new(io), service).await;
}

/// One connection; its sign-in counts for it alone.
struct Connection {
    service: Arc<Service>,
    /// What the client showed in the TLS handshake (DER).
    certificate: Option<Vec<u8>>,
    sign_in: Mutex<SignIn>,
}

impl Connection {
    async fn answer(&self, request: Request<Incoming>) -> io::Result<Response<Body>> {
        let (head, body) = request.into_parts();
        let length = head.headers.get(CONTENT_LENGTH).is_some();
        let body = body.collect().await.map_err(io::Error::other)?.to_bytes();
        if head.uri.path() != "/wsman" {
            return Ok(empty(404));
        }
        let header = |name| head.headers.get(name).and_then(|value| value.to_str().ok()).unwrap_or_default();
        if header("wsmanidentify".to_owned()).eq_ignore_ascii_case("unauthenticated") {
            if let Some(Fault::Status(status)) = self.service.faults().take(Operation::Identify) {
                return Ok(empty(status));
            }
            return Ok(reply(200, SOAP, IDENTITY.to_owned().into_bytes()));
        }
        let mut sign_in = self.sign_in.lock().await;
        let authorization = header(AUTHORIZATION.as_str().to_owned());
        let mut signed_in = sign_in.session.is_some();
        let by_certificate = authorization == BY_CERTIFICATE;
        if by_certificate {
            signed_in = self.certificate.is_some() && !self.service.settings().certificates.is_empty();
        } else if !authorization.is_empty() {
            let token = match self.authorize(&mut sign_in, authorization)? {
                Ok(token) => token,
                Err(response) => return Ok(response),
            };
            if body.is_empty() {
                let mut response = empty(200);
                if let Some(token) = token {
                    response.headers_mut().insert(WWW_AUTHENTICATE, value(&token));
                }
                return Ok(response);
            }
            signed_in = true;
        }
        if !signed_in {
            return Ok(self.unauthorized(None));
        }
        let content_type = header(CONTENT_TYPE.as_str().to_owned());
        let sealed = sealed_body::is_sealed(content_type);
        let must_seal = matches!(self.service.settings().transport, Transport::Http);
        if sealed != must_seal {
            self.service.counts().clear.fetch_add(1, Relaxed);
            return Ok(empty(500));
        }
        let message = match (&mut sign_in.session, sealed) {
            (Some(session), true) => match sealed_body::open(session, &body) {
                Ok(opened) => charset::text(&opened.message, opened.charset.as_deref()).into_owned(),
                Err(_) => {
                    // Out of step: nothing on this connection can be understood any more.
                    let mut response = empty(400);
                    response.headers_mut().insert(CONNECTION, value("close"));
                    return Ok(response);
                }
            },
            _ => charset::text(&body, charset::of_content_type(content_type)).into_owned(),
        };
        let answer = match Envelope::read(&message) {
            Err(_) => return Ok(empty(400)),
            Ok(request) if !length => self.service.fault(request.message_id(), &SoapFault::of(50)),
            Ok(request) if by_certificate && !self.is_mapped() => {
                self.service.fault(request.message_id(), &SoapFault::of(UNMAPPED))
            }
            Ok(request) => {
                let fault = self.service.faults().take(Service::operation(&request));
                match fault {
                    None => self.service.answer(&request).await,
                    Some(fault) => match self.suffer(fault, &request, &mut sign_in, sealed).await? {
                        Suffered::Answer(answer) => answer,
                        Suffered::Response(response) => return Ok(response),
                    },
                }
            }
        };
        Ok(write(answer, &mut sign_in, sealed))
    }

    /// Whether the client's certificate stands for a user.
    fn is_mapped(&self) -> bool {
        let mapped = &self.service.settings().certificates;
        self.certificate.as_ref().is_some_and(|certificate| mapped.contains(certificate))
    }

    /// Takes a token; the last one lets in.
    fn authorize(
        &self,
        sign_in: &mut SignIn,
        authorization: &str,
    ) -> io::Result<Result<Option<String>, Response<Body>>> {
        let service = &self.service;
        match service.faults().take(Operation::SignIn) {
            Some(Fault::Status(status)) => return Ok(Err(empty(status))),
            Some(_) => return Err(io::ErrorKind::ConnectionAborted.into()),
            None => {}
        }
        Ok(match sign_in.take(authorization, service.settings(), &service.password(), service.rng()) {
            Verdict::Continue(token) => Err(self.unauthorized(Some(&token))),
            Verdict::Welcome(token) => {
                service.counts().logons.fetch_add(1, Relaxed);
                Ok(token)
            }
            Verdict::Refused => {
                service.counts().refused.fetch_add(1, Relaxed);
                Err(self.unauthorized(None))
            }
        })
    }

    fn unauthorized(&self, token: Option<&str>) -> Response<Body> {
        let mut response = empty(401);
        let settings = self.service.settings();
        let offered = [("Negotiate", settings.negotiate), ("Basic realm=\"WSMAN\"", settings.basic)];
        let headers = response.headers_mut();
        if let Some(token) = token {
            headers.append(WWW_AUTHENTICATE, value(token));
            return response;
        }
        for (scheme, _) in offered.iter().filter(|(_, offered)| *offered) {
            headers.append(WWW_AUTHENTICATE, value(scheme));
        }
        response
    }

    async fn suffer(
        &self,
        fault: Fault,
        request: &Envelope<'_>,
        sign_in: &mut SignIn,
        sealed: bool,
    ) -> io::Result<Suffered> {
        Ok(match fault {
            Fault::Code(code) => {
                Suffered::Answer(self.service.fault(request.message_id(), &SoapFault::of(code)))
            }
            Fault::Status(status) => Suffered::Response(empty(status)),
            Fault::Cut => return Err(io::ErrorKind::ConnectionAborted.into()),
            Fault::CutInAnswer => {
                let answer = self.service.answer(request).await;
                Suffered::Response(cut(write(answer, sign_in, sealed)).await?)
            }
            Fault::Slow(time) => {
                tokio::time::sleep(time).await;
                Suffered::Answer(self.service.answer(request).await)
            }
            Fault::Malformed => {
                Suffered::Answer(Answer { status: 200, xml: "<s:Envelope><s:Body".to_owned() })
            }
            Fault::Huge(bytes) => {
                let answer = Answer { status: 200, xml: format!("<x>{}</x>", "x".repeat(bytes)) };
                Suffered::Answer(answer)
            }
            Fault::Tampered => {
                let response = write(self.service.answer(request).await, sign_in, sealed);
                let (head, body) = response.into_parts();
                let mut bytes = body.collect().await?.to_bytes().to_vec();
                let middle = bytes.len() / 2;
                bytes[middle] ^= 1;
                Suffered::Response(Response::from_parts(head, full(bytes)))
            }
            Fault::Recorded(status, xml) => {
                let id = request.message_id().unwrap_or_default();
                Suffered::Answer(Answer { status, xml: related(&xml, id) })
            }
            Fault::Utf16 => {
                let answer = self.service.answer(request).await;
                let bytes = answer.xml.encode_utf16().flat_map(u16::to_le_bytes).collect();
                Suffered::Response(reply(answer.status, "application/soap+xml;charset=UTF-16", bytes))
            }
            Fault::Clear => {
                let answer = self.service.answer(request).await;
                Suffered::Response(reply(answer.status, SOAP, answer.xml.into_bytes()))
            }
        })
    }
}

/// A message with another number in its `RelatesTo`.
fn related(xml: &str, id: &str) -> String {
    let Some((before, rest)) = xml.split_once("RelatesTo>") else { return xml.to_owned() };
    let Some((_, rest)) = rest.split_once("</") else { return xml.to_owned() };
    format!("{before}RelatesTo>{id}</{rest}")
}

enum Suffered {
    Answer(Answer),
    Response(Response<Body>),
}

/// An answer as a body, sealed where the request was.
fn write(answer: Answer, sign_in: &mut SignIn, sealed: bool) -> Response<Body> {
    match (&mut sign_in.session, sealed) {
        (Some(session), true) => {
            reply(answer.status, sealed_body::CONTENT_TYPE, sealed_body::seal(session, &answer.xml))
        }
        _ => reply(answer.status, SOAP, answer.xml.into_bytes()),
    }
}

/// The same response, broken off in its middle.
async fn cut(response: Response<Body>) -> io::Result<Response<Body>> {
    let (mut head, body) = response.into_parts();
    let bytes = body.collect().await?.to_bytes();
    head.headers.insert(CONTENT_LENGTH, bytes.len().into());
    let half = bytes.slice(..bytes.len() / 2);
    let frames = [Ok(Frame::data(half)), Err(io::ErrorKind::ConnectionAborted.into())];
    Ok(Response::from_parts(head, BodyExt::boxed(StreamBody::new(stream::iter(frames)))))
}

fn reply(status: u16, content_type: &str, body: Vec<u8>) -> Response<Body> {
    let mut response = Response::new(full(body));
    *response.status_mut() = http::StatusCode::from_u16(status).unwrap_or_default();
    response.headers_mut().insert(CONTENT_TYPE, value(content_type));
    response
}

fn empty(status: u16) -> Response<Body> {
    let mut response = Response::new(full(Vec::new()));
    *response.status_mut() = http::StatusCode::from_u16(status).unwrap_or_default();
    response
}

fn full(body: Vec<u8>) -> Body {
    Full::new(Bytes::from(body)).map_err(|never| match never {}).boxed()
}

fn value(text: &str) -> http::HeaderValue {
    http::HeaderValue::from_str(text).unwrap_or_else(|_| http::HeaderValue::from_static(""))
}
