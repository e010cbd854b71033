//! What a guest writes to its log, its keys, its events and its checkpoint: whatever the bytes and their order are, the
//! host keeps what a simple model of it keeps, and nothing of a secret in the log.

use crate::commands::{self, Act, Command};
use crate::dice::Dice;
use crate::rounds::fuzz;
use crate::surroundings::{self, Host};
use latchwork::domain::call_limits::CallLimits;
use latchwork::domain::grants::SecretShown;
use latchwork::domain::key_quota;
use latchwork::domain::task::{Event, FailureKind, LogLevel, Outcome, TaskOutput};
use latchwork::domain::timestamp::Timestamp;
use latchwork::sandbox::{
    CallReport, Compiler, EVENT_BODY_BYTES_MAX, EVENT_NAME_BYTES_MAX, EVENTS_BYTES_MAX, EVENTS_MAX, GrantedSecret,
    KEY_BYTES_MAX, Limits, Reach, Sandbox, Surroundings, TaskInput, WarmCell,
};
use serde::de::IgnoredAny;
use std::cmp::Reverse;
use std::iter;
use std::sync::Arc;
use std::time::Duration;

/// How many lists of commands one sandbox is given, as long as it succeeds.
const CALLS: u32 = 2;

/// No list takes so long, on however busy a machine.
const PATIENT: Duration = Duration::from_secs(20);

/// What a line of the log costs beside its text.
const LINE_BYTES: usize = 64;

/// So much of a secret is one, too: a line of it, or its beginning.
const PART_BYTES_MIN: usize = 8;

/// Longer than what is shown for them: a line takes less where they are covered in it.
const SECRETS: [&str; 4] = [
    "s3cr3t/of the job, and not a short one",
    "pässwört: öffne dich, aber nicht für jeden",
    "-----BEGIN KEY-----\nthe first line of the key\nlast\n-----END KEY-----",
    "read from a file, with the end of its line\n",
];

const SHOWN: &str = "[secret TOKEN]";

#[test]
fn what_a_guest_writes() {
    let runtime = tokio::runtime::Builder::new_multi_thread().worker_threads(2).enable_all().build().unwrap();
    let sandbox = Sandbox::new(Compiler::within_this_process()).unwrap();
    let loaded = runtime.block_on(sandbox.load(commands::guest().component()));
    let plugin = loaded.unwrap_or_else(|refusal| panic!("{refusal}"));
    fuzz("relay", move |dice| {
        let (secret, limits) = (*dice.pick(&SECRETS), limits(dice));
        let scope = surroundings::scope_with("null".to_owned(), limits, reach(secret));
        let mut warm = WarmCell::for_calls(CALLS);
        for _ in 0..CALLS {
            // Arguments are no longer than what two bytes can say.
            let room = limits.call.log_bytes_max.min(50_000) as usize;
            let commands = commands::any(dice, secret, room);
            let checkpoint = commands.iter().flat_map(Command::bytes).collect();
            let task = TaskInput { checkpoint: Some(checkpoint), ..surroundings::task() };
            let host = Arc::<Host>::default();
            let around = Surroundings { scope: &scope, task: Some(host.clone()), warm: Some(&mut warm) };
            let report = runtime.block_on(plugin.run(&task, around));
            Model::new(limits, secret).check(&commands, &report, host.saved());
        }
    });
}

/// Mostly small ones, so that they are met.
fn limits(dice: &mut Dice) -> Limits {
    let [log_bytes_max, key_bytes_max, checkpoint_bytes_max] =
        [(); 3].map(|()| *dice.pick(&[0_u64, 100, 1_000, 10_000, 1 << 20]) + dice.within(0..100) as u64);
    Limits {
        timeout: PATIENT,
        memory_bytes_max: 64 << 20,
        key_bytes_max,
        call: CallLimits { cpu_max: PATIENT, log_bytes_max, checkpoint_bytes_max, ..CallLimits::default() },
    }
}

fn reach(secret: &str) -> Reach {
    let secret = GrantedSecret {
        env: "TOKEN".to_owned(),
        shown_as: SecretShown::Value,
        hosts: Vec::new(),
        value: secret.to_owned().into(),
    };
    Reach { secrets: vec![secret], ..Reach::default() }
}

/// What the host keeps of a call.
struct Model {
    limits: Limits,
    /// The secret and its lines, the longest first.
    parts: Vec<&'static str>,
    unfinished: Vec<u8>,
    log: Vec<String>,
    log_bytes: usize,
    dropped: usize,
    saved: Option<Vec<u8>>,
    kept: TaskOutput,
}

impl Model {
    fn new(limits: Limits, secret: &'static str) -> Self {
        let lines = secret.lines().filter(|line| line.len() >= PART_BYTES_MIN);
        let mut parts: Vec<_> = iter::once(secret).chain(lines).collect();
        parts.sort_by_key(|part| Reverse(part.len()));
        let (unfinished, log, kept) = (Vec::new(), Vec::new(), TaskOutput::default());
        Self { limits, parts, unfinished, log, log_bytes: 0, dropped: 0, saved: None, kept }
    }

    /// Obeys, and checks that the host has kept the same.
    fn check(mut self, commands: &[Command], report: &CallReport<TaskOutput>, saved: Option<Vec<u8>>) {
        let obeyed = commands.iter().try_for_each(|command| self.obey(command));
        self.finish_line();
        report.log.iter().for_each(|line| self.check_covered(&line.message));
        // What the guest says is told from what the host does by its level.
        let lines_of = |is_host: bool| {
            report.log.iter().filter(move |line| (line.level == LogLevel::Warn) == is_host).map(|line| &line.message)
        };
        assert_eq!(lines_of(false).collect::<Vec<_>>(), self.log.iter().collect::<Vec<_>>());
        let (dropped, max) = (self.dropped, self.limits.call.log_bytes_max);
        let line = format!("{dropped} further lines dropped: a task's log keeps {max} bytes (log_limit_bytes)");
        assert_eq!(lines_of(true).any(|told| *told == line), dropped > 0, "{:?}", report.log);
        assert_eq!(saved, self.saved);
        match (&report.outcome, obeyed) {
            (Outcome::Succeeded(kept), Some(())) => assert_eq!(*kept, self.kept),
            (Outcome::Failed(failure), None) => assert_eq!(failure.kind, FailureKind::Trap, "{}", failure.message),
            (outcome, _) => panic!("{obeyed:?} and {outcome:?}"),
        }
    }

    /// No line has the secret in it, or ends within it.
    fn check_covered(&self, line: &str) {
        for part in &self.parts {
            let begins = (PART_BYTES_MIN..part.len()).any(|bytes| line.as_bytes().ends_with(&part.as_bytes()[..bytes]));
            assert!(!line.contains(*part) && !begins, "{part:?} in {line:?}");
        }
    }

    /// None where the call ends, as the guest says that something is a text which is none.
    fn obey(&mut self, Command { act, one, other }: &Command) -> Option<()> {
        match act {
            Act::Log => self.add_line(text(one)?),
            Act::Print => self.print(one),
            Act::Set => self.set(text(one)?, Some(other.clone())),
            Act::Delete => self.set(text(one)?, None),
            Act::Emit => self.emit(text(one)?, text(other)?),
            Act::Save if one.len() as u64 <= self.limits.call.checkpoint_bytes_max => self.saved = Some(one.clone()),
            Act::Save => {}
            Act::Get => {
                text(one)?;
            }
            Act::List => {
                text(one)?;
                text(other)?;
            }
        }
        Some(())
    }

    fn print(&mut self, bytes: &[u8]) {
        for piece in bytes.split_inclusive(|byte| *byte == b'\n') {
            let text = piece.strip_suffix(b"\n");
            self.unfinished.extend(text.unwrap_or(piece));
            if text.is_some() {
                self.finish_line();
            }
        }
    }

    fn finish_line(&mut self) {
        let line = std::mem::take(&mut self.unfinished);
        let text = String::from_utf8_lossy(&line);
        if line.len() > self.log_bytes_max() {
            self.dropped += 1;
        } else if !text.trim_end().is_empty() {
            self.add_line(text.trim_end());
        }
    }

    fn add_line(&mut self, text: &str) {
        let text = self.parts.iter().fold(text.to_owned(), |text, part| text.replace(*part, SHOWN));
        if self.log_bytes + text.len() + LINE_BYTES > self.log_bytes_max() {
            self.dropped += 1;
            return;
        }
        self.log_bytes += text.len() + LINE_BYTES;
        self.log.push(text);
    }

    fn log_bytes_max(&self) -> usize {
        self.limits.call.log_bytes_max as usize
    }

    /// Nothing was kept before, so that all that the keys take is what the call writes.
    fn set(&mut self, key: &str, value: Option<Vec<u8>>) {
        let mut keys = self.kept.keys.clone();
        keys.insert(key.to_owned(), value);
        if (1..=KEY_BYTES_MAX).contains(&key.len()) && key_quota::size_of(&keys) <= self.limits.key_bytes_max {
            self.kept.keys = keys;
        }
    }

    fn emit(&mut self, name: &str, body: &str) {
        let events = &mut self.kept.events;
        let bytes: usize = events.iter().map(|event| event.name.len() + event.body.len()).sum();
        let is_one = (1..=EVENT_NAME_BYTES_MAX).contains(&name.len())
            && body.len() <= EVENT_BODY_BYTES_MAX
            && serde_json::from_str::<IgnoredAny>(body).is_ok();
        if is_one && events.len() < EVENTS_MAX && bytes + name.len() + body.len() <= EVENTS_BYTES_MAX {
            events.push(Event { at: Timestamp::from_ms(0), name: name.to_owned(), body: body.to_owned() });
        }
    }
}

fn text(bytes: &[u8]) -> Option<&str> {
    str::from_utf8(bytes).ok()
}
