//! What the operator writes: flags, variables, and the file.

use crate::rounds::fuzz;
use crate::words;
use latchwork::config::Settings;
use latchwork::database_setting::Database;
use latchwork::plugin_store_setting::PluginStore;
use latchwork::sandbox::AllowedDirectory;

#[test]
fn the_file_of_settings() {
    let directory = tempfile::TempDir::new().unwrap();
    let file = directory.path().join("latchwork.toml");
    fuzz("the file of settings", move |dice| {
        let _keep = &directory;
        let bytes = match dice.within(0..8) {
            0 => dice.bytes(0..200),
            1 => format!("a = {}", "[".repeat(dice.within(0..50_000))).into_bytes(),
            2 => format!("{} = 1", vec!["a"; dice.within(1..50_000)].join(".")).into_bytes(),
            _ => dice.garbled(words::TOML).into_bytes(),
        };
        std::fs::write(&file, bytes).unwrap();
        match Settings::from_file(&file) {
            Ok(settings) => drop(settings.resolve()),
            Err(error) => assert!(error.to_string().contains("LATCHWORK_CONFIG"), "{error}"),
        }
    });
}

#[test]
fn places_of_databases_plugins_and_directories() {
    fuzz("places", |dice| {
        let url = dice.garbled(words::DATABASES);
        if let Some(database) = Database::parse(&url, 1) {
            let _ = database.to_string();
        }
        let text = dice.garbled(words::PLUGIN_STORES);
        if let Ok(place) = text.parse::<PluginStore>() {
            assert_eq!(place.to_string().parse(), Ok(place), "{text:?}");
        }
        if let Err(reason) = dice.garbled(words::DIRECTORIES).parse::<AllowedDirectory>() {
            assert!(!reason.is_empty());
        }
    });
}

#[test]
fn a_password_is_not_shown_whatever_it_is() {
    fuzz("passwords", |dice| {
        let (front, back) = (dice.text(0..8), dice.text(0..8));
        let url = format!("postgres://latchwork:{front}hunter2{back}@db/latchwork");
        let database = Database::parse(&url, 1).expect("it begins like one");
        assert!(!database.to_string().contains("hunter2"), "{url:?} is shown as {database}");
    });
}
