//! Requests of a guest, and what servers answer: whatever either says, the call ends in time, nobody is asked whom the
//! job does not grant, and its secret goes where it may.

use crate::dice::Dice;
use crate::rounds::{fuzz, tell};
use crate::servers::{Answer, Server};
use crate::surroundings::{self, LATE};
use latchwork::domain::addresses::AllowedAddresses;
use latchwork::domain::call_limits::CallLimits;
use latchwork::domain::grants::{HttpGrant, HttpScheme, SecretShown};
use latchwork::domain::task::{FailureKind, Outcome, TaskOutput};
use latchwork::sandbox::{CallReport, Compiler, GrantedSecret, Limits, Network, Plugin, Reach, Sandbox, WarmCell};
use serde_json::{Value, json};
use std::collections::BTreeMap;
use std::io::ErrorKind;
use std::net::TcpListener;
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::{Duration, Instant};
use tokio::runtime::Runtime;

/// Long enough for a server that answers; one that does not costs the round so much.
const TIMEOUT: Duration = Duration::from_millis(200);

/// The largest body, in either direction.
const BODY_BYTES_MAX: usize = 1_000;

const SECRET: &str = "s3cr3t/of the job";

/// How the text begins that stands for it.
const PLACEHOLDER: &str = "latchwork-secret-";

const SCHEMES: &[&str] = &["http://", "http://", "https://", "https://", "HTTP://", "ftp://", "http:/", ""];

const SERVERS: &[&str] = &[
    "127.0.0.1",
    "127.0.0.2",
    "localhost",
    "127.1",
    "0x7f.1",
    "0x7f000002",
    "0177.0.0.1",
    "2130706433",
    "2130706434",
    "0.0.0.0",
    "[::1]",
    "[::ffff:127.0.0.1]",
    "[::ffff:7f00:2]",
    "me:word@127.0.0.1",
    "127.0.0.1@127.0.0.2",
    "127.0.0.1%2e",
    "127。0。0。1",
    "bücher.example",
];

const PORTS: &[&str] = &["", ":", ":80", ":0", ":65536", ":+80", ":80:81"];

const PATHS: &[&str] = &["/", "/a/b?c=d&e=%00", "/é?ü", "//127.0.0.2/", "/?a#b", "/../..", "/a@b:c", "?a", ""];

const METHODS: &[&str] =
    &["GET", "GET", "POST", "PUT", "HEAD", "TRACE", "CONNECT", "connect", "A-B_C", "", "GET / HTTP/1.1\r\na:"];

const NAMES: &[&str] = &[
    "authorization",
    "x-token",
    "Idempotency-Key",
    "idempotency-key",
    "Host",
    "content-length",
    "transfer-encoding",
    "connection",
    "expect",
    "x y",
];

const VALUES: &[&str] = &[
    "$API_TOKEN",
    "Bearer $API_TOKEN",
    "Basic $API_TOKEN",
    "Basic dXNlcjpwYXNzd29yZA==",
    "$API_TOKEN \t $API_TOKEN",
    "é $API_TOKEN",
    "a\r\nhost: b",
    "100-continue",
    "chunked",
    "5",
    "",
];

#[test]
fn requests_of_a_guest_and_what_servers_answer() {
    let world = World::new();
    let tally = Arc::clone(&world.tally);
    fuzz("outgoing", move |dice| world.play(dice));
    let [arrived, succeeded] = [&tally.arrived, &tally.succeeded].map(|number| number.load(Ordering::Relaxed));
    tell(&format!("outgoing: {arrived} requests arrived; {succeeded} calls succeeded"));
}

/// How far requests got.
#[derive(Default)]
struct Tally {
    arrived: AtomicUsize,
    succeeded: AtomicUsize,
}

struct World {
    runtime: Runtime,
    plugin: Plugin,
    network: Network,
    server: Arc<Server>,
    /// Whom nobody may ask: another port of the server's address, and its port of another address.
    strangers: [TcpListener; 2],
    tally: Arc<Tally>,
}

impl World {
    fn new() -> Self {
        let runtime = tokio::runtime::Builder::new_multi_thread().worker_threads(2).enable_all().build().unwrap();
        let sandbox = Sandbox::new(Compiler::within_this_process()).unwrap();
        let loaded = runtime.block_on(sandbox.load(latchwork_tests::plugin("fetch")));
        let plugin = loaded.unwrap_or_else(|refusal| panic!("{refusal}"));
        let server = runtime.block_on(Server::start());
        let strangers = [("127.0.0.1", 0), ("127.0.0.2", server.port)].map(|place| TcpListener::bind(place).unwrap());
        strangers.iter().for_each(|stranger| stranger.set_nonblocking(true).unwrap());
        // The host would let it reach all of this machine: what keeps it is the grant alone.
        let inside = vec!["127.0.0.0/8".parse().unwrap(), "::1".parse().unwrap()];
        let network = Network::new(AllowedAddresses::new(inside));
        Self { runtime, plugin, network, server, strangers, tally: Arc::default() }
    }

    fn play(&self, dice: &mut Dice) {
        let ports = [self.server.port, self.strangers[0].local_addr().unwrap().port()];
        let may_have_secret = !dice.once_in(4);
        let scope = surroundings::scope_with(order(dice, ports).to_string(), limits(), self.reach(may_have_secret));
        self.server.will_say((0..dice.within(1..7)).map(|_| {
            let elsewhere = url(dice, ports);
            Answer::any(dice, &elsewhere, BODY_BYTES_MAX)
        }));
        let (task, mut fresh, begun) = (surroundings::task(), WarmCell::default(), Instant::now());
        let report = self.runtime.block_on(self.plugin.run(&task, surroundings::of_task(&scope, &mut fresh)));
        let taken = begun.elapsed();
        assert!(taken < TIMEOUT + LATE, "the call took {taken:?}");
        let asked = self.runtime.block_on(self.server.asked());
        let requests: Vec<_> = asked.iter().filter_map(|asked| asked.split_once("\r\n\r\n")).collect();
        requests.iter().for_each(|(head, body)| check_request(head, body, may_have_secret));
        self.check(&report, requests.len());
    }

    /// One server, and the secret: for that server, or for another.
    fn reach(&self, may_have_secret: bool) -> Reach {
        let host = |host: &str| host.parse().unwrap();
        let port = self.server.port;
        let grant = |scheme| HttpGrant { scheme, host: host("127.0.0.1"), port, methods: Vec::new() };
        let secret = GrantedSecret {
            env: "API_TOKEN".to_owned(),
            shown_as: SecretShown::Placeholder,
            hosts: vec![host(if may_have_secret { "127.0.0.1" } else { "127.0.0.2" })],
            value: SECRET.to_owned().into(),
        };
        let http = vec![grant(HttpScheme::Http), grant(HttpScheme::Https)];
        Reach { http, secrets: vec![secret], network: self.network.clone(), ..Reach::default() }
    }

    fn check(&self, report: &CallReport<TaskOutput>, arrived: usize) {
        for stranger in &self.strangers {
            let came = stranger.accept().map_err(|error| error.kind());
            assert!(matches!(came, Err(ErrorKind::WouldBlock)), "somebody was asked without a grant: {came:?}");
        }
        let log: Vec<_> = report.log.iter().map(|line| line.message.as_str()).collect();
        assert!(log.iter().all(|line| !line.contains(SECRET)), "{log:?}");
        let place = format!("http://127.0.0.1:{}", self.server.port);
        let told = log.iter().filter(|line| line.contains(&place)).count();
        let is_full = log.iter().any(|line| line.contains("further lines dropped"));
        assert!(told >= arrived || is_full, "{arrived} requests arrived: {log:?}");
        self.tally.arrived.fetch_add(arrived, Ordering::Relaxed);
        match &report.outcome {
            Outcome::Succeeded(_) => drop(self.tally.succeeded.fetch_add(1, Ordering::Relaxed)),
            Outcome::Failed(failure) => {
                assert!(!matches!(failure.kind, FailureKind::Host | FailureKind::Poison), "{failure:?}");
                assert!(!failure.message.contains(SECRET), "{failure:?}");
            }
        }
    }
}

fn limits() -> Limits {
    Limits {
        timeout: TIMEOUT,
        memory_bytes_max: 16 << 20,
        key_bytes_max: 0,
        call: CallLimits { cpu_max: TIMEOUT, http_body_bytes_max: BODY_BYTES_MAX as u64, ..CallLimits::default() },
    }
}

/// Checks a request that has arrived.
fn check_request(head: &str, body: &str, may_have_secret: bool) {
    let (line, headers) = head.split_once("\r\n").expect("a request has headers");
    let count = |name: &str| headers.lines().filter(|header| header.to_ascii_lowercase().starts_with(name)).count();
    assert_eq!(count("host:"), 1, "{head}");
    assert!(count("idempotency-key:") > 0, "{head}");
    assert!(!line.contains(SECRET) && !body.contains(SECRET), "a secret stands in headers alone: {head}\n\n{body}");
    assert!(may_have_secret || !headers.contains(SECRET), "the secret is another server's: {head}");
    assert!(!head.contains(PLACEHOLDER), "the secret was not put in its place: {head}");
}

/// A payload of `fetch`.
fn order(dice: &mut Dice, ports: [u16; 2]) -> Value {
    let headers: BTreeMap<_, _> = (0..dice.within(0..4)).map(|_| (one_of(dice, NAMES), one_of(dice, VALUES))).collect();
    let basic = dice.once_in(4).then(|| [one_of(dice, VALUES), one_of(dice, VALUES)]);
    let body = match dice.within(0..4) {
        0 => "x".repeat(dice.within(0..3 * BODY_BYTES_MAX)),
        1 => dice.text(0..100),
        _ => String::new(),
    };
    let (url, method) = (url(dice, ports), one_of(dice, METHODS));
    json!({ "urls": [url], "method": method, "headers": headers, "basic": basic, "body": body })
}

/// Mostly one of the server that is granted, whose port comes first.
fn url(dice: &mut Dice, ports: [u16; 2]) -> String {
    let path = path(dice);
    if !dice.once_in(3) {
        let scheme = if dice.once_in(16) { "https" } else { "http" };
        return format!("{scheme}://127.0.0.1:{}{path}", ports[0]);
    }
    let port = if dice.once_in(4) { one_of(dice, PORTS) } else { format!(":{}", dice.pick(&ports)) };
    format!("{}{}{port}{path}", one_of(dice, SCHEMES), one_of(dice, SERVERS))
}

fn path(dice: &mut Dice) -> String {
    match dice.within(0..16) {
        0 => "/long".repeat(dice.within(1..20_000)),
        1 => format!("/{}", dice.text(0..40)),
        _ => one_of(dice, PATHS),
    }
}

/// One of the samples, now and then with mistakes.
fn one_of(dice: &mut Dice, samples: &[&str]) -> String {
    if dice.once_in(8) { dice.garbled(samples) } else { (*dice.pick(samples)).to_owned() }
}
