//! Cuts a text into parts that begin and end between lines.

use serde::{Deserialize, Serialize};
use std::fs::File;
use std::io::{self, BufRead, BufReader, Seek, SeekFrom};
use std::num::NonZeroU32;
use std::path::Path;

/// A part of the text, in bytes.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) struct Part {
    pub(crate) start: u64,
    pub(crate) length: u64,
}

/// Cuts a file into so many parts of about one size; the last ones are empty where it has too few lines.
pub(crate) fn cut(file: &Path, parts: NonZeroU32) -> io::Result<Vec<Part>> {
    let file = File::open(file)?;
    let length = file.metadata()?.len();
    let mut text = BufReader::new(file);
    let mut cuts = vec![0];
    for part in 1..parts.get() {
        let wanted = length * u64::from(part) / u64::from(parts.get());
        let cut = if wanted == 0 { 0 } else { line_end_from(&mut text, wanted - 1)? };
        cuts.push(cut);
    }
    cuts.push(length);
    Ok(cuts.windows(2).map(|ends| Part { start: ends[0], length: ends[1] - ends[0] }).collect())
}

/// Where the line ends that the byte at `at` belongs to.
fn line_end_from(text: &mut BufReader<File>, at: u64) -> io::Result<u64> {
    text.seek(SeekFrom::Start(at))?;
    Ok(at + text.skip_until(b'\n')? as u64)
}

#[cfg(test)]
mod tests {
    use super::{Part, cut};
    use std::io::Write as _;
    use std::num::NonZeroU32;

    fn parts(text: &str, parts: u32) -> Vec<String> {
        let mut file = tempfile::NamedTempFile::new().unwrap();
        file.write_all(text.as_bytes()).unwrap();
        let of = |part: &Part| text[part.start as usize..(part.start + part.length) as usize].to_owned();
        cut(file.path(), NonZeroU32::new(parts).unwrap()).unwrap().iter().map(of).collect()
    }

    #[test]
    fn parts_follow_one_another_and_hold_whole_lines() {
        assert_eq!(parts("one\ntwo\nthree\nfour\n", 2), ["one\ntwo\nthree\n", "four\n"]);
        assert_eq!(parts("aa\nbb\ncc\n", 3), ["aa\n", "bb\n", "cc\n"]);
        let text = (0..1_000).map(|line| format!("line {line}\n")).collect::<String>();
        let cut = parts(&text, 7);
        assert_eq!((cut.len(), cut.concat()), (7, text));
        assert!(cut.iter().all(|part| part.starts_with("line ") && part.ends_with('\n')));
    }

    #[test]
    fn a_text_with_fewer_lines_than_parts_leaves_the_others_empty() {
        assert_eq!(parts("all in one line", 3), ["all in one line", "", ""]);
        assert_eq!(parts("", 2), ["", ""]);
    }
}
