//! Without compose: hosts of stores that stand in a Secret, and the tier to which each can only lead. Pure.

use std::collections::BTreeSet;
use std::num::NonZeroU16;

use crate::address::{self, Family, LoginReference, Role};
use crate::graph::deployed::DeployedContainer;
use crate::graph::{Confidence, Edge, Note, NoteKind, ServerHint, Tier};
use crate::observe::ServiceKey;
use crate::protocol::Protocol;

use super::moved::login_at;
use super::{Client, Draft};

impl Client<'_> {
    /// Leads every variable whose value only the probe sees to the tier that alone can be meant by its name; where none or several can, a
    /// note says so.
    pub(super) fn suppose_hidden(&mut self) {
        if self.sources.compose.is_some() {
            return;
        }
        let deployed = self.deployed;
        for container in &deployed.containers {
            for variable in hidden_hosts(container) {
                match self.supposed(variable, container) {
                    Some(edge) => self.drafts.push(Draft {
                        edge,
                        in_compose: false,
                        deployed: true,
                    }),
                    None => self.notes.push(self.unknown_host(variable)),
                }
            }
        }
    }

    fn unknown_host(&self, variable: &str) -> Note {
        Note {
            kind: NoteKind::Incomplete,
            message: format!(
                "{}: {variable} stands in a Secret, so where it leads is not known without compose: add the edge to k8sverify.yaml",
                self.name
            ),
        }
    }

    /// The edge of a hidden host: to the server that is called like the variable, else to the only store that its name allows. What the
    /// Pods name openly, such as a wait of an init container, says nothing of the login.
    fn supposed(&self, variable: &str, container: &DeployedContainer) -> Option<Edge> {
        let subject = address::subject_of_host(variable);
        let stores = address::stores(variable);
        let is_called = |tier: &Tier| {
            let services = tier.services.iter().map(|key| &key.name);
            let mut names = services.chain([&tier.name]);
            names.any(|name| address::words(name) == subject)
        };
        let is_store = |tier: &Tier| tier.protocol().is_some_and(|one| stores.contains(&one));
        let (called, stores) = (self.servers(&is_called), self.servers(&is_store));
        let meant = match (called.as_slice(), stores.as_slice()) {
            ([_], _) => called,
            // Any of its kind will do: the probe sees which one it is.
            (_, [first, others @ ..])
                if others.iter().all(|one| one.protocol() == first.protocol()) =>
            {
                stores
            }
            _ => return None,
        };
        let tier = meant.iter().find(|tier| !self.is_led_to(tier, variable))?;
        let confidence = if meant.len() == 1 {
            Confidence::Likely
        } else {
            Confidence::Weak
        };
        let server = tier.server.as_ref()?;
        let (host, port) = self.called(tier, server);
        let login = login_at(
            variable,
            beside(variable, &host, port, server.protocol, container),
        );
        Some(Edge {
            origin: vec![self.place_in_secret(variable).into()],
            confidence,
            variable: Some(variable.to_owned()),
            guessed: true,
            unseen: true,
            login: Some(login),
            ..Edge::new(self.name, &tier.name, host, port, server.protocol)
        })
    }

    /// Whether another hidden variable of the client leads to a tier.
    fn is_led_to(&self, tier: &Tier, variable: &str) -> bool {
        let mut edges = self.drafts.iter().map(|draft| &draft.edge);
        edges.any(|edge| {
            edge.unseen && edge.to == tier.name && edge.variable.as_deref() != Some(variable)
        })
    }

    /// The other servers of which that is so: one that is called after the client comes first.
    fn servers(&self, is_so: &dyn Fn(&Tier) -> bool) -> Vec<&Tier> {
        let own = address::words(self.name);
        let tiers = self.tiers.values().filter(|tier| {
            tier.name != self.name && tier.server.is_some() && tier.is_deployed() && is_so(tier)
        });
        let mut tiers: Vec<&Tier> = tiers.collect();
        tiers.sort_by_key(|tier| {
            !address::words(&tier.name)
                .iter()
                .any(|word| own.contains(word))
        });
        tiers
    }

    /// How the client most likely calls a tier: by a Service that leads to its port, with an address of its own before one without.
    fn called(&self, tier: &Tier, server: &ServerHint) -> (String, NonZeroU16) {
        let snapshot = self.sources.snapshot;
        let templates: Vec<_> = tier
            .workloads
            .iter()
            .filter_map(|key| snapshot.template(key))
            .collect();
        let offered = |key: &ServiceKey| {
            let spec = &snapshot.service(key)?.spec;
            let mut ports = spec.ports.iter().filter(|port| {
                let mut templates = templates.iter();
                templates.any(|template| port.target(template.spec) == Some(server.port))
            });
            let port = NonZeroU16::new(u16::try_from(ports.next()?.port).ok()?)?;
            Some((spec.is_headless(), key.host_from(self.namespace), port))
        };
        let found = tier.services.iter().filter_map(offered);
        let first = found.min_by_key(|(headless, ..)| *headless);
        first.map_or_else(
            || {
                let named = tier.services.first();
                let host = named.map(|key| key.host_from(self.namespace));
                let host = host.unwrap_or_else(|| tier.name.clone());
                (host, server.port)
            },
            |(_, host, port)| (host, port),
        )
    }
}

/// The variables of a container that are called like a host and whose value is not known.
fn hidden_hosts(container: &DeployedContainer) -> impl Iterator<Item = &String> {
    let variables = container.environment.variables.iter();
    let hidden = variables
        .filter(|(name, variable)| variable.is_secret() && address::role(name) == Role::Host);
    hidden.map(|(name, _)| name)
}

/// The login that would belong to a hidden host if it were that one.
fn beside(
    variable: &str,
    host: &str,
    port: NonZeroU16,
    protocol: Protocol,
    container: &DeployedContainer,
) -> Option<LoginReference> {
    let source = container.source(&BTreeSet::new());
    let mut environment = source.environment;
    environment.insert(variable.to_owned(), host.to_owned());
    // The port may be as hidden as the host: the number is put in its place, and no other part of the login.
    for name in &source.secret_variables {
        if address::words(name)
            .last()
            .is_some_and(|last| last == "port")
        {
            environment.insert(name.clone(), port.to_string());
        }
    }
    let families = address::families_beside(&environment, &source.secret_variables);
    let own = |family: &Family| {
        let said = family.target.protocol;
        family.host_variable == variable && said.is_none_or(|said| said == protocol)
    };
    families.into_iter().find(own)?.login
}

#[cfg(test)]
mod tests {
    use crate::graph::fixture::{App, edge, login, shown};
    use crate::graph::{NoteKind, TierGraph};

    const POSTGRES: &str = "---\nkind: StatefulSet\nmetadata: {name: pg}\nspec: {template: {metadata: {labels: {app: pg}}, spec: {containers: [{name: pg, image: 'postgres:16'}]}}}\n---\nkind: Service\nmetadata: {name: store}\nspec: {selector: {app: pg}, ports: [{port: 5433, targetPort: 5432}]}\n---\nkind: Service\nmetadata: {name: a-store}\nspec: {selector: {app: pg}, clusterIP: None, ports: [{port: 5432}]}\n";
    const REDIS: &str = "---\nkind: Deployment\nmetadata: {name: kvs}\nspec: {template: {metadata: {labels: {app: kvs}}, spec: {containers: [{name: kvs, image: 'redis:7'}]}}}\n---\nkind: Service\nmetadata: {name: kvs}\nspec: {selector: {app: kvs}, ports: [{port: 6379}]}\n";

    fn graph(hidden: &[&str], more: &str) -> TierGraph {
        let env: Vec<String> = hidden
            .iter()
            .map(|name| {
                format!("{{name: {name}, valueFrom: {{secretKeyRef: {{name: s, key: k}}}}}}")
            })
            .collect();
        let client = format!(
            "kind: Deployment\nmetadata: {{name: ap}}\nspec: {{template: {{metadata: {{labels: {{app: ap}}}}, spec: {{containers: [{{name: ap, image: 'x/ap:1', env: [{}]}}]}}}}}}\n",
            env.join(", ")
        );
        App::of("", &format!("{client}{more}")).alone()
    }

    fn open(graph: &TierGraph) -> usize {
        let notes = graph.notes.iter();
        notes
            .filter(|note| note.kind == NoteKind::Incomplete)
            .count()
    }

    #[test]
    fn a_hidden_address_leads_to_the_only_store_that_its_name_allows() {
        let both = format!("{POSTGRES}{REDIS}");
        for name in ["DATABASE_URL", "PG_URI", "ConnectionStrings__Default"] {
            let graph = graph(&[name], &both);
            assert_eq!(shown(&graph), ["ap->pg:5433/postgres store"], "{name}");
            let edge = edge(&graph, "ap->pg:5433/postgres");
            assert!(edge.unseen && !edge.guessed && edge.is_firm(), "{edge:?}");
            assert_eq!(login(edge), [name]);
            assert_eq!(open(&graph), 0, "{name}");
        }
        for name in ["REDIS_URL", "CACHE_HOST", "KVS_ADDR"] {
            assert_eq!(shown(&graph(&[name], &both)), ["ap->kvs:6379/redis kvs"]);
        }
        let web = REDIS
            .replace("kvs", "shop-api")
            .replace("redis:7", "nginx:1");
        let web = graph(&["SHOP_API_URL"], &web.replace("6379", "80"));
        assert_eq!(shown(&web), ["ap->shop-api:80/http shop-api"]);
    }

    #[test]
    fn the_parts_of_a_hidden_login_belong_to_its_host() {
        let names = ["DB_HOST", "DB_PORT", "DB_USER", "DB_PASSWORD", "DB_NAME"];
        let graph = graph(&names, POSTGRES);
        let mut found = login(edge(&graph, "ap->pg:5433/postgres"));
        found.sort_unstable();
        assert_eq!(
            found,
            ["DB_HOST", "DB_NAME", "DB_PASSWORD", "DB_PORT", "DB_USER"]
        );
    }

    #[test]
    fn of_several_alike_the_one_called_after_the_client_is_asked_first() {
        let other = |name: &str| POSTGRES.replace("pg", name).replace("store", name);
        let graph = |name: &str| graph(&["DATABASE_URL"], &(other("a-db") + &other(name)));
        for (name, wanted) in [
            ("z-db", "ap->a-db:5433/postgres a-db"),
            ("ap-db", "ap->ap-db:5433/postgres ap-db"),
        ] {
            let graph = graph(name);
            assert_eq!(shown(&graph), [wanted]);
            assert!(!graph.edges[0].is_firm());
            assert_eq!(open(&graph), 0);
        }
        // Each variable has one of its own, and what none is left for stays open.
        let names = ["DATABASE_URL", "AUDIT_DATABASE_URL", "OLD_DB_URL"];
        let all = super::tests::graph(&names, &(other("a-db") + &other("z-db")));
        assert_eq!((all.edges.len(), open(&all)), (2, 1), "{:?}", shown(&all));
    }

    #[test]
    fn where_none_or_stores_of_several_kinds_can_be_meant_it_stays_open() {
        let other = POSTGRES.replace("pg", "my").replace("store", "data");
        let other = other.replace("postgres:16", "mysql:8");
        for (name, more) in [
            ("API_URL", POSTGRES.to_owned()),
            ("MYSQL_URL", POSTGRES.to_owned()),
            ("DATABASE_URL", REDIS.to_owned()),
            ("DATABASE_URL", format!("{POSTGRES}{other}")),
        ] {
            let graph = graph(&[name], &more);
            assert!(graph.edges.is_empty(), "{name}");
            assert_eq!(open(&graph), 1, "{name}");
        }
    }
}
