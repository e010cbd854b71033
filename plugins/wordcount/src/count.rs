//! Counts the words of one part, and keeps how far it has come.

use crate::Order;
use crate::parts::Part;
use crate::words::Words;
use latchwork_sdk::{HostError, TaskError, checkpoint, log};
use serde::{Deserialize, Serialize};
use std::fs::File;
use std::io::{self, BufRead, BufReader, Read as _, Seek as _, SeekFrom};
use std::{thread, time::Duration};

/// How far a part is.
#[derive(Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
struct Progress {
    /// Bytes that have been read.
    bytes: u64,
    words: Words,
}

/// Counts on from where an earlier attempt has come to.
pub(crate) fn count(part: Part, order: &Order, checkpoint: Option<&[u8]>) -> Result<Words, TaskError> {
    let mut progress = resumed(checkpoint);
    if progress.bytes > 0 {
        log::info!("goes on after {} of {} bytes", progress.bytes, part.length);
    }
    let mut file = File::open(&order.file)?;
    file.seek(SeekFrom::Start(part.start + progress.bytes))?;
    let mut text = BufReader::new(file).take(part.length - progress.bytes);
    while progress.read(&mut text, order.lines.get())? {
        keep(&progress)?;
        thread::sleep(Duration::from_millis(order.rest_ms));
    }
    Ok(progress.words)
}

/// What an earlier attempt has kept. One that another version of this plugin wrote is as good as none.
fn resumed(checkpoint: Option<&[u8]>) -> Progress {
    checkpoint.and_then(|bytes| serde_json::from_slice(bytes).ok()).unwrap_or_default()
}

impl Progress {
    /// Reads so many lines more; false at the end of the part.
    fn read(&mut self, text: &mut impl BufRead, lines: u32) -> io::Result<bool> {
        let mut line = Vec::new();
        for _ in 0..lines {
            line.clear();
            let bytes = text.read_until(b'\n', &mut line)?;
            if bytes == 0 {
                return Ok(false);
            }
            self.bytes += bytes as u64;
            self.words.read(&line);
        }
        Ok(true)
    }
}

fn keep(progress: &Progress) -> Result<(), TaskError> {
    match checkpoint::save(serde_json::to_vec(progress)?) {
        // So many different words: a crash then costs what was read since the last checkpoint that was small enough.
        Err(HostError::LimitExceeded(reason)) => log::warn!("goes on without a checkpoint: {reason}"),
        saved => saved?,
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::{Progress, resumed};

    #[test]
    fn a_part_is_read_some_lines_at_a_time_and_goes_on_from_what_was_kept() {
        let text = "one two\ntwo\nthree\n".as_bytes();
        let mut whole = Progress::default();
        assert!(!whole.read(&mut &*text, 10).unwrap());
        let mut half = Progress::default();
        assert!(half.read(&mut &*text, 2).unwrap());
        assert_eq!(half.bytes, 12);
        let mut resumed = resumed(Some(&serde_json::to_vec(&half).unwrap()));
        assert!(!resumed.read(&mut &text[12..], 2).unwrap());
        assert_eq!(resumed, whole);
    }

    #[test]
    fn a_checkpoint_that_cannot_be_read_is_none() {
        assert_eq!(resumed(Some(b"half way")), Progress::default());
    }
}
