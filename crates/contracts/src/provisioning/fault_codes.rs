//! The codes of rules that a configuration may break: what programs and pages in other languages tell them by.

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

/// Which rule is broken. A code keeps its meaning, and a release may add some; the values that belong to it are texts.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "snake_case")]
pub enum FaultCode {
    /// Nothing stands where something must.
    Needed,
    /// It is needed beside another field: `field`.
    NeededWith,
    /// It or another field is needed: `field`.
    NeededOr,
    /// It has a meaning beside another field alone: `field`.
    OnlyWith,
    /// It has a meaning without another field alone: `field`.
    OnlyWithout,
    /// The value is of another kind than is `wanted`: `text`, `number`, `flag`, `list` or `map`; empty where that is not known.
    WrongType,
    /// It is none of the names that there are: `names`, with commas between them, the first ones of many.
    OneOf,
    /// A number is not from `least` to `most`.
    OutOfRange,
    /// A text has fewer than `least` characters.
    TooShort,
    /// A text has more than `most` bytes.
    TooLong,
    /// There are more than `most` entries.
    TooMany,
    /// A document or a table has more than `most` bytes.
    TooLarge,
    /// A text has a control character.
    ControlCharacter,
    /// Something stands there twice: `name`, empty for the object itself.
    Twice,
    /// There is no such field.
    UnknownField,
    /// The document is no JSON object.
    NotJson,
    /// An object that is named does not exist: `kind` and `id`.
    Unknown,
    /// Another object has it already: `kind` and `by`, which name that object, and `value`.
    Held,
    /// Another trunk registers the same account: `trunk`.
    SameAccount,
    /// Default DNs lead in a circle: `way`.
    Circle,
    /// There is a DN of that number.
    IsDn,
    /// A number of the tenant could not be called any more: `kind` and `id`.
    OwnNumber,
    /// No call goes out by the trunk, or by any: it needs `contact` and `prefix`.
    NoWayOut,
    /// There is an object whose name differs in upper and lower case, or forms of letters, alone: `id`, empty where it is not told.
    NameTaken,
    /// A name has a character that nobody sees.
    UnseenCharacter,
    /// A name is not in Unicode's form NFKC.
    NotNfkc,
    /// A name begins with what stands for members of groups: `prefix`.
    NameOfGroups,
    /// A name has a quotation mark.
    QuotationMark,
    /// It is no expression of skills: `why`, in English.
    SkillExpression,
    /// A name in a list has a control character, is empty, or has more than `most` bytes: `key` is its beginning.
    ListKey,
    /// There is no such object.
    NoObject,
    /// An object is never renamed: it is `id`.
    NotRenamed,
    /// The field cannot be changed.
    NotChanged,
    /// The tenant itself is not deleted.
    NotDeleted,
    /// The tenant would have more than `most` objects of a `section` of its file.
    SectionFull,
    /// The object is at another revision: `present`, not `expected`.
    Stale,
    /// A request has `given` passwords or PINs in clear, and may have `most`.
    ManyPasswords,
    /// There is no such time zone: `name`.
    TimeZone,
    /// The tenant's id has other characters than lower-case letters, digits and dashes, or more than 63.
    TenantId,
    /// It is no host name: `name`.
    HostName,
    /// A prompt's name has other characters than letters, digits, - and _, or more than 64.
    PromptName,
    /// A prompt's file has another name than the prompt: it is `file`.
    PromptFile,
    /// A PIN is asked for at a login alone.
    PinElsewhere,
    /// A PIN that is typed at a phone has 1 to `most` digits.
    PinDigits,
    /// It is neither an address nor a network: `value`.
    Network,
    /// A network is everybody: `value`.
    Everybody,
    /// The address of a trunk is without `sip:`.
    ContactScheme,
    /// The carrier gives the password: it cannot be generated.
    NotGenerated,
    /// A rule about headers cannot be used: `why`, in English.
    HeaderRule,
    /// A key or certificate cannot be used: `why`, in English.
    Certificate,
    /// A country is not two letters.
    Country,
    /// It is no number of degrees from -`most` to `most`.
    Degrees,
    /// An address that nobody finds: too little of it is set.
    Address,
    /// A line is no line of hours: `line`.
    Hours,
    /// A line is no exception from the hours: `line`.
    Exception,
    /// It is no pattern of numbers: `why`, in English.
    Pattern,
    /// A number that is shown has digits, and + at its beginning.
    ShownNumber,
    /// What is put before a number has digits, +, * and #.
    Dialled,
    /// The password is the user name.
    UserName,
    /// The password is one of those that are guessed first.
    GuessedPassword,
    /// The password is that of before.
    SamePassword,
    /// A hash of a password or a PIN is none of Argon2id that we take.
    Hash,
    /// A second factor is neither `reset` nor what an export has written.
    SecondFactor,
    /// A way to get tokens needs a secret: `grant`.
    GrantNeedsSecret,
    /// A way to get tokens needs keys: `grant`.
    GrantNeedsKeys,
    /// A key of a client verifies nothing: `why`, in English.
    ClientKey,
    /// Of several keys of a client, one has no name of its own.
    KeyName,
    /// People cannot be sent back to it: `uri`, and `why` in English.
    RedirectUri,
    /// It is no address that can be asked: `why`, in English.
    Url,
    /// Who is told of ends of sign-ins needs the grant refresh_token.
    LogoutNeedsRefresh,
    /// There is no such scope: `scope`; `near` is one that may be meant, or empty.
    UnknownScope,
    /// A scope is for who runs the installation: `scope`.
    ScopeOfInstallation,
    /// It is no scope: `scope`.
    ScopeCharacters,
    /// The scope openid is missing.
    NoOpenid,
    /// There is no such column; there are `names`.
    UnknownColumn,
    /// A line has `cells` cells, and the head has `head`.
    Cells,
    /// A cell of an agent stands in a line without agent_id.
    NeedsAgentId,
    /// It is no list of skills with levels: `part`.
    Levels,
    /// The person stands on an earlier line already: `line`.
    LineTwice,
    /// The table is not UTF-8.
    NotUtf8,
    /// A quote stands where none may.
    Quote,
    /// A DN, `id`, is of none of the types that may be there: `names`, with commas between them.
    DnType,
    /// The statistics engine does not compute it: `why`, in English.
    Statistic,
    /// The caller may not do that: it needs the `right` in `folder`; what is not about a folder has none.
    NotPermitted,
    /// It is no path of a folder: `path`.
    FolderPath,
    /// The name is that of a group that is built in, or such a group cannot be named here: `name`.
    BuiltIn,
    /// Access groups lead in a circle: `way`.
    GroupCircle,
    /// A privilege needs another one beside it: `privilege`, and `needs`, of which one will do, with commas between them.
    PrivilegeNeeds,
    /// Nobody of the tenant who may sign in would be an administrator any more.
    LastAdministrator,
    /// A rule without a code of its own, or of a later release: `rule` alone says it.
    Other,
}

impl FaultCode {
    /// All of them, with their names on the wire.
    pub const NAMED: [(Self, &'static str); 90] = [
        (Self::Needed, "needed"),
        (Self::NeededWith, "needed_with"),
        (Self::NeededOr, "needed_or"),
        (Self::OnlyWith, "only_with"),
        (Self::OnlyWithout, "only_without"),
        (Self::WrongType, "wrong_type"),
        (Self::OneOf, "one_of"),
        (Self::OutOfRange, "out_of_range"),
        (Self::TooShort, "too_short"),
        (Self::TooLong, "too_long"),
        (Self::TooMany, "too_many"),
        (Self::TooLarge, "too_large"),
        (Self::ControlCharacter, "control_character"),
        (Self::Twice, "twice"),
        (Self::UnknownField, "unknown_field"),
        (Self::NotJson, "not_json"),
        (Self::Unknown, "unknown"),
        (Self::Held, "held"),
        (Self::SameAccount, "same_account"),
        (Self::Circle, "circle"),
        (Self::IsDn, "is_dn"),
        (Self::OwnNumber, "own_number"),
        (Self::NoWayOut, "no_way_out"),
        (Self::NameTaken, "name_taken"),
        (Self::UnseenCharacter, "unseen_character"),
        (Self::NotNfkc, "not_nfkc"),
        (Self::NameOfGroups, "name_of_groups"),
        (Self::QuotationMark, "quotation_mark"),
        (Self::SkillExpression, "skill_expression"),
        (Self::ListKey, "list_key"),
        (Self::NoObject, "no_object"),
        (Self::NotRenamed, "not_renamed"),
        (Self::NotChanged, "not_changed"),
        (Self::NotDeleted, "not_deleted"),
        (Self::SectionFull, "section_full"),
        (Self::Stale, "stale"),
        (Self::ManyPasswords, "many_passwords"),
        (Self::TimeZone, "time_zone"),
        (Self::TenantId, "tenant_id"),
        (Self::HostName, "host_name"),
        (Self::PromptName, "prompt_name"),
        (Self::PromptFile, "prompt_file"),
        (Self::PinElsewhere, "pin_elsewhere"),
        (Self::PinDigits, "pin_digits"),
        (Self::Network, "network"),
        (Self::Everybody, "everybody"),
        (Self::ContactScheme, "contact_scheme"),
        (Self::NotGenerated, "not_generated"),
        (Self::HeaderRule, "header_rule"),
        (Self::Certificate, "certificate"),
        (Self::Country, "country"),
        (Self::Degrees, "degrees"),
        (Self::Address, "address"),
        (Self::Hours, "hours"),
        (Self::Exception, "exception"),
        (Self::Pattern, "pattern"),
        (Self::ShownNumber, "shown_number"),
        (Self::Dialled, "dialled"),
        (Self::UserName, "user_name"),
        (Self::GuessedPassword, "guessed_password"),
        (Self::SamePassword, "same_password"),
        (Self::Hash, "hash"),
        (Self::SecondFactor, "second_factor"),
        (Self::GrantNeedsSecret, "grant_needs_secret"),
        (Self::GrantNeedsKeys, "grant_needs_keys"),
        (Self::ClientKey, "client_key"),
        (Self::KeyName, "key_name"),
        (Self::RedirectUri, "redirect_uri"),
        (Self::Url, "url"),
        (Self::LogoutNeedsRefresh, "logout_needs_refresh"),
        (Self::UnknownScope, "unknown_scope"),
        (Self::ScopeOfInstallation, "scope_of_installation"),
        (Self::ScopeCharacters, "scope_characters"),
        (Self::NoOpenid, "no_openid"),
        (Self::UnknownColumn, "unknown_column"),
        (Self::Cells, "cells"),
        (Self::NeedsAgentId, "needs_agent_id"),
        (Self::Levels, "levels"),
        (Self::LineTwice, "line_twice"),
        (Self::NotUtf8, "not_utf8"),
        (Self::Quote, "quote"),
        (Self::DnType, "dn_type"),
        (Self::Statistic, "statistic"),
        (Self::NotPermitted, "not_permitted"),
        (Self::FolderPath, "folder_path"),
        (Self::BuiltIn, "built_in"),
        (Self::GroupCircle, "group_circle"),
        (Self::PrivilegeNeeds, "privilege_needs"),
        (Self::LastAdministrator, "last_administrator"),
        (Self::Other, "other"),
    ];

    /// Its name on the wire.
    pub fn as_str(self) -> &'static str {
        Self::NAMED.iter().find(|(code, _)| *code == self).map_or("other", |(_, name)| *name)
    }

    /// The code of that name; [`FaultCode::Other`] for one of a later release, or of an earlier one, which sends none.
    pub fn named(name: &str) -> Self {
        Self::NAMED.iter().find(|(_, known)| *known == name).map_or(Self::Other, |(code, _)| *code)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_code_has_one_name_everywhere_and_none_is_left_out() {
        let schema = serde_json::to_value(schemars::schema_for!(FaultCode)).unwrap();
        let declared: Vec<&str> =
            schema["oneOf"].as_array().unwrap().iter().filter_map(|one| one["const"].as_str()).collect();
        assert_eq!(declared, FaultCode::NAMED.map(|(_, name)| name));
        for (code, name) in FaultCode::NAMED {
            assert_eq!((serde_json::to_value(code).unwrap().as_str(), code.as_str()), (Some(name), name));
            assert_eq!(FaultCode::named(name), code);
        }
        for unknown in ["of_a_later_release", ""] {
            assert_eq!(FaultCode::named(unknown), FaultCode::Other);
        }
    }
}
