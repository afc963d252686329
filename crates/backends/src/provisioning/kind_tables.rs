//! The tables of the kinds of which an object is kept as one JSON document: one for each kind, and what stands in it beside the document.
//!
//! A document stays whole in its row (`document`), as it was written. Beside it the tables have what a database is asked for, or has to hold
//! together:
//!
//! - what names another object, each with a foreign key: a single name in a column of the kind's table, a list of names in a table of its own,
//!   with a row for each name at its place (`nth`). An index finds whoever names an object. [`name_columns`] lists these columns.
//! - a few fields that tell objects of a kind apart, as the type of a group of DNs, as generated columns.
//!
//! Columns and lists are made of the document by the database itself, with triggers (`names_in_documents.sql`), so that they never say anything
//! else, and so that it does not matter which release has written the document. A name that no table has is refused when the turn ends, as
//! everywhere in the configuration, and so is the end of an object that is named. Rules refuse both before, with field and reason: they compare
//! names exactly, where keys pass over upper and lower case. The skills in the expression of a group of agents are the rules' alone: SQL does
//! not read it. The groups Everyone and Administrators are no objects.
//!
//! Kinds with rows of their own name two of these: people and places a capacity rule, DNs a switch, in columns of before, without keys, which
//! SQLite cannot add. Triggers keep each such name in a row of a table beside them ([`OF_OTHER_KINDS`]).
//!
//! # Beside the release before
//!
//! The release before has all documents in one table, `object_document`. As long as it may serve or come back, that table stays as it was:
//! this release writes both (`documents.rs`), and triggers on it bring what the release before writes into the tables of the
//! kinds, in the same transaction (`documents_to_object_tables.sql`). That step has copied what was there. A document of before may name what
//! is not there any more: of such a name there is no row, it stands in the document alone, and rules tell of it as they did. A release after
//! this one drops `object_document` with its triggers, and the second statement of each write.
//!
//! A tenant that ends loses the rows of these tables at once (`names_of_ended_tenants.sql`): its people, DNs and so on go in parts, and nothing
//! that names them may be left by then. Rows may come after that: of a tenant that ended while its documents were copied, or that the release
//! before, which serves it as if it had not ended, has edited since. So its names go before anything else ([`NameColumn::names_of_ended`]).

use std::sync::LazyLock;

use contracts::provisioning::ObjectKind;

/// The table of a kind.
#[derive(Clone, Copy, Debug)]
pub(super) struct KindTable {
    /// Its name.
    pub table: &'static str,
    /// The objects of a tenant, in the order in which they came.
    pub all: &'static str,
    /// The object of a tenant that has a name.
    pub one: &'static str,
    /// The bytes of the documents of a tenant. The databases know the size of a text without reading it.
    pub bytes: &'static str,
    /// Writes an object, in the place of the one of its name.
    pub put: &'static str,
    /// Removes an object.
    pub delete: &'static str,
    /// The columns in which names of objects stand.
    pub names: &'static [NameColumn],
}

/// A column in which names of other objects stand.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(super) struct NameColumn {
    /// Its table: that of the kind, or that of a list.
    pub table: &'static str,
    /// Its name.
    pub column: &'static str,
    /// The table of what is named.
    pub of: &'static str,
    /// The column there that has the names.
    pub key: &'static str,
}

impl NameColumn {
    /// Takes away the names of a tenant that name nothing, from the column and not from the documents.
    pub fn names_of_nothing(&self) -> String {
        let Self { table, column, of, key } = self;
        let is_missing = format!(
            "tenant = ? AND NOT EXISTS
             (SELECT 1 FROM {of} AS named WHERE named.tenant = {table}.tenant AND named.{key} = {table}.{column})"
        );
        if self.is_beside_document() {
            format!("UPDATE {table} SET {column} = NULL WHERE {column} IS NOT NULL AND {is_missing}")
        } else {
            format!("DELETE FROM {table} WHERE {is_missing}")
        }
    }

    /// Takes away names of a tenant that has ended, from the column and not from the documents. It has the tenant twice, and the most objects
    /// that lose theirs at once.
    pub fn names_of_ended(&self) -> String {
        let Self { table, column, .. } = self;
        if self.is_beside_document() {
            format!(
                "UPDATE {table} SET {column} = NULL WHERE tenant = ? AND dbid IN
                 (SELECT dbid FROM {table} WHERE tenant = ? AND {column} IS NOT NULL LIMIT ?)"
            )
        } else {
            format!(
                "DELETE FROM {table} WHERE tenant = ? AND name IN (SELECT name FROM {table} WHERE tenant = ? LIMIT ?)"
            )
        }
    }

    /// Whether it stands in the row of the document, and not in a table for the names.
    fn is_beside_document(&self) -> bool {
        all().any(|(_, own)| own.table == self.table)
    }
}

macro_rules! kind_table {
    ($table:literal) => { kind_table!($table,) };
    ($table:literal, $($of_names:ident . $column:ident => $of:ident . $key:ident),*) => {
        KindTable {
            table: $table,
            all: concat!("SELECT name, document FROM ", $table, " WHERE tenant = ? ORDER BY dbid"),
            one: concat!("SELECT name, document FROM ", $table, " WHERE tenant = ? AND name = ?"),
            bytes: concat!(
                "SELECT CAST(coalesce(sum(octet_length(document)), 0) AS BIGINT) AS bytes FROM ",
                $table,
                " WHERE tenant = ?"
            ),
            put: concat!(
                "INSERT INTO ",
                $table,
                " (tenant, name, document) VALUES (?, ?, ?)
                 ON CONFLICT (tenant, name) DO UPDATE SET name = excluded.name, document = excluded.document"
            ),
            delete: concat!("DELETE FROM ", $table, " WHERE tenant = ? AND name = ?"),
            names: &[$(NameColumn {
                table: stringify!($of_names),
                column: stringify!($column),
                of: stringify!($of),
                key: stringify!($key),
            }),*],
        }
    };
}

/// The table of a kind; none of a kind whose objects are rows of more than a document.
pub(super) const fn of(kind: ObjectKind) -> Option<KindTable> {
    let table = match kind {
        ObjectKind::ActionCode => kind_table!("action_code"),
        ObjectKind::List => kind_table!("lookup_list"),
        ObjectKind::BusinessAttribute => kind_table!("business_attribute"),
        ObjectKind::CapacityRule => kind_table!("capacity_rule"),
        ObjectKind::StatisticDefinition => kind_table!("statistic_definition"),
        ObjectKind::Transaction => kind_table!("transaction_object"),
        ObjectKind::Switch => kind_table!("switch", switch_access_code.to_switch => switch.name),
        ObjectKind::AgentLogin => kind_table!("agent_login", agent_login.person => person.user_name),
        ObjectKind::AgentGroup => kind_table!(
            "agent_group",
            agent_group_agent.person => person.user_name,
            agent_group_manager.person => person.user_name
        ),
        ObjectKind::PlaceGroup => kind_table!("place_group", place_group_place.place => place.name),
        ObjectKind::DnGroup => kind_table!("dn_group", dn_group_member.dn => dn.number),
        ObjectKind::TrunkGroup => kind_table!("trunk_group", trunk_group_member.trunk => trunk.name),
        ObjectKind::CallingList => kind_table!("calling_list", calling_list.schedule => schedule.name),
        ObjectKind::Campaign => kind_table!("campaign", campaign_calling_list.calling_list => calling_list.name),
        ObjectKind::CampaignGroup => kind_table!(
            "campaign_group",
            campaign_group.campaign => campaign.name,
            campaign_group.agent_group => agent_group.name,
            campaign_group.route_point => dn.number
        ),
        ObjectKind::IvrProfile => kind_table!("ivr_profile", ivr_profile.application => application.name),
        ObjectKind::AccessGroup => kind_table!(
            "access_group",
            access_group_person.person => person.user_name,
            access_group_group.access_group => access_group.name
        ),
        ObjectKind::Role => kind_table!(
            "privilege_role",
            privilege_role_person.person => person.user_name,
            privilege_role_group.access_group => access_group.name
        ),
        ObjectKind::Folder => kind_table!(
            "folder",
            folder_person.person => person.user_name,
            folder_group.access_group => access_group.name
        ),
        ObjectKind::Tenant
        | ObjectKind::Skill
        | ObjectKind::Prompt
        | ObjectKind::Application
        | ObjectKind::Dn
        | ObjectKind::Place
        | ObjectKind::Person
        | ObjectKind::Number
        | ObjectKind::Trunk
        | ObjectKind::FeatureCode
        | ObjectKind::Schedule
        | ObjectKind::DialRule
        | ObjectKind::Client => return None,
    };
    Some(table)
}

/// The kinds that have such a table, with it.
pub(super) fn all() -> impl Iterator<Item = (ObjectKind, KindTable)> {
    ObjectKind::ALL.into_iter().filter_map(|kind| Some((kind, of(kind)?)))
}

/// Where the names stand that other kinds have of these.
const OF_OTHER_KINDS: [NameColumn; 3] = [
    NameColumn { table: "person_capacity_rule", column: "capacity_rule", of: "capacity_rule", key: "name" },
    NameColumn { table: "place_capacity_rule", column: "capacity_rule", of: "capacity_rule", key: "name" },
    NameColumn { table: "dn_switch", column: "switch", of: "switch", key: "name" },
];

/// The columns in which names of objects stand.
pub(super) fn name_columns() -> impl Iterator<Item = NameColumn> {
    all().flat_map(|(_, own)| own.names.iter().copied()).chain(OF_OTHER_KINDS)
}

/// The objects of all these kinds of a tenant by one statement, with the tenant once for each kind: those of a kind in the order in which they
/// came.
pub(super) static ALL: LazyLock<String> = LazyLock::new(|| {
    let one = |(kind, own): (ObjectKind, KindTable)| {
        format!("SELECT '{}' AS kind, dbid, name, document FROM {} WHERE tenant = ?", kind.as_str(), own.table)
    };
    let each = all().map(one).collect::<Vec<_>>().join(" UNION ALL ");
    format!("SELECT kind, name, document FROM ({each}) AS stored ORDER BY kind, dbid")
});
