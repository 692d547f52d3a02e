//! Lists of the API, read page by page. IO.

use bytes::Bytes;
use serde::Deserialize;
use serde::de::DeserializeOwned;

use super::{Api, parsed};
use crate::observe::error::CallError;
use crate::observe::resources::encode;

/// Items of one page of a list.
const PAGE: usize = 500;
/// By how much a page is made smaller where its answer is too long.
const SMALLER: usize = 10;
/// How often a list is begun again when its pages expire on the way (410).
const RESTARTS: usize = 3;

/// A whole list.
#[derive(Debug, Clone, PartialEq)]
pub struct Listed<T> {
    /// All items of all pages.
    pub items: Vec<T>,
    /// Where a watch goes on.
    pub resource_version: String,
}

#[derive(Deserialize)]
#[serde(default)]
struct Page<T> {
    metadata: PageMetadata,
    // `null` is how Go writes an empty list.
    items: Option<Vec<T>>,
}

impl<T> Default for Page<T> {
    fn default() -> Self {
        Self {
            metadata: PageMetadata::default(),
            items: None,
        }
    }
}

#[derive(Default, Deserialize)]
#[serde(default, rename_all = "camelCase")]
struct PageMetadata {
    #[serde(rename = "continue")]
    next: Option<String>,
    resource_version: Option<String>,
}

impl Api {
    /// Reads a whole list in pages. `query` is added to each request (`labelSelector=…`), already encoded.
    ///
    /// # Errors
    /// The last try's error; a list whose pages expire on the way is begun again a few times.
    pub async fn list<T: DeserializeOwned>(
        &self,
        path: &str,
        query: &str,
    ) -> Result<Listed<T>, CallError> {
        self.list_each(path, query, |_| {}).await
    }

    /// The same; each item passes through `tidy` before the next page is read, so that no more than a page is held untidied.
    ///
    /// # Errors
    /// As [`Self::list`].
    pub async fn list_each<T: DeserializeOwned>(
        &self,
        path: &str,
        query: &str,
        mut tidy: impl FnMut(&mut T),
    ) -> Result<Listed<T>, CallError> {
        let mut pages = Pages {
            api: self,
            path,
            query,
            limit: PAGE,
            next: None,
            restarts: 0,
        };
        let mut items = Vec::new();
        loop {
            let bytes = pages.read().await?;
            if pages.next.is_none() {
                items.clear();
            }
            let page: Page<T> = parsed(&bytes)?;
            let mut page_items = page.items.unwrap_or_default();
            page_items.iter_mut().for_each(&mut tidy);
            items.append(&mut page_items);
            if !pages.turn(page.metadata.next)? {
                return Ok(Listed {
                    items,
                    resource_version: page.metadata.resource_version.unwrap_or_default(),
                });
            }
        }
    }
}

/// A list on its way, page by page. It knows no type of items: what waits for the server is there once, not once for each kind of object.
struct Pages<'a> {
    api: &'a Api,
    path: &'a str,
    query: &'a str,
    limit: usize,
    /// Where the next page begins; the first one has no such token.
    next: Option<String>,
    restarts: usize,
}

impl Pages<'_> {
    /// The next page; the first one again where the others expired on the way.
    async fn read(&mut self) -> Result<Bytes, CallError> {
        loop {
            let mut path = format!("{}?limit={}", self.path, self.limit);
            if !self.query.is_empty() {
                path.push('&');
                path.push_str(self.query);
            }
            if let Some(next) = &self.next {
                path.push_str("&continue=");
                path.push_str(&encode(next));
            }
            match self.api.read(&path).await {
                // Few, but large objects: the same part of the list in smaller pages.
                Err(CallError::TooLong(_)) if self.limit > 1 => {
                    self.limit = (self.limit / SMALLER).max(1);
                }
                Err(error) if error.status() == Some(410) && self.restarts < RESTARTS => {
                    self.restarts += 1;
                    self.limit = PAGE;
                    self.next = None;
                }
                page => return page,
            }
        }
    }

    /// Whether there is a page after the one that was read, which named that token.
    fn turn(&mut self, next: Option<String>) -> Result<bool, CallError> {
        let next = next.filter(|token| !token.is_empty());
        // The same page again and again would never end.
        if next.is_some() && next == self.next {
            return Err(CallError::Malformed(format!(
                "the list {} repeats its continue token",
                self.path
            )));
        }
        self.next = next;
        Ok(self.next.is_some())
    }
}
