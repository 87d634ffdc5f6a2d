//! The product's datasets for Windows, as channels; and what is read where nothing is named.

use std::time::Duration;

use super::channels::{Channel, IdRange};

const APPLOCKER: [&str; 2] =
    ["Microsoft-Windows-AppLocker/EXE and DLL", "Microsoft-Windows-AppLocker/MSI and Script"];

/// Names and ids of the product; its ids are names here, too.
const DATASETS: [(&str, Dataset); 8] = [
    ("windows_main_log_collector", Dataset::Main),
    ("windows_event_log_collector", Dataset::Main),
    ("491591344758837249", Dataset::Main),
    ("windows_security_log_collector", Dataset::Security(&[])),
    ("486227243115741541", Dataset::Security(&[])),
    ("windows_security_log_collector_all", Dataset::Security(&[])),
    ("windows_security_log_collector_common_example", Dataset::Security(COMMON)),
    ("windows_security_log_collector_minimal_example", Dataset::Security(MINIMAL)),
];

#[derive(Clone, Copy)]
enum Dataset {
    /// System and Application.
    Main,
    /// Security and AppLocker; all events, or these of Security.
    Security(&'static [(u32, u32)]),
}

/// Microsoft's "minimal" security event set.
const MINIMAL: &[(u32, u32)] = &[
    (1102, 1102),
    (4624, 4625),
    (4657, 4657),
    (4663, 4663),
    (4688, 4688),
    (4700, 4700),
    (4702, 4702),
    (4719, 4720),
    (4722, 4724),
    (4727, 4728),
    (4732, 4732),
    (4735, 4735),
    (4737, 4737),
    (4739, 4740),
    (4754, 4756),
    (4767, 4767),
    (4799, 4799),
    (4825, 4825),
    (4946, 4946),
    (4948, 4948),
    (4956, 4956),
    (5024, 5024),
    (5033, 5033),
];

/// Microsoft's "common" security event set.
const COMMON: &[(u32, u32)] = &[
    (1, 1),
    (299, 300),
    (324, 324),
    (340, 340),
    (403, 404),
    (410, 413),
    (431, 431),
    (500, 501),
    (1100, 1100),
    (1102, 1102),
    (1107, 1108),
    (4608, 4608),
    (4610, 4611),
    (4614, 4614),
    (4622, 4622),
    (4624, 4625),
    (4634, 4634),
    (4647, 4649),
    (4657, 4657),
    (4661, 4663),
    (4665, 4667),
    (4670, 4670),
    (4672, 4675),
    (4688, 4689),
    (4697, 4697),
    (4700, 4700),
    (4702, 4702),
    (4704, 4705),
    (4716, 4720),
    (4722, 4729),
    (4732, 4733),
    (4735, 4735),
    (4737, 4740),
    (4742, 4742),
    (4744, 4746),
    (4750, 4752),
    (4754, 4757),
    (4760, 4762),
    (4764, 4764),
    (4767, 4768),
    (4771, 4771),
    (4774, 4774),
    (4778, 4779),
    (4781, 4781),
    (4793, 4793),
    (4797, 4803),
    (4825, 4826),
    (4870, 4870),
    (4886, 4888),
    (4893, 4893),
    (4898, 4898),
    (4902, 4902),
    (4904, 4905),
    (4907, 4907),
    (4931, 4933),
    (4946, 4946),
    (4948, 4948),
    (4956, 4956),
    (4985, 4985),
    (5024, 5024),
    (5033, 5033),
    (5059, 5059),
    (5136, 5137),
    (5140, 5140),
    (5145, 5145),
    (5632, 5632),
    (6144, 6145),
    (6272, 6273),
    (6278, 6278),
    (6416, 6416),
    (6423, 6424),
    (26401, 26401),
    (30004, 30004),
];

/// What the two smaller sets take of AppLocker.
const APPLOCKER_IDS: &[(u32, u32)] = &[(8001, 8007), (8222, 8222)];

/// Noise that is written for each object that somebody touches, and for each packet.
const SECURITY_NOISE: &[u32] =
    &[4656, 4658, 4660, 4663, 4670, 4690, 4703, 4907, 5145, 5152, 5156, 5157, 5447];

/// The channels of a dataset; none if there is no such dataset.
pub(super) fn channels(name: &str) -> Option<Vec<Channel>> {
    let (_, dataset) = DATASETS.iter().find(|(known, _)| *known == name)?;
    Some(match dataset {
        Dataset::Main => vec![Channel::all("System"), Channel::all("Application")],
        Dataset::Security(ids) => {
            let of_applocker = if ids.is_empty() { &[] } else { APPLOCKER_IDS };
            let applocker = APPLOCKER.map(|name| Channel {
                ids: ranges(of_applocker),
                optional: true,
                ..Channel::all(name)
            });
            let security = Channel { ids: ranges(ids), ..Channel::all("Security") };
            std::iter::once(security).chain(applocker).collect()
        }
    })
}

/// The names of all datasets.
pub(super) fn names() -> impl Iterator<Item = &'static str> {
    DATASETS.iter().map(|(name, _)| *name)
}

/// What is read where nothing is named.
pub(super) fn default_channels() -> Vec<Channel> {
    let noise = SECURITY_NOISE.iter().map(|id| IdRange { first: *id, last: *id }).collect();
    vec![
        Channel { excluded_ids: noise, ..Channel::all("Security") },
        Channel::all("System"),
        Channel { newer_than: Some(Duration::from_secs(72 * 3600)), ..Channel::all("Application") },
        Channel {
            ids: vec![IdRange { first: 4103, last: 4106 }],
            optional: true,
            ..Channel::all("Microsoft-Windows-PowerShell/Operational")
        },
        Channel { optional: true, ..Channel::all("Microsoft-Windows-Sysmon/Operational") },
    ]
}

fn ranges(ids: &[(u32, u32)]) -> Vec<IdRange> {
    ids.iter().map(|(first, last)| IdRange { first: *first, last: *last }).collect()
}
