//! The statements that run with every tick, commit, firing or check, in one place so that a test can ask SQLite how it
//! carries them out: none may walk a table that grows with the history.

use super::{
    SqliteStore, claims, firing, incarnations, keeping, keys, open, planning, progress, record, recovery, removal,
    transitions,
};

impl SqliteStore {
    /// What each is called, and its SQL.
    pub const HOT_STATEMENTS: [(&'static str, &'static str); 39] = [
        ("claimable intervals", claims::CLAIMABLE),
        ("next wake", claims::NEXT_WAKE_AT),
        ("claim of segments", claims::CLAIM),
        ("marked tasks of a segment", claims::MARKED),
        ("claim of plans", planning::CLAIM),
        ("claimed plans", planning::CLAIMED),
        ("life of an incarnation", planning::IS_ALIVE),
        ("begin of an interval", planning::BEGIN),
        ("due jobs", firing::DUE),
        ("next firing", firing::NEXT_AT),
        ("next open interval", transitions::SHOW_NEXT_OPEN),
        ("next open interval of each job", transitions::SHOW_NEXT_OPEN_OF_EACH),
        ("open interval", open::OPEN),
        ("segments with work left", record::WRITE_LEASED),
        ("segments that are let go", record::WRITE_LET_GO),
        ("jobs with new history", keeping::ENDED_SINCE),
        ("length of a history", keeping::COUNTS),
        ("oldest intervals", keeping::OLDEST),
        ("removable intervals", removal::REMOVABLE),
        ("belongings of an interval", removal::HAS_BELONGINGS),
        ("replaced intervals", removal::FORGET[0]),
        ("causes of intervals", removal::FORGET[1]),
        ("removal of intervals", removal::REMOVE),
        ("removal of log lines", removal::BELONGINGS[0]),
        ("removal of events", removal::BELONGINGS[1]),
        ("removal of outputs", removal::BELONGINGS[2]),
        ("removal of checkpoints", removal::BELONGINGS[3]),
        ("removal of segments", removal::BELONGINGS[4]),
        ("removal of tasks", removal::BELONGINGS[5]),
        ("removal of stages", removal::BELONGINGS[6]),
        ("dead incarnations", incarnations::REMOVE_DEAD),
        ("stages", progress::STAGES),
        ("publish", progress::PUBLISH),
        ("ended intervals", progress::ENDED_AMONG),
        ("interrupted intervals", recovery::INTERRUPTED),
        ("duplicates of an end", incarnations::COUNT_DUPLICATES),
        ("segments of an end", incarnations::FREE_SEGMENTS),
        ("plans of an end", incarnations::FREE_PLANS),
        ("keys", keys::LIST),
    ];
}
