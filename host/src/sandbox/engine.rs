//! The one wasmtime engine of the host: its settings, its pool, its epoch.

use super::cache::{CodeCache, EngineId};
use super::call::Plugin;
use super::capacity::{self, CALLS_MAX, Capacity};
use super::compile::{self, Refusal};
use super::compiler::Compiler;
use super::limits::TABLE_ELEMENTS_MAX;
use super::state::CallState;
use crate::domain::digest::Digest;
use crate::domain::job::MEMORY_BYTES_MAX;
use std::hash::{DefaultHasher, Hash as _, Hasher as _};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;
use tracing::info;
use wasmtime::component::Linker;
use wasmtime::{Config, Enabled, Engine, InstanceAllocationStrategy, PoolingAllocationConfig};

/// What one component may consist of. A component of componentize-py holds 23 core instances and 2 tables.
const CORE_INSTANCES_MAX: u32 = 64;
const MEMORIES_MAX: u32 = 4;
const TABLES_MAX: u32 = 8;

/// How many places of the pool keep what their last call left resident, for the next one of the same plugin. With more of
/// them each plugin takes further places, and what was used once stays in memory.
const WARM_PLACES_MAX: u32 = 32;

/// How often a guest that only computes gives way to others. Timeouts of such guests are this exact.
const EPOCH: Duration = Duration::from_millis(10);

/// What compiled plugins take in memory where nothing is said: 1 GiB.
const CODE_BYTES_MAX: u64 = 1 << 30;

/// About how many plugins a host has: only the first guess of the size of a table.
const PLUGINS_EXPECTED: usize = 100;

/// Compiled plugins that are kept, those that are used above all. One that is left out is read from disk when it is needed
/// again, which takes a millisecond.
type Plugins = quick_cache::unsync::Cache<Digest, Plugin, CodeBytes>;

#[derive(Clone)]
struct CodeBytes;

impl quick_cache::Weighter<Digest, Plugin> for CodeBytes {
    fn weight(&self, _: &Digest, plugin: &Plugin) -> u64 {
        plugin.code_bytes().max(1)
    }
}

fn plugins(code_bytes_max: u64) -> Mutex<Plugins> {
    Mutex::new(Plugins::with_weighter(PLUGINS_EXPECTED, code_bytes_max, CodeBytes))
}

/// Runs plugins. One for each host.
pub struct Sandbox {
    engine: Engine,
    linker: Linker<CallState>,
    compiler: Compiler,
    cache: Option<Arc<CodeCache>>,
    capacity: Arc<Capacity>,
    plugins: Mutex<Plugins>,
}

/// The engine could not be set up on this machine.
#[derive(Debug, thiserror::Error)]
#[error("the WebAssembly engine cannot start: {0:#}")]
pub struct SandboxError(wasmtime::Error);

impl Sandbox {
    /// Sets up the engine, without a cache of compiled code, its pool of instances and the thread that moves its epoch.
    pub fn new(compiler: Compiler) -> Result<Self, SandboxError> {
        let engine = Engine::new(config().allocation_strategy(InstanceAllocationStrategy::Pooling(pool())))
            .map_err(SandboxError)?;
        let linker = super::host_functions::linker(&engine).map_err(SandboxError)?;
        move_epoch(&engine);
        let capacity = Capacity::new(capacity::half_of_the_machine());
        Ok(Self { engine, linker, compiler, cache: None, capacity, plugins: plugins(CODE_BYTES_MAX) })
    }

    /// Lets all calls together have so much memory, in bytes; half of the machine's where nothing is said. When half of
    /// it is used, whoever has more than an equal share of the rest gets no more.
    #[must_use]
    pub fn with_memory(self, bytes_max: u64) -> Self {
        Self { capacity: Capacity::new(bytes_max), ..self }
    }

    /// Keeps compiled plugins in memory up to so many bytes of code; 1 GiB where nothing is said. What intervals are
    /// running on stays beyond that.
    #[must_use]
    pub fn with_code_memory(self, bytes_max: u64) -> Self {
        Self { plugins: plugins(bytes_max), ..self }
    }

    /// Has compiled code kept for later starts of the host, and used where an earlier one has left it.
    #[must_use]
    pub fn with_cache(self, cache: CodeCache) -> Self {
        Self { cache: Some(Arc::new(cache)), ..self }
    }

    /// Checks and compiles a component, or answers with the one that was compiled before.
    ///
    /// Takes up to seconds for large components, in a process of its own; only a few are compiled at a time.
    pub async fn load(&self, bytes: Vec<u8>) -> Result<Plugin, Refusal> {
        let digest = Digest::of(&bytes);
        if let Some(plugin) = self.loaded(&digest) {
            return Ok(plugin);
        }
        compile::check_header(&bytes)?;
        if let Some(plugin) = self.cached(digest).await {
            self.lock().insert(digest, plugin.clone());
            return Ok(plugin);
        }
        let slot = self.compiler.slot().await;
        // The same may have been compiled while this waited for its turn.
        if let Some(plugin) = self.loaded(&digest) {
            return Ok(plugin);
        }
        let code = slot.compile(&bytes).await?;
        let plugin = self.link(digest, code).await?;
        info!("Compiled version {digest} of a plugin");
        self.lock().insert(digest, plugin.clone());
        Ok(plugin)
    }

    /// What an earlier start has compiled; none where it is not there, or cannot be trusted or used.
    async fn cached(&self, digest: Digest) -> Option<Plugin> {
        let (engine, linker, cache) = (self.engine.clone(), self.linker.clone(), Arc::clone(self.cache.as_ref()?));
        let linked = tokio::task::spawn_blocking(move || {
            let code = cache.read(id(&engine), &digest)?;
            // SAFETY: the cache gives only what this installation's compiler has made, and proves it.
            unsafe { compile::link(&engine, &linker, &code) }.ok()
        });
        let (pre, imports) = linked.await.ok()??;
        Some(Plugin::new(digest, pre, imports, Arc::clone(&self.capacity)))
    }

    /// Makes code that has just been compiled callable, and keeps it. That takes its time, so on a thread of its own.
    async fn link(&self, digest: Digest, code: Vec<u8>) -> Result<Plugin, Refusal> {
        let (engine, linker, cache) = (self.engine.clone(), self.linker.clone(), self.cache.clone());
        let linked = tokio::task::spawn_blocking(move || {
            // SAFETY: the only caller has it from the compiler's process.
            let linked = unsafe { compile::link(&engine, &linker, &code) }?;
            if let Some(cache) = cache {
                cache.write(id(&engine), &digest, &code);
            }
            Ok(linked)
        });
        let (pre, imports) = linked.await.map_err(|panic| Refusal::CompilerUnavailable(panic.to_string()))??;
        Ok(Plugin::new(digest, pre, imports, Arc::clone(&self.capacity)))
    }

    /// The plugin with this digest, if it is in memory.
    pub fn loaded(&self, digest: &Digest) -> Option<Plugin> {
        self.lock().get(digest).cloned()
    }

    /// Frees the compiled code of a version that is gone.
    pub fn forget(&self, digest: &Digest) {
        self.lock().remove(digest);
        if let Some(cache) = &self.cache {
            cache.forget(digest);
        }
    }

    fn lock(&self) -> std::sync::MutexGuard<'_, Plugins> {
        self.plugins.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// Changes with wasmtime's version, with the settings and with the processor: code of one engine is of no use to another.
fn id(engine: &Engine) -> EngineId {
    let mut hasher = DefaultHasher::new();
    engine.precompile_compatibility_hash().hash(&mut hasher);
    hasher.finish()
}

/// All that decides what code is compiled to: the same here and in the compiler's process, which needs no pool.
pub(super) fn config() -> Config {
    let mut config = Config::new();
    config.epoch_interruption(true);
    // Off also closes the class of faults around concurrent component calls, and saves half a microsecond a call.
    config.concurrency_support(false);
    config.wasm_threads(false);
    config.wasm_gc(false);
    config.wasm_function_references(false);
    config.wasm_exceptions(false);
    config.wasm_memory64(false);
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
        // Giving a table's pages back after each call costs more than the whole call: every core is interrupted.
        .table_keep_resident(TABLE_ELEMENTS_MAX * size_of::<usize>())
        .total_stacks(CALLS_MAX)
        .max_unused_warm_slots(WARM_PLACES_MAX)
        .max_memory_size(usize::try_from(MEMORY_BYTES_MAX).expect("1 GiB fits"));
    if has_swap() {
        // A swapped-out dirty page is not reset by the scan, so only a little is kept, and reset by hand.
        pool.linear_memory_keep_resident(256 << 10).pagemap_scan(Enabled::No);
    } else {
        pool.linear_memory_keep_resident(2 << 20).pagemap_scan(Enabled::Auto);
    }
    pool
}

/// Whether the machine may swap; where that cannot be read, it may.
fn has_swap() -> bool {
    std::fs::read_to_string("/proc/swaps").map_or(true, |swaps| swaps.lines().count() > 1)
}

/// Moves the epoch for as long as the engine lives.
fn move_epoch(engine: &Engine) {
    let engine = engine.weak();
    std::thread::spawn(move || {
        while let Some(engine) = engine.upgrade() {
            engine.increment_epoch();
            std::thread::sleep(EPOCH);
        }
    });
}
