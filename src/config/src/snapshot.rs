//! The whole configuration, validated.

use std::sync::Arc;

use crate::{Device, PipelineSource, Route, Service, Target};

/// A configuration without mistakes: names are unique, references lead somewhere, values are in range. The
/// order is that of the files (by path) and within them. Two snapshots are equal when they mean the same,
/// wherever it is written.
#[derive(Clone, Debug, PartialEq)]
pub struct Snapshot {
    /// What is not a device, target, route or pipeline.
    pub service: Service,
    /// All devices, disabled ones, too.
    pub devices: Vec<Arc<Device>>,
    /// All targets, disabled ones, too.
    pub targets: Vec<Arc<Target>>,
    /// All routes, disabled ones, too.
    pub routes: Vec<Arc<Route>>,
    /// All pipelines, uncompiled.
    pub pipelines: Vec<Arc<PipelineSource>>,
}

impl Snapshot {
    /// The device of that name.
    pub fn device(&self, name: &str) -> Option<&Arc<Device>> {
        self.devices.iter().find(|device| device.name == name)
    }

    /// The target of that name.
    pub fn target(&self, name: &str) -> Option<&Arc<Target>> {
        self.targets.iter().find(|target| target.name == name)
    }

    /// The route of that name.
    pub fn route(&self, name: &str) -> Option<&Arc<Route>> {
        self.routes.iter().find(|route| route.name == name)
    }

    /// The pipeline of that name.
    pub fn pipeline(&self, name: &str) -> Option<&Arc<PipelineSource>> {
        self.pipelines.iter().find(|pipeline| pipeline.name == name)
    }
}
