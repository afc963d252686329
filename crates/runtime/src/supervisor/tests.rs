//! These tests run on tokio's paused clock: time advances only when all tasks are idle.

use std::sync::atomic::{AtomicU32, Ordering::Relaxed};

use model::Timestamp;

use super::*;

fn drain() -> Drain {
    Drain::new(Duration::from_secs(5))
}

#[tokio::test(start_paused = true)]
async fn a_role_that_fails_is_restarted_with_growing_pauses_until_the_supervisor_gives_up() {
    let mut pauses = Vec::new();
    let report = |step| {
        if let Step::Restarts(pause) = step {
            pauses.push(pause);
        }
    };
    let ended = supervise("rq", &drain(), |_, _| async { anyhow::bail!("no luck") }, report).await;
    assert!(matches!(ended, Ended::GaveUp(error) if error.to_string() == "no luck"));
    assert_eq!(pauses.len() as u32, FAILURES_MAX - 1);
    assert_eq!(pauses[..3], [100, 200, 400].map(Duration::from_millis));
    assert_eq!(pauses.last(), Some(&BACK_OFF_MAX));
}

#[tokio::test(start_paused = true)]
async fn a_panic_is_a_failure_and_the_next_run_goes_on() {
    let (drain, runs) = (drain(), AtomicU32::new(0));
    let run = |drain: Drain, _| {
        let run = runs.fetch_add(1, Relaxed);
        async move {
            assert!(run > 0, "the first run panics");
            drain.begun().await;
            Ok(())
        }
    };
    let stop = drain.clone();
    let report = move |step| {
        if step == Step::Started(2) {
            stop.begin(Timestamp::ZERO);
        }
    };
    assert!(matches!(supervise("rq", &drain, run, report).await, Ended::Drained));
    assert_eq!(runs.load(Relaxed), 2);
}

#[tokio::test(start_paused = true)]
async fn a_task_that_fails_ends_the_run_and_the_other_tasks() {
    let dropped = std::sync::Arc::new(AtomicU32::new(0));
    struct Guard(std::sync::Arc<AtomicU32>);
    impl Drop for Guard {
        fn drop(&mut self) {
            self.0.fetch_add(1, Relaxed);
        }
    }
    let drain = drain();
    let (stop, dropped_in) = (drain.clone(), dropped.clone());
    let run = move |_, tasks: Tasks| {
        let guard = Guard(dropped_in.clone());
        tasks.spawn("stubborn", async move {
            let _guard = guard;
            std::future::pending().await
        });
        tasks.spawn("broken", async { panic!("broken") });
        std::future::pending()
    };
    let report = move |step| {
        if let Step::Restarts(_) = step {
            stop.begin(Timestamp::ZERO);
        }
    };
    assert!(matches!(supervise("rq", &drain, run, report).await, Ended::Drained));
    assert_eq!(dropped.load(Relaxed), 1);
}

#[tokio::test(start_paused = true)]
async fn failures_before_a_quiet_time_are_forgiven() {
    let (drain, runs) = (drain(), AtomicU32::new(0));
    let run = |_, _| {
        runs.fetch_add(1, Relaxed);
        async {
            tokio::time::sleep(QUIET).await;
            anyhow::bail!("late")
        }
    };
    let stop = drain.clone();
    let report = move |step| match step {
        Step::Restarts(pause) => assert_eq!(pause, BACK_OFF_FIRST),
        Step::Started(run) if run > FAILURES_MAX * 2 => stop.begin(Timestamp::ZERO),
        Step::Started(_) => {}
    };
    assert!(matches!(supervise("rq", &drain, run, report).await, Ended::Drained));
}

#[tokio::test]
async fn a_port_in_use_at_start_is_not_tried_again() {
    let run = |_, _| async { Err(crate::exit::ExitError::new(crate::exit::Exit::Address, "in use").into()) };
    let ended = supervise("rq", &drain(), run, |step| assert_eq!(step, Step::Started(1))).await;
    assert!(matches!(ended, Ended::GaveUp(_)));
}
