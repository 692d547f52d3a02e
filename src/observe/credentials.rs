//! Why a kubeconfig gives no credentials, in words. Pure.

use kube::client::AuthError;

use crate::redact::Redactor;

/// Lines of a credential plugin's standard error that are quoted.
const PLUGIN_LINES: usize = 3;
/// Characters of them.
const PLUGIN_TEXT: usize = 400;

/// The credential plugin in words.
pub(super) fn named(program: Option<&str>) -> String {
    match program {
        Some(program) => format!("the kubeconfig's credential plugin {program}"),
        None => "the kubeconfig's credential plugin".to_owned(),
    }
}

/// Why there are no credentials, without what the plugin is called with, what it was to print, and the secrets in what it says.
pub(super) fn credential_error(error: &AuthError, program: Option<&str>) -> String {
    let plugin = named(program);
    match error {
        AuthError::AuthExecStart(cause) if cause.kind() == std::io::ErrorKind::NotFound => format!(
            "{plugin} is not installed: no such program is on the PATH; install it, or choose another --context"
        ),
        AuthError::AuthExecStart(cause) => format!("{plugin} cannot be started: {cause}"),
        AuthError::AuthExecRun { out, .. } => {
            let said = Redactor::default().text(&String::from_utf8_lossy(&out.stderr));
            let lines: Vec<&str> = said
                .lines()
                .map(str::trim)
                .filter(|line| !line.is_empty())
                .collect();
            let end = lines[lines.len().saturating_sub(PLUGIN_LINES)..].join(" / ");
            let end: String = end.chars().take(PLUGIN_TEXT).collect();
            let said = if end.is_empty() {
                "it wrote nothing to standard error".to_owned()
            } else {
                format!("it said: {end}")
            };
            format!(
                "{plugin} failed ({}); {said}; log in again or choose another --context",
                out.status
            )
        }
        AuthError::AuthExecParse(_) | AuthError::ExecPluginFailed => {
            format!("{plugin} printed no credentials in the format ExecCredential")
        }
        AuthError::ReadTokenFile(cause, path) => {
            format!(
                "failed to read the kubeconfig's token file {}: {cause}",
                path.display()
            )
        }
        AuthError::InvalidBasicAuth(_) | AuthError::InvalidBearerToken(_) => {
            "the kubeconfig's user, password or token has characters that HTTP does not take"
                .to_owned()
        }
        AuthError::MissingCommand => "the kubeconfig's credential plugin has no command".to_owned(),
        other => format!(
            "the kubeconfig's credentials could not be used: {}",
            Redactor::default().text(&other.to_string())
        ),
    }
}
