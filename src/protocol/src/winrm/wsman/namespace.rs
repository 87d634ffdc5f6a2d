//! The namespaces of WS-Management, and the prefixes that our own messages use for them.

/// A namespace that means something here.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Namespace {
    /// SOAP 1.2, `s`.
    Soap,
    /// WS-Addressing, `a`.
    Addressing,
    /// WS-Management, `w`.
    Wsman,
    /// Microsoft's additions to it, `p`.
    Microsoft,
    /// Remote shells, `rsp`.
    Shell,
    /// WS-Transfer, `x`.
    Transfer,
    /// WS-Enumeration, `n`.
    Enumeration,
    /// WS-Eventing, `e`.
    Eventing,
    /// Details of faults, `f`.
    Fault,
    /// Who a service is, `wsmid`; two spellings are in use.
    Identify,
    /// Windows events.
    Event,
    /// WMI's errors.
    WmiError,
    /// Schema instances, `xsi`.
    Instance,
}

// === impl Namespace ===

impl Namespace {
    const ALL: [Self; 13] = [
        Self::Soap,
        Self::Addressing,
        Self::Wsman,
        Self::Microsoft,
        Self::Shell,
        Self::Transfer,
        Self::Enumeration,
        Self::Eventing,
        Self::Fault,
        Self::Identify,
        Self::Event,
        Self::WmiError,
        Self::Instance,
    ];

    /// The namespace's name.
    pub fn uri(self) -> &'static str {
        match self {
            Self::Soap => "http://www.w3.org/2003/05/soap-envelope",
            Self::Addressing => "http://schemas.xmlsoap.org/ws/2004/08/addressing",
            Self::Wsman => "http://schemas.dmtf.org/wbem/wsman/1/wsman.xsd",
            Self::Microsoft => "http://schemas.microsoft.com/wbem/wsman/1/wsman.xsd",
            Self::Shell => "http://schemas.microsoft.com/wbem/wsman/1/windows/shell",
            Self::Transfer => "http://schemas.xmlsoap.org/ws/2004/09/transfer",
            Self::Enumeration => "http://schemas.xmlsoap.org/ws/2004/09/enumeration",
            Self::Eventing => "http://schemas.xmlsoap.org/ws/2004/08/eventing",
            Self::Fault => "http://schemas.microsoft.com/wbem/wsman/1/wsmanfault",
            Self::Identify => "http://schemas.dmtf.org/wbem/wsman/identity/1/wsmanidentity.xsd",
            Self::Event => "http://schemas.microsoft.com/win/2004/08/events/event",
            Self::WmiError => "http://schemas.dmtf.org/wbem/wscim/1/cim-schema/2/MSFT_WmiError",
            Self::Instance => "http://www.w3.org/2001/XMLSchema-instance",
        }
    }

    /// The namespace of a name.
    pub fn of(uri: &str) -> Option<Self> {
        if uri == "http://schemas.dmtf.org/wbem/wsman/identify/1/wsmanidentity.xsd" {
            return Some(Self::Identify);
        }
        Self::ALL.into_iter().find(|namespace| namespace.uri() == uri)
    }
}
