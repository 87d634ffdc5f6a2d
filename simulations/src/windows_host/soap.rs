//! What the host writes: envelopes around answers and faults.

use protocol::winrm::wsman::{Envelope, Namespace};
use protocol::xml::Writer;
use std::fmt::Write;

/// A SOAP fault.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct SoapFault {
    /// The number in its details.
    pub(crate) code: u32,
    /// The subcode.
    pub(crate) subcode: &'static str,
    /// The text.
    pub(crate) text: String,
}

impl SoapFault {
    /// The fault that Windows tells by this number.
    pub(crate) fn of(code: u32) -> Self {
        let (subcode, text) = match code {
            5 | 2_147_942_405 => ("w:AccessDenied", "Access is denied."),
            50 => ("w:UnsupportedFeature", "The request is not supported."),
            87 => ("w:InvalidParameter", "The parameter is incorrect."),
            15_007 => ("w:InternalError", "The specified channel could not be found."),
            2_150_858_793 => (
                "w:TimedOut",
                "The WS-Management service cannot complete the operation within the time specified in OperationTimeout.",
            ),
            2_150_858_779 => ("n:InvalidEnumerationContext", "The supplied enumeration context is invalid."),
            2_150_858_790 => ("w:EncodingLimit", "The response is larger than the maximum envelope size."),
            2_150_858_808 => ("w:InvalidBookmark", "The bookmark is not valid."),
            2_150_858_843 => ("w:InvalidSelectors", "The request contained one or more invalid selectors."),
            2_150_859_173..=2_150_859_179 => (
                "w:QuotaLimit",
                "The WS-Management service cannot process the request because a quota is exceeded.",
            ),
            2_150_859_180 => ("w:AccessDenied", "The remote shells are not allowed."),
            _ => ("w:InternalError", "The operation failed."),
        };
        Self { code, subcode, text: text.to_owned() }
    }
}

/// The namespaces that bodies and headers of answers may use.
const NAMESPACES: [(&str, Namespace); 8] = [
    ("xmlns:s", Namespace::Soap),
    ("xmlns:a", Namespace::Addressing),
    ("xmlns:w", Namespace::Wsman),
    ("xmlns:p", Namespace::Microsoft),
    ("xmlns:n", Namespace::Enumeration),
    ("xmlns:e", Namespace::Eventing),
    ("xmlns:x", Namespace::Transfer),
    ("xmlns:rsp", Namespace::Shell),
];

/// An answer: its action, further headers and body as XML.
pub(crate) fn answer(to: Option<&str>, action: &str, headers: &str, body: &str) -> String {
    let mut xml = Writer::with_capacity(body.len() + headers.len() + 1500);
    let namespaces: Vec<(&str, &str)> = NAMESPACES.iter().map(|(name, ns)| (*name, ns.uri())).collect();
    xml.open("s:Envelope", &namespaces);
    xml.open("s:Header", &[]);
    xml.leaf("a:Action", &[], action);
    xml.leaf("a:MessageID", &[], "uuid:0E8B1F5C-0001-4A6F-9A43-1C8F1FD2B6A1");
    xml.leaf("a:To", &[], "http://schemas.xmlsoap.org/ws/2004/08/addressing/role/anonymous");
    if let Some(id) = to {
        xml.leaf("a:RelatesTo", &[], id);
    }
    xml.raw(headers);
    xml.close("s:Header");
    xml.open("s:Body", &[]);
    xml.raw(body);
    xml.close("s:Body");
    xml.close("s:Envelope");
    xml.finish()
}

/// A fault as an answer.
pub(crate) fn fault(to: Option<&str>, machine: &str, fault: &SoapFault) -> String {
    let SoapFault { code, subcode, text } = fault;
    let mut body = String::new();
    // Writing to a string can't fail.
    let _ = write!(
        body,
        "<s:Fault><s:Code><s:Value>s:Receiver</s:Value><s:Subcode><s:Value>{subcode}</s:Value></s:Subcode>\
         </s:Code><s:Reason><s:Text xml:lang=\"en-US\">{text}  </s:Text></s:Reason><s:Detail>\
         <f:WSManFault xmlns:f=\"{}\" Code=\"{code}\" Machine=\"{machine}\"><f:Message>{text}</f:Message>\
         </f:WSManFault></s:Detail></s:Fault>",
        Namespace::Fault.uri()
    );
    answer(to, "http://schemas.dmtf.org/wbem/wsman/1/wsman/fault", "", &body)
}

/// A duration such as `PT60.000S`, in milliseconds.
pub(crate) fn duration_ms(text: &str) -> Option<u64> {
    let seconds = text.trim().strip_prefix("PT")?.strip_suffix('S')?;
    let seconds: f64 = seconds.parse().ok()?;
    Some((seconds * 1000.0) as u64)
}

/// The `OperationTimeout` of a request.
pub(crate) fn operation_timeout_ms(request: &Envelope<'_>) -> u64 {
    request.header_text(Namespace::Wsman, "OperationTimeout").and_then(duration_ms).unwrap_or(60_000)
}
