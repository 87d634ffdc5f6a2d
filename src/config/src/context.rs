//! What a load knows while it reads.

use std::cell::{Cell, RefCell};
use std::net::{IpAddr, Ipv4Addr};
use std::path::{Path, PathBuf};

use crate::Diagnostic;
use crate::credentials::Named;
use crate::references::Reference;

/// What a load knows while it reads, and what it collects.
pub(crate) struct Context<'c> {
    /// Where relative paths start.
    pub(crate) root: &'c Path,
    /// `listen.address`, once it is read.
    pub(crate) listen_address: Cell<IpAddr>,
    /// Where the service manager leaves credentials.
    pub(crate) service_credentials: Option<PathBuf>,
    /// Credentials that can be named, once they are read.
    pub(crate) credentials: RefCell<Vec<Named>>,
    pub(crate) report: RefCell<Vec<Diagnostic>>,
    pub(crate) references: RefCell<Vec<Reference>>,
}

impl<'c> Context<'c> {
    pub(crate) fn new(root: &'c Path, service_credentials: Option<PathBuf>) -> Self {
        Self {
            root,
            listen_address: Cell::new(Ipv4Addr::UNSPECIFIED.into()),
            service_credentials,
            credentials: RefCell::default(),
            report: RefCell::default(),
            references: RefCell::default(),
        }
    }
}
