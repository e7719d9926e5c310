//! A TOML document as a tree in which every value knows its path and where it was given.

use std::collections::BTreeMap;
use std::path::Path;
use std::sync::Arc;

use serde::Deserialize;
use toml::de::{DeTable, DeValue, ValueDeserializer};
use toml::{Spanned, Value};

use super::problem::{Origin, Problem};

/// One value of the tree.
#[derive(Clone, Debug)]
pub(super) struct Item {
    /// Its path, for example `source.esp32[0].volts`.
    pub(super) path: String,
    /// Where it was given.
    pub(super) origin: Origin,
    /// What it holds.
    pub(super) content: Content,
}

/// What an item holds.
#[derive(Clone, Debug)]
pub(super) enum Content {
    /// Named items.
    Table(BTreeMap<String, Item>),
    /// Items in order.
    List(Vec<Item>),
    /// A scalar.
    Leaf(Value),
}

impl Item {
    /// The root of an empty document.
    pub(super) fn empty() -> Self {
        Self { path: String::new(), origin: Origin::Default, content: Content::Table(BTreeMap::new()) }
    }

    /// The item at a path that leads through no list, for example `prometheus.listen` or `source.esp32`.
    pub(super) fn at(&self, path: &str) -> Option<&Self> {
        path.split('.').try_fold(self, |item, name| match &item.content {
            Content::Table(items) => items.get(name),
            Content::List(_) | Content::Leaf(_) => None,
        })
    }

    /// Where the value at `path` was given, or that it is the default.
    pub(super) fn origin_of(&self, path: &str) -> &Origin {
        self.at(path).map_or(&Origin::Default, |item| &item.origin)
    }

    /// The elements of the list at `path`.
    pub(super) fn elements(&self, path: &str) -> &[Self] {
        match self.at(path).map(|item| &item.content) {
            Some(Content::List(items)) => items,
            _ => &[],
        }
    }

    /// Puts a scalar at a path that leads through no list, over what is there. Where a scalar or a list is in the way,
    /// that stays, since it is an error to be told.
    pub(super) fn set(&mut self, path: &str, value: Value, origin: &Origin) {
        let mut item = self;
        let mut done = String::new();
        for name in path.split('.') {
            done = join(&done, name);
            let Content::Table(items) = &mut item.content else { return };
            item = items.entry(name.into()).or_insert_with(|| Self {
                path: done.clone(),
                origin: origin.clone(),
                content: Content::Table(BTreeMap::new()),
            });
        }
        item.origin = origin.clone();
        item.content = Content::Leaf(value);
    }

    /// Lays another tree over this one: its scalars and lists replace what is here, its tables are laid over tables.
    pub(super) fn lay_over(&mut self, above: Self) {
        match (&mut self.content, above.content) {
            (Content::Table(items), Content::Table(above)) => {
                for (name, item) in above {
                    match items.get_mut(&name) {
                        Some(below) => below.lay_over(item),
                        None => drop(items.insert(name, item)),
                    }
                }
            }
            (content, above_content) => {
                *content = above_content;
                self.origin = above.origin;
            }
        }
    }

    /// The same without paths and origins.
    pub(super) fn value(&self) -> Value {
        match &self.content {
            Content::Table(items) => {
                Value::Table(items.iter().map(|(name, item)| (name.clone(), item.value())).collect())
            }
            Content::List(items) => Value::Array(items.iter().map(Self::value).collect()),
            Content::Leaf(value) => value.clone(),
        }
    }
}

pub(super) fn join(path: &str, name: &str) -> String {
    if path.is_empty() { name.into() } else { format!("{path}.{name}") }
}

/// Reads a document. All its syntax errors are found, not only the first.
pub(super) fn read(text: &str, file: &Arc<Path>) -> Result<Item, Vec<Problem>> {
    let lines = Lines { starts: text.match_indices('\n').map(|(at, _)| at + 1).collect(), file };
    let (document, errors) = DeTable::parse_recoverable(text);
    let mut problems: Vec<_> = errors.iter().map(|error| lines.problem(error, 0)).collect();
    let content = lines.table("", document.get_ref(), &mut problems);
    if problems.is_empty() { Ok(Item { content, ..Item::empty() }) } else { Err(problems) }
}

struct Lines<'a> {
    starts: Vec<usize>,
    file: &'a Arc<Path>,
}

impl Lines<'_> {
    fn origin(&self, at: usize) -> Origin {
        Origin::File(Arc::clone(self.file), Some(self.starts.partition_point(|start| *start <= at) + 1))
    }

    fn problem(&self, error: &toml::de::Error, at: usize) -> Problem {
        Problem::new(&self.origin(error.span().map_or(at, |span| span.start)), error.message().replace('\n', ", "), "")
    }

    fn table(&self, path: &str, table: &DeTable<'_>, problems: &mut Vec<Problem>) -> Content {
        let mut items = BTreeMap::new();
        for (name, value) in table {
            let path = join(path, name.get_ref());
            items.insert(name.get_ref().to_string(), self.item(path, name.span().start, value, problems));
        }
        Content::Table(items)
    }

    fn item(&self, path: String, at: usize, value: &Spanned<DeValue<'_>>, problems: &mut Vec<Problem>) -> Item {
        let content = match value.get_ref() {
            DeValue::Table(table) => self.table(&path, table, problems),
            DeValue::Array(array) => {
                let element = |(index, value): (usize, &Spanned<DeValue<'_>>)| {
                    self.item(format!("{path}[{index}]"), value.span().start, value, problems)
                };
                Content::List(array.iter().enumerate().map(element).collect())
            }
            _ => match Value::deserialize(ValueDeserializer::from(value.clone())) {
                Ok(value) => Content::Leaf(value),
                Err(error) => {
                    problems.push(self.problem(&error, at));
                    Content::Leaf(Value::Boolean(false))
                }
            },
        };
        Item { path, origin: self.origin(at), content }
    }
}
