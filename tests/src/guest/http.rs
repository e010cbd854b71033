//! Guests that send requests, and the interfaces of `wasi:http` that they import.

use super::Guest;
use super::interfaces::{Interface, interface};

/// What it takes to send a request and to wait for its response.
const USES: &[&str] = &[
    "new-fields",
    "new-request",
    "set-method",
    "set-scheme",
    "set-authority",
    "set-path",
    "send-request",
    "response-subscribe",
    "response-get",
    "drop-response",
    "pollable-block",
    "drop-pollable",
];

pub(super) const TYPES: Interface = interface(
    "http",
    &["poll"],
    r#"(import "wasi:http/types@0.2.0" (instance $http
        (alias outer $C $pollable (type $pollable))
        (export "fields" (type $fields (sub resource)))
        (export "outgoing-request" (type $request (sub resource)))
        (export "request-options" (type $options (sub resource)))
        (export "future-incoming-response" (type $response (sub resource)))
        (export "incoming-response" (type $incoming (sub resource)))
        (type $method' (variant (case "get") (case "head") (case "post") (case "put") (case "delete") (case "connect")
            (case "options") (case "trace") (case "patch") (case "other" string)))
        (export "method" (type $method (eq $method')))
        (type $scheme' (variant (case "HTTP") (case "HTTPS") (case "other" string)))
        (export "scheme" (type $scheme (eq $scheme')))
        (type $dns' (record (field "rcode" (option string)) (field "info-code" (option u16))))
        (export "DNS-error-payload" (type $dns (eq $dns')))
        (type $alert' (record (field "alert-id" (option u8)) (field "alert-message" (option string))))
        (export "TLS-alert-received-payload" (type $alert (eq $alert')))
        (type $size' (record (field "field-name" (option string)) (field "field-size" (option u32))))
        (export "field-size-payload" (type $size (eq $size')))
        (type $error' (variant (case "DNS-timeout") (case "DNS-error" $dns) (case "destination-not-found")
            (case "destination-unavailable") (case "destination-IP-prohibited") (case "destination-IP-unroutable")
            (case "connection-refused") (case "connection-terminated") (case "connection-timeout")
            (case "connection-read-timeout") (case "connection-write-timeout") (case "connection-limit-reached")
            (case "TLS-protocol-error") (case "TLS-certificate-error") (case "TLS-alert-received" $alert)
            (case "HTTP-request-denied") (case "HTTP-request-length-required")
            (case "HTTP-request-body-size" (option u64)) (case "HTTP-request-method-invalid")
            (case "HTTP-request-URI-invalid") (case "HTTP-request-URI-too-long")
            (case "HTTP-request-header-section-size" (option u32))
            (case "HTTP-request-header-size" (option $size)) (case "HTTP-request-trailer-section-size" (option u32))
            (case "HTTP-request-trailer-size" $size) (case "HTTP-response-incomplete")
            (case "HTTP-response-header-section-size" (option u32)) (case "HTTP-response-header-size" $size)
            (case "HTTP-response-body-size" (option u64)) (case "HTTP-response-trailer-section-size" (option u32))
            (case "HTTP-response-trailer-size" $size) (case "HTTP-response-transfer-coding" (option string))
            (case "HTTP-response-content-coding" (option string)) (case "HTTP-response-timeout")
            (case "HTTP-upgrade-failed") (case "HTTP-protocol-error") (case "loop-detected")
            (case "configuration-error") (case "internal-error" (option string))))
        (export "error-code" (type $error (eq $error')))
        (export "[constructor]fields" (func (result (own $fields))))
        (export "[constructor]outgoing-request" (func (param "headers" (own $fields)) (result (own $request))))
        (export "[method]outgoing-request.set-method" (func (param "self" (borrow $request))
            (param "method" $method) (result (result))))
        (export "[method]outgoing-request.set-scheme" (func (param "self" (borrow $request))
            (param "scheme" (option $scheme)) (result (result))))
        (export "[method]outgoing-request.set-authority" (func (param "self" (borrow $request))
            (param "authority" (option string)) (result (result))))
        (export "[method]outgoing-request.set-path-with-query" (func (param "self" (borrow $request))
            (param "path-with-query" (option string)) (result (result))))
        (export "[method]future-incoming-response.subscribe" (func (param "self" (borrow $response))
            (result (own $pollable))))
        (export "[method]future-incoming-response.get" (func (param "self" (borrow $response))
            (result (option (result (result (own $incoming) (error $error)))))))))
    (alias export $http "outgoing-request" (type $request))
    (alias export $http "request-options" (type $request-options))
    (alias export $http "future-incoming-response" (type $future-response))
    (alias export $http "error-code" (type $http-error))"#,
);

pub(super) const HANDLER: Interface = interface(
    "http-handler",
    &["poll", "http"],
    r#"(import "wasi:http/outgoing-handler@0.2.0" (instance $http-handler
        (alias outer $C $request (type $request))
        (alias outer $C $request-options (type $options))
        (alias outer $C $future-response (type $response))
        (alias outer $C $http-error (type $error))
        (export "handle" (func (param "request" (own $request)) (param "options" (option (own $options)))
            (result (result (own $response) (error $error)))))))"#,
);

impl Guest {
    /// A guest whose `run` does so, in which `$send` sends a request without a body and returns the handle of what comes
    /// of it, and `$await` waits for that. Their texts and answers lie between 64 and 256.
    pub fn sending(method: &str, authority: &str, run: impl Into<String>) -> Self {
        let text = |at: usize, text: &str| format!("(i32.const {at}) (i32.const {})", text.len());
        let (path, method_text, authority_text) = (text(192, "/"), text(200, method), text(216, authority));
        let fields = format!(
            "(data (i32.const 192) \"/\") (data (i32.const 200) \"{method}\") (data (i32.const 216) \"{authority}\")
            (func $check (param $is-refused i32) (if (local.get $is-refused) (then (unreachable))))
            (func $send (result i32)
                (local $request i32)
                (local.set $request (call $new-request (call $new-fields)))
                (call $check (call $set-method (local.get $request) (i32.const 9) {method_text}))
                (call $check
                    (call $set-scheme (local.get $request) (i32.const 1) (i32.const 0) (i32.const 0) (i32.const 0)))
                (call $check (call $set-authority (local.get $request) (i32.const 1) {authority_text}))
                (call $check (call $set-path (local.get $request) (i32.const 1) {path}))
                (call $send-request (local.get $request) (i32.const 0) (i32.const 0) (i32.const 64))
                (call $check (i32.load8_u (i32.const 64)))
                (i32.load (i32.const 72)))
            (func $await (param $response i32)
                (local $pollable i32)
                (local.set $pollable (call $response-subscribe (local.get $response)))
                (call $pollable-block (local.get $pollable))
                (call $drop-pollable (local.get $pollable)))"
        );
        Self { fields, ..Self::using(USES, run) }
    }
}
