//! The WMI classes that collectors ask for, by WQL over WS-Enumeration (MS-WSMV 3.1.4.10).

use super::soap::SoapFault;
use parking_lot::Mutex;
use protocol::winrm::wsman::{Element, Envelope, Namespace as N};
use std::collections::HashMap;

/// Items in an answer; more than these come with Pull.
const ITEMS_AT_ONCE: usize = 2;
const INVALID_CONTEXT: u32 = 2_150_858_779;
const CANNOT_FILTER: u32 = 2_150_858_778;

type Row = &'static [(&'static str, &'static str)];

/// What is known.
const CLASSES: [(&str, &[Row]); 5] = [
    (
        "Win32_OperatingSystem",
        &[&[
            ("BuildNumber", "20348"),
            ("Caption", "Microsoft Windows Server 2022 Standard"),
            ("FreePhysicalMemory", "2097152"),
            (
                "InstallDate",
                "<cim:Datetime xmlns:cim=\"http://schemas.dmtf.org/wbem/wscim/1/common\">2024-01-02T03:04:05Z</cim:Datetime>",
            ),
            (
                "LastBootUpTime",
                "<cim:Datetime xmlns:cim=\"http://schemas.dmtf.org/wbem/wscim/1/common\">2025-01-02T03:04:05Z</cim:Datetime>",
            ),
            ("OSArchitecture", "64-bit"),
            ("TotalVisibleMemorySize", "4193332"),
            ("Version", "10.0.20348"),
        ]],
    ),
    (
        "Win32_ComputerSystem",
        &[&[
            ("DNSHostName", "winlab"),
            ("Domain", "lab.example"),
            ("Manufacturer", "QEMU"),
            ("Model", "Standard PC"),
            ("Name", "WINLAB"),
            ("NumberOfLogicalProcessors", "4"),
            ("PartOfDomain", "true"),
            ("TotalPhysicalMemory", "4293971968"),
        ]],
    ),
    (
        "Win32_PerfRawData_PerfOS_Processor",
        &[&[("Name", "_Total"), ("PercentProcessorTime", "1000000"), ("Timestamp_Sys100NS", "4000000")]],
    ),
    (
        "Win32_LogicalDisk",
        &[&[
            ("DeviceID", "C:"),
            ("FileSystem", "NTFS"),
            ("FreeSpace", "53687091200"),
            ("Size", "107374182400"),
            ("VolumeName", "System"),
        ]],
    ),
    (
        "Win32_Service",
        &[
            &[("Name", "EventLog"), ("StartMode", "Auto"), ("State", "Running")],
            &[("Name", "Spooler"), ("StartMode", "Auto"), ("State", "Stopped")],
            &[("Name", "WinRM"), ("StartMode", "Auto"), ("State", "Running")],
        ],
    ),
];

/// Enumerations that go on.
#[derive(Debug, Default)]
pub(super) struct Wmi(Mutex<State>);

#[derive(Debug, Default)]
struct State {
    open: HashMap<String, Vec<String>>,
    numbered: u64,
}

impl Wmi {
    pub(super) fn enumerate(&self, request: &Envelope<'_>) -> Result<String, SoapFault> {
        let filter = request.body().first().and_then(|enumerate| enumerate.child(N::Wsman, "Filter"));
        let query = filter.map(Element::trimmed).ok_or_else(|| SoapFault::of(87))?;
        let items = select(query).ok_or_else(|| SoapFault::of(CANNOT_FILTER))?;
        Ok(self.answer("EnumerateResponse", "w", items))
    }

    pub(super) fn pull(&self, request: &Envelope<'_>) -> Result<String, SoapFault> {
        let context =
            request.body().first().and_then(|pull| pull.child(N::Enumeration, "EnumerationContext"));
        let context = context.map(Element::trimmed).unwrap_or_default();
        let items = self.0.lock().open.remove(context).ok_or_else(|| SoapFault::of(INVALID_CONTEXT))?;
        Ok(self.answer("PullResponse", "n", items))
    }

    /// The first items; `Items` and `EndOfSequence` stand in another namespace in each of the two answers.
    fn answer(&self, name: &str, prefix: &str, mut items: Vec<String>) -> String {
        let rest = items.split_off(items.len().min(ITEMS_AT_ONCE));
        let last = rest.is_empty();
        let mut state = self.0.lock();
        state.numbered += 1;
        let context = format!("uuid:22222222-0000-4000-8000-{:012X}", state.numbered);
        if !last {
            state.open.insert(context.clone(), rest);
        }
        let context = if last { String::new() } else { context };
        let end = if last { format!("<{prefix}:EndOfSequence/>") } else { String::new() };
        format!(
            "<n:{name}><n:EnumerationContext>{context}</n:EnumerationContext><{prefix}:Items>{}</{prefix}:Items>\
             {end}</n:{name}>",
            items.concat()
        )
    }
}

/// The rows of a query: fragments with the properties that it names, in alphabetical order.
fn select(query: &str) -> Option<Vec<String>> {
    let words: Vec<&str> = query.split_whitespace().collect();
    let from = words.iter().position(|word| word.eq_ignore_ascii_case("from"))?;
    let (_, rows) = CLASSES.iter().find(|(name, _)| name.eq_ignore_ascii_case(words[from + 1]))?;
    let columns = words[1..from].concat();
    let wanted: Vec<&str> = columns.split(',').collect();
    let row = |row: &Row| {
        let named = row.iter().filter(|(name, _)| {
            wanted.iter().any(|wanted| *wanted == "*" || wanted.eq_ignore_ascii_case(name))
        });
        let properties: String = named.map(|(name, value)| format!("<{name}>{value}</{name}>")).collect();
        format!("<w:XmlFragment>{properties}</w:XmlFragment>")
    };
    Some(rows.iter().map(row).collect())
}
