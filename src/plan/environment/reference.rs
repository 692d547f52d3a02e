//! Where a container has a variable from → the same reference in the probe's container, which must start where the client's could not. Pure.

use crate::observe::kinds::{EnvFrom, EnvSource, KeyRef, OptionalRef};
use crate::probe::wire::ENVIRONMENT_PREFIX;

/// The same reference, but a probe must start where the app could not.
pub(super) fn optional(source: &EnvSource) -> Option<EnvSource> {
    // Resources are those of the app's container.
    if source.resource_field_ref.is_some() {
        return None;
    }
    let mut source = source.clone();
    for reference in [&mut source.config_map_key_ref, &mut source.secret_key_ref]
        .into_iter()
        .flatten()
    {
        reference.optional = true;
    }
    Some(source)
}

pub(super) fn key_of(source: &EnvFrom, name: &str) -> EnvSource {
    let reference = |object: &OptionalRef| KeyRef {
        name: object.name.clone(),
        key: name[source.prefix.len()..].to_owned(),
        optional: true,
    };
    EnvSource {
        config_map_key_ref: source.config_map_ref.as_ref().map(reference),
        secret_key_ref: source.secret_ref.as_ref().map(reference),
        ..EnvSource::default()
    }
}

pub(super) fn whole(source: &EnvFrom) -> EnvFrom {
    let optional = |object: &OptionalRef| OptionalRef {
        optional: true,
        ..object.clone()
    };
    EnvFrom {
        prefix: format!("{ENVIRONMENT_PREFIX}{}", source.prefix),
        config_map_ref: source.config_map_ref.as_ref().map(optional),
        secret_ref: source.secret_ref.as_ref().map(optional),
    }
}
