//! What is kept of a tenant's statistics, as a record and back.

use contracts::v1;
use infra::TenantLife;
use prost::Message as _;

use super::counts::KeptCounts;

/// The version that is written.
const VERSION: u32 = 1;

/// What was kept, and which tenant of its id it is of, if that was known.
#[derive(Clone, Debug, Default, PartialEq)]
pub(super) struct ReadCounts {
    pub(super) counts: KeptCounts,
    pub(super) life: Option<TenantLife>,
}

/// The record's bytes.
pub(super) fn write(counts: &KeptCounts, life: Option<TenantLife>) -> Vec<u8> {
    let record = v1::TenantStatisticsRecord {
        version: VERSION,
        engine: Some(tally::to_record(&counts.engine)),
        held: counts.held.clone(),
        life: life.map(|TenantLife(life)| life),
    };
    record.encode_to_vec()
}

/// Reads a record.
///
/// # Errors
/// When it is damaged or of an unsupported version.
pub(super) fn read(bytes: &[u8]) -> anyhow::Result<ReadCounts> {
    let v1::TenantStatisticsRecord { version, engine, held, life } = v1::TenantStatisticsRecord::decode(bytes)?;
    anyhow::ensure!(version == VERSION, "form {version}");
    let engine = tally::from_record(engine.unwrap_or_default()).map_err(|error| anyhow::anyhow!("{error}"))?;
    Ok(ReadCounts { counts: KeptCounts { engine, held }, life: life.map(TenantLife) })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_written_is_read() {
        let request = v1::StatisticRequest { name: "CallsHandled".to_owned(), ..Default::default() };
        let held = v1::HeldStatisticRecord { request: Some(request), opened_us: 5, closed_us: 7 };
        let counts = KeptCounts { held: vec![held], ..Default::default() };
        for life in [None, Some(TenantLife(9))] {
            let read = read(&write(&counts, life)).unwrap();
            assert_eq!(read, ReadCounts { counts: counts.clone(), life });
        }
        assert!(read(&[0xff, 0xff]).is_err());
        let of_later = v1::TenantStatisticsRecord { version: 2, ..Default::default() };
        assert!(read(&of_later.encode_to_vec()).is_err());
    }
}
