//! Commits while Redis is unavailable.
//!
//! Commits of calls and media legs are not refused. They wait in memory, bounded and in order, and are written when Redis answers or
//! has room again. With a folder, the client keeps them on disk too: a process that fails before that writes them after its restart,
//! unless another node has the call by then.

use std::collections::hash_map::Entry;
use std::collections::{HashMap, VecDeque};
use std::sync::atomic::Ordering::Relaxed;
use std::time::Duration;

use bytes::Bytes;
use futures::TryFutureExt as _;
use infra::{Change, Consumed, Numbers, Refusal, Result, StoreError, Written, bounds};
use model::{Stamped, TenantId, Timestamp};
use tokio::time::Instant;

use super::RedisStores;
use super::audience::Audience;
use super::record_id::RecordId;
use super::row::{Facts, Kind, Row, sort_out};
use super::script::PART_ROWS;
use super::waiting::{PreviousRunCommit, WaitingFile};

/// Limits of the rows and bytes that wait for Redis: some minutes of a busy node. Beyond either, nothing begins, and a record that
/// has begun keeps only its last state and its end.
const ROWS_MAX: usize = 200_000;
const BYTES_MAX: usize = 256 << 20;
const PART_BYTES: usize = 1 << 20;
/// How long a commit that may wait is tried: for the proxies, a node that answers nobody for a second has failed.
const TRY_WITHIN: Duration = Duration::from_millis(500);
/// Pause after a failure before the next attempt.
const AGAIN_AFTER: Duration = Duration::from_millis(200);
/// For this long one commit or renewal writes waiting rows, so that a node still answers its proxies. The next one continues.
const HAND_IN_FOR: Duration = Duration::from_millis(200);
/// How long the loss of a record is remembered for its owner. An owner that writes nothing of it for this long no longer has it.
const LOST_KEPT: Duration = Duration::from_secs(600);

/// Commits that wait, in their order.
#[derive(Default)]
pub(super) struct Away {
    waiting: VecDeque<Waiting>,
    rows: usize,
    bytes: usize,
    /// Number of waiting rows of each record.
    of: HashMap<RecordId, usize>,
    failed_at: Option<Instant>,
    /// Records of which a waiting commit was refused, and since when. Their owner has not been notified yet.
    lost: HashMap<RecordId, (Written, Instant)>,
    /// Records with more to write than may wait: their last states are written when nothing else waits.
    overdue: HashMap<RecordId, Kind>,
    /// Facts lost in this outage because no more may wait.
    dropped: usize,
    numbers: Numbers,
    /// The waiting rows on disk, and those that a previous run has left there.
    file: Option<WaitingFile>,
    former: VecDeque<PreviousRunCommit>,
    /// Whether it was logged for this outage that commits wait, and that the disk refuses writes.
    said: bool,
    said_of_disk: bool,
}

struct Waiting {
    kind: Kind,
    tenant: TenantId,
    rows: Vec<Row>,
    /// Their segment on disk.
    segment: u64,
}

impl Away {
    /// From now on, waiting rows are also kept in that file.
    pub(super) fn keep_in(&mut self, file: WaitingFile, former: Vec<PreviousRunCommit>) {
        (self.file, self.former) = (Some(file), former.into());
    }

    /// A node that has claimed a record has lost nothing of it.
    pub(super) fn claimed(&mut self, id: &RecordId) {
        self.lost.remove(id);
    }

    fn number(&mut self, rows: &mut [Row], now: Timestamp) {
        let first = self.numbers.take(rows.len(), now);
        for (number, row) in (first..).zip(rows) {
            row.number = number;
        }
    }

    /// Whether one of the rows is of a record that was lost while its commits waited.
    fn lost_any(&self, kind: Kind, rows: &[Row]) -> bool {
        !self.lost.is_empty() && rows.iter().any(|row| self.lost.contains_key(&id(kind, row)))
    }

    /// Whether rows go to Redis at once: no rows wait before them, and no attempt has just failed.
    fn may_try(&self) -> bool {
        let silent = self.failed_at.is_some_and(|at| at.elapsed() < AGAIN_AFTER);
        !silent && self.waiting.is_empty() && self.former.is_empty()
    }

    fn wait(&mut self, kind: Kind, tenant: &TenantId, rows: Vec<Row>) {
        self.rows += rows.len();
        self.bytes += size(&rows);
        for row in &rows {
            *self.of.entry(id(kind, row)).or_default() += 1;
        }
        let segment = self.write_down(kind, &rows);
        self.waiting.push_back(Waiting { kind, tenant: tenant.clone(), rows, segment });
    }

    /// Whether a commit of that record waits.
    pub(super) fn waits_for(&self, record: &RecordId) -> bool {
        self.of.contains_key(record) || self.overdue.contains_key(record)
    }

    /// Whether one more row may wait, besides this number of rows and bytes.
    fn has_room(&self, rows: usize, bytes: usize) -> bool {
        self.rows + rows < ROWS_MAX && self.bytes + bytes < BYTES_MAX
    }

    /// Takes a row for which there is no room. A record that has begun loses its facts but not its last state and its end. Returns the
    /// row to keep, or the answer if none is kept.
    fn take_beyond(&mut self, kind: Kind, row: Row) -> std::result::Result<Row, Written> {
        if matches!(row.change, Change::Create { .. }) || row.new_call.is_some() {
            return Err(Written::Refused(Refusal::NoRoom { what: "what waits for Redis", bound: ROWS_MAX as u64 }));
        }
        if self.dropped == 0 {
            tracing::error!(
                rows = self.rows,
                "the queue of commits that wait for Redis is full: no call begins, and facts of present calls are lost"
            );
        }
        self.dropped = self.dropped.saturating_add(row.facts.events.len().max(1));
        if row.change == Change::End {
            self.overdue.remove(&id(kind, &row));
            return Ok(Row { facts: Facts::default(), ..row });
        }
        self.overdue.insert(id(kind, &row), kind);
        Err(Written::Done { position: None })
    }

    /// These rows have been written, or never will be.
    fn wait_no_more(&mut self, kind: Kind, rows: &[Row]) {
        self.rows = self.rows.saturating_sub(rows.len());
        self.bytes = self.bytes.saturating_sub(size(rows));
        for row in rows {
            if let Entry::Occupied(mut waiting) = self.of.entry(id(kind, row)) {
                *waiting.get_mut() -= 1;
                if *waiting.get() == 0 {
                    waiting.remove();
                }
            }
        }
        let first = self.waiting.front().map(|waiting| waiting.segment);
        if let (Some(file), Some(first)) = (&mut self.file, first)
            && let Err(error) = file.forget_before(first)
        {
            tracing::debug!(%error, "what waited for Redis stays on disk");
        }
    }

    /// Notes the results of rows that waited: the owner of a lost record is notified with its next commit.
    fn heard(&mut self, kind: Kind, rows: &[Row], answers: Vec<Written>) {
        let lost =
            |answer: &Written| matches!(answer, Written::Fenced { .. } | Written::Exists { .. } | Written::Refused(_));
        for (row, answer) in rows.iter().zip(answers).filter(|(_, answer)| lost(answer)) {
            tracing::warn!(record = row.key, ?answer, "a record that waited for Redis is not its writer's there");
            self.lost.retain(|_, (_, since)| since.elapsed() < LOST_KEPT);
            self.lost.insert(id(kind, row), (answer, Instant::now()));
        }
    }

    /// Keeps rows on disk too and returns their segment. If the disk fails, they wait in memory alone.
    fn write_down(&mut self, kind: Kind, rows: &[Row]) -> u64 {
        let Some(file) = &mut self.file else { return 0 };
        if let Err(error) = file.add(kind, rows)
            && !std::mem::replace(&mut self.said_of_disk, true)
        {
            tracing::warn!(%error, "what waits for Redis cannot be kept on disk");
        }
        file.segment()
    }

    fn forget_file(&mut self) {
        (self.said, self.said_of_disk) = (false, false);
        if let Some(file) = &mut self.file
            && let Err(error) = file.clear()
        {
            // The rows would be written once more, which the numbers make harmless.
            tracing::warn!(%error, "the file of what waited for Redis cannot be removed");
        }
    }
}

fn id(kind: Kind, row: &Row) -> RecordId {
    (kind.name, row.tenant.clone(), row.key.clone())
}

/// Bytes of the states.
fn size(rows: &[Row]) -> usize {
    rows.iter().map(Row::size).sum()
}

/// Splits rows into parts, one for each script: at least one part, which may be empty.
fn parts(rows: Vec<Row>) -> Vec<Vec<Row>> {
    let (mut parts, mut part, mut bytes) = (Vec::new(), Vec::new(), 0);
    for row in rows {
        if part.len() >= PART_ROWS || (!part.is_empty() && bytes + row.size() > PART_BYTES) {
            parts.push(std::mem::take(&mut part));
            bytes = 0;
        }
        bytes += row.size();
        part.push(row);
    }
    parts.push(part);
    parts
}

impl RedisStores {
    /// Writes a turn's rows. Rows of a kind that continues without Redis wait while Redis is unavailable.
    pub(super) async fn commit_rows(
        &self,
        kind: Kind,
        tenant: &TenantId,
        rows: Vec<Row>,
        consumed: Option<&Consumed>,
    ) -> Result<Vec<Written>> {
        let (mut rows, too_large) = sort_out(rows);
        let mut written = Vec::with_capacity(rows.len());
        if !kind.goes_on {
            // One script stores a view's position with its states: its next run folds nothing twice.
            for part in if consumed.is_some() { vec![rows] } else { parts(rows) } {
                written.extend(self.write_and_mend(kind, tenant, &part, consumed).await?);
            }
            return Ok(too_large.among(written));
        }
        let mut away = self.steady.away.lock().await;
        away.number(&mut rows, self.clock.now());
        for part in parts(rows) {
            written.extend(self.write_or_wait(&mut away, kind, tenant, part).await?);
        }
        Ok(too_large.among(written))
    }

    async fn write_or_wait(
        &self,
        away: &mut Away,
        kind: Kind,
        tenant: &TenantId,
        rows: Vec<Row>,
    ) -> Result<Vec<Written>> {
        self.hand_in(away).await;
        if away.may_try()
            && !away.lost_any(kind, &rows)
            && let Some(written) = self.attempt(away, kind, tenant, &rows).await?
        {
            return Ok(written);
        }
        Ok(self.let_wait(away, kind, tenant, rows))
    }

    /// Writes rows and answers when Redis has them, however long it is unavailable. For owners that may have lost them unnoticed.
    pub(super) async fn confirm_rows(&self, kind: Kind, tenant: &TenantId, rows: Vec<Row>) -> Result<Vec<Written>> {
        let (mut rows, too_large) = sort_out(rows);
        self.steady.away.lock().await.number(&mut rows, self.clock.now());
        let mut written = Vec::with_capacity(rows.len());
        for part in parts(rows) {
            written.extend(self.confirm_part(kind, tenant, &part).await?);
        }
        Ok(too_large.among(written))
    }

    async fn confirm_part(&self, kind: Kind, tenant: &TenantId, rows: &[Row]) -> Result<Vec<Written>> {
        loop {
            let mut away = self.steady.away.lock().await;
            self.hand_in(&mut away).await;
            if away.may_try()
                && let Some(written) = self.attempt(&mut away, kind, tenant, rows).await?
            {
                // These answers notify their owner of the loss.
                for row in rows {
                    away.lost.remove(&id(kind, row));
                }
                return Ok(written);
            }
            drop(away);
            tokio::time::sleep(AGAIN_AFTER).await;
        }
    }

    /// Writes rows, if Redis answers in time.
    async fn attempt(
        &self,
        away: &mut Away,
        kind: Kind,
        tenant: &TenantId,
        rows: &[Row],
    ) -> Result<Option<Vec<Written>>> {
        let trying = self.write_and_mend(kind, tenant, rows, None);
        // After this timeout the commands are still on their way and may yet be done: the numbers tell.
        let reason = match tokio::time::timeout(TRY_WITHIN, trying).await {
            Ok(Ok(written)) => {
                away.said = false;
                self.steady.full.store(false, Relaxed);
                return Ok(Some(written));
            }
            Ok(Err(error)) if !error.passes() => return Err(error),
            Ok(Err(error)) if self.lacks_room(kind, &error) => {
                away.failed_at = Some(Instant::now());
                return Ok(None);
            }
            Ok(Err(error)) => error.to_string(),
            Err(_) => "it does not answer".to_owned(),
        };
        if !std::mem::replace(&mut away.said, true) {
            tracing::warn!(reason, ledger = kind.name, "commits wait for Redis");
        }
        away.failed_at = Some(Instant::now());
        self.steady.saw::<()>(&Err(StoreError::Unavailable { reason: String::new() }));
        Ok(None)
    }

    /// Whether a commit was refused for lack of room. If so, no call begins from now on.
    fn lacks_room(&self, kind: Kind, error: &StoreError) -> bool {
        let is_full = matches!(error, StoreError::Full { .. });
        if is_full && !self.steady.full.swap(true, Relaxed) {
            tracing::error!(%error, ledger = kind.name, "no room in Redis: calls go on, their commits wait, and none begins until there is room");
        }
        is_full
    }

    /// Keeps rows that are to be written when Redis answers.
    fn let_wait(&self, away: &mut Away, kind: Kind, tenant: &TenantId, rows: Vec<Row>) -> Vec<Written> {
        let mut answers = Vec::with_capacity(rows.len());
        let (mut waits, mut bytes) = (Vec::with_capacity(rows.len()), 0);
        for row in rows {
            let lost = away.lost.remove(&id(kind, &row)).map(|(answer, _)| answer);
            let begins = matches!(row.change, Change::Create { .. });
            // Nothing begins in an outage that has already exceeded the limits.
            let has_room = away.has_room(waits.len(), bytes + row.size()) && !(begins && away.dropped > 0);
            let refused = !has_room && begins;
            // A record whose end waits is remembered until the end is written. If Redis comes back empty, the record is written again, so
            // that its end is accepted with its facts.
            if lost.is_some() || (row.change != Change::End && !refused) {
                let noted = lost.as_ref().unwrap_or(&Written::Done { position: None });
                self.steady.note(kind, &row, noted, self.clock.now());
            }
            if let Some(lost) = lost {
                answers.push(lost);
                continue;
            }
            let kept = if has_room { Ok(row) } else { away.take_beyond(kind, row) };
            match kept {
                Ok(row) => {
                    bytes += row.size();
                    waits.push(row);
                    answers.push(Written::Done { position: None });
                }
                Err(answer) => answers.push(answer),
            }
            if !has_room {
                self.steady.full.store(true, Relaxed);
            }
        }
        if !waits.is_empty() {
            away.wait(kind, tenant, waits);
        }
        answers
    }

    /// Writes waiting rows in order, as far as Redis answers.
    pub(super) async fn hand_in(&self, away: &mut Away) {
        if away.failed_at.is_some_and(|at| at.elapsed() < AGAIN_AFTER) {
            return;
        }
        let until = Instant::now() + HAND_IN_FOR;
        if !self.hand_in_from_disk(away, Some(until)).await {
            return;
        }
        let waited = away.rows;
        while let Some(Waiting { kind, tenant, rows, segment }) = away.waiting.pop_front() {
            let trying = self.write_what_waited(kind, &tenant, &rows).and_then(|answers| async {
                self.correct(&tenant, rows.iter().zip(&answers)).await?;
                Ok(answers)
            });
            match tokio::time::timeout(TRY_WITHIN, trying).await {
                Ok(Ok(answers)) => {
                    away.wait_no_more(kind, &rows);
                    away.heard(kind, &rows, answers);
                }
                Ok(Err(error)) if !error.passes() => {
                    tracing::error!(%error, ledger = kind.name, rows = rows.len(), "commits that waited for Redis are refused");
                    away.wait_no_more(kind, &rows);
                    for row in rows.iter().filter(|row| row.change == Change::End) {
                        self.steady.note(kind, row, &Written::Ended, self.clock.now());
                    }
                }
                refused => {
                    if let Ok(Err(error)) = &refused {
                        self.lacks_room(kind, error);
                    }
                    away.waiting.push_front(Waiting { kind, tenant, rows, segment });
                    away.failed_at = Some(Instant::now());
                    return;
                }
            }
            if Instant::now() >= until && !away.waiting.is_empty() {
                return;
            }
        }
        if !self.hand_in_overdue(away, until).await {
            return;
        }
        away.failed_at = None;
        self.steady.full.store(false, Relaxed);
        if std::mem::take(&mut away.dropped) > 0 {
            tracing::error!("facts of this absence of Redis are lost");
        }
        if waited > 0 {
            away.forget_file();
            tracing::info!(rows = waited, "what waited for Redis is written");
        }
    }

    /// Writes the last states of records with more to write than could wait. Returns whether none is left.
    async fn hand_in_overdue(&self, away: &mut Away, until: Instant) -> bool {
        while !away.overdue.is_empty() {
            let part: Vec<RecordId> = away.overdue.keys().take(PART_ROWS).cloned().collect();
            for id in part {
                let Some(kind) = away.overdue.get(&id).copied() else { continue };
                // It may have ended since, or have another owner.
                if let Some(row) = self.steady.last_state(kind, &id.1, &id.2) {
                    let mut rows = vec![row];
                    away.number(&mut rows, self.clock.now());
                    match tokio::time::timeout(TRY_WITHIN, self.write_and_mend(kind, &id.1, &rows, None)).await {
                        Ok(Ok(_)) => {}
                        Ok(Err(error)) if !error.passes() => {
                            tracing::error!(%error, record = id.2, "the last state of a record is refused");
                        }
                        Ok(Err(_)) | Err(_) => {
                            away.failed_at = Some(Instant::now());
                            return false;
                        }
                    }
                }
                away.overdue.remove(&id);
            }
            if Instant::now() >= until && !away.overdue.is_empty() {
                return false;
            }
        }
        true
    }

    /// Writes the commits that a previous run of the process left on disk, until `until` at most. Returns whether none is left.
    async fn hand_in_from_disk(&self, away: &mut Away, until: Option<Instant>) -> bool {
        if away.former.is_empty() {
            return true;
        }
        let (mut done, mut late) = (0, 0);
        while let Some(PreviousRunCommit { kind, row }) = away.former.front() {
            let trying = self.write_former(*kind, row).and_then(|answer| async {
                self.correct(&row.tenant, std::iter::once((row, &answer))).await?;
                Ok(answer)
            });
            match tokio::time::timeout(TRY_WITHIN, trying).await {
                Ok(Ok(Written::Done { .. })) => done += 1,
                // Another node has continued from the commit before.
                Ok(Ok(_)) => late += 1,
                Ok(Err(error)) if !error.passes() => {
                    late += 1;
                    tracing::error!(%error, record = row.key, "a commit of the previous run is refused");
                }
                Ok(Err(_)) | Err(_) => {
                    away.failed_at = Some(Instant::now());
                    return false;
                }
            }
            away.former.pop_front();
            if until.is_some_and(|until| Instant::now() >= until) && !away.former.is_empty() {
                return false;
            }
        }
        tracing::info!(done, late, "commits of the previous run are written; late ones came after a takeover");
        if away.waiting.is_empty() {
            away.forget_file();
        }
        true
    }

    /// Like [`Self::hand_in`], for a caller that must know that no commit of a previous run waits.
    ///
    /// # Errors
    /// While one does.
    pub(super) async fn hand_in_former(&self) -> Result<()> {
        let mut away = self.steady.away.lock().await;
        if self.hand_in_from_disk(&mut away, None).await {
            return Ok(());
        }
        let reason = "Redis does not answer, and commits of the previous run wait for it".to_owned();
        Err(StoreError::Unavailable { reason })
    }

    /// The records that Redis knows completely: no commit of them waits here, which may be their end.
    pub(super) async fn known_to_the_last<T>(&self, records: Vec<T>, id: impl Fn(&T) -> RecordId) -> Vec<T> {
        let away = self.steady.away.lock().await;
        records.into_iter().filter(|record| !away.waits_for(&id(record))).collect()
    }

    /// Writes a commit of a previous run. Redis has lost a record if it does not know it although its tombstone would still exist.
    async fn write_former(&self, kind: Kind, row: &Row) -> Result<Written> {
        let is_fresh = self.clock.now().since(Timestamp::from_micros(row.number)) < bounds::TOMBSTONE;
        match self.write_one(kind, std::slice::from_ref(row)).await? {
            Written::Unknown if is_fresh => self.write_one(kind, &begun_again(row)).await,
            answer => Ok(answer),
        }
    }

    /// Tells the reporting log the facts of commits that came too late: another node had continued from the commit before, or the
    /// record was lost. The facts have happened all the same.
    async fn correct(&self, tenant: &TenantId, refused: impl Iterator<Item = (&Row, &Written)>) -> Result<()> {
        let refused = refused.filter(|(_, answer)| !matches!(answer, Written::Done { .. }));
        let facts: Vec<Stamped> = refused.flat_map(|(row, _)| row.facts.events.iter().cloned()).collect();
        match self.tell_log(tenant, &facts, Audience::LogCorrection).await {
            // The log has been unavailable for hours: nothing else is to wait for it as well.
            Err(error @ StoreError::Full { bound: 1.., .. }) => {
                tracing::error!(%tenant, %error, facts = facts.len(), "facts that came too late are dropped");
                Ok(())
            }
            told => told,
        }
    }

    /// Writes rows of one record; returns the result of the last.
    async fn write_one(&self, kind: Kind, rows: &[Row]) -> Result<Written> {
        let Some(first) = rows.first() else { return Ok(Written::Unknown) };
        let answers = self.write_rows(kind, &first.tenant, rows, None).await?;
        Ok(answers.into_iter().last().unwrap_or(Written::Unknown))
    }

    /// Writes rows that waited. An emptied Redis may have been given a record again before the write that creates it. That write
    /// then continues from there, so that its facts are not lost.
    async fn write_what_waited(&self, kind: Kind, tenant: &TenantId, rows: &[Row]) -> Result<Vec<Written>> {
        let mut answers = self.write_and_mend(kind, tenant, rows, None).await?;
        for (row, answer) in rows.iter().zip(&mut answers) {
            let Change::Create { state, intentions } = &row.change else { continue };
            if *answer != (Written::Exists { owner: row.owner.clone(), token: row.token }) {
                continue;
            }
            let save = Change::Save { state: state.clone(), intentions: intentions.clone() };
            let row = Row { change: save, ..row.clone() };
            if let Some(again) = self.write_and_mend(kind, tenant, &[row], None).await?.pop() {
                *answer = again;
            }
        }
        Ok(answers)
    }
}

/// A commit for a Redis that has lost the record: it creates the record again, or creates and ends it, and publishes its facts.
fn begun_again(row: &Row) -> Vec<Row> {
    let created = |state: &Bytes, intentions: &Bytes| {
        let change = Change::Create { state: state.clone(), intentions: intentions.clone() };
        Row { change, ..row.clone() }
    };
    match &row.change {
        Change::Create { state, intentions } | Change::Save { state, intentions } => vec![created(state, intentions)],
        Change::Keep => vec![row.clone()],
        Change::End => {
            let nothing = Bytes::new();
            vec![Row { facts: Facts::default(), new_call: None, number: 0, ..created(&nothing, &nothing) }, row.clone()]
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn row(key: usize, size: usize) -> Row {
        Row {
            tenant: TenantId::parse("acme").unwrap(),
            key: key.to_string(),
            owner: "sip-cluster-1.5".parse().unwrap(),
            token: model::Token(1),
            change: Change::Save { state: vec![0; size].into(), intentions: Bytes::new() },
            due: None,
            links: Vec::new(),
            facts: Facts::default(),
            new_call: None,
            began_with: None,
            number: 0,
        }
    }

    #[test]
    fn a_record_waits_until_the_last_of_its_commits_is_written() {
        let (kind, tenant) = (Kind::named("call").unwrap(), TenantId::parse("acme").unwrap());
        let mut away = Away::default();
        away.wait(kind, &tenant, vec![row(7, 1), row(7, 1), row(8, 1)]);
        away.wait(kind, &tenant, vec![row(7, 1)]);
        let waits = |away: &Away| [7, 8].map(|key| away.waits_for(&id(kind, &row(key, 1))));
        away.wait_no_more(kind, &[row(7, 1), row(7, 1), row(8, 1)]);
        assert_eq!(waits(&away), [true, false]);
        away.wait_no_more(kind, &[row(7, 1)]);
        assert_eq!(waits(&away), [false, false]);
        assert!(away.of.is_empty(), "nothing is kept of what waits no more");
    }

    #[test]
    fn no_script_has_more_rows_or_bytes_than_may_hold_others_up() {
        let lengths = |rows: Vec<Row>| parts(rows).iter().map(Vec::len).collect::<Vec<_>>();
        assert_eq!(lengths(Vec::new()), [0], "a view's place may come alone");
        assert_eq!(lengths((0..450).map(|n| row(n, 10)).collect()), [200, 200, 50]);
        assert_eq!(lengths((0..5).map(|n| row(n, PART_BYTES / 2)).collect()), [2, 2, 1]);
        assert_eq!(lengths(vec![row(0, 2 * PART_BYTES), row(1, 1)]), [1, 1], "one that is too large goes alone");
    }
}
