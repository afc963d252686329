//! The streams as outboxes, and the reporting log as files.

use std::fs::{File, OpenOptions};
use std::io::Write;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::Duration;

use contracts::v1;
use contracts::v1::effect::Effect;
use futures::FutureExt;
use model::{Owner, TenantId, Token};

use super::Embedded;
use super::journal::io_error;
use super::state::position_of;
use crate::reporting::{ExportLease, LogRecord, Outbox, Refused, ReportingLog, sort_out};
use crate::{Answer, Clock, Position, Result, StoreError};

fn job(tenant: &TenantId) -> String {
    format!("export:{tenant}")
}

impl Outbox for Embedded {
    fn tenants(&self) -> Answer<'_, Vec<TenantId>> {
        async move {
            let inner = self.lock();
            let with_stream = inner.state.tenants.iter().filter(|(_, state)| state.events.end > 0);
            Ok(with_stream.map(|(tenant, _)| tenant.clone()).collect())
        }
        .boxed()
    }

    fn take<'a>(&'a self, tenant: &'a TenantId, by: &'a Owner, ttl: Duration) -> Answer<'a, Option<ExportLease>> {
        async move {
            let now = self.clock.now();
            let mut inner = self.lock();
            let exported = inner.state.find(tenant).map_or(0, |state| state.events.exported);
            let token = inner.state.leases.take(&job(tenant), by, now, ttl)?;
            Ok(token.map(|token| ExportLease { token, position: position_of(exported) }))
        }
        .boxed()
    }

    fn exported<'a>(&'a self, tenant: &'a TenantId, token: Token, position: Position) -> Answer<'a, ()> {
        self.write(move |inner| {
            inner.state.leases.fence(&job(tenant), token)?;
            let position = position.minor;
            inner.commit_or_go_on(vec![Effect::Exported(v1::ExportedTo {
                tenant: tenant.to_string(),
                position,
                trimmed: 0,
            })])
        })
        .boxed()
    }
}

/// The reporting log as files: `<topic>/<date>.jsonl` (UTC), one JSON object a line, appended to.
pub struct FileLog {
    folder: PathBuf,
    clock: Arc<dyn Clock>,
    /// One writer at a time, so that lines stay whole.
    writing: tokio::sync::Mutex<()>,
}

impl FileLog {
    /// A log in a folder, which is created if missing.
    ///
    /// # Errors
    /// When the folder cannot be created.
    pub fn open(folder: &Path, clock: Arc<dyn Clock>) -> Result<Self> {
        super::allowed("a reporting log in files")?;
        std::fs::create_dir_all(folder).map_err(|e| io_error("the reporting log's folder", &e))?;
        Ok(Self { folder: folder.to_owned(), clock, writing: tokio::sync::Mutex::new(()) })
    }
}

impl ReportingLog for FileLog {
    fn append(&self, records: Vec<LogRecord>) -> Answer<'_, Vec<Refused>> {
        async move {
            let (records, refused) = sort_out(records);
            let _turn = self.writing.lock().await;
            let folder = self.folder.clone();
            let today = contracts::json::rfc3339(self.clock.now());
            let day = today.get(..10).unwrap_or_default().to_owned();
            let written = tokio::task::spawn_blocking(move || append_lines(&folder, &day, &records)).await;
            written.map_err(|e| StoreError::Unavailable { reason: format!("the reporting log: {e}") })??;
            Ok(refused)
        }
        .boxed()
    }
}

fn append_lines(folder: &Path, day: &str, records: &[LogRecord]) -> Result<()> {
    let mut topics: Vec<&str> = records.iter().map(|record| record.topic).collect();
    topics.sort_unstable();
    topics.dedup();
    for topic in topics {
        let mut lines = String::new();
        for record in records.iter().filter(|record| record.topic == topic) {
            lines.push_str(&record.json);
            lines.push('\n');
        }
        let mut file = open_log(&folder.join(topic), day).map_err(|e| io_error("the reporting log", &e))?;
        file.write_all(lines.as_bytes()).map_err(|e| io_error("the reporting log", &e))?;
        file.sync_data().map_err(|e| io_error("the reporting log", &e))?;
    }
    Ok(())
}

/// Opens the day's file. A line torn by a crash is closed first, so that it spoils none after it.
fn open_log(folder: &Path, day: &str) -> std::io::Result<File> {
    use std::io::{Read, Seek, SeekFrom};
    std::fs::create_dir_all(folder)?;
    let path = folder.join(format!("{day}.jsonl"));
    let mut file = OpenOptions::new().create(true).append(true).read(true).open(path)?;
    if file.metadata()?.len() > 0 {
        let mut last = [0];
        file.seek(SeekFrom::End(-1))?;
        file.read_exact(&mut last)?;
        if last != *b"\n" {
            file.write_all(b"\n")?;
        }
    }
    Ok(file)
}
