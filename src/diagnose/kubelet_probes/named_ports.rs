//! Names of ports that probes use and containers do not declare, and the Services that use the same names. Pure.

use serde_json::json;

use super::containers_path;
use crate::diagnose::services::selecting;
use crate::diagnose::subject::WorkloadFacts;
use crate::diagnose::troubles::{ProbeKind, named_port, port_is_declared, probe_of};
use crate::diagnose::{Context, fixes};
use crate::finding::{Code, ObjectRef};
use crate::observe::kinds::ServicePort;
use crate::shell::Command;

/// The ports that probes name and their containers do not declare, each with the container's place.
fn undeclared<'a>(subject: &WorkloadFacts<'a>) -> Vec<(usize, &'a str)> {
    let template = subject.template.into_iter();
    template
        .flat_map(|template| template.spec.containers.iter().enumerate())
        .flat_map(|(index, container)| {
            ProbeKind::ALL
                .iter()
                .filter_map(|kind| named_port(probe_of(container, *kind)?))
                .filter(|name| !port_is_declared(container, name))
                .map(move |name| (index, name))
        })
        .collect()
}

/// The Services that send traffic to a port which a probe names and its container does not declare: one name that is missing
/// fails both, and the Service's finding comes first.
pub(in crate::diagnose) fn services_without_name(
    context: &Context<'_>,
    subject: &WorkloadFacts<'_>,
) -> Vec<(Code, ObjectRef)> {
    let names = undeclared(subject);
    if names.is_empty() {
        return Vec::new();
    }
    let services = selecting(context, subject).into_iter();
    services
        .filter(|(_, service)| {
            let ports = &service.spec.ports;
            let mut targets = ports.iter().filter_map(ServicePort::target_name);
            targets.any(|target| names.iter().any(|(_, name)| *name == target))
        })
        .map(|(key, _)| (Code::ServiceTargetPortUnknown, key.object()))
        .collect()
}

/// The command that declares a port which probes name too: it fixes them and the Service at once.
pub(in crate::diagnose) fn declare_port(
    subject: &WorkloadFacts<'_>,
    name: &str,
    number: u16,
) -> Option<Command> {
    let (index, _) = undeclared(subject)
        .into_iter()
        .find(|(_, undeclared)| *undeclared == name)?;
    let ports = &subject.template?.spec.containers[index].ports;
    let at = format!("{}/{index}/ports", containers_path(subject)?);
    let object = subject.key.object();
    let number = i32::from(number);
    let declared = ports
        .iter()
        .position(|port| port.container_port == number && port.transport() == "TCP");
    let port = json!({"name": name, "containerPort": number});
    Some(match declared {
        Some(place) => fixes::set(&object, "add", &format!("{at}/{place}/name"), name),
        None if ports.is_empty() => fixes::set(&object, "add", &at, [port]),
        None => fixes::set(&object, "add", &format!("{at}/-"), port),
    })
}
