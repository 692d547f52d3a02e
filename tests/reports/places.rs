//! Annotations stand at the line that a person would change: the manifest's in `check`, else that of the service in compose.

use std::fs;
use std::process::Command;

const COMPOSE: &str = "services:
  api: {image: 'python:3', environment: {DB_HOST: db, CACHE_URL: 'redis://cache:6379'}}
  db: {image: 'mysql:8'}

  cache: {image: 'redis:7'}
";

fn deployment(name: &str, image: &str) -> String {
    format!(
        "# {name}\napiVersion: apps/v1\nkind: Deployment\nmetadata: {{name: {name}}}\nspec:\n  selector: {{matchLabels: {{app: {name}}}}}\n  template:\n    metadata: {{labels: {{app: {name}}}}}\n    spec: {{containers: [{{name: {name}, image: '{image}'}}]}}\n"
    )
}

#[test]
fn an_annotation_stands_at_the_manifest_or_at_the_service_of_compose() {
    let folder = tempfile::tempdir().unwrap();
    fs::write(folder.path().join("compose.yaml"), COMPOSE).unwrap();
    let text = format!(
        "{}---\n{}",
        deployment("api", "python:3"),
        deployment("db", "mysql:8")
    );
    fs::write(folder.path().join("app.yaml"), text).unwrap();
    let output = Command::new(env!("CARGO_BIN_EXE_k8sverify"))
        .args("check --manifests app.yaml -f compose.yaml --format github".split(' '))
        .current_dir(folder.path())
        .output()
        .unwrap();
    let said = String::from_utf8(output.stdout).unwrap();
    assert_eq!(output.status.code(), Some(1), "{said}");
    for wanted in [
        "::error file=app.yaml,line=12,title=service-missing deployment/db::",
        "::notice file=compose.yaml,line=5,title=workload-missing tier/cache::",
    ] {
        assert!(said.contains(wanted), "{wanted}\n{said}");
    }
    // What comes through a pipe is no file of the repository: the annotation stands at none.
    let output = Command::new(env!("CARGO_BIN_EXE_k8sverify"))
        .args("check --manifests - -f compose.yaml --format github".split(' '))
        .current_dir(folder.path())
        .stdin(fs::File::open(folder.path().join("app.yaml")).unwrap())
        .output()
        .unwrap();
    let said = String::from_utf8(output.stdout).unwrap();
    assert!(
        said.contains("::error title=service-missing deployment/db::"),
        "{said}"
    );
    assert!(!said.contains("file=standard input"), "{said}");
}
