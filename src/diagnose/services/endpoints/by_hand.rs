//! Endpoints that no selector keeps: Services whose addresses are written by hand. Pure.

use std::collections::BTreeSet;

use super::refuses;
use crate::diagnose::services::ports::dialled;
use crate::diagnose::services::selectors::denied;
use crate::diagnose::services::{Usage, ids, service_name, tier_subjects};
use crate::diagnose::words::joined;
use crate::diagnose::{Context, fixes};
use crate::finding::{Code, Finding, Fix, Severity};
use crate::observe::kinds::Pod;
use crate::observe::{EndpointView, is_live, is_ready};

pub(super) fn views(context: &Context<'_>, usage: &Usage<'_, '_>) -> Vec<EndpointView> {
    usage
        .service
        .spec
        .ports
        .iter()
        .filter(|port| {
            usage.looks.is_empty() || usage.looks.iter().any(|look| port.is(look.edge.port))
        })
        .flat_map(|port| context.snapshot.endpoints(&usage.key, port))
        .collect()
}

/// Services without selector: their endpoints are filled by hand.
pub(in crate::diagnose::services) fn by_hand(
    context: &Context<'_>,
    usage: &Usage<'_, '_>,
) -> Option<Finding> {
    let (snapshot, spec) = (context.snapshot, &usage.service.spec);
    let unread = !snapshot.offline && !snapshot.knows("endpointslices");
    if unread || !spec.selector.is_empty() || spec.is_external_name() {
        return None;
    }
    let name = service_name(context, &usage.key);
    let views = views(context, usage);
    let slices = context.snapshot.slices_of(&usage.key);
    if views.is_empty() {
        // A port that the Service does not offer has its own finding.
        let mut looks = usage.looks.iter();
        let offers_none = looks.all(|look| dialled(look, usage.service).is_none());
        let is_about_ports = spec.is_headless() || (offers_none && !usage.looks.is_empty());
        if usage.proven || (is_about_ports && !slices.is_empty()) {
            return None;
        }
        let what = if slices.is_empty() {
            "no EndpointSlice"
        } else {
            "no EndpointSlice with that port"
        };
        let finding = Finding::new(
            Code::ServiceNoEndpoints,
            // A controller may make them once it is applied; and without an edge no one is known to need them.
            Severity::error_if(
                usage.in_scope && !context.snapshot.offline && !usage.looks.is_empty(),
            ),
            usage.key.object(),
            format!("{name} has no selector and {what}: it leads nowhere"),
        )
        .because([format!(
            "{} EndpointSlices name service/{}",
            slices.len(),
            usage.key.name
        )])
        .on(ids(&usage.looks))
        .fix(no_endpoints_fix(context, usage));
        return Some(finding);
    }
    if !usage.proven && views.iter().all(|view| !view.ready) {
        return Some(unready(usage, &name, &views));
    }
    let looks = usage.looks_where(|look| {
        look.evidence.every_endpoint_unconnected()
            && look.evidence.firm().all(|walk| {
                walk.endpoints_unconnected()
                    .iter()
                    .all(|(endpoint, _)| !denied(context, look, endpoint))
            })
    });
    if looks.is_empty() {
        return None;
    }
    let owner = |view: &EndpointView| {
        let namespaces = snapshot.namespaces.values();
        let mut pods = namespaces.flat_map(|state| &state.pods);
        pods.find(|pod| is_live(pod) && pod.status.pod_ip.parse() == Ok(view.address))
    };
    let owners: Vec<Option<&Pod>> = views.iter().map(owner).collect();
    let pods: Vec<&Pod> = owners.iter().copied().flatten().collect();
    let seen = views.iter().zip(&owners).map(|(view, owner)| match owner {
        Some(pod) => format!("{} is Pod {}", view.address, pod.metadata.name),
        None => format!("no Pod that could be read has the address {}", view.address),
    });
    let is_refused = looks.iter().all(|look| refuses(context, usage, look));
    let is_theirs = pods.len() == views.len() && pods.iter().all(|pod| is_ready(pod));
    let finding = if is_refused && is_theirs {
        closed(usage, &name, &views, &pods)
    } else {
        stale(usage, &name, &views)
    };
    Some(finding.because(seen).on(ids(&looks)))
}

/// No Pod that serves stands at the addresses.
fn stale(usage: &Usage<'_, '_>, name: &str, views: &[EndpointView]) -> Finding {
    Finding::of(
        Code::ServiceEndpointsStale,
        usage.key.object(),
        format!(
            "the EndpointSlice of {name}, made by hand, leads to {}, where nothing answers",
            joined(views.iter().map(|view| view.address))
        ),
    )
    .fix(format!(
        "write the present address into the EndpointSlice of service/{}, or give the Service a selector so that Kubernetes does",
        usage.key.name
    ))
}

/// The addresses are those of Pods that are ready, so it is the port that is wrong.
fn closed(usage: &Usage<'_, '_>, name: &str, views: &[EndpointView], pods: &[&Pod]) -> Finding {
    let ports: BTreeSet<_> = views.iter().filter_map(|view| view.port).collect();
    let declared: BTreeSet<u16> = pods
        .iter()
        .flat_map(|pod| fixes::declared_ports(&pod.spec))
        .collect();
    let has = if declared.is_empty() {
        String::new()
    } else {
        format!(": its containers declare {}", joined(&declared))
    };
    Finding::of(
        Code::ServiceTargetPortClosed,
        usage.key.object(),
        format!(
            "the EndpointSlice of {name}, made by hand, leads to port {} of Pod {}, on which nothing listens{has}",
            joined(&ports),
            joined(pods.iter().map(|pod| &pod.metadata.name)),
        ),
    )
    .fix(format!(
        "write the port on which the program listens into the EndpointSlice of service/{}: the targetPort of a Service without selector has no effect",
        usage.key.name
    ))
}

/// Endpoints that are there, and of which their maker says that none is ready: nothing is sent to them.
fn unready(usage: &Usage<'_, '_>, name: &str, views: &[EndpointView]) -> Finding {
    let addresses = joined(views.iter().map(|view| view.address));
    Finding::new(
        Code::ServiceEndpointsNotReady,
        Severity::error_if(usage.in_scope && !usage.looks.is_empty()),
        usage.key.object(),
        format!(
            "the EndpointSlice of {name}, made by hand, says of {addresses} that it is not ready: the Service sends nothing there"
        ),
    )
    .because([format!(
        "endpoints[].conditions.ready: false for {addresses}"
    )])
    .on(ids(&usage.looks))
    .fix(format!(
        "set endpoints[].conditions.ready to true in the EndpointSlice of service/{} once {addresses} serves, or leave the condition out",
        usage.key.name
    ))
}

/// A tier that runs beside its Service without selector most likely lost it.
pub(super) fn no_endpoints_fix(context: &Context<'_>, usage: &Usage<'_, '_>) -> Fix {
    let own = usage
        .tiers
        .iter()
        .flat_map(|tier| tier_subjects(context, tier))
        .find(|subject| subject.key.namespace == usage.key.namespace);
    let selector = own.and_then(|subject| fixes::selector(context, subject));
    match selector {
        Some(labels) => Fix::text(format!(
            "give service/{} the selector {}",
            usage.key.name,
            fixes::labels_text(&labels)
        ))
        .run(fixes::set(
            &usage.key.object(),
            "add",
            "/spec/selector",
            labels,
        )),
        None => Fix::text(format!(
            "create an EndpointSlice with label kubernetes.io/service-name={} and the port names of the Service, or give it a selector",
            usage.key.name
        )),
    }
}
