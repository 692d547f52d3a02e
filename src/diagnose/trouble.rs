//! One thing that is wrong with a Pod, or keeps one from being made. Pure.

use crate::finding::{Code, ObjectRef};
use crate::observe::kinds::Pod;

/// One thing that is wrong with one Pod, or with the making of Pods.
#[derive(Debug, Clone, PartialEq)]
pub struct Trouble {
    /// Which.
    pub code: Code,
    /// The object if that is not the workload (a claim, a node).
    pub object: Option<ObjectRef>,
    /// The Pod; empty if there is none.
    pub pod: String,
    /// What is wrong, as a sentence that begins with the Pod.
    pub message: String,
    /// The cluster's own words.
    pub evidence: Vec<String>,
    /// Whether a target that cannot be reached brings this about as well (see `Finding::follows`).
    pub dependent: bool,
    /// What it follows from, where that is known.
    pub caused_by: Vec<(Code, ObjectRef)>,
    /// What to do.
    pub remedy: String,
}

impl Trouble {
    pub(super) fn new(code: Code, pod: &Pod, message: String) -> Self {
        Self {
            code,
            object: None,
            pod: pod.metadata.name.clone(),
            message,
            evidence: Vec::new(),
            dependent: false,
            caused_by: Vec::new(),
            remedy: String::new(),
        }
    }

    pub(super) fn evidence(mut self, lines: impl IntoIterator<Item = String>) -> Self {
        for line in lines {
            if !line.is_empty() && !self.evidence.contains(&line) {
                self.evidence.push(line);
            }
        }
        self
    }

    pub(super) fn remedy(mut self, text: impl Into<String>) -> Self {
        self.remedy = text.into();
        self
    }

    pub(super) fn dependent(mut self, dependent: bool) -> Self {
        self.dependent = dependent;
        self
    }
}
