//! Whether speed falls with history: the same rounds on an empty database and on one that has kept 100,000 intervals.

use crate::median;
use crate::rounds::Rounds;
use anyhow::Result;
use latchwork::domain::rules::Retention;
use std::time::Instant;

/// How many jobs fire together. Each writes the last page of its own part of the indices, of which a short history has one
/// for all: many at once have more to write, and that is not speed that falls further.
const JOBS: [u32; 2] = [10, 100];
const HISTORY: u32 = 100_000;

/// How many rounds of each database are timed, in turn.
const ROUNDS: usize = 150;

const VERBS: [&str; 5] = ["firing", "claiming and planning", "recording a beginning", "recording an end", "recovery"];

pub(crate) async fn measure(guests: &tokio::runtime::Handle) -> Result<()> {
    for jobs in JOBS {
        compare(guests, jobs).await?;
    }
    Ok(())
}

async fn compare(guests: &tokio::runtime::Handle, jobs: u32) -> Result<()> {
    let keep_all = Retention { intervals: None, days: None };
    let mut empty = Rounds::new(guests, jobs, keep_all).await?;
    let mut full = Rounds::new(guests, jobs, keep_all).await?;
    empty.round().await?;
    full.round().await?;
    full.add_history(HISTORY).await?;
    let mut times = [vec![Vec::new(); VERBS.len()], vec![Vec::new(); VERBS.len()]];
    for round in 0..ROUNDS {
        // In turn, and the other one first each time: whatever the machine does meanwhile meets both.
        let mut pair = [(0, &mut empty), (1, &mut full)];
        if round % 2 == 1 {
            pair.reverse();
        }
        for (which, rounds) in pair {
            for (verb, took) in timed(rounds).await?.into_iter().enumerate() {
                times[which][verb].push(took);
            }
        }
    }
    println!(
        "{jobs} intervals at a time, empty beside {HISTORY} that have ended; median of {ROUNDS} rounds in turn, on one core"
    );
    println!("                           empty ms    full ms   ratio (limit 1.05)");
    for (verb, name) in VERBS.into_iter().enumerate() {
        let [empty, full] = [0, 1].map(|which| median(times[which][verb].clone()) * 1_000.0);
        println!("  {name:<24} {empty:>8.2}   {full:>8.2}   {:>5.2}", full / empty);
    }
    Ok(())
}

/// The seconds that each verb took.
async fn timed(rounds: &mut Rounds) -> Result<Vec<f64>> {
    rounds.next().await?;
    let mut begun = Instant::now();
    let mut lap = || std::mem::replace(&mut begun, Instant::now()).elapsed().as_secs_f64();
    let mut times = Vec::new();
    rounds.fire().await?;
    times.push(lap());
    let mut held = rounds.claim().await?;
    times.push(lap());
    rounds.begin(&mut held).await?;
    times.push(lap());
    rounds.end(&mut held).await?;
    times.push(lap());

    // Another round, in the middle of which the host dies.
    rounds.next().await?;
    rounds.fire().await?;
    let mut held = rounds.claim().await?;
    rounds.begin(&mut held).await?;
    rounds.restart().await?;
    lap();
    rounds.recover().await?;
    times.push(lap());
    rounds.clear().await?;
    Ok(times)
}
