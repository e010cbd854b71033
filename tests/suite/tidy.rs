//! Holds the shape of the house: which part may know which, who may name wasmtime, sqlx and the time, and how long a
//! file may get. ARCHITECTURE.md draws it.

use std::fmt::{self, Display, Formatter};
use std::path::{Path, PathBuf};

/// What each part of the host may import, beside itself. An arrow points down: whoever is imported stands below.
const ARROWS: &[(&str, &[&str])] = &[
    ("main", &["app", "cli", "sandbox", "store", "config", "database_setting"]),
    (
        "app",
        &[
            "api",
            "ui",
            "engine",
            "store",
            "sandbox",
            "clock",
            "config",
            "database_setting",
            "plugin_store_setting",
            "domain",
            "status",
            "wakeup",
            "herald",
            "vault",
            "test_fault",
        ],
    ),
    ("api", &["store", "sandbox", "clock", "domain", "recovery_settings", "status", "vault", "wakeup"]),
    ("ui", &["store", "sandbox", "clock", "domain", "recovery_settings", "status", "wakeup"]),
    ("engine", &["store", "sandbox", "clock", "domain", "recovery_settings", "status", "vault", "wakeup"]),
    ("cli", &["domain"]),
    ("test_fault", &["sandbox", "domain"]),
    ("config", &["sandbox", "database_setting", "plugin_store_setting", "recovery_settings", "vault", "domain"]),
    ("herald", &["store", "clock", "domain", "wakeup"]),
    // Whoever waits for a server must know for how long.
    ("store", &["clock", "domain"]),
    ("sandbox", &["domain"]),
    ("clock", &["domain"]),
    ("status", &["domain"]),
    ("database_setting", &[]),
    ("plugin_store_setting", &[]),
    ("recovery_settings", &[]),
    ("vault", &["domain"]),
    ("wakeup", &["domain"]),
    ("domain", &[]),
];

/// What may be named in one place of the host only, and who else may name it, and why.
const CONFINED: &[(&str, &[&str])] = &[
    // The second says how much of their own logs is shown.
    ("wasmtime", &["sandbox/", "config.rs"]),
    ("sqlx", &["store/", "config.rs"]),
    ("object_store", &["store/objects/"]),
    ("SystemTime::now", &["clock.rs"]),
    // A client: it shows how fast an interval moves and how long a host has been away; nothing of it is kept.
    // And how long a call computes, which is a matter of the machine's time.
    ("Instant::now", &["clock.rs", "cli/watch.rs", "sandbox/pace.rs"]),
    ("Utc::now", &["clock.rs"]),
    // A call's timeout is a matter of the machine's time, not of the schedule's.
    ("tokio::time::timeout", &["sandbox/"]),
    ("tokio::time", &["clock.rs", "sandbox/"]),
    ("time::sleep", &["clock.rs", "sandbox/pace.rs"]),
    // The first drives the epochs that interrupt guests, the second asks the host again.
    ("thread::sleep", &["sandbox/engine.rs", "cli/watch.rs"]),
];

/// The folders whose files are ours.
const FOLDERS: [&str; 5] = ["host", "sdk", "plugins", "xtask", "tests"];

/// The most lines that a file may have.
const LINES_MAX: usize = 400;

/// What no file may hold; put together here so that this file does not hold it.
const UNFINISHED: [&str; 5] = [
    concat!("todo", "!"),
    concat!("unimplemented", "!"),
    concat!("TO", "DO"),
    concat!("FIX", "ME"),
    concat!("#[ig", "nore"),
];

/// One line of a source.
struct Line {
    file: PathBuf,
    number: usize,
    text: String,
}

impl Display for Line {
    fn fmt(&self, out: &mut Formatter<'_>) -> fmt::Result {
        write!(out, "{}:{}", self.file.display(), self.number)
    }
}

impl Line {
    /// The line without its comment. A `//` within a text is none, as in `http://`.
    fn code(&self) -> &str {
        let comment = self.text.match_indices("//").find(|(at, _)| !self.text[..*at].ends_with(':'));
        comment.map_or(&self.text, |(at, _)| &self.text[..at])
    }

    /// The part of the host that the line belongs to: `store` for `host/src/store/error.rs`, `app` for `host/src/app.rs`.
    fn part(&self) -> &str {
        let path = self.place().split('/').next().expect("split gives at least one");
        path.strip_suffix(".rs").unwrap_or(path)
    }

    /// The file beneath `host/src`.
    fn place(&self) -> &str {
        self.file.strip_prefix("host/src").expect("a line of the host").to_str().expect("our names are UTF-8")
    }
}

fn workspace() -> &'static Path {
    Path::new(env!("CARGO_MANIFEST_DIR")).parent().expect("tests/ lies in the workspace")
}

/// All Rust files below a folder of the workspace.
fn sources(folder: &Path) -> Vec<PathBuf> {
    let mut files = Vec::new();
    for entry in std::fs::read_dir(folder).unwrap_or_else(|error| panic!("{}: {error}", folder.display())) {
        let path = entry.unwrap().path();
        if path.is_dir() && !path.ends_with("target") {
            files.extend(sources(&path));
        } else if path.extension().is_some_and(|extension| extension == "rs") {
            files.push(path);
        }
    }
    files
}

fn lines_below(folder: &str) -> Vec<Line> {
    let mut lines = Vec::new();
    for path in sources(&workspace().join(folder)) {
        let text = std::fs::read_to_string(&path).unwrap();
        let file = path.strip_prefix(workspace()).expect("it lies in the workspace");
        let line = |(index, text): (usize, &str)| Line { file: file.into(), number: index + 1, text: text.to_owned() };
        lines.extend(text.lines().enumerate().map(line));
    }
    assert!(!lines.is_empty(), "{folder} holds no source");
    lines
}

/// The parts of the crate that a line names after `root`; in braces there may be several.
fn named_parts<'a>(code: &'a str, root: &str) -> Vec<&'a str> {
    let mut named = Vec::new();
    for (at, _) in code.match_indices(root).filter(|(at, _)| !code[..*at].ends_with(is_in_word)) {
        let rest = &code[at + root.len()..];
        let items: Vec<&str> = match rest.strip_prefix('{') {
            Some(list) => list.split(',').collect(),
            None => vec![rest],
        };
        named.extend(items.into_iter().filter_map(|item| item.trim().split(|next| !is_in_word(next)).next()));
    }
    named.retain(|part| part.starts_with(char::is_lowercase));
    named
}

fn is_in_word(letter: char) -> bool {
    letter.is_alphanumeric() || letter == '_'
}

fn assert_none(faults: &[String]) {
    assert!(faults.is_empty(), "\n{}\n", faults.join("\n"));
}

#[test]
fn no_arrow_points_up() {
    let mut faults = Vec::new();
    for line in lines_below("host/src").iter().filter(|line| line.part() != "lib") {
        let Some((part, below)) = ARROWS.iter().find(|(part, _)| *part == line.part()) else {
            faults.push(format!("{line}: `{}` has no place in ARROWS of tests/suite/tidy.rs", line.part()));
            break;
        };
        // The binary stands above the library.
        let root = if *part == "main" { "latchwork::" } else { "crate::" };
        let up = named_parts(line.code(), root).into_iter().filter(|named| named != part && !below.contains(named));
        faults.extend(up.map(|named| format!("{line}: `{part}` must not know `{named}`")));
    }
    assert_none(&faults);
}

#[test]
fn every_arrow_points_from_an_earlier_part_to_a_later_one() {
    for (place, (part, below)) in ARROWS.iter().enumerate() {
        for named in *below {
            let lower = ARROWS.iter().position(|(part, _)| part == named);
            assert!(lower > Some(place), "`{part}` stands above `{named}`");
        }
    }
    let may = |part: &str, named: &str| ARROWS.iter().any(|(from, below)| *from == part && below.contains(&named));
    for (part, named) in [("api", "engine"), ("engine", "api"), ("store", "sandbox"), ("sandbox", "store")] {
        assert!(!may(part, named), "`{part}` and `{named}` meet in rows only");
    }
}

#[test]
fn imports_are_found_however_they_are_written() {
    let cases: [(&str, &[&str]); 5] = [
        ("use crate::store::{Store, StoreError};", &["store"]),
        ("use crate::{api, domain::job::Job};", &["api", "domain"]),
        ("fn close(job: crate::domain::ids::JobId, by: crate::engine::Engine) {", &["domain", "engine"]),
        ("use not_my_crate::app;", &[]),
        ("pub(crate) fn nothing() {}", &[]),
    ];
    for (code, named) in cases {
        assert_eq!(named_parts(code, "crate::"), named, "{code}");
    }
}

#[test]
fn wasmtime_sqlx_and_the_time_are_named_in_their_places_only() {
    let mut faults = Vec::new();
    for line in lines_below("host/src") {
        for (name, places) in CONFINED {
            if line.code().contains(name) && !places.iter().any(|place| line.place().starts_with(place)) {
                faults.push(format!("{line}: `{name}` is named in {} only", places.join(" and ")));
            }
        }
    }
    assert_none(&faults);
}

#[test]
fn no_file_is_too_long() {
    let mut faults = Vec::new();
    for line in FOLDERS.into_iter().flat_map(lines_below).filter(|line| line.number == LINES_MAX + 1) {
        faults.push(format!("{line}: a file has at most {LINES_MAX} lines"));
    }
    assert_none(&faults);
}

#[test]
fn nothing_is_left_unfinished_and_no_test_is_passed_over() {
    let mut faults = Vec::new();
    for line in FOLDERS.into_iter().flat_map(lines_below) {
        for mark in UNFINISHED.into_iter().filter(|mark| line.text.contains(mark)) {
            faults.push(format!("{line}: `{mark}`"));
        }
    }
    assert_none(&faults);
}
