//! Guests written by hand: whole components of the plugin's world around whatever a core module does.
//!
//! What the SDK and its compiler would never do (a pointer beyond the memory, a discriminant that there is not, a handle
//! that was never given) takes a line of WAT here.

mod http;
mod interfaces;

use interfaces::INTERFACES;
use std::fmt::Write as _;

/// The parameters of `plan`, flat.
const PLAN_PARAMETERS: &str = "i32 i32 i32 i32 i32 i32 i32 i32 i64 i32 i32 i32";

/// Where a guest finds 16 zero bytes: read as the answer of `plan` or `run`, that is success with nothing in it.
///
/// Beneath 4,096 the memory is the guest's own; what the host hands in lies above.
pub const SUCCESS: &str = "(i32.const 16)";

/// Hands out memory from 4,096 on and never takes it back.
const REALLOC: &str = "
    (local $at i32)
    (local.set $at (i32.and
        (i32.add (global.get $next) (i32.sub (local.get $align) (i32.const 1)))
        (i32.sub (i32.const 0) (local.get $align))))
    (global.set $next (i32.add (local.get $at) (local.get $size)))
    (loop $grow
        (if (i32.gt_u (global.get $next) (i32.mul (memory.size) (i32.const 65536)))
            (then
                (if (i32.eq (memory.grow (i32.const 1)) (i32.const -1)) (then (unreachable)))
                (br $grow))))
    (local.get $at)";

/// The types of the world, and its two exports.
const EXPORTS: &str = r#"
    (type $job-context' (record
        (field "workspace-id" string) (field "job-id" string) (field "job-name" string) (field "interval-id" string)
        (field "scheduled-at-ms" u64) (field "payload" string) (field "tasks" u32)))
    (export $job-context "job-context" (type $job-context'))
    (type $stage' (record (field "name" string) (field "tasks" u32) (field "waits-for" (list string))))
    (export $stage "stage" (type $stage'))
    (type $task-context' (record
        (field "job" $job-context) (field "index" u32) (field "total" u32) (field "stage" string)
        (field "stage-index" u32) (field "stage-total" u32) (field "attempt" u32)
        (field "checkpoint" (option (list u8))) (field "idempotency-key" string) (field "fencing-token" u64)))
    (export $task-context "task-context" (type $task-context'))
    (type $task-error' (variant (case "retryable" string) (case "fatal" string)))
    (export $task-error "task-error" (type $task-error'))
    (func $plan (param "job" $job-context) (result (result (list $stage) (error $task-error)))
        (canon lift (core func $guest "plan") (memory $memory) (realloc $realloc)))
    (func $run (param "task" $task-context) (result (result (list u8) (error $task-error)))
        (canon lift (core func $guest "run") (memory $memory) (realloc $realloc) (post-return (core func $guest "post"))))
    (export "plan" (func $plan))
    (export "run" (func $run))"#;

/// What a guest does; where nothing is said, it succeeds.
#[derive(Clone)]
pub struct Guest {
    /// The host's functions that it uses, such as `keys-get`.
    pub uses: &'static [&'static str],
    /// How many pages its memory has at first.
    pub pages: u32,
    /// Fields of its core module.
    pub fields: String,
    /// The body of `plan`.
    pub plan: String,
    /// The body of `run`; its parameter `$task` points at the context.
    pub run: String,
    /// What comes after `run`, when the host has read its answer.
    pub post: String,
    /// The body of `realloc`, of `$align` and `$size`.
    pub realloc: String,
    /// Further definitions of the component.
    pub definitions: String,
}

impl Default for Guest {
    fn default() -> Self {
        Self {
            uses: &[],
            pages: 1,
            fields: String::new(),
            plan: SUCCESS.to_owned(),
            run: SUCCESS.to_owned(),
            post: String::new(),
            realloc: REALLOC.to_owned(),
            definitions: String::new(),
        }
    }
}

impl Guest {
    /// A guest whose `run` does so.
    pub fn running(run: impl Into<String>) -> Self {
        Self { run: run.into(), ..Self::default() }
    }

    /// A guest that uses these functions of the host in its `run`.
    pub fn using(uses: &'static [&'static str], run: impl Into<String>) -> Self {
        Self { uses, run: run.into(), ..Self::default() }
    }

    /// The names of all functions that one can use.
    pub fn all_functions() -> &'static [&'static str] {
        &interfaces::NAMES
    }

    /// The component's bytes.
    pub fn component(&self) -> Vec<u8> {
        let text = self.text(&self.module());
        wat::parse_str(&text).unwrap_or_else(|error| panic!("{error}\n{text}"))
    }

    /// The component around another core module, which exports `plan`, `run` and `post`.
    pub fn around(&self, module: &[u8]) -> Vec<u8> {
        const NO_MODULE: &[u8] = b"\x01\x08\0asm\x01\0\0\0";
        let shell = wat::parse_str(self.text("(core module)")).expect("sound text");
        let at = shell.windows(NO_MODULE.len()).position(|bytes| bytes == NO_MODULE).expect("the empty module");
        let mut component = shell[..at].to_vec();
        component.push(NO_MODULE[0]);
        write_length(&mut component, module.len());
        component.extend_from_slice(module);
        component.extend_from_slice(&shell[at + NO_MODULE.len()..]);
        component
    }

    /// A core module with what a module within the component may import, and must export.
    pub fn shape(&self) -> (Vec<u8>, Vec<u8>) {
        let imports = format!("(module {})", self.imports());
        let exports = format!(
            "(module (func (export \"plan\") (param {PLAN_PARAMETERS}) (result i32) unreachable)
                (func (export \"run\") (param i32) (result i32) unreachable)
                (func (export \"post\") (param i32)))"
        );
        (wat::parse_str(imports).expect("sound text"), wat::parse_str(exports).expect("sound text"))
    }

    fn text(&self, module: &str) -> String {
        let Self { pages, realloc, definitions, .. } = self;
        let (mut interfaces, mut lowered, mut given) = (String::new(), String::new(), String::new());
        for interface in INTERFACES.iter().filter(|interface| self.needs(interface.name)) {
            interfaces.push_str(interface.text);
        }
        for (name, (interface, function, _)) in self.functions() {
            let canon = match function.split_once(' ') {
                Some((act, resource)) => format!("resource.{act} ${resource}"),
                None => format!("lower (func ${interface} \"{function}\") (memory $memory) (realloc $realloc)"),
            };
            writeln!(lowered, "(core func ${name} (canon {canon}))").expect("a text takes all");
            write!(given, "(export \"{name}\" (func ${name}))").expect("a text takes all");
        }
        format!(
            "(component $C
                {interfaces}
                (core module $Libc
                    (memory (export \"memory\") {pages})
                    (global $next (mut i32) (i32.const 4096))
                    (func (export \"realloc\") (param $old i32) (param $old-size i32) (param $align i32) (param $size i32)
                        (result i32) {realloc}))
                (core instance $libc (instantiate $Libc))
                (alias core export $libc \"memory\" (core memory $memory))
                (alias core export $libc \"realloc\" (core func $realloc))
                {lowered}
                {module}
                (core instance $guest (instantiate 1
                    (with \"libc\" (instance $libc)) (with \"host\" (instance {given}))))
                {EXPORTS}
                {definitions})"
        )
    }

    fn module(&self) -> String {
        let Self { fields, plan, run, post, .. } = self;
        format!(
            "(core module
                {}
                {fields}
                (func (export \"plan\") (param {PLAN_PARAMETERS}) (result i32) {plan})
                (func (export \"run\") (param $task i32) (result i32) {run})
                (func (export \"post\") (param i32) {post})
                {PASS})",
            self.imports()
        )
    }

    fn imports(&self) -> String {
        let mut imports = "(import \"libc\" \"memory\" (memory 1))".to_owned();
        for (name, (.., signature)) in self.functions() {
            write!(imports, "(import \"host\" \"{name}\" (func ${name} {signature}))").expect("a text takes all");
        }
        imports
    }

    fn functions(&self) -> impl Iterator<Item = (&'static str, (&'static str, &'static str, &'static str))> {
        self.uses.iter().map(|name| (*name, interfaces::function(name)))
    }

    /// Whether one of its functions is of this interface, or of one whose types come from it.
    fn needs(&self, interface: &str) -> bool {
        self.functions().any(|(_, (of, ..))| interfaces::stands_on(of, interface))
    }
}

/// What a guest returns that passes on the host's refusal, if it was one: the two errors are laid out alike.
const PASS: &str = "
    (func $pass (param $answer i32) (result i32)
        (if (result i32) (i32.load8_u (local.get $answer))
            (then (i32.store8 offset=4 (local.get $answer) (i32.const 1)) (local.get $answer))
            (else (i32.const 16))))
    (func $fatal (param $text i32) (param $length i32) (result i32)
        (i32.store (i32.const 32) (i32.const 1))
        (i32.store (i32.const 36) (i32.const 1))
        (i32.store (i32.const 40) (local.get $text))
        (i32.store (i32.const 44) (local.get $length))
        (i32.const 32))
    (func $output (param $bytes i32) (param $length i32) (result i32)
        (i32.store (i32.const 32) (i32.const 0))
        (i32.store (i32.const 36) (local.get $bytes))
        (i32.store (i32.const 40) (local.get $length))
        (i32.const 32))";

/// LEB128, as lengths are written in wasm.
fn write_length(bytes: &mut Vec<u8>, mut length: usize) {
    while length >= 0x80 {
        bytes.push((length & 0x7f) as u8 | 0x80);
        length >>= 7;
    }
    bytes.push(length as u8);
}
