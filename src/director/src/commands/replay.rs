//! `-replay`: a span of the kept journal is sent once more, through the present configuration, to one target.

use super::journal::Span;
use crate::arguments::Arguments;
use crate::client::{Client, block_on};
use crate::exit::Exit;
use crate::failed::Failed;
use crate::place::Place;
use supervisors::replay::SpanOrder;

/// Has the running Director do it, and prints how it goes.
pub(super) fn replay(arguments: &Arguments, place: &Place) -> Result<Exit, Failed> {
    let Some(target) = arguments.value("target") else {
        let text = "say to which target: -replay -target NAME [-device NAME] [-from X] [-to X]";
        return Err(Failed::new(Exit::Usage, anyhow::anyhow!(text)));
    };
    let Span { from, to } = Span::of(arguments)?;
    let device = arguments.value("device").map(str::to_owned);
    let order = SpanOrder { from, to, target: target.to_owned(), device };
    let body = serde_json::to_string(&order)?;
    block_on(async { Client::of(place).follow("/replay-journal", &body, |line| print!("{line}")).await })?;
    Ok(Exit::Ok)
}
