//! Waiting for a condition, with a deadline. The only place of the tests that lets time pass; programs that are no tests have `clock`.

use std::time::{Duration, Instant};

use anyhow::{Result, bail};

const LOOK_AGAIN: Duration = Duration::from_millis(20);

/// Retries until there is a result; fails when the limit is over.
#[allow(clippy::disallowed_methods, reason = "tests of whole processes live in real time")]
pub fn until<T>(limit: Duration, mut look: impl FnMut() -> Result<Option<T>>) -> Result<T> {
    let deadline = Instant::now() + limit;
    loop {
        if let Some(found) = look()? {
            return Ok(found);
        }
        if Instant::now() > deadline {
            bail!("nothing within {limit:?}");
        }
        std::thread::sleep(LOOK_AGAIN);
    }
}

/// Looks again and again for that long; fails as soon as a look does.
#[allow(clippy::disallowed_methods, reason = "tests of whole processes live in real time")]
pub fn throughout(time: Duration, mut look: impl FnMut() -> Result<()>) -> Result<()> {
    let end = Instant::now() + time;
    while Instant::now() < end {
        look()?;
        std::thread::sleep(LOOK_AGAIN);
    }
    Ok(())
}
