//! What can go wrong between the tool and the API server or a folder of manifests, as values that name the object, the
//! answer and what to do next. Pure data.

use std::collections::BTreeMap;
use std::fmt;
use std::path::PathBuf;
use std::time::Duration;

use crate::finding::{Code, ObjectRef};
use crate::shell::Command;

/// One call of the API that failed.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum CallError {
    /// The API server answered with an error.
    #[error("{message} ({status}{})", reason_suffix(.reason))]
    Status {
        /// HTTP status.
        status: u16,
        /// The API's reason, such as `Forbidden`; may be empty.
        reason: String,
        /// The API's message.
        message: String,
        /// When it wants to be asked again.
        retry_after: Option<Duration>,
    },
    /// A page for people instead of an answer.
    #[error(
        "{0}: a login page or a proxy answers in the place of the API server; log in to it, or name the API server itself in the kubeconfig"
    )]
    Page(String),
    /// No connection, or it broke.
    #[error("{0}")]
    Transport(String),
    /// No answer in time.
    #[error("no answer within {} s", .0.as_secs())]
    Timeout(Duration),
    /// The answer is not what the API's documentation says.
    #[error("unexpected answer: {0}")]
    Malformed(String),
    /// The answer has more bytes than these.
    #[error("the answer has more than {} MiB, and was read no further", .0 >> 20)]
    TooLong(usize),
}

fn reason_suffix(reason: &str) -> String {
    if reason.is_empty() {
        String::new()
    } else {
        format!(" {reason}")
    }
}

impl CallError {
    /// The HTTP status, if the server answered.
    pub fn status(&self) -> Option<u16> {
        match self {
            Self::Status { status, .. } => Some(*status),
            _ => None,
        }
    }

    /// Whether the API refused for want of permission.
    pub fn is_forbidden(&self) -> bool {
        self.status() == Some(403)
    }

    /// Whether the object (or the resource) does not exist.
    pub fn is_not_found(&self) -> bool {
        self.status() == Some(404)
    }

    /// Whether the same call may succeed a moment later.
    pub fn is_transient(&self) -> bool {
        match self {
            Self::Status { status, .. } => *status == 429 || *status >= 500,
            Self::Transport(_) | Self::Timeout(_) => true,
            Self::Page(_) | Self::Malformed(_) | Self::TooLong(_) => false,
        }
    }

    /// When the server wants to be asked again, if it says so.
    pub fn retry_after(&self) -> Option<Duration> {
        match self {
            Self::Status { retry_after, .. } => *retry_after,
            _ => None,
        }
    }
}

/// A verb on a resource that was refused.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
pub struct Denied {
    /// `list`, `create` …
    pub verb: String,
    /// API group; empty for the core group.
    pub group: String,
    /// Lower-case plural (`services`, `pods/log`).
    pub resource: String,
    /// The namespace; empty for the whole cluster.
    pub namespace: String,
    /// The API's own words.
    pub message: String,
}

impl Denied {
    /// The options by which `k8sverify rbac` names who asked.
    fn subject(&self) -> [&str; 2] {
        let user = self
            .message
            .split_once("User \"")
            .and_then(|(_, rest)| rest.split_once('"'))
            .map_or("USER", |(user, _)| user);
        match user.strip_prefix("system:serviceaccount:") {
            Some(account) => ["--service-account", account],
            None => ["--user", user],
        }
    }

    /// The resource with its group.
    fn qualified(&self) -> String {
        if self.group.is_empty() {
            self.resource.clone()
        } else {
            format!("{}.{}", self.resource, self.group)
        }
    }
}

/// `list services in namespace shop`.
impl fmt::Display for Denied {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{} {}", self.verb, self.qualified())?;
        if self.namespace.is_empty() {
            Ok(())
        } else {
            write!(f, " in namespace {}", self.namespace)
        }
    }
}

/// The command that grants everything that a run needs in those namespaces, to exactly the user that asked: one run of it is enough, whatever else
/// is missing.
pub fn grant(denied: &[Denied]) -> Option<Command> {
    let namespaces: BTreeMap<&str, &Denied> = denied
        .iter()
        .map(|denied| (denied.namespace.as_str(), denied))
        .collect();
    namespaces
        .into_iter()
        .map(|(namespace, denied)| {
            let [option, subject] = denied.subject();
            Command::new(&["k8sverify", "rbac", "-n", namespace, option, subject])
                .pipe(&Command::kubectl("", &["apply", "-f", "-"]))
        })
        .reduce(|all, next| all.and(&next))
}

/// Why nothing could be observed.
#[derive(Debug, thiserror::Error)]
pub enum ObserveError {
    /// The kubeconfig is missing or wrong: the user's input.
    #[error("failed to read the kubeconfig {origin}: {what}")]
    Kubeconfig {
        /// Which one was tried.
        origin: String,
        /// What is wrong, and what to do.
        what: String,
    },
    /// No one answers there, or not as a Kubernetes API does.
    #[error("failed to reach the API server {server}: {what}")]
    Unreachable {
        /// Its URL.
        server: String,
        /// What was tried and what came back.
        what: String,
    },
    /// The API server does not take the credentials.
    #[error(
        "the API server {server} refuses the credentials of {cluster}: {message}; log in again or choose another --context"
    )]
    Unauthenticated {
        /// Its URL.
        server: String,
        /// The kubeconfig's context.
        cluster: String,
        /// The API's own words.
        message: String,
    },
    /// What the run cannot do without may not be read.
    #[error("not allowed to {}", list(.0))]
    Forbidden(Vec<Denied>),
    /// The namespace does not exist.
    #[error("namespace {namespace} does not exist in {cluster}{}{}", if *.certain { "" } else { ", or it is empty and may not be read" }, meant(.nearest.as_deref()))]
    NamespaceNotFound {
        /// Its name.
        namespace: String,
        /// The kubeconfig's context.
        cluster: String,
        /// Whether the API said so; else nothing at all was found in it.
        certain: bool,
        /// The namespace that was probably meant.
        nearest: Option<String>,
    },
    /// A call that the run cannot do without failed for another reason.
    #[error("failed to {verb} {resource} at {server}: {source}")]
    Call {
        /// `list`, `watch` …
        verb: String,
        /// Resource and namespace.
        resource: String,
        /// The server's URL.
        server: String,
        /// What came back.
        #[source]
        source: Box<CallError>,
    },
    /// A manifest file is not what it should be: the user's input.
    #[error("{}{}: {what}", .file.display(), line_suffix(*.line))]
    Manifest {
        /// The file.
        file: PathBuf,
        /// The line, from 1; 0 if unknown.
        line: usize,
        /// What is wrong, and what was expected.
        what: String,
    },
}

fn line_suffix(line: usize) -> String {
    match line {
        0 => String::new(),
        line => format!(":{line}"),
    }
}

fn meant(nearest: Option<&str>) -> String {
    nearest.map_or_else(String::new, |name| format!("; did you mean {name}?"))
}

fn list(denied: &[Denied]) -> String {
    let mut parts: Vec<String> = denied.iter().map(ToString::to_string).collect();
    parts.dedup();
    parts.join(", ")
}

impl ObserveError {
    /// The finding code; `None` for the user's input, which is exit 2 instead of 3.
    pub fn code(&self) -> Option<Code> {
        match self {
            Self::Kubeconfig { .. } | Self::Manifest { .. } => None,
            Self::Unreachable { .. } | Self::Call { .. } => Some(Code::ApiUnreachable),
            Self::Unauthenticated { .. } | Self::Forbidden(_) => Some(Code::ApiForbidden),
            Self::NamespaceNotFound { .. } => Some(Code::NamespaceNotFound),
        }
    }

    /// What the finding is about.
    pub fn object(&self) -> ObjectRef {
        match self {
            Self::Kubeconfig { origin, .. } => ObjectRef::new("input", origin.clone(), ""),
            Self::Manifest { file, .. } => ObjectRef::new("input", file.display().to_string(), ""),
            Self::Unreachable { server, .. } | Self::Call { server, .. } => {
                ObjectRef::new("resource", server.clone(), "")
            }
            Self::Unauthenticated { cluster, .. } => {
                ObjectRef::new("resource", cluster.clone(), "")
            }
            Self::Forbidden(denied) => {
                let first = denied.first();
                ObjectRef::new(
                    "resource",
                    first.map_or("unknown", |denied| denied.resource.as_str()),
                    first.map_or("", |denied| denied.namespace.as_str()),
                )
            }
            Self::NamespaceNotFound { namespace, .. } => {
                ObjectRef::new("namespace", namespace.clone(), "")
            }
        }
    }

    /// A command that fixes it, where one does.
    pub fn command(&self) -> Option<Command> {
        match self {
            Self::Forbidden(denied) => grant(denied),
            Self::NamespaceNotFound { .. } => Some(Command::kubectl("", &["get", "namespaces"])),
            _ => None,
        }
    }

    /// The cluster's own words.
    pub fn evidence(&self) -> Vec<String> {
        match self {
            Self::Forbidden(denied) => denied.iter().map(|denied| denied.message.clone()).collect(),
            Self::Unauthenticated { message, .. } => vec![message.clone()],
            Self::Call { source, .. } => vec![source.to_string()],
            _ => Vec::new(),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn services(user: &str) -> Denied {
        Denied {
            verb: "list".into(),
            group: String::new(),
            resource: "services".into(),
            namespace: "shop".into(),
            message: format!(
                "services is forbidden: User \"{user}\" cannot list resource \"services\" in API group \"\" in the namespace \"shop\""
            ),
        }
    }

    #[test]
    fn a_refusal_names_the_resource_and_the_role_that_grants_it() {
        let slices = Denied {
            group: "discovery.k8s.io".into(),
            resource: "endpointslices".into(),
            ..services("system:serviceaccount:ci:bot")
        };
        let error = ObserveError::Forbidden(vec![services("system:serviceaccount:ci:bot"), slices]);
        assert_eq!(
            error.to_string(),
            "not allowed to list services in namespace shop, list endpointslices.discovery.k8s.io in namespace shop"
        );
        assert_eq!(error.code(), Some(Code::ApiForbidden));
        assert_eq!(error.object().to_string(), "resource/services");
        assert_eq!(
            error.command().unwrap().to_string(),
            "k8sverify rbac -n shop --service-account ci:bot | kubectl apply -f -"
        );
        let data = Denied {
            namespace: "data".into(),
            ..services("$(id)")
        };
        assert_eq!(
            grant(&[services("jane"), data, services("jane")])
                .unwrap()
                .to_string(),
            "k8sverify rbac -n data --user '$(id)' | kubectl apply -f - && k8sverify rbac -n shop --user jane | kubectl apply -f -"
        );
        assert_eq!(grant(&[]), None);
    }

    #[test]
    fn only_what_may_pass_is_transient() {
        let status = |status| CallError::Status {
            status,
            reason: String::new(),
            message: "x".into(),
            retry_after: None,
        };
        assert!(status(429).is_transient());
        assert!(status(503).is_transient());
        assert!(CallError::Timeout(Duration::from_secs(5)).is_transient());
        assert!(!status(403).is_transient());
        assert!(!status(404).is_transient());
        assert!(!CallError::Malformed("x".into()).is_transient());
    }

    #[test]
    fn input_errors_have_no_code() {
        let error = ObserveError::Kubeconfig {
            origin: "/x".into(),
            what: "no such file".into(),
        };
        assert_eq!(error.code(), None);
    }
}
