use super::*;

/// Where everything is there.
struct Everything;

impl Facilities for Everything {
    fn can_play(&self, _: &str) -> bool {
        true
    }

    fn may_join(&self, _: &str) -> bool {
        true
    }

    fn may_record(&self, _: &Record) -> bool {
        true
    }

    fn is_recorded(&self, _: &str) -> bool {
        true
    }
}

/// Where one of each is there.
struct OneOfEach;

impl Facilities for OneOfEach {
    fn can_play(&self, uri: &str) -> bool {
        uri == "file://a.wav"
    }

    fn may_join(&self, conference: &str) -> bool {
        conference == "d"
    }

    fn may_record(&self, record: &Record) -> bool {
        record.uri == "file://new.wav"
    }

    fn is_recorded(&self, uri: &str) -> bool {
        uri == "file://old.wav"
    }
}

fn record() -> Record {
    Record {
        uri: "file://new.wav".to_owned(),
        longest: Duration::from_secs(60),
        silence: Some(Duration::from_millis(2_500)),
        end_key: Some('#'),
        beep: true,
        on_exit: Vec::new(),
    }
}

fn msml(inner: &str) -> String {
    format!("<?xml version=\"1.0\"?><msml version=\"1.1\">{inner}</msml>")
}

fn start(inner: &str) -> String {
    msml(&format!("<dialogstart target=\"conn:x\" type=\"application/moml+xml\" name=\"a\">{inner}</dialogstart>"))
}

fn result_of(answer: &Answer) -> Response {
    match parse_notice(answer.body.as_bytes()).unwrap() {
        Notice::Result(response) => response,
        Notice::Event(event) => panic!("{event:?}"),
    }
}

fn event_of(body: &str) -> Event {
    match parse_notice(body.as_bytes()).unwrap() {
        Notice::Event(event) => event,
        Notice::Result(response) => panic!("{response:?}"),
    }
}

fn menu() -> Dialog {
    let collect = Collect::new(Pattern { min: 1, max: 4, return_key: Some('#') });
    Dialog::prompt_and_collect(["file://menu.wav"], collect)
}

#[test]
fn requests_are_read_as_they_were_built() {
    let reports = vec![
        Report::Send { event: "a<b>&\"c\"".to_owned(), namelist: vec![Variable::PlayAmount] },
        Report::Exit { namelist: vec![] },
    ];
    let recorded = reports.clone();
    let mut full = menu();
    let play = full.play.as_mut().unwrap();
    (play.on_exit, play.iterate) = (reports.clone(), Iterate::Times(3));
    let collect = full.collect.as_mut().unwrap();
    (collect.on_match, collect.on_no_input) = (reports.clone(), reports.clone());
    (collect.on_no_match, collect.on_exit) = (reports.clone(), reports);
    collect.first_digit = Duration::from_millis(1_500);
    let connection = || "12ab.1.node-1.7.mac".to_owned();
    let commands = vec![
        Command::DialogStart { connection: connection(), name: Some("n".to_owned()), dialog: full },
        Command::DialogStart { connection: connection(), name: None, dialog: Dialog::looped(["file://m.wav"]) },
        Command::DialogEnd { connection: connection(), name: "n".to_owned() },
        Command::DialogStart {
            connection: connection(),
            name: None,
            dialog: Dialog::prompt_and_record(["file://m.wav"], Record { on_exit: recorded, ..record() }),
        },
        Command::DialogStart {
            connection: connection(),
            name: None,
            dialog: Dialog::prompt_and_record(
                [""; 0],
                Record { silence: None, end_key: None, beep: false, ..record() },
            ),
        },
        Command::Delete { connection: connection(), uri: "prompt:ann-1&2".to_owned() },
        Command::Echo { connection: connection() },
        Command::EndEcho { connection: connection() },
        Command::Join { connection: connection(), conference: "12ab.1".to_owned(), streams: JoinStreams::Both },
        Command::Join { connection: connection(), conference: "12ab.1".to_owned(), streams: JoinStreams::HearsOnly },
        Command::Join { connection: connection(), conference: "12ab.1".to_owned(), streams: JoinStreams::SpeaksOnly },
        Command::Join { connection: connection(), conference: "12ab.1".to_owned(), streams: JoinStreams::Neither },
        Command::Coach { connection: connection(), heard_by: "12ab.2.node-1.7.mac".to_owned() },
        Command::Record { connection: connection(), name: "rec-00a1-1".to_owned(), beep: false },
        Command::Record { connection: connection(), name: "rec-00a1-1".to_owned(), beep: true },
        Command::EndRecord { connection: connection(), name: "rec-00a1-1".to_owned() },
        Command::Unjoin { connection: connection(), conference: "12ab.1".to_owned() },
    ];
    for commands in commands.chunks(COMMANDS_MAX) {
        assert_eq!(parse_request(build_request(commands).as_bytes()).unwrap(), commands);
    }
}

/// The conformance table: requests, and the response code of RFC 5707 §11 for each.
#[test]
fn each_request_gets_its_response_code() {
    let play = "<play><audio uri=\"file://a.wav\"/></play>";
    let pattern = "<pattern digits=\"x\"/>";
    let recording =
        |more: &str| start(&format!("<record dest=\"file://new.wav\" format=\"audio/wav\" maxtime=\"60s\"{more}/>"));
    let cases: Vec<(String, u16, &str)> = vec![
        (start(play), 200, ""),
        (start(&format!("<collect fdt=\"5s\" idt=\"900ms\">{pattern}</collect>")), 200, ""),
        (start(&format!("<dtmf>{pattern}<noinput/><nomatch/></dtmf>")), 200, ""),
        (start("<collect><pattern digits=\"min=2;max=5;rtk=*\" format=\"moml+digits\"/></collect>"), 200, ""),
        (start("<collect><pattern digits=\"length=4\"/></collect>"), 200, ""),
        (start(&format!("<collect>{play}{pattern}</collect>")), 200, ""),
        (start("<play iterate=\"forever\" barge=\"true\"><audio uri=\"file://a.wav\"/></play>"), 200, ""),
        (msml("<join id1=\"conn:x\" id2=\"conn:x\"/>"), 200, ""),
        (msml("<join id1=\"conn:x\" id2=\"conf:d\"/>"), 200, ""),
        (msml("<join id1=\"conn:x\" id2=\"conf:d\"><stream media=\"audio\" dir=\"to-id1\"/></join>"), 200, ""),
        (msml("<join id1=\"conn:x\" id2=\"conn:y\"><stream media=\"audio\" dir=\"from-id1\"/></join>"), 200, ""),
        (
            msml("<join id1=\"conn:x\" id2=\"conf:d\"><stream media=\"audio\"><gain amt=\"mute\"/></stream></join>"),
            402,
            "gain",
        ),
        (
            msml(
                "<join id1=\"conn:x\" id2=\"conf:d\"><stream media=\"audio\" dir=\"from-id1\"><gain amt=\"3\"/></stream></join>",
            ),
            410,
            "amt",
        ),
        (msml("<join id1=\"conn:x\" id2=\"conf:d\"><stream media=\"video\"/></join>"), 410, "media"),
        (msml("<join id1=\"conn:x\" id2=\"conf:d\"><stream media=\"audio\" dir=\"up\"/></join>"), 410, "dir"),
        (
            msml("<join id1=\"conn:x\" id2=\"conf:d\"><stream media=\"audio\"/><stream media=\"audio\"/></join>"),
            402,
            "one <stream>",
        ),
        (msml("<unjoin id1=\"conn:x\" id2=\"conn:y\"/>"), 430, "conn:y"),
        (msml("<unjoin id1=\"conn:x\" id2=\"conf:c\"/>"), 200, ""),
        (msml("<unjoin id1=\"conn:x\" id2=\"conf:d\"/>"), 430, "conf:d"),
        (msml("<join id1=\"conn:x\" id2=\"conf:full\"/>"), 440, "full"),
        (msml("<join id1=\"conn:x\" id2=\"conf:\"/>"), 410, "id2"),
        ("<msml".to_owned(), 400, "well-formed"),
        ("<moml version=\"1.1\"/>".to_owned(), 400, "<msml>"),
        ("<!DOCTYPE x [<!ENTITY e \"e\">]><msml version=\"1.1\"/>".to_owned(), 400, "document type"),
        (msml("<frobnicate/>"), 401, "frobnicate"),
        (start("<frobnicate/>"), 401, "frobnicate"),
        (msml("<createconference/>"), 402, "createconference"),
        (start(&format!("<group topology=\"parallel\">{play}</group>")), 402, "group"),
        (start(&format!("<collect>{pattern}{pattern}</collect>")), 402, "second <pattern>"),
        (start(&format!("<collect>{pattern}<detect/></collect>")), 402, "detect"),
        (msml(""), 403, "no request"),
        (start(""), 403, "<play>, <collect>"),
        (start("<play/>"), 403, "<audio>"),
        (start("<collect/>"), 403, "<pattern>"),
        (start(&format!("{play}{play}")), 404, "<play>"),
        (start("<play maxtime=\"5s\"><audio uri=\"file://a.wav\"/></play>"), 407, "maxtime"),
        (start(&format!("<collect edt=\"1s\">{pattern}</collect>")), 407, "edt"),
        (start("<record/>"), 408, "dest"),
        (recording(""), 200, ""),
        (recording(" postspeech=\"2s\" termkey=\"#\" beep=\"true\" append=\"false\""), 200, ""),
        (start(&format!("{play}<record dest=\"file://new.wav\" format=\"audio/wav\" maxtime=\"1s\"/>")), 200, ""),
        (recording(" prespeech=\"2s\""), 407, "prespeech"),
        (recording(" append=\"true\""), 410, "append"),
        (recording(" termkey=\"##\""), 410, "termkey"),
        (recording("").replace("60s", "181s"), 410, "maxtime"),
        (recording("").replace("60s", "0s"), 410, "maxtime"),
        (recording("").replace("audio/wav", "video/mp4"), 410, "format"),
        (recording("").replace("new.wav", "full.wav"), 510, "full.wav"),
        (recording("").replace("/>", &format!("/><collect>{pattern}</collect>")), 404, "collect"),
        (recording("").replace("/>", "><group/></record>"), 402, "group"),
        (msml("<send event=\"trunkline.delete\" target=\"conn:x\" valuelist=\"file://old.wav\"/>"), 200, ""),
        (msml("<send event=\"trunkline.delete\" target=\"conn:x\" valuelist=\"file://a.wav\"/>"), 430, "a.wav"),
        (msml("<send event=\"other\" target=\"conn:x\" valuelist=\"a\"/>"), 410, "event"),
        (msml("<dialogstart/>"), 408, "target"),
        (msml("<dialogend/>"), 408, "id"),
        (start("<play><audio/></play>"), 408, "uri"),
        (start("<play iterate=\"0\"><audio uri=\"file://a.wav\"/></play>"), 410, "iterate"),
        (start("<play barge=\"maybe\"><audio uri=\"file://a.wav\"/></play>"), 410, "barge"),
        (start(&format!("<collect fdt=\"soon\">{pattern}</collect>")), 410, "fdt"),
        (start("<collect><pattern digits=\"12x\"/></collect>"), 410, "12x"),
        (start("<collect><pattern digits=\"x\" format=\"mgcp\"/></collect>"), 410, "format"),
        (
            start(
                "<play><audio uri=\"file://a.wav\"/><playexit><exit namelist=\"record.recordid\"/></playexit></play>",
            ),
            410,
            "record.recordid",
        ),
        (msml("<dialogstart target=\"conf:x\"/>"), 410, "conf:x"),
        (msml("<dialogstart target=\"conn:x\" type=\"application/vxml+xml\"/>"), 420, "vxml"),
        (msml("<dialogend id=\"conn:x/dialog:none\"/>"), 430, "none"),
        (msml(&format!("<dialogstart target=\"conn:y\">{play}</dialogstart>")), 430, "conn:y"),
        (start("<play><audio uri=\"file://missing.wav\"/></play>"), 430, "missing.wav"),
        (msml("<unjoin id1=\"conn:x\" id2=\"conn:x\"/>"), 430, "not joined"),
        (msml("<join id1=\"conn:x\" id2=\"conn:y\"/>"), 440, "itself"),
        (start(&format!("<play>{}</play>", "<audio uri=\"file://a.wav\"/>".repeat(AUDIO_MAX + 1))), 510, "audio"),
    ];
    for (body, code, named) in &cases {
        let answer = Connection::new("x", Some("c")).handle_request(body.as_bytes(), &OneOfEach);
        let response = result_of(&answer);
        let description = response.description.clone().unwrap_or_default();
        assert_eq!(response.code, *code, "{body}: {description}");
        assert!(description.contains(named), "{body}: {description}");
        assert_eq!(answer.actions.is_empty(), *code != 200, "{body}");
    }
}

#[test]
fn a_second_dialog_of_the_same_name_is_refused_and_another_takes_over() {
    let mut connection = Connection::new("x", Some("c"));
    let play = start("<play><audio uri=\"a\"/></play><exit namelist=\"play.end\"/>");
    assert_eq!(result_of(&connection.handle_request(play.as_bytes(), &Everything)).dialogs, ["conn:x/dialog:a"]);
    let again = connection.handle_request(play.as_bytes(), &Everything);
    assert_eq!((result_of(&again).code, again.actions.len()), (431, 0));
    let other = connection.handle_request(play.replace("name=\"a\"", "").as_bytes(), &Everything);
    assert_eq!(result_of(&other).dialogs, ["conn:x/dialog:d1"]);
    assert!(matches!(other.actions.as_slice(), [Action::Stop, Action::Start(_)]));
    let exit = event_of(&other.notices[0]);
    assert_eq!((exit.dialog(), exit.play_end()), (Some("a"), Some(PlayEnd::Terminated)));
}

#[test]
fn collected_digits_come_back_in_the_exit_event() {
    let mut connection = Connection::new("x", Some("c"));
    let command = Command::DialogStart { connection: "x".to_owned(), name: Some("menu".to_owned()), dialog: menu() };
    let answer = connection.handle_request(build_request(&[command]).as_bytes(), &Everything);
    assert_eq!(result_of(&answer).code, 200);
    let outcome = Outcome {
        play_end: Some(PlayEnd::Barge),
        played: Duration::from_millis(420),
        digits: "42".to_owned(),
        last: Some('#'),
        dtmf_end: Some(DtmfEnd::Match),
        ..Outcome::default()
    };
    let bodies = connection.handle_ended(&outcome);
    let [exit] = bodies.as_slice() else { panic!("{bodies:?}") };
    let exit = event_of(exit);
    assert!(exit.is_dialog_exit());
    assert_eq!((exit.connection(), exit.dialog()), (Some("x"), Some("menu")));
    assert_eq!((exit.digits(), exit.dtmf_end()), (Some("42"), Some(DtmfEnd::Match)));
    assert_eq!(exit.value(Variable::DtmfLast), Some("#"));
    assert!(connection.handle_ended(&outcome).is_empty(), "it ends once");
}

#[test]
fn the_beginning_and_the_end_of_a_recording_are_reported() {
    let mut connection = Connection::new("x", Some("c"));
    assert_eq!(connection.handle_recording(), None);
    let dialog = Dialog::prompt_and_record(["file://m.wav"], record());
    let command = Command::DialogStart { connection: "x".to_owned(), name: Some("t7".to_owned()), dialog };
    let start = build_request(&[command]);
    connection.handle_request(start.as_bytes(), &Everything);
    let begun = event_of(&connection.handle_recording().unwrap());
    assert_eq!((begun.is_recording(), begun.is_dialog_exit(), begun.dialog()), (true, false, Some("t7")));
    let outcome = Outcome {
        play_end: Some(PlayEnd::Complete),
        record_end: Some(RecordEnd::Silence),
        recorded: Some(Duration::from_millis(4_020)),
        ..Outcome::default()
    };
    let mut other = connection.clone();
    let exit = event_of(&connection.handle_ended(&outcome)[0]);
    assert_eq!(exit.recorded(), Some((RecordEnd::Silence, Duration::from_millis(4_020))));
    assert_eq!(exit.play_end(), None, "what was recorded counts");
    let failed = event_of(&other.handle_ended(&Outcome::default())[0]);
    assert_eq!(failed.recorded(), None);
    for end in [RecordEnd::Key, RecordEnd::Silence, RecordEnd::Longest, RecordEnd::Terminated] {
        assert_eq!(RecordEnd::parse(end.as_str()), Some(end));
    }
}

#[test]
fn sends_are_reported_by_outcome() {
    let body = start(
        "<play><audio uri=\"a\"/><playexit><send target=\"source\" event=\"played\" namelist=\"play.amt\"/></playexit></play>\
         <collect><pattern digits=\"xx\"><send target=\"source\" event=\"got\" namelist=\"dtmf.digits dtmf.len\"/></pattern>\
         <noinput><send target=\"source\" event=\"nothing\" namelist=\"dtmf.end\"/></noinput></collect>",
    );
    for (end, digits, expected) in [(DtmfEnd::Match, "42", "got"), (DtmfEnd::NoInput, "", "nothing")] {
        let mut connection = Connection::new("x", Some("c"));
        connection.handle_request(body.as_bytes(), &Everything);
        let outcome = Outcome {
            play_end: Some(PlayEnd::Complete),
            digits: digits.to_owned(),
            dtmf_end: Some(end),
            ..Outcome::default()
        };
        let names: Vec<String> = connection.handle_ended(&outcome).iter().map(|b| event_of(b).name).collect();
        assert_eq!(names, ["played", expected, DIALOG_EXIT]);
    }
}

#[test]
fn what_a_request_may_ask_for_is_bounded() {
    let audio = "<audio uri=\"a\"/>";
    let begin = |n: usize| format!("<dialogstart target=\"conn:x\" name=\"n{n}\"><play>{audio}</play></dialogstart>");
    let send = "<send target=\"source\" event=\"e\"/>";
    let long = "n".repeat(NAME_MAX + 1);
    let times = |value: &str| start(&format!("<play iterate=\"{value}\">{audio}</play>"));
    let waits = |value: &str| start(&format!("<collect idt=\"{value}\"><pattern digits=\"x\"/></collect>"));
    let digits = |value: &str| start(&format!("<collect><pattern digits=\"{value}\"/></collect>"));
    let attributes: String = (0..20).map(|n| format!(" a{n}=\"\"")).collect();
    let cases: Vec<(String, u16)> = vec![
        (msml(&(0..COMMANDS_MAX).map(begin).collect::<String>()), 200),
        (msml(&(0..=COMMANDS_MAX).map(begin).collect::<String>()), 510),
        (start(&format!("<play>{audio}<playexit>{}</playexit></play>", send.repeat(REPORTS_MAX))), 200),
        (start(&format!("<play>{audio}<playexit>{}</playexit></play>", send.repeat(REPORTS_MAX + 1))), 510),
        (start(&format!("<play>{audio}</play>")).replace("name=\"a\"", &format!("name=\"{long}\"")), 410),
        (
            start(&format!(
                "<play>{audio}<playexit>{}</playexit></play>",
                send.replace("\"e\"", &format!("\"{long}\""))
            )),
            410,
        ),
        (start(&format!("<play><audio uri=\"{}\"/></play>", "a".repeat(URI_MAX + 1))), 410),
        (start(&format!("<play>{audio}</play><exit namelist=\"{}\"/>", "play.end ".repeat(VARIABLES_MAX + 1))), 410),
        (start(&format!("<play{attributes}>{audio}</play>")), 400),
        (start(&"<play>".repeat(20)), 400),
        (times("-1"), 200),
        (times("forever"), 200),
        (times("65535"), 200),
        (times("65536"), 410),
        (times("-2"), 410),
        (waits("0ms"), 200),
        (waits("3600s"), 200),
        (waits("3601s"), 410),
        (waits("18446744073709551615s"), 410),
        (waits("-1s"), 410),
        (digits("min=0;max=4"), 410),
        (digits("min=5;max=4"), 410),
        (digits("min=1;max=33"), 410),
        (digits("length=4294967297"), 410),
        (digits("min=1;max=4;rtk=##"), 410),
        (digits(&"x".repeat(33)), 410),
    ];
    for (body, code) in &cases {
        let answer = Connection::new("x", Some("c")).handle_request(body.as_bytes(), &Everything);
        let response = result_of(&answer);
        assert_eq!(response.code, *code, "{body}: {:?}", response.description);
        assert!(answer.notices.len() <= COMMANDS_MAX * 4 * (REPORTS_MAX + 1));
    }
}

#[test]
fn a_conference_is_recorded_by_the_word_of_a_member_until_it_joins_anew() {
    let mut connection = Connection::new("x", Some("c"));
    let own = || "x".to_owned();
    let join = Command::Join { connection: own(), conference: "c".to_owned(), streams: JoinStreams::Both };
    let name = || "rec-00a1-1".to_owned();
    let record = Command::Record { connection: own(), name: name(), beep: true };
    let told = |beep, is_on| Some(MemberRecording { name: name(), beep, is_on });
    let mut ask = |commands: &[Command]| {
        let answer = connection.handle_request(build_request(commands).as_bytes(), &Everything);
        (result_of(&answer).code, connection.membership().and_then(|own| own.recording.clone()))
    };
    assert_eq!(ask(&[join.clone(), record.clone()]), (200, told(true, true)));
    assert_eq!(ask(&[Command::EndRecord { connection: own(), name: name() }]), (200, told(false, false)));
    assert_eq!(ask(&[join]), (200, None));
    assert_eq!(ask(&[Command::Unjoin { connection: own(), conference: "c".to_owned() }, record]), (440, None));
    let faulty = [
        ("rec:../keys\"><stream media=\"audio\" dir=\"from-id1\"/></join>", 410),
        ("rec:\"><stream media=\"audio\" dir=\"from-id1\"/></join>", 410),
        ("rec:a\" beep=\"loud\"><stream media=\"audio\" dir=\"from-id1\"/></join>", 410),
        ("rec:a\"><stream media=\"audio\" dir=\"to-id1\"/></join>", 440),
        ("conf:c\" beep=\"true\"/>", 407),
    ];
    for (rest, code) in faulty {
        let body = msml(&format!("<join id1=\"conn:x\" id2=\"{rest}"));
        let answer = Connection::new("x", Some("c")).handle_request(body.as_bytes(), &Everything);
        assert_eq!(result_of(&answer).code, code, "{rest}");
    }
}

#[test]
fn restored_goes_on_as_the_original() {
    let mut connection = Connection::new("x", Some("c"));
    connection.handle_request(start("<play><audio uri=\"a\"/></play>").as_bytes(), &Everything);
    let mut restored = Connection::restore(connection.snapshot());
    assert_eq!(restored, connection);
    let outcome = Outcome { play_end: Some(PlayEnd::Complete), ..Outcome::default() };
    assert_eq!(restored.handle_ended(&outcome), connection.handle_ended(&outcome));
}

#[test]
fn damaged_bodies_are_answered_not_crashed_on() {
    let command = Command::DialogStart { connection: "x".to_owned(), name: Some("m".to_owned()), dialog: menu() };
    let records = Command::DialogStart {
        connection: "x".to_owned(),
        name: None,
        dialog: Dialog::prompt_and_record(["file://m.wav"], record()),
    };
    let whole = build_request(&[command, records, Command::Echo { connection: "x".to_owned() }]).into_bytes();
    let mut random = 1_u64;
    let mut next = |bound: usize| {
        random = random.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1_442_695_040_888_963_407);
        (random >> 33) as usize % bound
    };
    for _ in 0..20_000 {
        let mut body = whole.clone();
        for _ in 0..=next(3) {
            match next(3) {
                0 => body[next(whole.len())] = next(256) as u8,
                1 => body.truncate(next(whole.len()).max(whole.len() / 2)),
                _ => {
                    let (from, to) = (next(body.len()), next(body.len()));
                    body.swap(from, to);
                }
            }
            body.resize(whole.len(), b' ');
        }
        let mut connection = Connection::new("x", Some("c"));
        let answer = connection.handle_request(&body, &Everything);
        result_of(&answer);
        let _ = parse_notice(&body);
        connection.handle_ended(&Outcome::default()).iter().for_each(|notice| drop(event_of(notice)));
    }
}
