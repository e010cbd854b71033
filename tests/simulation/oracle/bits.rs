//! Bitmaps as they lie in rows: one bit a task, the lowest first, no bytes for no bits.

use std::collections::BTreeSet;

/// The places of the bits that are set.
pub(super) fn set(bytes: &[u8]) -> BTreeSet<i64> {
    let bits = (0i64..).zip(bytes.iter().flat_map(|byte| (0..8).map(move |bit| byte >> bit & 1 == 1)));
    bits.filter(|(_, is_set)| *is_set).map(|(place, _)| place).collect()
}

pub(super) fn is_set(bytes: &[u8], place: i64) -> bool {
    let byte = usize::try_from(place / 8).ok().and_then(|byte| bytes.get(byte));
    byte.is_some_and(|byte| byte >> (place % 8) & 1 == 1)
}
