//! One compose service → what it serves, and its tier. Pure.

use std::collections::BTreeMap;
use std::num::NonZeroU16;

use crate::address;
use crate::catalog::Catalog;
use crate::compose::{ComposeFile, Service};
use crate::protocol::Protocol;

use super::super::Tier;
use super::evidence::{DeclaredPort, Evidence, PortOrigin};
use super::facts::{self, TierFacts};
use super::{names, own};

/// What a compose service serves.
pub(super) fn facts(service: &Service, catalog: &Catalog) -> TierFacts {
    let built = service.build.as_ref();
    let mut ports: Vec<DeclaredPort> = Vec::new();
    let expose = service
        .expose
        .iter()
        .map(|one| (one.port, &one.transport, None, PortOrigin::Expose));
    // The first word on a port counts.
    let mut protocols = BTreeMap::new();
    for one in &service.ports {
        let protocol = one.app_protocol.as_deref().and_then(Protocol::from_name);
        protocols.entry(one.target).or_insert(protocol);
    }
    let published = service.ports.iter().map(|one| {
        let protocol = protocols.get(&one.target).copied().flatten();
        (one.target, &one.transport, protocol, PortOrigin::Ports)
    });
    let image = built
        .into_iter()
        .flat_map(|build| &build.exposed)
        .map(|one| (one.port, &one.transport, None, PortOrigin::Dockerfile));
    for (port, transport, protocol, origin) in expose.chain(published).chain(image) {
        let declared = declared(port, transport, protocol, origin);
        // A database's port on something that is no database is a misplaced key, whatever the reason.
        ports.extend(declared.filter(|one| !misplaced(service, one, catalog)));
    }
    if ports.is_empty() {
        ports.extend(spring(service));
    }
    let words = words(service);
    let exposed = service.expose.iter().map(|one| (one.port, &one.transport));
    let mapped = service.ports.iter().map(|one| (one.target, &one.transport));
    let udp = exposed
        .chain(mapped)
        .filter(|(_, transport)| facts::is_udp(transport))
        .filter_map(|(port, _)| NonZeroU16::new(port))
        .collect();
    TierFacts::read(
        &Evidence {
            tier: &service.name,
            image: service.image.as_deref(),
            base_image: built.and_then(|build| build.base_image.as_deref()),
            environment: facts::plain(&service.environment),
            words: &words,
            ports,
            udp,
            healthcheck: service
                .healthcheck
                .as_ref()
                .filter(|check| !check.disable)
                .map_or(&[], |check| check.test.as_slice()),
            one_shot: service.is_one_shot(),
        },
        catalog,
    )
}

/// Spring Boot's settings beside a build: `server.port`, else its usual one.
fn spring(service: &Service) -> Option<DeclaredPort> {
    let files = service.build.iter().flat_map(|build| &build.files);
    let mut settings = files.filter(|file| {
        let path = file.target.to_ascii_lowercase();
        path.contains("src/main/resources/application.")
    });
    let first = settings.next()?;
    let written = std::iter::once(first).chain(settings).find_map(|file| {
        let said = address::settings(&file.text).remove("server.port")?;
        // `${PORT:8081}`.
        let port = said.trim_end_matches('}').rsplit([':', '-']).next();
        port.and_then(address::port)
    });
    Some(DeclaredPort {
        port: written.or_else(|| address::port("8080"))?,
        protocol: Some(Protocol::Http),
        origin: PortOrigin::SpringBoot,
    })
}

/// A port of a declaration; UDP and SCTP prove nothing by a connection.
pub(super) fn declared(
    port: u16,
    transport: &str,
    protocol: Option<Protocol>,
    origin: PortOrigin,
) -> Option<DeclaredPort> {
    let tcp = transport.is_empty() || transport.eq_ignore_ascii_case("tcp");
    Some(DeclaredPort {
        port: NonZeroU16::new(port).filter(|_| tcp)?,
        protocol,
        origin,
    })
}

fn misplaced(service: &Service, port: &DeclaredPort, catalog: &Catalog) -> bool {
    let store = catalog
        .port_protocol(port.port.get())
        .is_some_and(Protocol::is_store)
        || port.port.get() == 33060;
    let published = service
        .ports
        .iter()
        .any(|one| one.target != port.port.get());
    store
        && service.image.is_none()
        && service.build.is_some()
        && published
        && port.origin == PortOrigin::Expose
}

/// Entrypoint and command: compose's, else those of the Dockerfile. An entrypoint of compose's own sets the image's command aside.
pub(super) fn words(service: &Service) -> Vec<String> {
    let recipe = service.build.as_ref();
    let mut words = match (&service.entrypoint, recipe) {
        (Some(entrypoint), _) => entrypoint.clone(),
        (None, Some(image)) => image.entrypoint.clone(),
        (None, None) => Vec::new(),
    };
    match (&service.command, recipe) {
        (Some(command), _) => words.extend(command.iter().cloned()),
        (None, Some(image)) if service.entrypoint.is_none() => {
            words.extend(image.command.iter().cloned());
        }
        _ => {}
    }
    words
}

/// A service's tier, as far as compose says.
pub(super) fn tier(
    file: &ComposeFile,
    service: &Service,
    facts: &BTreeMap<String, TierFacts>,
    dialled: bool,
) -> Tier {
    let facts = facts.get(&service.name);
    let active = file.services.contains_key(&service.name);
    Tier {
        name: service.name.clone(),
        in_compose: true,
        names: names::of_service(service),
        server: facts.and_then(|facts| facts.server().cloned()),
        ports: facts.map(TierFacts::listens).unwrap_or_default(),
        one_shot: ends(file, service, facts, dialled),
        expected: active && service.replicas != Some(0) && !service.provider,
        image: service.image.clone(),
        health_path: facts.and_then(|facts| facts.health_path().cloned()),
        networks: names::networks(file, service)
            .into_iter()
            .map(str::to_owned)
            .collect(),
        ..Tier::default()
    }
}

/// Whether it ends on its own: others wait for its end, or it is not restarted or called like a preparation, and serves nothing.
///
/// `dialled`: another tier's configuration names its port; then it is a server that is not restarted.
pub(super) fn ends(
    file: &ComposeFile,
    service: &Service,
    facts: Option<&TierFacts>,
    dialled: bool,
) -> bool {
    let awaited = file
        .services
        .values()
        .filter_map(|other| other.depends_on.get(&service.name))
        .any(|depends| depends.condition == "service_completed_successfully");
    let called = address::words(&service.name);
    let called = called.last().is_some_and(|word| own::prepares(word));
    awaited
        || (!dialled
            && (service.is_one_shot() || called)
            && facts.is_none_or(|facts| facts.server().is_none()))
}
/// Whether a command sends documents to another tier (`curl -d @/x.json`): what stands in them is for that one.
pub(super) fn sends_files(service: &Service) -> bool {
    let text = words(service).join(" ");
    let image = service.image.as_deref().unwrap_or_default();
    (text.contains("curl") || image.contains("curl"))
        && [" @", "\"@", "'@", "=@"]
            .iter()
            .any(|mark| text.contains(mark))
}
