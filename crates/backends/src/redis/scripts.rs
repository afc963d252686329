//! The scripts: a write is one of them, so it is done whole or not at all. How one is called is in `call`.

mod call;

use redis::Script;

pub(super) use call::Call;

/// Rows and bytes of one script, which blocks all other clients of Redis: some milliseconds.
pub(super) const PART_ROWS: usize = 200;

const SHARED: &str = include_str!("scripts/shared.lua");
const RECORDS: &str = include_str!("scripts/records.lua");

/// All scripts; Redis keeps them by their digests.
pub(super) struct Scripts {
    pub(super) commit: Script,
    pub(super) quarantine: Script,
    pub(super) claim: Script,
    pub(super) load: Script,
    pub(super) lookup: Script,
    pub(super) queues_commit: Script,
    pub(super) queues_claim: Script,
    pub(super) queues_page: Script,
    pub(super) queues_restore: Script,
    pub(super) threads_commit: Script,
    pub(super) threads_claim: Script,
    pub(super) read_events: Script,
    pub(super) tell: Script,
    pub(super) take_work: Script,
    pub(super) reclaim_work: Script,
    pub(super) post: Script,
    pub(super) register: Script,
    pub(super) publish: Script,
    pub(super) read_configuration: Script,
    pub(super) configuration_page: Script,
    pub(super) leases: Script,
    pub(super) outbox: Script,
    pub(super) keep_view: Script,
    pub(super) replace_view: Script,
    pub(super) store_time: Script,
    pub(super) sign_in: Script,
    pub(super) sign_ins_owned: Script,
}

impl Scripts {
    pub(super) fn new() -> Self {
        let plain = |text: &str| Script::new(&[SHARED, text].concat());
        let records = |text: &str| Script::new(&[SHARED, RECORDS, text].concat());
        Self {
            commit: records(include_str!("scripts/commit.lua")),
            quarantine: records(include_str!("scripts/quarantine.lua")),
            claim: records(include_str!("scripts/claim.lua")),
            load: records(include_str!("scripts/load.lua")),
            lookup: records(include_str!("scripts/lookup.lua")),
            queues_commit: plain(include_str!("scripts/queues_commit.lua")),
            queues_claim: plain(include_str!("scripts/queues_claim.lua")),
            queues_page: plain(include_str!("scripts/queues_page.lua")),
            queues_restore: plain(include_str!("scripts/queues_restore.lua")),
            threads_commit: plain(include_str!("scripts/threads_commit.lua")),
            threads_claim: plain(include_str!("scripts/threads_claim.lua")),
            read_events: plain(include_str!("scripts/read_events.lua")),
            tell: plain(include_str!("scripts/tell.lua")),
            take_work: plain(include_str!("scripts/take_work.lua")),
            reclaim_work: plain(include_str!("scripts/reclaim_work.lua")),
            post: plain(include_str!("scripts/post.lua")),
            register: plain(include_str!("scripts/register.lua")),
            publish: plain(include_str!("scripts/publish.lua")),
            read_configuration: plain(include_str!("scripts/read_configuration.lua")),
            configuration_page: plain(include_str!("scripts/configuration_page.lua")),
            leases: plain(include_str!("scripts/leases.lua")),
            outbox: plain(include_str!("scripts/outbox.lua")),
            keep_view: plain(include_str!("scripts/keep_view.lua")),
            replace_view: plain(include_str!("scripts/replace_view.lua")),
            store_time: plain(include_str!("scripts/store_time.lua")),
            sign_in: plain(include_str!("scripts/sign_in.lua")),
            sign_ins_owned: plain(include_str!("scripts/sign_ins_owned.lua")),
        }
    }
}
