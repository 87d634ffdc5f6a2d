//! `-test-device`: tries every step to an agentless device, without a running Director.

use super::say;
use crate::arguments::Arguments;
use crate::client::block_on;
use crate::configuration::load;
use crate::exit::Exit;
use crate::failed::Failed;
use crate::place::Place;
use config::{Device, Snapshot};
use std::io::{self, Write};
use std::sync::Arc;
use supervisors::device_tree::{Finding, address_of, trial};

/// Prints a line for each step; fails when the device can't be collected.
pub(super) fn test_device(arguments: &Arguments, place: &Place) -> Result<Exit, Failed> {
    let wanted = arguments.value("test-device").unwrap_or_default();
    let loaded = load(place);
    let Some(snapshot) = &loaded.snapshot else {
        let report = anyhow::anyhow!("{}-validate lists what is wrong", loaded.report());
        return Err(Failed::new(Exit::Configuration, report));
    };
    let device = find(snapshot, wanted)?;
    let Some(mut trial) = trial(&device)? else {
        let text = "it listens for others or reads files here; name a device that is collected from afar";
        return Err(Failed::new(
            Exit::Usage,
            anyhow::anyhow!("device {:?} has nothing to try: {text}", device.name),
        ));
    };
    let mut failed = false;
    block_on(async {
        let mut tell = |finding: Finding| {
            failed |= finding.is_failure();
            // Whoever reads this may have gone; the exit code still tells.
            let _ = writeln!(io::stdout(), "{finding}");
        };
        trial.run(&mut tell).await;
        Ok(())
    })?;
    match failed {
        true => Ok(Exit::Failure),
        false => say(&format!("device {:?} can be collected\n", device.name)),
    }
}

/// The device of that name or address.
fn find(snapshot: &Snapshot, wanted: &str) -> Result<Arc<Device>, Failed> {
    let by_address = || snapshot.devices.iter().find(|device| address_of(&device.kind) == Some(wanted));
    if let Some(device) = snapshot.device(wanted).or_else(by_address) {
        return Ok(Arc::clone(device));
    }
    let names: Vec<&str> = snapshot.devices.iter().map(|device| device.name.as_str()).take(20).collect();
    let text = format!("no device has the name or address {wanted:?}; the first are: {}", names.join(", "));
    Err(Failed::new(Exit::Usage, anyhow::anyhow!(text)))
}
