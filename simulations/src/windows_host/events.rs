//! The XML of simulated events.

use jiff::Timestamp;

/// A logon as Windows writes it (1.7 KB), in whose data the record's number comes again as `TargetUserName`.
pub fn logon(channel: &str, computer: &str, record: u64) -> String {
    let data = [
        ("SubjectUserSid", "S-1-5-18"),
        ("SubjectUserName", "WINLAB$"),
        ("SubjectDomainName", "LAB"),
        ("SubjectLogonId", "0x3e7"),
        ("TargetUserSid", "S-1-5-21-1234567890-1234567890-1234567890-1105"),
        ("TargetDomainName", "LAB"),
        ("TargetLogonId", "0x1f4a2b3"),
        ("LogonType", "3"),
        ("LogonProcessName", "NtLmSsp "),
        ("AuthenticationPackageName", "NTLM"),
        ("WorkstationName", "CLIENT-17"),
        ("LogonGuid", "{00000000-0000-0000-0000-000000000000}"),
        ("TransmittedServices", "-"),
        ("LmPackageName", "NTLM V2"),
        ("KeyLength", "128"),
        ("ProcessId", "0x0"),
        ("ProcessName", "-"),
        ("IpAddress", "192.0.2.17"),
        ("IpPort", "49732"),
        ("ImpersonationLevel", "%%1833"),
    ];
    let data: String =
        data.iter().map(|(name, value)| format!("<Data Name='{name}'>{value}</Data>")).collect();
    format!(
        "<Event xmlns='http://schemas.microsoft.com/win/2004/08/events/event'>{}<EventData>\
         <Data Name='TargetUserName'>user-{record}</Data>{data}</EventData></Event>",
        system(channel, computer, record, 4624, 0)
    )
}

/// A short event.
pub fn plain(channel: &str, computer: &str, record: u64, event_id: u32, level: u8) -> String {
    format!(
        "<Event xmlns='http://schemas.microsoft.com/win/2004/08/events/event'>{}<EventData>\
         <Data Name='param1'>record {record}</Data></EventData></Event>",
        system(channel, computer, record, event_id, level)
    )
}

fn system(channel: &str, computer: &str, record: u64, event_id: u32, level: u8) -> String {
    let now = Timestamp::now();
    format!(
        "<System><Provider Name='Microsoft-Windows-Security-Auditing' \
         Guid='{{54849625-5478-4994-a5ba-3e3b0328c30d}}'/><EventID>{event_id}</EventID><Version>1</Version>\
         <Level>{level}</Level><Task>12544</Task><Opcode>0</Opcode><Keywords>0x8020000000000000</Keywords>\
         <TimeCreated SystemTime='{now:.7}'/><EventRecordID>{record}</EventRecordID><Correlation/>\
         <Execution ProcessID='636' ThreadID='2048'/><Channel>{channel}</Channel>\
         <Computer>{computer}</Computer><Security/></System>"
    )
}
