//! A list that several objects have alike, kept once. Pure.

use std::ops::Deref;
use std::sync::Arc;

use serde::{Deserialize, Deserializer};

/// A list that several objects may hold together; it reads as the list itself.
#[derive(Debug, PartialEq, Eq)]
pub struct Shared<T>(Arc<[T]>);

impl<T> Clone for Shared<T> {
    fn clone(&self) -> Self {
        Self(Arc::clone(&self.0))
    }
}

impl<T> Default for Shared<T> {
    fn default() -> Self {
        Vec::new().into()
    }
}

impl<T> From<Vec<T>> for Shared<T> {
    fn from(list: Vec<T>) -> Self {
        Self(list.into())
    }
}

impl<T> Deref for Shared<T> {
    type Target = [T];

    fn deref(&self) -> &[T] {
        &self.0
    }
}

impl<'a, T> IntoIterator for &'a Shared<T> {
    type Item = &'a T;
    type IntoIter = std::slice::Iter<'a, T>;

    fn into_iter(self) -> Self::IntoIter {
        self.iter()
    }
}

impl<'de, T: Deserialize<'de>> Deserialize<'de> for Shared<T> {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        Vec::deserialize(deserializer).map(Self::from)
    }
}

impl<T: Clone> Shared<T> {
    /// The list, to be altered; it becomes this holder's own.
    pub(super) fn edit(&mut self) -> &mut [T] {
        Arc::make_mut(&mut self.0)
    }
}

impl<T: PartialEq> Shared<T> {
    /// Holds the other list in place of an equal one of its own.
    pub(super) fn join(&mut self, other: &Self) {
        if self == other {
            *self = other.clone();
        }
    }
}
