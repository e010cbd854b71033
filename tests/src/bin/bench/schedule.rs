//! How late 10,000 jobs fire that are due every 10 s, and what as many cost that are not due.

use crate::workshop::{Workshop, work};
use anyhow::{Context, Result};
use async_trait::async_trait;
use latchwork::clock::{Clock, SystemClock};
use latchwork::domain::digest::Digest;
use latchwork::domain::ids::JobId;
use latchwork::domain::job::{DEFAULT_WORKSPACE, Job, JobSpec};
use latchwork::domain::rules::JobRules;
use latchwork::domain::schedule::{Period, Schedule};
use latchwork::domain::task::TaskOutput;
use latchwork::domain::timestamp::Timestamp;
use latchwork::sandbox::{CallReport, Callable, PlanOutput, PluginSource, Refusal, Sandbox, Surroundings, TaskInput};
use latchwork::store::Store;
use sqlx::Connection as _;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

const JOBS: u32 = 10_000;
const PERIOD: Duration = Duration::from_secs(10);

/// How long the host works before it is looked at, and how long it is looked at.
const WARM_UP: Duration = Duration::from_secs(10);
const LOOK: Duration = Duration::from_secs(30);

pub(crate) async fn measure(guests: &tokio::runtime::Handle) -> Result<()> {
    println!("{JOBS} jobs, each an interval of one no-op task, durable throughout");
    let idle = idle(guests).await?;
    println!("  none due:   {:>5.2} % of a core (goal: under 1 %)", idle * 100.0);
    println!("  due every {PERIOD:?}            calls a second   core   p50 ms   p99 ms   max ms");
    due(guests, "one after another", LOOK, spread).await?;
    due(guests, "all at one instant", PERIOD, |_| Duration::ZERO).await
}

/// How far a job's first firing lies behind the first of all.
fn spread(number: u32) -> Duration {
    PERIOD * number / JOBS
}

/// The share of a core that the process takes while no job is due.
async fn idle(guests: &tokio::runtime::Handle) -> Result<f64> {
    let workshop = Workshop::new(guests)?;
    let store = workshop.open().await?;
    workshop.upload(&store, "noop").await?;
    let first = SystemClock.now() + Duration::from_hours(12);
    create_jobs(&workshop, &store, Duration::from_hours(24), |number| first + spread(number)).await?;
    let engine = workshop.start(&store).await?;
    SystemClock.sleep_for(Duration::from_secs(2)).await;
    let load = Load::begin()?;
    SystemClock.sleep_for(LOOK).await;
    let load = load.end()?;
    engine.stop(PERIOD).await?;
    Ok(load)
}

/// Runs jobs whose anchors lie so far behind a common instant, and prints how late they were.
async fn due(
    guests: &tokio::runtime::Handle,
    name: &str,
    look: Duration,
    offset: impl Fn(u32) -> Duration,
) -> Result<()> {
    let workshop = Workshop::new(guests)?;
    let store = workshop.open().await?;
    workshop.upload(&store, "noop").await?;
    // The first firing is due when all are there.
    let first = SystemClock.now() + PERIOD;
    create_jobs(&workshop, &store, PERIOD, |number| first + offset(number)).await?;
    let stopwatch = Arc::new(Stopwatch { sandbox: Arc::clone(&workshop.sandbox), begun: Arc::default() });
    let engine = workshop.start_with(&store, Arc::clone(&stopwatch) as Arc<dyn PluginSource>).await?;
    SystemClock.sleep_until(first + WARM_UP).await;
    let load = Load::begin()?;
    SystemClock.sleep_for(look).await;
    let load = load.end()?;
    engine.stop(PERIOD).await?;

    let (from, until) = (first + WARM_UP, first + WARM_UP + look - Duration::from_millis(1));
    let begun = std::mem::take(&mut *stopwatch.begun.lock().unwrap_or_else(PoisonError::into_inner));
    let begun: Vec<_> = begun.into_iter().filter(|(due_at, _)| *due_at >= from && *due_at < until).collect();
    let count = begun.len() as f64 / look.as_secs_f64();
    print(name, "the call begins", Some((count, load)), begun);
    drop(store);
    print(name, "the row says fired", None, fired(&workshop, from, until).await?);
    Ok(())
}

fn print(name: &str, what: &str, pace: Option<(f64, f64)>, instants: Vec<(Timestamp, Timestamp)>) {
    let mut late: Vec<f64> = instants.iter().map(|(due_at, at)| at.since(*due_at).as_secs_f64() * 1_000.0).collect();
    late.sort_by(f64::total_cmp);
    let share =
        |share: f64| late.get(((late.len() as f64 * share) as usize).min(late.len() - 1)).copied().unwrap_or(0.0);
    let pace = pace.map_or(String::new(), |(calls, core)| format!("{calls:>7.0}   {:>4.0} %", core * 100.0));
    println!("  {name:<19} {what:<19} {pace:>16} {:>8.0} {:>8.0} {:>8.0}", share(0.5), share(0.99), share(1.0));
}

/// Creates one job as a client does, and the others as copies of its row in one commit.
async fn create_jobs(
    workshop: &Workshop,
    store: &Arc<dyn Store>,
    every: Duration,
    first: impl Fn(u32) -> Timestamp,
) -> Result<()> {
    let schedule = Schedule::Every { period: Period::new(every)?, anchor: first(0) };
    let spec = JobSpec {
        name: "noop".to_owned(),
        workspace_id: DEFAULT_WORKSPACE.to_owned(),
        plugin: "noop".to_owned(),
        schedule,
        after: None,
        rules: JobRules::default(),
        enable_recovery: true,
        work: work(1, 8, "null"),
    };
    store.create_job(&Job::new(JobId::generate(), spec, SystemClock.now())).await?;
    let mut rows = workshop.rows().await?;
    let mut copies = rows.begin().await?;
    sqlx::query("create temp table copy as select * from jobs").execute(&mut *copies).await?;
    for number in 1..JOBS {
        let at = first(number);
        sqlx::query("update copy set id = ?1, anchor_at = ?2, next_scheduled_at = ?3, next_fire_at = ?3")
            .bind(JobId::generate().to_string())
            .bind(at.ms())
            .bind(at.ms())
            .execute(&mut *copies)
            .await?;
        sqlx::query("insert into jobs select * from copy").execute(&mut *copies).await?;
    }
    Ok(copies.commit().await?)
}

/// When the intervals of a span were due, and when they were found due.
async fn fired(workshop: &Workshop, from: Timestamp, until: Timestamp) -> Result<Vec<(Timestamp, Timestamp)>> {
    let mut rows = workshop.rows().await?;
    let fired: Vec<(i64, i64)> =
        sqlx::query_as("select scheduled_at, fired_at from intervals where scheduled_at >= ? and scheduled_at < ?")
            .bind(from.ms())
            .bind(until.ms())
            .fetch_all(&mut rows)
            .await?;
    Ok(fired.into_iter().map(|(due, fired)| (Timestamp::from_ms(due), Timestamp::from_ms(fired))).collect())
}

/// The real sandbox; notes when each task's call begins, and when it was due.
struct Stopwatch {
    sandbox: Arc<Sandbox>,
    begun: Arc<Mutex<Vec<(Timestamp, Timestamp)>>>,
}

struct Timed {
    plugin: Arc<dyn Callable>,
    begun: Arc<Mutex<Vec<(Timestamp, Timestamp)>>>,
}

impl Stopwatch {
    fn timed(&self, plugin: Arc<dyn Callable>) -> Arc<dyn Callable> {
        Arc::new(Timed { plugin, begun: Arc::clone(&self.begun) })
    }
}

#[async_trait]
impl PluginSource for Stopwatch {
    fn loaded(&self, digest: &Digest) -> Option<Arc<dyn Callable>> {
        PluginSource::loaded(&*self.sandbox, digest).map(|plugin| self.timed(plugin))
    }

    async fn load(&self, bytes: Vec<u8>) -> Result<Arc<dyn Callable>, Refusal> {
        Ok(self.timed(PluginSource::load(&*self.sandbox, bytes).await?))
    }
}

#[async_trait]
impl Callable for Timed {
    async fn plan(&self, surroundings: Surroundings<'_>) -> CallReport<PlanOutput> {
        self.plugin.plan(surroundings).await
    }

    async fn run(&self, task: &TaskInput<'_>, surroundings: Surroundings<'_>) -> CallReport<TaskOutput> {
        let begun = (surroundings.scope.job.scheduled_at, SystemClock.now());
        self.begun.lock().unwrap_or_else(PoisonError::into_inner).push(begun);
        self.plugin.run(task, surroundings).await
    }
}

/// What this process takes of the machine's processors.
struct Load {
    since: Timestamp,
    ticks: u64,
}

impl Load {
    /// Clock ticks a second in `/proc`: a constant of the kernel's interface on every Linux that runs this.
    const TICKS: f64 = 100.0;

    fn begin() -> Result<Self> {
        Ok(Self { since: SystemClock.now(), ticks: Self::ticks()? })
    }

    /// In cores.
    fn end(self) -> Result<f64> {
        let took = SystemClock.now().since(self.since).as_secs_f64();
        Ok((Self::ticks()? - self.ticks) as f64 / Self::TICKS / took)
    }

    /// User and system time of all threads.
    fn ticks() -> Result<u64> {
        let stat = std::fs::read_to_string("/proc/self/stat")?;
        // The name in brackets may hold spaces; the times are the 12th and 13th field after it.
        let (_, fields) = stat.rsplit_once(')').context("/proc/self/stat names the process")?;
        let fields: Vec<&str> = fields.split_whitespace().collect();
        Ok(fields[11].parse::<u64>()? + fields[12].parse::<u64>()?)
    }
}
