//! Stand-ins against each other: what senders count is what receivers count, and their faults happen.

use simulations::account::{Accounts, Deliveries, Fate, Origin, Promise};
use simulations::endpoints::certificates::Certificates;
use simulations::endpoints::mood::{EndpointFault, Mood};
use simulations::endpoints::poster::{Body, Poster};
use simulations::endpoints::quota::Quota;
use simulations::endpoints::requests::{self, Intake};
use simulations::endpoints::stream_sender::{Dial, Framing, StreamSender};
use simulations::endpoints::texts::{Form, Texts};
use simulations::endpoints::{
    datagram_receiver, datagram_sender, growing_file, stream_receiver, written_files,
};
use simulations::links::Loopback;
use std::net::SocketAddr;
use std::sync::Arc;
use std::time::{Duration, Instant};

const LIMIT: Duration = Duration::from_secs(30);

/// A sender's and a receiver's side.
struct Both {
    at: SocketAddr,
    accounts: Accounts,
    origin: Arc<Origin>,
    came: Arc<Deliveries>,
    quota: Quota,
    texts: Arc<Texts>,
    certificates: Certificates,
}

impl Both {
    fn new(promise: Promise, form: Form) -> Self {
        let loopback = Loopback::default();
        let accounts = Accounts::default();
        let texts = Arc::new(Texts::mix("firewall", form, 200).expect("a mix"));
        let origin = accounts.origin("in", promise, texts.count());
        let (came, at) = (accounts.target("out"), loopback.port().expect("free"));
        let certificates = Certificates::new(loopback.ip()).expect("made");
        Self { at, accounts, origin, came, quota: Quota::default(), texts, certificates }
    }

    async fn until_distinct(&self, count: u64) {
        let until = Instant::now() + LIMIT;
        while self.came.distinct() < count {
            assert!(Instant::now() < until, "{} of {count} came", self.came.distinct());
            tokio::time::sleep(Duration::from_millis(5)).await;
        }
    }

    fn fate(&self) -> Fate {
        assert_eq!(self.accounts.origins().len(), 1);
        Fate::of(&self.origin, &self.came, &vec![1; self.texts.count()], true)
    }

    fn receive_stream(&self, framing: Framing, mood: Arc<Mood>) {
        tokio::spawn(stream_receiver::run(self.at, framing, mood, Arc::clone(&self.came)));
    }
}

#[tokio::test]
async fn streams_arrive_whole_however_they_are_framed_and_encrypted() {
    for (framing, encrypted) in
        [(Framing::Delimiter(b"\n".to_vec()), false), (Framing::Octet, false), (Framing::Octet, true)]
    {
        let both = Both::new(Promise::Stream, Form::Syslog);
        let certificates = encrypted.then_some(&both.certificates);
        both.receive_stream(framing.clone(), Arc::new(Mood::new(certificates).expect("made")));
        let tls = encrypted.then(|| both.certificates.client().expect("made"));
        let sender =
            StreamSender { dial: Dial::Straight(both.at), framing, tls, texts: Arc::clone(&both.texts) };
        let sending = tokio::spawn(sender.run(Arc::clone(&both.origin), both.quota.share()));
        both.quota.add(2000);
        both.until_distinct(2000).await;
        both.quota.finish();
        sending.await.expect("it ended");
        let fate = both.fate();
        assert_eq!((fate.sent, fate.acknowledged, fate.delivered), (2000, 2000, 2000), "{fate:?}");
        assert_eq!((fate.repeated, fate.out_of_order, both.came.unmarked()), (0, 0, 0), "{fate:?}");
    }
}

#[tokio::test]
async fn an_expired_certificate_keeps_a_sender_away_until_it_is_renewed() {
    let both = Both::new(Promise::Stream, Form::Plain);
    let mood = Arc::new(Mood::new(Some(&both.certificates)).expect("made"));
    mood.begin(1, EndpointFault::CertificateExpired);
    both.receive_stream(Framing::Octet, Arc::clone(&mood));
    let tls = Some(both.certificates.client().expect("made"));
    let texts = Arc::clone(&both.texts);
    let sender = StreamSender { dial: Dial::Straight(both.at), framing: Framing::Octet, tls, texts };
    tokio::spawn(sender.run(Arc::clone(&both.origin), both.quota.share()));
    both.quota.add(10);
    tokio::time::sleep(Duration::from_millis(300)).await; // nothing comes: a longer wait would say no more
    assert_eq!((both.origin.sent(), both.came.distinct()), (0, 0));
    mood.end(1);
    both.until_distinct(10).await;
}

#[tokio::test]
async fn requests_that_are_refused_come_again_and_count_once() {
    for fault in [
        EndpointFault::Answers { status: 429 },
        EndpointFault::Answers { status: 500 },
        EndpointFault::AnswersGarbage,
        EndpointFault::WrongPassword,
    ] {
        let both = Both::new(Promise::Confirmed, Form::Json);
        let mood = Arc::new(Mood::new(None).expect("made"));
        mood.begin(1, fault);
        tokio::spawn(requests::run(both.at, Intake::Http, Arc::clone(&mood), Arc::clone(&both.came)));
        let poster = Poster {
            dial: Dial::Straight(both.at),
            ip: both.at.ip(),
            tls: None,
            path: "/".to_owned(),
            headers: Vec::new(),
            body: Body::Array,
            texts: Arc::clone(&both.texts),
        };
        let posting = tokio::spawn(poster.run(Arc::clone(&both.origin), both.quota.share()));
        both.quota.add(100);
        tokio::time::sleep(Duration::from_millis(300)).await; // nothing comes: a longer wait would say no more
        assert_eq!((both.fate().acknowledged, both.came.total()), (0, 0), "{fault:?}");
        mood.end(1);
        both.until_distinct(100).await;
        both.quota.finish();
        posting.await.expect("it ended");
        let fate = both.fate();
        assert_eq!(
            (fate.acknowledged, fate.delivered, fate.repeated, fate.lost),
            (100, 100, 0, 0),
            "{fault:?}"
        );
    }
}

#[tokio::test]
async fn datagrams_arrive_and_are_not_promised() {
    let both = Both::new(Promise::Nothing, Form::Rfc3164);
    tokio::spawn(datagram_receiver::run(both.at, Arc::clone(&both.came)));
    let texts = Arc::clone(&both.texts);
    tokio::spawn(datagram_sender::run(both.at, texts, Arc::clone(&both.origin), both.quota.share()));
    let until = Instant::now() + LIMIT;
    while both.came.distinct() == 0 {
        // What nobody was there to take is gone.
        both.quota.add(1);
        assert!(Instant::now() < until);
        tokio::time::sleep(Duration::from_millis(5)).await;
    }
    let fate = both.fate();
    assert_eq!((fate.acknowledged, fate.lost), (0, 0));
}

#[tokio::test]
async fn a_file_grows_and_rotates_and_is_read_to_the_last_line() {
    let both = Both::new(Promise::Confirmed, Form::Plain);
    let folder = tempfile::tempdir().expect("a folder");
    tokio::spawn(written_files::run(folder.path().to_owned(), Arc::clone(&both.came)));
    let file = growing_file::GrowingFile {
        folder: folder.path().to_owned(),
        rotate_bytes: 50_000,
        texts: Arc::clone(&both.texts),
    };
    let growing = tokio::spawn(file.run(Arc::clone(&both.origin), both.quota.share()));
    both.quota.add(2000);
    both.until_distinct(2000).await;
    both.quota.finish();
    growing.await.expect("it ended").expect("written");
    assert!(std::fs::read_dir(folder.path()).expect("a folder").count() > 2, "it rotated");
}
