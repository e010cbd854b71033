//! Guests that look for what is around them: the environment, the network, chance, the process.

use super::case::Case;
use latchwork_tests::{Guest, Host, SUCCESS};
use serde_json::json;

pub(super) fn cases(host: &Host) -> Vec<Case> {
    let empty = |function: &str| {
        format!("(call ${function} (i32.const 64)) (if (i32.load (i32.const 68)) (then (unreachable))) {SUCCESS}")
    };
    let resolve = "(call $resolve (call $instance-network) (i32.const 200) (i32.const 9) (i32.const 64))
        (if (i32.eqz (i32.load8_u (i32.const 64))) (then (unreachable)))
        (i32.const 16)";
    let resolve = Guest {
        fields: r#"(data (i32.const 200) "localhost")"#.to_owned(),
        ..Guest::using(&["instance-network", "resolve"], resolve)
    };
    let random = |bytes: &str| {
        Guest::using(&["random-bytes"], format!("(call $random-bytes (i64.const {bytes}) (i32.const 64)) {SUCCESS}"))
    };
    let exit = |status: u32| Guest::using(&["exit"], format!("(call $exit (i32.const {status})) {SUCCESS}"));
    let mut cases = vec![
        Case::output("the environment", Guest::using(&["get-environment"], empty("get-environment")), json!(null)),
        Case::output("the arguments", Guest::using(&["get-arguments"], empty("get-arguments")), json!(null)),
        Case::output("a look at names", resolve, json!(null)),
        Case::task("a gigabyte of chance", random("1073741824"), "limit_exceeded", "at most 1048576 random bytes"),
        Case::task("all chance that there is", random("-1"), "limit_exceeded", "at most 1048576 random bytes"),
        Case::task("an exit that says that all is well", exit(0), "trap", "xit"),
        Case::task("an exit that says that it is not", exit(1), "trap", "xit"),
    ];
    cases.extend(sockets(host));
    cases
}

/// Whatever of it is refused first: to open the socket, or what is done with it.
fn sockets(host: &Host) -> Vec<Case> {
    let port = host.api.server().rsplit_once(':').expect("an address has a port").1;
    let refused = "(if (i32.eqz (i32.load8_u (i32.const 64))) (then (unreachable)))";
    let act = |act: &str, port: &str| {
        format!(
            "(call ${act} (local.get $socket) (call $instance-network)
                (i32.const 0) (i32.const {port}) (i32.const 127) (i32.const 0) (i32.const 0) (i32.const 1)
                (i32.const 0) (i32.const 0) (i32.const 0) (i32.const 0) (i32.const 0) (i32.const 0) (i32.const 64))
            {refused}"
        )
    };
    let opened = |create: &str, acts: String| {
        format!(
            "(local $socket i32)
            (call ${create} (i32.const 0) (i32.const 64))
            (if (i32.load8_u (i32.const 64)) (then (return {SUCCESS})))
            (local.set $socket (i32.load (i32.const 68)))
            {acts}
            {SUCCESS}"
        )
    };
    let connect = opened("create-tcp-socket", act("start-connect", port));
    let listen =
        format!("{} (call $start-listen (local.get $socket) (i32.const 64)) {refused}", act("start-bind", "0"));
    let listen = opened("create-tcp-socket", listen);
    let datagrams = opened("create-udp-socket", act("start-udp-bind", "0"));
    let guests = [
        (
            "a connection to the host itself",
            Guest::using(&["create-tcp-socket", "start-connect", "instance-network"], connect),
        ),
        (
            "a port of the machine",
            Guest::using(&["create-tcp-socket", "start-bind", "start-listen", "instance-network"], listen),
        ),
        (
            "a port of the machine for datagrams",
            Guest::using(&["create-udp-socket", "start-udp-bind", "instance-network"], datagrams),
        ),
    ];
    guests.into_iter().map(|(name, guest)| Case::output(name, guest, json!(null))).collect()
}
