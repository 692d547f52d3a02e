//! The user's own file `k8sverify.yaml`. Pure.
