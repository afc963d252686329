//! Every fact and request comes back from the wire as it was.

use contracts::{json, wire};
use model::agent::WorkMode;
use model::event::{CallRef, ErrorCode};
use model::request::{
    DigitsWanted, ForcedState, ForwardMode, FrameField, LoginPassword, MonitorMode, MonitorType, Request, RequestKind,
    RouteTo, Shape, Treatment,
};
use model::{
    AgentId, CallState, CallType, CallUuid, ConnId, Dn, DnRole, Event, EventId, EventName, Owner, QueueName,
    ReferenceId, Seq, SessionName, Stamped, Subject, TenantId, Timestamp, Token, UserData, Value,
};
use proptest::collection::vec;
use proptest::option;
use proptest::prelude::*;
use proptest::sample::select;

fn name() -> impl Strategy<Value = String> {
    "[a-zA-Z0-9+*_.@-]{1,20}"
}

fn dn() -> impl Strategy<Value = Dn> {
    name().prop_map(|n| Dn::parse(&n).expect("a plain name"))
}

fn agent() -> impl Strategy<Value = AgentId> {
    name().prop_map(|n| AgentId::parse(&n).expect("a plain name"))
}

fn value() -> impl Strategy<Value = Value> {
    let leaf = prop_oneof![
        ".{0,20}".prop_map(Value::Text),
        any::<i64>().prop_map(Value::Int),
        vec(any::<u8>(), 0..20).prop_map(Value::Binary),
    ];
    leaf.prop_recursive(3, 12, 4, |inner| {
        vec(("[a-z]{1,6}", inner), 0..4).prop_map(|pairs| Value::List(distinct(pairs)))
    })
}

/// A list without repeated keys: JSON objects cannot keep the order of those.
fn distinct(pairs: Vec<(String, Value)>) -> UserData {
    let mut data = UserData::new();
    for (key, value) in pairs {
        data.set(&key, value);
    }
    data
}

fn user_data() -> impl Strategy<Value = UserData> {
    vec(("[a-zA-Z_]{1,8}", value()), 0..5).prop_map(distinct)
}

fn call_ref() -> impl Strategy<Value = CallRef> {
    let ids = (any::<u64>(), any::<u128>(), any::<u128>(), option::of(any::<u64>()));
    let types = (select(CallType::ALL), option::of(select(CallType::ALL)));
    (ids, types, option::of(name()), option::of(name())).prop_map(|(ids, types, ani, dnis)| CallRef {
        conn_id: ConnId(ids.0),
        uuid: CallUuid(ids.1),
        thread: CallUuid(ids.2),
        previous: ids.3.map(ConnId),
        call_type: types.0,
        propagated_type: types.1,
        ani,
        dnis,
    })
}

fn work_mode() -> impl Strategy<Value = WorkMode> {
    (0..8i32).prop_map(|n| wire::work_mode_from_wire(n).expect("a published number"))
}

fn event() -> impl Strategy<Value = Event> {
    let first = (select(EventName::ALL), option::of(call_ref()), option::of(select(CallState::ALL)), option::of(dn()));
    let peers =
        (option::of(select(DnRole::ALL)), option::of(name()), option::of(select(DnRole::ALL)), option::of(name()));
    let more = (option::of(name()), option::of("[0-9*#]{0,8}"), option::of(agent()), option::of(work_mode()));
    let lists = (user_data(), user_data(), user_data());
    let last = (any::<u64>(), option::of(name()), option::of((any::<u16>(), ".{0,20}")), any::<bool>());
    (first, peers, more, lists, last).prop_map(|(first, peers, more, lists, last)| Event {
        name: first.0,
        call: first.1,
        call_state: first.2,
        this_dn: first.3,
        this_role: peers.0,
        other_dn: peers.1,
        other_role: peers.2,
        third_party_dn: peers.3,
        third_party_role: peers.0,
        this_queue: more.0,
        collected_digits: more.1,
        secret_digits: last.3,
        agent: more.2,
        work_mode: more.3,
        reference: ReferenceId(last.0),
        requester: last.1,
        user_data: lists.0,
        reasons: lists.1,
        extensions: lists.2,
        error: last.2.map(|(code, text)| (ErrorCode(code), text)),
    })
}

fn subject() -> impl Strategy<Value = Subject> {
    prop_oneof![
        any::<u64>().prop_map(|id| Subject::Call(ConnId(id))),
        agent().prop_map(Subject::Agent),
        name().prop_map(|n| Subject::Queue(QueueName::parse(&n).expect("a plain name"))),
        dn().prop_map(Subject::Dn),
        name().prop_map(|n| Subject::Session(SessionName::parse(&n).expect("a plain name"))),
    ]
}

fn stamped() -> impl Strategy<Value = Stamped> {
    (subject(), any::<[u64; 3]>(), option::of(any::<u128>()), event()).prop_map(|(subject, n, trace, event)| Stamped {
        id: EventId { subject, token: Token(n[0]), seq: Seq(n[1]) },
        tenant: TenantId::parse("acme").expect("a plain name"),
        at: Timestamp::from_micros(n[2]),
        trace: trace.map(CallUuid),
        event,
    })
}

fn treatment() -> impl Strategy<Value = Treatment> {
    prop_oneof![
        vec(name(), 0..3).prop_map(|prompts| Treatment::PlayAnnouncement { prompts }),
        (name(), option::of(any::<u64>()))
            .prop_map(|(resource, duration_ms)| Treatment::Music { resource, duration_ms }),
        digits_wanted().prop_map(Into::into),
        digits_wanted().prop_map(|wanted| Treatment::from(wanted).in_secret()),
        Just(Treatment::Echo),
        Just(Treatment::RingBack),
        Just(Treatment::Busy),
        Just(Treatment::FastBusy),
        Just(Treatment::Silence),
        (vec(name(), 0..3), option::of(key()), option::of(500_u64..=30_000), 1_000_u64..=180_000).prop_map(
            |(prompts, terminator, silence_ms, max_ms)| Treatment::RecordUserAnnouncement {
                prompts,
                terminator,
                silence_ms,
                max_ms,
            }
        ),
        any::<(u64, u32)>().prop_map(|(call, number)| Treatment::DeleteUserAnnouncement {
            announcement: Treatment::announcement_id(ConnId(call), number),
        }),
    ]
}

fn key() -> impl Strategy<Value = char> {
    proptest::sample::select("0123456789*#ABCD".chars().collect::<Vec<_>>())
}

fn digits_wanted() -> impl Strategy<Value = DigitsWanted> {
    (vec(name(), 0..3), any::<u8>(), any::<[u64; 2]>(), option::of(key())).prop_map(
        |(prompts, max_digits, ms, terminator)| DigitsWanted {
            prompts,
            max_digits,
            first_digit_timeout_ms: ms[0],
            inter_digit_timeout_ms: ms[1],
            terminator,
        },
    )
}

/// An argument of requests, as the strategies make it.
trait Generated: Sized {
    fn any() -> BoxedStrategy<Self>;
}

macro_rules! generated {
    ($($of:ty = $strategy:expr;)+) => { $( impl Generated for $of {
        fn any() -> BoxedStrategy<Self> {
            $strategy.boxed()
        }
    } )+ };
}

generated! {
    ConnId = any::<u64>().prop_map(ConnId);
    bool = any::<bool>();
    Dn = dn();
    String = name();
    Option<AgentId> = option::of(agent());
    Option<Dn> = option::of(dn());
    MonitorMode = select(&MonitorMode::ALL[..]);
    MonitorType = select(&MonitorType::ALL[..]);
    ForwardMode = select(&ForwardMode::ALL[..]);
    ForcedState = select(&ForcedState::ALL[..]);
    WorkMode = work_mode();
    // A frame has the password, the wire what became of it.
    LoginPassword = Just(LoginPassword::Absent);
    UserData = user_data();
    Treatment = treatment();
    DigitsWanted = digits_wanted();
    RouteTo = prop_oneof![
        (dn(), option::of(agent())).prop_map(|(dn, agent)| RouteTo::Dn { dn, agent }),
        (400..700u16).prop_map(RouteTo::Reject),
        Just(RouteTo::Disconnect),
    ];
}

macro_rules! kinds {
    (
        calls { $(
            $(#[$call_doc:meta])+
            $call:ident $(( $($call_argument:ident: $call_type:ty = $call_fields:tt),+ $(,)? ))?
                : $call_message:ident, $call_names:tt, $call_concern:ident => $call_answer:ident;
        )+ }
        others { $(
            $(#[$other_doc:meta])+
            $other:ident $(( $($other_argument:ident: $other_type:ty = $other_fields:tt),+ $(,)? ))?
                : $other_message:ident, $other_names:tt, $other_concern:ident => $other_answer:ident;
        )+ }
    ) => {
        /// Every request of the table.
        fn kind() -> impl Strategy<Value = RequestKind> {
            prop::strategy::Union::new([
                $( (any::<u64>().prop_map(ConnId), $($(<$call_type>::any()),+)?)
                    .prop_map(|(id, $($($call_argument),+)?)| RequestKind::$call(id $($(, $call_argument)+)?)).boxed(), )+
                $( (Just(()), $($(<$other_type>::any()),+)?)
                    .prop_map(|((), $($($other_argument),+)?)| RequestKind::$other $(( $($other_argument),+ ))?).boxed(), )+
            ])
        }
    };
}

model::with_requests!(kinds);

fn request() -> impl Strategy<Value = Request> {
    (kind(), dn(), name(), any::<u64>(), user_data(), user_data()).prop_map(
        |(kind, this_dn, requester, reference, reasons, extensions)| Request {
            tenant: TenantId::parse("acme").expect("a plain name"),
            requester,
            reference: ReferenceId(reference),
            this_dn,
            kind,
            reasons,
            extensions,
        },
    )
}

/// What a client may send that is JSON: fields of the frame with values that fit and values that do not.
fn any_frame() -> impl Strategy<Value = serde_json::Value> {
    let names: &[&str] = &[
        "req",
        "ReferenceID",
        "ThisDN",
        "ConnID",
        "OtherDN",
        "TransferConnID",
        "HeldConnID",
        "AgentID",
        "Digits",
        "MonitorMode",
        "AgentState",
        "MonitorType",
        "ForwardMode",
        "AgentWorkMode",
        "Password",
        "RouteType",
        "Status",
        "TreatmentType",
        "Parameters",
        "UserData",
        "Key",
        "Reasons",
        "Extensions",
        "prompts",
        "resource",
        "duration_ms",
        "max_digits",
        "first_digit_timeout_ms",
        "terminator",
        "silence_ms",
        "max_ms",
        "user_ann_id",
        "$base64",
        "",
        "a",
    ];
    let requests: Vec<&str> = RequestKind::TABLE.iter().flat_map(|each| each.names).copied().collect();
    let texts: &[&str] = &[
        "0000000000000001",
        "ffffffffffffffff@sip-cluster-1.18446744073709551615",
        "7101",
        "Music",
        "PlayAnnouncement",
        "PlayAnnouncementAndDigits",
        "RecordUserAnnouncement",
        "DeleteUserAnnouncement",
        "ann-0000000000001234-7",
        "Reject",
        "coach",
        "AllCalls",
        "AuxWork",
        "",
        "\u{0}",
        "*",
        "%",
        "ä",
    ];
    let leaf = prop_oneof![
        1 => Just(serde_json::Value::Null),
        1 => any::<bool>().prop_map(serde_json::Value::from),
        1 => select(&[i64::MIN, -1, 0, 1, 255, 256, 400, 699, 700, i64::MAX]).prop_map(serde_json::Value::from),
        1 => Just(serde_json::Value::from(u64::MAX)),
        1 => any::<f64>().prop_map(serde_json::Value::from),
        4 => select(texts).prop_map(serde_json::Value::from),
        1 => (0..3_000_usize).prop_map(|length| serde_json::Value::from("x".repeat(length))),
    ];
    let inner = leaf.prop_recursive(20, 200, 40, move |inner| {
        let many = vec(inner.clone(), 0..40).prop_map(serde_json::Value::from);
        let object = vec((select(names), inner), 0..40);
        prop_oneof![many, object.prop_map(|fields| fields.into_iter().map(|(k, v)| (k.to_owned(), v)).collect())]
    });
    let of_frame = vec((select(names), inner), 0..20);
    (of_frame, select(requests)).prop_map(|(fields, name)| {
        let mut frame = serde_json::json!({"req": name, "ThisDN": "7101", "ConnID": "0000000000000001"});
        for (field, value) in fields {
            frame[field] = value;
        }
        frame
    })
}

proptest! {
    #[test]
    fn whatever_is_read_from_a_frame_is_within_the_limits_and_can_be_stored(frame in any_frame()) {
        let tenant = TenantId::parse("acme").expect("a plain name");
        match json::read_request(&frame, &tenant, "robot") {
            Err(error) => prop_assert!(!error.rule.is_empty(), "{error:?}"),
            Ok(read) => {
                let request = read.request;
                for list in [&request.reasons, &request.extensions] {
                    prop_assert!(list.pairs() <= 64 && list.bytes() <= 8 * 1024);
                }
                if let RequestKind::UpdateUserData(_, data) = &request.kind {
                    prop_assert!(data.pairs() <= UserData::PAIRS_MAX && data.bytes() <= UserData::BYTES_MAX);
                }
                if let RequestKind::ApplyTreatment(_, treatment, _) = &request.kind {
                    prop_assert!(treatment.prompts().len() <= 32);
                    prop_assert!(treatment.prompts().iter().all(|name| name.len() <= 255));
                }
                let record = wire::request_to_wire(&request);
                prop_assert!(prost::Message::encoded_len(&record) < 256 * 1024);
                prop_assert_eq!(wire::request_from_wire(record), Ok(request));
            }
        }
    }

    #[test]
    fn a_fact_comes_back_from_its_record(stamped in stamped()) {
        let owner: Owner = "sip-cluster-1.1763622000000".parse().expect("an owner");
        for owner in [None, Some(owner)] {
            let bytes = wire::encode_stamped(&stamped, owner.as_ref());
            prop_assert_eq!(wire::decode_entry(bytes.as_slice()), Ok((stamped.clone(), owner)));
        }
        prop_assert_eq!(wire::fact_id_from_wire(wire::fact_id_to_wire(&stamped.id)), Ok(stamped.id));
    }

    #[test]
    fn a_request_comes_back_from_its_record(request in request()) {
        prop_assert_eq!(wire::request_from_wire(wire::request_to_wire(&request)), Ok(request));
    }

    #[test]
    fn a_request_comes_back_from_its_frame(request in request()) {
        let owner: Owner = "sip-cluster-1.1763622000000".parse().expect("an owner");
        let frame = json::request_frame(&request, Some(&owner));
        // The OpenAPI document has these names.
        let Shape::OneOf(treatments) = FrameField::TREATMENT_TYPE.shape else { panic!("a list of names") };
        assert!(frame["TreatmentType"].as_str().is_none_or(|named| treatments.contains(&named)), "{frame}");
        let text = serde_json::to_string(&frame).expect("JSON");
        let read = json::read_request(&serde_json::from_str(&text).expect("JSON"), &request.tenant, &request.requester);
        let read = read.expect("our own frame");
        let named = request.kind.conn_id().map(|_| owner);
        prop_assert_eq!(read.owner, named);
        prop_assert_eq!(read.request, request);
    }

    #[test]
    fn arbitrary_bytes_never_panic(bytes in vec(any::<u8>(), 0..200)) {
        let _ = wire::decode_stamped(bytes.as_slice());
    }
}

#[test]
fn an_event_frame_has_the_published_names() {
    let mut event = Event::new(EventName::Ringing);
    event.call = Some(CallRef {
        conn_id: ConnId(0x0070_0392_f1a4_c001),
        uuid: CallUuid(1),
        thread: CallUuid(2),
        previous: None,
        call_type: CallType::Inbound,
        propagated_type: None,
        ani: Some("+15550199".into()),
        dnis: Some("+15550100".into()),
    });
    event.this_dn = Dn::parse("7101").ok();
    event.this_role = Some(DnRole::Destination);
    event.user_data.set("ServiceType", "Sales");
    let stamped = Stamped {
        id: EventId { subject: Subject::Call(ConnId(0x0070_0392_f1a4_c001)), token: Token(1), seq: Seq(4) },
        tenant: TenantId::parse("acme").expect("a plain name"),
        at: Timestamp::from_micros(1_763_622_000_120_034),
        trace: Some(CallUuid(1)),
        event,
    };
    let owner: Owner = "sip-cluster-1.7".parse().expect("an owner");
    let frame = json::event_frame(&stamped, Some(&owner));
    let expected = serde_json::json!({
        "id": "EventRinging", "tenant": "acme", "subject": "call:00700392f1a4c001", "token": 1, "seq": 4,
        "time": {"s": 1_763_622_000, "us": 120_034}, "ReferenceID": 0,
        "ConnID": "00700392f1a4c001@sip-cluster-1.7",
        "CallUUID": "00000000000000000000000000000001", "CallThreadID": "00000000000000000000000000000002",
        "CallType": "Inbound", "ANI": "+15550199", "DNIS": "+15550100",
        "ThisDN": "7101", "ThisDNRole": "Destination", "UserData": {"ServiceType": "Sales"},
    });
    assert_eq!(frame, expected);
    let cloud = json::cloud_event(&stamped);
    assert_eq!(cloud["id"], "call:00700392f1a4c001:1:4");
    assert_eq!(cloud["time"], "2025-11-20T07:00:00.120034Z");
}

#[test]
fn digits_that_are_a_secret_are_in_the_stream_alone() {
    let mut event = Event::new(EventName::TreatmentEnd);
    (event.collected_digits, event.secret_digits) = (Some("4711".to_owned()), true);
    let id = EventId { subject: Subject::Call(ConnId(7)), token: Token(1), seq: Seq(1) };
    let tenant = TenantId::parse("acme").expect("a plain name");
    let mut stamped = Stamped { id, tenant, at: Timestamp::from_millis(1), trace: None, event };
    let kept = wire::decode_stamped(wire::encode_stamped(&stamped, None).as_slice()).expect("our own");
    assert_eq!(kept.event.collected_digits.as_deref(), Some("4711"), "the application reads them there");
    let told = |stamped: &Stamped| {
        let told = wire::told_to_wire(stamped).event.expect("an event");
        let texts = [json::event_frame(stamped, None), json::cloud_event(stamped), json::correction(stamped)];
        (told.collected_digits.is_some(), texts.map(|text| text.to_string().contains("4711")))
    };
    assert_eq!(told(&stamped), (false, [false; 3]));
    stamped.event.secret_digits = false;
    assert_eq!(told(&stamped), (true, [true; 3]), "others are told");
}

#[test]
fn a_frame_that_says_too_much_names_the_field_and_the_rule() {
    let tenant = TenantId::parse("acme").expect("a plain name");
    let (many, long) = (512, "x".repeat(70_000));
    let pairs =
        |count: usize| (0..count).map(|i| (format!("k{i}"), serde_json::json!(""))).collect::<serde_json::Value>();
    let nested = (0..8).map(|i| (format!("n{i}"), pairs(many / 8))).collect::<serde_json::Value>();
    let deep = (0..20).fold(serde_json::json!({"a": 1}), |inner, _| serde_json::json!({ "a": inner }));
    let names = serde_json::json!({"prompts": vec!["p"; 33]});
    let name = serde_json::json!({"prompts": ["p".repeat(256)]});
    let resource = serde_json::json!({"resource": "p".repeat(256)});
    let cases = [
        ("TUpdateUserData", "UserData", pairs(many + 1), "UserData", "512 pairs"),
        ("TUpdateUserData", "UserData", nested, "UserData", "512 pairs, those of nested lists included"),
        ("TUpdateUserData", "UserData", serde_json::json!({"a": long}), "UserData", "65536 bytes"),
        ("TUpdateUserData", "UserData", deep, "a", "16 deep"),
        ("TAgentLogout", "Reasons", pairs(65), "Reasons", "64 pairs"),
        ("TAgentLogout", "Extensions", serde_json::json!({"a": "x".repeat(9_000)}), "Extensions", "8192 bytes"),
        ("PlayAnnouncement", "Parameters", names, "prompts", "more than 32"),
        ("PlayAnnouncement", "Parameters", name, "prompts", "255 bytes"),
        ("Music", "Parameters", resource, "resource", "255 bytes"),
    ];
    for (name, field, value, at, rule) in cases {
        let mut frame = serde_json::json!({"req": name, "ThisDN": "1", "ConnID": "0000000000000001"});
        if !name.starts_with('T') {
            (frame["req"], frame["TreatmentType"]) = (serde_json::json!("TApplyTreatment"), serde_json::json!(name));
        }
        frame[field] = value;
        let error = json::read_request(&frame, &tenant, "robot").expect_err("a fault");
        assert_eq!(error.code, ErrorCode::INVALID_ATTRIBUTE);
        assert!(error.field.ends_with(at) && error.rule.contains(rule), "{error}");
    }
}

#[test]
fn a_faulty_frame_names_the_field_and_the_error_number() {
    let tenant = TenantId::parse("acme").expect("a plain name");
    let cases = [
        (r#"{"ThisDN":"1"}"#, "req", ErrorCode::INVALID_ATTRIBUTE),
        (r#"{"req":"TFly","ThisDN":"1"}"#, "req", ErrorCode::UNSUPPORTED),
        (r#"{"req":"TAgentLogout"}"#, "ThisDN", ErrorCode::DN_NOT_CONFIGURED),
        (r#"{"req":"THoldCall","ThisDN":"1","ConnID":"12"}"#, "ConnID", ErrorCode::INVALID_CONN_ID),
        (r#"{"req":"TRouteCall","ThisDN":"1","ConnID":"0000000000000001"}"#, "OtherDN", ErrorCode::INVALID_DESTINATION),
        (
            r#"{"req":"TUpdateUserData","ThisDN":"1","ConnID":"0000000000000001","UserData":{"a":1.5}}"#,
            "UserData.a",
            ErrorCode::INVALID_ATTRIBUTE,
        ),
        (
            r#"{"req":"TAgentSetReady","ThisDN":"1","AgentWorkMode":"Sleepy"}"#,
            "AgentWorkMode",
            ErrorCode::INVALID_ATTRIBUTE,
        ),
    ];
    for (frame, field, code) in cases {
        let frame = serde_json::from_str(frame).expect("JSON");
        let error = json::read_request(&frame, &tenant, "robot").expect_err("a fault");
        assert_eq!((error.field.as_str(), error.code), (field, code), "{frame}");
    }
}
