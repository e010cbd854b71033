//! What the operator writes: flags, variables, and the file.

use crate::rounds::fuzz;
use crate::words;
use latchwork::config::Settings;
use latchwork::database_setting::Database;
use latchwork::domain::addresses::{AllowedAddress, AllowedAddresses, is_public};
use latchwork::domain::grants::{HttpGrant, HttpScheme};
use latchwork::domain::http_reach::{AllowedHttp, AllowedServers};
use latchwork::plugin_store_setting::PluginStore;
use latchwork::sandbox::AllowedDirectory;
use std::net::Ipv4Addr;

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

#[test]
fn servers_and_networks_that_jobs_may_reach() {
    fuzz("servers and networks", |dice| {
        let servers =
            dice.garbled(words::SERVERS).parse::<AllowedServers>().map(|servers| AllowedHttp::new(vec![servers]));
        if let (Ok(allowed), Ok(host)) = (servers, dice.garbled(words::HOSTS).parse()) {
            let scheme = *dice.pick(&[HttpScheme::Http, HttpScheme::Https]);
            let grant = HttpGrant { scheme, host, port: dice.number() as u16, methods: Vec::new() };
            let nothing = AllowedHttp::default();
            assert!(nothing.check(&grant).is_err(), "{grant:?} was allowed by nobody");
            let _ = allowed.check(&grant);
        }
        let address = Ipv4Addr::from(dice.number() as u32);
        let mapped = address.to_ipv6_mapped();
        assert_eq!(is_public(address.into()), is_public(mapped.into()), "{address} as IPv6");
        if let Ok(network) = dice.garbled(words::NETWORKS).parse::<AllowedAddress>() {
            let allowed = AllowedAddresses::new(vec![network]);
            assert!(allowed.permit(address.into()) || !is_public(address.into()), "{address} is public");
        }
    });
}
