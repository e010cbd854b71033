//! How PostgreSQL carries out the statements that run all the time.

use crate::mill::Mill;
use crate::on_postgres::raw;
use crate::world::{Backend, World};
use latchwork::domain::rules::Retention;
use latchwork::store::PostgresStore;
use serde_json::Value;
use sqlx::{AssertSqlSafe, PgConnection};

/// The tables that grow with the history, or with the jobs.
const GROWING: [&str; 11] =
    ["intervals", "segments", "stages", "tasks", "outputs", "logs", "events", "checkpoints", "jobs", "keys", "secrets"];

/// These hold open intervals, due jobs and segments in work alone, which are few whatever the history is.
const SHORT: [&str; 6] = [
    "idx_intervals_open",
    "idx_intervals_open_of_job",
    "idx_intervals_deadline",
    "idx_jobs_due",
    "idx_segments_claimable",
    "idx_segments_held",
];

/// What the mill leaves none of: of an empty table every plan is as good as any other.
const KEEPSAKES: [&str; 4] = [
    "insert into events (interval_id, at, name, body) select id, 0, 'told', '{}' from intervals, generate_series(1, 20)",
    "insert into tasks (interval_id, task_index) select id, number from intervals, generate_series(1, 20) as number",
    "insert into checkpoints (interval_id, task_index, bytes, saved_at) \
     select id, number, 'half', 0 from intervals, generate_series(1, 20) as number",
    "update intervals set replaces = id, caused_by = id",
];

/// The plan of a statement, for whatever it is given, where walking a table is the last resort.
async fn plan(connection: &mut PgConnection, statement: &str) -> Value {
    let parameters = (1..).take_while(|number| statement.contains(&format!("${number}"))).count();
    let nulls = vec!["null"; parameters].join(", ");
    let given = if parameters == 0 { String::new() } else { format!("({nulls})") };
    for step in [
        "set plan_cache_mode = force_generic_plan".to_owned(),
        "set enable_seqscan = off".to_owned(),
        "set enable_hashjoin = off".to_owned(),
        "set enable_mergejoin = off".to_owned(),
        "deallocate all".to_owned(),
        format!("prepare asked as {statement}"),
    ] {
        sqlx::raw_sql(AssertSqlSafe(step)).execute(&mut *connection).await.unwrap();
    }
    let explain = AssertSqlSafe(format!("explain (format json) execute asked{given}"));
    let row: Value = {
        use sqlx::Row as _;
        let rows = sqlx::raw_sql(explain).fetch_all(&mut *connection).await.unwrap();
        serde_json::from_str(rows[0].try_get_unchecked::<&str, _>(0).unwrap()).unwrap()
    };
    row
}

/// The nodes that read a growing table without being led to their rows.
fn walks(node: &Value, found: &mut Vec<String>) {
    match node {
        Value::Array(nodes) => nodes.iter().for_each(|node| walks(node, found)),
        Value::Object(fields) => {
            let text = |name: &str| fields.get(name).and_then(Value::as_str).unwrap_or_default();
            let (kind, index) = (text("Node Type"), text("Index Name"));
            let is_led = fields.contains_key("Index Cond") || fields.contains_key("TID Cond") || SHORT.contains(&index);
            let reads_table = GROWING.contains(&text("Relation Name")) && kind.ends_with("Scan");
            let reads_index = kind.starts_with("Index") && reads_table
                || kind == "Bitmap Index Scan" && GROWING.iter().any(|table| index.contains(table));
            if (kind == "Seq Scan" && reads_table) || (reads_index && !is_led) {
                found.push(format!("{kind} {} {index}", text("Relation Name")));
            }
            fields.values().for_each(|value| walks(value, found));
        }
        _ => {}
    }
}

#[tokio::test]
async fn no_hot_statement_walks_a_table_that_grows_with_the_history() {
    let world = World::on(Backend::Postgres).await;
    let mut mill = Mill::on(world, 50, Retention { intervals: None, days: None }).await;
    for _ in 0..4 {
        mill.round().await;
    }
    let mut connection = raw(&mill.world).await;
    for statement in KEEPSAKES.into_iter().chain(["analyze"]) {
        sqlx::query(statement).execute(&mut connection).await.unwrap();
    }
    let mut faults = Vec::new();
    for (name, statement) in PostgresStore::HOT_STATEMENTS {
        let plan = plan(&mut connection, statement).await;
        let mut found = Vec::new();
        walks(&plan, &mut found);
        faults.extend(found.into_iter().map(|walk| format!("{name}: {walk}")));
    }
    assert!(faults.is_empty(), "{faults:#?}");
}
