//! One hostile guest, and how it must end.

use latchwork_tests::{Api, Guest, text};
use serde_json::{Value, json};

/// A guest with its job.
pub(super) struct Case {
    pub(super) name: &'static str,
    component: Vec<u8>,
    job: Value,
    expected: Expected,
}

/// How it must end.
enum Expected {
    /// A task fails, with this kind and this in its message.
    Task(&'static str, &'static str),
    /// The plan does, and the interval with it.
    Plan(&'static str, &'static str),
    /// The upload is refused, with this code and this in its reason.
    Refusal(&'static str, &'static str),
    /// The task succeeds with this output.
    Output(Value),
    /// It succeeds, and its log's last line has this in it.
    Log(&'static str),
}

impl Case {
    /// A task that fails.
    pub(super) fn task(name: &'static str, guest: Guest, kind: &'static str, message: &'static str) -> Self {
        Self::new(name, &guest, Expected::Task(kind, message))
    }

    /// A plan that fails.
    pub(super) fn plan(name: &'static str, guest: Guest, kind: &'static str, message: &'static str) -> Self {
        Self::new(name, &guest, Expected::Plan(kind, message))
    }

    /// An upload that is refused.
    pub(super) fn refused(name: &'static str, guest: Guest, code: &'static str, reason: &'static str) -> Self {
        Self::new(name, &guest, Expected::Refusal(code, reason))
    }

    /// A task that gets nowhere, and says so in its output.
    pub(super) fn output(name: &'static str, guest: Guest, output: Value) -> Self {
        Self::new(name, &guest, Expected::Output(output))
    }

    /// A task whose log is cut.
    pub(super) fn log(name: &'static str, guest: Guest, line: &'static str) -> Self {
        Self::new(name, &guest, Expected::Log(line))
    }

    fn new(name: &'static str, guest: &Guest, expected: Expected) -> Self {
        let job = json!({ "timeout": "10s", "memory_limit_bytes": 16 << 20, "retry": { "max_attempts": 1 } });
        Self { name, component: guest.component(), job, expected }
    }

    /// The same with other fields of the job.
    #[must_use]
    pub(super) fn with(mut self, fields: Value) -> Self {
        let Value::Object(fields) = fields else { panic!("{fields} is no object") };
        self.job.as_object_mut().expect("an object").extend(fields);
        self
    }

    /// Uploads it and runs its job; afterwards nothing of it is left but rows.
    pub(super) fn play(&self, api: &Api) {
        let plugin = self.name.replace(|c: char| !c.is_ascii_alphanumeric(), "-");
        let (status, uploaded) = api.upload(&plugin, &self.component);
        if let Expected::Refusal(code, reason) = self.expected {
            assert_eq!((status, &uploaded["code"]), (422, &json!(code)), "{}: {uploaded}", self.name);
            assert!(text(&uploaded["detail"]).contains(reason), "{}: {uploaded}", self.name);
            return;
        }
        assert_eq!(status, 201, "{}: {uploaded}", self.name);
        let job = api.manual_job(&plugin, &Value::Null, self.job.clone());
        let ended = api.ended(&api.trigger(&job));
        self.check(api, &ended);
        assert_eq!(api.send("DELETE", &format!("/jobs/{job}"), None).0, 204);
        let version = format!("/plugins/{plugin}/{}", text(&uploaded["digest"]));
        assert_eq!(api.send("DELETE", &version, None).0, 204, "{}", self.name);
    }

    fn check(&self, api: &Api, ended: &Value) {
        let name = self.name;
        if let Expected::Plan(kind, message) = self.expected {
            assert_eq!((&ended["state"], &ended["total"]), (&json!("failed"), &json!(0)), "{name}: {ended}");
            let reason = text(&ended["reason"]);
            let is_expected = reason.contains(&format!("the plan failed ({kind})")) && reason.contains(message);
            return assert!(is_expected, "{name}: {reason}");
        }
        let interval = text(&ended["id"]);
        let task = api.task(&interval, 0);
        match &self.expected {
            Expected::Task(kind, message) => {
                assert_eq!(task["failure"]["kind"], *kind, "{name}: {ended} {task}");
                assert!(text(&task["failure"]["message"]).contains(message), "{name}: {task}");
            }
            Expected::Output(output) => {
                assert_eq!((&ended["state"], &task["output"]), (&json!("succeeded"), output), "{name}: {ended} {task}");
            }
            Expected::Log(line) => {
                assert_eq!(ended["state"], "succeeded", "{name}: {ended} {task}");
                let last = api.log(&interval, Some(0)).pop().unwrap_or_default();
                assert!(last.contains(line), "{name}: {last}");
            }
            Expected::Plan(..) | Expected::Refusal(..) => unreachable!("checked before"),
        }
    }
}
