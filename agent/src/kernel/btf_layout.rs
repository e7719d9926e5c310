//! Where the running kernel keeps the fields that the programs read, from its BTF.
//!
//! The format is that of Documentation/bpf/btf.rst: a header, a sequence of types, a table of strings.

use std::collections::BTreeSet;
use std::path::Path;

/// The kernel's layout cannot be told.
#[derive(Debug, thiserror::Error)]
pub enum LayoutError {
    /// The file cannot be read.
    #[error(
        "{path}: {error}; the kernel was built without CONFIG_DEBUG_INFO_BTF, or give a BTF file for it as `activity.btf`"
    )]
    Unreadable {
        /// The file.
        path: String,
        /// Why.
        error: std::io::Error,
    },
    /// The file is no BTF, or is cut.
    #[error("{0} is not BTF of this machine's byte order, or is damaged")]
    Malformed(String),
    /// A structure has no such field.
    #[error("this kernel's `{structure}` has no field `{field}`: please report the kernel's version")]
    NoField {
        /// The structure.
        structure: &'static str,
        /// The field.
        field: &'static str,
    },
}

/// Byte offsets of kernel fields, named as the programs' globals.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Layout {
    offsets: Vec<(&'static str, u32)>,
}

/// A global of the programs, with the structure and the field whose offset it takes.
pub(super) type Field = (&'static str, &'static str, &'static str);

const FIELDS: &[Field] = &[
    ("TASK_PID", "task_struct", "pid"),
    ("TASK_TGID", "task_struct", "tgid"),
    ("TASK_FLAGS", "task_struct", "flags"),
    ("TASK_START", "task_struct", "start_boottime"),
    ("TASK_LEADER", "task_struct", "group_leader"),
    ("TASK_PARENT", "task_struct", "real_parent"),
    ("TASK_COMM", "task_struct", "comm"),
    ("TASK_CGROUPS", "task_struct", "cgroups"),
    ("TASK_SIGNAL", "task_struct", "signal"),
    ("SIGNAL_LIVE", "signal_struct", "live"),
    ("TASK_ENTITY", "task_struct", "se"),
    ("ENTITY_BILLED_UNTIL", "sched_entity", "exec_start"),
    ("ENTITY_RAN", "sched_entity", "sum_exec_runtime"),
    ("ENTITY_RAN_BEFORE", "sched_entity", "prev_sum_exec_runtime"),
    ("CSS_SET_CGROUP", "css_set", "dfl_cgrp"),
    ("CGROUP_NODE", "cgroup", "kn"),
    ("CGROUP_ROOT", "cgroup", "root"),
    ("ROOT_HIERARCHY", "cgroup_root", "hierarchy_id"),
    ("NODE_ID", "kernfs_node", "id"),
    ("BINPRM_FILENAME", "linux_binprm", "filename"),
];

impl Layout {
    /// Reads the layout from a BTF file, usually `/sys/kernel/btf/vmlinux`.
    pub fn read_from(path: &Path) -> Result<Self, LayoutError> {
        Self::read_fields(path, FIELDS)
    }

    /// Reads where other fields are.
    pub(super) fn read_fields(path: &Path, fields: &[Field]) -> Result<Self, LayoutError> {
        let name = path.display().to_string();
        let bytes = std::fs::read(path).map_err(|error| LayoutError::Unreadable { path: name.clone(), error })?;
        Self::parse_fields(&name, &bytes, fields)
    }

    /// Reads the layout from BTF; `name` is where it comes from, for the error.
    pub fn parse(name: &str, bytes: &[u8]) -> Result<Self, LayoutError> {
        Self::parse_fields(name, bytes, FIELDS)
    }

    fn parse_fields(name: &str, bytes: &[u8], fields: &[Field]) -> Result<Self, LayoutError> {
        let types = Types::parse(bytes).ok_or_else(|| LayoutError::Malformed(name.into()))?;
        let offsets = fields
            .iter()
            .map(|&(global, structure, field)| {
                let offset = types.offset_of(structure, field).ok_or(LayoutError::NoField { structure, field })?;
                Ok((global, offset))
            })
            .collect::<Result<_, _>>()?;
        Ok(Self { offsets })
    }

    /// Each global of the programs with its offset in bytes.
    pub fn offsets(&self) -> &[(&'static str, u32)] {
        &self.offsets
    }
}

const MAGIC: u16 = 0xeb9f;
const KIND_STRUCT: u32 = 4;
const KIND_UNION: u32 = 5;
/// How many nameless structures may lie in each other or side by side; `task_struct` has about ten.
const MOST_NAMELESS: usize = 256;

/// The types of a BTF blob: where each begins.
struct Types<'a> {
    bytes: &'a [u8],
    strings: &'a [u8],
    starts: Vec<usize>,
}

impl<'a> Types<'a> {
    fn parse(bytes: &'a [u8]) -> Option<Self> {
        let magic = u16::from_ne_bytes(bytes.get(..2)?.try_into().ok()?);
        if magic != MAGIC {
            return None;
        }
        let header = word(bytes, 4)? as usize;
        let section = |offset_at, length_at| {
            let from = header.checked_add(word(bytes, offset_at)? as usize)?;
            bytes.get(from..from.checked_add(word(bytes, length_at)? as usize)?)
        };
        let (types, strings) = (section(8, 12)?, section(16, 20)?);
        let mut starts = Vec::new();
        let mut at = 0;
        while at < types.len() {
            starts.push(at);
            let info = word(types, at + 4)?;
            at += 12 + trailing_bytes(kind(info), (info & 0xffff) as usize)?;
        }
        Some(Self { bytes: types, strings, starts })
    }

    fn offset_of(&self, structure: &str, field: &str) -> Option<u32> {
        self.starts.iter().find_map(|&start| {
            let info = word(self.bytes, start + 4)?;
            if kind(info) != KIND_STRUCT || self.string(word(self.bytes, start)?)? != structure.as_bytes() {
                return None;
            }
            self.bits_to(start, field, &mut BTreeSet::new()).map(|bits| bits / 8)
        })
    }

    /// The field's distance in bits from the beginning of the structure at `start`, looking into nameless members too,
    /// but not again into those that were `searched`: damaged BTF may have structures that contain each other.
    fn bits_to(&self, start: usize, field: &str, searched: &mut BTreeSet<usize>) -> Option<u32> {
        if searched.len() == MOST_NAMELESS || !searched.insert(start) {
            return None;
        }
        let info = word(self.bytes, start + 4)?;
        (0..(info & 0xffff) as usize).find_map(|member| {
            let at = start + 12 + member * 12;
            let (name, type_id, offset) = (word(self.bytes, at)?, word(self.bytes, at + 4)?, word(self.bytes, at + 8)?);
            // With the kind flag set, the upper eight bits are the size of a bit field.
            let offset = if info >> 31 == 1 { offset & 0x00ff_ffff } else { offset };
            if name != 0 {
                return (self.string(name)? == field.as_bytes()).then_some(offset);
            }
            let inner = *self.starts.get((type_id as usize).checked_sub(1)?)?;
            matches!(kind(word(self.bytes, inner + 4)?), KIND_STRUCT | KIND_UNION)
                .then(|| self.bits_to(inner, field, searched))
                .flatten()
                .and_then(|bits| offset.checked_add(bits))
        })
    }

    fn string(&self, offset: u32) -> Option<&[u8]> {
        let rest = self.strings.get(offset as usize..)?;
        rest.split(|&byte| byte == 0).next()
    }
}

fn kind(info: u32) -> u32 {
    (info >> 24) & 0x1f
}

/// How many bytes follow the twelve that every type has (include/uapi/linux/btf.h); `None` for kinds not known yet.
fn trailing_bytes(kind: u32, entries: usize) -> Option<usize> {
    Some(match kind {
        // pointers, forward declarations, typedefs, qualifiers, functions, floats, type tags
        2 | 7..=12 | 16 | 18 => 0,
        // integers, variables, declaration tags
        1 | 14 | 17 => 4,
        // arrays
        3 => 12,
        // structures, unions, data sections, 64-bit enumerations
        KIND_STRUCT | KIND_UNION | 15 | 19 => 12 * entries,
        // enumerations, function prototypes
        6 | 13 => 8 * entries,
        _ => return None,
    })
}

fn word(bytes: &[u8], at: usize) -> Option<u32> {
    Some(u32::from_ne_bytes(bytes.get(at..at + 4)?.try_into().ok()?))
}

#[cfg(test)]
mod tests {
    use super::*;

    /// struct outer { u32 a; struct { u64 b; u64 c; }; } as BTF.
    fn blob() -> Vec<u8> {
        let strings = b"\0outer\0a\0b\0c\0";
        let member = |name: u32, kind: u32, bits: u32| [name, kind, bits];
        let structure = |name: u32, members: u32, size: u32| [name, (KIND_STRUCT << 24) | members, size];
        let words: Vec<u32> = [
            structure(0, 2, 16).as_slice(),
            &member(9, 0, 0),
            &member(11, 0, 64),
            &structure(1, 2, 24),
            &member(7, 0, 0),
            &member(0, 1, 64),
        ]
        .concat();
        let types: Vec<u8> = words.iter().flat_map(|word| word.to_ne_bytes()).collect();
        let mut blob = Vec::new();
        blob.extend(MAGIC.to_ne_bytes());
        blob.extend([1, 0]);
        for word in [24, 0, types.len() as u32, types.len() as u32, strings.len() as u32] {
            blob.extend(word.to_ne_bytes());
        }
        blob.extend(types);
        blob.extend(strings);
        blob
    }

    #[test]
    fn fields_are_found_in_nameless_members_too() {
        let blob = blob();
        let types = Types::parse(&blob).unwrap();
        assert_eq!(types.offset_of("outer", "a"), Some(0));
        assert_eq!(types.offset_of("outer", "b"), Some(8));
        assert_eq!(types.offset_of("outer", "c"), Some(16));
        assert_eq!(types.offset_of("outer", "d"), None);
        assert_eq!(types.offset_of("other", "a"), None);
    }

    #[test]
    fn a_cut_blob_is_refused_at_any_length() {
        let blob = blob();
        for length in 0..blob.len() {
            assert!(Types::parse(&blob[..length]).is_none_or(|types| types.offset_of("other", "a").is_none()));
        }
    }

    #[test]
    fn a_structure_that_contains_itself_is_searched_once() {
        let mut blob = blob();
        let itself = blob.len() - 13 - 8;
        blob[itself..itself + 4].copy_from_slice(&2_u32.to_ne_bytes());
        assert_eq!(Types::parse(&blob).unwrap().offset_of("outer", "c"), None);
    }

    #[test]
    fn a_missing_file_names_the_way_out() {
        let error = Layout::read_from(Path::new("/nonexistent/btf")).unwrap_err();
        assert!(error.to_string().contains("activity.btf"), "{error}");
    }
}
