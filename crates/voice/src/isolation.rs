//! A fault of one tenant is paid by that tenant.

use std::panic::AssertUnwindSafe;

use anyhow::{Result, anyhow};
use futures::FutureExt as _;
use runtime::fault::Cause;

/// Serves a tenant; a panic there is an error of that tenant's, of which others do not hear.
pub async fn isolated<T>(serving: impl Future<Output = Result<T>>) -> Result<T> {
    AssertUnwindSafe(serving).catch_unwind().await.unwrap_or_else(|panic| Err(anyhow!("{}", Cause::of_panic(&*panic))))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test]
    async fn a_panic_is_an_error_that_says_what_it_was() {
        let fault = isolated(async { panic!("a row of 8123") as Result<()> }).await.unwrap_err().to_string();
        assert!(fault.contains("a row of"), "{fault}");
        assert_eq!(isolated(async { Ok(7) }).await.unwrap(), 7);
    }
}
