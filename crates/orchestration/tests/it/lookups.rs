//! What applications look up in their tenant's configuration.

use std::cell::RefCell;
use std::rc::Rc;
use std::sync::Arc;

use contracts::configuration::{Changes, Listed};
use contracts::provisioning::{
    ApplicationOptions, AttributeValue, BusinessAttribute, LookupList, Object, ObjectKey, Schedule,
};
use infra::{Clock, SystemClock};
use model::Timestamp;
use net::configuration::TenantConfig;
use orchestration::ecmascript::{Ecmascript, PlatformObjects, ReadTenant, ScriptLimits};
use scxml::{Datamodel, EvalError, Expr, LimitKind, Value};

/// A clock that stands still.
struct StandingClock(Timestamp);

impl Clock for StandingClock {
    fn now(&self) -> Timestamp {
        self.0
    }
}

/// A tenant whose objects the test changes, and the data model of a session of it.
struct Lookups {
    tenant: Rc<RefCell<Option<Arc<TenantConfig>>>>,
    data: Ecmascript,
}

impl Lookups {
    fn with(limits: ScriptLimits) -> Self {
        Self::of_application(limits, ApplicationOptions::new())
    }

    fn of_application(limits: ScriptLimits, options: ApplicationOptions) -> Self {
        Self::made(limits, options, Arc::new(SystemClock::start()))
    }

    /// At that moment, which stays.
    fn at(now: Timestamp) -> Self {
        Self::made(ScriptLimits::default(), ApplicationOptions::new(), Arc::new(StandingClock(now)))
    }

    fn made(limits: ScriptLimits, options: ApplicationOptions, clock: Arc<dyn Clock>) -> Self {
        let tenant: Rc<RefCell<Option<Arc<TenantConfig>>>> = Rc::default();
        let held = Rc::clone(&tenant);
        let read: ReadTenant = Rc::new(move || held.borrow().clone());
        let platform = Rc::new(RefCell::new(PlatformObjects::default()));
        platform.borrow_mut().set(Value::Map(Vec::new()));
        let options = Arc::new(options);
        let data = Ecmascript::new(limits, clock, Value::Null, platform, &read, &options);
        let mut data = data.expect("the language fits");
        data.begin_input();
        Self { tenant, data }
    }

    fn new() -> Self {
        Self::with(ScriptLimits::default())
    }

    /// The tenant has this object alone.
    fn has(&self, object: Object) {
        let ObjectKey { kind, id } = object.key();
        let object = serde_json::from_slice(&object.to_json()).expect("JSON");
        let objects = vec![Listed { kind, id, object }];
        let all = Changes { version: "1-1".to_owned(), whole: true, objects, gone: Vec::new(), next: None };
        *self.tenant.borrow_mut() = Some(TenantConfig::after(None, all));
    }

    fn says(&mut self, expression: &str) -> Result<Value, EvalError> {
        self.data.begin_input();
        self.data.evaluate(&Expr { text: expression.into(), line: 1 })
    }

    fn text(&mut self, expression: &str) -> String {
        self.says(expression).unwrap_or_else(|error| panic!("{expression}: {error}")).to_display()
    }
}

fn list(name: &str, section: &str, values: &[(&str, &str)]) -> Object {
    let values = values.iter().map(|(key, value)| ((*key).to_owned(), (*value).to_owned())).collect();
    let sections = [(section.to_owned(), values)].into();
    Object::List(Box::new(LookupList { name: name.to_owned(), sections }))
}

fn hours(phone: &str) -> Object {
    list("OpeningHours", "Berlin", &[("phone", phone), ("49", "nine"), ("__proto__", "own")])
}

#[test]
fn a_value_and_a_section_of_a_list_are_read_as_they_are_now() {
    let mut lookups = Lookups::new();
    assert_eq!(lookups.says("_genesys.list('OpeningHours', 'Berlin', 'phone')"), Ok(Value::Undefined));
    lookups.has(hours("7101"));
    assert_eq!(lookups.text("_genesys.list('OpeningHours', 'Berlin', 'phone')"), "7101");
    assert_eq!(lookups.text("_genesys.list('OpeningHours', 'Berlin', 49)"), "nine");
    assert_eq!(lookups.text("_genesys.list('OpeningHours', 'Berlin').phone"), "7101");
    assert_eq!(lookups.text("Object.keys(_genesys.list('OpeningHours', 'Berlin')).join()"), "49,__proto__,phone");
    // A section is a copy of its reader's own.
    let altered = "(function () { var hours = _genesys.list('OpeningHours', 'Berlin'); hours.phone = 'x'; \
                   return hours.phone + _genesys.list('OpeningHours', 'Berlin', 'phone'); })()";
    assert_eq!(lookups.text(altered), "x7101");
    lookups.has(hours("7102"));
    assert_eq!(lookups.text("_genesys.list('OpeningHours', 'Berlin', 'phone')"), "7102");
}

#[test]
fn what_is_not_there_is_undefined_and_nothing_throws() {
    let mut lookups = Lookups::new();
    lookups.has(hours("7101"));
    for arguments in [
        "",
        "'OpeningHours'",
        "'openinghours', 'Berlin', 'phone'",
        "'OpeningHours', 'Paris'",
        "'OpeningHours', 'Paris', 'phone'",
        "'OpeningHours', 'Berlin', 'fax'",
        "'OpeningHours', 'Berlin', undefined",
        "'OpeningHours', 'Berlin', null",
        "'OpeningHours', 'Berlin', {}",
        "'OpeningHours', 'Berlin', Symbol()",
        "'OpeningHours', 'Berlin', { toString: function () { throw 1; } }",
        "'OpeningHours', '\\ud800'",
        "'OpeningHours', 'Berlin', '\\udc00'",
        "'x'.repeat(300), 'y', 'z'",
        "'OpeningHours', 'toString', 'call'",
    ] {
        assert_eq!(lookups.says(&format!("_genesys.list({arguments})")), Ok(Value::Undefined), "{arguments}");
    }
    for argument in ["", "'Language'", "7", "{}", "'\\ud800'"] {
        assert_eq!(lookups.says(&format!("_genesys.attribute_values({argument})")), Ok(Value::Undefined), "{argument}");
    }
}

#[test]
fn the_values_of_an_attribute_come_in_their_order() {
    let mut lookups = Lookups::new();
    let value = |value: &str| AttributeValue { value: value.to_owned(), display_name: Some("x".to_owned()) };
    let language = BusinessAttribute {
        name: "Language".to_owned(),
        values: vec![value("en"), value("de"), value("\"")],
        ..BusinessAttribute::default()
    };
    lookups.has(Object::BusinessAttribute(language));
    assert_eq!(lookups.text("_genesys.attribute_values('Language').join()"), "en,de,\"");
    assert_eq!(lookups.text("_genesys.attribute_values('Language').indexOf('de')"), "1");
}

#[test]
fn an_application_reads_options_of_its_own() {
    let values =
        |all: &[(&str, &str)]| all.iter().map(|(key, value)| ((*key).to_owned(), (*value).to_owned())).collect();
    let options = ApplicationOptions::from([
        ("Limits".to_owned(), values(&[("tries", "3"), ("49", "nine"), ("__proto__", "own")])),
        ("Empty".to_owned(), values(&[])),
    ]);
    let mut lookups = Lookups::of_application(ScriptLimits::default(), options);
    assert_eq!(lookups.text("_genesys.option('Limits', 'tries')"), "3");
    assert_eq!(lookups.text("Number(_genesys.option('Limits', 'tries')) + 1"), "4");
    assert_eq!(lookups.text("_genesys.option('Limits', 49)"), "nine");
    assert_eq!(lookups.text("Object.keys(_genesys.option('Limits')).join()"), "49,__proto__,tries");
    assert_eq!(lookups.text("Object.keys(_genesys.option('Empty')).length"), "0");
    for arguments in ["", "'limits', 'tries'", "'Limits', 'Tries'", "'Limits', undefined", "'None'", "{}", "'\\ud800'"]
    {
        assert_eq!(lookups.says(&format!("_genesys.option({arguments})")), Ok(Value::Undefined), "{arguments}");
    }
    let tries = "(function () { _genesys.option = 1; _genesys.option.kept = 1; \
                 return typeof _genesys.option + _genesys.option.kept; })()";
    assert_eq!(lookups.text(tries), "functionundefined");
}

#[test]
fn a_document_neither_replaces_the_functions_nor_keeps_anything_on_them() {
    let mut lookups = Lookups::new();
    lookups.has(hours("7101"));
    let tries = "(function () { _genesys.list = 1; _genesys.list.kept = 1; \
                 return typeof _genesys.list + _genesys.list.kept; })()";
    assert_eq!(lookups.text(tries), "functionundefined");
    lookups.data.execute(&Expr { text: "var list = 'mine'; var look = _genesys.list;".into(), line: 1 }).expect("runs");
    assert_eq!(lookups.text("list + look('OpeningHours', 'Berlin', 'phone')"), "mine7101");
    assert_eq!(lookups.data.snapshot().expect("JSON"), "{\"values\":{\"list\":\"mine\"},\"empty\":[]}");
}

#[test]
fn copies_of_large_sections_are_work_that_counts() {
    let keys: Vec<String> = (0..200).map(|number| format!("k{number}")).collect();
    let value = "v".repeat(1_000);
    let values: Vec<(&str, &str)> = keys.iter().map(|key| (key.as_str(), value.as_str())).collect();
    let mut lookups = Lookups::with(ScriptLimits { evaluation: 100, ..ScriptLimits::default() });
    lookups.has(list("Large", "all", &values));
    assert_eq!(lookups.text("_genesys.list('Large', 'all').k199.length"), "1000");
    let many =
        "(function () { for (var n = 0; n < 1000; n++) _genesys.list('Large', 'all', 'k' + n % 200); return n; })()";
    assert_eq!(lookups.text(many), "1000");
    let copies = many.replace(", 'k' + n % 200", "");
    assert_eq!(lookups.says(&copies), Err(EvalError::Limit(LimitKind::ScriptTime)));
}

fn schedule(zone: Option<&str>, open: &[&str], exceptions: &[&str]) -> Object {
    let lines = |lines: &[&str]| lines.iter().map(|line| (*line).to_owned()).collect();
    Object::Schedule(Schedule {
        name: "Office".to_owned(),
        time_zone: zone.map(str::to_owned),
        open: lines(open),
        exceptions: lines(exceptions),
    })
}

#[test]
fn a_schedule_is_open_by_its_clock_in_winter_and_in_summer() {
    for (at, of_berlin, of_utc) in [
        // 07:59:59 and 08:00 on a Friday in winter, and on the Monday after: the clocks of Berlin have gone forward in between.
        (1_774_594_799_000, "false", "false"),
        (1_774_594_800_000, "true", "false"),
        (1_774_850_399_000, "false", "false"),
        (1_774_850_400_000, "true", "false"),
        // 11:00 on Christmas Day.
        (1_798_192_800_000, "false", "false"),
    ] {
        let mut lookups = Lookups::at(Timestamp::from_millis(at));
        for (zone, is_open) in [(Some("Europe/Berlin"), of_berlin), (None, of_utc)] {
            lookups.has(schedule(zone, &["Mon-Fri 08:00-18:00"], &["2026-12-25..2026-12-26 closed"]));
            assert_eq!(lookups.text("_genesys.is_open('Office')"), is_open, "{zone:?} at {at}");
        }
    }
}

#[test]
fn no_schedule_is_neither_open_nor_closed() {
    let mut lookups = Lookups::new();
    lookups.has(schedule(None, &["Mon-Sun 00:00-24:00"], &[]));
    assert_eq!(lookups.text("_genesys.is_open('Office')"), "true");
    for arguments in ["", "'office'", "'Shop'", "{}", "'\\ud800'", "undefined"] {
        assert_eq!(lookups.says(&format!("_genesys.is_open({arguments})")), Ok(Value::Undefined), "{arguments}");
    }
    lookups.has(schedule(None, &["some time"], &[]));
    assert_eq!(lookups.says("_genesys.is_open('Office')"), Ok(Value::Undefined), "it cannot be read");
    let tries = "(function () { _genesys.is_open = 1; return typeof _genesys.is_open; })()";
    assert_eq!(lookups.text(tries), "function");
}

#[test]
fn looking_whether_a_long_schedule_is_open_is_work_that_counts() {
    let exceptions: Vec<&str> = std::iter::repeat_n("2026-12-25..2026-12-26 closed", 1_000).collect();
    let mut lookups = Lookups::with(ScriptLimits { evaluation: 100, ..ScriptLimits::default() });
    lookups.has(schedule(None, &["Mon-Sun 00:00-24:00"], &exceptions));
    assert_eq!(lookups.text("typeof _genesys.is_open('Office')"), "boolean");
    let many = "(function () { for (var n = 0; n < 1000; n++) _genesys.is_open('Office'); return n; })()";
    assert_eq!(lookups.says(many), Err(EvalError::Limit(LimitKind::ScriptTime)));
}
