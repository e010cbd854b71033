//! Guests that look for what is around them: the environment, the network, chance, the process.

use super::case::Case;
use latchwork_tests::{Guest, Host, SUCCESS};
use serde_json::json;

pub(super) fn cases(host: &Host) -> Vec<Case> {
    let empty = |function: &str| {
        format!("(call ${function} (i32.const 64)) (if (i32.load (i32.const 68)) (then (unreachable))) {SUCCESS}")
    };
    let port = host.api.server().rsplit_once(':').expect("an address has a port").1;
    let connect = format!(
        "(call $create-tcp-socket (i32.const 0) (i32.const 64))
        (if (i32.load8_u (i32.const 64)) (then (return (i32.const 16))))
        (call $start-connect (i32.load (i32.const 68)) (call $instance-network)
            (i32.const 0) (i32.const {port}) (i32.const 127) (i32.const 0) (i32.const 0) (i32.const 1)
            (i32.const 0) (i32.const 0) (i32.const 0) (i32.const 0) (i32.const 0) (i32.const 0) (i32.const 64))
        (if (i32.eqz (i32.load8_u (i32.const 64))) (then (unreachable)))
        (i32.const 16)"
    );
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
    vec![
        Case::output("the environment", Guest::using(&["get-environment"], empty("get-environment")), json!(null)),
        Case::output("the arguments", Guest::using(&["get-arguments"], empty("get-arguments")), json!(null)),
        Case::output(
            "a connection to the host itself",
            Guest::using(&["create-tcp-socket", "start-connect", "instance-network"], connect),
            json!(null),
        ),
        Case::output("a look at names", resolve, json!(null)),
        Case::task("a gigabyte of chance", random("1073741824"), "limit_exceeded", "at most 1048576 random bytes"),
        Case::task("all chance that there is", random("-1"), "limit_exceeded", "at most 1048576 random bytes"),
        Case::task("an exit that says that all is well", exit(0), "trap", "xit"),
        Case::task("an exit that says that it is not", exit(1), "trap", "xit"),
    ]
}
