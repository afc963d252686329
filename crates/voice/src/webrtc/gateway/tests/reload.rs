//! Phones that come back: a page that is loaded again, a machine that has slept, another network.

use super::*;

/// As another page of the same phone writes it: it has another Contact.
fn of_page(method: &str, cseq: u32) -> Message {
    let text = String::from_utf8(of_phone(method, cseq, "").to_bytes().to_vec()).unwrap();
    Message::parse(text.replace("sip:x7@", "sip:y8@").into_bytes().into()).unwrap()
}

fn by_ticket() -> (Lab, String) {
    let mut lab = Lab::new();
    lab.opens(7, Some(holder("tab")));
    let name = lab.registers(7, 1);
    lab.others.clear();
    (lab, name)
}

#[test]
fn a_call_that_rings_rings_again_on_the_page_that_is_loaded() {
    let (mut lab, name) = by_ticket();
    lab.hear_proxy(&to_phone("INVITE", &name, ""));
    let (_, before) = lab.told();
    lab.by(7, Message::response_to(&before, StatusCode::RINGING).to_tag("a").build());
    lab.to_proxy.clear();
    lab.closes(7);
    lab.pass(Duration::from_secs(10));
    lab.opens(8, Some(holder("tab")));
    assert!(lab.to_phone.is_empty(), "it is not known yet how the page is addressed");
    lab.by(8, of_page("REGISTER", 1));
    let register = lab.asked();
    assert!(register.header(&HeaderName::Contact).unwrap().starts_with(&format!("<sip:{name}@{US}>")));
    lab.hear_proxy(&granted(&register));
    let told = std::mem::take(&mut lab.to_phone);
    let [(_, granted), (to, after)] = told.as_slice() else { panic!("{told:?}") };
    assert_eq!((granted.status(), *to), (Some(StatusCode::OK), socket(8)));
    assert_eq!(after.request_uri(), Some("sip:y8@h.invalid;transport=ws"));
    assert_eq!(after.top_via().unwrap().branch(), before.top_via().unwrap().branch(), "for a page that has it");
    lab.by(8, Message::response_to(after, StatusCode::OK).to_tag("b").build());
    assert_eq!(statuses(&mut lab.to_proxy), [200]);
    assert_eq!(lab.gateway.counts().resumed, 1);
}

#[test]
fn a_dialog_lasts_while_its_phone_is_waited_for_and_not_longer() {
    let (mut lab, name) = by_ticket();
    lab.closes(7);
    lab.hear_proxy(&to_phone("OPTIONS", &name, "mine"));
    assert_eq!(statuses(&mut lab.to_proxy), [200], "it is alive");
    lab.pass(Duration::from_secs(10));
    lab.hear_proxy(&to_phone("INFO", &name, "mine"));
    lab.hear_proxy(&to_phone("INVITE", &name, ""));
    lab.pass(Duration::from_secs(15));
    assert_eq!(statuses(&mut lab.to_proxy), [100]);
    lab.pass(Duration::from_secs(10));
    let mut ended = statuses(&mut lab.to_proxy);
    ended.sort_unstable();
    ended.dedup();
    assert_eq!(ended, [480, 481]);
    lab.hear_proxy(&to_phone("OPTIONS", &name, "other"));
    assert_eq!(statuses(&mut lab.to_proxy), [481]);
    assert_eq!((lab.gateway.sizes(), lab.gateway.counts().given_up), ((0, 0), 1));
}

#[test]
fn a_phone_that_sleeps_with_its_web_socket_open_is_there_again_with_its_first_word() {
    let (mut lab, name) = by_ticket();
    lab.hear_proxy(&to_phone("OPTIONS", &name, "first"));
    let (_, asked) = lab.told();
    lab.by(7, Message::response_to(&asked, StatusCode::OK).build());
    lab.pass(Duration::from_secs(10));
    assert_eq!((statuses(&mut lab.to_proxy), lab.gateway.counts().silent), (vec![200], 0));
    lab.hear_proxy(&to_phone("OPTIONS", &name, "mine"));
    let (_, asked) = lab.told();
    lab.pass(Duration::from_secs(2));
    assert!(lab.to_proxy.is_empty(), "it may answer still");
    lab.pass(Duration::from_secs(2));
    assert_eq!((statuses(&mut lab.to_proxy), lab.gateway.counts().silent), (vec![200], 1));
    lab.hear_proxy(&to_phone("OPTIONS", &name, "other"));
    assert_eq!(statuses(&mut lab.to_proxy), [200]);
    lab.hear_proxy(&to_phone("INFO", &name, "mine"));
    lab.pass(Duration::from_secs(20));
    assert!(lab.to_phone.is_empty() && lab.to_proxy.is_empty(), "it waits for the phone");
    lab.by(7, Message::response_to(&asked, StatusCode::OK).build());
    let (to, info) = lab.told();
    assert_eq!((to, info.method()), (socket(7), sip::Method::Info));
    lab.by(7, Message::response_to(&info, StatusCode::OK).build());
    assert_eq!(statuses(&mut lab.to_proxy), [200]);
    lab.pass(Duration::from_secs(60));
    assert_eq!((lab.gateway.sizes(), lab.gateway.counts().given_up), ((1, 0), 0));
}

#[test]
fn a_phone_that_sleeps_is_waited_for_as_long_as_one_whose_web_socket_has_broken() {
    let (mut lab, name) = by_ticket();
    lab.hear_proxy(&to_phone("OPTIONS", &name, "mine"));
    lab.pass(crate::webrtc::GRACE_MAX - Duration::from_secs(2));
    assert_eq!((statuses(&mut lab.to_proxy), lab.gateway.sizes()), (vec![200], (1, 0)));
    lab.pass(Duration::from_secs(4));
    assert_eq!((lab.gateway.sizes(), lab.gateway.counts().given_up), ((0, 0), 1));
    assert!(lab.others.contains(&GatewayOutput::Close(socket(7))), "it is no phone's any more");
    lab.hear_proxy(&to_phone("OPTIONS", &name, "other"));
    assert_eq!(statuses(&mut lab.to_proxy), [481]);
}

/// Also with the longest grace that may be set.
#[test]
fn what_is_asked_of_a_phone_that_is_away_lasts_as_long_as_it_is_waited_for() {
    let (mut lab, name) = by_ticket();
    lab.closes(7);
    lab.hear_proxy(&to_phone("INFO", &name, "mine"));
    lab.hear_proxy(&to_phone("INVITE", &name, ""));
    lab.pass(crate::webrtc::GRACE_MAX - Duration::from_millis(500));
    assert_eq!(statuses(&mut lab.to_proxy), [100]);
    lab.opens(8, Some(holder("tab")));
    lab.by(8, of_page("REGISTER", 1));
    let register = lab.asked();
    lab.hear_proxy(&granted(&register));
    let asked = std::mem::take(&mut lab.to_phone).into_iter().filter(|(_, message)| message.is_request());
    let asked: Vec<Message> = asked.map(|(_, message)| message).collect();
    assert_eq!(asked.len(), 2, "{asked:?}");
    for request in &asked {
        lab.by(8, Message::response_to(request, StatusCode::OK).to_tag("mine").build());
    }
    assert_eq!(statuses(&mut lab.to_proxy), [200, 200]);
}

#[test]
fn an_answer_that_came_while_the_phone_was_away_reaches_it() {
    let (mut lab, _) = by_ticket();
    lab.by(7, of_phone("INVITE", 1, ""));
    let invite = lab.asked();
    lab.closes(7);
    lab.hear_proxy(&Message::response_to(&invite, StatusCode::RINGING).to_tag("b").build());
    lab.opens(8, Some(holder("tab")));
    lab.registers_with(8, of_phone("REGISTER", 2, ""));
    let told = std::mem::take(&mut lab.to_phone);
    let all: Vec<(ConnectionId, Option<StatusCode>)> = told.iter().map(|(to, one)| (*to, one.status())).collect();
    assert_eq!(all, [(socket(8), Some(StatusCode::OK)), (socket(8), Some(StatusCode::RINGING))]);
}

#[test]
fn a_phone_that_asks_for_something_is_there_though_it_does_not_register_again() {
    let (mut lab, name) = by_ticket();
    lab.closes(7);
    lab.opens(8, Some(holder("tab")));
    lab.by(8, of_phone("INVITE", 3, ""));
    lab.asked();
    lab.hear_proxy(&to_phone("INFO", &name, "mine"));
    assert_eq!(lab.told().0, socket(8));
}

#[test]
fn two_pages_of_a_session_are_two_phones_and_one_page_is_one() {
    let (mut lab, name) = by_ticket();
    lab.opens(8, Some(holder("other")));
    assert_ne!(lab.registers(8, 1), name);
    assert_eq!(lab.gateway.sizes(), (2, 0));
    lab.others.clear();
    lab.opens(9, Some(holder("tab")));
    assert!(lab.others.contains(&GatewayOutput::Close(socket(7))), "its former WebSocket hangs");
    lab.closes(7);
    assert_eq!(lab.gateway.sizes(), (2, 0));
}

#[test]
fn a_phone_with_a_password_is_known_again_by_its_instance_once_it_has_proved_itself() {
    let mut lab = Lab::new();
    let name = lab.registered(7);
    lab.closes(7);
    lab.opens(8, None);
    lab.by(8, of_page("REGISTER", 1));
    let register = lab.asked();
    assert!(register.header(&HeaderName::Contact).unwrap().starts_with(&format!("<sip:{name}@{US}>")));
    lab.hear_proxy(&Message::response_to(&register, StatusCode::FORBIDDEN).to_tag("p").build());
    assert_eq!(lab.told().1.status(), Some(StatusCode::FORBIDDEN));
    lab.hear_proxy(&to_phone("INFO", &name, "mine"));
    assert!(lab.to_phone.is_empty(), "it is anybody");
    lab.by(8, of_page("REGISTER", 2));
    let register = lab.asked();
    lab.hear_proxy(&granted(&register));
    let told = std::mem::take(&mut lab.to_phone);
    let [(_, granted), (to, info)] = told.as_slice() else { panic!("{told:?}") };
    assert!(granted.header(&HeaderName::Contact).unwrap().starts_with("<sip:y8@h.invalid"));
    assert_eq!((*to, info.request_uri()), (socket(8), Some("sip:y8@h.invalid;transport=ws")));
    assert_eq!(lab.gateway.sizes(), (1, 0));
}

#[test]
fn a_call_that_a_loaded_page_makes_before_it_is_known_goes_on() {
    let mut lab = Lab::new();
    let name = lab.registered(7);
    lab.closes(7);
    lab.opens(8, None);
    lab.by(8, of_page("REGISTER", 1));
    let register = lab.asked();
    lab.by(8, of_page("INVITE", 2));
    let invite = lab.asked();
    let other_name = rewriting::user_of(&rewriting::contact_of(&invite).unwrap()).unwrap();
    assert_ne!(other_name, name, "it has not proved yet whose page it is");
    lab.hear_proxy(&granted(&register));
    assert_eq!(lab.told().1.status(), Some(StatusCode::OK));
    lab.hear_proxy(&Message::response_to(&invite, StatusCode::RINGING).to_tag("b").build());
    assert!(lab.to_proxy.is_empty(), "it is not cancelled");
    lab.hear_proxy(&Message::response_to(&invite, StatusCode::OK).to_tag("b").build());
    let told = std::mem::take(&mut lab.to_phone);
    let all: Vec<(ConnectionId, Option<StatusCode>)> = told.iter().map(|(to, one)| (*to, one.status())).collect();
    assert_eq!(all, [(socket(8), Some(StatusCode::RINGING)), (socket(8), Some(StatusCode::OK))]);
    for name in [&name, &other_name] {
        lab.hear_proxy(&to_phone("INFO", name, "mine"));
        let (to, info) = lab.told();
        assert_eq!((to, info.request_uri()), (socket(8), Some("sip:y8@h.invalid;transport=ws")));
        lab.by(8, Message::response_to(&info, StatusCode::OK).build());
        assert_eq!(statuses(&mut lab.to_proxy), [200]);
        lab.pass(Duration::from_secs(33));
        lab.to_phone.clear();
    }
    assert_eq!(lab.gateway.sizes(), (1, 0));
}

#[test]
fn a_phone_that_is_known_again_too_late_keeps_the_name_by_which_it_has_registered() {
    let mut lab = Lab::new();
    let name = lab.registered(7);
    lab.closes(7);
    lab.pass(Duration::from_secs(25));
    lab.opens(8, None);
    lab.by(8, of_page("REGISTER", 1));
    let register = lab.asked();
    assert!(register.header(&HeaderName::Contact).unwrap().starts_with(&format!("<sip:{name}@{US}>")));
    lab.pass(Duration::from_secs(10));
    assert_eq!(lab.gateway.sizes(), (1, 0), "it is not waited for any more");
    lab.hear_proxy(&granted(&register));
    let (_, granted) = lab.told();
    assert!(granted.header(&HeaderName::Contact).unwrap().starts_with("<sip:y8@h.invalid"));
    lab.hear_proxy(&to_phone("INVITE", &name, ""));
    assert_eq!(lab.told().0, socket(8));
}

/// By that name sip-proxy tells the phone's own way from those on which others guess at its password.
#[test]
fn a_loaded_page_keeps_the_name_of_the_way_on_which_it_has_proved_itself() {
    for is_late in [false, true] {
        let mut lab = Lab::new();
        let name = lab.registered(7);
        let mut of_before = name.clone();
        lab.closes(7);
        lab.pass(Duration::from_secs(25));
        for (number, cseq) in [(8, 10), (9, 20)] {
            lab.opens(number, None);
            lab.by(number, of_page("REGISTER", cseq));
            let proving = lab.asked();
            let way = proving.header(&headers::CLIENT_FLOW).unwrap().to_owned();
            assert_ne!(way, of_before, "it is anybody until then");
            if is_late && number == 8 {
                // Its flow of before is not waited for any more.
                lab.pass(Duration::from_secs(10));
                lab.to_proxy.clear();
            }
            lab.hear_proxy(&granted(&proving));
            for (method, more) in [("REGISTER", 1), ("INVITE", 2), ("REGISTER", 3)] {
                lab.by(number, of_page(method, cseq + more));
                let asked = lab.asked();
                assert_eq!(asked.header(&headers::CLIENT_FLOW), Some(way.as_str()), "{method}");
                let ours = rewriting::user_of(&rewriting::contact_of(&asked).unwrap()).unwrap();
                assert_eq!(ours, name, "it is reached as before");
                if method == "REGISTER" {
                    lab.hear_proxy(&granted(&asked));
                }
            }
            of_before = way;
            lab.closes(number);
        }
    }
}

#[test]
fn a_page_that_comes_and_goes_without_a_word_is_waited_for_no_longer() {
    let (mut lab, _) = by_ticket();
    lab.closes(7);
    lab.pass(Duration::from_secs(20));
    lab.opens(8, Some(holder("tab")));
    lab.closes(8);
    lab.pass(Duration::from_secs(15));
    assert_eq!((lab.gateway.sizes(), lab.gateway.counts().given_up), ((0, 0), 1));
    let (mut lab, _) = by_ticket();
    lab.closes(7);
    lab.opens(8, Some(holder("tab")));
    lab.pass(Duration::from_secs(35));
    assert_eq!(lab.gateway.sizes(), (1, 0));
    lab.pass(Duration::from_secs(10));
    assert_eq!(lab.gateway.sizes(), (0, 0));
    assert!(lab.others.contains(&GatewayOutput::Close(socket(8))));
}

#[test]
fn a_call_that_is_given_up_while_its_phone_is_away_rings_no_longer_once_it_is_back() {
    let (mut lab, name) = by_ticket();
    let invite = to_phone("INVITE", &name, "");
    lab.hear_proxy(&invite);
    let (_, before) = lab.told();
    lab.by(7, Message::response_to(&before, StatusCode::RINGING).to_tag("a").build());
    lab.to_proxy.clear();
    lab.closes(7);
    let cancel = String::from_utf8(invite.to_bytes().to_vec()).unwrap();
    let cancel = cancel.replace("INVITE sip:", "CANCEL sip:").replace("1 INVITE", "1 CANCEL");
    lab.hear_proxy(&Message::parse(cancel.into_bytes().into()).unwrap());
    assert_eq!(statuses(&mut lab.to_proxy), [200]);
    assert!(lab.to_phone.is_empty());
    lab.opens(8, Some(holder("tab")));
    lab.registers_with(8, of_phone("REGISTER", 2, ""));
    let told = std::mem::take(&mut lab.to_phone);
    let [_, (to, cancel)] = told.as_slice() else { panic!("{told:?}") };
    assert_eq!((*to, cancel.method()), (socket(8), sip::Method::Cancel));
    assert_eq!(cancel.top_via().unwrap().branch(), before.top_via().unwrap().branch());
}

#[test]
fn who_has_proved_nothing_is_not_waited_for() {
    let mut lab = Lab::new();
    lab.opens(7, None);
    lab.closes(7);
    assert_eq!(lab.gateway.sizes(), (0, 0));
}

impl Lab {
    fn registers_with(&mut self, number: u64, register: Message) {
        self.by(number, register);
        let register = self.asked();
        self.hear_proxy(&granted(&register));
    }
}
