//! Rows that this program has not written: progress, and what a job is kept as.

use crate::dice::Dice;
use crate::json;
use crate::rounds::fuzz;
use latchwork::domain::job::{Policy, WorkSpec};
use latchwork::domain::progress::{Bitmap, Progress, Ranges};
use latchwork::domain::retry::RetryPolicy;

/// A segment's longest.
const LENGTH_MAX: usize = 4_096;

#[test]
fn bitmaps() {
    fuzz("bitmaps", |dice| {
        let length = dice.within(0..LENGTH_MAX + 1) as u32;
        let bits = bits(dice, length);
        let Ok(bitmap) = Bitmap::from_bytes(length, &bits) else { return };
        assert!(bitmap.iter().all(|offset| offset < length && bitmap.contains(offset)));
        assert_eq!(bitmap.iter().count(), bitmap.count() as usize);
        assert_eq!(Bitmap::from_bytes(length, &bitmap.to_bytes()).unwrap(), bitmap);
        let mut ranges = Ranges::default();
        bitmap.iter().for_each(|offset| ranges.push(offset));
        assert_eq!(read(&ranges.to_string()), bitmap.iter().collect::<Vec<_>>());
    });
}

#[test]
fn progress() {
    fuzz("progress", |dice| {
        let length = dice.within(1..64) as u32;
        let [done, failed, running] = [(); 3].map(|()| bits(dice, length));
        let Ok(mut progress) = Progress::from_bytes(length, &done, &failed, &running) else { return };
        for _ in 0..16 {
            let offset = dice.within(0..length as usize) as u32;
            if progress.is_idle(offset) {
                progress.start(offset);
                match dice.within(0..3) {
                    0 => progress.complete(offset),
                    1 => progress.fail(offset),
                    _ => progress.put_back(offset),
                }
            }
        }
        let [done, failed, running] = [progress.done(), progress.failed(), progress.running()].map(Bitmap::to_bytes);
        assert_eq!(Progress::from_bytes(length, &done, &failed, &running).unwrap(), progress);
    });
}

#[test]
fn what_a_job_is_kept_as() {
    let work = r#"{"payload": "null", "tasks": 3, "policy": {"max_parallel": 8, "timeout": {"secs": 300, "nanos": 0}},
        "grants": {"directories": []}, "requires": {"gpu": "yes"}}"#;
    fuzz("rows of jobs", move |dice| {
        let sound = serde_json::to_string(&Policy::default()).unwrap();
        let policy = json::garbled(dice, &[&sound]);
        if let Ok(policy) = serde_json::from_str::<Policy>(&policy).map(rounded) {
            let again = serde_json::to_string(&policy).unwrap();
            assert_eq!(serde_json::from_str::<Policy>(&again).unwrap(), policy, "{again}");
        }
        let spec = json::garbled(dice, &[work]);
        if let Ok(mut spec) = serde_json::from_str::<WorkSpec>(&spec) {
            spec.policy = rounded(spec.policy);
            let again = serde_json::to_string(&spec).unwrap();
            assert_eq!(serde_json::from_str::<WorkSpec>(&again).unwrap(), spec, "{again}");
        }
    });
}

/// Without the numbers that are no whole ones: of those serde_json may read the last bit otherwise than it was written.
fn rounded(policy: Policy) -> Policy {
    let retry = RetryPolicy { factor: 1.0, ..policy.retry };
    Policy { rate_limit: None, max_failed: None, retry, ..policy }
}

/// Mostly of the right length, and with few bits, so that they say something now and then.
fn bits(dice: &mut Dice, length: u32) -> Vec<u8> {
    if dice.once_in(8) {
        return dice.bytes(0..16);
    }
    let mut bytes = vec![0; length.div_ceil(8) as usize];
    for _ in 0..dice.within(0..8) {
        if !bytes.is_empty() {
            let at = dice.within(0..bytes.len());
            bytes[at] |= 1 << dice.within(0..8);
        }
    }
    bytes
}

/// What ranges such as `0-4,7` say.
fn read(ranges: &str) -> Vec<u32> {
    let numbers = |range: &str| {
        let (first, last) = range.split_once('-').unwrap_or((range, range));
        first.parse::<u32>().unwrap()..=last.parse().unwrap()
    };
    ranges.split(',').filter(|range| !range.is_empty()).flat_map(numbers).collect()
}
