//! Reads the attribute and the function it stands on; every complaint points at the guilty token.

use proc_macro2::TokenStream;
use syn::{Error, FnArg, ItemFn, MetaNameValue, Path, Result, ReturnType, spanned::Spanned};

/// A function that is fit to be a task.
pub(crate) struct Task {
    pub(crate) function: ItemFn,
    pub(crate) plan: Option<Path>,
}

/// Reads `#[task(..)] fn ..`, and reports all that is wrong with it at once.
pub(crate) fn task(arguments: TokenStream, item: TokenStream) -> Result<Task> {
    let function: ItemFn = syn::parse2(item).map_err(|error| {
        Error::new(error.span(), "#[task] stands on a function: fn(&Task, Payload) -> Result<_, TaskError>")
    })?;
    let mut complaints = signature_complaints(&function);
    let plan = plan_argument(arguments).unwrap_or_else(|complaint| {
        complaints.push(complaint);
        None
    });
    match complaints.into_iter().reduce(|mut all, next| {
        all.combine(next);
        all
    }) {
        Some(all) => Err(all),
        None => Ok(Task { function, plan }),
    }
}

fn plan_argument(arguments: TokenStream) -> Result<Option<Path>> {
    if arguments.is_empty() {
        return Ok(None);
    }
    let span = arguments.span();
    let complaint = |span| Error::new(span, "#[task] takes nothing, or `plan = FUNCTION`");
    let pair: MetaNameValue = syn::parse2(arguments).map_err(|_| complaint(span))?;
    if !pair.path.is_ident("plan") {
        return Err(complaint(pair.path.span()));
    }
    match pair.value {
        syn::Expr::Path(path) => Ok(Some(path.path)),
        other => Err(complaint(other.span())),
    }
}

fn signature_complaints(function: &ItemFn) -> Vec<Error> {
    let signature = &function.sig;
    let mut complaints = Vec::new();
    let mut complain = |span, message| complaints.push(Error::new(span, message));
    if let Some(asyncness) = &signature.asyncness {
        complain(asyncness.span(), "a task is an ordinary function: the host runs many of them side by side");
    }
    if !signature.generics.params.is_empty() {
        complain(signature.generics.span(), "a task has no type or lifetime parameters");
    }
    if let Some(FnArg::Receiver(receiver)) = signature.inputs.first() {
        complain(receiver.span(), "a task is a free function, without self");
    } else if signature.inputs.len() != 2 {
        complain(signature.paren_token.span.join(), "a task takes two arguments: &Task and the payload");
    }
    if matches!(signature.output, ReturnType::Default) {
        complain(signature.ident.span(), "a task returns Result<_, TaskError>");
    }
    complaints
}
