//! The bounds of all stores, in one place.

use std::time::Duration;

/// How long an ended record is remembered: twice as long as a SIP message can be repeated (64 × T1 = 32 s).
pub const TOMBSTONE: Duration = Duration::from_secs(64);

/// How long a lease lasts; it is renewed each 0.5 s.
pub const LEASE: Duration = Duration::from_secs(2);

/// A watcher considers a lease expired only this long after its time: a renewal may be on its way.
pub const LEASE_MARGIN: Duration = Duration::from_millis(500);

/// Records of a failed owner are claimed in batches of this size.
pub const CLAIM_BATCH: usize = 200;

/// Calls that a tenant may have in the ledger, tombstones included.
pub const CALLS_MAX: usize = 200_000;

/// Agents, sessions or media sessions that a tenant may have in a ledger.
pub const RECORDS_MAX: usize = 200_000;

/// The largest state of one record, in bytes: a call with 512 pairs of user data has about 100 kB.
pub const STATE_MAX: usize = 1 << 20;

/// The largest encoded fact of a stream, in bytes: user data of 512 pairs have about 100 kB.
pub const FACT_MAX: usize = 1 << 20;

/// The largest entry of the stream of new calls, in bytes: it begins with the user data of its call.
pub const NEW_CALL_MAX: usize = 1 << 20;

/// The largest write, in bytes: state, facts, links and entry together. One script of Redis has little more.
pub const WRITE_MAX: usize = 4 << 20;

/// Rows or facts of a tenant's queues in one write, in bytes, where those of a turn go in several: some milliseconds of Redis.
pub const QUEUE_PART_BYTES: usize = 1 << 20;

/// Requests and facts of a turn of the queues, in bytes, about, that go in one write all the same: they belong together. Well below
/// [`WRITE_MAX`], because facts are not encoded to count them.
pub const QUEUE_WHOLE_BYTES: usize = WRITE_MAX / 2;

/// Changes of a tenant's configuration that are published or read in one script of Redis: some hundredths of a second, in which no call is
/// written. More are published as a whole state, and read as one, in parts.
pub const CONFIG_CHANGES_MAX: usize = 10_000;

/// The same in bytes.
pub const CONFIG_CHANGES_BYTES: usize = 4 << 20;

/// The largest state of a view, in bytes: 300,000 statistics have about 50 MB.
pub const VIEW_MAX: usize = 128 << 20;

/// Bytes of a tenant's event stream that are kept in memory after their export.
pub const STREAM_BYTES: usize = 32 << 20;

/// Bytes of a tenant's event stream up to which exported entries are kept for a view that has not read them yet: a minute of 40 facts a
/// second of 48 kB. A view further behind is told at its next read that entries are gone.
pub const STREAM_BYTES_UNREAD: usize = 128 << 20;

/// Bytes of a tenant's event stream at which nothing of that tenant begins any more because nothing of it is exported. What has begun goes
/// on, so the stream grows by the facts of those calls, and of who is logged in.
pub const STREAM_BYTES_HARD: usize = 512 << 20;

/// The longest record of the reporting log, with its key, in bytes: below the defaults of Kafka's brokers and clients.
pub const LOG_RECORD_BYTES_MAX: usize = 900_000;

/// New calls of a tenant that wait for an application: more calls do not begin, and those that go on may still come to a route point.
pub const NEW_CALLS_MAX: usize = 10_000;

/// Requests that wait for one recipient: several seconds of the busiest node.
pub const REQUESTS_MAX: usize = 10_000;

/// How long a record stays in quarantine: a week has a day on which an operator looks.
pub const QUARANTINE_KEPT: Duration = Duration::from_secs(7 * 24 * 3_600);

/// Records of a tenant in quarantine: more of one fault show nothing new.
pub const QUARANTINE_MAX: usize = 1_000;

/// Bytes of a tenant's quarantine: room for about 60 of the largest records.
pub const QUARANTINE_BYTES: usize = 64 << 20;

/// Bytes of the report beside a record in quarantine: the input that shows the fault, at most the longest SIP message.
pub const QUARANTINE_REPORT_MAX: usize = 64 << 10;

/// Bytes of the line with the reason for a quarantine.
pub const QUARANTINE_WHY_MAX: usize = 1_024;

/// Limit of the jobs, and of the nodes, for which leases are kept.
pub const LEASES_MAX: usize = 10_000;

/// Records of signing in of one kind that a tenant may have: as many as it may have calls. For each kind by itself, so that strangers who
/// fill the counts of attempts end no session.
pub const SIGN_INS_MAX: usize = 200_000;

/// Records of signing in that one owner may have: a program that signs in each minute for half a day. More are refused, not left out of the
/// list, because whoever signs somebody out everywhere goes by that.
pub const SIGN_INS_OWNED_MAX: usize = 1_000;

/// API keys of a tenant that are good.
pub const API_KEYS_MAX: usize = 200;

/// Those that have ended and are still shown; of more, those go that ended first. Nobody ends as many within the minutes for which roles
/// have to hear of each.
pub const API_KEYS_ENDED_MAX: usize = 400;

/// Favourites of a person: more nobody finds anybody among.
pub const FAVOURITES_MAX: usize = 200;

/// Recents of a person, the latest: about two days of an agent.
pub const RECENTS_MAX: usize = 50;

/// Settings of a person that a desktop has kept.
pub const PERSONAL_SETTINGS_MAX: usize = 100;

/// Bytes of the settings of a person, with their names.
pub const PERSONAL_SETTINGS_BYTES: usize = 64 << 10;

/// Contacts that a person keeps.
pub const CONTACTS_MAX: usize = 500;

/// Contacts that the people of a tenant share: a search goes through them all in their table.
pub const SHARED_CONTACTS_MAX: usize = 2_000;

/// Bytes of what is known of a contact.
pub const CONTACT_DOCUMENT_MAX: usize = 8 << 10;

/// Bytes of what is known of a favourite or a recent.
pub const TARGET_DOCUMENT_MAX: usize = 8 << 10;

/// Tables of people whose import is noted of a tenant, the latest: several a day for as long as one is kept.
pub const PEOPLE_IMPORTS_MAX: usize = 1_000;

/// The longest shift: whoever works for longer has two.
pub const SHIFT_LENGTH_MAX: Duration = Duration::from_secs(24 * 3_600);

/// Shifts of a tenant: those of ten thousand people for three months.
pub const SHIFTS_OF_TENANT_MAX: u64 = 1_000_000;

/// The longest id of a shift, in bytes.
pub const SHIFT_ID_MAX: usize = 128;

/// Recordings of a tenant's prompts, those of before that the history names among them: a large tenant's prompts in a few languages.
pub const PROMPT_AUDIO_MAX: u64 = 5_000;

/// Their bytes: nine hours as media plays them.
pub const PROMPT_AUDIO_BYTES_MAX: u64 = 512 << 20;

/// For how long a recording stays that nothing names: who has uploaded it is about to save the prompt.
pub const PROMPT_AUDIO_UNNAMED_FOR: Duration = Duration::from_secs(86_400);

/// How long an API key is shown after its end: as long as somebody may ask what has become of it.
pub const API_KEY_KEPT: Duration = Duration::from_secs(30 * 86_400);

/// Tenants that have ended and that are told of, the latest: more than an installation ends while their sign-ins could go on.
pub const ENDED_TENANTS_MAX: usize = 10_000;

/// The longest id of a record of signing in, and of its owner, in bytes.
pub const SIGN_IN_ID_MAX: usize = 200;

/// The largest value of a record of signing in, in bytes: an agent's desktop, with what it knows of its calls.
pub const SIGN_IN_VALUE_MAX: usize = 16 << 10;

/// The longest time that a record of signing in is kept: more than a refresh token of a year.
pub const SIGN_IN_KEPT_MAX: Duration = Duration::from_secs(400 * 86_400);

/// Targets of a tenant that are searched: as many objects as gws-configuration reads of one, and more.
pub const SEARCH_TARGETS_MAX: usize = 60_000;

/// Targets or states that one write of what is searched brings.
pub const SEARCH_BATCH_MAX: usize = 500;

/// The largest target of what is searched, in bytes: its texts and what of it is shown.
pub const SEARCH_DOCUMENT_MAX: usize = 16 << 10;

/// The longest key of a target, or id of an object with a state, in bytes: with its tenant it fits an id of Elasticsearch (512).
pub const SEARCH_ID_MAX: usize = 300;

/// The longest text that is searched for, in bytes.
pub const SEARCH_TEXT_MAX: usize = 256;
/// The words of a text that is searched for: a query has several clauses for each.
pub const SEARCH_WORDS_MAX: usize = 16;
