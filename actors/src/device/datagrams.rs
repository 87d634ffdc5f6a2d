//! Many datagrams with one system call.
//!
//! Datagrams are received into an [`Inbox`] of fixed slots and taken out one by one. What lies in it survives the
//! actor that received it. Cost: memory is used only as far as datagrams reach (a page for each slot, mostly);
//! 64 datagrams of 256 bytes cost one `recvmmsg` instead of 64 `recvfrom`.

use std::io;
use std::mem::{self, MaybeUninit};
use std::net::{Ipv4Addr, Ipv6Addr, SocketAddr};
use std::os::fd::{AsRawFd, BorrowedFd};

/// Most datagrams in one system call.
const SLOTS: usize = 64;
/// The longest datagram there is is a little shorter (RFC 768).
const LONGEST: usize = 1 << 16;
/// Between two slots, so that their beginnings, which is what most datagrams reach, do not all fall into the same few
/// sets of the caches. An odd number of cache lines.
const STAGGER_BYTES: usize = 7 * 64;

/// Received datagrams that nobody took yet.
pub struct Inbox {
    bytes: Box<[u8]>,
    slot_bytes: usize,
    /// From the beginning of a slot to that of the next.
    stride: usize,
    received: Vec<Received>,
    next: usize,
    /// How many to ask for: a busy socket is asked for more.
    ask: usize,
}

struct Received {
    peer: SocketAddr,
    /// Its length on the wire; more than a slot where it was cut.
    len: usize,
}

/// A datagram.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Datagram<'a> {
    /// Who sent it.
    pub peer: SocketAddr,
    /// Its bytes, as many as there was room for.
    pub bytes: &'a [u8],
    /// How many bytes were cut off.
    pub cut: usize,
}

impl Inbox {
    /// An empty inbox for datagrams of at most so many bytes; the rest of longer ones is cut.
    pub fn new(longest: usize) -> Self {
        let slot_bytes = longest.clamp(1, LONGEST);
        let stride = slot_bytes.next_multiple_of(64) + STAGGER_BYTES;
        let bytes = vec![0; SLOTS * stride].into_boxed_slice();
        Self { bytes, slot_bytes, stride, received: Vec::with_capacity(SLOTS), next: 0, ask: 1 }
    }

    /// Whether all datagrams were taken.
    pub fn is_empty(&self) -> bool {
        self.next == self.received.len()
    }

    /// How many datagrams lie here.
    pub fn len(&self) -> usize {
        self.received.len() - self.next
    }

    /// The next datagram; it stays.
    pub fn first(&self) -> Option<Datagram<'_>> {
        let Received { peer, len } = *self.received.get(self.next)?;
        let slot = &self.bytes[self.next * self.stride..][..self.slot_bytes];
        let kept = len.min(self.slot_bytes);
        Some(Datagram { peer, bytes: &slot[..kept], cut: len - kept })
    }

    /// Takes the next datagram away.
    pub fn take_first(&mut self) {
        self.next = (self.next + 1).min(self.received.len());
    }

    /// Forgets all datagrams, and returns how many these were.
    pub fn clear(&mut self) -> u64 {
        let forgotten = self.len();
        self.next = self.received.len();
        forgotten as u64
    }

    /// Receives what there is without waiting, replacing what was here. Returns whether there may be more.
    ///
    /// # Errors
    /// `WouldBlock` when there is nothing; else what the system says.
    pub fn receive(&mut self, socket: BorrowedFd<'_>) -> io::Result<bool> {
        debug_assert!(self.is_empty());
        (self.next, self.ask) = (0, self.ask.clamp(1, SLOTS));
        self.received.clear();
        let received = self.receive_many(socket)?;
        let more = received == self.ask;
        self.ask = (received * 2).max(4);
        Ok(more)
    }

    #[allow(unsafe_code, reason = "recvmmsg has no safe wrapper among the project's crates")]
    fn receive_many(&mut self, socket: BorrowedFd<'_>) -> io::Result<usize> {
        // Of 13 KiB only what is asked for is filled in.
        let mut names = [const { MaybeUninit::<libc::sockaddr_storage>::uninit() }; SLOTS];
        let mut vectors = [const { MaybeUninit::<libc::iovec>::uninit() }; SLOTS];
        let mut headers = [const { MaybeUninit::<libc::mmsghdr>::uninit() }; SLOTS];
        let slots = self.bytes.chunks_exact_mut(self.stride);
        let messages = headers.iter_mut().zip(&mut names).zip(&mut vectors).zip(slots);
        for (((header, name), vector), slot) in messages.take(self.ask) {
            let slot = &mut slot[..self.slot_bytes];
            let vector =
                vector.write(libc::iovec { iov_base: slot.as_mut_ptr().cast(), iov_len: slot.len() });
            // SAFETY: plain C structures for which zeros are valid.
            let (name, header) = unsafe { (name.write(mem::zeroed()), header.write(mem::zeroed())) };
            header.msg_hdr.msg_name = (&raw mut *name).cast();
            header.msg_hdr.msg_namelen = size_of::<libc::sockaddr_storage>() as libc::socklen_t;
            header.msg_hdr.msg_iov = vector;
            header.msg_hdr.msg_iovlen = 1;
        }
        // MSG_TRUNC has the whole length returned where a datagram is cut (recv(2)).
        let flags = libc::MSG_DONTWAIT | libc::MSG_TRUNC;
        // SAFETY: the first `ask` headers point to a name, a vector and through it to a slot of their own, all of
        // which live and stay where they are during the call, with their true lengths.
        let result = unsafe {
            libc::recvmmsg(
                socket.as_raw_fd(),
                headers.as_mut_ptr().cast(),
                self.ask as libc::c_uint,
                flags as _,
                std::ptr::null_mut(),
            )
        };
        let count = usize::try_from(result).map_err(|_| io::Error::last_os_error())?;
        for (header, name) in headers.iter().zip(&names).take(count.min(self.ask)) {
            // SAFETY: the first `ask` of both were filled in above.
            let (header, name) = unsafe { (header.assume_init_ref(), name.assume_init_ref()) };
            self.received.push(Received { peer: peer(name), len: header.msg_len as usize });
        }
        Ok(count)
    }
}

/// The address in a structure that the kernel filled in; unspecified where it is of no family that UDP has.
#[allow(unsafe_code, reason = "the family decides what a C union is")]
fn peer(name: &libc::sockaddr_storage) -> SocketAddr {
    let name = &raw const *name;
    // SAFETY: the family says which structure the storage holds; it is large and aligned enough for each, and zeros
    // where the kernel wrote nothing.
    unsafe {
        match libc::c_int::from((*name).ss_family) {
            libc::AF_INET => {
                let v4 = &*name.cast::<libc::sockaddr_in>();
                let ip = Ipv4Addr::from(u32::from_be(v4.sin_addr.s_addr));
                SocketAddr::from((ip, u16::from_be(v4.sin_port)))
            }
            libc::AF_INET6 => {
                let v6 = &*name.cast::<libc::sockaddr_in6>();
                SocketAddr::from((Ipv6Addr::from(v6.sin6_addr.s6_addr), u16::from_be(v6.sin6_port)))
            }
            _ => SocketAddr::from((Ipv4Addr::UNSPECIFIED, 0)),
        }
    }
}

/// How many datagrams the kernel has dropped at a socket since it was opened, modulo 2³²: `SK_MEMINFO_DROPS` of
/// `SO_MEMINFO` (sock_diag(7)).
#[allow(unsafe_code, reason = "no safe wrapper reads SO_MEMINFO")]
pub fn dropped_by_kernel(socket: BorrowedFd<'_>) -> io::Result<u32> {
    const SK_MEMINFO_DROPS: usize = 8;
    let mut info = [0u32; SK_MEMINFO_DROPS + 1];
    let mut len = size_of_val(&info) as libc::socklen_t;
    // SAFETY: the kernel writes at most `len` bytes to `info`, which is that large and aligned for u32.
    let result = unsafe {
        libc::getsockopt(
            socket.as_raw_fd(),
            libc::SOL_SOCKET,
            libc::SO_MEMINFO,
            info.as_mut_ptr().cast(),
            &raw mut len,
        )
    };
    if result != 0 {
        return Err(io::Error::last_os_error());
    }
    Ok(info[SK_MEMINFO_DROPS])
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::net::UdpSocket;
    use std::os::fd::AsFd;

    /// Loopback delivers within the sender's system call, so nothing has to be waited for.
    fn pair(address: &str) -> (UdpSocket, UdpSocket) {
        let receiver = UdpSocket::bind((address, 0)).expect("bound");
        let sender = UdpSocket::bind((address, 0)).expect("bound");
        sender.connect(receiver.local_addr().expect("bound")).expect("connected");
        (sender, receiver)
    }

    #[test]
    fn datagrams_come_out_in_order_with_their_peers_however_many_wait() {
        for address in ["127.0.0.1", "::1"] {
            let (sender, receiver) = pair(address);
            let mut inbox = Inbox::new(100);
            for n in 0..100u8 {
                sender.send(&vec![n; usize::from(n)]).expect("sent");
            }
            let mut seen = 0;
            while seen < 100 {
                inbox.receive(receiver.as_fd()).expect("there is more");
                while let Some(datagram) = inbox.first() {
                    assert_eq!(datagram.peer, sender.local_addr().expect("bound"));
                    assert_eq!(datagram.bytes, vec![seen; usize::from(seen)]);
                    assert_eq!(datagram.cut, 0);
                    inbox.take_first();
                    seen += 1;
                }
            }
            let error = inbox.receive(receiver.as_fd()).expect_err("empty");
            assert_eq!(error.kind(), io::ErrorKind::WouldBlock);
        }
    }

    #[test]
    fn a_long_datagram_is_cut_and_says_by_how_much() {
        let (sender, receiver) = pair("127.0.0.1");
        sender.send(&[7; 1000]).expect("sent");
        let mut inbox = Inbox::new(600);
        inbox.receive(receiver.as_fd()).expect("received");
        let datagram = inbox.first().expect("one");
        assert_eq!((datagram.bytes.len(), datagram.cut), (600, 400));
        assert_eq!(inbox.clear(), 1);
    }

    #[test]
    fn what_the_kernel_drops_is_known() {
        let (sender, receiver) = pair("127.0.0.1");
        socket2::SockRef::from(&receiver).set_recv_buffer_size(4096).expect("small");
        for _ in 0..200 {
            sender.send(&[0; 500]).expect("sent");
        }
        let (mut inbox, mut received) = (Inbox::new(600), 0);
        while inbox.receive(receiver.as_fd()).is_ok() {
            received += inbox.clear();
        }
        let dropped = dropped_by_kernel(receiver.as_fd()).expect("known");
        assert!(dropped > 0);
        assert_eq!(received + u64::from(dropped), 200);
    }
}
