//! The conformance suite: what every implementation of the stores must do. Each function panics with what it found.
//!
//! `stores` are empty and real ones must be emptied before; `clock` is the clock that they were made with.

#![allow(clippy::unwrap_used, clippy::missing_panics_doc, reason = "a suite of tests reports by panicking")]

pub mod api_keys;
pub mod audit_outbox;
pub mod clocks;
mod configuration;
pub mod contacts;
pub(crate) mod fixtures;
mod ledgers;
mod no_provisioning;
mod others;
pub mod passkeys;
pub mod people_imports;
pub mod personal_records;
pub mod prompt_audio;
pub mod provisioning;
mod quarantine;
pub mod reporting;
pub mod search;
pub mod secrets;
pub mod shifts;
pub mod sign_in_audit;
mod sign_ins;
mod streams;
pub mod tenant_life;
pub mod tenant_objects;
mod threads;

use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Duration;

use model::Timestamp;

pub use no_provisioning::NoProvisioning;

use crate::{Clock, Stores};

/// A clock that stands still until it is moved.
pub struct SetClock {
    now: AtomicU64,
    moved: Box<dyn Fn(Duration) + Send + Sync>,
}

impl SetClock {
    /// A clock at that time.
    pub fn at(now: Timestamp) -> Arc<Self> {
        Self::moving(now, |_| ())
    }

    /// A clock at that time that moves another on with it, such as a server's.
    pub fn moving(now: Timestamp, other: impl Fn(Duration) + Send + Sync + 'static) -> Arc<Self> {
        Arc::new(Self { now: AtomicU64::new(now.as_micros()), moved: Box::new(other) })
    }

    /// Moves it on.
    pub fn advance(&self, by: Duration) {
        let micros = u64::try_from(by.as_micros()).unwrap_or(u64::MAX);
        self.now.fetch_add(micros, Ordering::SeqCst);
        (self.moved)(by);
    }
}

impl Clock for SetClock {
    fn now(&self) -> Timestamp {
        Timestamp::from_micros(self.now.load(Ordering::SeqCst))
    }
}

/// Runs the whole suite. Each call of `fresh` gives empty stores on a clock.
pub async fn run(fresh: impl Fn() -> (Stores, Arc<SetClock>)) {
    let stores = || fresh().0;
    ledgers::a_commit_is_read_back(&stores()).await;
    ledgers::an_older_token_is_fenced_and_nothing_of_the_write_is_done(&stores()).await;
    ledgers::a_repeated_invite_makes_no_second_call(&stores()).await;
    ledgers::one_of_many_claimers_wins(&stores()).await;
    ledgers::a_dead_owners_calls_are_found_in_batches(&stores()).await;
    let (with_time, clock) = fresh();
    ledgers::an_ended_call_is_remembered_for_a_while(&with_time, &clock).await;
    let (with_time, clock) = fresh();
    ledgers::a_further_call_leads_to_its_thread(&with_time, &clock).await;
    ledgers::a_record_that_is_absorbed_leads_to_the_other_one(&stores()).await;
    ledgers::concurrent_writers_lose_nothing(&stores()).await;
    ledgers::a_session_takes_its_new_call_with_it(&stores()).await;
    ledgers::a_view_keeps_its_place_with_its_state(&stores()).await;
    ledgers::a_tenants_queues_have_one_writer(&stores()).await;
    threads::a_tenants_threads_have_one_writer(&stores()).await;
    threads::threads_and_position_change_together_or_not_at_all(&stores()).await;
    threads::all_threads_are_listed(&stores()).await;
    ledgers::what_is_too_large_is_refused_for_that_write_alone(&stores()).await;
    ledgers::every_ledger_refuses_what_is_too_large(&stores()).await;
    ledgers::a_record_counts_how_often_it_has_changed_hands(&stores()).await;
    quarantine::a_record_is_put_aside_whole_or_not_at_all(&stores()).await;
    quarantine::every_ledgers_records_can_be_put_aside(&stores()).await;
    let (with_time, clock) = fresh();
    quarantine::a_released_record_is_found_by_a_takeover(&with_time, &clock).await;
    let (with_time, clock) = fresh();
    quarantine::quarantine_has_an_end(&with_time, &clock).await;
    streams::events_are_read_in_order_from_any_position(&stores()).await;
    streams::a_reader_is_woken_by_a_commit(&stores()).await;
    streams::tenants_do_not_see_each_other(&stores()).await;
    let (with_time, clock) = fresh();
    streams::a_new_call_that_nobody_finished_is_given_again(&with_time, &clock).await;
    streams::requests_reach_their_recipient_once(&stores()).await;
    let (with_time, clock) = fresh();
    others::an_epoch_never_repeats_and_fences_the_one_before(&with_time, &clock).await;
    let (with_time, clock) = fresh();
    others::a_job_has_one_holder_at_a_time(&with_time, &clock).await;
    let (with_time, clock) = fresh();
    others::an_exporter_that_was_replaced_is_fenced(&with_time, &clock).await;
    others::nothing_goes_from_the_stream_before_it_is_out(&stores()).await;
    others::registrations_change_by_compare_and_set(&stores()).await;
    others::a_view_is_kept_with_its_position(&stores()).await;
    others::a_view_that_another_has_written_is_not_replaced(&stores()).await;
    let (with_time, clock) = fresh();
    others::a_view_that_is_kept_for_a_while_goes_by_itself_or_is_removed(&with_time, &clock).await;
    others::a_store_tells_its_time(&stores()).await;
    configured(&fresh).await;
    signing_in(&fresh).await;
}

async fn configured(fresh: impl Fn() -> (Stores, Arc<SetClock>)) {
    let stores = || fresh().0;
    configuration::it_is_read_whole_and_by_changes(&stores()).await;
    configuration::changes_of_another_version_are_refused(&stores()).await;
    configuration::a_publication_that_is_broken_off_is_not_seen(&stores()).await;
    configuration::of_two_publishers_the_later_version_stays(&stores()).await;
    configuration::a_reader_sees_whole_states_alone(&stores()).await;
    configuration::all_that_is_read_is_of_one_version(&stores()).await;
    configuration::many_changes_are_read_as_changes(&stores()).await;
    configuration::a_tenant_that_is_withdrawn_is_there_when_it_is_published_again(&stores()).await;
}

async fn signing_in(fresh: impl Fn() -> (Stores, Arc<SetClock>)) {
    let all = || {
        let (stores, clock) = fresh();
        sign_ins::SignInCase::new(stores, clock)
    };
    all().what_is_put_is_read_until_its_time().await;
    all().what_is_over_when_it_comes_is_not_kept().await;
    all().one_of_many_claims_it().await;
    all().one_of_many_replaces_it().await;
    all().what_is_not_as_seen_stays().await;
    all().an_owner_has_what_is_there_and_theirs().await;
    all().what_changes_hands_is_listed_once().await;
    all().tenants_and_kinds_are_apart().await;
    all().what_is_too_large_or_too_long_is_refused().await;
}

/// The cases that write more than suits a journal that is replaced all the time.
pub async fn run_large(stores: &Stores) {
    sign_ins::an_owner_who_has_enough_gets_no_more(stores).await;
    quarantine::quarantine_takes_no_more_room_than_it_may_and_the_oldest_goes_first(stores).await;
    others::what_a_view_has_not_read_stays_longer(stores).await;
}
