//! Which function a container or pod belongs to, and since when.

use std::sync::Arc;

use crate::clock::Timestamp;

use super::{Container, Function, FunctionId, MetadataNews};

/// Functions, and the pods and containers that run them. A container may change its function while it lives.
#[derive(Debug, Default)]
pub struct Workloads {
    functions: Vec<Arc<Function>>,
}

impl Workloads {
    /// Takes in what was told at `at`.
    pub fn apply(&mut self, _at: Timestamp, _news: Vec<MetadataNews>) {}

    /// The function that `container` ran at `at`; `None` while that is not known.
    pub fn function_of(&self, _container: &Container, _at: Timestamp) -> Option<FunctionId> {
        None
    }

    /// A function by its number.
    pub fn function(&self, id: FunctionId) -> Option<&Arc<Function>> {
        self.functions.get(id.0 as usize)
    }
}
