//! The examples that end the help of each command. Pure.

pub(super) const EXAMPLES: &str = "\
Examples:
  k8sverify --namespace default                        verify what is deployed, with the compose file of this folder
  k8sverify -n shop -f compose.yaml -f compose.prod.yaml --junit junit.xml --html report.html
  k8sverify -n shop --infer                            no compose file: the graph comes from the cluster alone
  k8sverify graph --format mermaid                     what would be verified
  k8sverify check --manifests k8s/                     the same rules on manifest files, without a cluster
  k8sverify explain service-missing                    what a finding means and how to fix it

Exit codes: 0 verified · 1 unhealthy · 2 bad usage or input · 3 could not verify";

pub(super) const GRAPH_EXAMPLES: &str = "\
Examples:
  k8sverify graph                                      the graph of this folder's compose file and of the cluster
  k8sverify graph --manifests k8s/ --format svg > graph.svg
  k8sverify graph --resolved                           the compose model after merging, as docker compose config";

pub(super) const CHECK_EXAMPLES: &str = "\
Examples:
  k8sverify check --manifests k8s/                     with the compose file of this folder
  helm template shop | k8sverify check --manifests -
  kompose convert --stdout > all.yaml; k8sverify check --manifests all.yaml --junit junit.xml

Exit codes: 0 no fault found · 1 unhealthy · 2 bad usage or input · 3 could not verify";

pub(super) const SQL_EXAMPLES: &str = "\
Examples:
  k8sverify sql -n shop                                the files that compose mounts at /docker-entrypoint-initdb.d
  k8sverify sql -n shop init.sql --workload queries.sql --candidate galera
  k8sverify sql -n shop init.sql --tier DB --junit junit.xml

A workload file holds the application's own queries; a comment above each may say more:
  -- k8sverify: name=reserve required rows=1 transaction=in
  SELECT stock FROM items WHERE id = 1 FOR UPDATE;

Exit codes: 0 all accepted, or cosmetic · 1 refused, or not the same on every member · 2 bad usage or input · 3 could not be run";

pub(super) const DRILL_EXAMPLES: &str = "\
Examples:
  k8sverify drill --tier DB --plan                     what would be done, to whom, which keys fit; changes nothing
  kubectl annotate namespace shop k8sverify.io/drill=allowed
  k8sverify drill -n shop --tier DB --yes              takes a member away, three times, and measures
  k8sverify drill -n shop galera --fault delete,restart-all --accept-data-loss --yes

Exit codes: 0 all limits met · 1 a limit broken · 2 bad usage, or a key is missing · 3 could not be measured";

pub(super) const FIX_EXAMPLES: &str = "\
Examples:
  k8sverify --json report.json; k8sverify fix report.json
  k8sverify fix report.json -- kubectl apply --filename=-
  k8sverify fix report.json > fix.yaml; test ! -s fix.yaml || kubectl apply --filename=fix.yaml";

pub(super) const COMPARE_EXAMPLES: &str = "\
Examples:
  k8sverify compare galera.json mysql.json rds.json
  k8sverify compare --limit write_down=10s --html table.html *.json

Exit codes: 0 all limits met · 1 a limit proven broken · 2 bad usage or input · 3 could not be measured";

pub(super) const RBAC_EXAMPLES: &str = "\
Examples:
  k8sverify rbac -n shop | kubectl apply --filename=-
  k8sverify rbac -n shop --service-account ci:bot | kubectl apply --filename=-
  k8sverify rbac -n shop --cluster                     also nodes, cluster DNS and other namespaces
  k8sverify rbac -n shop --service-account drill --drill";

pub(super) const EXPLAIN_EXAMPLES: &str = "\
Examples:
  k8sverify explain service-missing
  k8sverify explain --list";

pub(super) const DEMO_EXAMPLES: &str = "\
Examples:
  k8sverify demo
  k8sverify demo --html /tmp";

pub(super) const COMPLETIONS_EXAMPLES: &str = "\
Examples:
  k8sverify completions bash > /etc/bash_completion.d/k8sverify
  source <(k8sverify completions zsh)
  k8sverify completions fish > ~/.config/fish/completions/k8sverify.fish";

pub(super) const MAN_EXAMPLES: &str = "\
Examples:
  k8sverify man > k8sverify.1; man ./k8sverify.1
  k8sverify man check > k8sverify-check.1";
