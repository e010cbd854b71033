//! The headers that the host writes: where the request goes, the task's key, and secrets in the place of placeholders.

use super::decision::host_header;
use super::stand_in::StandIn;
use crate::domain::http_reach::Target;
use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use bstr::ByteSlice as _;
use http::header::{HOST, HeaderMap, HeaderName, HeaderValue};
use zeroize::Zeroizing;

const IDEMPOTENCY_KEY: HeaderName = HeaderName::from_static("idempotency-key");

/// How the value of `Authorization` begins that holds user and password in base64.
const BASIC: &str = "Basic ";

/// A secret that is not sent.
#[derive(Debug, thiserror::Error)]
pub(super) enum Withheld {
    /// The job does not let this host have it.
    #[error("the secret {env} is not granted to {host}; add the host to its `hosts` in `grants.secrets`")]
    FromHost { env: String, host: String },
    /// It has a line's end or another control character in it.
    #[error("the secret {env} cannot stand in the header {header}: a header has no control characters")]
    FromHeader { env: String, header: HeaderName },
}

/// Names the server by the URL, whatever the guest said, and adds the key of the task where the guest named none.
pub(super) fn complete(headers: &mut HeaderMap, target: Target<'_>, idempotency_key: &str) {
    if let Ok(host) = HeaderValue::from_str(&host_header(target)) {
        headers.insert(HOST, host);
    }
    if let Ok(key) = HeaderValue::from_str(idempotency_key) {
        headers.entry(IDEMPOTENCY_KEY).or_insert(key);
    }
}

/// Puts secrets in the place of what stands for them, where the host may have them.
pub(super) fn put_secrets_in(headers: &mut HeaderMap, host: &str, stand_ins: &[StandIn]) -> Result<(), Withheld> {
    for (name, value) in headers.iter_mut() {
        for stand_in in stand_ins {
            let Some(filled) = filled(value, stand_in) else { continue };
            let env = || stand_in.env.clone();
            if !stand_in.is_for(host) {
                return Err(Withheld::FromHost { env: env(), host: host.to_owned() });
            }
            *value = HeaderValue::from_bytes(&filled)
                .map_err(|_| Withheld::FromHeader { env: env(), header: name.clone() })?;
            value.set_sensitive(true);
        }
    }
    Ok(())
}

/// The header's value with the secret in it; none where nothing stands for it there. A value may be in any encoding.
fn filled(value: &HeaderValue, stand_in: &StandIn) -> Option<Zeroizing<Vec<u8>>> {
    let (placeholder, secret) = (stand_in.placeholder.as_str(), stand_in.value.as_str());
    let put_in =
        |text: &[u8]| text.contains_str(placeholder).then(|| Zeroizing::new(text.replace(placeholder, secret)));
    if let Some((word, encoded)) = value.as_bytes().split_at_checked(BASIC.len())
        && word.eq_ignore_ascii_case(BASIC.as_bytes())
        && let Ok(decoded) = STANDARD.decode(encoded.trim_ascii())
        && let Some(filled) = put_in(&decoded)
    {
        return Some(Zeroizing::new(format!("{BASIC}{}", STANDARD.encode(&*filled)).into_bytes()));
    }
    put_in(value.as_bytes())
}
