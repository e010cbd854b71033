//! What wasmtime makes of the contract in `wit/`.
#![allow(missing_docs, unreachable_pub, reason = "generated")]

wasmtime::component::bindgen!({
    path: "../wit",
    world: "plugin",
    imports: {
        "latchwork:plugin/keys": async,
        "latchwork:plugin/checkpoint": async,
        "latchwork:plugin/outputs": async,
    },
    exports: { default: async },
    // A payload or a checkpoint goes to the guest from where it is, without a copy in between.
    ownership: Borrowing { duplicate_if_necessary: false },
});

pub(super) use self::latchwork::plugin::types;
