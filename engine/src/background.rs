//! Threads that give way: those of training and evaluation, so that whoever asks for a recommendation
//! meanwhile is answered as if nothing else went on.
//!
//! Answers never wait for these threads: they run on the caller's own. What is large they share among
//! the cores through rayon's common pool, which long work does not use; but not while there is long
//! work, when the cores are taken and waking a thread takes longer than doing without. Neither the
//! number of threads nor their priority changes a result.

use std::sync::atomic::{AtomicUsize, Ordering};

use rayon::{ThreadPool, ThreadPoolBuilder};

/// The long work that is under way in this process.
static RUNNING: AtomicUsize = AtomicUsize::new(0);

/// Whether long work is under way, so that there is no idle core to share an answer with.
pub(crate) fn is_busy() -> bool {
    RUNNING.load(Ordering::Relaxed) > 0
}

/// The pairs that are run side by side now.
static PAIRS: AtomicUsize = AtomicUsize::new(0);

/// Counts as a pair while it lives.
struct Pair;

impl Drop for Pair {
    fn drop(&mut self) {
        PAIRS.fetch_sub(1, Ordering::Relaxed);
    }
}

/// Runs both, the second beside the first if there is likely to be an idle core: no long work, and few who do the
/// same. The first stays on the caller's thread, so that waking another one is waited for as little as may be.
pub(crate) fn both<A, B: Send>(a: impl FnOnce() -> A, b: impl FnOnce() -> B + Send) -> (A, B) {
    let others = PAIRS.fetch_add(1, Ordering::Relaxed);
    let _pair = Pair;
    if is_busy() || others >= rayon::current_num_threads() / 2 {
        return (a(), b());
    }
    let mut second = None;
    let first = rayon::in_place_scope(|scope| {
        scope.spawn(|_| second = Some(b()));
        a()
    });
    (first, second.expect("a scope ends when all of it has run"))
}

/// Counts as long work while it lives.
struct Running;

impl Running {
    fn new() -> Running {
        RUNNING.fetch_add(1, Ordering::Relaxed);
        Running
    }
}

impl Drop for Running {
    fn drop(&mut self) {
        RUNNING.fetch_sub(1, Ordering::Relaxed);
    }
}

/// Runs long work in a pool of so many threads, 0 meaning one for each core.
pub(crate) fn install<R: Send>(threads: usize, f: impl FnOnce() -> R + Send) -> R {
    let _running = Running::new();
    match pool(threads) {
        Some(pool) => pool.install(f),
        // The shared pool gives the same result.
        None => f(),
    }
}

/// The most threads of a pool; more than there are cores are of no use.
const MOST: usize = 256;

/// A pool of threads that give way; `None` where the system has none to spare.
fn pool(threads: usize) -> Option<ThreadPool> {
    let builder = ThreadPoolBuilder::new().num_threads(threads.min(MOST));
    let named = builder.thread_name(|at| format!("tastedb-work-{at}"));
    named.start_handler(|_| give_way()).build().ok()
}

/// Lets the process's other threads go first: the calling thread gets a third of their share where
/// they compete for a core, in long slices that any thread which wakes up cuts short, and does not cut
/// short theirs. Where the system refuses, the thread is one like others.
#[cfg(target_os = "linux")]
#[expect(unsafe_code, reason = "the priority of a thread has no safe function in std")]
fn give_way() {
    /// `struct sched_attr` in its first version; see sched_setattr(2).
    #[repr(C)]
    struct Attributes {
        size: u32,
        policy: u32,
        flags: u64,
        nice: i32,
        priority: u32,
        runtime: u64,
        deadline: u64,
        period: u64,
    }
    let wanted = Attributes {
        size: size_of::<Attributes>() as u32,
        policy: libc::SCHED_BATCH as u32,
        flags: 0,
        nice: 5,
        priority: 0,
        // The slice in nanoseconds, for Linux 6.12 and later; before, it was ignored.
        runtime: 100_000_000,
        deadline: 0,
        period: 0,
    };
    // SAFETY: the structure is as long as it says and lives through the call, which only reads it;
    // 0 stands for the calling thread.
    unsafe { libc::syscall(libc::SYS_sched_setattr, 0, &raw const wanted, 0) };
}

/// Elsewhere there is no such call, or it needs rights that a library does not have.
#[cfg(not(target_os = "linux"))]
fn give_way() {}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn both_are_run_also_within_one_another() {
        let ((a, b), (c, d)) = both(|| both(|| 1, || 2), || both(|| 3, || 4));
        assert_eq!([a, b, c, d], [1, 2, 3, 4]);
    }

    #[test]
    fn while_it_runs_work_is_under_way() {
        assert!(install(2, is_busy));
    }

    #[test]
    fn a_pool_has_the_threads_asked_for_within_reason() {
        assert_eq!(pool(3).expect("a pool").current_num_threads(), 3);
        assert_eq!(pool(1_000_000).expect("a pool").current_num_threads(), MOST);
    }

    #[cfg(target_os = "linux")]
    #[test]
    fn its_threads_give_way_and_the_caller_stays_as_it_was() {
        // The 19th field is the nice value, the 41st the policy; the second may hold spaces.
        let of_thread = || {
            let stat = std::fs::read_to_string("/proc/thread-self/stat").expect("Linux has it");
            let fields = stat.rsplit(')').next().unwrap_or_default().split_whitespace();
            let fields: Vec<i64> = fields.map(|field| field.parse().unwrap_or(0)).collect();
            (fields[16], fields[38])
        };
        let before = of_thread();
        let (nice, policy) = pool(1).expect("a pool").install(of_thread);
        assert!(nice >= 5 && policy == i64::from(libc::SCHED_BATCH), "{nice} {policy}");
        assert_eq!(of_thread(), before);
    }
}
