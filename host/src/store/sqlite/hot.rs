//! The statements that run with every tick, commit, firing or check, in one place so that a test can ask SQLite how it
//! carries them out: none may walk a table that grows with the history.

use super::{SqliteStore, claims, firing, incarnations, keys, planning, progress, recovery, transitions};

impl SqliteStore {
    /// What each is called, and its SQL.
    pub const HOT_STATEMENTS: [(&'static str, &'static str); 19] = [
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
