//! Each fault of a link happens, and ends.

use seams::Rng;
use simulations::links::{Link, LinkFault, Loopback, TcpLink, UdpLink, Way};
use simulations::subject::Span;
use std::io;
use std::net::SocketAddr;
use std::time::{Duration, Instant};
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::{TcpListener, TcpStream, UdpSocket};
use tokio::time::timeout;

const LIMIT: Duration = Duration::from_secs(30);
/// Nothing comes within this time: it is long for loopback, and a slow machine only makes it longer.
const NOTHING: Duration = Duration::from_millis(300);

/// A link with somebody who listens behind it.
struct Line {
    link: Link,
    far: TcpListener,
}

impl Line {
    async fn new(way: Way) -> Self {
        let loopback = Loopback::default();
        let (near, to) = (loopback.port().expect("free"), loopback.port().expect("free"));
        let far = TcpListener::bind(to).await.expect("bound");
        let link = Link::Tcp(TcpLink::start(way, near, to, Rng::seeded(1)).expect("started"));
        Self { link, far }
    }

    /// Both ends of a connection.
    async fn connect(&self) -> (TcpStream, TcpStream) {
        let dialed = async { TcpStream::connect(self.link.address()).await.expect("connected") };
        let accepted = async { self.far.accept().await.expect("accepted").0 };
        within(async { tokio::join!(dialed, accepted) }).await
    }
}

async fn within<T>(work: impl Future<Output = T>) -> T {
    timeout(LIMIT, work).await.expect("it took too long")
}

async fn passes(from: &mut TcpStream, to: &mut TcpStream) {
    from.write_all(b"hello\n").await.expect("written");
    let mut came = [0; 6];
    within(to.read_exact(&mut came)).await.expect("read");
    assert_eq!(&came, b"hello\n");
}

/// Waits until the connection is over; what came before that.
async fn rest(stream: &mut TcpStream) -> (Vec<u8>, Option<io::ErrorKind>) {
    let mut came = Vec::new();
    let end = within(stream.read_to_end(&mut came)).await;
    (came, end.err().map(|e| e.kind()))
}

#[tokio::test]
async fn without_a_fault_everything_passes_and_ends_pass_too() {
    let line = Line::new(Way::ToDirector).await;
    let (mut near, mut far) = line.connect().await;
    passes(&mut near, &mut far).await;
    passes(&mut far, &mut near).await;
    near.shutdown().await.expect("shut down");
    assert_eq!(rest(&mut far).await, (Vec::new(), None));
    passes(&mut far, &mut near).await;
}

#[tokio::test]
async fn a_link_that_refuses_keeps_open_connections() {
    let line = Line::new(Way::FromDirector).await;
    let (mut near, mut far) = line.connect().await;
    line.link.begin(1, LinkFault::LinkRefuses);
    refused(line.link.address()).await;
    passes(&mut near, &mut far).await;
    line.link.end(1);
    reaches(line.link.address()).await;
}

#[tokio::test]
async fn a_link_that_is_down_resets_and_refuses() {
    let line = Line::new(Way::ToDirector).await;
    let (mut near, mut far) = line.connect().await;
    passes(&mut near, &mut far).await;
    line.link.begin(1, LinkFault::LinkDown);
    assert_eq!(rest(&mut near).await.1, Some(io::ErrorKind::ConnectionReset));
    assert_eq!(rest(&mut far).await.1, Some(io::ErrorKind::ConnectionReset));
    refused(line.link.address()).await;
    line.link.end(1);
    reaches(line.link.address()).await;
}

async fn refused(address: SocketAddr) {
    within(async {
        while TcpStream::connect(address).await.is_ok() {
            tokio::time::sleep(Duration::from_millis(5)).await;
        }
    })
    .await;
}

async fn reaches(address: SocketAddr) {
    within(async {
        while TcpStream::connect(address).await.is_err() {
            tokio::time::sleep(Duration::from_millis(5)).await;
        }
    })
    .await;
}

/// What the kernel of the Director's peer has confirmed arrives, whenever the link breaks.
#[tokio::test]
async fn a_link_that_breaks_hands_on_what_it_had_confirmed() {
    for (round, fault) in (0..20).flat_map(|n| [(n, LinkFault::LinkReset), (n, LinkFault::LinkCut)]) {
        let line = Line::new(Way::FromDirector).await;
        let (near, mut far) = line.connect().await;
        let reading = tokio::spawn(async move { rest(&mut far).await });
        let writing = async {
            let mut written = 0;
            let block = [b'x'; 8192];
            loop {
                tokio::select! {
                    ready = near.writable() => if ready.is_err() { break },
                }
                match near.try_write(&block) {
                    Ok(length) => written += length as u64,
                    Err(e) if e.kind() == io::ErrorKind::WouldBlock => {}
                    Err(_) => break,
                }
                if written > 200_000 * (round + 1) {
                    line.link.begin(1, fault);
                }
                tokio::task::yield_now().await;
            }
        };
        within(writing).await;
        let confirmed = confirmed(&near);
        let (came, _) = within(reading).await.expect("read");
        assert!(came.len() as u64 >= confirmed, "{fault:?}: {} of {confirmed} came", came.len());
    }
}

/// Bytes that the peer's kernel has confirmed: `tcpi_bytes_acked` of `TCP_INFO` (at offset 120), without the SYN.
#[allow(unsafe_code, reason = "no safe wrapper hands out tcpi_bytes_acked")]
fn confirmed(stream: &TcpStream) -> u64 {
    use std::os::fd::AsRawFd;
    let mut info = [0u64; 16];
    let mut len = size_of_val(&info) as libc::socklen_t;
    let (level, option) = (libc::IPPROTO_TCP, libc::TCP_INFO);
    // SAFETY: the kernel writes at most `len` bytes to `info`, which is that large and aligned for u64.
    let result = unsafe {
        libc::getsockopt(stream.as_raw_fd(), level, option, info.as_mut_ptr().cast(), &raw mut len)
    };
    assert_eq!((result, len as usize), (0, size_of_val(&info)), "{}", io::Error::last_os_error());
    info[15].saturating_sub(1)
}

#[tokio::test]
async fn a_silent_link_swallows_and_then_goes_on() {
    let line = Line::new(Way::FromDirector).await;
    let (mut near, mut far) = line.connect().await;
    passes(&mut near, &mut far).await;
    line.link.begin(1, LinkFault::LinkSilent);
    let dialed = timeout(NOTHING, async {
        // It takes a moment until it is silent; what connects before that is answered.
        while TcpStream::connect(line.link.address()).await.is_ok() {}
    });
    assert!(dialed.await.is_err(), "nobody answers, and nobody refuses");
    near.write_all(b"still there\n").await.expect("the kernel keeps it");
    assert!(timeout(NOTHING, far.read_u8()).await.is_err(), "it came");
    line.link.end(1);
    let mut came = [0; 12];
    within(far.read_exact(&mut came)).await.expect("the kernel sent it again");
    assert_eq!(&came, b"still there\n");
}

#[tokio::test]
async fn a_slow_link_takes_its_time() {
    let line = Line::new(Way::ToDirector).await;
    let (mut near, mut far) = line.connect().await;
    let by = Span(Duration::from_millis(200));
    line.link.begin(1, LinkFault::LinkDelay { by, jitter: Span::default() });
    let began = Instant::now();
    passes(&mut near, &mut far).await;
    assert!(began.elapsed() >= by.0, "{:?}", began.elapsed());
    line.link.end(1);
    line.link.begin(2, LinkFault::LinkThrottle { bytes_per_second: 100_000 });
    let began = Instant::now();
    let block = vec![b'x'; 100_000];
    let (_, read) = tokio::join!(near.write_all(&block), async {
        let mut came = vec![0; block.len()];
        within(far.read_exact(&mut came)).await
    });
    read.expect("read");
    // The last piece comes before its time is up.
    assert!(began.elapsed() >= Duration::from_millis(300), "{:?}", began.elapsed());
}

#[tokio::test]
async fn a_cut_ends_in_the_middle_of_a_message() {
    let line = Line::new(Way::ToDirector).await;
    let (mut near, mut far) = line.connect().await;
    passes(&mut near, &mut far).await;
    line.link.begin(1, LinkFault::LinkCut);
    near.write_all(b"one whole line\nanother line\n").await.expect("written");
    let (came, _) = rest(&mut far).await;
    let half = b"one whole line\nanother line\n".starts_with(&came) && !came.ends_with(b"\n");
    assert!(came.is_empty() || half, "{}", String::from_utf8_lossy(&came));
}

#[tokio::test]
async fn one_byte_is_another_one_on_arrival() {
    let line = Line::new(Way::FromDirector).await;
    let (mut near, mut far) = line.connect().await;
    line.link.begin(1, LinkFault::LinkCorrupts);
    near.write_all(b"hello\n").await.expect("written");
    let mut came = [0; 6];
    within(far.read_exact(&mut came)).await.expect("read");
    let changed = came.iter().zip(b"hello\n").filter(|(one, other)| one != other).count();
    assert_eq!((changed, line.link.corrupted()), (1, 1));
    passes(&mut near, &mut far).await;
}

#[tokio::test]
async fn datagrams_get_lost_and_overtake_each_other() {
    let loopback = Loopback::default();
    let (near, to) = (loopback.port().expect("free"), loopback.port().expect("free"));
    let far = UdpSocket::bind(to).await.expect("bound");
    let link = Link::Udp(UdpLink::start(near, to, Rng::seeded(1)).expect("started"));
    let sender = UdpSocket::bind((loopback.ip(), 0)).await.expect("bound");
    // A few at a time, so that no kernel buffer runs over.
    let exchange = async |from: u16| {
        let mut came = Vec::new();
        for block in 0..20 {
            for number in 0..10 {
                let number = from + block * 10 + number;
                sender.send_to(&number.to_be_bytes(), near).await.expect("sent");
            }
            let mut buffer = [0; 16];
            while let Ok(Ok(length)) = timeout(NOTHING, far.recv(&mut buffer)).await {
                came.push(u16::from_be_bytes(buffer[..length].try_into().expect("a number")));
                if came.len() as u16 == (block + 1) * 10 {
                    break;
                }
            }
        }
        came
    };
    assert_eq!(exchange(0).await, (0..200).collect::<Vec<_>>(), "without a fault all come, in order");
    link.begin(1, LinkFault::LinkReorders { share: 0.3 });
    let came = exchange(1000).await;
    let mut sorted = came.clone();
    sorted.sort_unstable();
    assert!(sorted != came && sorted == (1000..1200).collect::<Vec<_>>(), "{came:?}");
    link.end(1);
    link.begin(2, LinkFault::LinkDrops { share: 1.0 });
    sender.send_to(b"xx", near).await.expect("sent");
    assert!(timeout(NOTHING, far.recv(&mut [0; 16])).await.is_err(), "it came");
    link.end(2);
    sender.send_to(b"yy", near).await.expect("sent");
    within(far.recv(&mut [0; 16])).await.expect("it works again");
}
