//! What the plugin's calls do: how long they take and how they end, by the seed and by what is called.

use crate::dice::Dice;
use latchwork::domain::plan::DeclaredStage;
use latchwork::domain::task::FailureKind;
use std::time::Duration;

/// One call, as it will go.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Fate {
    pub(crate) takes: Duration,
    pub(crate) ending: Ending,
    pub(crate) leaves: Leaves,
    pub(crate) asks: Asks,
}

/// What a call asks of the host while it goes on.
#[derive(Debug, Clone, Copy, Default)]
pub(crate) struct Asks {
    /// That a checkpoint be kept at its beginning.
    pub(crate) saves_first: bool,
    /// That one be kept at its end, however it ends.
    pub(crate) saves_last: bool,
    /// For the output of a task of an earlier stage: one of them, by this number.
    pub(crate) reads: Option<u64>,
}

/// How a call ends.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Ending {
    Succeeds,
    Fails(FailureKind),
    /// It takes longer than it may.
    Hangs,
    /// A fault of the host's own code.
    Panics,
    /// It takes the process of its host down.
    KillsHost,
}

/// What a call leaves beyond its end.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Leaves {
    pub(crate) output: bool,
    pub(crate) key: bool,
    pub(crate) log: bool,
    pub(crate) event: bool,
}

/// A call of `run`.
pub(crate) struct TaskCall {
    pub(crate) interval: usize,
    pub(crate) index: u32,
    pub(crate) total: u32,
    pub(crate) attempt: u32,
    /// How often the task was called before.
    pub(crate) nth: usize,
}

impl Fate {
    pub(crate) fn of_task(seed: u64, call: &TaskCall) -> Self {
        let interval = call.interval as u64;
        let mut mood = Dice::of(&[seed, 1, interval]);
        let pace_ms = if call.total > 40 { mood.one_of(&[0, 0, 50]) } else { mood.one_of(&[0, 50, 400, 3_000]) };
        let is_rough = mood.chance(400);
        let leaves_much = mood.chance(500);
        let mut character = Dice::of(&[seed, 2, interval, u64::from(call.index)]);
        let ending = if is_rough { ending(&mut character, call) } else { Ending::Succeeds };
        let mut attempt = Dice::of(&[seed, 3, interval, u64::from(call.index), u64::from(call.attempt)]);
        let leaves = if leaves_much { 600 } else { 30 };
        Self {
            takes: takes(&mut attempt, pace_ms),
            ending,
            leaves: Leaves {
                output: attempt.chance(leaves),
                key: attempt.chance(leaves),
                log: attempt.chance(leaves),
                event: attempt.chance(leaves),
            },
            asks: Asks {
                saves_first: attempt.chance(leaves / 2),
                saves_last: attempt.chance(leaves / 2),
                reads: attempt.chance(leaves).then(|| attempt.within(0..=u64::MAX)),
            },
        }
    }

    pub(crate) fn of_plan(seed: u64, interval: usize, attempt: u32, nth: usize) -> Self {
        let mut dice = Dice::of(&[seed, 4, interval as u64]);
        let pace_ms = dice.one_of(&[0, 0, 20, 1_000]);
        let ending = match dice.within(0..=999) {
            0..880 => Ending::Succeeds,
            880..940 if attempt == 1 => Ending::Fails(FailureKind::Retryable),
            940..950 => Ending::Fails(FailureKind::Fatal),
            950..970 if attempt == 1 => Ending::Hangs,
            970..990 if nth == 0 => Ending::KillsHost,
            990..994 => Ending::KillsHost,
            _ => Ending::Succeeds,
        };
        let leaves = Leaves { output: false, key: dice.chance(300), log: dice.chance(300), event: dice.chance(300) };
        Self { takes: takes(&mut dice, pace_ms), ending, leaves, asks: Asks::default() }
    }
}

fn takes(dice: &mut Dice, pace_ms: u64) -> Duration {
    if dice.chance(300) { Duration::ZERO } else { Duration::from_millis(dice.within(0..=pace_ms)) }
}

/// The same for all calls of a task, but for those that get better.
fn ending(character: &mut Dice, call: &TaskCall) -> Ending {
    let failures = u32::try_from(character.within(1..=3)).expect("at most 3");
    let passing = character.one_of(&[FailureKind::Retryable, FailureKind::Trap, FailureKind::Host]);
    let lasting = character.one_of(&[FailureKind::Fatal, FailureKind::OutOfMemory, FailureKind::LimitExceeded]);
    match character.within(0..=999) {
        0..100 if call.attempt <= failures => Ending::Fails(passing),
        100..120 => Ending::Fails(lasting),
        120..140 => Ending::Fails(passing),
        140..160 if call.attempt == 1 => Ending::Hangs,
        160..170 => Ending::Hangs,
        170..180 if call.attempt == 1 => Ending::Panics,
        180..195 if call.nth == 0 => Ending::KillsHost,
        195..207 => Ending::KillsHost,
        _ => Ending::Succeeds,
    }
}

/// What a job's plan declares: nothing, or up to four stages that wait for earlier ones.
pub(crate) fn stages(seed: u64, job: u64) -> Vec<DeclaredStage> {
    let mut dice = Dice::of(&[seed, 5, job]);
    if dice.chance(600) {
        return Vec::new();
    }
    let stages = dice.within(1..=4);
    let most = dice.one_of(&[2, 10, 70]);
    (0..stages)
        .map(|number| DeclaredStage {
            name: format!("s{number}"),
            tasks: u32::try_from(dice.within(0..=most)).expect("few"),
            waits_for: (0..number).filter(|_| dice.chance(500)).map(|earlier| format!("s{earlier}")).collect(),
        })
        .collect()
}

/// The task of an earlier stage whose output a task of a stage asks for: its stage's name, its index there, and its index
/// in the interval. None where the stage waits for none that has tasks.
pub(crate) fn read_by(stages: &[DeclaredStage], stage: &str, number: u64) -> Option<(String, u32, u32)> {
    let reader = stages.iter().find(|declared| declared.name == stage)?;
    let mut first = 0;
    let mut choices = Vec::new();
    for earlier in stages {
        if reader.waits_for.contains(&earlier.name) && earlier.tasks > 0 {
            choices.push((earlier, first));
        }
        first += earlier.tasks;
    }
    let (earlier, first) = choices.get(usize::try_from(number % choices.len().max(1) as u64).ok()?)?;
    let index = u32::try_from(number % u64::from(earlier.tasks)).ok()?;
    Some((earlier.name.clone(), index, first + index))
}
