//! The one wasmtime engine: what WebAssembly may do here, where instances live, and the clock that interrupts them.

use std::hash::{DefaultHasher, Hash, Hasher};
use std::thread;

use wasmtime::{Config, Enabled, Engine, InstanceAllocationStrategy, PoolingAllocationConfig, WasmFeatures};

use crate::limits::{POOL_MEMORY_BYTES_MAX, TABLE_ELEMENTS_MAX, TICK};

/// An engine that runs at most `instances_max` guests at once, with its ticker. Instances come from a pool; where the pool's address space can't be had
/// (a small address space, `ulimit -v`), each is allocated on demand, which is slower.
pub(crate) fn running(instances_max: u32) -> wasmtime::Result<Engine> {
    let engine = match Engine::new(config().allocation_strategy(pool(instances_max))) {
        Ok(engine) => engine,
        Err(e) => {
            tracing::warn!(error = %e, "no address space for the plugin pool; plugin calls will be slower");
            Engine::new(&config())?
        }
    };
    start_ticker(&engine)?;
    Ok(engine)
}

/// An engine that only compiles. What it makes runs in [`running`]'s: the allocation strategy does not count.
pub(crate) fn compiling() -> wasmtime::Result<Engine> {
    Engine::new(&config())
}

/// Names everything that decides whether compiled code fits an engine: wasmtime's version, settings, the CPU.
pub(crate) fn fingerprint(engine: &Engine) -> String {
    let mut hasher = DefaultHasher::new();
    engine.precompile_compatibility_hash().hash(&mut hasher);
    format!("{:016x}", hasher.finish())
}

fn config() -> Config {
    // What no guest toolchain needs. Multi-memory stays on: component adapters use it.
    let unwanted = WasmFeatures::THREADS
        | WasmFeatures::SHARED_EVERYTHING_THREADS
        | WasmFeatures::MEMORY64
        | WasmFeatures::RELAXED_SIMD
        | WasmFeatures::STACK_SWITCHING
        | WasmFeatures::GC
        | WasmFeatures::FUNCTION_REFERENCES
        | WasmFeatures::EXCEPTIONS
        | WasmFeatures::LEGACY_EXCEPTIONS
        | WasmFeatures::CUSTOM_PAGE_SIZES
        | WasmFeatures::WIDE_ARITHMETIC
        | WasmFeatures::CM_ERROR_CONTEXT
        | WasmFeatures::CM_GC
        | WasmFeatures::CM_MAP
        | WasmFeatures::CM_FIXED_LENGTH_LISTS;
    let mut config = Config::new();
    config
        .epoch_interruption(true)
        .concurrency_support(false)
        .max_wasm_stack(512 << 10)
        .async_stack_size(1 << 20)
        .wasm_features(unwanted, false);
    config
}

fn pool(instances_max: u32) -> InstanceAllocationStrategy {
    let mut pool = PoolingAllocationConfig::new();
    pool.total_component_instances(instances_max)
        .total_stacks(instances_max)
        .total_memories(instances_max.saturating_mul(2))
        .total_tables(instances_max.saturating_mul(8))
        .total_core_instances(instances_max.saturating_mul(16))
        .table_elements(TABLE_ELEMENTS_MAX)
        .max_memory_size(POOL_MEMORY_BYTES_MAX)
        .max_core_instances_per_component(64)
        .max_memories_per_component(8)
        .max_tables_per_component(64)
        .linear_memory_keep_resident(1 << 20)
        .table_keep_resident(64 << 10)
        .pagemap_scan(Enabled::Auto);
    pool.into()
}

/// A thread of the operating system, so that a tick comes even when every async worker runs a guest. It ends with the engine.
fn start_ticker(engine: &Engine) -> wasmtime::Result<()> {
    let weak = engine.weak();
    thread::Builder::new().name("plugin-ticker".into()).spawn(move || {
        while let Some(engine) = weak.upgrade() {
            engine.increment_epoch();
            drop(engine);
            thread::sleep(TICK);
        }
    })?;
    Ok(())
}
