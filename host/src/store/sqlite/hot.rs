//! The statements that run with every tick, commit, firing or check, in one place so that a test can ask SQLite how it
//! carries them out: none may walk a table that grows with the history.

use super::{
    SqliteStore, checkpoints, claims, events, firing, incarnations, keys, outputs, planning, progress, recovery,
    transitions,
};

impl SqliteStore {
    /// What each is called, and its SQL.
    pub const HOT_STATEMENTS: [(&'static str, &'static str); 25] = [
        ("claimable intervals", claims::CLAIMABLE),
        ("next wake", claims::NEXT_WAKE_AT),
        ("claim of segments", claims::CLAIM),
        ("marked tasks of a segment", claims::MARKED),
        ("claim of plans", planning::CLAIM),
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
        ("total of keys", keys::TOTAL),
        ("account of keys", keys::ACCOUNT),
        ("events", events::PAGE),
        ("an output", outputs::GET),
        ("checkpoints of a segment", claims::CHECKPOINTED),
        ("save of a checkpoint", checkpoints::SAVE),
        ("a checkpoint", checkpoints::GET),
        ("end of a checkpoint", checkpoints::END),
        ("end of all checkpoints", checkpoints::END_ALL),
    ];
}
