//! Remote shells with the few programs that collectors and tests use (MS-WSMV 3.1.4.1.31).
//!
//! `wevtutil qe`, `echo TEXT`, `exit N`, and `wait`, which says nothing until it is ended.

use super::logs::Logs;
use super::soap::SoapFault;
use super::xpath::Expression;
use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use parking_lot::Mutex;
use protocol::winrm::wsman::{Element, Envelope, Namespace as N};
use std::collections::HashMap;
use std::time::Duration;

/// What a fault by number is called here.
const UNKNOWN_SELECTOR: u32 = 2_150_858_843;
const TOO_MANY_SHELLS: u32 = 2_150_859_173;
const SHELLS_FORBIDDEN: u32 = 2_150_859_180;
const COMMAND_TOO_LONG: u32 = 2_147_942_606;
/// What `cmd.exe` takes.
const MAX_COMMAND_CHARACTERS: usize = 8191;
/// So much output comes in one answer.
const OUTPUT_BYTES: usize = 100_000;

/// All shells of a host.
#[derive(Debug, Default)]
pub(super) struct Shells(Mutex<State>);

#[derive(Debug, Default)]
struct State {
    shells: HashMap<String, HashMap<String, Command>>,
    numbered: u64,
}

#[derive(Debug)]
struct Command {
    stdout: Vec<u8>,
    stderr: Vec<u8>,
    /// None while it runs.
    exit_code: Option<i32>,
}

impl Shells {
    /// How many there are.
    pub(super) fn count(&self) -> usize {
        self.0.lock().shells.len()
    }

    /// All are gone.
    pub(super) fn clear(&self) {
        self.0.lock().shells.clear();
    }

    pub(super) fn create(&self, allowed: bool, most: usize) -> Result<String, SoapFault> {
        if !allowed {
            return Err(SoapFault::of(SHELLS_FORBIDDEN));
        }
        let mut state = self.0.lock();
        if state.shells.len() >= most {
            return Err(SoapFault::of(TOO_MANY_SHELLS));
        }
        let id = state.fresh_id();
        state.shells.insert(id.clone(), HashMap::new());
        Ok(format!(
            "<x:ResourceCreated><a:Address>http://winlab/wsman</a:Address><a:ReferenceParameters>\
             <w:ResourceURI>http://schemas.microsoft.com/wbem/wsman/1/windows/shell/cmd</w:ResourceURI>\
             <w:SelectorSet><w:Selector Name=\"ShellId\">{id}</w:Selector></w:SelectorSet>\
             </a:ReferenceParameters></x:ResourceCreated><rsp:Shell><rsp:ShellId>{id}</rsp:ShellId></rsp:Shell>"
        ))
    }

    pub(super) fn command(&self, request: &Envelope<'_>, logs: &Logs) -> Result<String, SoapFault> {
        let line = request.body().first().ok_or_else(|| SoapFault::of(87))?;
        let parts = line.children.iter().filter(|c| matches!(c.name, "Command" | "Arguments"));
        let text: Vec<&str> = parts.map(Element::trimmed).collect();
        let text = text.join(" ");
        if text.encode_utf16().count() > MAX_COMMAND_CHARACTERS {
            return Err(SoapFault::of(COMMAND_TOO_LONG));
        }
        let command = run(&text, logs);
        let mut state = self.0.lock();
        let id = state.fresh_id();
        state.shell(request)?.insert(id.clone(), command);
        Ok(format!("<rsp:CommandResponse><rsp:CommandId>{id}</rsp:CommandId></rsp:CommandResponse>"))
    }

    pub(super) async fn receive(
        &self,
        request: &Envelope<'_>,
        operation_timeout: Duration,
    ) -> Result<String, SoapFault> {
        let stream = request.body().first().and_then(|receive| receive.child(N::Shell, "DesiredStream"));
        let id = stream.and_then(|stream| stream.attribute("CommandId")).unwrap_or_default();
        if let Some(answer) = self.output(request, id)? {
            return Ok(answer);
        }
        tokio::time::sleep(operation_timeout).await;
        self.output(request, id)?.ok_or_else(|| SoapFault::of(2_150_858_793))
    }

    /// What a command has written; none while it runs and says nothing.
    fn output(&self, request: &Envelope<'_>, id: &str) -> Result<Option<String>, SoapFault> {
        let mut state = self.0.lock();
        let commands = state.shell(request)?;
        let command = commands.get_mut(id).ok_or_else(|| SoapFault::of(UNKNOWN_SELECTOR))?;
        let mut body = String::from("<rsp:ReceiveResponse>");
        let mut any = false;
        for (name, bytes) in [("stdout", &mut command.stdout), ("stderr", &mut command.stderr)] {
            let len = bytes.len().min(OUTPUT_BYTES);
            let part: Vec<u8> = bytes.drain(..len).collect();
            if !part.is_empty() {
                any = true;
                let text = STANDARD.encode(part);
                body.push_str(&format!("<rsp:Stream Name=\"{name}\" CommandId=\"{id}\">{text}</rsp:Stream>"));
            }
        }
        let states = "http://schemas.microsoft.com/wbem/wsman/1/windows/shell/CommandState";
        let rest = !command.stdout.is_empty() || !command.stderr.is_empty();
        match command.exit_code.filter(|_| !rest) {
            Some(code) => body.push_str(&format!(
                "<rsp:CommandState CommandId=\"{id}\" State=\"{states}/Done\"><rsp:ExitCode>{code}</rsp:ExitCode>\
                 </rsp:CommandState>"
            )),
            None if any => {
                body.push_str(&format!("<rsp:CommandState CommandId=\"{id}\" State=\"{states}/Running\"/>"));
            }
            None => return Ok(None),
        }
        body.push_str("</rsp:ReceiveResponse>");
        Ok(Some(body))
    }

    pub(super) fn signal(&self, request: &Envelope<'_>) -> Result<String, SoapFault> {
        let id = request.body().first().and_then(|signal| signal.attribute("CommandId")).unwrap_or_default();
        match self.0.lock().shell(request)?.remove(id) {
            Some(_) => Ok("<rsp:SignalResponse/>".to_owned()),
            None => Err(SoapFault::of(UNKNOWN_SELECTOR)),
        }
    }

    pub(super) fn delete(&self, request: &Envelope<'_>) -> Result<String, SoapFault> {
        let id = request.selector("ShellId").unwrap_or_default();
        match self.0.lock().shells.remove(id) {
            Some(_) => Ok(String::new()),
            None => Err(SoapFault::of(UNKNOWN_SELECTOR)),
        }
    }
}

impl State {
    fn fresh_id(&mut self) -> String {
        self.numbered += 1;
        format!("11111111-0000-4000-8000-{:012X}", self.numbered)
    }

    fn shell(&mut self, request: &Envelope<'_>) -> Result<&mut HashMap<String, Command>, SoapFault> {
        let id = request.selector("ShellId").unwrap_or_default();
        self.shells.get_mut(id).ok_or_else(|| SoapFault::of(UNKNOWN_SELECTOR))
    }
}

/// Runs a command line.
fn run(text: &str, logs: &Logs) -> Command {
    let done = |stdout: &str, stderr: &str, code| Command {
        stdout: stdout.into(),
        stderr: stderr.into(),
        exit_code: Some(code),
    };
    let words = words(text);
    let words: Vec<&str> = words.iter().map(String::as_str).collect();
    match words.as_slice() {
        ["wevtutil", "qe", channel, options @ ..] => match wevtutil(channel, options, logs) {
            Ok(output) => done(&output, "", 0),
            Err((text, code)) => done("", &text, code),
        },
        ["echo", rest @ ..] => done(&format!("{}\r\n", rest.join(" ")), "", 0),
        ["exit", code] => done("", "", code.parse().unwrap_or(1)),
        ["wait"] => Command { stdout: Vec::new(), stderr: Vec::new(), exit_code: None },
        _ => {
            let name = words.first().copied().unwrap_or_default();
            let text = format!(
                "'{name}' is not recognized as an internal or external command,\r\noperable program or batch file.\r\n"
            );
            done("", &text, 1)
        }
    }
}

fn wevtutil(channel: &str, options: &[&str], logs: &Logs) -> Result<String, (String, i32)> {
    let option = |name: &str| options.iter().find_map(|option| option.strip_prefix(name));
    match logs.check(channel).map_err(|why| why.code()) {
        Ok(()) => {}
        Err(5) => return Err(("Failed to open event query.\r\nAccess is denied.\r\n".to_owned(), 5)),
        Err(code) => {
            let text = "Failed to open event query.\r\nThe specified channel could not be found.\r\n";
            return Err((text.to_owned(), code as i32));
        }
    }
    let query = option("/q:").unwrap_or("*");
    let Some(query) = Expression::parse(query) else {
        return Err(("The specified query is invalid.\r\n".to_owned(), 15_001));
    };
    let count: usize = option("/c:").and_then(|count| count.parse().ok()).unwrap_or(usize::MAX);
    let mut found = Vec::new();
    let newest_first = option("/rd:") == Some("true");
    logs.read(channel, 0, &[query], &[], |record| {
        found.push(record.xml.clone());
        newest_first || found.len() < count
    });
    if newest_first {
        found.reverse();
    }
    found.truncate(count);
    Ok(found.iter().map(|xml| format!("{xml}\r\n")).collect())
}

/// Words with quotation marks taken off, as `cmd.exe` and the C library would.
fn words(text: &str) -> Vec<String> {
    let (mut words, mut word, mut quoted, mut any) = (Vec::new(), String::new(), false, false);
    for character in text.chars() {
        match character {
            '"' => (quoted, any) = (!quoted, true),
            ' ' if !quoted => {
                if std::mem::take(&mut any) {
                    words.push(std::mem::take(&mut word));
                }
            }
            other => {
                word.push(other);
                any = true;
            }
        }
    }
    if any {
        words.push(word);
    }
    words
}
