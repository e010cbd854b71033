//! The statements that run with every tick, commit, firing or check, in one place so that a test can ask SQLite how it
//! carries them out: none may walk a table that grows with the history.

use super::{
    SqliteStore, backfills, checkpoints, claims, doubt, ends, events, firing, graph, incarnations, keys, outputs,
    overdue, planning, progress, queue, recovery, transitions, warning,
};

impl SqliteStore {
    /// What each is called, and its SQL.
    pub const HOT_STATEMENTS: &'static [(&'static str, &'static str)] = &[
        ("claimable intervals", claims::CLAIMABLE),
        ("next wake", claims::NEXT_WAKE_AT),
        ("claim of segments", claims::CLAIM),
        ("marked tasks of a segment", claims::MARKED),
        ("claim of plans", planning::CLAIM),
        ("due jobs", firing::DUE),
        ("next firing", firing::NEXT_AT),
        ("next open interval", transitions::SHOW_NEXT_OPEN),
        ("release of what waits", queue::RELEASE),
        ("warned job", warning::WARNED),
        ("stages", progress::STAGES),
        ("publish", progress::PUBLISH),
        ("ended intervals", progress::ENDED_AMONG),
        ("overdue intervals", overdue::OVERDUE),
        ("stalled intervals", graph::STALLED),
        ("segments held", doubt::HELD),
        ("interrupted intervals", recovery::INTERRUPTED),
        ("duplicates of an end", incarnations::COUNT_DUPLICATES),
        ("segments of an end", incarnations::FREE_SEGMENTS),
        ("plans of an end", incarnations::FREE_PLANS),
        ("keys", keys::LIST),
        ("followers", ends::FOLLOWERS),
        ("running backfills", backfills::RUNNING),
        ("history of firings", backfills::HISTORY),
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
