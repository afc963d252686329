//! Reading what the scripts answer about records.

use infra::{Claimed, Record, RecordKey, Refusal, Result, StoreError, Written};
use model::{Owner, TenantId, Timestamp, Token};
use redis::Value;

use crate::redis::connection::reply::{self, position, refused};

/// The result of a write.
pub(in crate::redis) fn written(answer: &Value) -> Result<Written> {
    let words = reply::texts(answer)?;
    let holder = |words: &[String]| {
        let owner = words.get(1).map(String::as_str).unwrap_or_default();
        let token = words.get(2).map(String::as_str).unwrap_or_default();
        let owner = owner.parse::<Owner>().map_err(|e| reply::corrupt("an owner", e))?;
        Ok::<_, StoreError>((owner, Token(token.parse().map_err(|e| reply::corrupt("a token", e))?)))
    };
    match words.first().map(String::as_str) {
        Some("done") => Ok(Written::Done { position: position(words.get(1).map_or("", String::as_str))? }),
        Some("fenced") => holder(&words).map(|(owner, token)| Written::Fenced { owner, token }),
        Some("exists") => holder(&words).map(|(owner, token)| Written::Exists { owner, token }),
        Some("ended") => Ok(Written::Ended),
        Some("unknown") => Ok(Written::Unknown),
        Some("not absorbed") => Ok(Written::NotAbsorbed),
        Some("damaged") => Ok(Written::Refused(Refusal::Invalid(words.join(" ")))),
        _ => match refused(&words) {
            StoreError::Full { what, bound } => Ok(Written::Refused(Refusal::NoRoom { what, bound })),
            error => Err(error),
        },
    }
}

/// The result of one write among others: an unreadable answer affects that write alone.
pub(super) fn written_or_refused(answer: &Value) -> Written {
    written(answer).unwrap_or_else(|error| Written::Refused(Refusal::Invalid(error.to_string())))
}

pub(super) fn claimed<K: RecordKey>(tenant: &TenantId, answer: &Value) -> Result<Claimed<K>> {
    let words = reply::list(answer)?;
    match reply::text(words.first())?.as_str() {
        "yours" => record(tenant, words.get(1)).map(Claimed::Yours),
        "raced" => {
            let owner = reply::text(words.get(1))?.parse().map_err(|e| reply::corrupt("an owner", e))?;
            Ok(Claimed::Raced { owner, token: Token(reply::number(words.get(2))?) })
        }
        "ended" => Ok(Claimed::Ended),
        _ => Ok(Claimed::Unknown),
    }
}

pub(super) fn record<K: RecordKey>(tenant: &TenantId, answer: Option<&Value>) -> Result<Record<K>> {
    let words = reply::list(answer.unwrap_or(&Value::Nil))?;
    let key = reply::text(words.first())?;
    // The store's own fields may be lost without the record.
    let due = reply::number(words.get(5)).ok();
    Ok(Record {
        tenant: tenant.clone(),
        key: K::parse(&key).ok_or_else(|| reply::corrupt("a key", key))?,
        owner: reply::text(words.get(1))?.parse().map_err(|e| reply::corrupt("an owner", e))?,
        token: Token(reply::number(words.get(2))?),
        state: reply::bytes(words.get(3))?,
        intentions: reply::bytes(words.get(4))?,
        due: due.map(Timestamp::from_micros),
        claims: reply::number(words.get(6)).map_or(0, |claims| u32::try_from(claims).unwrap_or(u32::MAX)),
    })
}
