//! A variable that compose sets, that the Pod has not, and of which the log of the crash speaks: lost on the way, with an `env_file` or under
//! other keys. Pure.

use super::collision::{mentions, said, sets};
use crate::diagnose::Context;
use crate::diagnose::subject::WorkloadFacts;
use crate::finding::{Finding, Fix};

/// Says it in the finding of the crash.
pub(super) fn explain(context: &Context<'_>, subject: &WorkloadFacts<'_>, finding: &mut Finding) {
    let Some((tier, variable)) = variable(context, subject) else {
        return;
    };
    let name = subject.name(&context.snapshot.namespace);
    finding.evidence.insert(
        0,
        format!(
            "compose sets {variable} for {tier}, the Pod template does not, and the log names it"
        ),
    );
    finding.fix = Some(Fix::text(format!(
        "set {variable} in the Pod template of {name} (env, or a ConfigMap or Secret of envFrom with exactly that key)"
    )));
}

fn variable<'c>(
    context: &'c Context<'_>,
    subject: &WorkloadFacts<'_>,
) -> Option<(&'c str, &'c str)> {
    let containers = &subject.template?.spec.containers;
    let logs = super::collision::logs(context, subject);
    let mut lines = logs.iter().flat_map(|log| said(log));
    let names: Vec<(&str, &str)> = subject
        .tiers
        .iter()
        .filter_map(|tier| context.compose?.services.get_key_value(&tier.name))
        .flat_map(|(tier, service)| {
            let names = service.environment.keys();
            names.map(move |name| (tier.as_str(), name.as_str()))
        })
        .filter(|(_, name)| {
            let mut all = containers.iter();
            all.all(|container| !sets(context, subject, container, name))
        })
        .collect();
    lines.find_map(|line| names.iter().copied().find(|(_, name)| mentions(line, name)))
}

#[cfg(test)]
mod tests {
    use crate::compose::ComposeFile;
    use crate::diagnose::{Context, fixtures};
    use crate::finding::{Code, Severity};

    const OBJECTS: &str = "
kind: ConfigMap
metadata: {name: ap}
data: {cache-host: kvs, PORT: '2000'}
---
kind: Service
metadata: {name: cache}
spec: {clusterIP: 10.96.0.7, selector: {app: kvs}, ports: [{port: 6379}]}
";
    const SPEC: &str = "containers: [{name: ap, envFrom: [{configMapRef: {name: ap}}]}]";

    fn first(log: &str) -> (Code, String) {
        let snapshot = fixtures::deployed(OBJECTS, SPEC, fixtures::CRASHES, log);
        let graph = fixtures::graph(&["WEB->AP:2000/http"]);
        let compose: ComposeFile = fixtures::compose(
            "services: {AP: {image: a, environment: {CACHE_HOST: KVS, CACHE_PORT: '6379', PORT: '2000'}}}",
        );
        let context = Context::new(&graph, &snapshot, None).with_compose(Some(&compose));
        let all = crate::diagnose::diagnose(&context);
        let finding = all
            .into_iter()
            .filter(|one| one.severity == Severity::Error)
            .filter(|one| {
                [Code::ContainerCrashLooping, Code::ServiceEnvCollision].contains(&one.code)
            })
            .max_by_key(|one| one.code == Code::ServiceEnvCollision)
            .unwrap();
        let fix = finding.fix.map(|fix| fix.text).unwrap_or_default();
        (finding.code, fix)
    }

    #[test]
    fn a_lost_variable_that_the_log_names_is_said_and_quoted_source_names_none() {
        let python = "Traceback (most recent call last):\n  File \"/srv/ap.py\", line 5, in <module>\n    k = redis(host=E[\"CACHE_HOST\"], port=int(E[\"CACHE_PORT\"]))\n             ~^^^^^^^^^^^^^^\nKeyError: 'CACHE_HOST'\n";
        let (code, fix) = first(python);
        assert_eq!(code, Code::ContainerCrashLooping);
        assert!(fix.starts_with("set CACHE_HOST in"), "{fix}");
        let (code, _) = first("ValueError: invalid literal for int(): 'tcp://10.96.0.7:6379'");
        assert_eq!(code, Code::ServiceEnvCollision);
        // Of a program that stands in the arguments there is no source to quote.
        let inline = "Traceback (most recent call last):\n  File \"<string>\", line 1, in <module>\nValueError: invalid literal for int() with base 10: 'tcp://10.96.0.7:6379'\n";
        assert_eq!(first(inline).0, Code::ServiceEnvCollision);
        let (_, fix) = first("fatal: PORT is taken");
        assert!(!fix.starts_with("set "), "{fix}");
    }
}
