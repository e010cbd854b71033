//! What guests can import: the host's own interfaces and those of WASI, as far as guests use them.

use super::http;
use std::sync::LazyLock;

/// An interface.
pub(super) struct Interface {
    /// What its functions are found by.
    pub(super) name: &'static str,
    /// The interfaces whose types it uses.
    stands_on: &'static [&'static str],
    /// Its import.
    pub(super) text: &'static str,
}

pub(super) const fn interface(name: &'static str, stands_on: &'static [&'static str], text: &'static str) -> Interface {
    Interface { name, stands_on, text }
}

/// The interface, the name in it and the core type of a function; `drop T` is what drops a handle of the type T, `new T`
/// what makes one.
type Function = (&'static str, &'static str, &'static str);

/// Takes a socket, a network, an address, and room for the answer.
const TO_ADDRESS: &str = "(param i32 i32 i32 i32 i32 i32 i32 i32 i32 i32 i32 i32 i32 i32 i32)";

/// Whether an interface is another, or needs it.
pub(super) fn stands_on(name: &str, other: &str) -> bool {
    let of = INTERFACES.iter().find(|interface| interface.name == name).expect("an interface of the list");
    name == other || of.stands_on.contains(&other)
}

pub(super) fn function(name: &str) -> Function {
    let found = FUNCTIONS.iter().find(|(known, ..)| *known == name);
    let (_, interface, function, signature) = found.unwrap_or_else(|| panic!("no function `{name}`"));
    (interface, function, signature)
}

/// The names of all functions.
pub(super) static NAMES: LazyLock<Vec<&str>> = LazyLock::new(|| FUNCTIONS.iter().map(|(name, ..)| *name).collect());

/// By the names that guests use.
const FUNCTIONS: &[(&str, &str, &str, &str)] = &[
    ("log-write", "log", "write", "(param i32 i32 i32)"),
    ("keys-get", "keys", "get", "(param i32 i32 i32)"),
    ("keys-set", "keys", "set", "(param i32 i32 i32 i32 i32)"),
    ("keys-delete", "keys", "delete", "(param i32 i32 i32)"),
    ("keys-list", "keys", "list", "(param i32 i32 i32 i32 i32 i32 i32)"),
    ("checkpoint-save", "checkpoint", "save", "(param i32 i32 i32)"),
    ("outputs-get", "outputs", "get", "(param i32 i32 i32 i32)"),
    ("events-emit", "events", "emit", "(param i32 i32 i32 i32 i32)"),
    ("pollable-block", "poll", "[method]pollable.block", "(param i32)"),
    ("drop-pollable", "poll", "drop pollable", "(param i32)"),
    ("drop-output-stream", "streams", "drop output-stream", "(param i32)"),
    ("stream-write", "streams", "[method]output-stream.blocking-write-and-flush", "(param i32 i32 i32 i32)"),
    ("stream-subscribe", "streams", "[method]output-stream.subscribe", "(param i32) (result i32)"),
    ("get-stdout", "stdout", "get-stdout", "(result i32)"),
    ("exit", "exit", "exit", "(param i32)"),
    ("get-environment", "environment", "get-environment", "(param i32)"),
    ("get-arguments", "environment", "get-arguments", "(param i32)"),
    ("subscribe-duration", "clock", "subscribe-duration", "(param i64) (result i32)"),
    ("random-bytes", "random", "get-random-bytes", "(param i64 i32)"),
    ("get-directories", "preopens", "get-directories", "(param i32)"),
    ("open-at", "files", "[method]descriptor.open-at", "(param i32 i32 i32 i32 i32 i32 i32)"),
    ("symlink-at", "files", "[method]descriptor.symlink-at", "(param i32 i32 i32 i32 i32 i32)"),
    ("rename-at", "files", "[method]descriptor.rename-at", "(param i32 i32 i32 i32 i32 i32 i32)"),
    ("link-at", "files", "[method]descriptor.link-at", "(param i32 i32 i32 i32 i32 i32 i32 i32)"),
    ("unlink-at", "files", "[method]descriptor.unlink-file-at", "(param i32 i32 i32 i32)"),
    ("read-directory", "files", "[method]descriptor.read-directory", "(param i32 i32)"),
    ("instance-network", "network-instance", "instance-network", "(result i32)"),
    ("create-tcp-socket", "tcp-create", "create-tcp-socket", "(param i32 i32)"),
    ("start-bind", "tcp", "[method]tcp-socket.start-bind", TO_ADDRESS),
    ("start-connect", "tcp", "[method]tcp-socket.start-connect", TO_ADDRESS),
    ("start-listen", "tcp", "[method]tcp-socket.start-listen", "(param i32 i32)"),
    ("create-udp-socket", "udp-create", "create-udp-socket", "(param i32 i32)"),
    ("start-udp-bind", "udp", "[method]udp-socket.start-bind", TO_ADDRESS),
    ("resolve", "lookup", "resolve-addresses", "(param i32 i32 i32 i32)"),
    ("new-fields", "http", "[constructor]fields", "(result i32)"),
    ("new-request", "http", "[constructor]outgoing-request", "(param i32) (result i32)"),
    ("set-method", "http", "[method]outgoing-request.set-method", "(param i32 i32 i32 i32) (result i32)"),
    ("set-scheme", "http", "[method]outgoing-request.set-scheme", "(param i32 i32 i32 i32 i32) (result i32)"),
    ("set-authority", "http", "[method]outgoing-request.set-authority", "(param i32 i32 i32 i32) (result i32)"),
    ("set-path", "http", "[method]outgoing-request.set-path-with-query", "(param i32 i32 i32 i32) (result i32)"),
    ("response-subscribe", "http", "[method]future-incoming-response.subscribe", "(param i32) (result i32)"),
    ("response-get", "http", "[method]future-incoming-response.get", "(param i32 i32)"),
    ("drop-response", "http", "drop future-response", "(param i32)"),
    ("send-request", "http-handler", "handle", "(param i32 i32 i32 i32)"),
    ("new-own", "own", "new own", "(param i32) (result i32)"),
];

/// In an order in which each comes after those that it stands on.
pub(super) const INTERFACES: &[Interface] = &[
    // Imports nothing: the type is the component's own.
    interface("own", &[], "(type $own (resource (rep i32)))"),
    interface(
        "log",
        &[],
        r#"(import "latchwork:plugin/log@0.1.0" (instance $log
            (type $level' (enum "debug" "info" "warn" "error"))
            (export "level" (type $level (eq $level')))
            (export "write" (func (param "level" $level) (param "message" string)))))"#,
    ),
    interface(
        "keys",
        &[],
        r#"(import "latchwork:plugin/keys@0.1.0" (instance $keys
            (type $error' (variant (case "unsupported" string) (case "invalid" string) (case "limit-exceeded" string)
                (case "unavailable" string)))
            (export "host-error" (type $error (eq $error')))
            (export "get" (func (param "key" string) (result (result (option (list u8)) (error $error)))))
            (export "set" (func (param "key" string) (param "value" (list u8)) (result (result (error $error)))))
            (export "delete" (func (param "key" string) (result (result (error $error)))))
            (export "list" (func (param "prefix" string) (param "after" (option string)) (param "limit" u32)
                (result (result (list string) (error $error)))))))"#,
    ),
    interface(
        "checkpoint",
        &[],
        r#"(import "latchwork:plugin/checkpoint@0.1.0" (instance $checkpoint
            (type $error' (variant (case "unsupported" string) (case "invalid" string) (case "limit-exceeded" string)
                (case "unavailable" string)))
            (export "host-error" (type $error (eq $error')))
            (export "save" (func (param "bytes" (list u8)) (result (result (error $error)))))))"#,
    ),
    interface(
        "outputs",
        &[],
        r#"(import "latchwork:plugin/outputs@0.1.0" (instance $outputs
            (type $error' (variant (case "unsupported" string) (case "invalid" string) (case "limit-exceeded" string)
                (case "unavailable" string)))
            (export "host-error" (type $error (eq $error')))
            (export "get" (func (param "stage" string) (param "stage-index" u32)
                (result (result (option (list u8)) (error $error)))))))"#,
    ),
    interface(
        "events",
        &[],
        r#"(import "latchwork:plugin/events@0.1.0" (instance $events
            (type $error' (variant (case "unsupported" string) (case "invalid" string) (case "limit-exceeded" string)
                (case "unavailable" string)))
            (export "host-error" (type $error (eq $error')))
            (export "emit" (func (param "name" string) (param "body" string) (result (result (error $error)))))))"#,
    ),
    interface(
        "io-error",
        &[],
        r#"(import "wasi:io/error@0.2.0" (instance $io-error (export "error" (type (sub resource)))))
        (alias export $io-error "error" (type $io-error-type))"#,
    ),
    interface(
        "poll",
        &[],
        r#"(import "wasi:io/poll@0.2.0" (instance $poll
            (export "pollable" (type $pollable (sub resource)))
            (export "[method]pollable.block" (func (param "self" (borrow $pollable))))))
        (alias export $poll "pollable" (type $pollable))"#,
    ),
    interface(
        "streams",
        &["io-error", "poll"],
        r#"(import "wasi:io/streams@0.2.0" (instance $streams
            (alias outer $C $io-error-type (type $failure))
            (alias outer $C $pollable (type $pollable))
            (export "output-stream" (type $output-stream (sub resource)))
            (type $error' (variant (case "last-operation-failed" (own $failure)) (case "closed")))
            (export "stream-error" (type $error (eq $error')))
            (export "[method]output-stream.blocking-write-and-flush"
                (func (param "self" (borrow $output-stream)) (param "contents" (list u8)) (result (result (error $error)))))
            (export "[method]output-stream.subscribe"
                (func (param "self" (borrow $output-stream)) (result (own $pollable))))))
        (alias export $streams "output-stream" (type $output-stream))"#,
    ),
    interface(
        "stdout",
        &["io-error", "poll", "streams"],
        r#"(import "wasi:cli/stdout@0.2.0" (instance $stdout
            (alias outer $C $output-stream (type $output-stream))
            (export "get-stdout" (func (result (own $output-stream))))))"#,
    ),
    interface(
        "exit",
        &[],
        r#"(import "wasi:cli/exit@0.2.0" (instance $exit (export "exit" (func (param "status" (result))))))"#,
    ),
    interface(
        "environment",
        &[],
        r#"(import "wasi:cli/environment@0.2.0" (instance $environment
            (export "get-environment" (func (result (list (tuple string string)))))
            (export "get-arguments" (func (result (list string))))))"#,
    ),
    interface(
        "clock",
        &["poll"],
        r#"(import "wasi:clocks/monotonic-clock@0.2.0" (instance $clock
            (alias outer $C $pollable (type $pollable))
            (export "subscribe-duration" (func (param "when" u64) (result (own $pollable))))))"#,
    ),
    interface(
        "random",
        &[],
        r#"(import "wasi:random/random@0.2.0" (instance $random
            (export "get-random-bytes" (func (param "len" u64) (result (list u8))))))"#,
    ),
    interface(
        "files",
        &[],
        r#"(import "wasi:filesystem/types@0.2.0" (instance $files
            (export "descriptor" (type $descriptor (sub resource)))
            (export "directory-entry-stream" (type $entries (sub resource)))
            (type $error' (enum "access" "would-block" "already" "bad-descriptor" "busy" "deadlock" "quota" "exist"
                "file-too-large" "illegal-byte-sequence" "in-progress" "interrupted" "invalid" "io" "is-directory" "loop"
                "too-many-links" "message-size" "name-too-long" "no-device" "no-entry" "no-lock" "insufficient-memory"
                "insufficient-space" "not-directory" "not-empty" "not-recoverable" "unsupported" "no-tty"
                "no-such-device" "overflow" "not-permitted" "pipe" "read-only" "invalid-seek" "text-file-busy"
                "cross-device"))
            (export "error-code" (type $error (eq $error')))
            (type $path-flags' (flags "symlink-follow"))
            (export "path-flags" (type $path-flags (eq $path-flags')))
            (type $open-flags' (flags "create" "directory" "exclusive" "truncate"))
            (export "open-flags" (type $open-flags (eq $open-flags')))
            (type $descriptor-flags' (flags "read" "write" "file-integrity-sync" "data-integrity-sync"
                "requested-write-sync" "mutate-directory"))
            (export "descriptor-flags" (type $descriptor-flags (eq $descriptor-flags')))
            (export "[method]descriptor.open-at" (func (param "self" (borrow $descriptor))
                (param "path-flags" $path-flags) (param "path" string) (param "open-flags" $open-flags)
                (param "flags" $descriptor-flags) (result (result (own $descriptor) (error $error)))))
            (export "[method]descriptor.symlink-at" (func (param "self" (borrow $descriptor)) (param "old-path" string)
                (param "new-path" string) (result (result (error $error)))))
            (export "[method]descriptor.rename-at" (func (param "self" (borrow $descriptor)) (param "old-path" string)
                (param "new-descriptor" (borrow $descriptor)) (param "new-path" string) (result (result (error $error)))))
            (export "[method]descriptor.link-at" (func (param "self" (borrow $descriptor))
                (param "old-path-flags" $path-flags) (param "old-path" string)
                (param "new-descriptor" (borrow $descriptor)) (param "new-path" string) (result (result (error $error)))))
            (export "[method]descriptor.unlink-file-at" (func (param "self" (borrow $descriptor)) (param "path" string)
                (result (result (error $error)))))
            (export "[method]descriptor.read-directory" (func (param "self" (borrow $descriptor))
                (result (result (own $entries) (error $error)))))))
        (alias export $files "descriptor" (type $descriptor))"#,
    ),
    interface(
        "preopens",
        &["files"],
        r#"(import "wasi:filesystem/preopens@0.2.0" (instance $preopens
            (alias outer $C $descriptor (type $descriptor))
            (export "get-directories" (func (result (list (tuple (own $descriptor) string)))))))"#,
    ),
    interface(
        "network",
        &[],
        r#"(import "wasi:sockets/network@0.2.0" (instance $network
            (export "network" (type (sub resource)))
            (type $error' (enum "unknown" "access-denied" "not-supported" "invalid-argument" "out-of-memory" "timeout"
                "concurrency-conflict" "not-in-progress" "would-block" "invalid-state" "new-socket-limit"
                "address-not-bindable" "address-in-use" "remote-unreachable" "connection-refused" "connection-reset"
                "connection-aborted" "datagram-too-large" "name-unresolvable" "temporary-resolver-failure"
                "permanent-resolver-failure"))
            (export "error-code" (type $error (eq $error')))
            (type $family' (enum "ipv4" "ipv6"))
            (export "ip-address-family" (type $family (eq $family')))
            (type $v4' (record (field "port" u16) (field "address" (tuple u8 u8 u8 u8))))
            (export "ipv4-socket-address" (type $v4 (eq $v4')))
            (type $v6' (record (field "port" u16) (field "flow-info" u32)
                (field "address" (tuple u16 u16 u16 u16 u16 u16 u16 u16)) (field "scope-id" u32)))
            (export "ipv6-socket-address" (type $v6 (eq $v6')))
            (type $address' (variant (case "ipv4" $v4) (case "ipv6" $v6)))
            (export "ip-socket-address" (type $address (eq $address')))))
        (alias export $network "network" (type $network-type))
        (alias export $network "error-code" (type $network-error))
        (alias export $network "ip-address-family" (type $family))
        (alias export $network "ip-socket-address" (type $address))"#,
    ),
    interface(
        "network-instance",
        &["network"],
        r#"(import "wasi:sockets/instance-network@0.2.0" (instance $network-instance
            (alias outer $C $network-type (type $network))
            (export "instance-network" (func (result (own $network))))))"#,
    ),
    interface(
        "tcp",
        &["network"],
        r#"(import "wasi:sockets/tcp@0.2.0" (instance $tcp
            (alias outer $C $network-type (type $network))
            (alias outer $C $network-error (type $error))
            (alias outer $C $address (type $address))
            (export "tcp-socket" (type $socket (sub resource)))
            (export "[method]tcp-socket.start-bind" (func (param "self" (borrow $socket))
                (param "network" (borrow $network)) (param "local-address" $address) (result (result (error $error)))))
            (export "[method]tcp-socket.start-connect" (func (param "self" (borrow $socket))
                (param "network" (borrow $network)) (param "remote-address" $address) (result (result (error $error)))))
            (export "[method]tcp-socket.start-listen" (func (param "self" (borrow $socket))
                (result (result (error $error)))))))
        (alias export $tcp "tcp-socket" (type $socket))"#,
    ),
    interface(
        "tcp-create",
        &["network", "tcp"],
        r#"(import "wasi:sockets/tcp-create-socket@0.2.0" (instance $tcp-create
            (alias outer $C $network-error (type $error))
            (alias outer $C $family (type $family))
            (alias outer $C $socket (type $socket))
            (export "create-tcp-socket" (func (param "address-family" $family)
                (result (result (own $socket) (error $error)))))))"#,
    ),
    interface(
        "udp",
        &["network"],
        r#"(import "wasi:sockets/udp@0.2.0" (instance $udp
            (alias outer $C $network-type (type $network))
            (alias outer $C $network-error (type $error))
            (alias outer $C $address (type $address))
            (export "udp-socket" (type $socket (sub resource)))
            (export "[method]udp-socket.start-bind" (func (param "self" (borrow $socket))
                (param "network" (borrow $network)) (param "local-address" $address) (result (result (error $error)))))))
        (alias export $udp "udp-socket" (type $udp-socket))"#,
    ),
    interface(
        "udp-create",
        &["network", "udp"],
        r#"(import "wasi:sockets/udp-create-socket@0.2.0" (instance $udp-create
            (alias outer $C $network-error (type $error))
            (alias outer $C $family (type $family))
            (alias outer $C $udp-socket (type $socket))
            (export "create-udp-socket" (func (param "address-family" $family)
                (result (result (own $socket) (error $error)))))))"#,
    ),
    interface(
        "lookup",
        &["network"],
        r#"(import "wasi:sockets/ip-name-lookup@0.2.0" (instance $lookup
            (alias outer $C $network-type (type $network))
            (alias outer $C $network-error (type $error))
            (export "resolve-address-stream" (type $stream (sub resource)))
            (export "resolve-addresses" (func (param "network" (borrow $network)) (param "name" string)
                (result (result (own $stream) (error $error)))))))"#,
    ),
    http::TYPES,
    http::HANDLER,
];
