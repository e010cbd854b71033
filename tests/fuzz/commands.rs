//! Commands for a guest, and the guest that obeys them.

use crate::dice::Dice;
use latchwork::sandbox::{EVENT_NAME_BYTES_MAX, KEY_BYTES_MAX};
use latchwork_tests::{Guest, SUCCESS};

/// The most that a guest may print at a time.
const PRINT_BYTES_MAX: usize = 4_096;

const ACTS: [Act; 8] = [Act::Log, Act::Print, Act::Set, Act::Get, Act::List, Act::Delete, Act::Emit, Act::Save];

const BODIES: &[&str] = &["1", r#"{"a": [1, null, "é"]}"#, r#""\ud800""#, "1e999", "{} {}", "[", ""];

/// What a guest can be told to do.
#[derive(Debug, Clone, Copy)]
pub(crate) enum Act {
    Log,
    Print,
    Set,
    Get,
    List,
    Delete,
    Emit,
    Save,
}

/// What it is to do, and with what; most acts take the first alone.
#[derive(Debug, Clone)]
pub(crate) struct Command {
    pub(crate) act: Act,
    pub(crate) one: Vec<u8>,
    pub(crate) other: Vec<u8>,
}

impl Command {
    /// As the guest reads it.
    pub(crate) fn bytes(&self) -> Vec<u8> {
        let length = |argument: &[u8]| u16::try_from(argument.len()).expect("none is longer").to_le_bytes();
        let lengths = [length(&self.one), length(&self.other)].concat();
        [&[self.act as u8][..], &lengths[..], &self.one[..], &self.other[..]].concat()
    }
}

/// Takes its checkpoint for commands, and goes on whatever the host answers.
pub(crate) fn guest() -> Guest {
    const ONE: &str = "(local.get $one) (local.get $one-length)";
    const OTHER: &str = "(local.get $other) (local.get $other-length)";
    const ANSWER: &str = "(i32.const 64)";
    let obey = |act: Act| match act {
        Act::Log => format!("(call $log-write (i32.const 1) {ONE})"),
        Act::Print => format!("(call $stream-write (local.get $stdout) {ONE} {ANSWER})"),
        Act::Set => format!("(call $keys-set {ONE} {OTHER} {ANSWER})"),
        Act::Get => format!("(call $keys-get {ONE} {ANSWER})"),
        Act::List => format!("(call $keys-list {ONE} (i32.const 1) {OTHER} (i32.const 10) {ANSWER})"),
        Act::Delete => format!("(call $keys-delete {ONE} {ANSWER})"),
        Act::Emit => format!("(call $events-emit {ONE} {OTHER} {ANSWER})"),
        Act::Save => format!("(call $checkpoint-save {ONE} {ANSWER})"),
    };
    let obeys = |act: Act| format!("(if (i32.eq (local.get $act) (i32.const {})) (then {}))", act as u8, obey(act));
    let run = format!(
        "(local $at i32) (local $end i32) (local $stdout i32) (local $act i32)
        (local $one i32) (local $one-length i32) (local $other i32) (local $other-length i32)
        ;; Where the checkpoint lies, by the context, and how long it is.
        (local.set $at (i32.load offset=88 (local.get $task)))
        (local.set $end (i32.add (local.get $at) (i32.load offset=92 (local.get $task))))
        (local.set $stdout (call $get-stdout))
        (loop $next
            (if (i32.lt_u (local.get $at) (local.get $end)) (then
                (local.set $act (i32.load8_u (local.get $at)))
                (local.set $one-length (i32.load16_u offset=1 (local.get $at)))
                (local.set $other-length (i32.load16_u offset=3 (local.get $at)))
                (local.set $one (i32.add (local.get $at) (i32.const 5)))
                (local.set $other (i32.add (local.get $one) (local.get $one-length)))
                (local.set $at (i32.add (local.get $other) (local.get $other-length)))
                {}
                (br $next))))
        {SUCCESS}",
        ACTS.map(obeys).concat()
    );
    let uses = &[
        "log-write",
        "get-stdout",
        "stream-write",
        "keys-set",
        "keys-get",
        "keys-list",
        "keys-delete",
        "events-emit",
        "checkpoint-save",
    ];
    Guest::using(uses, run)
}

/// Up to some dozen commands, or one of them a thousand times; `room` is what the log takes.
pub(crate) fn any(dice: &mut Dice, secret: &str, room: usize) -> Vec<Command> {
    (0..dice.within(0..30)).flat_map(|_| some(dice, secret, room)).collect()
}

fn some(dice: &mut Dice, secret: &str, room: usize) -> Vec<Command> {
    let act = *dice.pick(&ACTS);
    if dice.once_in(40) {
        let other = "1".repeat(dice.within(1..1_000)).into_bytes();
        return vec![Command { act, one: b"n\n".to_vec(), other }; dice.within(0..1_500)];
    }
    let (one, other) = match act {
        Act::Print => return printed(dice, secret, room),
        Act::Log | Act::Save => (text(dice, secret, room), String::new()),
        Act::Set => (name(dice, KEY_BYTES_MAX), text(dice, secret, room)),
        Act::Get | Act::Delete => (name(dice, KEY_BYTES_MAX), String::new()),
        Act::List => (name(dice, KEY_BYTES_MAX), name(dice, KEY_BYTES_MAX)),
        Act::Emit => (name(dice, EVENT_NAME_BYTES_MAX), dice.garbled(BODIES)),
    };
    vec![Command { act, one: argument(dice, one), other: argument(dice, other) }]
}

/// A text in pieces, one right after the other, and now and then what is no text behind it.
fn printed(dice: &mut Dice, secret: &str, room: usize) -> Vec<Command> {
    let mut bytes = text(dice, secret, room).into_bytes();
    if dice.once_in(4) {
        bytes.extend(dice.bytes(0..8));
    }
    let (mut rest, mut pieces) = (&bytes[..], Vec::new());
    while !rest.is_empty() {
        let (piece, left) = rest.split_at(dice.within(1..rest.len().min(PRINT_BYTES_MAX) + 1));
        pieces.push(Command { act: Act::Print, one: piece.to_vec(), other: Vec::new() });
        rest = left;
    }
    pieces
}

/// The secret is in it whole or not at all. Some are about as long as the log, and end where it does with the secret.
fn text(dice: &mut Dice, secret: &str, room: usize) -> String {
    let filler = *dice.pick(&["x", " ", "é", "\n"]);
    let few = dice.within(0..secret.len());
    let text = match dice.within(0..8) {
        0 => format!("{}{}", filler.repeat(few), secret.repeat(room / secret.len() + dice.within(0..3))),
        1 => format!("{}{secret}", filler.repeat((room / filler.len()).saturating_sub(few))),
        2..5 => format!("{}{secret}{}", dice.text(0..20), dice.text(0..20)),
        _ => dice.text(0..40),
    };
    if dice.once_in(2) { text + "\n" } else { text }
}

/// Mostly one of a few; or about as long as it may be.
fn name(dice: &mut Dice, bytes_max: usize) -> String {
    match dice.within(0..8) {
        0 => dice.text(0..20),
        1 => "n".repeat(bytes_max + dice.within(0..2)),
        _ => (*dice.pick(&["a", "b", "c/d"])).to_owned(),
    }
}

/// The bytes of a text, now and then of none.
fn argument(dice: &mut Dice, text: String) -> Vec<u8> {
    let mut bytes = if dice.once_in(200) { dice.bytes(1..20) } else { text.into_bytes() };
    bytes.truncate(u16::MAX.into());
    bytes
}
