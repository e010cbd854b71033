//! What an error of PostgreSQL, or of the way to it, means.

use sqlx::Error;
use std::borrow::Cow;

/// What can be done about an error.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Fault {
    /// Other transactions were in the way, and nothing was done: it is done anew at once.
    Conflict,
    /// The server, or the way to it, is away or on its way back: it is tried again until it is there.
    Away,
    /// The server has no room for another connection; it may serve those that it has.
    Full,
    /// The server is there and lacks something, such as room on its disk.
    Refusing,
    /// Trying again will not help.
    Fatal,
}

/// Tells them apart.
pub(super) fn fault(error: &Error) -> Fault {
    match error {
        Error::Database(error) => of_state(error.code().as_deref().unwrap_or_default()),
        // A server that was cut off in the middle of a message is one that went away.
        Error::Io(_) | Error::Protocol(_) | Error::PoolTimedOut | Error::WorkerCrashed => Fault::Away,
        // Also what a middleman answers that has lost its server.
        Error::Tls(_) => Fault::Away,
        _ => Fault::Fatal,
    }
}

/// The same for an SQLSTATE.
fn of_state(state: &str) -> Fault {
    match state {
        // Serialization failure, deadlock, a lock that could not be had.
        "40001" | "40P01" | "55P03" => Fault::Conflict,
        // A standby, or a primary that became one: the next connection finds the new one.
        "25006" => Fault::Away,
        // The server ended the session, as it idled in a transaction, or the transaction took too long.
        "25P03" | "25P04" | "57P05" => Fault::Away,
        // Shut down by the administrator, or by a crash; starting up. What is canceled is one statement.
        "57P01" | "57P02" | "57P03" | "57014" => Fault::Away,
        "53300" => Fault::Full,
        // Disk full, out of memory, some other limit; errors of the server's own system.
        "53000" | "53100" | "53200" | "53400" | "58000" | "58030" => Fault::Refusing,
        // All that is said of connections.
        state if state.starts_with("08") => Fault::Away,
        _ => Fault::Fatal,
    }
}

/// What people are told.
pub(super) fn reason(error: &Error) -> String {
    match error {
        Error::Database(error) => {
            let state = error.code().unwrap_or(Cow::Borrowed("no code"));
            format!("{} ({state})", error.message())
        }
        Error::Io(error) => error.to_string(),
        Error::PoolTimedOut => "no connection could be had in time".to_owned(),
        error => error.to_string(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::io::ErrorKind;

    #[test]
    fn every_sqlstate_says_what_can_be_done() {
        for (expected, states) in [
            (Fault::Conflict, &["40001", "40P01", "55P03"][..]),
            (Fault::Away, &["08000", "08003", "08006", "08P01", "57P01", "57P02", "57P03", "57P05", "57014"]),
            (Fault::Away, &["25006", "25P03"]),
            (Fault::Full, &["53300"]),
            (Fault::Refusing, &["53000", "53100", "53200", "53400", "58030"]),
            (Fault::Fatal, &["", "42501", "42P01", "28P01", "28000", "3D000", "23505", "22P02", "XX000", "57P04"]),
        ] {
            for state in states {
                assert_eq!(of_state(state), expected, "{state}");
            }
        }
    }

    #[test]
    fn a_way_that_breaks_is_a_server_that_is_away() {
        for kind in [ErrorKind::ConnectionRefused, ErrorKind::ConnectionReset, ErrorKind::UnexpectedEof] {
            assert_eq!(fault(&Error::Io(kind.into())), Fault::Away, "{kind}");
        }
        assert_eq!(fault(&Error::PoolTimedOut), Fault::Away);
        assert_eq!(fault(&Error::Protocol("cut short".to_owned())), Fault::Away);
        assert_eq!(fault(&Error::RowNotFound), Fault::Fatal);
        assert_eq!(fault(&Error::Configuration("no such option".into())), Fault::Fatal);
    }
}
