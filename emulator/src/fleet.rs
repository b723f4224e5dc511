//! Many runs at once. Each worker thread runs whole machines, one after the other; nothing of a machine is shared, so a
//! run is the same whichever thread it falls to.

use std::sync::atomic::{AtomicUsize, Ordering};

use crossbeam_channel::bounded;

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
