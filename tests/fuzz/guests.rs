//! Modules and components that wasm-smith makes up, and plugins around such modules.

use crate::dice::Dice;
use arbitrary::{Arbitrary as _, Unstructured};
use latchwork_tests::Guest;
use wasm_smith::{Component, Config, Module};

/// Enough for some hundred instructions.
const ENTROPY: usize = 8_192;

/// Bytes that may be a plugin; mostly something that passes at least the header.
pub(crate) fn upload(dice: &mut Dice) -> Vec<u8> {
    let sound = match dice.within(0..8) {
        0 => module(dice),
        1 | 2 => component(dice),
        3 => mended(dice),
        _ => plugin(dice),
    };
    if dice.once_in(3) { dice.damaged(&sound) } else { sound }
}

/// A core module, which is never a plugin.
fn module(dice: &mut Dice) -> Vec<u8> {
    let entropy = dice.bytes(ENTROPY..ENTROPY + 1);
    let mut entropy = Unstructured::new(&entropy);
    let config = Config::arbitrary(&mut entropy).unwrap_or_default();
    Module::new(config, &mut entropy).map_or_else(|_| b"\0asm".to_vec(), |module| module.to_bytes())
}

/// A component of any kind.
fn component(dice: &mut Dice) -> Vec<u8> {
    let entropy = dice.bytes(1..ENTROPY);
    let made =
        Component::new(Config { gc_enabled: dice.once_in(8), ..Config::default() }, &mut Unstructured::new(&entropy));
    made.map_or_else(|_| b"\0asm\x0d\0\x01\0".to_vec(), |component| component.to_bytes())
}

/// A plugin around a made-up module that exports what is asked for.
fn plugin(dice: &mut Dice) -> Vec<u8> {
    // Modules that call what they like.
    let guest = Guest { uses: Guest::all_functions(), ..Guest::default() };
    let (imports, exports) = guest.shape();
    let entropy = dice.bytes(ENTROPY..ENTROPY + 1);
    let config = Config {
        available_imports: Some(imports),
        exports: Some(exports),
        max_imports: 60,
        max_memories: if dice.once_in(16) { 6 } else { dice.within(0..2) },
        max_tables: if dice.once_in(16) { 10 } else { dice.within(0..4) },
        max_instructions: dice.within(1..400),
        max_table_elements: if dice.once_in(16) { 30_000 } else { 1_000 },
        allow_start_export: dice.once_in(2),
        // Most of what the host has switched off, which would be refused each time.
        exceptions_enabled: dice.once_in(16),
        gc_enabled: dice.once_in(16),
        memory64_enabled: dice.once_in(16),
        threads_enabled: dice.once_in(16),
        wide_arithmetic_enabled: dice.once_in(16),
        compact_imports_enabled: dice.once_in(16),
        ..Config::default()
    };
    let made = Module::new(config, &mut Unstructured::new(&entropy));
    made.map_or_else(|_| guest.component(), |module| guest.around(&module.to_bytes()))
}

/// A sound plugin, whose `run` returns any address, after it has filled its memory with anything.
fn mended(dice: &mut Dice) -> Vec<u8> {
    let bytes: String = dice.bytes(0..2_000).iter().map(|byte| format!("\\{byte:02x}")).collect();
    let address = if dice.once_in(4) { dice.number() as i32 } else { dice.within(0..512) as i32 & !3 };
    let answer = format!("(i32.const {address})");
    Guest {
        fields: format!("(data (i32.const 0) \"{bytes}\")"),
        plan: answer.clone(),
        run: answer,
        realloc: if dice.once_in(2) {
            format!("(i32.const {})", dice.number() as i32)
        } else {
            Guest::default().realloc
        },
        ..Guest::default()
    }
    .component()
}
