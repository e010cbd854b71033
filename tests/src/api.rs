//! The host's API, as a client sees it.

use crate::host::wait_for;
use serde_json::{Value, json};
use ureq::Agent;

/// A client of one host.
#[derive(Clone)]
pub struct Api {
    server: String,
    agent: Agent,
}

/// What the host answered.
pub struct Answer {
    /// The status.
    pub status: u16,
    /// The header `location`.
    pub location: Option<String>,
    /// The header `retry-after`.
    pub retry_after: Option<String>,
    /// The JSON, null where there is none.
    pub body: Value,
}

impl Api {
    /// A client of the host at an address, `http://` and what follows.
    pub fn new(server: String) -> Self {
        Self { server, agent: Agent::config_builder().http_status_as_error(false).build().into() }
    }

    /// The host's address.
    pub fn server(&self) -> &str {
        &self.server
    }

    /// Sends a request and returns the status and the JSON of the answer, null where it has none.
    pub fn send(&self, method: &str, path: &str, body: Option<&Value>) -> (u16, Value) {
        self.try_send(method, path, body).unwrap_or_else(|error| panic!("{method} {path}: {error}"))
    }

    /// The same for a host that may be gone.
    pub fn try_send(&self, method: &str, path: &str, body: Option<&Value>) -> Result<(u16, Value), ureq::Error> {
        let request = ureq::http::Request::builder().method(method).uri(format!("{}{path}", self.server));
        let answer = match body {
            Some(body) => {
                let request = request.header("content-type", "application/json").body(body.to_string());
                answer(self.agent.run(request.expect("a sound request"))?)?
            }
            None => answer(self.agent.run(request.body(()).expect("a sound request"))?)?,
        };
        Ok((answer.status, answer.body))
    }

    /// Posts any text as what it is said to be.
    pub fn post_text(&self, path: &str, content_type: &str, text: &str) -> Answer {
        let request = self.agent.post(format!("{}{path}", self.server)).content_type(content_type);
        request.send(text).and_then(answer).expect("the host answers")
    }

    /// GET, whatever the answer; none where nobody answers.
    pub fn look(&self, path: &str) -> Option<Answer> {
        self.agent.get(format!("{}{path}", self.server)).call().and_then(answer).ok()
    }

    /// GET, expecting 200.
    pub fn get(&self, path: &str) -> Value {
        let (status, body) = self.send("GET", path, None);
        assert_eq!(status, 200, "GET {path}: {body}");
        body
    }

    /// Uploads bytes and returns the status and the answer.
    pub fn upload(&self, name: &str, wasm: &[u8]) -> (u16, Value) {
        let request = self.agent.put(format!("{}/plugins/{name}", self.server));
        let answer = request.send(wasm).and_then(answer).expect("the host answers");
        (answer.status, answer.body)
    }

    /// Uploads one of the project's plugins under its own name.
    pub fn upload_plugin(&self, name: &str) {
        let (status, body) = self.upload(name, &crate::plugin(name));
        assert!(status == 200 || status == 201, "{body}");
    }

    /// Creates a job and returns its id.
    pub fn create_job(&self, job: &Value) -> String {
        let (status, body) = self.send("POST", "/jobs", Some(job));
        assert_eq!(status, 201, "{body}");
        text(&body["id"])
    }

    /// Creates a manual job that runs a plugin with a payload; `rest` adds or replaces fields.
    pub fn manual_job(&self, plugin: &str, payload: &Value, rest: Value) -> String {
        let mut job = json!({ "name": plugin, "plugin": plugin, "type": "manual", "payload": payload });
        let fields = job.as_object_mut().expect("an object");
        if let Value::Object(rest) = rest {
            fields.extend(rest);
        }
        self.create_job(&job)
    }

    /// Starts an interval and returns its id.
    pub fn trigger(&self, job: &str) -> String {
        let (status, body) = self.send("POST", &format!("/jobs/{job}/trigger"), None);
        assert_eq!(status, 202, "{body}");
        text(&body["interval_id"])
    }

    /// An interval as it is now.
    pub fn interval(&self, interval: &str) -> Value {
        self.get(&format!("/intervals/{interval}"))
    }

    /// Waits until an interval has ended.
    pub fn ended(&self, interval: &str) -> Value {
        self.wait_for_interval(interval, |view| view["state"] != "pending" && view["state"] != "running")
    }

    /// Waits until an interval is as wanted.
    pub fn wait_for_interval(&self, interval: &str, is_wanted: impl Fn(&Value) -> bool) -> Value {
        wait_for("an interval", || Some(self.interval(interval)).filter(|view| is_wanted(view)))
    }

    /// Creates a manual job, triggers it and returns the ended interval.
    pub fn run(&self, plugin: &str, payload: &Value, rest: Value) -> Value {
        let job = self.manual_job(plugin, payload, rest);
        self.ended(&self.trigger(&job))
    }

    /// One task of an interval.
    pub fn task(&self, interval: &str, index: u32) -> Value {
        self.get(&format!("/intervals/{interval}/tasks/{index}"))
    }

    /// The messages of an interval's log, or of one task's, all pages of them.
    pub fn log(&self, interval: &str, index: Option<u32>) -> Vec<String> {
        let index = index.map(|index| format!("&index={index}")).unwrap_or_default();
        let (mut messages, mut after) = (Vec::new(), 0);
        loop {
            let page = self.get(&format!("/intervals/{interval}/logs?limit=1000&after={after}{index}"));
            let lines = page["logs"].as_array().expect("an array of lines");
            messages.extend(lines.iter().map(|line| text(&line["message"])));
            let Some(last) = lines.last() else { return messages };
            after = last["id"].as_i64().expect("a line's id");
        }
    }

    /// The intervals of a job, the newest first.
    pub fn intervals(&self, job: &str) -> Vec<Value> {
        let page = self.get(&format!("/jobs/{job}/intervals?limit=1000"));
        page["intervals"].as_array().expect("an array of intervals").clone()
    }

    /// Waits until one of a job's intervals is as wanted.
    pub fn wait_for_interval_of(&self, job: &str, is_wanted: impl Fn(&Value) -> bool) -> Value {
        wait_for("an interval of the job", || self.intervals(job).into_iter().find(&is_wanted))
    }

    /// Checks that the host goes on: it runs another interval, and runs it well.
    pub fn assert_goes_on(&self) {
        let ended = self.run("misbehave", &json!({ "act": "succeed" }), json!({}));
        assert_eq!(ended["state"], "succeeded", "the host must go on: {ended}");
    }
}

fn answer(mut response: ureq::http::Response<ureq::Body>) -> Result<Answer, ureq::Error> {
    let header = |name| response.headers().get(name).and_then(|value| value.to_str().ok()).map(str::to_owned);
    let (location, retry_after) = (header("location"), header("retry-after"));
    let text = response.body_mut().read_to_string()?;
    let body = serde_json::from_str(&text).unwrap_or(Value::Null);
    Ok(Answer { status: response.status().as_u16(), location, retry_after, body })
}

/// A JSON string's text.
pub fn text(value: &Value) -> String {
    value.as_str().unwrap_or_else(|| panic!("{value} is no string")).to_owned()
}

/// The instant that a JSON string writes, in milliseconds since 1970.
pub fn instant(value: &Value) -> i64 {
    let instant: Result<jiff::Timestamp, _> = text(value).parse();
    instant.unwrap_or_else(|error| panic!("{value} is no instant: {error}")).as_millisecond()
}
