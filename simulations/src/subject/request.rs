//! Asks the Director through its control socket: HTTP over `storage/control.sock`.

use std::io;
use std::path::Path;
use std::time::Duration;
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::UnixStream;

/// A Director that stands still does not answer; nobody waits for it longer.
const WITHIN: Duration = Duration::from_secs(10);

/// The status and the body of the answer.
pub(super) async fn get(socket: &Path, page: &str) -> io::Result<(u16, String)> {
    let asked = async {
        let mut stream = UnixStream::connect(socket).await?;
        let request = format!("GET {page} HTTP/1.1\r\nhost: director\r\nconnection: close\r\n\r\n");
        stream.write_all(request.as_bytes()).await?;
        let mut answer = Vec::new();
        stream.read_to_end(&mut answer).await?;
        Ok(answer)
    };
    let answer = tokio::time::timeout(WITHIN, asked)
        .await
        .unwrap_or_else(|_| Err(io::Error::new(io::ErrorKind::TimedOut, "no answer in time")))?;
    understand(&String::from_utf8_lossy(&answer))
        .ok_or_else(|| io::Error::new(io::ErrorKind::UnexpectedEof, "the answer broke off"))
}

fn understand(answer: &str) -> Option<(u16, String)> {
    let (head, body) = answer.split_once("\r\n\r\n")?;
    let status = head.split_whitespace().nth(1)?.parse().ok()?;
    let length = head
        .lines()
        .filter_map(|line| line.split_once(':'))
        .find(|(name, _)| name.eq_ignore_ascii_case("content-length"))
        .and_then(|(_, length)| length.trim().parse::<usize>().ok());
    // A page without a length ends with its connection.
    length.is_none_or(|length| body.len() >= length).then(|| (status, body.to_owned()))
}
