//! Texts that many share, each kept once.

use std::sync::Arc;

use rustc_hash::FxHashSet;

/// The number of texts from which on unused ones are looked for.
const PURGE_FROM: usize = 4_096;

/// Gives equal texts the same memory. Texts that nobody else holds any more are dropped whenever their number has
/// doubled, so memory follows what is in use.
#[derive(Debug)]
pub(super) struct Interner {
    texts: FxHashSet<Arc<str>>,
    purge_at: usize,
}

impl Default for Interner {
    fn default() -> Self {
        Self { texts: FxHashSet::default(), purge_at: PURGE_FROM }
    }
}

impl Interner {
    /// The shared copy of `text`.
    pub(super) fn intern(&mut self, text: &str) -> Arc<str> {
        if let Some(known) = self.texts.get(text) {
            return known.clone();
        }
        if self.texts.len() >= self.purge_at {
            self.texts.retain(|known| Arc::strong_count(known) > 1);
            self.purge_at = PURGE_FROM.max(2 * self.texts.len());
        }
        let fresh: Arc<str> = text.into();
        self.texts.insert(fresh.clone());
        fresh
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn equal_texts_are_shared() {
        let mut interner = Interner::default();
        let first = interner.intern("python3");
        assert!(Arc::ptr_eq(&first, &interner.intern("python3")));
    }

    #[test]
    fn texts_in_use_stay_and_the_others_do_not_pile_up() {
        let mut interner = Interner::default();
        let kept = interner.intern("kept");
        for number in 0..10 * PURGE_FROM {
            interner.intern(&number.to_string());
        }
        assert!(interner.texts.len() <= PURGE_FROM);
        assert!(Arc::ptr_eq(&kept, &interner.intern("kept")));
    }
}
