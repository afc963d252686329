//! Objects of the kinds that came last, their fields full and empty.

use std::collections::BTreeMap;

use contracts::provisioning::{
    AgentLogin, CallingList, Campaign, CampaignCallingList, CampaignGroup, CapacityMedia, CapacityRule, DialingMode,
    DialingResult, DnGroup, DnGroupMember, DnGroupType, IvrPolicies, IvrProfile, IvrServiceType, PacingMeasure,
    RecordField, RecordFieldType, RecordTreatment, StatisticDefinition, StatisticProfile, Switch, SwitchAccessCode,
    TenantObjects, TransactionObject, TransactionType, TreatmentAction, TrunkGroup, TrunkGroupMember,
};

/// Adds them; what they name is there.
pub(super) fn add(objects: &mut TenantObjects) {
    let media = CapacityMedia { voice: Some(1), chat: Some(3), ..CapacityMedia::default() };
    objects.capacity_rules = vec![
        CapacityRule { name: "one call".into(), media },
        CapacityRule { name: "none".into(), ..Default::default() },
    ];
    let member = |dn: &str, weight| DnGroupMember { dn: dn.into(), weight };
    objects.dn_groups = vec![
        DnGroup {
            name: "phones".into(),
            group_type: DnGroupType::SinglePorts,
            members: vec![member("7102", 0), member("7101", 5)],
        },
        DnGroup { name: "empty".into(), group_type: DnGroupType::ServiceNumbers, members: Vec::new() },
    ];
    let member = |order, weight| TrunkGroupMember { trunk: "T".into(), order, weight };
    objects.trunk_groups = vec![
        TrunkGroup { name: "world".into(), prefix: "+".into(), members: vec![member(0, 7), member(3, 0)] },
        TrunkGroup { name: "none".into(), prefix: "+49".into(), members: Vec::new() },
    ];
    let to_paris = SwitchAccessCode { switch: "Paris".into(), code: "*33".into() };
    objects.switches = vec![
        Switch { name: "Berlin".into(), default: true, access_codes: vec![to_paris] },
        Switch { name: "Paris".into(), ..Default::default() },
    ];
    objects.agent_logins = vec![
        AgentLogin { code: "5001".into(), person: Some("ann".into()), wrap_up_s: Some(20), disabled: true },
        AgentLogin { code: "5002".into(), ..Default::default() },
    ];
    add_campaigns(objects);
    let policies =
        IvrPolicies { calls_max: Some(20), duration_max_s: Some(600), transfers: false, outgoing_calls: true };
    objects.ivr_profiles = vec![
        IvrProfile {
            name: "pages".into(),
            service_type: IvrServiceType::VoiceXml,
            initial_page_url: Some("https://ivr.example/\"start\"".into()),
            application: None,
            policies,
        },
        IvrProfile {
            name: "menu".into(),
            service_type: IvrServiceType::Scxml,
            initial_page_url: None,
            application: Some("sales".into()),
            policies: IvrPolicies::default(),
        },
    ];
    objects.statistic_definitions = vec![
        StatisticDefinition {
            name: "answered in time".into(),
            category: "ServiceFactor1".into(),
            subject: "DNAction".into(),
            objects: vec!["Queue".into(), "RoutePoint".into()],
            main: vec!["CallAnswered".into()],
            relative: vec!["CallAbandoned".into()],
            profile: StatisticProfile::Sliding,
            resets: None,
            window_s: Some(3_600),
            step_s: Some(60),
            range_from_s: Some(0),
            range_to_s: Some(20),
            short_abandon_s: Some(5),
            filter: Some("PairExists(\"Language\",\"de\")".into()),
            description: Some("ß".into()),
        },
        StatisticDefinition {
            name: "calls".into(),
            category: "TotalNumber".into(),
            subject: "DNAction".into(),
            ..StatisticDefinition::default()
        },
    ];
    let values = BTreeMap::from([("low".to_owned(), "0".to_owned()), ("\"".to_owned(), "20".to_owned())]);
    objects.transactions = vec![TransactionObject {
        name: "short".into(),
        transaction_type: TransactionType::TimeRange,
        alias: Some("Short calls".into()),
        sections: BTreeMap::from([("range".to_owned(), values)]),
    }];
}

fn add_campaigns(objects: &mut TenantObjects) {
    let field = |(name, field_type): (&str, RecordFieldType)| RecordField { name: name.into(), field_type };
    let treatment = |result, action, after_min| RecordTreatment { result, action, after_min };
    objects.calling_lists = vec![CallingList {
        name: "spring".into(),
        fields: [("phone", RecordFieldType::Phone), ("due", RecordFieldType::Date)].map(field).into(),
        source: Some("table customers".into()),
        schedule: Some("office".into()),
        attempts_max: 5,
        treatments: vec![
            treatment(DialingResult::Busy, TreatmentAction::Retry, Some(10)),
            treatment(DialingResult::Fax, TreatmentAction::NextPhone, None),
        ],
    }];
    let list = CampaignCallingList { calling_list: "spring".into(), weight: 3 };
    objects.campaigns = vec![
        Campaign { name: "spring".into(), calling_lists: vec![list] },
        Campaign { name: "none".into(), ..Default::default() },
    ];
    let group = |name: &str, mode, pacing: Option<PacingMeasure>| CampaignGroup {
        name: name.into(),
        campaign: "spring".into(),
        agent_group: "team".into(),
        mode,
        pacing,
        target: pacing.map(|_| 3),
        route_point: pacing.map(|_| "9000".into()),
    };
    objects.campaign_groups = vec![
        group("evening", DialingMode::Predictive, Some(PacingMeasure::AbandonPercent)),
        group("morning", DialingMode::Preview, None),
    ];
}
