//! What one call tells whoever watches its interval.

use super::bindings::types::HostError;
use super::limits::{EVENT_BODY_BYTES_MAX, EVENT_NAME_BYTES_MAX, EVENTS_BYTES_MAX, EVENTS_MAX};
use crate::domain::task::Event;
use crate::domain::timestamp::Timestamp;
use serde::de::IgnoredAny;

/// The events of one call, until it has succeeded.
#[derive(Default)]
pub(super) struct EventList {
    events: Vec<Event>,
    bytes: usize,
}

impl EventList {
    pub(super) fn take_events(&mut self) -> Vec<Event> {
        std::mem::take(&mut self.events)
    }

    pub(super) fn emit(&mut self, at: Timestamp, name: String, body: String) -> Result<(), HostError> {
        if !(1..=EVENT_NAME_BYTES_MAX).contains(&name.len()) {
            let found = name.len();
            return Err(exceeded(format!("an event's name has 1 to {EVENT_NAME_BYTES_MAX} bytes, not {found}")));
        }
        if body.len() > EVENT_BODY_BYTES_MAX {
            let found = body.len();
            return Err(exceeded(format!("an event's body has at most {EVENT_BODY_BYTES_MAX} bytes, not {found}")));
        }
        if let Err(error) = serde_json::from_str::<IgnoredAny>(&body) {
            return Err(HostError::Invalid(format!("the body of the event `{name}` is not a JSON text: {error}")));
        }
        if self.events.len() >= EVENTS_MAX {
            return Err(exceeded(format!("one call emits at most {EVENTS_MAX} events")));
        }
        let bytes = self.bytes + name.len() + body.len();
        if bytes > EVENTS_BYTES_MAX {
            return Err(exceeded(format!("the events of one call have at most {EVENTS_BYTES_MAX} bytes together")));
        }
        self.bytes = bytes;
        self.events.push(Event { at, name, body });
        Ok(())
    }
}

fn exceeded(message: String) -> HostError {
    HostError::LimitExceeded(message)
}

#[cfg(test)]
mod tests {
    use super::*;

    const AT: Timestamp = Timestamp::from_ms(7);

    #[test]
    fn events_are_kept_in_their_order_with_their_instant() {
        let mut list = EventList::default();
        list.emit(AT, "first".into(), "1".into()).unwrap();
        list.emit(AT, "second".into(), r#"{"a": [null]}"#.into()).unwrap();
        let events = list.take_events();
        assert_eq!(events.iter().map(|event| event.name.as_str()).collect::<Vec<_>>(), ["first", "second"]);
        assert_eq!(events[0].at, AT);
    }

    #[test]
    fn what_is_no_event_is_refused_and_says_why() {
        let refused = |name: &str, body: &str| EventList::default().emit(AT, name.into(), body.into()).unwrap_err();
        for (name, body, part) in [
            ("n", "{", "the body of the event `n` is not a JSON text: EOF while parsing"),
            ("n", "", "not a JSON text"),
            ("n", "{} {}", "trailing characters"),
        ] {
            let error = refused(name, body);
            assert!(matches!(&error, HostError::Invalid(text) if text.contains(part)), "{error:?}");
        }
        let (long, large) = ("n".repeat(EVENT_NAME_BYTES_MAX + 1), format!("\"{}\"", "x".repeat(EVENT_BODY_BYTES_MAX)));
        for (name, body, part) in [
            ("", "1", "1 to 128 bytes, not 0"),
            (&long, "1", "not 129"),
            ("n", &large, "at most 65536 bytes, not 65538"),
        ] {
            let error = refused(name, body);
            assert!(matches!(&error, HostError::LimitExceeded(text) if text.contains(part)), "{error:?}");
        }
    }

    #[test]
    fn a_call_emits_so_many_events_and_so_many_bytes_of_them() {
        let mut many = EventList::default();
        (0..EVENTS_MAX).for_each(|_| many.emit(AT, "n".into(), "1".into()).unwrap());
        let error = many.emit(AT, "n".into(), "1".into()).unwrap_err();
        assert!(matches!(error, HostError::LimitExceeded(text) if text.contains("at most 1000 events")));

        let (mut large, body) = (EventList::default(), format!("\"{}\"", "x".repeat(EVENT_BODY_BYTES_MAX - 2)));
        (0..15).for_each(|_| large.emit(AT, "n".into(), body.clone()).unwrap());
        let error = large.emit(AT, "n".into(), body).unwrap_err();
        assert!(matches!(error, HostError::LimitExceeded(text) if text.contains("1048576 bytes together")));
    }
}
