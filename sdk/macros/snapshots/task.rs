#[allow(clippy::needless_pass_by_value)]
fn work(task: &Task, payload: Payload) -> Result<(), TaskError> {
    Ok(())
}
const _: () = {
    use ::latchwork_sdk::__private::{Guest, JobContext, Stage, TaskContext, TaskError};
    struct Plugin;
    impl Guest for Plugin {
        fn plan(
            job: JobContext,
        ) -> ::core::result::Result<::std::vec::Vec<Stage>, TaskError> {
            let _ = job;
            ::latchwork_sdk::__private::plan_default()
        }
        fn run(
            task: TaskContext,
        ) -> ::core::result::Result<::std::vec::Vec<u8>, TaskError> {
            ::latchwork_sdk::__private::run(task, work)
        }
    }
    ::latchwork_sdk::__private::export_plugin!(
        Plugin with_types_in::latchwork_sdk::bindings
    );
};
