//! What a plugin asks for, by the interfaces that it imports.

/// Sending requests: the one thing that no language's runtime imports by itself, so that a plugin which does means it.
pub const OUTGOING_HTTP: &str = "outgoing HTTP";

/// The beginnings of interfaces' names, and what they are for. Interfaces that stand for nothing by themselves, such as
/// the types of others, are not named.
const MEANINGS: [(&str, &str); 13] = [
    ("wasi:http/outgoing-handler", OUTGOING_HTTP),
    ("wasi:filesystem/", "directories"),
    ("wasi:cli/environment", "configuration and secrets"),
    ("wasi:sockets/", "sockets (never granted)"),
    ("wasi:cli/std", "its log"),
    ("latchwork:plugin/log", "its log"),
    ("wasi:clocks/", "the time"),
    ("wasi:random/", "random bytes"),
    ("latchwork:plugin/keys", "keys"),
    ("latchwork:plugin/checkpoint", "checkpoints"),
    ("latchwork:plugin/outputs", "outputs of earlier stages"),
    ("latchwork:plugin/events", "events"),
    ("wasi:cli/exit", "ending its call"),
];

/// What a plugin with these imports asks for, in one order. Most languages' runtimes import directories, the environment,
/// the time and random bytes, whether the plugin uses them or not.
pub fn asks_for<'a>(imports: impl IntoIterator<Item = &'a str>) -> Vec<&'static str> {
    let imports: Vec<&str> = imports.into_iter().collect();
    let mut asked = Vec::new();
    for (beginning, meaning) in MEANINGS {
        if imports.iter().any(|import| import.starts_with(beginning)) && !asked.contains(&meaning) {
            asked.push(meaning);
        }
    }
    asked
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn interfaces_are_told_in_the_words_of_grants() {
        for (imports, asked) in [
            (&[][..], &[][..]),
            (&["wasi:http/outgoing-handler@0.2.12", "wasi:http/types@0.2.12"], &["outgoing HTTP"]),
            (&["wasi:http/types@0.2.12"], &[]),
            (&["wasi:filesystem/types@0.2.6", "wasi:filesystem/preopens@0.2.6"], &["directories"]),
            (&["wasi:cli/environment@0.2.6"], &["configuration and secrets"]),
            (&["wasi:sockets/tcp@0.2.6", "wasi:sockets/ip-name-lookup@0.2.6"], &["sockets (never granted)"]),
            (&["latchwork:plugin/keys@0.1.0", "latchwork:plugin/types@0.1.0"], &["keys"]),
            (&["latchwork:plugin/log@0.1.0", "wasi:cli/stderr@0.2.6", "wasi:cli/stdout@0.2.6"], &["its log"]),
            (&["wasi:io/streams@0.2.6", "wasi:clocks/wall-clock@0.2.6"], &["the time"]),
            (
                &["latchwork:plugin/outputs", "latchwork:plugin/events", "latchwork:plugin/checkpoint"],
                &["checkpoints", "outputs of earlier stages", "events"],
            ),
            (&["wasi:random/random@0.2.6", "wasi:cli/exit@0.2.6"], &["random bytes", "ending its call"]),
        ] {
            assert_eq!(asks_for(imports.iter().copied()), asked, "{imports:?}");
        }
    }
}
