//! What is known about a tier from outside, before anything is made of it. Pure.

use std::collections::BTreeMap;
use std::num::NonZeroU16;

use crate::protocol::Protocol;

/// What is known about a tier from outside.
#[derive(Debug, Clone, Default)]
pub struct Evidence<'a> {
    /// Its name.
    pub tier: &'a str,
    /// Its image.
    pub image: Option<&'a str>,
    /// The image that its own was built on.
    pub base_image: Option<&'a str>,
    /// Its environment.
    pub environment: BTreeMap<String, String>,
    /// Entrypoint, command and arguments.
    pub words: &'a [String],
    /// Container ports that something declares (`expose`, `EXPOSE`, `ports`, containerPorts), in that order, TCP only.
    pub ports: Vec<DeclaredPort>,
    /// Ports that are declared for UDP.
    pub udp: Vec<NonZeroU16>,
    /// The healthcheck in compose's normal form.
    pub healthcheck: &'a [String],
    /// Whether it ends on its own.
    pub one_shot: bool,
}

/// A declared port.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct DeclaredPort {
    /// Port.
    pub port: NonZeroU16,
    /// Protocol, if declared (`app_protocol`).
    pub protocol: Option<Protocol>,
    /// What declares it.
    pub origin: PortOrigin,
}

/// What declares a port.
#[derive(Debug, Clone, Copy, PartialEq, Eq, strum::Display)]
pub enum PortOrigin {
    /// `expose` of compose.
    #[strum(to_string = "compose expose")]
    Expose,
    /// `ports` of compose.
    #[strum(to_string = "compose ports")]
    Ports,
    /// `EXPOSE` of the Dockerfile.
    #[strum(to_string = "Dockerfile EXPOSE")]
    Dockerfile,
    /// A container's `ports` in the cluster.
    #[strum(to_string = "containerPort")]
    Container,
    /// The settings of Spring Boot.
    #[strum(to_string = "Spring Boot's settings,")]
    SpringBoot,
}
