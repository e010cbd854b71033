//! Compiled code, from the disk and from the compiler's process: what this host has not written is not used.

use crate::dice::Dice;
use crate::rounds::fuzz;
use latchwork::domain::digest::Digest;
use latchwork::sandbox::{CodeCache, CompileLimits, Compiler, Refusal, Sandbox};
use latchwork_tests::Guest;
use std::fs::Permissions;
use std::os::unix::fs::PermissionsExt as _;
use std::path::Path;
use std::time::Duration;

const LIMITS: CompileLimits =
    CompileLimits { memory_bytes_max: 1 << 30, cpu_max: Duration::from_mins(1), timeout: Duration::from_secs(30) };

#[test]
fn files_of_the_cache() {
    let files = tempfile::TempDir::new().unwrap();
    let (component, runtime) = (Guest::default().component(), runtime());
    let cache = || CodeCache::open(files.path()).unwrap();
    let writer = Sandbox::new(Compiler::within_this_process()).unwrap().with_cache(cache());
    runtime.block_on(writer.load(component.clone())).unwrap_or_else(|refusal| panic!("{refusal}"));
    let digest = Digest::of(&component);
    let entry = files.path().join("code-cache").join(digest.to_string());
    let sound = std::fs::read(&entry).unwrap();
    // It can compile nothing: what it loads, it has from the cache.
    let reader = Sandbox::new(Compiler::new("/no/such/compiler".into(), LIMITS)).unwrap().with_cache(cache());
    fuzz("files of the cache", move |dice| {
        let _keep = &files;
        let written = match dice.within(0..16) {
            0 => sound.clone(),
            1 => dice.bytes(0..200),
            // Only what stands before the code: there the decoder is.
            2..8 => [&dice.damaged(&sound[..48])[..], &sound[48..]].concat(),
            _ => dice.damaged(&sound),
        };
        std::fs::write(&entry, &written).unwrap();
        let loaded = runtime.block_on(reader.load(component.clone()));
        assert_eq!(loaded.is_ok(), written == sound, "what is used is what was written");
        if written != sound {
            assert!(matches!(loaded.err(), Some(Refusal::CompilerUnavailable(_))));
            assert!(!entry.exists(), "it is discarded");
        }
        reader.forget(&digest);
    });
}

#[test]
fn answers_of_the_compiler() {
    let files = tempfile::TempDir::new().unwrap();
    let (component, runtime) = (Guest::default().component(), runtime());
    let (program, said) = (files.path().join("compiler"), files.path().join("said"));
    let sandbox = Sandbox::new(Compiler::new(program.clone(), LIMITS)).unwrap();
    fuzz("answers of the compiler", move |dice| {
        let _keep = &files;
        std::fs::write(&said, answer(dice)).unwrap();
        let words = dice.garbled(&["memory allocation of 7 bytes failed", "thread 'main' panicked"]);
        let words: String = words.chars().filter(|c| c.is_ascii_alphanumeric() || *c == ' ').collect();
        let end = *dice.pick(&["exit 0", "exit 0", "exit 1", "kill -KILL $$", "kill -XCPU $$", "kill -SEGV $$"]);
        let reads = if dice.once_in(2) { "/bin/cat >/dev/null" } else { "exec 0<&-" };
        write_program(&program, &format!("#!/bin/sh\n{reads}\n/bin/cat {}\necho {words} >&2\n{end}\n", said.display()));
        // A component that is large enough to fill the pipe that nobody reads.
        let mut upload = component.clone();
        upload.extend([0; 3]);
        let refusal = runtime.block_on(sandbox.load(upload)).err().expect("nothing of it is code");
        assert!(!refusal.to_string().is_empty());
    });
}

/// Anything but sound code, which would be believed.
fn answer(dice: &mut Dice) -> Vec<u8> {
    let mut answer = dice.bytes(0..300);
    if let Some(kind) = answer.first_mut().filter(|_| dice.once_in(2)) {
        *kind %= 4;
    }
    answer
}

fn write_program(path: &Path, text: &str) {
    // Another file each time: one that is being executed cannot be written to.
    let draft = path.with_extension("draft");
    std::fs::write(&draft, text).unwrap();
    std::fs::set_permissions(&draft, Permissions::from_mode(0o700)).unwrap();
    std::fs::rename(&draft, path).unwrap();
}

fn runtime() -> tokio::runtime::Runtime {
    tokio::runtime::Builder::new_multi_thread().worker_threads(2).enable_all().build().unwrap()
}
