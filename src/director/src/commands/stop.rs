//! `-stop`.

use super::say;
use crate::client::{Client, block_on};
use crate::exit::Exit;
use crate::failed::Failed;
use crate::place::{Holder, Place};
use std::time::Duration;

/// A Director takes thirty seconds at most; a little more for its end.
const WITHIN: Duration = Duration::from_secs(40);
/// How often to see whether it is gone.
const LOOK: Duration = Duration::from_millis(50);

/// Stops a running Director in an orderly way, and waits until it is gone.
pub(super) fn stop(place: &Place) -> Result<Exit, Failed> {
    block_on(async {
        Client::of(place).post("/stop").await?;
        let gone = async {
            while place.holder()? != Holder::Nobody {
                tokio::time::sleep(LOOK).await;
            }
            Ok::<_, Failed>(())
        };
        match tokio::time::timeout(WITHIN, gone).await {
            Ok(gone) => gone,
            Err(_) => {
                let text = format!("it is still running after {} s; see its log", WITHIN.as_secs());
                Err(Failed::new(Exit::Failure, anyhow::anyhow!(text)))
            }
        }
    })?;
    say("stopped; the log says whether anything was left\n")
}
