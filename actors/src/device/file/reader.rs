//! The actor that reads all files of a device on one lane, a slab of each in turn.

use super::following::{Desk, Following, Papers};
use super::registry::FileKey;
use super::stream::{FileStream, Scratch, Served};
use crate::child::actor::Next;
use crate::child::{Child, Me};
use std::sync::Arc;

/// The reader.
pub struct Reader {
    following: Arc<Following>,
    desk: Arc<Desk>,
    scratch: Scratch,
}

impl Reader {
    /// The reader at a desk; one at a time.
    pub fn new(following: Arc<Following>, desk: Arc<Desk>) -> Self {
        Self { following, desk, scratch: Scratch::default() }
    }

    /// Puts news on the desk.
    fn sort(&self, me: &Me<()>, papers: &mut Papers) {
        let news = self.desk.news();
        for newcomer in news.follow {
            let (key, now) = (newcomer.key, me.context.common.clock.now());
            let (following, lane) = (Arc::clone(&self.following), Arc::clone(&self.desk.lane));
            if let Some(stream) = FileStream::open(newcomer, following, lane, now) {
                papers.files.insert(key, stream);
                papers.ready(key);
            }
        }
        for (key, standing) in news.standing {
            if let Some(stream) = papers.files.get_mut(&key) {
                stream.set_standing(standing);
                papers.ready(key);
            }
        }
        for key in news.changed {
            papers.ready(key);
        }
    }

    async fn read(&mut self, me: &Me<()>, papers: &mut Papers) {
        papers.all_ready();
        while !me.is_stopping() {
            self.sort(me, papers);
            let Some(key) = papers.take_next() else {
                self.wait(me, papers).await;
                papers.take_due(me.context.common.clock.now());
                continue;
            };
            let predecessor = papers.files.get(&key).and_then(|stream| stream.after);
            if let Some(predecessor) = predecessor
                && papers.files.get(&predecessor).is_some_and(|stream| !stream.is_at_rest())
            {
                papers.ready(predecessor);
                papers.ready(key);
                // It may have to wait for its disk.
                tokio::task::yield_now().await;
                if papers.files.get(&predecessor).is_some_and(FileStream::is_in_trouble) {
                    self.skip_predecessor(papers, key);
                }
                continue;
            }
            self.skip_predecessor(papers, key);
            let Some(stream) = papers.files.get_mut(&key) else { continue };
            match stream.serve(me, &mut self.scratch).await {
                Served::More => {
                    papers.ready(key);
                    // The router and the senders of this lane go first, while the bytes are in the cache.
                    tokio::task::yield_now().await;
                }
                Served::Rests(None) => {}
                Served::Rests(Some(due)) => papers.look_at(key, due),
                Served::Finished => {
                    if let Some(stream) = papers.remove(key) {
                        stream.finish();
                    }
                }
                Served::Stopped => return,
            }
        }
    }

    fn skip_predecessor(&self, papers: &mut Papers, key: FileKey) {
        if let Some(stream) = papers.files.get_mut(&key) {
            stream.after = None;
        }
    }

    async fn wait(&self, me: &Me<()>, papers: &Papers) {
        let due = papers.next_due();
        let until = async {
            match due {
                Some(due) => tokio::time::sleep_until(due.into()).await,
                None => std::future::pending().await,
            }
        };
        let news = async {
            tokio::select! {
                () = me.stopping() => {}
                () = self.desk.woken() => {}
                () = until => {}
            }
        };
        me.waiting(news).await;
    }
}

impl Child for Reader {
    type Message = ();

    fn start(&mut self, me: &Me<()>) -> anyhow::Result<()> {
        me.note(());
        Ok(())
    }

    async fn handle(&mut self, me: &Me<()>, (): ()) -> anyhow::Result<Next> {
        // Taken only where the last life still runs on an abandoned thread. What it has not read is still in the files: the
        // next process reads it.
        let Ok(mut papers) = Arc::clone(&self.desk.papers).try_lock_owned() else {
            anyhow::bail!("its files are stuck in an abandoned lane; restart the Director to read on");
        };
        self.read(me, &mut papers).await;
        // Streams end here, so that a changed device goes on from where they stopped.
        papers.clear();
        Ok(Next::Done)
    }
}
