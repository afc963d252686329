use super::rules::checked;
use super::table::read;
use super::*;

/// Clocks are put forward on 2026-03-29 at 2:00, and back on 2026-10-25 at 3:00.
const BERLIN: &str = "Europe/Berlin";
const HEAD: &str = "shift,person,zone,begin,end,activity,activity_begin,activity_end,reason\n";

fn days(from: &str, to: &str) -> PlannedDays {
    PlannedDays::of(from, to, BERLIN).unwrap()
}

fn names() -> KnownNames {
    let people = ["ada", "Bob"].map(|user| (user.to_lowercase(), user.to_owned()));
    KnownNames { people: people.into(), reasons: ["Tea".to_owned(), "Lunch".to_owned()].into() }
}

/// The shifts of a table, or its faults.
fn taken(text: &str, format: TableFormat, days: &PlannedDays) -> Result<Vec<Shift>, Vec<ShiftFault>> {
    let (text, days) = (text.to_owned(), days.clone());
    ShiftTable { text, format, days, people: Vec::new(), names: names(), is_trial: false }.shifts().1
}

fn csv(lines: &str, days: &PlannedDays) -> Result<Vec<Shift>, Vec<ShiftFault>> {
    taken(&format!("{HEAD}{lines}"), TableFormat::Csv, days)
}

fn march() -> PlannedDays {
    days("2026-03-23", "2026-03-30")
}

fn at(text: &str) -> Timestamp {
    let at: jiff::Timestamp = text.parse().unwrap();
    Timestamp::from_millis(u64::try_from(at.as_millisecond()).unwrap())
}

fn told(faults: &[ShiftFault]) -> Vec<(usize, &str)> {
    faults.iter().map(|fault| (fault.line, fault.field.as_str())).collect()
}

#[test]
fn a_shift_over_midnight_and_the_change_of_clocks_has_the_hours_that_pass() {
    let night = "n1,ada,,2026-03-28T22:00,2026-03-29T06:00,break,2026-03-29T01:30,2026-03-29T03:15,Tea\n";
    let shifts = csv(night, &march()).unwrap();
    assert_eq!((shifts[0].begin, shifts[0].end), (at("2026-03-28T21:00Z"), at("2026-03-29T04:00Z")));
    assert_eq!(shifts[0].end.since(shifts[0].begin), Duration::from_secs(7 * 3_600));
    let tea = &shifts[0].activities[0];
    assert_eq!(tea.end.since(tea.begin), Duration::from_secs(45 * 60), "an hour of it is not there");
    let autumn = days("2026-10-19", "2026-10-26");
    let shifts = csv("n2,ada,,2026-10-24T22:00,2026-10-25T06:00,,,,\n", &autumn).unwrap();
    assert_eq!(shifts[0].end.since(shifts[0].begin), Duration::from_secs(9 * 3_600));
}

#[test]
fn a_time_that_is_not_there_or_is_there_twice_is_not_guessed() {
    let faults = csv("n1,ada,,2026-03-29T02:30,2026-03-29T06:00,,,,\n", &march()).unwrap_err();
    assert_eq!(told(&faults), [(2, "begin")]);
    assert!(faults[0].rule.contains("forward"), "{faults:?}");
    let autumn = days("2026-10-19", "2026-10-26");
    let faults = csv("n2,ada,,2026-10-25T02:30,2026-10-25T06:00,,,,\n", &autumn).unwrap_err();
    assert!(faults[0].rule.contains("+02 or +01"), "{faults:?}");
    for (offset, begins) in [("+02:00", "2026-10-25T00:30Z"), ("+01:00", "2026-10-25T01:30Z")] {
        let shifts = csv(&format!("n2,ada,,2026-10-25T02:30{offset},2026-10-25T06:00,,,,\n"), &autumn).unwrap();
        assert_eq!(shifts[0].begin, at(begins));
    }
}

#[test]
fn days_begin_and_end_by_the_clocks_of_their_zone() {
    let day = days("2026-03-29", "2026-03-30");
    assert_eq!((day.from, day.to), (at("2026-03-28T23:00Z"), at("2026-03-29T22:00Z")));
    for (from, to, zone, field) in [
        ("2026-03-30", "2026-03-30", BERLIN, "to: "),
        ("2026-03-01", "2026-06-01", BERLIN, "to: "),
        ("today", "2026-03-30", BERLIN, "from: "),
        ("2026-03-29", "2026-03-30", "Moon/Crater", "zone: "),
    ] {
        let rule = PlannedDays::of(from, to, zone).unwrap_err();
        assert!(rule.starts_with(field), "{rule}");
    }
}

#[test]
fn lines_of_a_shift_are_one_shift_in_either_format() {
    let lines = "s1,ADA,America/New_York,2026-03-24T08:00,2026-03-24T16:00,lunch,2026-03-24T12:00,2026-03-24T12:30,Lunch\n\
        s2,bob,,2026-03-24T08:00,2026-03-24T16:00,,,,\n\
        s1,,,,,break,2026-03-24T10:00,2026-03-24T10:15,\n";
    let shifts = csv(lines, &march()).unwrap();
    assert_eq!(shifts.iter().map(|shift| shift.person.as_str()).collect::<Vec<_>>(), ["ada", "Bob"]);
    assert_eq!(shifts[0].begin, at("2026-03-24T12:00Z"));
    let types: Vec<_> = shifts[0].activities.iter().map(|one| one.activity_type).collect();
    assert_eq!(types, [ActivityType::Break, ActivityType::Lunch], "in their order");
    let document = r#"{"shifts":[
        {"id":"s1","person":"ada","zone":"America/New_York","begin":"2026-03-24T08:00","end":"2026-03-24T16:00","activities":[
            {"type":"break","begin":"2026-03-24T10:00","end":"2026-03-24T10:15"},
            {"type":"lunch","begin":"2026-03-24T12:00","end":"2026-03-24T12:30","reason":"Lunch"}]},
        {"id":"s2","person":"Bob","begin":"2026-03-24T08:00","end":"2026-03-24T16:00"}]}"#;
    assert_eq!(taken(document, TableFormat::Json, &march()).unwrap(), shifts);
    let stored = shifts[0].stored().unwrap();
    assert_eq!(Shift::of_stored(stored).unwrap(), shifts[0]);
}

#[test]
fn shifts_of_a_person_follow_one_another() {
    let day = |id: &str, person: &str, begin: u32, end: u32| {
        format!("{id},{person},,2026-03-24T{begin:02}:00,2026-03-24T{end:02}:00,,,,\n")
    };
    let three = day("1", "ada", 12, 16) + &day("2", "ada", 8, 12) + &day("3", "bob", 9, 13);
    assert!(csv(&three, &march()).is_ok());
    let overlapping = day("1", "ada", 11, 16) + &day("2", "ADA", 8, 12);
    assert_eq!(told(&csv(&overlapping, &march()).unwrap_err()), [(2, "begin")]);
    assert_eq!(told(&csv(&(day("1", "ada", 8, 9) + &day("1", "", 10, 9)), &march()).unwrap_err()), [(3, "begin")]);
}

#[test]
fn each_faulty_line_is_named_with_its_field() {
    let lines = "s1,nobody,,2026-03-24T08:00,2026-03-24T16:00,,,,\n\
        s2,ada,,2026-04-01T08:00,2026-04-01T16:00,,,,\n\
        s3,ada,,2026-03-24T08:00,2026-03-24T08:00,,,,\n\
        s4,bob,,2026-03-24T08:00,2026-03-24T16:00,nap,2026-03-24T09:00,2026-03-24T09:15,\n\
        s5,ada,,2026-03-25T08:00,2026-03-25T16:00,break,2026-03-25T09:00,2026-03-25T09:15,Nap\n\
        s5,,,,,break,2026-03-25T09:10,2026-03-25T09:30,\n\
        s5,,,,,meeting,2026-03-25T15:30,2026-03-25T16:30,\n\
        s6,ada,,2026-03-26T08:00,2026-03-27T08:01,,,,\n\
        s7,bob,Moon/Crater,2026-03-26T08:00,2026-03-26T16:00,,,,\n\
        s8,bob,,26.3.2026,2026-03-26T16:00,,,,\n\
        s9,bob,,2026-03-27T08:00,2026-03-27T16:00,work,2026-03-27T08:00,2026-03-27T16:00,Tea\n";
    let faults = csv(lines, &march()).unwrap_err();
    let due = [
        (2, "person"),
        (3, "begin"),
        (4, "end"),
        (5, "activity"),
        (6, "reason"),
        (7, "activity_begin"),
        (8, "activity_begin"),
        (9, "end"),
        (10, "zone"),
        (11, "begin"),
        (12, "reason"),
    ];
    assert_eq!(told(&faults), due, "{faults:?}");
}

#[test]
fn a_table_that_is_none_is_refused_as_a_whole() {
    for (text, format) in [
        ("", TableFormat::Csv),
        ("shift,person,begin\n", TableFormat::Csv),
        ("shift,person,begin,end,mood\n", TableFormat::Csv),
        ("[]", TableFormat::Json),
        ("{", TableFormat::Json),
        (
            r#"{"shifts":[{"id":"1","person":"ada","begin":"2026-03-24T08:00","end":"2026-03-24T16:00","mood":1}]}"#,
            TableFormat::Json,
        ),
    ] {
        assert!(taken(text, format, &march()).is_err(), "{text}");
    }
    assert_eq!(csv("", &march()), Ok(Vec::new()), "nobody works");
}

#[test]
fn of_some_people_the_others_are_not_in_the_table() {
    let (planned, faults) =
        read(&format!("{HEAD}s1,bob,,2026-03-24T08:00,2026-03-24T16:00,,,,\n"), TableFormat::Csv, &march());
    assert!(faults.is_empty());
    let faults = checked(planned.clone(), &march(), &["ada".to_owned()], &names()).unwrap_err();
    assert_eq!(told(&faults), [(2, "person")]);
    assert!(checked(planned, &march(), &["BOB".to_owned()], &names()).is_ok());
}

#[test]
fn no_more_faults_are_kept_than_are_told() {
    let zeros = |count: usize| format!("{{\"shifts\":[{}]}}", vec!["0"; count].join(","));
    assert_eq!(taken(&zeros(3), TableFormat::Json, &march()).unwrap_err().len(), 3);
    let faults = taken(&zeros(SHIFTS_MAX + 5), TableFormat::Json, &march()).unwrap_err();
    assert_eq!(faults.len(), FAULTS_MAX);
    assert!(!faults[0].rule.contains(" at line "), "{faults:?}");
    let others = "s1,bob,,2026-03-25T08:00,2026-03-25T16:00,,,,\n".repeat(FAULTS_MAX);
    let differing = format!("s1,ada,,2026-03-24T08:00,2026-03-24T16:00,,,,\n{others}");
    assert!(csv(&differing, &march()).unwrap_err().len() < FAULTS_MAX + 8, "the last line has few");
    let head = "x,".repeat(2 * FAULTS_MAX);
    assert!(taken(&head, TableFormat::Csv, &march()).unwrap_err().len() < FAULTS_MAX + 8);
    let wrong: String = (0..2 * FAULTS_MAX).map(|id| format!("{id},ada,,then,later,,,,\n")).collect();
    assert!(csv(&wrong, &march()).unwrap_err().len() < FAULTS_MAX + 8);
}

#[test]
fn a_table_of_too_many_shifts_is_refused_as_a_whole() {
    let one = r#"{"id":"1","person":"ada","begin":"2026-03-24T08:00","end":"2026-03-24T16:00"}"#;
    let document = format!("{{\"shifts\":[{}]}}", vec![one; SHIFTS_MAX + 1].join(","));
    let lines: String =
        (0..=SHIFTS_MAX).map(|id| format!("{id},ada,,2026-03-24T08:00,2026-03-24T16:00,,,,\n")).collect();
    for faults in [taken(&document, TableFormat::Json, &march()), csv(&lines, &march())] {
        let faults = faults.unwrap_err();
        assert_eq!(told(&faults), [(0, "")]);
        assert!(faults[0].rule.starts_with("there are more than 20000 shifts"), "{faults:?}");
    }
}
