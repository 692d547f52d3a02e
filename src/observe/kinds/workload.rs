//! What makes Pods, and what bounds them: workloads, disruption budgets, limit ranges. Pure data.

use serde::Deserialize;
use serde_json::Value;

use super::{Condition, LabelSelector, Labels, Metadata, PodSpec, null_is_default};

slim!(
    /// A Deployment, StatefulSet, DaemonSet, ReplicaSet, Job or CronJob, or any other controller that owns Pods.
    Workload {
        /// The kind as the API writes it.
        kind: String,
        metadata: Metadata,
        /// Specification.
        spec: WorkloadSpec,
        status: WorkloadStatus,
    }
);
slim!(
    /// `spec` of a workload.
    WorkloadSpec {
        /// Wanted Pods; absent means 1 where it applies.
        replicas: Option<i32>,
        /// Which Pods are its own.
        selector: Option<LabelSelector>,
        /// The Pod template.
        template: PodTemplate,
        /// Governing Service of a StatefulSet.
        service_name: String,
        /// How a StatefulSet or DaemonSet replaces its Pods.
        update_strategy: UpdateStrategy,
        /// Whether it is paused.
        paused: bool,
        /// Whether it is suspended (Job, CronJob).
        suspend: bool,
        /// Seconds that a Pod must be ready before it counts as available.
        min_ready_seconds: i32,
        /// A CronJob's Job template.
        job_template: Option<JobTemplate>,
    }
);
slim!(
    /// `updateStrategy` of a StatefulSet or DaemonSet.
    UpdateStrategy {
        /// `RollingUpdate` or `OnDelete`.
        #[serde(rename = "type")]
        kind: String,
    }
);
slim!(
    /// A CronJob's Job template.
    JobTemplate {
        /// Specification.
        spec: JobTemplateSpec,
    }
);
slim!(
    /// `spec` of a Job template.
    JobTemplateSpec {
        /// The Pod template.
        template: PodTemplate,
    }
);
slim!(
    /// A Pod template.
    PodTemplate {
        metadata: Metadata,
        /// Specification.
        spec: PodSpec,
    }
);
slim!(
    /// `status` of a workload; a field that the kind has not is its default.
    WorkloadStatus {
        /// Generation that the status names.
        observed_generation: i64,
        /// Pods.
        replicas: i32,
        /// Ready Pods.
        ready_replicas: i32,
        /// Pods of the newest revision.
        updated_replicas: i32,
        /// Available Pods.
        available_replicas: i32,
        /// StatefulSet: current revision.
        current_revision: String,
        /// StatefulSet: newest revision.
        update_revision: String,
        /// DaemonSet: wanted Pods.
        desired_number_scheduled: i32,
        /// DaemonSet: ready Pods.
        number_ready: i32,
        /// DaemonSet: Pods of the newest revision.
        updated_number_scheduled: i32,
        /// Job: running Pods.
        active: Value,
        /// Job: Pods that succeeded.
        succeeded: i32,
        /// Job: Pods that failed.
        failed: i32,
        conditions: Vec<Condition>,
    }
);
slim!(
    /// A PodDisruptionBudget.
    DisruptionBudget {
        metadata: Metadata,
        /// Specification.
        spec: DisruptionBudgetSpec,
        status: DisruptionBudgetStatus,
    }
);
slim!(
    /// `status` of a PodDisruptionBudget.
    DisruptionBudgetStatus {
        /// How many of its Pods may go now.
        disruptions_allowed: i32,
    }
);
slim!(
    /// `spec` of a PodDisruptionBudget.
    DisruptionBudgetSpec {
        /// Which Pods.
        selector: Option<LabelSelector>,
    }
);
slim!(
    /// A LimitRange.
    LimitRange {
        metadata: Metadata,
        /// Specification.
        spec: LimitRangeSpec,
    }
);
slim!(
    /// `spec` of a LimitRange.
    LimitRangeSpec {
        /// What holds for each type.
        limits: Vec<LimitItem>,
    }
);
slim!(
    /// What a LimitRange asks of one type of object; amounts are quantities by resource.
    LimitItem {
        /// `Container`, `Pod` or `PersistentVolumeClaim`.
        #[serde(rename = "type")]
        kind: String,
        /// The least request.
        min: Labels,
        /// The greatest limit.
        max: Labels,
        /// The greatest limit for a request of 1.
        max_limit_request_ratio: Labels,
    }
);
