//! A compose project as every source of claims sees it, and what is plain of two of its services. Pure.

use std::collections::BTreeMap;
use std::num::NonZeroU16;

use crate::address;
use crate::catalog::Catalog;
use crate::compose::{ComposeFile, Service};
use crate::protocol::Protocol;

use super::super::mapping::image_path;
use super::facts::TierFacts;

/// What the sources of claims look at; none of them sees what another one claims.
pub(super) struct Project<'a> {
    pub file: &'a ComposeFile,
    pub facts: &'a BTreeMap<String, TierFacts>,
    pub catalog: &'a Catalog,
}

impl<'a> Project<'a> {
    pub(super) fn service(&self, name: &str) -> Option<&'a Service> {
        self.active(name).or_else(|| self.file.inactive.get(name))
    }

    pub(super) fn active(&self, name: &str) -> Option<&'a Service> {
        self.file.services.get(name)
    }

    /// Whether a tier neither listens on a port nor is exposed there, though something shows where it does.
    pub(super) fn does_not_listen(&self, tier: &str, port: NonZeroU16) -> bool {
        let declared = self.facts.get(tier).is_some_and(TierFacts::is_declared);
        declared && self.listens_elsewhere(tier, port)
    }

    /// Whether a tier listens, by what is declared or as its product does, and not on a port.
    pub(super) fn listens_elsewhere(&self, tier: &str, port: NonZeroU16) -> bool {
        self.facts.get(tier).is_some_and(|facts| {
            let listens = facts.listens();
            let known =
                listens.contains(&port) || facts.serves(port) || facts.peer_port() == Some(port);
            !listens.is_empty() && !known
        })
    }

    pub(super) fn is_store(&self, tier: &str) -> bool {
        self.facts.get(tier).is_some_and(TierFacts::is_store)
    }

    pub(super) fn product(&self, tier: &str) -> Option<&'a str> {
        self.facts.get(tier).and_then(TierFacts::product)
    }

    /// Whether a tier is a product that takes what others send it and calls no application.
    pub(super) fn only_answers(&self, tier: &str) -> bool {
        let product = self.product(tier);
        product.is_some_and(|product| self.catalog.products.only_answers(product))
    }

    /// Whether a tier is a page on which people work: only a web server that hands requests on calls it.
    pub(super) fn is_page(&self, tier: &str) -> bool {
        let product = self.product(tier);
        product.is_some_and(|product| self.catalog.products.is_page(product))
    }

    /// Whether a service runs a web server as it is, without any program of the application behind it in the same image.
    pub(super) fn is_plain_web_server(&self, service: &Service) -> bool {
        let products = self.catalog.products;
        let base = service
            .build
            .as_ref()
            .and_then(|build| build.base_image.as_deref());
        let Some(image) = service.image.as_deref().or(base) else {
            // A build of which nothing can be read is what its tier is called like.
            let words = address::words(&service.name);
            return words.iter().any(|word| products.is_web_server(word));
        };
        let path = image_path(image);
        products.is_web_server(path.rsplit('/').next().unwrap_or(path))
    }

    pub(super) fn protocol(&self, tier: &str) -> Option<Protocol> {
        self.facts.get(tier)?.server().map(|server| server.protocol)
    }
}

/// Whether two services are roles of one application.
pub(super) fn same_application(one: &Service, other: &Service) -> bool {
    match (&one.image, &other.image) {
        (Some(one), Some(other)) => one == other,
        (None, None) => match (&one.build, &other.build) {
            (Some(one), Some(other)) => one.context.is_some() && one == other,
            _ => false,
        },
        _ => false,
    }
}
