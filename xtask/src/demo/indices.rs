use std::collections::BTreeSet;

use anyhow::Context;

/// Reads indices as the API writes them: `0-4,7`.
pub(super) fn parse(ranges: &str) -> anyhow::Result<BTreeSet<u64>> {
    let mut indices = BTreeSet::new();
    for range in ranges.split(',').filter(|range| !range.is_empty()) {
        let (first, last) = range.split_once('-').unwrap_or((range, range));
        let number = |text: &str| text.parse::<u64>().with_context(|| format!("{ranges:?} names no indices"));
        indices.extend(number(first)?..=number(last)?);
    }
    Ok(indices)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn ranges_and_single_indices_are_read() -> anyhow::Result<()> {
        assert_eq!(parse("0-2,7")?, BTreeSet::from([0, 1, 2, 7]));
        assert_eq!(parse("")?, BTreeSet::new());
        assert!(parse("0-x").is_err());
        Ok(())
    }
}
