//! What the kernel knows of a TCP connection: how many bytes the peer's kernel has acknowledged.

use std::io;
use std::os::fd::AsRawFd;
use tokio::net::TcpStream;

/// `tcpi_bytes_acked` of `TCP_INFO` (tcp(7), RFC 4898 tcpEStatsAppHCThruOctetsAcked): bytes that the peer's kernel has
/// acknowledged in the connection's life, the SYN included. One system call.
#[allow(unsafe_code, reason = "no safe wrapper hands out tcpi_bytes_acked")]
pub(super) fn acknowledged_bytes(socket: &TcpStream) -> io::Result<u64> {
    // Only the beginning of the structure is asked for, up to tcpi_bytes_acked at offset 120.
    const BYTES_ACKED_AT: usize = 120;
    let mut info = [0u64; BYTES_ACKED_AT / 8 + 1];
    let mut len = size_of_val(&info) as libc::socklen_t;
    // SAFETY: the kernel writes at most `len` bytes to `info`, which is that large and aligned for u64.
    let result = unsafe {
        libc::getsockopt(
            socket.as_raw_fd(),
            libc::IPPROTO_TCP,
            libc::TCP_INFO,
            info.as_mut_ptr().cast(),
            &raw mut len,
        )
    };
    if result != 0 {
        return Err(io::Error::last_os_error());
    }
    if (len as usize) < size_of_val(&info) {
        return Err(io::Error::new(
            io::ErrorKind::Unsupported,
            "this kernel does not count acknowledged bytes",
        ));
    }
    Ok(info[BYTES_ACKED_AT / 8])
}
