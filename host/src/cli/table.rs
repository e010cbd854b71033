use comfy_table::Table;
use comfy_table::presets::NOTHING;
use jiff::Timestamp;

/// Rows under a header, without borders: as easy for awk as for an eye.
pub(super) fn columns<const N: usize>(header: [&str; N], rows: impl IntoIterator<Item = [String; N]>) -> String {
    let mut table = Table::new();
    table.set_header(header);
    table.add_rows(rows.into_iter().map(|row| row.map(|cell| printable(&cell))));
    without_borders(table)
}

/// One thing, a named value in each line; values that are not there are left out.
pub(super) fn fields<'a>(fields: impl IntoIterator<Item = (&'a str, Option<String>)>) -> String {
    let mut table = Table::new();
    table.add_rows(fields.into_iter().filter_map(|(name, value)| Some([name.to_owned(), printable(&value?)])));
    without_borders(table)
}

/// Makes text that a plugin may have written harmless to a terminal.
pub(super) fn printable(text: &str) -> String {
    text.chars().flat_map(|c| if c.is_control() { c.escape_default().collect() } else { vec![c] }).collect()
}

/// Cuts text that would break a row.
pub(super) fn shortened(text: &str, chars_max: usize) -> String {
    match text.char_indices().nth(chars_max) {
        Some((end, _)) => format!("{}…", &text[..end]),
        None => text.to_owned(),
    }
}

/// A digest as far as it takes to tell two apart.
pub(super) fn short_digest(digest: &str) -> String {
    digest.chars().take(12).collect()
}

/// An instant to the second; fractions are left to `--json`.
pub(super) fn instant(rfc3339: &str) -> String {
    rfc3339.parse::<Timestamp>().map_or_else(|_| rfc3339.to_owned(), |at| format!("{at:.0}"))
}

/// The time between two instants, where both are known.
pub(super) fn span(from: Option<&str>, to: Option<&str>) -> Option<String> {
    let from: Timestamp = from?.parse().ok()?;
    let to: Timestamp = to?.parse().ok()?;
    let seconds = to.duration_since(from).as_secs_f64();
    Some(if seconds < 60.0 { format!("{seconds:.1}s") } else { format!("{:#.0}", to.duration_since(from)) })
}

fn without_borders(mut table: Table) -> String {
    table.load_style(NOTHING);
    for column in table.column_iter_mut() {
        column.set_padding((0, 2));
    }
    table.trim_fmt()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_plugin_cannot_send_escape_codes_to_the_terminal() {
        assert_eq!(printable("a\u{1b}[2J\nü"), "a\\u{1b}[2J\\nü");
    }

    #[test]
    fn a_long_cell_is_cut_between_characters() {
        assert_eq!(shortened("über", 2), "üb…");
        assert_eq!(shortened("über", 4), "über");
    }

    #[test]
    fn times_are_shown_to_the_second_and_short_spans_to_a_tenth() {
        assert_eq!(instant("2026-11-23T22:43:01.987654Z"), "2026-11-23T22:43:01Z");
        assert_eq!(span(Some("2026-11-23T22:43:01Z"), Some("2026-11-23T22:43:02.25Z")).as_deref(), Some("1.2s"));
        assert_eq!(span(Some("2026-11-23T22:43:01Z"), Some("2026-11-23T23:45:02Z")).as_deref(), Some("1h 2m 1s"));
        assert_eq!(span(Some("2026-11-23T22:43:01Z"), None), None);
    }
}
