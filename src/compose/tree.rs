//! YAML text → untyped tree whose every node knows its place. Anchors, aliases, `<<`, tags and duplicate keys are settled here;
//! nesting and expansion are bounded, so that no text can exhaust the machine. Pure.

use std::collections::BTreeMap;
use std::sync::Arc;

use granit_parser::{Event, Parser, ScalarStyle, Span, Tag as YamlTag};

use super::error::ComposeError;
use super::node::{Map, Merge, Node, Place, Value};
use super::scalar;

/// Deeper trees are refused: no compose file comes near, and later stages walk the tree by recursion.
const MAX_DEPTH: usize = 64;
/// More nodes after alias expansion are refused ("alias bomb").
const MAX_NODES: usize = 300_000;
/// More text after alias expansion is refused.
const MAX_TEXT: usize = 32 * 1024 * 1024;

/// How large a finished subtree is; an alias costs as much as what it repeats.
#[derive(Debug, Clone, Copy, Default)]
struct Size {
    nodes: usize,
    text: usize,
    depth: usize,
}

struct Frame {
    collection: Collection,
    at: Place,
    merge: Merge,
    anchor: usize,
    size: Size,
}

enum Collection {
    List(Vec<Node>),
    Map {
        map: Map,
        /// A key that waits for its value: `None` stands for the merge key.
        pending: Option<(Option<String>, Place)>,
        merges: Vec<Node>,
        merged: bool,
    },
}

struct Builder {
    file: Arc<str>,
    stack: Vec<Frame>,
    anchors: BTreeMap<usize, (Node, Size)>,
    open_anchors: Vec<usize>,
    total: Size,
    documents: Vec<Node>,
}

/// Parses every document of a text.
///
/// # Errors
/// Broken YAML, duplicate keys, keys that are no strings, trees beyond the limits.
pub(super) fn parse(file: &str, text: &str) -> Result<Vec<Node>, ComposeError> {
    let mut builder = Builder {
        file: Arc::from(file),
        stack: Vec::new(),
        anchors: BTreeMap::new(),
        open_anchors: Vec::new(),
        total: Size::default(),
        documents: Vec::new(),
    };
    for next in Parser::new_from_str(text) {
        match next {
            Ok((event, span)) => builder.event(&event, &span)?,
            Err(error) => {
                let marker = error.marker();
                let place = Place {
                    file: Arc::clone(&builder.file),
                    line: marker.line(),
                    column: marker.col() + 1,
                };
                return Err(place.error(format!("broken YAML ({})", error.info()), "valid YAML"));
            }
        }
    }
    Ok(builder.documents)
}

impl Builder {
    fn place(&self, span: &Span) -> Place {
        Place {
            file: Arc::clone(&self.file),
            line: span.start.line(),
            column: span.start.col() + 1,
        }
    }

    fn event(&mut self, event: &Event<'_>, span: &Span) -> Result<(), ComposeError> {
        match event {
            Event::Scalar(text, style, anchor, tag) => {
                let at = self.place(span);
                let tag = tag.as_deref();
                let plain = matches!(style, ScalarStyle::Plain);
                // `!!merge` says what `<<` is anyway.
                let merges = tag.is_none_or(|tag| {
                    tag.suffix_in_namespace("tag:yaml.org,2002:").as_deref() == Some("merge")
                });
                if plain && text == "<<" && merges && self.wants_key() {
                    return self.merge_key(at);
                }
                let value = scalar::resolve(text, plain, tag.and_then(YamlTag::core_suffix))
                    .map_err(|expected| at.error(format!("`{text}`"), expected))?;
                let size = Size {
                    nodes: 1,
                    text: text.len(),
                    depth: 1,
                };
                let mut node = Node::new(value, at);
                node.merge = merge_tag(tag);
                self.finish(node, *anchor, size)
            }
            Event::SequenceStart(_, anchor, tag) => {
                let collection = Collection::List(Vec::new());
                self.open(collection, self.place(span), *anchor, tag.as_deref())
            }
            Event::MappingStart(_, anchor, tag) => {
                let collection = Collection::Map {
                    map: Map::new(),
                    pending: None,
                    merges: Vec::new(),
                    merged: false,
                };
                self.open(collection, self.place(span), *anchor, tag.as_deref())
            }
            Event::SequenceEnd | Event::MappingEnd => self.close(),
            Event::Alias(id) => self.alias(*id, span),
            Event::DocumentStart(..) => {
                self.anchors.clear();
                self.open_anchors.clear();
                Ok(())
            }
            _ => Ok(()),
        }
    }

    fn wants_key(&self) -> bool {
        matches!(
            self.stack.last().map(|frame| &frame.collection),
            Some(Collection::Map { pending: None, .. })
        )
    }

    fn merge_key(&mut self, at: Place) -> Result<(), ComposeError> {
        if let Some(Frame {
            collection: Collection::Map {
                pending, merged, ..
            },
            ..
        }) = self.stack.last_mut()
        {
            if *merged {
                return Err(at.error(
                    "`<<` stands twice in one mapping",
                    "one `<<` with a list: `<<: [*a, *b]`",
                ));
            }
            *merged = true;
            *pending = Some((None, at));
        }
        Ok(())
    }

    fn alias(&mut self, id: usize, span: &Span) -> Result<(), ComposeError> {
        let at = self.place(span);
        if self.open_anchors.contains(&id) {
            return Err(at.error(
                "an alias inside of the value that it names",
                "an alias of an earlier value",
            ));
        }
        let Some((node, size)) = self.anchors.get(&id).cloned() else {
            return Err(at.error("an unknown alias", "the name of an earlier anchor"));
        };
        self.finish(node, 0, size)
    }

    fn open(
        &mut self,
        collection: Collection,
        at: Place,
        anchor: usize,
        tag: Option<&YamlTag>,
    ) -> Result<(), ComposeError> {
        if self.wants_key() {
            return Err(at.error(
                "a key that is a list or a mapping",
                "a key that is a string",
            ));
        }
        if self.stack.len() >= MAX_DEPTH {
            return Err(too_deep(&at));
        }
        if anchor != 0 {
            self.open_anchors.push(anchor);
        }
        self.stack.push(Frame {
            collection,
            at,
            merge: merge_tag(tag),
            anchor,
            size: Size {
                nodes: 1,
                text: 0,
                depth: 1,
            },
        });
        Ok(())
    }

    fn close(&mut self) -> Result<(), ComposeError> {
        let Some(frame) = self.stack.pop() else {
            return Ok(());
        };
        let value = match frame.collection {
            Collection::List(items) => Value::List(items),
            Collection::Map {
                mut map, merges, ..
            } => {
                for merge in merges {
                    merge_into(&mut map, merge)?;
                }
                Value::Map(map)
            }
        };
        if frame.anchor != 0 {
            self.open_anchors.retain(|open| *open != frame.anchor);
        }
        let mut node = Node::new(value, frame.at);
        node.merge = frame.merge;
        self.finish(node, frame.anchor, frame.size)
    }

    /// Hands a finished node to what encloses it.
    fn finish(&mut self, node: Node, anchor: usize, size: Size) -> Result<(), ComposeError> {
        // Keeping an anchor's value is a copy and counts like one.
        let copies = if anchor == 0 { 1 } else { 2 };
        self.total.nodes += size.nodes * copies;
        self.total.text += size.text * copies;
        if self.total.nodes > MAX_NODES || self.total.text > MAX_TEXT {
            return Err(node.at.error(
                "a tree that is too large once its aliases are expanded",
                format!("at most {MAX_NODES} values"),
            ));
        }
        if self.stack.len() + size.depth > MAX_DEPTH {
            return Err(too_deep(&node.at));
        }
        if anchor != 0 {
            self.anchors.insert(anchor, (node.clone(), size));
        }
        let Some(frame) = self.stack.last_mut() else {
            self.documents.push(node);
            return Ok(());
        };
        frame.size.nodes += size.nodes;
        frame.size.text += size.text;
        frame.size.depth = frame.size.depth.max(size.depth + 1);
        match &mut frame.collection {
            Collection::List(items) => {
                items.push(node);
                Ok(())
            }
            Collection::Map {
                map,
                pending,
                merges,
                ..
            } => match pending.take() {
                None => {
                    *pending = Some((Some(key_of(&node, map)?), node.at));
                    Ok(())
                }
                Some((None, _)) => {
                    merges.push(node);
                    Ok(())
                }
                Some((Some(key), at)) => {
                    map.insert(
                        key,
                        Node {
                            key: Some(at),
                            ..node
                        },
                    );
                    Ok(())
                }
            },
        }
    }
}

fn key_of(node: &Node, map: &Map) -> Result<String, ComposeError> {
    let Value::Text(key) = &node.value else {
        return Err(node.at.error(
            format!("a key that is {}", node.kind()),
            "a key that is a string (put it in quotes)",
        ));
    };
    match map.get(key) {
        None => Ok(key.clone()),
        Some(first) => Err(node.at.error(
            format!(
                "the key `{key}` stands twice in one mapping (first in line {})",
                first.place().line
            ),
            "every key once",
        )),
    }
}

/// What the mapping itself says wins over what it merges; an earlier merge wins over a later one.
fn merge_into(map: &mut Map, merge: Node) -> Result<(), ComposeError> {
    let wrong = |node: &Node| {
        node.at.error(
            format!("`<<` followed by {}", node.kind()),
            "a mapping or a list of mappings",
        )
    };
    let sources = match merge.value {
        Value::Map(_) => vec![merge],
        Value::List(items) => items,
        _ => return Err(wrong(&merge)),
    };
    for source in sources {
        let Value::Map(entries) = source.value else {
            return Err(wrong(&source));
        };
        for (key, node) in entries {
            map.entry(key).or_insert(node);
        }
    }
    Ok(())
}

fn merge_tag(tag: Option<&YamlTag>) -> Merge {
    match tag.map(|tag| (tag.is_custom(), tag.suffix())) {
        Some((true, "reset")) => Merge::Reset,
        Some((true, "override")) => Merge::Override,
        _ => Merge::Normal,
    }
}

fn too_deep(at: &Place) -> ComposeError {
    at.error(
        "values nested too deep",
        format!("at most {MAX_DEPTH} levels"),
    )
}

#[cfg(test)]
mod tests;
