//! Notes which limit the bodies of a call have met.

use std::sync::{Arc, OnceLock};

/// Clones share the note: bodies are on their way while the guest goes on.
#[derive(Debug, Clone, Default)]
pub(super) struct LimitMet(Arc<OnceLock<String>>);

impl LimitMet {
    /// Notes the limit; the first one stays.
    pub(super) fn note(&self, message: String) {
        // Of several the first has led to the others.
        let _ = self.0.set(message);
    }

    /// Makes ready for another call; a body of an earlier one that is still on its way keeps that one's note.
    pub(super) fn begin_call(&mut self) {
        match Arc::get_mut(&mut self.0) {
            Some(own) => drop(own.take()),
            None => *self = Self::default(),
        }
    }

    pub(super) fn message(&self) -> Option<String> {
        self.0.get().cloned()
    }
}
