//! Writes the export glue; all that it does is call ordinary functions of the sdk.

use crate::parse::Task;
use proc_macro2::TokenStream;
use quote::quote;

/// The function itself, and the exports that call it.
pub(crate) fn task(task: &Task) -> TokenStream {
    let function = &task.function;
    let name = &function.sig.ident;
    let plan = match &task.plan {
        Some(author) => quote!(::latchwork_sdk::__private::plan(job, #author)),
        None => quote! {
            let _ = job;
            ::latchwork_sdk::__private::plan_default()
        },
    };
    quote! {
        // The payload is decoded for this one call: there is nobody to borrow it from.
        #[allow(clippy::needless_pass_by_value)]
        #function

        const _: () = {
            use ::latchwork_sdk::__private::{Guest, JobContext, Stage, TaskContext, TaskError};

            struct Plugin;

            impl Guest for Plugin {
                fn plan(job: JobContext) -> ::core::result::Result<::std::vec::Vec<Stage>, TaskError> {
                    #plan
                }

                fn run(task: TaskContext) -> ::core::result::Result<::std::vec::Vec<u8>, TaskError> {
                    ::latchwork_sdk::__private::run(task, #name)
                }
            }

            ::latchwork_sdk::__private::export_plugin!(Plugin with_types_in ::latchwork_sdk::bindings);
        };
    }
}

#[cfg(test)]
mod tests {
    use quote::quote;

    #[test]
    fn a_task_without_a_plan_expands_as_in_the_snapshot() {
        assert_eq!(expansion_of(quote!()), include_str!("../snapshots/task.rs"));
    }

    #[test]
    fn a_task_with_a_plan_expands_as_in_the_snapshot() {
        assert_eq!(expansion_of(quote!(plan = cut)), include_str!("../snapshots/task_with_plan.rs"));
    }

    fn expansion_of(arguments: proc_macro2::TokenStream) -> String {
        let item = quote! {
            fn work(task: &Task, payload: Payload) -> Result<(), TaskError> {
                Ok(())
            }
        };
        let task = crate::parse::task(arguments, item).unwrap();
        prettyplease::unparse(&syn::parse2(super::task(&task)).unwrap())
    }
}
