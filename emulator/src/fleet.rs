//! Many runs at once. Each worker thread runs whole machines, one after the other; nothing of a machine is shared, so a
//! run is the same whichever thread it falls to.

use std::sync::atomic::{AtomicUsize, Ordering};

use crossbeam_channel::{Sender, bounded};

/// Does `work` for each task on `jobs` threads (one at least) and hands each result with its task's index to `done`, on
/// the caller's thread, in the order in which they are finished. Returns when all are done; `done` ends it early by
/// giving `false`: no further task is begun then.
pub fn run_all<T: Sync, R: Send>(
    jobs: usize,
    tasks: &[T],
    work: impl Fn(&T) -> R + Sync,
    mut done: impl FnMut(usize, R) -> bool,
) {
    let next = AtomicUsize::new(0);
    let (results, finished) = bounded(jobs.max(1));
    std::thread::scope(|scope| {
        for _ in 0..jobs.max(1) {
            let (results, next, work) = (results.clone(), &next, &work);
            scope.spawn(move || {
                loop {
                    let index = next.fetch_add(1, Ordering::Relaxed);
                    let Some(task) = tasks.get(index) else { return };
                    // An error says that the caller has seen enough.
                    if results.send((index, work(task))).is_err() {
                        return;
                    }
                }
            });
        }
        drop(results);
        for (index, result) in &finished {
            if !done(index, result) {
                break;
            }
        }
        drop(finished);
    });
}

/// Does `work` for each task that `produce` sends, on `jobs` threads, and hands each result to `done` on the caller's
/// thread, in the order in which they are finished. For tasks that are large: no more than `jobs` of them wait. `produce`
/// has a thread of its own, and should return when sending fails: `done` has ended it by giving `false`.
pub fn run_stream<T: Send, R: Send, P: Send>(
    jobs: usize,
    produce: impl FnOnce(Sender<T>) -> P + Send,
    work: impl Fn(T) -> R + Sync,
    mut done: impl FnMut(R) -> bool,
) -> Option<P> {
    let jobs = jobs.max(1);
    let (tasks, todo) = bounded::<T>(jobs);
    let (results, finished) = bounded(jobs);
    std::thread::scope(|scope| {
        let producer = scope.spawn(move || produce(tasks));
        for _ in 0..jobs {
            let (results, todo, work) = (results.clone(), todo.clone(), &work);
            scope.spawn(move || {
                for task in todo {
                    if results.send(work(task)).is_err() {
                        return;
                    }
                }
            });
        }
        drop((results, todo));
        for result in &finished {
            if !done(result) {
                break;
            }
        }
        drop(finished);
        producer.join().ok()
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_task_is_done_once() {
        let tasks: Vec<u32> = (0..100).collect();
        let mut seen = vec![None; tasks.len()];
        run_all(3, &tasks, |task| task * 2, |index, result| seen[index].replace(result).is_none());
        assert!(seen.iter().zip(&tasks).all(|(seen, task)| *seen == Some(task * 2)));
    }

    #[test]
    fn a_stream_of_tasks_is_done_and_never_piles_up() {
        let waiting = AtomicUsize::new(0);
        let produce = |tasks: Sender<usize>| {
            (0..200)
                .take_while(|task| {
                    assert!(
                        waiting.fetch_add(1, Ordering::SeqCst) < 3 * 3,
                        "the channel, the workers, and one at hand"
                    );
                    tasks.send(*task).is_ok()
                })
                .count()
        };
        let work = |task| {
            waiting.fetch_sub(1, Ordering::SeqCst);
            task
        };
        let mut sum = 0;
        let produced = run_stream(3, produce, work, |task| {
            sum += task;
            true
        });
        assert_eq!((produced, sum), (Some(200), 199 * 100));
        let mut seen = 0;
        let produced = run_stream(
            2,
            |tasks| (0..10_000).take_while(|task| tasks.send(*task).is_ok()).count(),
            |_: usize| (),
            |()| {
                seen += 1;
                seen < 5
            },
        );
        assert!(produced.is_some_and(|count| count < 100), "{produced:?}");
    }

    #[test]
    fn it_ends_early_when_asked_to() {
        let tasks = vec![(); 10_000];
        let mut count = 0;
        run_all(
            2,
            &tasks,
            |()| (),
            |_, ()| {
                count += 1;
                count < 5
            },
        );
        assert_eq!(count, 5);
    }
}
