//! What an error of Redis means to a store.

use infra::StoreError;
use redis::RedisError;

/// The store error that a failure of Redis means.
pub(in crate::redis) fn store_error(error: RedisError) -> StoreError {
    if has_code(&error, "OOM") {
        return StoreError::Full { what: "the memory of Redis", bound: 0 };
    }
    // Redis answers queries, and accepts no write that it cannot put on its disk.
    if has_code(&error, "MISCONF") {
        return StoreError::Full { what: "the disk of Redis", bound: 0 };
    }
    if is_of_the_data(&error) {
        return StoreError::Corrupt { what: "what Redis holds".to_owned(), reason: error.to_string() };
    }
    StoreError::Unavailable { reason: format!("Redis: {error}") }
}

/// Whether Redis is up and fails because of its data: a key of another type, a field that a script cannot read. A retry gets the same
/// answer, so this is no outage: no other commit is to wait for it.
fn is_of_the_data(error: &RedisError) -> bool {
    // Codes that a script's command may return because of the server. A script may also be killed from outside.
    const OF_THE_SERVER: [&str; 6] = ["READONLY", "NOREPLICAS", "MASTERDOWN", "CLUSTERDOWN", "TRYAGAIN", "LOADING"];
    if OF_THE_SERVER.iter().any(|code| has_code(error, code)) {
        return false;
    }
    let is_by_a_script = |text: &str| text.contains("user_script") && !text.contains("killed");
    has_code(error, "WRONGTYPE") || error.detail().is_some_and(is_by_a_script)
}

/// Whether an error has that code; before Redis 7 the code of a script's command is in its text alone.
pub(in crate::redis) fn has_code(error: &RedisError, code: &str) -> bool {
    error.code() == Some(code) || error.detail().is_some_and(|text| text.contains(&format!("-{code} ")))
}
