//! What is known about a tier from outside, before anything is made of it. Pure.

use std::collections::BTreeMap;
use std::fmt;
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
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum PortOrigin {
    /// `expose` of compose.
    Expose,
    /// `ports` of compose.
    Ports,
    /// `EXPOSE` of the Dockerfile.
    Dockerfile,
    /// A container's `ports` in the cluster.
    Container,
    /// The settings of Spring Boot.
    SpringBoot,
    /// Its framework's habit.
    Framework,
}

impl fmt::Display for PortOrigin {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Expose => "compose expose",
            Self::Ports => "compose ports",
            Self::Dockerfile => "Dockerfile EXPOSE",
            Self::Container => "containerPort",
            Self::SpringBoot => "Spring Boot's settings,",
            Self::Framework => "the usual port of its framework,",
        })
    }
}
