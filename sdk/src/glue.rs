//! Between the raw exports and an author's typed function. The attribute's expansion only calls these.

use crate::bindings::latchwork::plugin::types as wit;
use crate::{Job, Plan, Task, TaskError};
use serde::{Serialize, de::DeserializeOwned};

/// Answers `plan` for a plugin that has no plan of its own: one stage with the job's `tasks`.
pub fn plan_default() -> Result<Vec<wit::Stage>, wit::TaskError> {
    Ok(Vec::new())
}

/// Answers `plan` with an author's function.
pub fn plan<P: DeserializeOwned>(
    job: wit::JobContext,
    author: impl FnOnce(&Job, P) -> Result<Plan, TaskError>,
) -> Result<Vec<wit::Stage>, wit::TaskError> {
    let payload = decode(&job.payload)?;
    Ok(author(&Job(job), payload)?.into_stages())
}

/// Answers `run` with an author's function; its value becomes the output, as JSON, and `()` becomes no output.
pub fn run<P: DeserializeOwned, O: Serialize>(
    task: wit::TaskContext,
    author: impl FnOnce(&Task, P) -> Result<O, TaskError>,
) -> Result<Vec<u8>, wit::TaskError> {
    let payload = decode(&task.job.payload)?;
    let value = author(&task.into(), payload)?;
    let output = serde_json::to_vec(&value)
        .map_err(|error| wit::TaskError::Fatal(format!("the output is not expressible as JSON: {error}")))?;
    Ok(if output == b"null" { Vec::new() } else { output })
}

/// A payload that does not fit the author's type stays wrong however often it is tried.
fn decode<P: DeserializeOwned>(payload: &str) -> Result<P, wit::TaskError> {
    serde_json::from_str(payload)
        .map_err(|error| wit::TaskError::Fatal(format!("the job's payload does not fit this plugin: {error}")))
}

#[cfg(test)]
mod tests {
    use super::{plan, run, wit};
    use crate::{Plan, TaskError};

    fn job(payload: &str) -> wit::JobContext {
        wit::JobContext {
            workspace_id: "workspace".to_owned(),
            job_id: "job".to_owned(),
            job_name: "name".to_owned(),
            interval_id: "interval".to_owned(),
            scheduled_at_ms: 0,
            payload: payload.to_owned(),
            tasks: 1,
        }
    }

    fn task(payload: &str) -> wit::TaskContext {
        wit::TaskContext {
            job: job(payload),
            index: 0,
            total: 1,
            stage: "tasks".to_owned(),
            stage_index: 0,
            stage_total: 1,
            attempt: 1,
            checkpoint: None,
            idempotency_key: "key".to_owned(),
            fencing_token: 1,
        }
    }

    #[test]
    fn a_value_becomes_json_and_nothing_becomes_no_output() {
        assert_eq!(run(task("3"), |_, times: usize| Ok("x".repeat(times))).unwrap(), br#""xxx""#);
        assert_eq!(run(task("3"), |_, _: usize| Ok(())).unwrap(), b"");
    }

    #[test]
    fn a_payload_of_another_type_is_fatal() {
        let error = run(task("three"), |_, _: usize| Ok(())).unwrap_err();
        assert!(matches!(error, wit::TaskError::Fatal(message) if message.contains("payload does not fit")));
        let error = plan(job("{}"), |_, tasks: u32| Ok(Plan::tasks(tasks))).unwrap_err();
        assert!(matches!(error, wit::TaskError::Fatal(_)));
    }

    #[test]
    fn any_error_that_a_question_mark_meets_is_retryable() {
        let author = |_: &_, text: String| -> Result<u8, TaskError> { Ok(text.parse()?) };
        let error = run(task(r#""not a number""#), author).unwrap_err();
        assert!(matches!(error, wit::TaskError::Retryable(_)));
    }
}
