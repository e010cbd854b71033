use super::*;

#[test]
fn a_flag_or_variable_goes_before_the_file_and_the_file_before_the_default() {
    let file = file("listen = '127.0.0.1:1'\nrecovery_check_interval = 9\nstop_grace = '1m'").unwrap();
    let given = Settings { listen: Some(SocketAddr::from(([127, 0, 0, 1], 2))), ..Settings::default() };
    let config = given.or(file).resolve().unwrap();
    assert_eq!(config.listen.port(), 2);
    assert_eq!(config.recovery.check_every, Duration::from_secs(9));
    assert_eq!(config.stop_grace, Duration::from_mins(1));
    assert_eq!(config.recovery.attempts_max, 3);
    assert_eq!(config.retention, Retention { intervals: Some(10_000), days: Some(90) });
    assert_eq!(config.database, Database::Sqlite("latchwork-data/latchwork.db".into()));
}

#[test]
fn a_database_of_another_kind_is_refused_without_showing_its_password() {
    let database_url = Some("mysql://me:secret@db/x".to_owned());
    let error = Settings { database_url, ..Settings::default() }.resolve().unwrap_err().to_string();
    assert!(error.starts_with("DATABASE_URL is `mysql:…`: it takes sqlite:PATH"), "{error}");
    let file = file("database_url = 'postgres://db/x'\ndatabase_connections_max = 3").unwrap();
    let expected = Database::Postgres { url: "postgres://db/x".to_owned(), connections_max: 3 };
    assert_eq!(file.resolve().unwrap().database, expected);
}

#[test]
fn a_default_retention_of_nothing_keeps_everything() {
    let retention = |text| file(text).unwrap().resolve().unwrap().retention;
    let intervals = retention("default_retention_intervals = 0");
    assert_eq!(intervals, Retention { intervals: None, days: Some(90) });
    assert_eq!(retention("default_retention_days = 0"), Retention { intervals: Some(10_000), days: None });
    assert_eq!(retention("default_retention_days = 7").days, Some(7));
}

#[test]
fn an_unknown_key_of_the_file_is_named() {
    assert_eq!(file("lissten = '127.0.0.1:1'").unwrap_err(), "`lissten` is no setting");
}

fn file(text: &str) -> Result<Settings, String> {
    Settings::from_toml(toml::from_str(text).unwrap())
}
