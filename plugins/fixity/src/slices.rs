//! The part of the files that each task audits, from the plan's cut to the task that takes it.
//!
//! A slice lies in the job's keys until its task has completed: a task that failed finds it again when it is retried.

use latchwork_sdk::{TaskError, keys};
use std::num::NonZeroU32;

/// What one value of the host's keys holds.
const VALUE_BYTES_MAX: usize = 1 << 20;

/// Cuts the paths into `tasks` even slices.
///
/// They are fewer where there are fewer paths, and more where a slice would not fit in a value.
pub(crate) fn cut(paths: &[String], tasks: NonZeroU32) -> Vec<&[String]> {
    let slices = paths.len().min(tasks.get() as usize);
    // In u64, because a product of the two may not fit in the 32 bits of a plugin's usize.
    let edge = |slice: usize| (paths.len() as u64 * slice as u64 / slices as u64) as usize;
    (0..slices).flat_map(|slice| fitting(&paths[edge(slice)..edge(slice + 1)], VALUE_BYTES_MAX)).collect()
}

/// Halves a slice until every part fits in `bytes_max` as JSON, or is a single path.
fn fitting(slice: &[String], bytes_max: usize) -> Vec<&[String]> {
    if slice.len() < 2 || json_bytes_max(slice) <= bytes_max {
        return vec![slice];
    }
    let (front, back) = slice.split_at(slice.len() / 2);
    [fitting(front, bytes_max), fitting(back, bytes_max)].concat()
}

/// An upper bound of the slice's length as JSON: escaping makes a byte at most six, and a path adds two quotes and a
/// comma.
fn json_bytes_max(slice: &[String]) -> usize {
    let escaped = |path: &String| path.bytes().map(|byte| if needs_escape(byte) { 6 } else { 1 }).sum::<usize>();
    2 + slice.iter().map(|path| escaped(path) + 3).sum::<usize>()
}

fn needs_escape(byte: u8) -> bool {
    byte.is_ascii_control() || matches!(byte, b'"' | b'\\')
}

/// Leaves each task its slice, and returns how many tasks that makes.
pub(crate) fn leave(interval_id: &str, slices: &[&[String]]) -> Result<u32, TaskError> {
    let mut tasks = 0;
    for slice in slices {
        keys::set(&key(interval_id, tasks), serde_json::to_vec(slice)?)?;
        tasks += 1;
    }
    Ok(tasks)
}

/// Takes the slice of a task out of the keys.
pub(crate) fn take(interval_id: &str, index: u32) -> Result<Vec<String>, TaskError> {
    let key = key(interval_id, index);
    let Some(slice) = keys::get(&key)? else {
        return Err(TaskError::fatal(format!("the plan left no slice under the key {key}")));
    };
    keys::delete(&key)?;
    serde_json::from_slice(&slice).map_err(|error| TaskError::fatal(format!("the slice {key} is unreadable: {error}")))
}

fn key(interval_id: &str, index: u32) -> String {
    format!("slice/{interval_id}/{index}")
}

#[cfg(test)]
mod tests {
    use super::{cut, fitting, json_bytes_max};
    use std::num::NonZeroU32;

    fn paths(count: usize) -> Vec<String> {
        (0..count).map(|number| format!("path-{number}")).collect()
    }

    fn lengths(files: usize, tasks: u32) -> Vec<usize> {
        cut(&paths(files), NonZeroU32::new(tasks).unwrap()).iter().map(|slice| slice.len()).collect()
    }

    #[test]
    fn slices_are_even_and_keep_every_path_in_order() {
        assert_eq!(lengths(10, 4), [2, 3, 2, 3]);
        let paths = paths(1000);
        assert_eq!(cut(&paths, NonZeroU32::new(7).unwrap()).concat(), paths);
    }

    #[test]
    fn there_are_no_more_tasks_than_files() {
        assert_eq!(lengths(3, 256), [1, 1, 1]);
        assert_eq!(lengths(0, 256), [0; 0]);
    }

    #[test]
    fn a_slice_that_does_not_fit_in_a_value_is_cut_further() {
        let paths = paths(9);
        let parts = fitting(&paths, 40);
        assert!(parts.iter().all(|part| serde_json::to_vec(part).unwrap().len() <= 40));
        assert_eq!(parts.concat(), paths);
    }

    #[test]
    fn the_bound_holds_for_paths_that_json_escapes() {
        let slice = ["a\"b\\c\n\u{1}\u{7f}é".to_owned(), String::new()];
        assert!(json_bytes_max(&slice) >= serde_json::to_vec(&slice).unwrap().len());
    }
}
