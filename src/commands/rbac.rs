//! `k8sverify rbac`: prints the Role that k8sverify needs. Pure.

use std::fmt::Write;

use crate::cli::RbacArgs;

/// Verbs on resources that the tool cannot do without: `(API group, resources, verbs)`.
pub const REQUIRED: &[(&str, &[&str], &[&str])] = &[
    ("", &["pods", "services"], &["get", "list", "watch"]),
    ("", &["pods/log"], &["get"]),
    (
        "discovery.k8s.io",
        &["endpointslices"],
        &["get", "list", "watch"],
    ),
    (
        "apps",
        &["deployments", "statefulsets", "daemonsets", "replicasets"],
        &["get", "list", "watch"],
    ),
    (
        "batch",
        &["jobs"],
        &["get", "list", "watch", "create", "delete"],
    ),
];

/// What makes findings better; without it the rules that need it are off, and the report says so.
pub const OPTIONAL: &[(&str, &[&str], &[&str])] = &[
    (
        "",
        &["events", "configmaps", "persistentvolumeclaims"],
        &["get", "list", "watch"],
    ),
    ("batch", &["cronjobs"], &["get", "list", "watch"]),
    (
        "networking.k8s.io",
        &["networkpolicies", "ingresses"],
        &["get", "list", "watch"],
    ),
    (
        "policy",
        &["poddisruptionbudgets"],
        &["get", "list", "watch"],
    ),
];

/// What lies outside the namespace: nodes, namespaces, the cluster's DNS, Services of other namespaces.
pub const CLUSTER: &[(&str, &[&str], &[&str])] = &[
    (
        "",
        &["nodes", "namespaces", "services", "pods"],
        &["get", "list", "watch"],
    ),
    (
        "discovery.k8s.io",
        &["endpointslices"],
        &["get", "list", "watch"],
    ),
    (
        "networking.k8s.io",
        &["networkpolicies"],
        &["get", "list", "watch"],
    ),
];

/// The manifests of the service account, its roles and their bindings.
#[must_use]
pub fn manifest(args: &RbacArgs) -> String {
    let (namespace, account) = (&args.namespace, &args.service_account);
    let mut text = format!(
        "apiVersion: v1\nkind: ServiceAccount\nmetadata: {{name: {account}, namespace: {namespace}}}\n"
    );
    let mut rules: Vec<_> = REQUIRED.to_vec();
    if !args.minimal {
        rules.extend(OPTIONAL);
    }
    role(
        &mut text,
        "Role",
        &format!("{{name: {account}, namespace: {namespace}}}"),
        &rules,
    );
    binding(
        &mut text,
        "RoleBinding",
        &format!("{{name: {account}, namespace: {namespace}}}"),
        "Role",
        account,
        namespace,
    );
    if !args.minimal {
        let cluster_name = format!("{{name: {account}-{namespace}}}");
        role(&mut text, "ClusterRole", &cluster_name, CLUSTER);
        binding(
            &mut text,
            "ClusterRoleBinding",
            &cluster_name,
            "ClusterRole",
            account,
            namespace,
        );
    }
    text
}

fn role(text: &mut String, kind: &str, metadata: &str, rules: &[(&str, &[&str], &[&str])]) {
    // Writing to a String cannot fail.
    let _ = write!(
        text,
        "---\napiVersion: rbac.authorization.k8s.io/v1\nkind: {kind}\nmetadata: {metadata}\nrules:\n"
    );
    for (group, resources, verbs) in rules {
        let _ = writeln!(
            text,
            "- {{apiGroups: [\"{group}\"], resources: [{}], verbs: [{}]}}",
            resources.join(", "),
            verbs.join(", ")
        );
    }
}

fn binding(
    text: &mut String,
    kind: &str,
    metadata: &str,
    role_kind: &str,
    account: &str,
    namespace: &str,
) {
    let role_name = if role_kind == "Role" {
        account.to_owned()
    } else {
        format!("{account}-{namespace}")
    };
    let _ = write!(
        text,
        "---\napiVersion: rbac.authorization.k8s.io/v1\nkind: {kind}\nmetadata: {metadata}\n\
         roleRef: {{apiGroup: rbac.authorization.k8s.io, kind: {role_kind}, name: {role_name}}}\n\
         subjects:\n- {{kind: ServiceAccount, name: {account}, namespace: {namespace}}}\n"
    );
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_minimal_role_never_reads_secrets_and_can_make_jobs() {
        let args = RbacArgs {
            namespace: "shop".to_owned(),
            service_account: "ci".to_owned(),
            minimal: true,
        };
        let text = manifest(&args);
        assert!(!text.contains("secrets") && !text.contains("ClusterRole"));
        assert!(text.contains("resources: [jobs], verbs: [get, list, watch, create, delete]"));
        assert!(
            manifest(&RbacArgs {
                minimal: false,
                ..args
            })
            .contains("kind: ClusterRoleBinding")
        );
    }
}
