//! Random objects of the kinds that came last, good ones and broken ones.

use contracts::provisioning::{
    AgentLogin, CallingList, Campaign, CampaignCallingList, CampaignGroup, CapacityMedia, CapacityRule,
    DEFAULT_ATTEMPTS, DialingMode, DialingResult, DnGroup, DnGroupMember, DnGroupType, IvrPolicies, IvrProfile,
    IvrServiceType, Object, PacingMeasure, RecordField, RecordFieldType, RecordTreatment, StatisticDefinition, Switch,
    SwitchAccessCode, TransactionObject, TransactionType, TreatmentAction, TrunkGroup, TrunkGroupMember,
};
use proptest::prelude::*;

use super::{maybe, name, names, number};

fn of<T: Copy + std::fmt::Debug + 'static>(all: &'static [T]) -> impl Strategy<Value = T> {
    prop::sample::select(all)
}

fn dn_group() -> impl Strategy<Value = Object> {
    let members = prop::collection::vec(number(), 0..3);
    (name(), of(DnGroupType::ALL), members).prop_map(|(name, group_type, dns)| {
        let members = dns.into_iter().map(|dn| DnGroupMember { dn, weight: 1 }).collect();
        Object::DnGroup(DnGroup { name, group_type, members })
    })
}

fn trunk_group() -> impl Strategy<Value = Object> {
    (name(), prop::sample::select(vec!["+", "0x"]), names()).prop_map(|(name, prefix, trunks)| {
        let of = |trunk| TrunkGroupMember { trunk, order: 0, weight: 1 };
        let members = trunks.into_iter().map(of).collect();
        Object::TrunkGroup(TrunkGroup { name, prefix: prefix.to_owned(), members })
    })
}

fn calling_list() -> impl Strategy<Value = Object> {
    let treatment = (of(DialingResult::ALL), of(TreatmentAction::ALL), prop::option::of(1..9_u32))
        .prop_map(|(result, action, after_min)| RecordTreatment { result, action, after_min });
    (name(), of(RecordFieldType::ALL), maybe(), prop::collection::vec(treatment, 0..2)).prop_map(
        |(name, field_type, schedule, treatments)| {
            let fields = vec![RecordField { name: "f".to_owned(), field_type }];
            let attempts_max = DEFAULT_ATTEMPTS;
            Object::CallingList(Box::new(CallingList {
                name,
                fields,
                source: None,
                schedule,
                attempts_max,
                treatments,
            }))
        },
    )
}

fn campaign_group() -> impl Strategy<Value = Object> {
    let pace = (of(DialingMode::ALL), prop::option::of(of(PacingMeasure::ALL)), prop::option::of(0..200_u32));
    (name(), name(), name(), pace, prop::option::of(number())).prop_map(
        |(name, campaign, agent_group, (mode, pacing, target), route_point)| {
            Object::CampaignGroup(Box::new(CampaignGroup {
                name,
                campaign,
                agent_group,
                mode,
                pacing,
                target,
                route_point,
            }))
        },
    )
}

fn ivr_profile() -> impl Strategy<Value = Object> {
    let page = prop::option::of(prop::sample::select(vec!["https://ivr.example", "ivr.example"]));
    (name(), of(IvrServiceType::ALL), page, maybe()).prop_map(|(name, service_type, page, application)| {
        let (initial_page_url, policies) = (page.map(str::to_owned), IvrPolicies::default());
        Object::IvrProfile(Box::new(IvrProfile { name, service_type, initial_page_url, application, policies }))
    })
}

fn statistic() -> impl Strategy<Value = Object> {
    let category = prop::sample::select(vec!["TotalNumber", "ServiceFactor1", "LoadBalance"]);
    (name(), category, prop::sample::select(vec!["Agent", "Tenant"])).prop_map(|(name, category, object)| {
        Object::StatisticDefinition(Box::new(StatisticDefinition {
            name,
            category: category.to_owned(),
            subject: "DNAction".to_owned(),
            objects: vec![object.to_owned()],
            main: vec!["CallInbound".to_owned()],
            ..StatisticDefinition::default()
        }))
    })
}

fn agent_login() -> impl Strategy<Value = Object> {
    (name(), maybe(), any::<bool>())
        .prop_map(|(code, person, disabled)| Object::AgentLogin(AgentLogin { code, person, wrap_up_s: None, disabled }))
}

fn switch() -> impl Strategy<Value = Object> {
    let code = (name(), prop::sample::select(vec!["1", "12", "2", "x"]))
        .prop_map(|(switch, code)| SwitchAccessCode { switch, code: code.to_owned() });
    (name(), any::<bool>(), prop::collection::vec(code, 0..3))
        .prop_map(|(name, default, access_codes)| Object::Switch(Switch { name, default, access_codes }))
}

/// Any of them. Capacity rules are mostly good: others name them.
pub(super) fn object() -> impl Strategy<Value = Object> {
    let campaign = (name(), names()).prop_map(|(name, lists)| {
        let of_campaign = |calling_list| CampaignCallingList { calling_list, weight: 1 };
        let calling_lists = lists.into_iter().map(of_campaign).collect();
        Object::Campaign(Campaign { name, calling_lists })
    });
    let capacity_rule = (name(), prop::option::weighted(0.9, 0..3_u32)).prop_map(|(name, voice)| {
        Object::CapacityRule(CapacityRule { name, media: CapacityMedia { voice, ..CapacityMedia::default() } })
    });
    let transaction = (name(), of(TransactionType::ALL)).prop_map(|(name, transaction_type)| {
        let (alias, sections) = (None, std::collections::BTreeMap::new());
        Object::Transaction(Box::new(TransactionObject { name, transaction_type, alias, sections }))
    });
    prop_oneof![
        2 => dn_group(),
        2 => trunk_group(),
        2 => calling_list(),
        2 => campaign,
        2 => campaign_group(),
        1 => ivr_profile(),
        1 => statistic(),
        2 => capacity_rule,
        2 => agent_login(),
        3 => switch(),
        1 => transaction,
    ]
}
