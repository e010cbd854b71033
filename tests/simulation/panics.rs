//! Notices panics of the engine: its own tasks catch them, and the run would go on as if nothing had happened.

use std::cell::RefCell;
use std::sync::Once;

thread_local! {
    static NOTED: RefCell<Option<Vec<String>>> = const { RefCell::new(None) };
}

/// Notes the panics of this thread from now on, in the place of printing them.
pub(crate) fn note() {
    static HOOK: Once = Once::new();
    HOOK.call_once(|| {
        let print = std::panic::take_hook();
        std::panic::set_hook(Box::new(move |panic| {
            let is_noted = NOTED.with_borrow_mut(|noted| {
                let notes = noted.as_mut()?;
                notes.push(panic.to_string());
                Some(())
            });
            if is_noted.is_none() {
                print(panic);
            }
        }));
    });
    NOTED.set(Some(Vec::new()));
}

/// Those that were noted since the last time.
pub(crate) fn take() -> Vec<String> {
    NOTED.with_borrow_mut(|noted| noted.as_mut().map(std::mem::take).unwrap_or_default())
}

/// Prints panics again.
pub(crate) fn print() {
    NOTED.set(None);
}
