//! The `#[task]` attribute of `latchwork-sdk`.

mod expand;
mod parse;

use proc_macro::TokenStream;

/// Makes a function the task of a plugin: `fn(&Task, Payload) -> Result<Output, TaskError>`.
///
/// The payload is anything that serde reads from the job's JSON; the output anything that serde writes as JSON. With
/// `#[task(plan = cut)]` the function `cut(&Job, Payload) -> Result<Plan, TaskError>` decides how many tasks an interval
/// has; without, it is the job's `tasks` setting.
#[proc_macro_attribute]
pub fn task(arguments: TokenStream, item: TokenStream) -> TokenStream {
    match parse::task(arguments.into(), item.clone().into()) {
        Ok(task) => expand::task(&task).into(),
        // The item stays, so that whatever else names it does not add complaints of its own.
        Err(error) => item.into_iter().chain(TokenStream::from(error.into_compile_error())).collect(),
    }
}
