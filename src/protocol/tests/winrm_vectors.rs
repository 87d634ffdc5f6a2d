//! Messages recorded from real hosts (`vectors/winrm`), read as our client reads them.

use std::path::{Path, PathBuf};

use protocol::winevent::{self, bookmark};
use protocol::winrm::wsman::reply::{CommandState, Items};
use protocol::winrm::wsman::wmi::Instance;
use protocol::winrm::wsman::{Cause, Content, Envelope, Fault, Reply};

fn vectors() -> Option<PathBuf> {
    let folder = Path::new(concat!(env!("CARGO_MANIFEST_DIR"), "/../../../shared/vectors/winrm"));
    if !folder.exists() {
        println!("SKIPPED: no vectors at {}", folder.display());
        return None;
    }
    Some(folder.to_owned())
}

fn read(path: &str) -> String {
    let folder = vectors().expect("the vectors were there a moment ago");
    std::fs::read_to_string(folder.join(path)).unwrap_or_else(|error| panic!("{path}: {error}"))
}

fn fault(path: &str) -> Fault {
    match Reply::read(&read(path)).unwrap_or_else(|error| panic!("{path}: {error}")).content {
        Content::Fault(fault) => fault,
        other => panic!("{path}: {other:?}"),
    }
}

/// All XML files, in order of their names.
fn files(folder: &Path, found: &mut Vec<PathBuf>) {
    let entries = std::fs::read_dir(folder).expect("the folder can be read");
    let mut entries: Vec<_> = entries.map(|entry| entry.expect("the entry can be read").path()).collect();
    entries.sort();
    for path in entries {
        if path.is_dir() {
            files(&path, found);
        } else if path.extension().is_some_and(|extension| extension == "xml") {
            found.push(path);
        }
    }
}

#[test]
fn every_recorded_message_is_read() {
    let Some(folder) = vectors() else { return };
    let mut all = Vec::new();
    files(&folder, &mut all);
    let (mut messages, mut answers, mut events) = (0, 0, 0);
    for path in &all {
        let xml = std::fs::read_to_string(path).unwrap();
        let name = path.file_name().unwrap().to_str().unwrap();
        if path.parent().unwrap().ends_with("openwec") && name.starts_with("event-") {
            winevent::parse(&xml).unwrap_or_else(|error| panic!("{name}: {error}"));
            events += 1;
            continue;
        }
        let envelope = Envelope::read(&xml).unwrap_or_else(|error| panic!("{}: {error}", path.display()));
        assert!(envelope.action().is_some(), "{}", path.display());
        let is_request = path.parent().unwrap().ends_with("request") || name.contains("request");
        if !is_request {
            Reply::read(&xml).unwrap_or_else(|error| panic!("{}: {error}", path.display()));
            answers += 1;
        }
        messages += 1;
    }
    println!("{messages} messages, {answers} of them answers, {events} events");
    assert_eq!((messages, answers, events), (139, 84, 6));
}

#[test]
fn shells_are_followed_through_their_life() {
    let Some(folder) = vectors() else { return };
    let (mut pairs, mut answered) = (0, 0);
    for exchange in std::fs::read_dir(folder.join("pypsrp")).unwrap() {
        let mut all = Vec::new();
        files(&exchange.unwrap().path(), &mut all);
        for request in all.iter().filter(|path| path.to_str().unwrap().ends_with("request.xml")) {
            let stem = request.to_str().unwrap().strip_suffix("request.xml").unwrap();
            let answer = [200, 500]
                .into_iter()
                .find_map(|status| std::fs::read_to_string(format!("{stem}response-{status}.xml")).ok())
                .unwrap_or_else(|| panic!("{stem} has no answer"));
            let request = std::fs::read_to_string(request).unwrap();
            let request = Envelope::read(&request).unwrap();
            let reply = Reply::read(&answer).unwrap();
            answered += usize::from(reply.answers(request.message_id().unwrap()));
            let fits = match (request.action().unwrap().rsplit('/').next().unwrap(), &reply.content) {
                (_, Content::Fault(fault)) => fault.cause() != Cause::Unknown,
                ("Create" | "Get", Content::Shell { shell_id }) => shell_id.len() == 36,
                ("Command", Content::Command { command_id }) => command_id.len() == 36,
                ("Receive", Content::Output(_)) => true,
                ("Send" | "Signal" | "Delete", Content::Done) => true,
                ("Get", Content::Other(name)) => *name == "Config",
                _ => false,
            };
            assert!(fits, "{stem}: {:?}", reply.content);
            pairs += 1;
        }
    }
    // One recorded answer (winrs_unicode/05-Delete) names another request.
    println!("{pairs} exchanges, {answered} answers name their requests");
    assert_eq!((pairs, answered), (47, 46));
}

#[test]
fn output_and_exit_codes_are_read() {
    if vectors().is_none() {
        return;
    }
    let output = |path: &str| match Reply::read(&read(path)).unwrap().content {
        Content::Output(output) => output,
        other => panic!("{path}: {other:?}"),
    };
    let done = output("pypsrp/winrs_standard/03-Receive-response-200.xml");
    assert_eq!(done.stdout, b"hi\r\n");
    assert_eq!(done.state, CommandState::Done { exit_code: Some(0) });
    let failed = output("pypsrp/winrs_stderr_rc/03-Receive-response-200.xml");
    assert_eq!(failed.state, CommandState::Done { exit_code: Some(1) });
    assert!(!failed.stderr.is_empty());
    let unicode = output("pypsrp/winrs_unicode/03-Receive-response-200.xml");
    assert!(String::from_utf8(unicode.stdout).is_ok());
    let running = output("masterzen/outputResponse.xml");
    assert_eq!(running.state, CommandState::Running);
    let done = output("masterzen/doneCommandResponse.xml");
    assert_eq!(done.state, CommandState::Done { exit_code: Some(123) });
    let typeperf = output("txwinrm/data_shell/receive_resp_02.xml");
    assert!(typeperf.stdout.starts_with(b"\r\n\"04/11/2013 17:55:02.335\",\"0.024353\"\r\nExiting"));
}

#[test]
fn recorded_faults_are_known_by_their_innermost_number() {
    if vectors().is_none() {
        return;
    }
    let rows = [
        ("winrb/soap_fault_v1.xml", Cause::QueryInvalid),
        ("winrb/soap_fault_v2.xml", Cause::QueryInvalid),
        ("winrb/wmi_error_v2.xml", Cause::Quota),
        ("winrb/soap_fault_omi.xml", Cause::Unknown),
        ("masterzen/executeCommandResponseWithError.xml", Cause::CommandTooLong),
        ("masterzen/operationTimeoutResponse.xml", Cause::TimedOut),
        ("txwinrm/data_error/max_concurrent.xml", Cause::Quota),
        ("pypsrp/winrs_operation_timeout/04-Receive-response-500.xml", Cause::TimedOut),
        ("pypsrp/winrs_bad_cmd_id/03-Receive-response-500.xml", Cause::SelectorUnknown),
        ("pypsrp/winrs_no_cmd_shell/02-Command-response-500.xml", Cause::FileNotFound),
        ("pypsrp/winrs_fail_poll_process/02-Receive-response-500.xml", Cause::InvalidParameter),
        ("pypsrp/psrp_is_alive_invalid_selectors/05-Get-response-500.xml", Cause::SelectorUnknown),
    ];
    for (path, cause) in rows {
        assert_eq!(fault(path).cause(), cause, "{path}");
    }
    assert_eq!(
        fault("winrb/soap_fault_v2.xml").to_string(),
        "The specified class does not exist in the given namespace (code 2150858778)"
    );
    let Content::Ended(ended) = Reply::read(&read("openwec/subscriptionend17.xml")).unwrap().content else {
        panic!()
    };
    assert_eq!(ended.cause(), Cause::LogUnreadable);
    assert_eq!(ended.message.as_deref(), Some("Windows Event Forward Plugin failed to read events."));
}

#[test]
fn a_recorded_subscription_is_followed() {
    if vectors().is_none() {
        return;
    }
    let subscribed = read("txwinrm/data_subscribe/subscribe_resp.xml");
    let Content::Subscribed { identifier, context } = Reply::read(&subscribed).unwrap().content else {
        panic!()
    };
    assert_eq!(identifier, "885E9924-235C-44EB-9834-B3440B7DCD38");
    assert_eq!(context, "uuid:00A69F40-AF0D-4E6D-93BD-EFE6AADC3F51");

    let pulled = read("txwinrm/data_subscribe/pull_resp_01.xml");
    let reply = Reply::read(&pulled).unwrap();
    let bookmarks = bookmark::parse(reply.bookmark.unwrap()).unwrap();
    assert_eq!(bookmarks.len(), 1);
    assert_eq!((bookmarks[0].channel.as_str(), bookmarks[0].record_id), ("Application", 3847));
    let Content::Items(items) = reply.content else { panic!() };
    assert_eq!(items.context.as_deref(), Some("uuid:05071354-C4AD-4745-AA80-1127029F660E"));
    let event = winevent::parse(&items.items[0]).unwrap();
    assert_eq!((event.record_id, event.channel.as_ref()), (Some(3847), "Application"));
    assert_eq!(event.rendering.unwrap().message.unwrap(), "test_from_gilroy_cmd_003");

    let heartbeat = read("txwinrm/data_subscribe/pull_resp_02.xml");
    let reply = Reply::read(&heartbeat).unwrap();
    assert_eq!(reply.bookmark, None);
    let Content::Items(Items { context, items, end }) = reply.content else { panic!() };
    assert_eq!(
        (context.as_deref(), items.len(), end),
        (Some("uuid:F31A07AC-3B61-4ECC-A489-1B492FA1E7D6"), 0, false)
    );
}

#[test]
fn recorded_instances_have_their_properties() {
    if vectors().is_none() {
        return;
    }
    let mut services = 0;
    for page in 0..4 {
        let xml = read(&format!("txwinrm/data/server_2012/Win32_Service_all_00{page}.xml"));
        let Content::Items(found) = Reply::read(&xml).unwrap().content else { panic!() };
        assert_eq!(found.end, page == 3, "page {page}");
        assert_eq!(found.context.is_some(), page != 3, "page {page}");
        for item in &found.items {
            let service = Instance::read(item).unwrap();
            assert_eq!(service.class, None);
            assert!(service.get("Name").is_some() && service.get("State").is_some());
            assert!(service.properties.contains(&("InstallDate", None)));
            services += 1;
        }
    }
    println!("{services} services");
    assert_eq!(services, 131);

    let xml = read("txwinrm/data/server_2012/Win32_OperatingSystem_star_000.xml");
    let Content::Items(found) = Reply::read(&xml).unwrap().content else { panic!() };
    assert!(found.end && found.context.is_none());
    let system = Instance::read(&found.items[0]).unwrap();
    assert_eq!(system.class, Some("Win32_OperatingSystem"));
    assert_eq!(system.get("Caption"), Some("Microsoft Windows Server 2012 Standard"));
    assert_eq!(system.get("LastBootUpTime"), Some("2013-04-15T16:28:43.488171Z"));
    assert_eq!(system.get("CSDVersion"), None);
}
