//! Events, claims, ConfigMaps, nodes and namespaces. Pure data.

use std::collections::BTreeMap;

use jiff::Timestamp;
use serde::Deserialize;
use serde_json::Value;

use super::{Condition, Metadata, null_is_default};

slim!(
    /// An event (`v1`).
    Event {
        metadata: Metadata,
        /// What it is about.
        involved_object: InvolvedObject,
        reason: String,
        message: String,
        /// `Normal` or `Warning`.
        #[serde(rename = "type")]
        kind: String,
        /// How often.
        count: i32,
        /// First seen.
        first_timestamp: Option<Timestamp>,
        /// Last seen.
        last_timestamp: Option<Timestamp>,
        /// When (newer form).
        event_time: Option<Timestamp>,
    }
);
slim!(
    /// What an event is about.
    InvolvedObject {
        kind: String,
        name: String,
        namespace: String,
        /// Unique id.
        uid: String,
        /// The field, such as `spec.containers{db}`.
        field_path: String,
    }
);
slim!(
    /// A PersistentVolumeClaim.
    VolumeClaim {
        metadata: Metadata,
        /// Specification.
        spec: VolumeClaimSpec,
        status: VolumeClaimStatus,
    }
);
slim!(
    /// `spec` of a claim.
    VolumeClaimSpec {
        access_modes: Vec<String>,
        /// Class; absent: the default one.
        storage_class_name: Option<String>,
        volume_name: String,
    }
);
slim!(
    /// `status` of a claim.
    VolumeClaimStatus {
        /// `Pending`, `Bound`, `Lost`.
        phase: String,
    }
);
slim!(
    /// A ConfigMap. Never a Secret.
    ConfigMap {
        metadata: Metadata,
        /// Text data.
        data: BTreeMap<String, String>,
        /// Binary data in base64; only what is text and not bulky is kept.
        binary_data: BTreeMap<String, String>,
    }
);
slim!(
    /// A Node.
    Node {
        metadata: Metadata,
        /// Specification.
        spec: NodeSpec,
        status: NodeStatus,
    }
);
slim!(
    /// `spec` of a Node.
    NodeSpec {
        /// Whether it is cordoned.
        unschedulable: bool,
        /// Taints, as they stand.
        taints: Vec<Value>,
    }
);
slim!(
    /// `status` of a Node.
    NodeStatus {
        conditions: Vec<Condition>,
        addresses: Vec<NodeAddress>,
    }
);
slim!(
    /// An address of a Node.
    NodeAddress {
        /// Type.
        #[serde(rename = "type")]
        kind: String,
        address: String,
    }
);
slim!(
    /// A Namespace.
    Namespace {
        metadata: Metadata,
    }
);
