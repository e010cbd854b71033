//! Guests that were granted a directory, and want what lies beside it.

use super::case::Case;
use latchwork_tests::{Guest, SUCCESS};
use serde_json::{Value, json};
use std::os::unix::fs::symlink;
use std::path::PathBuf;
use tempfile::TempDir;

/// A granted directory, and what lies around it.
pub(super) struct Outside {
    root: TempDir,
}

const SECRET: &str = "a secret";

impl Outside {
    pub(super) fn new() -> Self {
        let outside = Self { root: TempDir::new().unwrap() };
        std::fs::create_dir_all(outside.path("granted/deep")).unwrap();
        std::fs::write(outside.path("secret.txt"), SECRET).unwrap();
        std::fs::write(outside.path("granted/inside.txt"), "inside").unwrap();
        let granted = |link: &str| outside.path("granted").join(link);
        symlink("../secret.txt", granted("relative-link")).unwrap();
        symlink(outside.path("secret.txt"), granted("absolute-link")).unwrap();
        symlink("..", granted("outward")).unwrap();
        symlink("third-link", granted("first-link")).unwrap();
        symlink("outward/secret.txt", granted("third-link")).unwrap();
        symlink("circle", granted("circle")).unwrap();
        outside
    }

    fn path(&self, path: &str) -> PathBuf {
        self.root.path().canonicalize().unwrap().join(path)
    }

    /// The value of `--allow-dir`.
    pub(super) fn allowed(&self) -> String {
        format!("{}:rw", self.path("granted").display())
    }

    /// The fields of a job that is granted it.
    pub(super) fn grant(&self, access: &str) -> Value {
        let directory = json!({ "path": self.path("granted"), "mount": "/data", "access": access });
        json!({ "grants": { "directories": [directory] } })
    }

    /// Nothing outside was written, and nothing inside by those who could only read.
    pub(super) fn assert_untouched(&self) {
        assert_eq!(std::fs::read_to_string(self.path("secret.txt")).unwrap(), SECRET);
        assert_eq!(std::fs::read_to_string(self.path("granted/inside.txt")).unwrap(), "inside");
        assert_eq!(self.path("granted/deep").read_dir().unwrap().count(), 0);
        let beside: Vec<_> = self.root.path().read_dir().unwrap().map(|entry| entry.unwrap().file_name()).collect();
        assert_eq!(beside.len(), 2, "{beside:?}");
    }
}

/// The first granted directory's handle, kept in a global.
const ROOT: &str = "(global $root (mut i32) (i32.const 0))
    (func $enter
        (call $get-directories (i32.const 64))
        (if (i32.eqz (i32.load (i32.const 68))) (then (unreachable)))
        (global.set $root (i32.load (i32.load (i32.const 64)))))
    (func $open (param $path i32) (param $length i32) (param $open-flags i32) (param $flags i32)
        (call $open-at (global.get $root) (i32.const 1) (local.get $path) (local.get $length) (local.get $open-flags)
            (local.get $flags) (i32.const 64)))
    ;; What was asked for at 64 was denied: that is the output. Else it is an error.
    (func $denied (result i32)
        (if (result i32) (i32.load8_u (i32.const 64))
            (then (call $output (i32.const 1000) (i32.const 8)))
            (else (call $fatal (i32.const 1010) (i32.const 13)))))
    (data (i32.const 1000) \"\\22denied\\22\") (data (i32.const 1010) \"it was let in\")";

const READ: u32 = 1;
const WRITE: u32 = 2;
const CREATE: u32 = 1;

pub(super) fn cases(outside: &Outside) -> Vec<Case> {
    let secret = outside.path("secret.txt").display().to_string();
    let mut cases: Vec<Case> = [
        ("a path upwards", "../secret.txt"),
        ("a path down and upwards", "deep/../../secret.txt"),
        ("a path upwards from a file", "inside.txt/../../secret.txt"),
        ("the directory above", ".."),
        ("an absolute path", "/etc/passwd"),
        ("an absolute path of what is there", &secret),
        ("a link upwards", "relative-link"),
        ("a link with an absolute path", "absolute-link"),
        ("a path through a link upwards", "outward/secret.txt"),
        ("a chain of links", "first-link"),
        ("a circle of links", "circle"),
        ("the host's own environment", "/proc/self/environ"),
        ("a path with a zero in it", "inside.txt\\00/../../secret.txt"),
        ("no path", ""),
    ]
    .into_iter()
    .map(|(name, path)| Case::output(name, opening(path, 0, READ), json!("denied")).with(outside.grant("read")))
    .collect();
    let writes = [
        ("a new file where only reading is granted", opening("new.txt", CREATE, READ | WRITE)),
        ("writing where only reading is granted", opening("inside.txt", 0, WRITE)),
        ("truncating where only reading is granted", opening("inside.txt", 8, READ)),
        ("a directory for changes where only reading is granted", through_directory()),
        ("removing where only reading is granted", acting("unlink-at", "inside.txt", None)),
        ("renaming where only reading is granted", acting("rename-at", "inside.txt", Some("renamed.txt"))),
        ("a link where only reading is granted", acting("symlink-at", "/etc", Some("etc"))),
    ];
    cases.extend(writes.map(|(name, guest)| Case::output(name, guest, json!("denied")).with(outside.grant("read"))));
    let escapes = [
        ("renaming a file out", acting("rename-at", "inside.txt", Some("../stolen.txt"))),
        ("renaming a file in", acting("rename-at", "../secret.txt", Some("stolen.txt"))),
        ("linking a file in", acting("link-at", "../secret.txt", Some("stolen.txt"))),
        ("a link of one's own to everything", acting("symlink-at", "/", Some("root"))),
        ("removing a file outside", acting("unlink-at", "../secret.txt", None)),
        ("writing through a link", opening("relative-link", 0, WRITE)),
        ("a new file outside", opening("outward/new.txt", CREATE, READ | WRITE)),
        ("a link of one's own upwards", through_own_link()),
    ];
    cases.extend(
        escapes.map(|(name, guest)| Case::output(name, guest, json!("denied")).with(outside.grant("read-write"))),
    );
    let nothing = guest(
        &["get-directories"],
        "",
        "(call $get-directories (i32.const 64))
        (if (i32.load (i32.const 68)) (then (unreachable)))",
    );
    cases.push(Case::output(
        "no directory at all",
        Guest { run: format!("{} {SUCCESS}", nothing.run), ..nothing },
        json!(null),
    ));
    cases
}

/// Tries to open a path.
fn opening(path: &str, open_flags: u32, flags: u32) -> Guest {
    let length = path.replace("\\00", "0").len();
    let run = format!(
        "(call $enter) (call $open (i32.const 1100) (i32.const {length}) (i32.const {open_flags}) (i32.const {flags}))
        (call $denied)"
    );
    guest(&["get-directories", "open-at"], path, &run)
}

/// Makes a link that leads upwards, which is allowed, and tries to open what is behind it.
fn through_own_link() -> Guest {
    let run = "(call $enter)
        (call $symlink-at (global.get $root) (i32.const 1100) (i32.const 2) (i32.const 1102) (i32.const 3) (i32.const 64))
        (call $open (i32.const 1102) (i32.const 14) (i32.const 0) (i32.const 1))
        (call $denied)";
    guest(&["get-directories", "open-at", "symlink-at"], "..own/secret.txt", run)
}

/// Opens a directory below for changes, and tries to make one.
fn through_directory() -> Guest {
    let run = "(call $enter)
        (call $open (i32.const 1100) (i32.const 4) (i32.const 2) (i32.const 33))
        (if (i32.eqz (i32.load8_u (i32.const 64)))
            (then
                (global.set $root (i32.load (i32.const 68)))
                (call $open (i32.const 1104) (i32.const 7) (i32.const 1) (i32.const 3))))
        (call $denied)";
    guest(&["get-directories", "open-at"], "deepnew.txt", run)
}

/// Tries one of the functions that change something, with one path or two.
fn acting(function: &'static str, one: &str, other: Option<&str>) -> Guest {
    let path = |at: usize, text: &str| format!("(i32.const {at}) (i32.const {})", text.len());
    let (first, second) = (path(1_100, one), other.map(|other| path(1_100 + one.len(), other)).unwrap_or_default());
    let (uses, arguments): (&'static [&'static str], _) = match function {
        "unlink-at" => (&["get-directories", "open-at", "unlink-at"], first),
        "symlink-at" => (&["get-directories", "open-at", "symlink-at"], format!("{first} {second}")),
        "rename-at" => (&["get-directories", "open-at", "rename-at"], format!("{first} (global.get $root) {second}")),
        _ => (&["get-directories", "open-at", "link-at"], format!("(i32.const 0) {first} (global.get $root) {second}")),
    };
    let run = format!("(call $enter) (call ${function} (global.get $root) {arguments} (i32.const 64)) (call $denied)");
    guest(uses, &format!("{one}{}", other.unwrap_or_default()), &run)
}

fn guest(uses: &'static [&'static str], paths: &str, run: &str) -> Guest {
    let fields =
        if uses.contains(&"open-at") { format!("{ROOT} (data (i32.const 1100) \"{paths}\")") } else { String::new() };
    Guest { fields, ..Guest::using(uses, run) }
}
