//! What a function is.

use std::sync::Arc;

use serde::{Deserialize, Serialize};

use crate::shared_text;

/// What runs functions, or says what a container belongs to.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord, Serialize, Deserialize)]
pub enum Platform {
    /// OpenFaaS (faas-netes, faasd).
    OpenFaas,
    /// Knative Serving.
    Knative,
    /// Apache OpenWhisk.
    OpenWhisk,
    /// Fission.
    Fission,
    /// Nuclio.
    Nuclio,
    /// A label that the configuration names.
    Label,
    /// No FaaS platform: the Kubernetes object that owns the pod.
    Kubernetes,
}

impl Platform {
    /// The name in every output.
    pub const fn label(self) -> &'static str {
        match self {
            Self::OpenFaas => "openfaas",
            Self::Knative => "knative",
            Self::OpenWhisk => "openwhisk",
            Self::Fission => "fission",
            Self::Nuclio => "nuclio",
            Self::Label => "label",
            Self::Kubernetes => "kubernetes",
        }
    }
}

/// A function: what all its containers, past and present, are counted under.
#[derive(Clone, Debug, PartialEq, Eq, Hash, PartialOrd, Ord, Serialize, Deserialize)]
pub struct Function {
    /// What runs it.
    pub platform: Platform,
    /// Its namespace (project, package) there; empty where there is none.
    #[serde(with = "shared_text")]
    pub namespace: Arc<str>,
    /// Its name.
    #[serde(with = "shared_text")]
    pub name: Arc<str>,
    /// Its revision or version; empty where the platform has none.
    #[serde(with = "shared_text")]
    pub revision: Arc<str>,
}

/// A number for a function that stays the same while the agent runs.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct FunctionId(pub u32);
