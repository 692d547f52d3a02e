//! Logins that no variable of the Pods holds: where they may stand, and which are not there at all. Pure.

use crate::address::{self, LoginReference};
use crate::graph::Edge;
use crate::graph::deployed::DeployedContainer;

use super::Client;

impl Client<'_> {
    /// Notes where the login of an edge may stand that the Pods' variables do not hold as a whole, and what compose logs in with and the
    /// Pods lack.
    pub(super) fn place_logins(&mut self) {
        let containers = || self.deployed.containers.iter().filter(|one| !one.init);
        let taken: Vec<String> = self
            .drafts
            .iter()
            .filter_map(|draft| password_of(draft.edge.login.as_ref()))
            .cloned()
            .collect();
        let mut drafts = std::mem::take(&mut self.drafts);
        for edge in drafts.iter_mut().map(|draft| &mut draft.edge) {
            let lacked = edge.lacks.take();
            if !edge.protocol.is_store() {
                continue;
            }
            match missing(edge) {
                Missing::Nothing => {
                    let hidden = password_of(edge.login.as_ref()).filter(|name| self.hides(name));
                    let alone = hidden.filter(|name| {
                        let place = |one: &DeployedContainer| one.login_place(&edge.host);
                        self.is_alone(name, &taken) && containers().find_map(place).is_none()
                    });
                    edge.lacks = alone.cloned();
                }
                Missing::User => {
                    edge.login_place = containers().find_map(DeployedContainer::user_place);
                }
                Missing::Password => {
                    edge.login_place = containers().find_map(|one| one.login_place(&edge.host));
                    let may_lack = edge.login_place.is_none() && edge.flaw.is_none();
                    edge.lacks = lacked.filter(|name| {
                        may_lack && !self.may_have(name) && self.is_alone(name, &taken)
                    });
                }
            }
        }
        self.drafts = drafts;
    }

    /// Whether nothing in the Pods can bring a password but its variable: neither one that names its file, nor another password that is
    /// of no other login, nor the image.
    fn is_alone(&self, name: &str, taken: &[String]) -> bool {
        let may_be_it = |other: &String| {
            address::may_hold_password(other)
                && !taken.contains(other)
                && !self.asked.contains_key(other)
        };
        let by_image = self
            .sources
            .compose
            .and_then(|file| file.services.get(self.name)?.build.as_ref())
            .is_some_and(|build| build.environment.contains_key(name));
        !by_image
            && self
                .deployed
                .containers
                .iter()
                .all(|container| !container.environment.variables.keys().any(&may_be_it))
    }

    /// Whether a container has a variable, or may have it from what is not read.
    pub(super) fn may_have(&self, name: &str) -> bool {
        let mut containers = self.deployed.containers.iter();
        containers.any(|one| one.environment.may_have(name))
    }

    /// Whether no container shows the value of a variable.
    fn hides(&self, name: &str) -> bool {
        let mut containers = self.deployed.containers.iter();
        containers.all(|one| {
            let variable = one.environment.variables.get(name);
            variable.is_none_or(|variable| variable.value.is_none())
        })
    }
}

/// The variable of a login's password.
pub(super) fn password_of(login: Option<&LoginReference>) -> Option<&String> {
    login.and_then(LoginReference::password)
}

/// What the variables of an edge do not hold of its login.
enum Missing {
    Nothing,
    User,
    Password,
}

fn missing(edge: &Edge) -> Missing {
    match &edge.login {
        Some(LoginReference::Url { .. }) => Missing::Nothing,
        None | Some(LoginReference::Parts { password: None, .. }) => Missing::Password,
        Some(LoginReference::Parts { user, .. }) => {
            if user.is_none() && edge.protocol.needs_user() {
                Missing::User
            } else {
                Missing::Nothing
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use crate::graph::TierGraph;
    use crate::graph::fixture::{App, edge};

    const EDGE: &str = "ap->db:5432/postgres";
    const PASSWORD: &str = "{name: DB_PASSWORD, value: x}";

    /// A client with the variables of its Pod, and what is mounted there.
    fn graph(variables: &str, volume: &str, objects: &str) -> TierGraph {
        let compose = "services:\n  ap: {image: 'x/ap:1', environment: {DB_HOST: db, DB_USER: u, DB_PASSWORD: x}}\n  db: {image: 'postgres:16'}\n";
        let (mounts, volumes) = if volume.is_empty() {
            (String::new(), String::new())
        } else {
            let mounts = ", volumeMounts: [{name: v, mountPath: /app/config}]".to_owned();
            (mounts, format!(", volumes: [{{name: v, {volume}}}]"))
        };
        let manifests = format!(
            "apiVersion: apps/v1\nkind: Deployment\nmetadata: {{name: ap}}\nspec: {{selector: {{matchLabels: {{app: ap}}}}, template: {{metadata: {{labels: {{app: ap}}}}, spec: {{containers: [{{name: ap, image: 'x/ap:1', env: [{variables}]{mounts}}}]{volumes}}}}}}}\n---\napiVersion: apps/v1\nkind: Deployment\nmetadata: {{name: db}}\nspec: {{selector: {{matchLabels: {{app: db}}}}, template: {{metadata: {{labels: {{app: db}}}}, spec: {{containers: [{{name: db, image: 'postgres:16'}}]}}}}}}\n---\napiVersion: v1\nkind: Service\nmetadata: {{name: db}}\nspec: {{selector: {{app: db}}, ports: [{{port: 5432}}]}}\n{objects}"
        );
        App::of(compose, &manifests).graph()
    }

    fn settings(text: &str) -> String {
        format!(
            "---\napiVersion: v1\nkind: ConfigMap\nmetadata: {{name: conf}}\ndata: {{settings.yml: \"{text}\"}}\n"
        )
    }

    const HOST: &str = "{name: DB_HOST, value: db}, {name: DB_USER, value: u}";

    #[test]
    fn a_password_that_compose_gives_and_nothing_in_the_pod_can_bring_is_lacking() {
        let lacks = |variables: &str, volume: &str| {
            edge(&graph(variables, volume, &settings("a: b")), EDGE)
                .lacks
                .clone()
        };
        let with = |more: &str| lacks(&format!("{HOST}, {more}"), "");
        assert_eq!(lacks(HOST, ""), Some("DB_PASSWORD".to_owned()));
        assert_eq!(
            lacks(HOST, "configMap: {name: conf}"),
            Some("DB_PASSWORD".to_owned())
        );
        assert_eq!(with(PASSWORD), None);
        assert_eq!(with("{name: DB_PASSWORD_FILE, value: /x}"), None);
        assert_eq!(with("{name: PGPASS, value: x}"), None);
        assert_eq!(lacks(HOST, "secret: {secretName: s}"), None);
    }

    #[test]
    fn of_a_hidden_password_the_probe_sees_whether_it_is_there() {
        let lacks = |more: &str, volume: &str| {
            let key = "valueFrom: {secretKeyRef: {name: s, key: k, optional: true}}";
            let variables = format!("{HOST}, {{name: DB_PASSWORD, {key}}}{more}");
            edge(&graph(&variables, volume, &settings("a: b")), EDGE)
                .lacks
                .clone()
        };
        assert_eq!(lacks("", ""), Some("DB_PASSWORD".to_owned()));
        assert_eq!(lacks(", {name: PGPASS, value: x}", ""), None);
        assert_eq!(lacks("", "secret: {secretName: s}"), None);
        let shown = format!("{HOST}, {PASSWORD}");
        assert_eq!(edge(&graph(&shown, "", ""), EDGE).lacks, None);
    }

    #[test]
    fn a_login_may_stand_in_a_mounted_file() {
        let place = |variables: &str, volume: &str, text: &str| {
            let graph = graph(variables, volume, &settings(text));
            edge(&graph, EDGE).login_place.clone()
        };
        let map = "configMap: {name: conf}";
        let whole = format!("{HOST}, {PASSWORD}");
        assert_eq!(place(HOST, map, "a: b"), None);
        assert_eq!(
            place(HOST, map, "password: x").as_deref(),
            Some("/app/config/settings.yml, configmap/conf settings.yml")
        );
        assert_eq!(
            place(HOST, "secret: {secretName: s}", "").as_deref(),
            Some("secret/s")
        );
        assert_eq!(place(&whole, map, "password: x"), None);
        // The user stands in the file, too.
        let user = format!("{{name: DB_HOST, value: db}}, {PASSWORD}");
        assert!(place(&user, map, "username: u").is_some());
        assert_eq!(place(&user, map, "a: b"), None);
    }
}
