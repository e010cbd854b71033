//! Compiles components in short-lived processes of the same binary, each under limits of its own.
//!
//! A compiler is a large program that reads whatever somebody has uploaded. What makes it run for ever, take all memory,
//! overflow its stack or panic ends that process and becomes a refusal; the host is not in it.

mod answer;
mod process;

pub use process::{ProcessLimits, compile_alone};

use super::compile::Refusal;
use answer::Answer;
use rustix::process::Signal;
use std::io;
use std::os::unix::process::ExitStatusExt as _;
use std::path::{Path, PathBuf};
use std::process::{ExitStatus, Stdio};
use std::time::Duration;
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::process::{Child, Command};
use tokio::sync::{Semaphore, SemaphorePermit};
use tracing::warn;

/// How many components are compiled at a time: what the compilations of a host may take is so often their limits.
const PROCESSES_MAX: usize = 2;

/// How many threads each of them uses: more of them take more memory, and their gain is small.
const THREADS_MAX: usize = 4;

/// The most code that a component may become: 256 MiB.
pub(super) const CODE_BYTES_MAX: usize = 256 << 20;

/// What is kept of a compiler's last words.
const LAST_WORDS_BYTES_MAX: u64 = 4 << 10;

/// How far one compilation may go.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct CompileLimits {
    /// How much memory it may take, in bytes.
    pub memory_bytes_max: u64,
    /// How much CPU time it may take, over all of its threads; counted in whole seconds.
    pub cpu_max: Duration,
    /// How long it may take, whatever it waits for.
    pub timeout: Duration,
}

/// Starts the compiler's processes. One for each host.
pub struct Compiler {
    place: Place,
    limits: CompileLimits,
    slots: Semaphore,
}

/// Where components are compiled.
enum Place {
    /// In processes of this binary.
    Processes(PathBuf),
    /// Where the sandbox is.
    ThisProcess,
}

/// The right to compile one component now.
pub(super) struct Slot<'a> {
    compiler: &'a Compiler,
    _permit: SemaphorePermit<'a>,
}

/// What a compiler's process has left.
struct Remains {
    status: ExitStatus,
    answer: Vec<u8>,
    last_words: String,
}

impl Compiler {
    /// One that uses the binary `latchwork` at a path.
    pub fn new(program: PathBuf, limits: CompileLimits) -> Self {
        Self { place: Place::Processes(program), limits, slots: Semaphore::new(PROCESSES_MAX) }
    }

    /// One without limits, in the process that the sandbox is in: for fuzzing, which compiles thousands of components
    /// that take a moment each. A host never uses it.
    pub fn within_this_process() -> Self {
        let limits = CompileLimits { memory_bytes_max: u64::MAX, cpu_max: Duration::MAX, timeout: Duration::MAX };
        Self { place: Place::ThisProcess, limits, slots: Semaphore::new(PROCESSES_MAX) }
    }

    /// One that uses the binary that is running, also after another was put in its place.
    pub fn of_this_binary(limits: CompileLimits) -> Self {
        Self::new("/proc/self/exe".into(), limits)
    }

    /// Waits for a turn to compile.
    pub(super) async fn slot(&self) -> Slot<'_> {
        let permit = self.slots.acquire().await.expect("the semaphore is never closed");
        Slot { compiler: self, _permit: permit }
    }

    fn command(&self, program: &Path) -> Command {
        let cores = std::thread::available_parallelism().map_or(1, usize::from);
        let mut command = Command::new(program);
        command
            .arg0("latchwork")
            .arg("compile")
            .arg(format!("--memory-bytes-max={}", self.limits.memory_bytes_max))
            .arg(format!("--cpu-seconds-max={}", self.limits.cpu_seconds_max()))
            // What the host's environment holds, secrets among it, is none of its business.
            .env_clear()
            .env("RAYON_NUM_THREADS", cores.min(THREADS_MAX).to_string())
            .current_dir("/")
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .stderr(Stdio::piped())
            .kill_on_drop(true);
        command
    }
}

impl CompileLimits {
    fn cpu_seconds_max(&self) -> u64 {
        self.cpu_max.as_secs().max(1)
    }
}

impl Slot<'_> {
    /// The code that a component becomes.
    pub(super) async fn compile(&self, component: &[u8]) -> Result<Vec<u8>, Refusal> {
        let answer = match &self.compiler.place {
            Place::Processes(program) => self.answer_of(program, component).await?,
            Place::ThisProcess => {
                let component = component.to_vec();
                let compiled = tokio::task::spawn_blocking(move || process::answer_to(&component)).await;
                Some(compiled.map_err(|panic| Refusal::CompilerDied(panic.to_string()))?)
            }
        };
        match answer {
            Some(Answer::Code(code)) => Ok(code),
            Some(Answer::Invalid(reason)) => Err(Refusal::Invalid(reason)),
            Some(Answer::OutOfMemory) => Err(Refusal::TooMuchMemory(self.compiler.limits.memory_bytes_max)),
            None => Err(Refusal::CompilerDied("no answer".to_owned())),
        }
    }

    /// What a process answers.
    async fn answer_of(&self, program: &Path, component: &[u8]) -> Result<Option<Answer>, Refusal> {
        let Compiler { limits, .. } = self.compiler;
        let unavailable = |error: io::Error| Refusal::CompilerUnavailable(error.to_string());
        let child = self.compiler.command(program).spawn().map_err(unavailable)?;
        // Where the time is over the process is dropped, and killed with that.
        let ended = tokio::time::timeout(limits.timeout, converse(child, component)).await;
        let remains = ended.map_err(|_| Refusal::TooSlow(limits.timeout))?.map_err(unavailable)?;
        if remains.answer.len() > CODE_BYTES_MAX {
            return Err(Refusal::TooMuchCode(CODE_BYTES_MAX));
        }
        if !remains.status.success() {
            return Err(limits.refusal(&remains));
        }
        Ok(Answer::read(remains.answer))
    }
}

impl CompileLimits {
    /// What the end of a process without an answer says.
    fn refusal(&self, remains: &Remains) -> Refusal {
        let Remains { status, last_words, .. } = remains;
        warn!("The compiler's process ended with {status}: {}", last_words.lines().next().unwrap_or("no word"));
        if status.signal() == Some(Signal::XCPU.as_raw()) {
            return Refusal::TooMuchCpu(Duration::from_secs(self.cpu_seconds_max()));
        }
        if process::has_run_out_of_memory(last_words) {
            return Refusal::TooMuchMemory(self.memory_bytes_max);
        }
        Refusal::CompilerDied(status.to_string())
    }
}

/// Hands a process the component and takes its answer, until it has ended.
async fn converse(mut child: Child, component: &[u8]) -> io::Result<Remains> {
    let mut stdin = child.stdin.take().expect("it is piped");
    let stdout = child.stdout.take().expect("it is piped");
    let stderr = child.stderr.take().expect("it is piped");
    let feed = async move {
        // A process that ends before it has read everything says by its end why.
        let _ = stdin.write_all(component).await;
    };
    let (mut answer, mut last_words) = (Vec::new(), Vec::new());
    let listen = async {
        // One byte more than is allowed, and the pipe is closed: that ends a process that would say more.
        stdout.take(1 + CODE_BYTES_MAX as u64).read_to_end(&mut answer).await
    };
    let hear_out = async { stderr.take(LAST_WORDS_BYTES_MAX).read_to_end(&mut last_words).await };
    let ((), listened, heard) = tokio::join!(feed, listen, hear_out);
    let status = child.wait().await?;
    listened?;
    heard?;
    Ok(Remains { status, answer, last_words: String::from_utf8_lossy(&last_words).trim().to_owned() })
}
