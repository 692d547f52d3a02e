//! `k8sverify rbac`: prints the Role that k8sverify needs. Pure.

use std::fmt::Write;

use serde_json::json;

use crate::cli::RbacArgs;

/// `(API group, resources, verbs)`.
type Rule = (
    &'static str,
    &'static [&'static str],
    &'static [&'static str],
);

const READ: &[&str] = &["list", "watch"];

/// What the tool cannot do without.
pub const REQUIRED: &[Rule] = &[
    ("", &["pods", "services"], READ),
    ("", &["pods/log"], &["get"]),
    ("discovery.k8s.io", &["endpointslices"], READ),
    (
        "apps",
        &["deployments", "statefulsets", "daemonsets", "replicasets"],
        READ,
    ),
    ("batch", &["jobs"], &["list", "watch", "create", "delete"]),
];

/// What the namespace's own objects say beyond that; without it the rules that need it are off, and the report says so.
pub const OPTIONAL: &[Rule] = &[
    (
        "",
        &[
            "events",
            "configmaps",
            "persistentvolumeclaims",
            "limitranges",
        ],
        READ,
    ),
    // Where a PodDisruptionBudget would count a Job's Pod.
    ("", &["pods"], &["create"]),
    ("", &["namespaces"], &["get"]),
    ("batch", &["cronjobs"], READ),
    ("networking.k8s.io", &["networkpolicies", "ingresses"], READ),
    ("policy", &["poddisruptionbudgets"], READ),
];

/// What `sql` needs in addition: its Secret is created, goes with its Job, and is never read.
pub const SQL: &[Rule] = &[("", &["secrets"], &["create"])];
/// When Secrets were written. Kubernetes has no right for metadata alone: this one would let its holder read values as well; k8sverify asks
/// for the metadata only.
pub const SECRET_METADATA: Rule = ("", &["secrets"], &["list"]);

/// What `drill` needs in addition: to take members away and put back what it took, to send its runners their orders, and to keep its own books (a
/// journal and a Lease).
pub const DRILL: &[Rule] = &[
    ("", &["pods"], &["create", "delete", "patch"]),
    ("", &["pods/eviction"], &["create"]),
    (
        "apps",
        &["deployments/scale", "statefulsets/scale"],
        &["get", "patch"],
    ),
    ("", &["configmaps"], &["get", "create", "patch", "delete"]),
    (
        "coordination.k8s.io",
        &["leases"],
        &["get", "create", "patch", "delete"],
    ),
    ("", &["namespaces"], &["get"]),
    ("policy", &["poddisruptionbudgets"], READ),
];

/// What lies outside the namespace: nodes, namespaces, the cluster's DNS, Services of other namespaces.
pub const CLUSTER: &[Rule] = &[
    ("", &["nodes", "namespaces", "services", "pods"], READ),
    ("discovery.k8s.io", &["endpointslices"], READ),
    ("networking.k8s.io", &["networkpolicies"], READ),
];

/// Who is to have the roles.
struct Subject<'a> {
    /// As RBAC names it, in YAML's flow form, which is also JSON's.
    text: String,
    /// The account, where it is to be made too.
    account: Option<&'a str>,
    /// What the roles are called; nothing else is called so, so that applying them overwrites no one's own.
    role: String,
}

impl<'a> Subject<'a> {
    fn of(args: &'a RbacArgs) -> Self {
        if let Some(user) = &args.user {
            return Self {
                text: json!({"apiGroup": API, "kind": "User", "name": user}).to_string(),
                account: None,
                role: role_name(user),
            };
        }
        let (namespace, name) = args
            .service_account
            .split_once(':')
            .unwrap_or((&args.namespace, &args.service_account));
        let own = namespace == args.namespace;
        Self {
            text: json!({"kind": "ServiceAccount", "name": name, "namespace": namespace})
                .to_string(),
            account: own.then_some(name),
            role: match (own, name) {
                (true, "k8sverify") => name.to_owned(),
                (true, _) => role_name(name),
                (false, _) => role_name(&format!("{namespace}:{name}")),
            },
        }
    }
}

const API: &str = "rbac.authorization.k8s.io";

/// Names of RBAC objects may hold whatever a path may.
fn role_name(subject: &str) -> String {
    format!("k8sverify-{}", subject.replace(['/', '%'], "-"))
}

/// The manifests of the roles, their bindings and, where it is of this namespace, the service account.
pub fn manifest(args: &RbacArgs) -> String {
    let namespace = &args.namespace;
    let subject = Subject::of(args);
    let mut text = String::new();
    if let Some(account) = subject.account {
        text += &format!(
            "apiVersion: v1\nkind: ServiceAccount\nmetadata: {{name: {account}, namespace: {namespace}}}\n---\n"
        );
    }
    let mut rules = REQUIRED.to_vec();
    if !args.minimal {
        rules.extend(OPTIONAL);
    }
    if args.sql {
        rules.extend(SQL);
    }
    if args.drill {
        rules.extend(DRILL);
    }
    if args.secret_metadata {
        rules.push(SECRET_METADATA);
    }
    let own = json!({"name": subject.role, "namespace": namespace}).to_string();
    role(&mut text, "Role", &own, &rules);
    binding(&mut text, "Role", &own, &subject.role, &subject.text);
    if args.cluster {
        let name = format!("{}-{namespace}", subject.role);
        let metadata = json!({"name": name}).to_string();
        text += "---\n";
        role(&mut text, "ClusterRole", &metadata, CLUSTER);
        binding(&mut text, "ClusterRole", &metadata, &name, &subject.text);
    }
    text
}

fn role(text: &mut String, kind: &str, metadata: &str, rules: &[Rule]) {
    // Writing to a String cannot fail.
    let _ = write!(
        text,
        "apiVersion: {API}/v1\nkind: {kind}\nmetadata: {metadata}\nrules:\n"
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

fn binding(text: &mut String, kind: &str, metadata: &str, role: &str, subject: &str) {
    let role = json!({"apiGroup": API, "kind": kind, "name": role});
    // Writing to a String cannot fail.
    let _ = write!(
        text,
        "---\napiVersion: {API}/v1\nkind: {kind}Binding\nmetadata: {metadata}\n\
         roleRef: {role}\nsubjects:\n- {subject}\n"
    );
}

#[cfg(test)]
mod tests {
    use clap::Parser;
    use serde_json::Value;

    use super::*;
    use crate::cli::{Cli, CliCommand};

    /// The objects that these options print.
    fn objects(options: &[&str]) -> Vec<Value> {
        let words = [&["k8sverify", "rbac", "-n", "shop"], options].concat();
        let Some(CliCommand::Rbac(args)) = Cli::try_parse_from(words).unwrap().command else {
            panic!("another command");
        };
        let text = manifest(&args);
        text.split("---\n")
            .map(|object| serde_saphyr::from_str(object).unwrap())
            .collect()
    }

    fn kinds(objects: &[Value]) -> Vec<String> {
        objects
            .iter()
            .map(|object| {
                let metadata = &object["metadata"];
                let text = |value: &Value| value.as_str().unwrap_or_default().to_owned();
                format!("{} {}", text(&object["kind"]), text(&metadata["name"]))
            })
            .collect()
    }

    #[test]
    fn the_default_is_a_role_in_the_namespace_that_reads_no_secret_and_deletes_jobs_only() {
        let objects = objects(&[]);
        assert_eq!(
            kinds(&objects),
            [
                "ServiceAccount k8sverify",
                "Role k8sverify",
                "RoleBinding k8sverify"
            ]
        );
        for rule in objects[1]["rules"].as_array().unwrap() {
            let text = rule.to_string();
            assert!(!text.contains("secrets") && !text.contains('*'), "{text}");
            let writes = text.contains("create") || text.contains("delete");
            let of_jobs = rule["resources"] == json!(["jobs"]);
            let creates = rule["resources"] == json!(["pods"]) && !text.contains("delete");
            assert!(!writes || of_jobs || creates, "{text}");
        }
    }

    #[test]
    fn more_and_less_are_asked_for() {
        let more = objects(&["--cluster"]);
        assert!(kinds(&more).contains(&"ClusterRole k8sverify-shop".to_owned()));
        let metadata = objects(&["--secret-metadata"])[1]["rules"].to_string();
        assert!(
            metadata.contains(r#""resources":["secrets"],"verbs":["list"]"#),
            "{metadata}"
        );
        let less = objects(&["--minimal"]);
        assert!(less[1]["rules"].as_array().unwrap().len() == REQUIRED.len());
    }

    #[test]
    fn whoever_asked_is_bound_and_nothing_of_its_own_is_overwritten() {
        let account = objects(&["--service-account", "ci:bot"]);
        assert_eq!(
            kinds(&account),
            ["Role k8sverify-ci:bot", "RoleBinding k8sverify-ci:bot"]
        );
        assert_eq!(
            account[1]["subjects"],
            json!([{"kind": "ServiceAccount", "name": "bot", "namespace": "ci"}])
        );
        let own = objects(&["--service-account", "shop:bot"]);
        assert_eq!(
            kinds(&own)[..2],
            ["ServiceAccount bot", "Role k8sverify-bot"]
        );
        let user = objects(&["--user", "a: }{b/%@x"]);
        assert_eq!(user[1]["subjects"][0]["name"], "a: }{b/%@x");
        assert_eq!(kinds(&user)[0], "Role k8sverify-a: }{b--@x");
        assert_eq!(user[1]["roleRef"]["name"], user[0]["metadata"]["name"]);
    }

    #[test]
    fn a_drill_may_take_pods_away_and_still_reads_no_secret() {
        let rules = objects(&["--minimal", "--drill"])[1]["rules"].to_string();
        for (resource, verbs) in [
            ("pods", json!(["create", "delete", "patch"])),
            ("pods/eviction", json!(["create"])),
        ] {
            let rule = format!("\"resources\":[\"{resource}\"],\"verbs\":{verbs}");
            assert!(rules.contains(&rule), "{rules}");
        }
        assert!(!rules.contains("secrets") && !rules.contains('*'));
        assert!(!objects(&[])[1]["rules"].to_string().contains("eviction"));
    }
}
