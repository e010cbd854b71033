//! What wasmtime alone takes for the same call: the engine's settings and its pool are those of `host/src/sandbox/engine.rs`.
//! WASI is linked, memory is limited, the epoch is on; there is no log, no key and no time limit.

use anyhow::{Context as _, Result};
use bindings::latchwork::plugin::types::{JobContext, TaskContext};
use bindings::{Plugin, PluginPre};
use std::time::Duration;
use wasmtime::component::{Component, Linker, ResourceTable};
use wasmtime::{
    Config, Enabled, Engine, InstanceAllocationStrategy, PoolingAllocationConfig, Store, StoreLimits,
    StoreLimitsBuilder, UpdateDeadline,
};
use wasmtime_wasi::{WasiCtx, WasiCtxView, WasiView};

mod bindings {
    #![allow(missing_docs, unreachable_pub, dead_code, reason = "generated")]

    wasmtime::component::bindgen!({ path: "../wit", world: "plugin", exports: { default: async } });
}

const CALLS_MAX: u32 = 1_280;
const CORE_INSTANCES_MAX: u32 = 64;
const MEMORIES_MAX: u32 = 4;
const TABLES_MAX: u32 = 8;
const TABLE_ELEMENTS_MAX: usize = 20_000;
const MEMORY_BYTES_MAX: usize = 1 << 30;
const WARM_PLACES_MAX: u32 = 32;

const MEMORY_BYTES: usize = 128 << 20;
const HOSTCALL_BYTES: usize = 16 << 20;
const EPOCH: Duration = Duration::from_millis(10);

pub(crate) struct BareCalls {
    plugin: PluginPre<State>,
    context: TaskContext,
}

/// An instance that is called again and again.
pub(crate) struct WarmInstance {
    plugin: Plugin,
    store: Store<State>,
    context: TaskContext,
}

struct State {
    limits: StoreLimits,
    wasi: WasiCtx,
    handles: ResourceTable,
}

impl WasiView for State {
    fn ctx(&mut self) -> WasiCtxView<'_> {
        WasiCtxView { ctx: &mut self.wasi, table: &mut self.handles }
    }
}

impl BareCalls {
    pub(crate) fn new(wasm: &[u8]) -> Result<Self> {
        let engine = Engine::new(&config())?;
        move_epoch(&engine);
        let component = Component::new(&engine, wasm)?;
        let mut linker = Linker::new(&engine);
        wasmtime_wasi::p2::add_to_linker_async(&mut linker)?;
        // The rest of what it imports, it does not call.
        linker.define_unknown_imports_as_traps(&component)?;
        let plugin = PluginPre::new(linker.instantiate_pre(&component)?)?;
        Ok(Self { plugin, context: context() })
    }

    /// Calls it in a fresh store.
    pub(crate) async fn call(&self) -> Result<()> {
        let mut store = self.store();
        let instance = self.plugin.instantiate_async(&mut store).await?;
        run(&instance, &mut store, &self.context).await
    }

    /// An instance that has been called once.
    pub(crate) async fn warm(&self) -> Result<WarmInstance> {
        let mut store = self.store();
        let plugin = self.plugin.instantiate_async(&mut store).await?;
        let mut warm = WarmInstance { plugin, store, context: self.context.clone() };
        warm.call().await?;
        Ok(warm)
    }

    fn store(&self) -> Store<State> {
        let state = State {
            limits: StoreLimitsBuilder::new().memory_size(MEMORY_BYTES).build(),
            wasi: WasiCtx::builder().build(),
            handles: ResourceTable::new(),
        };
        let mut store = Store::new(self.plugin.engine(), state);
        store.limiter(|state| &mut state.limits);
        store.set_hostcall_fuel(HOSTCALL_BYTES);
        store.set_epoch_deadline(1);
        store.epoch_deadline_callback(|_| Ok(UpdateDeadline::Yield(1)));
        store
    }
}

impl WarmInstance {
    pub(crate) async fn call(&mut self) -> Result<()> {
        run(&self.plugin, &mut self.store, &self.context).await
    }
}

async fn run(plugin: &Plugin, store: &mut Store<State>, context: &TaskContext) -> Result<()> {
    plugin.call_run(store, context).await?.ok().context("the plugin does nothing")?;
    Ok(())
}

fn context() -> TaskContext {
    let id = "01980000-0000-7000-8000-000000000000";
    TaskContext {
        job: JobContext {
            workspace_id: "default".to_owned(),
            job_id: id.to_owned(),
            job_name: "noop".to_owned(),
            interval_id: id.to_owned(),
            scheduled_at_ms: 1,
            payload: "null".to_owned(),
            tasks: 1,
        },
        index: 0,
        total: 1,
        stage: "tasks".to_owned(),
        stage_index: 0,
        stage_total: 1,
        attempt: 1,
        checkpoint: None,
        idempotency_key: format!("{id}/0"),
        fencing_token: 1,
    }
}

fn config() -> Config {
    let mut config = Config::new();
    config.epoch_interruption(true);
    config.concurrency_support(false);
    config.wasm_threads(false);
    config.wasm_gc(false);
    config.wasm_function_references(false);
    config.wasm_exceptions(false);
    config.wasm_memory64(false);
    config.allocation_strategy(InstanceAllocationStrategy::Pooling(pool()));
    config
}

fn pool() -> PoolingAllocationConfig {
    let mut pool = PoolingAllocationConfig::new();
    pool.total_component_instances(CALLS_MAX)
        .total_core_instances(CALLS_MAX * CORE_INSTANCES_MAX)
        .max_core_instances_per_component(CORE_INSTANCES_MAX)
        .total_memories(CALLS_MAX * MEMORIES_MAX)
        .max_memories_per_component(MEMORIES_MAX)
        .total_tables(CALLS_MAX * TABLES_MAX)
        .max_tables_per_component(TABLES_MAX)
        .max_tables_per_module(TABLES_MAX)
        .table_elements(TABLE_ELEMENTS_MAX)
        .table_keep_resident(TABLE_ELEMENTS_MAX * size_of::<usize>())
        .total_stacks(CALLS_MAX)
        .max_unused_warm_slots(WARM_PLACES_MAX)
        .max_memory_size(MEMORY_BYTES_MAX);
    if has_swap() {
        pool.linear_memory_keep_resident(256 << 10).pagemap_scan(Enabled::No);
    } else {
        pool.linear_memory_keep_resident(2 << 20).pagemap_scan(Enabled::Auto);
    }
    pool
}

fn has_swap() -> bool {
    std::fs::read_to_string("/proc/swaps").map_or(true, |swaps| swaps.lines().count() > 1)
}

fn move_epoch(engine: &Engine) {
    let engine = engine.weak();
    std::thread::spawn(move || {
        while let Some(engine) = engine.upgrade() {
            engine.increment_epoch();
            std::thread::sleep(EPOCH);
        }
    });
}
