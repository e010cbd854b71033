//! Whom a warm sandbox serves, whatever it is offered to.

use crate::fair_share;
use crate::secrets_on_the_way::{only_task, output, scope};
use latchwork::sandbox::{Plugin, Reach, Sandbox, Scope, Surroundings, WarmCell};
use latchwork_tests::compiler;
use serde_json::{Value, json};
use std::sync::Arc;

/// How many calls the sandbox of this one has served.
async fn served(plugin: &Plugin, scope: &Arc<Scope>, warm: &mut WarmCell) -> Value {
    output(&plugin.run(&only_task(), Surroundings { scope, task: None, warm: Some(warm) }).await)
}

#[tokio::test(flavor = "multi_thread")]
async fn a_warm_sandbox_serves_neither_another_interval_nor_another_version() {
    let sandbox = Sandbox::new(compiler()).unwrap();
    let counters = [
        sandbox.load(fair_share::counter("")).await.unwrap(),
        sandbox.load(fair_share::counter("(func $another)")).await.unwrap(),
    ];
    let scopes = [(); 2].map(|()| scope(&json!(null), Reach::default()));
    let mut warm = WarmCell::for_calls(9);
    for (plugin, scope, expected) in
        [(0, 0, 1), (0, 0, 2), (0, 1, 1), (0, 1, 2), (0, 0, 1), (1, 0, 1), (1, 0, 2), (0, 0, 1)]
    {
        assert_eq!(served(&counters[plugin], &scopes[scope], &mut warm).await, expected, "{plugin} {scope}");
    }
}
