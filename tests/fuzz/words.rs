//! Samples of what people and other programs write, to be garbled.

pub(crate) const CRONS: &[&str] = &[
    "*/5 * * * *",
    "30 2 * * 1-5",
    "0 0 1 1 *",
    "0 0 29 2 *",
    "0 0 31 2 *",
    "15 10 L * ?",
    "0 0 * * 5#3",
    "0 0 15W * *",
    "0 12 * JAN,MAR MON-FRI",
    "59 59 23 31 12 5 2099",
    "*/7 */3 1-15/2 * * *",
    "@daily",
    "@yearly",
    "* * * * * *",
];

pub(crate) const ZONES: &[&str] = &[
    "UTC",
    "Europe/Berlin",
    "America/New_York",
    "Australia/Lord_Howe",
    "Pacific/Apia",
    "Africa/Casablanca",
    "Etc/GMT+12",
];

pub(crate) const DURATIONS: &[&str] = &[
    "30s",
    "1h30m",
    "PT30S",
    "P1DT12H",
    "2d",
    "1.5s",
    "999ms",
    "1us",
    "P1Y2M3W4DT5H6M7.89S",
    "-5m",
    "1 hour 2 min",
    "0s",
];

pub(crate) const HOSTS: &[&str] = &[
    "api.example.com",
    "*.example.com",
    "*",
    "127.0.0.1",
    "*.0.0.1",
    "::1",
    "[fe80::1]",
    "::ffff:10.0.0.1",
    "xn--bcher-kva.example",
    "EXAMPLE.com.",
    "a.b.c.d.e.f",
];

pub(crate) const LABELS: &[&str] = &["gpu=yes,zone=a", "a=b", "", "x/y.z_w-v=1", "a=b, c=d", "a==b", "a=b,a=c"];

pub(crate) const DIGESTS: &[&str] = &[
    "9f86d081884c7d659a2feaa0c55ad015a3bf4f1b2b0b822cd15d6c15b0f00a08",
    "9F86D081884C7D659A2FEAA0C55AD015A3BF4F1B2B0B822CD15D6C15B0F00A08",
    "00",
];

pub(crate) const IDS: &[&str] = &[
    "01890a5d-ac96-774b-bcce-b302099a8057",
    "01890A5DAC96774BBCCEB302099A8057",
    "{01890a5d-ac96-774b-bcce-b302099a8057}",
    "urn:uuid:01890a5d-ac96-774b-bcce-b302099a8057",
];

pub(crate) const ROLES: &[&str] = &["api", "api,scheduler,worker", "worker, api", "scheduler"];

pub(crate) const DATABASES: &[&str] = &[
    "sqlite:latchwork.db",
    "sqlite:///var/lib/latchwork/db",
    "sqlite::memory:",
    "postgres://latchwork:password@db.example.com:5432/latchwork?sslmode=require",
    "postgresql://[::1]/x",
];

pub(crate) const PLUGIN_STORES: &[&str] =
    &["database", "file:///var/lib/plugins", "s3://bucket/prefix/deeper/", "s3://bucket", "file://relative"];

pub(crate) const DIRECTORIES: &[&str] =
    &["/tmp", "/tmp:rw", "/:ro", ".", "/proc/self/fd", "/no/such", "/tmp/../etc:rw"];

pub(crate) const SERVERS: &[&str] = &[
    "https://api.example.com",
    "https://*.example.com:8443",
    "http://*",
    "http://[::1]:8080",
    "http://127.0.0.1",
    "ftp://a",
    "https://me:word@a",
];

pub(crate) const NETWORKS: &[&str] =
    &["10.0.0.0/8", "127.0.0.1", "fc00::/7", "::ffff:10.0.0.0/104", "0.0.0.0/0", "10.0.0.0/33"];

pub(crate) const KEYS: &[&str] = &[
    "000102030405060708090a0b0c0d0e0f101112131415161718191a1b1c1d1e1f",
    "AAECAwQFBgcICQoLDA0ODxAREhMUFRYXGBkaGxwdHh8=",
    "AAECAwQFBgcICQoLDA0ODxAREhMUFRYXGBkaGxwdHh8",
];

pub(crate) const INSTANTS: &[&str] = &[
    "2030-01-31T12:00:00Z",
    "2026-03-29T02:30:00+01:00",
    "1969-12-31T23:59:59.999Z",
    "+262142-12-31T23:59:59Z",
    "-262143-01-01T00:00:00Z",
    "2016-12-31T23:59:60Z",
];

pub(crate) const TOML: &[&str] = &[
    "listen = '127.0.0.1:8080'\ndata_dir = 'x'\nhost_id = 'a'\nroles = 'api,scheduler,worker'\nlabels = 'a=b'\n",
    "database_url = 'sqlite:x.db'\ndatabase_connections_max = 3\ndatabase_wait = '1m'\nplugin_store = 'database'\n",
    "allow_dir = ['/tmp:rw', '/tmp']\nupload_bytes_max = 1000\nstop_grace = '30s'\nenable_recovery = true\n",
    "compile_memory_bytes_max = 1\ncompile_cpu_max = '3s'\ncompile_timeout = '1m'\nrecovery_check_interval = 5\n",
    "default_retention_intervals = 1\ndefault_retention_days = 0\nmax_recovery_attempts = 3\n[a.b]\nc = [[1], {d = 2}]\n",
];

/// Requests that create jobs, with every field in one of them.
pub(crate) const JOBS: &[&str] = &[
    r#"{"name": "a", "plugin": "worker", "type": "interval", "interval": "30s", "payload": {"a": [1, 2.50, "x"]}}"#,
    r#"{"name": "b", "plugin": "worker", "type": "cron", "cron": "0 3 * * *", "timezone": "Europe/Berlin",
        "dst_gap": "skip", "dst_fold": "twice", "catch_up": "all", "catch_up_max": 5, "catch_up_within": "1d"}"#,
    r#"{"name": "c", "plugin": "worker", "type": "once", "at": "2096-01-31T12:00:00Z", "jitter": "5s",
        "start_deadline": "1m", "pause_after_failures": 3, "retention": {"intervals": 5, "days": 9}}"#,
    r#"{"name": "d", "plugin": "worker", "type": "manual", "overlap": "queue", "queue_max": 3, "on_upgrade": "finish",
        "enable_recovery": false, "tasks": 1000, "requires": {"gpu": "yes"}, "workspace_id": "w"}"#,
    r#"{"name": "e", "plugin": "worker", "type": "manual", "max_parallel": 3, "timeout": "1m", "interval_timeout": "2h",
        "memory_limit_bytes": 65536, "key_limit_bytes": 0, "max_failed": "5%", "rate_limit": 0.5, "priority": -3,
        "retry": {"max_attempts": 3, "backoff": "1s", "factor": 1.5, "max_backoff": "1m", "jitter": false}}"#,
    r#"{"name": "g", "plugin": "worker", "type": "manual", "cpu_limit": "10s", "output_limit_bytes": 9,
        "log_limit_bytes": 0, "checkpoint_limit_bytes": 7, "handle_limit": 3, "random_limit_bytes": 5,
        "http_body_limit_bytes": 1000, "warm_calls": 100, "weight": 3}"#,
    r#"{"name": "f", "plugin": "worker", "type": "manual", "max_failed": 7, "grants": {
        "directories": [{"path": "/tmp", "mount": "/data", "access": "read"}],
        "http": [{"scheme": "https", "host": "*.example.com", "port": 443, "methods": ["GET", "post"]}],
        "config": {"A_B": "c"}, "secrets": [{"name": "S", "env": "T", "shown_as": "placeholder", "hosts": ["*"]}]}}"#,
];
