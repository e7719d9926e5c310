//! Patterns with asterisks. Matching takes time in proportion to the text, whatever the pattern.

use std::fmt;

/// How many asterisks a pattern may have.
pub(super) const MAX_ASTERISKS: usize = 8;

/// Text in which each `*` stands for any run of characters.
#[derive(Clone, PartialEq, Eq, Hash)]
pub(super) struct Pattern(String);

impl Pattern {
    /// Checks the pattern's size: at most `max_bytes` bytes and [`MAX_ASTERISKS`] asterisks.
    pub(super) fn new(text: &str, max_bytes: usize) -> Result<Self, String> {
        if text.len() > max_bytes {
            return Err(format!("has {} bytes, at most {max_bytes} are allowed", text.len()));
        }
        let asterisks = text.matches('*').count();
        if asterisks > MAX_ASTERISKS {
            return Err(format!("has {asterisks} asterisks, at most {MAX_ASTERISKS} are allowed"));
        }
        Ok(Self(text.to_owned()))
    }

    /// Whether the whole of `text` fits.
    pub(super) fn fits(&self, text: &str) -> bool {
        let Some((head, rest)) = self.0.split_once('*') else { return self.0 == text };
        let (middle, tail) = rest.rsplit_once('*').unwrap_or(("", rest));
        let Some(text) = text.strip_prefix(head).and_then(|text| text.strip_suffix(tail)) else { return false };
        // The leftmost place for each piece leaves the most room for the pieces after it.
        let place = |text: &str, piece: &str| text.find(piece).map(|at| at + piece.len());
        let mut left = text;
        middle.split('*').all(|piece| {
            place(left, piece).is_some_and(|end| {
                left = &left[end..];
                true
            })
        })
    }

    /// Whether `path` is this path or lies below it; with asterisks, whether all of it fits.
    pub(super) fn fits_path(&self, path: &str) -> bool {
        if self.0.contains('*') {
            return self.fits(path);
        }
        let root = self.0.trim_end_matches('/');
        path.strip_prefix(root).is_some_and(|below| below.is_empty() || below.starts_with('/'))
    }
}

impl fmt::Debug for Pattern {
    fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.0.fmt(out)
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn pattern(text: &str) -> Pattern {
        Pattern::new(text, 1024).expect("short enough")
    }

    #[test]
    fn paths_fit_as_documented() {
        for (text, path, fits) in [
            ("/system.slice", "/system.slice", true),
            ("/system.slice", "/system.slice/cron.service", true),
            ("/system.slice/", "/system.slice/cron.service", true),
            ("/system.slice", "/system.slice2", false),
            ("/", "/", true),
            ("/", "/any/thing", true),
            ("/*", "/any/thing", true),
            ("/*.service", "/system.slice/cron.service", true),
            ("/*.service", "/system.slice/cron.service/sub", false),
            ("/kubepods*/cri-*.scope", "/kubepods.slice/a/cri-1.scope", true),
            ("*ab*ba*", "aba", false),
            ("*ab*ba*", "xabyba", true),
            ("a*a", "a", false),
            ("**", "", true),
        ] {
            assert_eq!(pattern(text).fits_path(path), fits, "{text} against {path}");
        }
    }

    #[test]
    fn hostile_patterns_are_refused() {
        assert!(Pattern::new(&"a".repeat(65), 64).unwrap_err().contains("64"));
        assert!(Pattern::new("*********", 64).unwrap_err().contains('8'));
    }

    /// The definition: an asterisk takes nothing, or one character and stands again.
    fn by_definition(pattern: &[u8], text: &[u8]) -> bool {
        match (pattern.split_first(), text.split_first()) {
            (None, None) => true,
            (Some((b'*', after)), None) => by_definition(after, text),
            (Some((b'*', after)), Some((_, rest))) => by_definition(after, text) || by_definition(pattern, rest),
            (Some((want, after)), Some((have, rest))) => want == have && by_definition(after, rest),
            _ => false,
        }
    }

    proptest! {
        #[test]
        fn fits_is_the_definition(text in "[ab]{0,8}", asterisks in "[ab*]{0,6}") {
            prop_assert_eq!(pattern(&asterisks).fits(&text), by_definition(asterisks.as_bytes(), text.as_bytes()));
        }
    }
}
