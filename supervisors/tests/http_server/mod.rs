//! A small HTTP server for tests: it notes every request and answers as a script says.

#![allow(dead_code, unreachable_pub, reason = "each test uses a part of it")]

use flate2::read::GzDecoder;
use rustls::{ServerConfig, ServerConnection, StreamOwned};
use std::io::{BufRead, BufReader, Read, Write};
use std::net::{TcpListener, TcpStream};
use std::sync::{Arc, Mutex};
use std::time::Instant;

/// What the server does with a request.
pub enum Reply {
    /// Answers with this status, these headers (each with its line end), this body.
    Status(u16, &'static str, String),
    /// Answers 200 in chunks.
    Chunked(String),
    /// Promises an answer and closes in the middle of it.
    Half,
    /// Closes without an answer.
    Close,
    /// Says nothing for as long as the client stays.
    Silence,
}

/// A request that came.
#[derive(Clone, Debug)]
pub struct Request {
    pub method: String,
    pub path: String,
    pub headers: Vec<(String, String)>,
    /// Decompressed.
    pub body: Vec<u8>,
    pub at: Instant,
}

type Script = dyn Fn(usize, &Request) -> Reply + Send + Sync;

/// The server.
pub struct HttpServer {
    pub port: u16,
    requests: Arc<Mutex<Vec<Request>>>,
}

pub fn ok() -> Reply {
    Reply::Status(200, "", "fine".to_owned())
}

impl Request {
    pub fn header(&self, name: &str) -> Option<&str> {
        self.headers.iter().find(|(n, _)| n == name).map(|(_, value)| value.as_str())
    }

    pub fn text(&self) -> String {
        String::from_utf8(self.body.clone()).expect("text")
    }

    pub fn lines(&self) -> Vec<String> {
        self.text().lines().map(str::to_owned).collect()
    }
}

impl HttpServer {
    /// A server that answers as `script` says; it gets the number of the request, from 0.
    pub fn start(script: impl Fn(usize, &Request) -> Reply + Send + Sync + 'static) -> Self {
        Self::start_with(None, script)
    }

    /// The same with TLS.
    pub fn start_with(
        tls: Option<Arc<ServerConfig>>,
        script: impl Fn(usize, &Request) -> Reply + Send + Sync + 'static,
    ) -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").expect("loopback");
        let port = listener.local_addr().expect("bound").port();
        let requests = Arc::<Mutex<Vec<Request>>>::default();
        let (noted, script): (_, Arc<Script>) = (Arc::clone(&requests), Arc::new(script));
        std::thread::spawn(move || {
            for socket in listener.incoming().map_while(Result::ok) {
                let (noted, script, tls) = (Arc::clone(&noted), Arc::clone(&script), tls.clone());
                // What goes wrong on a connection shows in what did not arrive.
                std::thread::spawn(move || match tls {
                    None => serve(socket, &noted, &script),
                    Some(config) => {
                        let connection = ServerConnection::new(config).expect("a configuration");
                        serve(StreamOwned::new(connection, socket), &noted, &script)
                    }
                });
            }
        });
        Self { port, requests }
    }

    /// All requests so far.
    pub fn requests(&self) -> Vec<Request> {
        self.requests.lock().expect("unpoisoned").clone()
    }
}

fn serve(stream: impl Read + Write, noted: &Mutex<Vec<Request>>, script: &Arc<Script>) -> Option<()> {
    let mut stream = BufReader::new(stream);
    loop {
        let request = read(&mut stream)?;
        let number = {
            let mut noted = noted.lock().expect("unpoisoned");
            noted.push(request.clone());
            noted.len() - 1
        };
        let out = stream.get_mut();
        match script(number, &request) {
            Reply::Status(code, headers, body) => {
                let length = body.len();
                write!(out, "HTTP/1.1 {code} Said\r\n{headers}Content-Length: {length}\r\n\r\n{body}")
                    .ok()?;
            }
            Reply::Chunked(body) => {
                write!(out, "HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n").ok()?;
                for part in body.as_bytes().chunks(3) {
                    write!(out, "{:x}\r\n", part.len()).ok()?;
                    out.write_all(part).ok()?;
                    write!(out, "\r\n").ok()?;
                }
                write!(out, "0\r\n\r\n").ok()?;
            }
            Reply::Half => {
                write!(out, "HTTP/1.1 200 OK\r\nContent-Length: 100\r\n\r\nhalf").ok()?;
                return out.flush().ok();
            }
            Reply::Close => return None,
            Reply::Silence => {
                let _ = stream.read(&mut [0]);
                return None;
            }
        }
        stream.get_mut().flush().ok()?;
    }
}

fn read(stream: &mut impl BufRead) -> Option<Request> {
    let mut lines = Vec::new();
    loop {
        let mut line = String::new();
        stream.read_line(&mut line).ok()?;
        match line.trim_end() {
            "" if line.is_empty() => return None,
            "" => break,
            line => lines.push(line.to_owned()),
        }
    }
    let mut first = lines.first()?.split(' ');
    let (method, path) = (first.next()?.to_owned(), first.next()?.to_owned());
    let headers = lines[1..].iter().filter_map(|line| line.split_once(": "));
    let headers: Vec<(String, String)> = headers.map(|(n, v)| (n.to_lowercase(), v.to_owned())).collect();
    let header = |name: &str| headers.iter().find(|(n, _)| n == name).map(|(_, value)| value.as_str());
    let mut body = vec![0; header("content-length")?.parse().ok()?];
    stream.read_exact(&mut body).ok()?;
    if header("content-encoding") == Some("gzip") {
        let mut plain = Vec::new();
        GzDecoder::new(&body[..]).read_to_end(&mut plain).ok()?;
        body = plain;
    }
    Some(Request { method, path, headers, body, at: Instant::now() })
}

/// Sends these lines to a TCP device that may not be listening yet; the connection stays open as long as the result.
pub fn send(port: u16, lines: &[String]) -> TcpStream {
    let mut socket = crate::house::connect(port);
    let mut text = lines.join("\n");
    text.push('\n');
    socket.write_all(text.as_bytes()).expect("sent");
    socket
}
