//! What a load knows while it reads.

use std::cell::{Cell, RefCell};
use std::net::{IpAddr, Ipv4Addr};
use std::path::Path;

use crate::Diagnostic;
use crate::references::Reference;

/// What a load knows while it reads, and what it collects.
pub(crate) struct Context<'c> {
    /// Where relative paths start.
    pub(crate) root: &'c Path,
    /// `listen.address`, once it is read.
    pub(crate) listen_address: Cell<IpAddr>,
    pub(crate) report: RefCell<Vec<Diagnostic>>,
    pub(crate) references: RefCell<Vec<Reference>>,
}

impl<'c> Context<'c> {
    pub(crate) fn new(root: &'c Path) -> Self {
        Self {
            root,
            listen_address: Cell::new(Ipv4Addr::UNSPECIFIED.into()),
            report: RefCell::default(),
            references: RefCell::default(),
        }
    }
}
