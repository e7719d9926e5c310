//! Holds every value of a tree against the list of keys: unknown keys, missing ones, wrong values. What is wrong is
//! reported and taken out, so that what remains always becomes a [`super::Config`] and further checks find the rest.

use std::collections::BTreeMap;

use super::keys::{Absent, KEYS, Key};
use super::kind::nearest;
use super::problem::Problem;
use super::tree::{Content, Item, join};

/// What may stand at a place.
#[derive(Debug)]
enum Place {
    Table(BTreeMap<&'static str, Self>),
    List(Box<Self>),
    AnyName(Box<Self>),
    Scalar(&'static Key),
}

impl Place {
    fn root() -> Self {
        let mut root = BTreeMap::new();
        for key in KEYS {
            insert(&mut root, key.path, key);
        }
        Self::Table(root)
    }

    fn is_required(&self) -> bool {
        matches!(self, Self::Scalar(Key { absent: Absent::Required(_), .. }))
    }
}

fn insert(table: &mut BTreeMap<&'static str, Place>, path: &'static str, key: &'static Key) {
    let Some((name, rest)) = path.split_once('.') else {
        table.insert(path, Place::Scalar(key));
        return;
    };
    if rest.starts_with('<') {
        table.insert(name, Place::AnyName(Box::new(Place::Scalar(key))));
        return;
    }
    let (name, list) = name.strip_suffix("[]").map_or((name, false), |name| (name, true));
    let empty = || Place::Table(BTreeMap::new());
    let place = table.entry(name).or_insert_with(|| if list { Place::List(Box::new(empty())) } else { empty() });
    match place {
        Place::Table(inner) => insert(inner, rest, key),
        Place::List(element) => {
            if let Place::Table(inner) = &mut **element {
                insert(inner, rest, key);
            }
        }
        Place::AnyName(_) | Place::Scalar(_) => {}
    }
}

/// Takes everything out of `root` that is wrong, and says what it was.
pub(super) fn check(root: &mut Item) -> Vec<Problem> {
    let mut problems = Vec::new();
    keep(&Place::root(), root, &mut problems);
    problems
}

/// Whether the item can stay; what is wrong inside it is taken out.
fn keep(place: &Place, item: &mut Item, problems: &mut Vec<Problem>) -> bool {
    match (place, &mut item.content) {
        (Place::Scalar(key), Content::Leaf(value)) => match key.kind.check(value) {
            Ok(()) => true,
            Err(fix) => {
                problems.push(Problem::new(&item.origin, format!("`{}` is {value}", item.path), fix));
                false
            }
        },
        (Place::Table(places), Content::Table(_)) => keep_table(places, item, problems),
        (Place::AnyName(place), Content::Table(items)) => {
            items.retain(|_, item| keep(place, item, problems));
            true
        }
        (Place::List(element), Content::List(items)) => {
            items.retain_mut(|item| keep(element, item, problems));
            true
        }
        _ => {
            let fix = match place {
                Place::Scalar(key) => format!("write {}", key.kind),
                Place::List(_) => format!("begin each one with `[[{}]]`", item.path),
                Place::Table(_) | Place::AnyName(_) => format!("write it as a section, `[{}]`", item.path),
            };
            let found = match item.content {
                Content::Table(_) => "a section",
                Content::List(_) => "a list",
                Content::Leaf(_) => "a single value",
            };
            problems.push(Problem::new(&item.origin, format!("`{}` is {found}", item.path), fix));
            false
        }
    }
}

fn keep_table(places: &BTreeMap<&'static str, Place>, item: &mut Item, problems: &mut Vec<Problem>) -> bool {
    let Content::Table(items) = &mut item.content else { return false };
    let mut complete = true;
    for (name, place) in places {
        if place.is_required() && !items.contains_key(*name) {
            let problem = format!("`{}` is missing", join(&item.path, name));
            let example = match place {
                Place::Scalar(key) => format!("add for example `{name} = {}`", key.absent.value()),
                Place::Table(_) | Place::List(_) | Place::AnyName(_) => String::new(),
            };
            problems.push(Problem::new(&item.origin, problem, example));
            complete = false;
        }
    }
    items.retain(|name, item| {
        let Some(place) = places.get(name.as_str()) else {
            problems.push(unknown(places, name, item));
            return false;
        };
        let good = keep(place, item, problems);
        complete &= good || !place.is_required();
        good
    });
    complete
}

fn unknown(places: &BTreeMap<&'static str, Place>, name: &str, item: &Item) -> Problem {
    let fix = match nearest(name, places.keys().copied()).or_else(|| elsewhere(name)) {
        Some(near) => format!("did you mean `{near}`?"),
        None => format!("known here: {}", places.keys().map(|key| format!("`{key}`")).collect::<Vec<_>>().join(", ")),
    };
    Problem::new(&item.origin, format!("unknown key `{}`", item.path), fix)
}

/// The full path of a key of this name in another section.
fn elsewhere(name: &str) -> Option<&'static str> {
    KEYS.iter().find(|key| key.section_and_name().1 == name).map(|key| key.path)
}
