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

    /// Makes ready for another call.
    pub(super) fn begin_call(&mut self) {
        if self.0.get().is_some() {
            *self = Self::default();
        }
    }

    /// Whether a request or a body of the call is still on its way.
    pub(super) fn is_awaited(&self) -> bool {
        Arc::strong_count(&self.0) > 1
    }

    pub(super) fn message(&self) -> Option<String> {
        self.0.get().cloned()
    }
}
