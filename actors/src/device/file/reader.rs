//! The actor that reads all files of a device on one lane, a slab of each in turn.

use super::following::{Desk, Following, Papers};
use super::registry::FileKey;
use super::stream::{FileStream, Filled, Look, Scratch, Served};
use crate::child::actor::Next;
use crate::child::{Child, Me};
use std::sync::Arc;
use std::time::Instant;

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

    /// Reads until it is asked to stop, or another life has taken the desk over.
    async fn read(&mut self, me: &Me<()>) -> Option<()> {
        let (desk, life) = (Arc::clone(&self.desk), me.context.generation);
        while !me.is_stopping() {
            let turn = desk.with(life, |papers| {
                self.sort(me, papers);
                next(papers)
            })?;
            let key = match turn {
                Turn::Read(key) => key,
                Turn::Later => {
                    // It may have to wait for its disk.
                    tokio::task::yield_now().await;
                    continue;
                }
                Turn::Nothing(due) => {
                    self.wait(me, due).await;
                    desk.with(life, |papers| papers.take_due(me.context.common.clock.now()))?;
                    continue;
                }
            };
            let served = self.serve(me, key).await?;
            let finished = desk.with(life, |papers| {
                match served {
                    Served::More => papers.ready(key),
                    Served::Rests(Some(due)) => papers.look_at(key, due),
                    Served::Finished => return papers.remove(key),
                    Served::Rests(None) | Served::Stopped => {}
                }
                None
            })?;
            if let Some(stream) = finished {
                stream.finish();
            }
            if served == Served::More {
                // The router and the senders of this lane go first, while the bytes are in the cache.
                tokio::task::yield_now().await;
            }
        }
        Some(())
    }

    /// Looks at a file and reads at most one slab. Between two waits only it holds anything of the desk.
    async fn serve(&mut self, me: &Me<()>, key: FileKey) -> Option<Served> {
        let (desk, life) = (Arc::clone(&self.desk), me.context.generation);
        let look = desk.with_file(life, key, |file| {
            file.look(me).unwrap_or_else(|e| Look::Served(file.failed(me, &e)))
        })?;
        let reading = match look {
            Look::Served(served) => return Some(served),
            Look::Read(reading) => reading,
        };
        let hold = tokio::select! {
            biased;
            () = me.stopping() => return Some(Served::Stopped),
            hold = me.waiting(reading.budget(&self.following.device)) => hold,
        };
        let filled = desk.with_file(life, key, |file| file.read_now(&reading, &mut self.scratch))?;
        let read = match filled {
            Ok(Filled::Now(window, read)) => Ok((window, read)),
            Ok(Filled::Later(source, window, at)) => me.waiting(source.read(window, at)).await,
            Err(e) => Err(e),
        };
        desk.with_file(life, key, |file| match read {
            Ok(read) => file.take_read(me, &mut self.scratch, &reading, read, hold),
            Err(e) => file.failed(me, &e),
        })
    }

    async fn wait(&self, me: &Me<()>, due: Option<Instant>) {
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

/// What to do next.
enum Turn {
    /// Look at this file.
    Read(FileKey),
    /// Another file has to be read first, which is queued before it.
    Later,
    /// Nothing until then.
    Nothing(Option<Instant>),
}

fn next(papers: &mut Papers) -> Turn {
    let Some(key) = papers.take_next() else { return Turn::Nothing(papers.next_due()) };
    let Some(file) = papers.files.get(&key) else { return Turn::Later };
    let waits_for = file
        .after
        .filter(|first| papers.files.get(first).is_some_and(|f| !f.is_at_rest() && !f.is_in_trouble()));
    if let Some(first) = waits_for {
        papers.ready(first);
        papers.ready(key);
        return Turn::Later;
    }
    if let Some(file) = papers.files.get_mut(&key) {
        file.after = None;
    }
    Turn::Read(key)
}

impl Child for Reader {
    type Message = ();

    fn start(&mut self, me: &Me<()>) -> anyhow::Result<()> {
        me.note(());
        Ok(())
    }

    async fn handle(&mut self, me: &Me<()>, (): ()) -> anyhow::Result<Next> {
        if !self.desk.take_over(me.context.generation) {
            anyhow::bail!(
                "a thread got stuck in the middle of reading its files; restart the Director to read on"
            );
        }
        if self.read(me).await.is_some() {
            // Streams end here, so that a changed device goes on from where they stopped.
            self.desk.with(me.context.generation, Papers::clear);
        }
        Ok(Next::Done)
    }
}
