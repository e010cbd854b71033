//! What one call costs in a fresh sandbox and in a warm one, and how much of that is ours: beside bare wasmtime with the
//! same settings, in turns.

use crate::bare::{BareCalls, WarmInstance};
use crate::calls::NoopCalls;
use crate::median;
use crate::workshop::Workshop;
use anyhow::Result;
use latchwork::sandbox::WarmCell;
use std::sync::Arc;
use std::time::{Duration, Instant};
use tokio::runtime::Handle;

/// How often each way is measured; the median counts.
const ROUNDS: usize = 31;

/// How many calls make a round of a way, on all cores together.
const CALLS: usize = 60_000;

/// One way of calling the plugin.
enum Way {
    FreshBare(Arc<BareCalls>),
    FreshOurs(Arc<NoopCalls>),
    WarmBare(Arc<BareCalls>),
    WarmOurs(Arc<NoopCalls>),
}

/// One core's part: it calls again and again.
enum Lane {
    FreshBare(Arc<BareCalls>),
    FreshOurs(Arc<NoopCalls>),
    WarmBare(Box<WarmInstance>),
    WarmOurs(Arc<NoopCalls>, Box<WarmCell>),
}

/// What the rounds of one way have shown.
#[derive(Default)]
struct Shown {
    rates: Vec<f64>,
    p50s: Vec<f64>,
    p99s: Vec<f64>,
}

pub(crate) async fn measure(guests: &Handle) -> Result<()> {
    let workshop = Workshop::new(guests)?;
    let ours = Arc::new(NoopCalls::new(&workshop.sandbox).await?);
    let bare = Arc::new(BareCalls::new(&latchwork_tests::plugin("noop"))?);
    let ways = [
        Way::FreshBare(Arc::clone(&bare)),
        Way::FreshOurs(Arc::clone(&ours)),
        Way::WarmBare(bare),
        Way::WarmOurs(ours),
    ];
    let mut shown: [Shown; 4] = Default::default();
    for round in 0..ROUNDS {
        // What is compared is measured next to each other, as the machine's pace changes from second to second; neither goes
        // first always.
        for way in if round % 2 == 0 { [0, 1, 2, 3] } else { [1, 0, 3, 2] } {
            shown[way].add(ways[way].round(guests).await?);
        }
    }
    println!("one call of a no-op task, one lane on each of {} cores; median of {ROUNDS} rounds", cores());
    println!("                         calls/s    p50 us    p99 us");
    for (way, shown) in ways.iter().zip(&shown) {
        let Shown { rates, p50s, p99s } = shown;
        let [rate, p50, p99] = [rates, p50s, p99s].map(|values| median(values.clone()));
        println!("  {:<20} {rate:>9.0} {p50:>9.2} {p99:>9.2}", way.name());
    }
    let [fresh_bare, fresh_ours, warm_bare, warm_ours] = &shown;
    println!("  fresh, ours beside bare wasmtime: {:.2} times (limit 1.20)", fresh_ours.beside(fresh_bare));
    println!("  warm, ours beside bare wasmtime:  {:.2} times", warm_ours.beside(warm_bare));
    Ok(())
}

impl Way {
    fn name(&self) -> &'static str {
        match self {
            Self::FreshBare(_) => "fresh, bare wasmtime",
            Self::FreshOurs(_) => "fresh, ours",
            Self::WarmBare(_) => "warm, bare wasmtime",
            Self::WarmOurs(_) => "warm, ours",
        }
    }

    async fn lane(&self) -> Result<Lane> {
        Ok(match self {
            Self::FreshBare(calls) => Lane::FreshBare(Arc::clone(calls)),
            Self::FreshOurs(calls) => Lane::FreshOurs(Arc::clone(calls)),
            Self::WarmBare(calls) => Lane::WarmBare(Box::new(calls.warm().await?)),
            Self::WarmOurs(calls) => Lane::WarmOurs(Arc::clone(calls), Box::new(WarmCell::for_calls(u32::MAX))),
        })
    }

    /// How long all calls took together, and each of them.
    async fn round(&self, guests: &Handle) -> Result<(Duration, Vec<Duration>)> {
        let mut lanes = Vec::new();
        for _ in 0..cores() {
            lanes.push(self.lane().await?);
        }
        let begun = Instant::now();
        let lanes: Vec<_> = lanes.into_iter().map(|lane| guests.spawn(lane.run(CALLS / cores()))).collect();
        let mut took = Vec::with_capacity(CALLS);
        for lane in lanes {
            took.extend(lane.await??);
        }
        Ok((begun.elapsed(), took))
    }
}

impl Lane {
    async fn run(mut self, calls: usize) -> Result<Vec<Duration>> {
        let mut took = Vec::with_capacity(calls);
        for _ in 0..calls {
            let begun = Instant::now();
            self.call().await?;
            took.push(begun.elapsed());
            // As a lane of the engine does between two tasks.
            tokio::task::yield_now().await;
        }
        Ok(took)
    }

    async fn call(&mut self) -> Result<()> {
        match self {
            Self::FreshBare(calls) => calls.call().await,
            Self::FreshOurs(calls) => {
                calls.call(0, 1, None).await;
                Ok(())
            }
            Self::WarmBare(instance) => instance.call().await,
            Self::WarmOurs(calls, cell) => {
                calls.call(0, 1, Some(cell)).await;
                Ok(())
            }
        }
    }
}

impl Shown {
    fn add(&mut self, (all, mut took): (Duration, Vec<Duration>)) {
        took.sort_unstable();
        let at = |percent: usize| took[took.len() * percent / 100].as_secs_f64() * 1e6;
        self.rates.push(took.len() as f64 / all.as_secs_f64());
        self.p50s.push(at(50));
        self.p99s.push(at(99));
    }

    /// How many times as long a call takes, each round against its neighbour.
    fn beside(&self, other: &Self) -> f64 {
        median(other.rates.iter().zip(&self.rates).map(|(other, rate)| other / rate).collect())
    }
}

fn cores() -> usize {
    std::thread::available_parallelism().map_or(1, usize::from)
}
