//! Spans as people write them: `30s`, `1h30m`, and ISO 8601 (`PT30S`).

use jiff::{SignedDuration, Span, SpanRelativeTo};
use std::time::Duration;

/// A text that is not a span of time.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("`{0}` is not a duration: write 30s, 5m, 1h30m, 2d or PT30S")]
pub struct NotADuration(String);

/// Reads a span; a day has 24 hours.
pub fn parse(text: &str) -> Result<Duration, NotADuration> {
    let not = || NotADuration(text.to_owned());
    let span: Span = text.trim().parse().map_err(|_| not())?;
    let span = span.to_duration(SpanRelativeTo::days_are_24_hours()).map_err(|_| not())?;
    Duration::try_from(span).map_err(|_| not())
}

/// Writes a span so that [`parse`] reads it: `1h30m`.
pub fn format(span: Duration) -> String {
    SignedDuration::try_from(span).map_or_else(|_| "forever".to_owned(), |span| format!("{span:#}").replace(' ', ""))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn spans_are_read_in_both_spellings_and_written_back() {
        let cases = [
            ("30s", 30, "30s"),
            ("5m", 300, "5m"),
            ("1h30m", 5_400, "1h30m"),
            ("PT30S", 30, "30s"),
            ("2d", 172_800, "48h"),
        ];
        for (text, seconds, written) in cases {
            assert_eq!(parse(text), Ok(Duration::from_secs(seconds)), "{text}");
            assert_eq!(format(Duration::from_secs(seconds)), written);
        }
        assert_eq!(format(Duration::from_millis(1_500)), "1s500ms");
        assert_eq!(parse("1s500ms"), Ok(Duration::from_millis(1_500)));
    }

    #[test]
    fn what_is_no_span_is_named() {
        for text in ["", "30", "soon", "-5s", "1 month"] {
            assert!(parse(text).is_err(), "{text}");
        }
    }
}
