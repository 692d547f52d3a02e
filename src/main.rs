//! The `k8sverify` command.

fn main() {}
