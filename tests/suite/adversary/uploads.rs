//! Uploads that want to hurt whoever reads or compiles them. Each is refused with a reason, or is a plugin after all.

use latchwork_tests::{Guest, HostBuilder, plugin};
use rand::rngs::StdRng;
use rand::{RngCore as _, SeedableRng as _};
use serde_json::Value;

/// What every component begins with.
const HEADER: &[u8] = b"\0asm\x0d\0\x01\0";

#[test]
fn uploads_that_are_made_to_hurt_are_refused_with_a_reason_or_are_sound() {
    let host = HostBuilder::new().flag("--compile-cpu-max", "5s").flag("--compile-memory-bytes-max", 1 << 30).start();
    host.api.upload_plugin("misbehave");
    let hello = plugin("hello");
    let (invalid, world, limit) = ("invalid_component", "wrong_world", "compile_limit_exceeded");
    let uploads: [(&str, Vec<u8>, &[&str]); 15] = [
        ("components within components", nested(2_000), &[invalid, world]),
        ("a million functions", component("(core module {})", &"(func)".repeat(1_000_000)), &[world, invalid, limit]),
        ("a branch to everywhere", branches(60_000), &[world, limit]),
        ("a branch to more than everywhere", branches(1_000_000), &[invalid]),
        ("ten megabytes of locals", locals(5 << 20), &[invalid]),
        ("sections in any order", reordered(), &[invalid]),
        ("a section longer than the file", [HEADER, &[1, 0xff, 0xff, 0xff, 0xff, 0x0f]].concat(), &[invalid]),
        ("any bytes behind a sound beginning", [HEADER, &anything(1 << 20)].concat(), &[invalid]),
        ("halves of two plugins", [&hello[..hello.len() / 2], &plugin("misbehave")[..]].concat(), &[invalid]),
        ("two plugins, one behind the other", [&hello[..], &hello].concat(), &[invalid]),
        ("a hundred thousand types", component("{}", &"(type (func))".repeat(100_000)), &[world]),
        ("a name of a megabyte", component("(import \"{}\" (func))", &"a".repeat(1 << 20)), &[invalid]),
        ("a deep expression", deep(100_000), &[world, invalid, limit, "not_compilable"]),
        ("thousands of modules", component("{}", &"(core module (func))".repeat(5_000)), &[invalid]),
        ("a sound plugin with ten megabytes of nothing", padded(10 << 20), &[]),
    ];
    let mut wrong = Vec::new();
    for (what, bytes, codes) in uploads {
        let (status, answer) = host.api.upload("hostile", &bytes);
        // A reason is for people, so it is no book.
        let is_reason = |detail: &Value| detail.as_str().is_some_and(|detail| (1..10_000).contains(&detail.len()));
        let is_refused = |code: &&str| status == 422 && answer["code"] == **code && is_reason(&answer["detail"]);
        let is_taken = codes.is_empty() && status == 201;
        if !is_taken && !codes.iter().any(is_refused) {
            wrong.push(format!("{what}: {status} {answer}"));
        }
        host.api.assert_goes_on();
    }
    assert!(wrong.is_empty(), "{wrong:#?}");
}

/// A component of which one thing is there so often.
fn component(text: &str, many: &str) -> Vec<u8> {
    wat::parse_str(format!("(component {})", text.replace("{}", many))).expect("sound text")
}

/// Each within the next. As bytes: the reader of the text would itself go too deep.
fn nested(levels: usize) -> Vec<u8> {
    (0..levels).fold(HEADER.to_vec(), |inner, _| [HEADER, &section(4, &inner)].concat())
}

/// A switch with so many ways, to a thousand blocks.
fn branches(ways: usize) -> Vec<u8> {
    let (blocks, ends) = ("block ".repeat(1_000), " end".repeat(1_000));
    let targets: String = (0..ways).map(|value| format!(" {}", value % 1_000)).collect();
    component("(core module (func (param i32) {}))", &format!("{blocks} local.get 0 br_table{targets}{ends}"))
}

/// A function whose locals take so many pairs of bytes to tell: one and one and one of them.
fn locals(groups: usize) -> Vec<u8> {
    let mut body = length(groups);
    body.extend([1, 0x7f].repeat(groups));
    body.push(0x0b);
    let code = [length(1), length(body.len()), body].concat();
    let module =
        [&b"\0asm\x01\0\0\0"[..], &section(1, &[1, 0x60, 0, 0]), &section(3, &[1, 0]), &section(10, &code)].concat();
    [HEADER, &section(1, &module)].concat()
}

/// A plugin whose last section comes first; a custom one may stand anywhere.
fn reordered() -> Vec<u8> {
    let sound = Guest::default().component();
    let mut at = HEADER.len();
    let (mut last, mut end) = (at, at);
    while at < sound.len() {
        let begin = at;
        let (mut size, mut shift) = (0_usize, 0);
        at += 1;
        loop {
            size |= usize::from(sound[at] & 0x7f) << shift;
            shift += 7;
            at += 1;
            if sound[at - 1] & 0x80 == 0 {
                break;
            }
        }
        at += size;
        if sound[begin] != 0 {
            (last, end) = (begin, at);
        }
    }
    [HEADER, &sound[last..end], &sound[HEADER.len()..last], &sound[end..]].concat()
}

fn anything(bytes: usize) -> Vec<u8> {
    let mut anything = vec![0; bytes];
    StdRng::seed_from_u64(7).fill_bytes(&mut anything);
    anything
}

/// Blocks within blocks.
fn deep(levels: usize) -> Vec<u8> {
    component("(core module (func {}))", &format!("{}{}", "block ".repeat(levels), "end ".repeat(levels)))
}

/// A plugin with a section that nobody reads.
fn padded(bytes: usize) -> Vec<u8> {
    let content = [&[1, b'x'][..], &vec![0; bytes]].concat();
    [Guest::default().component(), section(0, &content)].concat()
}

fn section(id: u8, content: &[u8]) -> Vec<u8> {
    [&[id][..], &length(content.len()), content].concat()
}

/// LEB128.
fn length(mut length: usize) -> Vec<u8> {
    let mut bytes = Vec::new();
    while length >= 0x80 {
        bytes.push((length & 0x7f) as u8 | 0x80);
        length >>= 7;
    }
    bytes.push(length as u8);
    bytes
}
