//! All that happens to a request in flight, from its events to a verdict.

use super::dialect::{Verdict, build};
use super::exchange::Exchange;
use super::pool::Pool;
use super::settings::HttpSettings;
use super::stock::Piece;
use crate::data::target::Target;
use std::sync::Arc;

/// A request in flight.
#[derive(Debug)]
pub struct Flight {
    /// The target.
    pub target: Arc<Target>,
    /// Where and how.
    pub settings: Arc<HttpSettings>,
    /// Connections.
    pub pool: Arc<Pool>,
    /// The events.
    pub pieces: Vec<Piece>,
    /// The endpoint to begin with.
    pub endpoint: usize,
}

/// How a flight ended.
#[derive(Debug)]
pub struct Landing {
    /// What becomes of its events.
    pub verdict: Verdict,
    /// The endpoint that had the last word.
    pub endpoint: usize,
}

impl Flight {
    /// Builds the body and offers it to one endpoint after the other until one takes or refuses it.
    pub async fn deliver(self) -> Landing {
        let Self { target, settings, pool, pieces, endpoint: first } = self;
        let dialect = &*settings.dialect;
        let events = pieces.iter().map(|piece| piece.events.end - piece.events.start).sum();
        let (mut body, _hold) = build(dialect, &pieces).await;
        // From here on the body keeps alive what it refers to.
        drop(pieces);
        if settings.gzip {
            body = body.compressed().await;
        }
        let exchange = Exchange { settings: &settings, pool: &pool };
        let count = settings.endpoints.len();
        let mut attempt = 0;
        loop {
            let endpoint = (first + attempt) % count;
            target.meters.requests.add(1);
            target.meters.bytes.add(body.len());
            let answer = exchange.attempt(&settings.endpoints[endpoint], &body, dialect.answer_bytes()).await;
            let verdict = match answer {
                Ok(answer) => dialect.judge(&answer, events),
                Err(trouble) => Verdict::Again { after: None, trouble },
            };
            attempt += 1;
            match &verdict {
                Verdict::Again { trouble, .. } => {
                    target.meters.troubles.add(trouble.name);
                    if attempt == count {
                        return Landing { verdict, endpoint };
                    }
                    let (url, why) = (&settings.endpoints[endpoint], &trouble.text);
                    tracing::debug!(target = &*target.name, endpoint = %url, "{why}; trying the next endpoint");
                }
                _ => return Landing { verdict, endpoint },
            }
        }
    }
}
