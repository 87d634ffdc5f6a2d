//! The trait that every piece of the Director implements, and the ractor actor that hosts it.
//!
//! A child handles one message at a time. A child that is not driven by messages (a connection, a
//! collector) sends itself one at the start and stays in it until it is asked to stop.

use super::exit::Failure;
use super::faults::Fault;
use super::pulse::{Activity, Pulse};
use super::spec::StartContext;
use pin_project_lite::pin_project;
use ractor::{Actor, ActorProcessingErr, ActorRef};
use std::future::Future;
use std::marker::PhantomData;
use std::pin::{Pin, pin};
use std::task::{Context, Poll};
use std::time::{Duration, Instant};

/// A piece of the Director.
pub trait Child: Send + 'static {
    /// What it is sent.
    type Message: Send + 'static;

    /// Called once before the first message. Takes its places and sends itself what it begins with; no I/O.
    fn start(&mut self, me: &Me<Self::Message>) -> anyhow::Result<()>;

    /// Handles a message. An error ends this life. May wait, and says so through the pulse.
    fn handle(
        &mut self,
        me: &Me<Self::Message>,
        message: Self::Message,
    ) -> impl Future<Output = anyhow::Result<Next>> + Send;

    /// It was asked to stop and has handled everything that was sent before: finish what was begun.
    fn finish(&mut self, me: &Me<Self::Message>) -> impl Future<Output = anyhow::Result<()>> + Send {
        let _ = me;
        async { Ok(()) }
    }
}

/// What comes after a message.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Next {
    /// The next one.
    Continue,
    /// Nothing: the child is done.
    Done,
}

/// What lies in a child's mailbox.
#[derive(Debug)]
pub enum Letter<M> {
    /// A message.
    Message(M),
    /// Please stop.
    Stop,
}

/// A child's view of itself in one of its lives.
pub struct Me<M: Send + 'static> {
    /// The ractor actor.
    pub actor: ActorRef<Letter<M>>,
    /// What it was started with.
    pub context: StartContext,
}

impl<M: Send + 'static> Me<M> {
    /// Sends itself a message.
    pub fn note(&self, message: M) {
        // It fails only while this actor ends, and then nobody is left to want it.
        let _ = self.actor.cast(Letter::Message(message));
    }

    /// Sends itself a message later.
    pub fn note_in(&self, delay: Duration, message: M) {
        let actor = self.actor.clone();
        tokio::spawn(async move {
            tokio::time::sleep(delay).await;
            let _ = actor.cast(Letter::Message(message));
        });
    }

    /// Waits for somebody else, which may take any time.
    pub fn waiting<F: Future>(&self, future: F) -> Waiting<'_, F> {
        Waiting { pulse: &self.context.pulse, waits: false, future }
    }

    /// Returns when the child is asked to stop.
    pub async fn stopping(&self) {
        self.context.stopping.cancelled().await;
    }

    /// Whether the child was asked to stop.
    pub fn is_stopping(&self) -> bool {
        self.context.stopping.is_cancelled()
    }
}

pin_project! {
    /// A future of somebody else's that a child waits for. Its pulse says so, unless it need not wait at all.
    ///
    /// Written by hand: an `async fn` would keep room for the future twice, in each of thousands of connections.
    #[must_use = "nobody waits before it is awaited"]
    pub struct Waiting<'a, F> {
        pulse: &'a Pulse,
        waits: bool,
        #[pin]
        future: F,
    }

    impl<F> PinnedDrop for Waiting<'_, F> {
        fn drop(this: Pin<&mut Self>) {
            if this.waits {
                this.pulse.set(Activity::Working);
            }
        }
    }
}

impl<F: Future> Future for Waiting<'_, F> {
    type Output = F::Output;

    fn poll(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<F::Output> {
        let this = self.project();
        let done = this.future.poll(cx);
        if done.is_pending() != *this.waits {
            *this.waits = done.is_pending();
            this.pulse.set(if done.is_pending() { Activity::Waiting } else { Activity::Working });
        }
        done
    }
}

/// The ractor actor around a child.
pub(super) struct Host<C>(PhantomData<fn() -> C>);

impl<C> Default for Host<C> {
    fn default() -> Self {
        Self(PhantomData)
    }
}

pub(super) struct Hosted<C: Child> {
    child: C,
    me: Me<C::Message>,
}

impl<C: Child> Actor for Host<C> {
    type Msg = Letter<C::Message>;
    type State = Hosted<C>;
    type Arguments = (C, StartContext);

    async fn pre_start(
        &self,
        actor: ActorRef<Self::Msg>,
        (child, context): Self::Arguments,
    ) -> Result<Self::State, ActorProcessingErr> {
        Ok(Hosted { child, me: Me { actor, context } })
    }

    async fn post_start(
        &self,
        _: ActorRef<Self::Msg>,
        hosted: &mut Self::State,
    ) -> Result<(), ActorProcessingErr> {
        hosted.child.start(&hosted.me).map_err(|e| Failure(e).into())
    }

    async fn handle(
        &self,
        actor: ActorRef<Self::Msg>,
        letter: Self::Msg,
        Hosted { child, me }: &mut Self::State,
    ) -> Result<(), ActorProcessingErr> {
        // Boxed: ractor keeps room for this future twice, in each of thousands of connections.
        if Box::pin(attend(child, me, letter)).await? {
            actor.stop(None);
        }
        Ok(())
    }
}

/// Has a child attend to a letter, unless a fault comes between; returns whether it is done for good.
async fn attend<C: Child>(
    child: &mut C,
    me: &Me<C::Message>,
    letter: Letter<C::Message>,
) -> Result<bool, Failure> {
    let context = &me.context;
    context.pulse.set(Activity::Working);
    let faults = &context.common.faults;
    let done = match letter {
        Letter::Message(message) => {
            if let Some(fault) = faults.take(&context.path) {
                suffer(fault).await?;
            }
            let mut work = pin!(child.handle(me, message));
            loop {
                tokio::select! {
                    biased;
                    next = &mut work => break next.map_err(Failure)? == Next::Done,
                    fault = faults.wait(&context.path) => {
                        context.pulse.set(Activity::Working);
                        suffer(fault).await?;
                    }
                }
            }
        }
        Letter::Stop => {
            child.finish(me).await.map_err(Failure)?;
            true
        }
    };
    context.pulse.set(Activity::Idle);
    Ok(done)
}

/// Carries out a fault.
async fn suffer(fault: Fault) -> Result<(), Failure> {
    match fault {
        Fault::Panic => panic!("a panic that was asked for"),
        Fault::Error => Err(Failure(anyhow::anyhow!("an error that was asked for"))),
        Fault::Hang => std::future::pending().await,
        Fault::Spin(time) => {
            let until = Instant::now() + time;
            while Instant::now() < until {
                std::hint::spin_loop();
            }
            Ok(())
        }
    }
}
