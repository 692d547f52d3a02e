//! Kubeconfig file, environment or in-cluster service account → [`Api`] of a server that answers. IO.

use std::io::IsTerminal;
use std::path::{Path, PathBuf};
use std::time::Duration;

use http::Method;
use kube::config::{Config, ExecInteractiveMode, KubeConfigOptions, Kubeconfig};
use serde_json::Value;

use super::client::{Api, THROTTLED};
use super::credentials::{credential_error, named};
use super::error::{CallError, ObserveError};
use crate::redact::Redactor;

/// Time for the connection (TCP and TLS).
const CONNECT_TIMEOUT: Duration = Duration::from_secs(5);
/// Time for the first answer.
const FIRST_ANSWER: Duration = Duration::from_secs(6);
/// The pause before the second try.
const AGAIN: Duration = Duration::from_millis(700);
/// What is said of a server that is none of Kubernetes.
const NOT_KUBERNETES: &str = "it answers, but not as a Kubernetes API does";
/// Time for a credential plugin of the kubeconfig.
const PLUGIN_TIMEOUT: Duration = Duration::from_secs(30);

/// Which cluster to talk to.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct ConnectOptions {
    /// A kubeconfig file; else `$KUBECONFIG`, else `~/.kube/config`, else the Pod's service account.
    pub kubeconfig: Option<PathBuf>,
    /// A context; else the current one.
    pub context: Option<String>,
}

/// Connects, and asks the server once so that a wrong address is named at once.
///
/// # Errors
/// [`ObserveError::Kubeconfig`] for bad input, [`ObserveError::Unreachable`] or [`ObserveError::Unauthenticated`] for what the
/// server does.
pub async fn connect(options: &ConnectOptions) -> Result<Api, ObserveError> {
    let ConnectOptions {
        kubeconfig,
        context,
    } = options;
    // kube takes the process-wide provider; it is installed already where main ran.
    let _ = rustls::crypto::ring::default_provider().install_default();
    let (mut config, cluster) = match source(kubeconfig.as_deref()) {
        Source::Files(paths) => from_files(&paths, context.as_deref()).await?,
        Source::InCluster => (in_cluster()?, "in-cluster".to_owned()),
        Source::Nowhere(tried) => {
            return Err(ObserveError::Kubeconfig {
                origin: tried,
                what: "there is no such file, $KUBECONFIG is not set and this is no Pod; name a file with --kubeconfig".to_owned(),
            });
        }
    };
    config.default_retry = false;
    config.connect_timeout = Some(CONNECT_TIMEOUT);
    config.read_timeout = None;
    let server = without_login(&config.cluster_url);
    let client = client(config, &server).await?;
    let api = Api::new(client, server, cluster);
    first_contact(&api).await?;
    Ok(api)
}

enum Source {
    Files(Vec<PathBuf>),
    InCluster,
    Nowhere(String),
}

fn source(option: Option<&Path>) -> Source {
    if let Some(path) = option {
        return Source::Files(vec![path.to_owned()]);
    }
    let named: Vec<PathBuf> = std::env::var_os("KUBECONFIG")
        .map(|value| {
            std::env::split_paths(&value)
                .filter(|path| !path.as_os_str().is_empty())
                .collect()
        })
        .unwrap_or_default();
    if !named.is_empty() {
        // As kubectl: files of the list that are not there are passed over, unless none is there.
        let there: Vec<PathBuf> = named.iter().filter(|path| path.exists()).cloned().collect();
        return Source::Files(if there.is_empty() { named } else { there });
    }
    let home = std::env::home_dir().map(|home| home.join(".kube").join("config"));
    match home {
        Some(path) if path.exists() => Source::Files(vec![path]),
        _ if std::env::var_os("KUBERNETES_SERVICE_HOST").is_some() => Source::InCluster,
        Some(path) => Source::Nowhere(path.display().to_string()),
        None => Source::Nowhere("~/.kube/config".to_owned()),
    }
}

async fn from_files(
    paths: &[PathBuf],
    context: Option<&str>,
) -> Result<(Config, String), ObserveError> {
    let origin = paths
        .iter()
        .map(|path| path.display().to_string())
        .collect::<Vec<_>>()
        .join(", ");
    let wrong = |what: String| ObserveError::Kubeconfig {
        origin: origin.clone(),
        what,
    };
    let mut merged = Kubeconfig::default();
    for path in paths {
        let next = Kubeconfig::read_from(path).map_err(|error| wrong(cause(&error)))?;
        merged = merged
            .merge(next)
            .map_err(|error| wrong(error.to_string()))?;
    }
    let chosen = context
        .map(str::to_owned)
        .or_else(|| merged.current_context.clone())
        .filter(|name| !name.is_empty());
    let names: Vec<&str> = merged
        .contexts
        .iter()
        .map(|context| context.name.as_str())
        .collect();
    let Some(chosen) = chosen else {
        return Err(wrong(if names.is_empty() {
            "it has no context; name another file with --kubeconfig".to_owned()
        } else {
            format!(
                "it has no current-context; choose one with --context ({})",
                names.join(", ")
            )
        }));
    };
    if !names.contains(&chosen.as_str()) {
        return Err(wrong(format!(
            "it has no context {chosen}; it has {}",
            if names.is_empty() {
                "none".to_owned()
            } else {
                names.join(", ")
            }
        )));
    }
    let options = KubeConfigOptions {
        context: Some(chosen.clone()),
        ..KubeConfigOptions::default()
    };
    let config = Config::from_custom_kubeconfig(merged, &options)
        .await
        .map_err(|error| wrong(format!("context {chosen}: {}", crate::reason::said(&error))))?;
    Ok((config, chosen))
}

/// kube prints the path, which the caller names already.
fn cause(error: &kube::config::KubeconfigError) -> String {
    match error {
        kube::config::KubeconfigError::ReadConfig(source, _) => crate::reason::unreadable(source),
        other => other.to_string(),
    }
}

fn in_cluster() -> Result<Config, ObserveError> {
    Config::incluster_env().map_err(|error| ObserveError::Kubeconfig {
        origin: "of the Pod's service account".to_owned(),
        what: format!("{error}; set automountServiceAccountToken: true, or pass --kubeconfig"),
    })
}

/// Building a client may run a credential plugin, which blocks: on its own thread, with a deadline.
async fn client(config: Config, server: &str) -> Result<kube::Client, ObserveError> {
    let unreachable = |what: String| ObserveError::Unreachable {
        server: server.to_owned(),
        what,
    };
    let (config, program) = plugin(config);
    let handle = tokio::runtime::Handle::current();
    let built = tokio::task::spawn_blocking(move || {
        let _runtime = handle.enter();
        kube::Client::try_from(config)
    });
    match tokio::time::timeout(PLUGIN_TIMEOUT, built).await {
        Ok(Ok(Ok(client))) => Ok(client),
        Ok(Ok(Err(kube::Error::Auth(error)))) => {
            Err(unreachable(credential_error(&error, program.as_deref())))
        }
        Ok(Ok(Err(error))) => Err(unreachable(format!(
            "the kubeconfig's credentials could not be used: {error}"
        ))),
        Ok(Err(error)) => Err(unreachable(error.to_string())),
        Err(_) => Err(unreachable(format!(
            "{} did not end within {} s",
            named(program.as_deref()),
            PLUGIN_TIMEOUT.as_secs()
        ))),
    }
}

/// The credential plugin of the kubeconfig by its program's name. What it writes to standard error is kept where no one is there to
/// read it.
fn plugin(mut config: Config) -> (Config, Option<String>) {
    let Some(exec) = &mut config.auth_info.exec else {
        return (config, None);
    };
    if !std::io::stdin().is_terminal() && exec.interactive_mode != Some(ExecInteractiveMode::Always)
    {
        exec.interactive_mode = Some(ExecInteractiveMode::Never);
    }
    let program = exec.command.as_deref().and_then(|command| {
        let name = Path::new(command).file_name()?;
        Some(Redactor::default().text(&name.to_string_lossy()))
    });
    (config, program)
}

async fn first_contact(api: &Api) -> Result<(), ObserveError> {
    let mut tries = [AGAIN].into_iter();
    let mut throttled = Duration::ZERO;
    let what = loop {
        let answer = api.call::<Value>(Method::GET, "/version", None, FIRST_ANSWER);
        let error = match answer.await {
            Ok(version) if version.get("gitVersion").is_some() => return Ok(()),
            Ok(_) => break NOT_KUBERNETES.to_owned(),
            Err(CallError::Status {
                status: 401,
                message,
                ..
            }) => {
                return Err(ObserveError::Unauthenticated {
                    server: api.server().to_owned(),
                    cluster: api.cluster().to_owned(),
                    message,
                });
            }
            // Who may not read the version may still read the rest.
            Err(CallError::Status {
                status: 403 | 404, ..
            }) => return Ok(()),
            Err(CallError::Malformed(_) | CallError::TooLong(_)) => NOT_KUBERNETES.to_owned(),
            Err(error @ (CallError::Timeout(_) | CallError::Page(_))) => break error.to_string(),
            Err(error) => match error.retry_after() {
                Some(wait) if throttled + wait <= THROTTLED => {
                    throttled += wait;
                    tokio::time::sleep(wait).await;
                    continue;
                }
                _ => error.to_string(),
            },
        };
        let Some(wait) = tries.next() else {
            break error;
        };
        tokio::time::sleep(wait).await;
    };
    Err(ObserveError::Unreachable {
        server: api.server().to_owned(),
        what,
    })
}

/// The server's URL without a user or password that someone may have put into it.
fn without_login(url: &http::Uri) -> String {
    let text = url.to_string();
    let text = text.strip_suffix('/').unwrap_or(&text);
    match (text.split_once("://"), text.rsplit_once('@')) {
        (Some((scheme, _)), Some((_, host))) => format!("{scheme}://{host}"),
        _ => text.to_owned(),
    }
}

#[cfg(test)]
mod tests {
    use std::io::{Read, Write};

    use super::*;

    fn kubeconfig(server: &str) -> tempfile::NamedTempFile {
        let mut file = tempfile::NamedTempFile::new().unwrap();
        write!(
            file,
            "apiVersion: v1\nkind: Config\ncurrent-context: ci\ncontexts: [{{name: ci, context: {{cluster: c, user: u, namespace: shop}}}}]\nclusters: [{{name: c, cluster: {{server: \"{server}\"}}}}]\nusers: [{{name: u, user: {{}}}}]\n"
        )
        .unwrap();
        file
    }

    async fn try_connect(path: &Path, context: Option<&str>) -> Result<Api, ObserveError> {
        connect(&ConnectOptions {
            kubeconfig: Some(path.to_owned()),
            context: context.map(str::to_owned),
        })
        .await
    }

    /// Answers every connection with the same text, on a free port.
    fn serve(answer: &'static str) -> String {
        let listener = std::net::TcpListener::bind("127.0.0.1:0").unwrap();
        let address = listener.local_addr().unwrap();
        std::thread::spawn(move || {
            for stream in listener.incoming().flatten() {
                let mut stream = stream;
                let mut buffer = [0; 4096];
                let _ = stream.read(&mut buffer);
                let _ = write!(
                    stream,
                    "HTTP/1.1 {}\r\nContent-Length: {}\r\nConnection: close\r\n\r\n{}",
                    answer.split_once('|').unwrap().0,
                    answer.split_once('|').unwrap().1.len(),
                    answer.split_once('|').unwrap().1
                );
            }
        });
        format!("http://{address}")
    }

    #[tokio::test]
    async fn a_server_that_answers_is_connected_to() {
        let file = kubeconfig(&serve(r#"200 OK|{"gitVersion":"v1.34.4"}"#));
        let api = try_connect(file.path(), None).await.unwrap();
        assert_eq!(api.cluster(), "ci");
        assert_eq!(api.default_namespace(), "shop");
    }

    #[tokio::test]
    async fn servers_that_do_not_serve_are_named_with_their_url() {
        let unused = std::net::TcpListener::bind("127.0.0.1:0")
            .unwrap()
            .local_addr()
            .unwrap();
        for (server, words) in [
            (format!("http://{unused}"), "refused"),
            (serve("200 OK|<html>"), "an HTML page instead of JSON"),
            (serve("200 OK|[]"), "not as a Kubernetes API"),
            (serve("503 Busy|later"), "503"),
        ] {
            let file = kubeconfig(&server);
            let error = try_connect(file.path(), None).await.err().unwrap();
            assert_eq!(error.code(), Some(crate::finding::Code::ApiUnreachable));
            let text = error.to_string();
            assert!(text.contains(&server) && text.contains(words), "{text}");
        }
        let file = kubeconfig(&serve("401 No|{\"message\":\"Unauthorized\"}"));
        let error = try_connect(file.path(), None).await.err().unwrap();
        assert_eq!(error.code(), Some(crate::finding::Code::ApiForbidden));
    }

    #[tokio::test]
    async fn a_bad_kubeconfig_is_the_users_input() {
        let missing = try_connect(Path::new("/nowhere/config"), None).await;
        let file = kubeconfig("http://127.0.0.1:1");
        let context = try_connect(file.path(), Some("prod")).await;
        let mut garbage = tempfile::NamedTempFile::new().unwrap();
        write!(garbage, "contexts: 7").unwrap();
        let garbage = try_connect(garbage.path(), None).await;
        for (result, words) in [
            (missing, "/nowhere/config"),
            (context, "no context prod; it has ci"),
            (garbage, "parse"),
        ] {
            let error = result.err().unwrap();
            assert_eq!(error.code(), None);
            assert!(error.to_string().contains(words), "{error}");
        }
    }

    async fn with_plugin(exec: &str) -> String {
        let mut file = tempfile::NamedTempFile::new().unwrap();
        write!(
            file,
            "apiVersion: v1\nkind: Config\ncurrent-context: ci\ncontexts: [{{name: ci, context: {{cluster: c, user: u}}}}]\nclusters: [{{name: c, cluster: {{server: \"http://127.0.0.1:1\"}}}}]\nusers: [{{name: u, user: {{exec: {{apiVersion: client.authentication.k8s.io/v1, interactiveMode: Never, {exec}}}}}}}]\n"
        )
        .unwrap();
        try_connect(file.path(), None)
            .await
            .err()
            .unwrap()
            .to_string()
    }

    #[tokio::test]
    async fn a_plugin_that_fails_is_named_without_its_secrets() {
        let secrets = "env: [{name: AWS_SECRET_ACCESS_KEY, value: ENVCANARY3}]";
        let fails = with_plugin(&format!(
            "command: /bin/sh, args: [-c, 'echo STDOUTCANARY2; echo the session has expired, token STDERRCANARY5 >&2; exit 3', ARGCANARY4], {secrets}"
        ))
        .await;
        assert!(
            fails.contains(
                "plugin sh failed (exit status: 3); it said: the session has expired, token ***"
            ),
            "{fails}"
        );
        let malformed = with_plugin(&format!(
            "command: /bin/sh, args: [-c, 'echo not json STDOUTCANARY2'], {secrets}"
        ))
        .await;
        assert!(
            malformed.contains("plugin sh printed no credentials"),
            "{malformed}"
        );
        let missing = with_plugin(&format!("command: no-such-plugin, {secrets}")).await;
        assert!(
            missing.contains("plugin no-such-plugin is not installed"),
            "{missing}"
        );
        for text in [fails, malformed, missing] {
            assert!(!text.contains("CANARY"), "{text}");
        }
    }

    #[test]
    fn a_login_in_the_url_is_not_shown() {
        let url = "https://me:secret@api.example.com:6443/k8s/"
            .parse()
            .unwrap();
        assert_eq!(without_login(&url), "https://api.example.com:6443/k8s");
    }
}
